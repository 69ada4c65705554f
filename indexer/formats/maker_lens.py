"""The lens, where only the camera's MakerNote says it: by name, or by focal lengths and apertures.

Every value is looked for inside the Exif block, as `indexer.formats.tiff` reads it; what leads out of it is not there.
The places are those of https://exiftool.org/TagNames/ (Canon, Nikon, Olympus, Panasonic, Sony, FujiFilm, Pentax, Sigma,
Samsung). Programs that move a MakerNote often leave its offsets as they were: such a note is read where it stood.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from types import MappingProxyType

from indexer.formats.charsets import decode_text
from indexer.formats.maker_note import plausible_entries
from indexer.formats.tiff import (
    ENTRY_BYTES,
    EXIF_IFD,
    MAKE,
    MAKER_NOTE,
    Entry,
    TiffError,
    read_header,
    readable_entries,
)

_MOST_BYTES = 256
_ASCII, _UNDEFINED, _RATIONAL = 2, 7, 5
_ORDERS = MappingProxyType({b"II": "<", b"MM": ">"})
_MOST_MOVED_BYTES = 1 << 20

_CANON_SETTINGS, _CANON_LENS_MODEL = 0x0001, 0x0095
_NIKON_LENS_TYPE, _NIKON_LENS, _PANASONIC_LENS, _LEICA_LENS, _SONY_LENS_SPEC = 0x0083, 0x0084, 0x0051, 0x0303, 0xB02A
_OLYMPUS_EQUIPMENT, _OLYMPUS_LENS_TYPE, _OLYMPUS_LENS_MODEL = 0x2010, 0x0201, 0x0203
_PENTAX_LENS, _SAMSUNG_LENS, _SIGMA_FOCAL_RANGE = 0x003F, 0xA003, 0x000A
_FUJI_LENS = (0x1404, 0x1405, 0x1406, 0x1407)


def maker_lens(block: bytes | None) -> str | None:
    """The lens by the MakerNote of an Exif block; None where there is none, or it is not understood. Never raises."""
    try:
        return _lens(block) if block else None
    except (TiffError, struct.error, ValueError):
        return None


@cache
def _names() -> Mapping[tuple[str, ...], str]:
    rows = (files("indexer.formats") / "lens_names.tsv").read_text(encoding="utf-8").splitlines()
    named = (row.split("\t") for row in rows if not row.startswith("#"))
    return {(maker, *numbers.split()): name for maker, numbers, name in named}


def _name(maker: str, *numbers: int) -> str | None:
    """The lens that this maker's cameras mean by the numbers."""
    return _names().get((maker, *map(str, numbers)))


def spec(shortest_mm: float, longest_mm: float, f_shortest: float, f_longest: float) -> str | None:
    """`18-55mm f/3.5-5.6`, without the apertures where they are not known; None where no focal length is."""
    if not 0 < shortest_mm <= longest_mm < 10_000:
        return None
    focal = _range(shortest_mm, longest_mm)
    aperture = f" f/{_range(f_shortest, f_longest)}" if 0 < f_shortest < 100 and 0 < f_longest < 100 else ""
    return f"{focal}mm{aperture}"


def _range(first: float, last: float) -> str:
    shortest, longest = f"{round(first, 2):g}", f"{round(last, 2):g}"
    return shortest if shortest == longest else f"{shortest}-{longest}"


@dataclass(frozen=True)
class _Directory:
    """A directory of a MakerNote: where it stands in `data`, from whose beginning its offsets count."""

    data: bytes
    order: str
    offset: int

    @cached_property
    def entries(self) -> Mapping[int, Entry]:
        """By tag number; those that can't be read are left out."""
        return {entry.tag: entry for entry in readable_entries(self.data, self.order, self.offset)}

    def value(self, tag: int) -> bytes:
        """The first bytes of a value; none where it is not there."""
        entry = self.entries.get(tag)
        return b"" if entry is None else self.data[entry.start : min(entry.end, entry.start + _MOST_BYTES)]

    def text(self, tag: int) -> str | None:
        """An ASCII value."""
        entry = self.entries.get(tag)
        kinds = (_ASCII, _UNDEFINED)
        return decode_text(self.value(tag)).split("\0", 1)[0].strip() or None if entry and entry.kind in kinds else None

    def rationals(self, tag: int) -> list[float]:
        """RATIONALs as numbers, 0 where one divides by zero."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind != _RATIONAL:
            return []
        value = self.value(tag)
        pairs = struct.iter_unpack(self.order + "II", value[: len(value) // 8 * 8])
        return [above / below if below else 0.0 for above, below in pairs]


def _lens(block: bytes) -> str | None:
    first = _of_tiff(block)
    order = first.order
    pointer = first.value(EXIF_IFD)
    if len(pointer) != 4:
        return None
    note = _Directory(block, order, struct.unpack(order + "I", pointer)[0]).entries.get(MAKER_NOTE)
    if note is None:
        return None
    return _of_note(block, order, note.start, block[note.start : note.end], (first.text(MAKE) or "").upper())


def _of_note(block: bytes, order: str, start: int, note: bytes, make: str) -> str | None:
    if note.startswith(b"Nikon\0\2"):
        return _nikon(_of_tiff(note[10:]))
    if note.startswith(b"FUJIFILM"):
        return _fuji(_Directory(note, "<", struct.unpack_from("<I", note, 8)[0]))
    if note.startswith((b"OLYMPUS\0", b"OM SYSTEM\0")):
        at = 8 if note.startswith(b"OLYMPUS") else 12
        return _olympus(_Directory(note, _ORDERS.get(note[at : at + 2], order), at + 4))
    if note.startswith(b"PENTAX \0"):
        return _pentax(_Directory(note, _ORDERS.get(note[8:10], order), 10))
    if re.match(rb"LEICA\0[\x01\x04-\x07\x10\x1a]\0", note):
        return _Directory(note, order, 8).text(_LEICA_LENS)
    return _of_header(block, order, start, note) or _of_maker(block, order, start, note, make)


def _of_header(block: bytes, order: str, start: int, note: bytes) -> str | None:
    """Of a note that names its kind, and whose offsets count from the block's beginning."""

    def behind(header_bytes: int, order: str = order) -> _Directory:
        return _in_block(block, order, start, note, header_bytes)

    if note.startswith(b"OLYMP\0"):
        return _olympus(behind(8))
    if note.startswith(b"AOC\0"):
        return _pentax(behind(6, _ORDERS.get(note[4:6], order)))
    if note.startswith((b"SIGMA\0", b"FOVEON\0")):
        return _sigma(behind(10))
    if note.startswith(b"LEICA\0\0\0"):
        return behind(8).text(_PANASONIC_LENS)
    if note.startswith(b"Panasonic\0\0\0"):
        return behind(12).text(_PANASONIC_LENS)
    return _sony(behind(12)) if note.startswith((b"SONY DSC \0\0\0", b"SONY CAM \0\0\0")) else None


def _of_maker(block: bytes, order: str, start: int, note: bytes, make: str) -> str | None:
    """Of a note that begins with its directory."""
    if make.startswith("CANON"):
        unmoved = _lie_in(_spans(note, order, 0), start, start + len(note))
        return _canon((None if unmoved else _before_move(note)) or _in_block(block, order, start, note, 0))
    if make.startswith("NIKON"):
        return _nikon(_in_block(block, order, start, note, 0))
    if make.startswith("SONY"):
        return _sony(_in_block(block, order, start, note, 0))
    return _samsung(_in_block(block, order, start, note, 0)) if make.startswith("SAMSUNG") else None


def _before_move(note: bytes) -> _Directory | None:
    """Canon's footer tells the byte order and where the note stood when the camera wrote it."""
    try:
        order, stood = read_header(note[-8:])
    except TiffError:
        return None
    return _Directory(bytes(stood) + note, order, stood) if 8 <= stood <= _MOST_MOVED_BYTES else None


def _in_block(block: bytes, order: str, start: int, note: bytes, header_bytes: int) -> _Directory:
    """The directory behind a note's header. Where the values lie elsewhere, but would lie one behind the other right
    behind the directory had the note stood somewhere else, it stood there."""
    spans = _spans(note, order, header_bytes)
    if spans and not _lie_in(spans, start, start + len(note)):
        (count,) = struct.unpack_from(order + "H", note, header_bytes)
        first = min(at for at, _ in spans)
        # Less the bytes that point at the next directory; some makers leave them out.
        places = [first - (header_bytes + 2 + ENTRY_BYTES * count + behind) for behind in (4, 0)]
        for stood in places if start not in places else ():  # some notes say that they are shorter than they are
            if 8 <= stood <= _MOST_MOVED_BYTES and all(at + size <= stood + len(note) for at, size in spans):
                return _Directory(bytes(stood) + note, order, stood + header_bytes)
    return _Directory(block, order, start + header_bytes)


def _lie_in(spans: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    return bool(spans) and all(start <= at and at + size <= end for at, size in spans)


def _spans(note: bytes, order: str, offset: int) -> list[tuple[int, int]]:
    """Offset and size of each value that does not stand in its entry; none where one is of no known type."""
    if offset + 2 > len(note):
        raise TiffError("the MakerNote is cut off")
    return [(entry.number, entry.size) for entry in plausible_entries(note, offset, len(note), order) if entry.size > 4]


def _of_tiff(data: bytes) -> _Directory:
    return _Directory(data, *read_header(data))


def _nikon(note: _Directory) -> str | None:
    lens = note.rationals(_NIKON_LENS)
    name = spec(*lens[:4]) if len(lens) >= 4 else None
    kind = (note.value(_NIKON_LENS_TYPE) or b"\0")[0]
    # D, G, VR, 1, FT-1, E, AF-P by their bits; what is G or E is D as well.
    letters = [(kind & 4, "G"), (kind & 2 and not kind & 0x44, "D"), (kind & 0x40, "E"), (kind & 8, "VR")]
    return " ".join([name, *(letter for is_so, letter in letters if is_so)]) if name else None


def _fuji(note: _Directory) -> str | None:
    lens = [number for tag in _FUJI_LENS for number in note.rationals(tag)[:1]]
    return spec(*lens) if len(lens) == 4 else None


def _olympus(note: _Directory) -> str | None:
    equipment = note.entries.get(_OLYMPUS_EQUIPMENT)
    if equipment is None:
        return None
    offset = equipment.start
    if equipment.kind != _UNDEFINED:  # a pointer, and not the directory itself
        offset = struct.unpack_from(note.order + "I", note.data, equipment.start)[0]
    found = _Directory(note.data, note.order, offset)
    kind = found.value(_OLYMPUS_LENS_TYPE)
    by_number = _name("Olympus", kind[2], kind[3]) if len(kind) == 6 and kind[0] == 0 else None
    return found.text(_OLYMPUS_LENS_MODEL) or by_number


def _pentax(note: _Directory) -> str | None:
    lens = note.value(_PENTAX_LENS)
    return _name("Pentax", lens[0] & 0x0F, lens[1]) if len(lens) >= 2 else None


def _samsung(note: _Directory) -> str | None:
    lens = note.value(_SAMSUNG_LENS)
    return _name("Samsung", *struct.unpack_from(note.order + "H", lens)) if len(lens) >= 2 else None


def _sigma(note: _Directory) -> str | None:
    """By focal lengths: `24 to 70`, or one."""
    found = re.fullmatch(
        r"(\d{1,4}(?:\.\d{1,2})?)(?: to (\d{1,4}(?:\.\d{1,2})?))?", note.text(_SIGMA_FOCAL_RANGE) or ""
    )
    return spec(float(found[1]), float(found[2] or found[1]), 0, 0) if found else None


def _sony(note: _Directory) -> str | None:
    """LensSpec: flags, two focal lengths of two bytes, two apertures in tenths, flags; all as decimal digits."""
    digits = note.value(_SONY_LENS_SPEC).hex()
    if len(digits) != 16 or not digits[2:14].isdigit():
        return None
    return spec(int(digits[2:6]), int(digits[6:10]), int(digits[10:12]) / 10, int(digits[12:14]) / 10)


def _begins_with_length(note: _Directory, tag: int) -> bool:
    """Whether a value of Canon's begins with its length in bytes, as each does where its offset is right."""
    entry = note.entries[tag]
    (length,) = struct.unpack_from(note.order + "H", note.data, entry.start)
    return bool(length == entry.end - entry.start)


def _canon(note: _Directory) -> str | None:
    if name := note.text(_CANON_LENS_MODEL):
        return name
    settings = note.value(_CANON_SETTINGS)
    if len(settings) < 52 or not _begins_with_length(note, _CANON_SETTINGS):
        return None
    number, longest, shortest, units = struct.unpack_from(note.order + "4H", settings, 44)
    if not units:
        return None
    focal = spec(round(shortest / units, 1), round(longest / units, 1), 0, 0)
    name = _name("Canon", number)
    return f"Canon {name}" if name is not None and focal is not None and f" {focal} " in f" {name} " else focal
