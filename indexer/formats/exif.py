"""EXIF values out of a TIFF block (EXIF 2.32), read by piexif; what piexif can't stand is left to Pillow.

piexif trusts what it reads: on bad input it raises whatever comes up (struct.error, UnboundLocalError, ...) and sizes
its buffers by the file's own counts. So a block is looked over first, and every failure ends here, with a line in the
log at level DEBUG.
"""

from __future__ import annotations

import logging
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import piexif
from piexif import GPSIFD as GPSIFD
from piexif import ExifIFD as ExifIFD
from piexif import ImageIFD as ImageIFD

from indexer.formats.charsets import decode_text, decode_utf16
from indexer.formats.tiff import (
    ENTRY_BYTES,
    TYPE_BYTES,
    RawEntry,
    TiffError,
    raw_entries,
    read_header,
    readable_entries,
)

log = logging.getLogger(__name__)

Tags = Mapping[int, Any]

_POINTERS = _EXIF_POINTER, _GPS_POINTER, _INTEROP_POINTER = 0x8769, 0x8825, 0xA005
_TYPE_SIZES = {kind: size for kind, size in TYPE_BYTES.items() if kind <= 12}  # those that piexif knows
_MOST_VALUE_BYTES = 4_000_000
_MOST_IFDS = 8


@dataclass(frozen=True, slots=True)
class ExifValues:
    """Values by tag number of IFD0 and the IFDs below it. Text is bytes, a rational is a pair of integers."""

    image: Tags = field(default_factory=dict)
    exif: Tags = field(default_factory=dict)
    gps: Tags = field(default_factory=dict)
    interop: Tags = field(default_factory=dict)

    @property
    def is_adobe_rgb(self) -> bool:
        """Cameras say so by the interoperability index R03 (DCF 2.0, option files)."""
        return (text(self.interop.get(piexif.InteropIFD.InteroperabilityIndex)) or "").startswith("R03")

    @property
    def orientation(self) -> int:
        """1..8; 1 where there is none or it makes no sense."""
        value = integer(self.image.get(ImageIFD.Orientation))
        return value if value is not None and 1 <= value <= 8 else 1


def read_exif(block: bytes | None) -> ExifValues:
    """The values of a TIFF block (without the `Exif\\0\\0` before it); empty where nothing can be read.

    Never raises.
    """
    if not block:
        return ExifValues()
    values = _load(block)
    misplaced = _misplaced_tags(block)
    return replace(values, exif={**misplaced, **values.exif}) if misplaced else values


def _misplaced_tags(block: bytes) -> Tags:
    """Tags of the Exif IFD that stand in IFD0, as TIFF/EP (ISO 12234-2) has them, and careless programs."""
    try:
        order, ifd0 = read_header(block)
    except TiffError:
        return {}
    known = piexif.TAGS["Exif"]
    if not any(entry.tag in known for entry in readable_entries(block, order, ifd0)):
        return {}
    return {tag: value for tag, value in _by_pillow(block).image.items() if tag in known}


def _load(block: bytes) -> ExifValues:
    if block[:2] in (b"II", b"MM") and _is_sound(block):
        try:
            found = piexif.load(block)
            return ExifValues(found["0th"], found["Exif"], found["GPS"], found["Interop"])
        except Exception as error:
            log.debug("piexif can't read an Exif block of %d bytes: %r", len(block), error)
    return _by_pillow(block)


def read_single_ifd(block: bytes | None) -> Tags:
    """IFD0 of a block of its own that holds Exif or GPS tags, as in CR3 (CMT2, CMT4). Never raises."""
    return _by_pillow(block).image if block else {}


def _is_sound(block: bytes) -> bool:
    """Whether every directory that piexif will follow lies in the block, its values too, and texts end with NUL."""
    order = "<" if block[:2] == b"II" else ">"
    try:
        (first,) = struct.unpack_from(order + "L", block, 4)
        waiting, seen = [first], set[int]()
        while waiting and len(seen) < _MOST_IFDS:
            at = waiting.pop()
            if at in seen:
                continue
            seen.add(at)
            entries = list(raw_entries(block, order, at))
            if not all(_is_sound_value(block, entry) for entry in entries):
                return False
            waiting += [entry.number for entry in entries if entry.tag in _POINTERS]
            if at == first and not _is_sound_thumbnail(block, order, at + 2 + ENTRY_BYTES * len(entries)):
                return False
    except (struct.error, TiffError):
        return False
    return not waiting


def _is_sound_thumbnail(block: bytes, order: str, pointer: int) -> bool:
    """Of IFD1, which piexif reads too though nobody asks for it, no more need be true than that its values are there:
    piexif takes gigabytes and minutes over a count that is not."""
    (at,) = struct.unpack_from(order + "L", block, pointer)
    entries = raw_entries(block, order, at) if at else ()
    return all(_is_there(block, entry.count * _TYPE_SIZES.get(entry.kind, 1), entry.number) for entry in entries)


def _is_there(block: bytes, size: int, start: int) -> bool:
    return size <= 4 or (size <= _MOST_VALUE_BYTES and start + size <= len(block))


def _is_sound_value(block: bytes, entry: RawEntry) -> bool:
    size = _TYPE_SIZES.get(entry.kind, 0) * entry.count
    start = entry.at + 8 if size <= 4 else entry.number
    return bool(size) and _is_there(block, size, start) and (entry.kind != 2 or block[start + size - 1] == 0)


def _by_pillow(block: bytes) -> ExifValues:
    from PIL import Image

    exif = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exif.load(b"Exif\0\0" + block)
            image = dict(exif)
            return ExifValues(_as_piexif(image), *(_as_piexif(exif.get_ifd(pointer)) for pointer in _POINTERS))
    except Exception as error:
        log.debug("Pillow can't read an Exif block of %d bytes: %r", len(block), error)
        return ExifValues()


def _as_piexif(tags: Tags) -> Tags:
    return {tag: _value_as_piexif(value) for tag, value in tags.items()}


def _value_as_piexif(value: Any) -> Any:
    """Pillow's values as piexif gives them."""
    if isinstance(value, str):
        return value.encode("latin-1", "replace")
    if isinstance(value, tuple):
        return tuple(_value_as_piexif(part) for part in value)
    if hasattr(value, "numerator") and not isinstance(value, int):
        return int(value.numerator), int(value.denominator)
    return value


def text(value: Any) -> str | None:
    """An ASCII value, which may well be UTF-8 or Windows-1252; of several texts in it the first."""
    return decode_text(value).split("\0", 1)[0] if isinstance(value, bytes) else None


def texts(value: Any) -> list[str]:
    """Every text of an ASCII value that holds several."""
    return [part for part in decode_text(value).split("\0") if part.strip()] if isinstance(value, bytes) else []


def xp_text(value: Any) -> str | None:
    """One of Windows' XP... tags: UTF-16LE in BYTEs, ended by NUL."""
    raw = raw_bytes(value)
    return None if raw is None else decode_utf16(raw, big_endian=False)


def raw_bytes(value: Any) -> bytes | None:
    """A BYTE or UNDEFINED value."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, tuple) and all(isinstance(part, int) and 0 <= part <= 255 for part in value):
        return bytes(value)
    return None


def integer(value: Any) -> int | None:
    """A SHORT or LONG; of several, the first."""
    if isinstance(value, tuple):
        value = value[0] if value else None
    return value if isinstance(value, int) else None


def number(value: Any) -> float | None:
    """A RATIONAL as a number; of several, the first. None where it divides by zero."""
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        value = value[0]
    if isinstance(value, int | float):
        return float(value)
    match value:
        case (int(numerator), int(denominator)) if denominator:
            return float(numerator) / float(denominator)
        case _:
            return None


def degrees(value: Any, reference: Any, directions: str) -> float | None:
    """Degrees, minutes and seconds as decimal degrees; `directions` are the letters of plus and minus, e.g. NS."""
    letter = (text(reference) or "").strip().upper()[:1]
    if not isinstance(value, tuple) or len(value) != 3 or not letter or letter not in directions:
        return None
    parts = [number(part) for part in value]
    if parts[0] is None:
        return None
    # Seconds (and minutes) may be 0/0 where a program wrote decimal minutes.
    total = sum((part or 0.0) / 60.0**place for place, part in enumerate(parts))
    return total if letter == directions[0] else -total
