"""The lens, where only the camera's MakerNote says it: by name, or by focal lengths and apertures.

Every value is looked for inside the Exif block, as `captions.blocks.tiff` reads it; what leads out of it is not there.
The places are those of https://exiftool.org/TagNames/ (Canon, Nikon, Olympus, Panasonic, Sony, FujiFilm).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from indexer.formats.charsets import decode_text
from indexer.formats.tiff import EXIF_IFD, MAKE, MAKER_NOTE, Entry, TiffError, byte_order, readable_entries

_MOST_BYTES = 256
_ASCII, _UNDEFINED, _RATIONAL = 2, 7, 5
_ORDERS = MappingProxyType({b"II": "<", b"MM": ">"})

# Of Canon's lenses before about 2006, whose cameras write a number only. Other makers' lenses use the same numbers: a
# name counts where it agrees with the focal lengths that stand beside the number.
_CANON = MappingProxyType(
    {
        1: "EF 50mm f/1.8",
        2: "EF 28mm f/2.8",
        10: "EF 50mm f/2.5 Macro",
        13: "EF 15mm f/2.8 Fisheye",
        26: "EF 100mm f/2.8 Macro",
        32: "EF 24mm f/2.8",
        40: "EF 28-80mm f/3.5-5.6",
        41: "EF 28-90mm f/4-5.6",
        43: "EF 28-105mm f/4-5.6",
        44: "EF 90-300mm f/4.5-5.6",
        45: "EF-S 18-55mm f/3.5-5.6",
        48: "EF-S 18-55mm f/3.5-5.6 IS",
        49: "EF-S 55-250mm f/4-5.6 IS",
        50: "EF-S 18-200mm f/3.5-5.6 IS",
        51: "EF-S 18-135mm f/3.5-5.6 IS",
        52: "EF-S 18-55mm f/3.5-5.6 IS II",
        161: "EF 28-70mm f/2.8L",
        168: "EF 28mm f/1.8 USM",
        169: "EF 17-35mm f/2.8L",
        174: "EF 135mm f/2L",
        178: "EF 28-135mm f/3.5-5.6 IS",
        180: "EF 35mm f/1.4L",
        183: "EF 100-400mm f/4.5-5.6L IS",
        186: "EF 70-200mm f/4L",
        198: "EF 50mm f/1.4 USM",
        224: "EF 70-200mm f/2.8L IS",
        229: "EF 16-35mm f/2.8L",
        230: "EF 24-70mm f/2.8L",
        231: "EF 17-40mm f/4L",
        234: "EF-S 17-85mm f/4-5.6 IS",
        235: "EF-S 10-22mm f/3.5-4.5",
        236: "EF-S 60mm f/2.8 Macro",
        237: "EF 24-105mm f/4L IS",
        238: "EF 70-300mm f/4-5.6 IS",
    }
)
_CANON_SETTINGS, _CANON_LENS_MODEL = 0x0001, 0x0095
_NIKON_LENS, _PANASONIC_LENS, _SONY_LENS_SPEC = 0x0084, 0x0051, 0xB02A
_OLYMPUS_EQUIPMENT, _OLYMPUS_LENS_MODEL = 0x2010, 0x0203
_FUJI_LENS = (0x1404, 0x1405, 0x1406, 0x1407)


def maker_lens(block: bytes | None) -> str | None:
    """The lens by the MakerNote of an Exif block; None where there is none, or it is not understood. Never raises."""
    try:
        return _lens(block) if block else None
    except (TiffError, struct.error, ValueError):
        return None


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
    order = byte_order(block)
    first = _Directory(block, order, struct.unpack_from(order + "I", block, 4)[0])
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
    if note.startswith(b"OLYMP\0"):
        return _olympus(_Directory(block, order, start + 8))
    if note.startswith(b"Panasonic\0\0\0"):
        return _Directory(block, order, start + 12).text(_PANASONIC_LENS)
    if note.startswith((b"SONY DSC \0\0\0", b"SONY CAM \0\0\0")):
        return _sony(_Directory(block, order, start + 12))
    if make.startswith("SONY"):
        return _sony(_Directory(block, order, start))
    return _canon(_Directory(block, order, start)) if make.startswith("CANON") else None


def _of_tiff(data: bytes) -> _Directory:
    order = byte_order(data)
    return _Directory(data, order, struct.unpack_from(order + "I", data, 4)[0])


def _nikon(note: _Directory) -> str | None:
    lens = note.rationals(_NIKON_LENS)
    return spec(*lens[:4]) if len(lens) >= 4 else None


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
    return _Directory(note.data, note.order, offset).text(_OLYMPUS_LENS_MODEL)


def _sony(note: _Directory) -> str | None:
    """LensSpec: flags, two focal lengths of two bytes, two apertures in tenths, flags; all as decimal digits."""
    digits = note.value(_SONY_LENS_SPEC).hex()
    if len(digits) != 16 or not digits[2:14].isdigit():
        return None
    return spec(int(digits[2:6]), int(digits[6:10]), int(digits[10:12]) / 10, int(digits[12:14]) / 10)


def _canon(note: _Directory) -> str | None:
    if name := note.text(_CANON_LENS_MODEL):
        return name
    settings = note.value(_CANON_SETTINGS)
    if len(settings) < 52:
        return None
    number, longest, shortest, units = struct.unpack_from(note.order + "4H", settings, 44)
    if not units:
        return None
    focal = spec(shortest / units, longest / units, 0, 0)
    name = _CANON.get(number)
    return f"Canon {name}" if name is not None and focal is not None and f" {focal} " in f" {name} " else focal
