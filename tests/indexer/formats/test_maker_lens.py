"""Lenses that only the MakerNote names, in every form that makers give it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from piexif import ExifIFD, ImageIFD

from indexer.formats.maker_lens import maker_lens, spec
from indexer.metadata.read_metadata import read_metadata
from tests.photos_made import cornered, encoded, exif_bytes, with_segments

JPEG = encoded(cornered(), "JPEG")
ASCII, SHORT, LONG, RATIONAL, BYTE, UNDEFINED = 2, 3, 4, 5, 1, 7
_UNIT = {ASCII: 1, BYTE: 1, UNDEFINED: 1, SHORT: 2, LONG: 4, RATIONAL: 8}
_NOTE_AT = 64

Value = tuple[int, int, bytes]  # tag, type, bytes


def directory(values: Sequence[Value], at: int, order: str = "<") -> bytes:
    """A directory that stands at `at`, its values behind it."""
    end = at + 2 + 12 * len(values) + 4
    entries, behind = b"", b""
    for tag, kind, raw in values:
        entries += struct.pack(order + "HHI", tag, kind, len(raw) // _UNIT[kind])
        if len(raw) <= 4:
            entries += raw.ljust(4, b"\0")
        else:
            entries += struct.pack(order + "I", end + len(behind))
            behind += raw
    return struct.pack(order + "H", len(values)) + entries + bytes(4) + behind


def block(note: bytes, make: bytes, order: str = "<") -> bytes:
    """An Exif block whose MakerNote stands at byte `_NOTE_AT`; the maker's name behind it."""
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    name = make + b"\0" * (5 - len(make)) + b"\0"
    make_at = _NOTE_AT + len(note)
    first = struct.pack(order + "HHHIIHHII", 2, 0x010F, ASCII, len(name), make_at, 0x8769, LONG, 1, 40) + bytes(4)
    exif = struct.pack(order + "HHHII", 1, 0x927C, UNDEFINED, len(note), _NOTE_AT) + bytes(4)
    return (header + first).ljust(40, b"\0") + exif.ljust(_NOTE_AT - 40, b"\0") + note + name


def rationals(*numbers: float, order: str = "<") -> bytes:
    return b"".join(struct.pack(order + "II", round(number * 10), 10) for number in numbers)


def shorts(*numbers: int, order: str = "<") -> bytes:
    return struct.pack(f"{order}{len(numbers)}H", *numbers)


def canon_settings(lens: int, longest: int, shortest: int, units_a_mm: int = 1) -> bytes:
    return shorts(56, *[0] * 21, lens, longest, shortest, units_a_mm, 0, 0)


def in_block(header: bytes, values: Sequence[Value], order: str = "<") -> bytes:
    return header + directory(values, _NOTE_AT + len(header), order)


OLYMPUS = (0x0203, ASCII, b"OLYMPUS M.14-42mm\0")
NOTES = {
    "Canon, by name": (b"Canon", in_block(b"", [(0x0095, ASCII, b"EF85mm f/1.8 USM\0")]), "EF85mm f/1.8 USM"),
    "Canon, by number": (
        b"Canon",
        in_block(b"", [(0x0001, SHORT, canon_settings(48, 55, 18))]),
        "Canon EF-S 18-55mm f/3.5-5.6 IS",
    ),
    "Canon, another maker's lens of that number": (
        b"Canon",
        in_block(b"", [(0x0001, SHORT, canon_settings(48, 250, 18))]),
        "18-250mm",
    ),
    "Panasonic": (
        b"Panasonic",
        in_block(b"Panasonic\0\0\0", [(0x0051, ASCII, b"LUMIX G 20/F1.7\0")]),
        "LUMIX G 20/F1.7",
    ),
    "Sony": (
        b"SONY",
        in_block(b"SONY DSC \0\0\0", [(0xB02A, BYTE, bytes.fromhex("0000180055355600"))]),
        "18-55mm f/3.5-5.6",
    ),
    "Nikon": (
        b"NIKON CORPORATION",
        b"Nikon\0\2\x11\0\0II*\0\x08\0\0\0" + directory([(0x0084, RATIONAL, rationals(18, 55, 3.5, 5.6))], 8),
        "18-55mm f/3.5-5.6",
    ),
    "Fujifilm": (
        b"FUJIFILM",
        b"FUJIFILM\x0c\0\0\0"
        + directory([(0x1404 + at, RATIONAL, rationals(n)) for at, n in enumerate((18, 55, 2.8, 4))], 12),
        "18-55mm f/2.8-4",
    ),
    "Olympus": (
        b"OLYMPUS",
        (lambda head: head + directory([OLYMPUS], len(head)))(
            b"OLYMPUS\0II\3\0" + directory([(0x2010, LONG, struct.pack("<I", 30))], 12)
        ),
        "OLYMPUS M.14-42mm",
    ),
    "Olympus, the older form": (
        b"OLYMPUS",
        (lambda head: head + directory([OLYMPUS], _NOTE_AT + len(head)))(
            in_block(b"OLYMP\0\1\0", [(0x2010, LONG, struct.pack("<I", _NOTE_AT + 26))])
        ),
        "OLYMPUS M.14-42mm",
    ),
    "Canon, moved by a program that left its offsets": (
        b"Canon",
        directory([(0x0095, ASCII, b"EF85mm f/1.8 USM\0")], 900) + b"II*\0" + struct.pack("<I", 900),
        "EF85mm f/1.8 USM",
    ),
    "Canon, where it was, with a footer that is wrong": (
        b"Canon",
        in_block(b"", [(0x0095, ASCII, b"EF85mm f/1.8 USM\0")]) + b"II*\0" + struct.pack("<I", 900),
        "EF85mm f/1.8 USM",
    ),
    "Canon, moved and without its footer": (
        b"Canon",
        directory([(0x0095, ASCII, b"EF85mm f/1.8 USM\0")], 900),
        "EF85mm f/1.8 USM",
    ),
    "Canon, whose small camera counts in parts of a millimetre": (
        b"Canon",
        in_block(b"", [(0x0001, SHORT, canon_settings(0xFFFF, 682, 227, 32))]),
        "7.1-21.3mm",
    ),
    "Canon, whose last value reaches past the note's end": (
        b"Canon",
        in_block(b"", [(0x0001, SHORT, canon_settings(48, 55, 18)), (0x0006, ASCII, b"IMG:EOS D30 JPEG\0")])[:-4],
        "Canon EF-S 18-55mm f/3.5-5.6 IS",
    ),
    "Canon, with other bytes where the settings should be": (
        b"Canon",
        in_block(b"", [(0x0001, SHORT, shorts(0, *[7] * 21, 48, 2340, 3, 1, 0, 0))]),
        None,
    ),
    "Panasonic, moved": (
        b"Panasonic",
        b"Panasonic\0\0\0" + directory([(0x0051, ASCII, b"LUMIX G 20/F1.7\0")], 700),
        "LUMIX G 20/F1.7",
    ),
    "Nikon, with its kind": (
        b"NIKON CORPORATION",
        b"Nikon\0\2\x11\0\0II*\0\x08\0\0\0"
        + directory([(0x0083, BYTE, b"\x0e"), (0x0084, RATIONAL, rationals(18, 105, 3.5, 5.6))], 8),
        "18-105mm f/3.5-5.6 G VR",
    ),
    "Nikon, without a header": (
        b"NIKON CORPORATION",
        in_block(b"", [(0x0083, BYTE, b"\x02"), (0x0084, RATIONAL, rationals(50, 50, 1.8, 1.8))]),
        "50mm f/1.8 D",
    ),
    "Leica, of Panasonic": (
        b"LEICA",
        in_block(b"LEICA\0\0\0", [(0x0051, ASCII, b"LEICA D 14-50mm\0")]),
        "LEICA D 14-50mm",
    ),
    "Leica": (
        b"LEICA CAMERA AG",
        b"LEICA\0\6\0" + directory([(0x0303, ASCII, b"Vario-Elmar T 18-56   \0")], 8),
        "Vario-Elmar T 18-56",
    ),
    "Pentax": (
        b"PENTAX",
        in_block(b"AOC\0MM", [(0x003F, BYTE, b"\4\x18\0\0")], ">"),
        "smc PENTAX-FA 77mm F1.8 Limited",
    ),
    "Pentax, the newer form": (
        b"RICOH",
        b"PENTAX \0MM" + directory([(0x003F, BYTE, b"\x08\xd7\0\0\0")], 10, ">"),
        "smc PENTAX-DA 18-135mm F3.5-5.6 ED AL [IF] DC WR",
    ),
    "Pentax, another maker's lens": (b"PENTAX", in_block(b"AOC\0MM", [(0x003F, BYTE, b"\3\x2c\0\0")], ">"), None),
    "Samsung": (b"SAMSUNG", directory([(0xA003, SHORT, shorts(2))], 0), "Samsung NX 18-55mm F3.5-5.6 OIS"),
    "Sigma": (b"SIGMA", in_block(b"SIGMA\0\0\0\1\0", [(0x000A, ASCII, b"24 to 70\0")]), "24-70mm"),
    "Sigma, fixed": (b"SIGMA", in_block(b"SIGMA\0\0\0\1\0", [(0x000A, ASCII, b"16.6\0\0")]), "16.6mm"),
    "Olympus, by number": (
        b"OLYMPUS",
        (lambda head: head + directory([(0x0201, BYTE, b"\0\0\1\0\0\0")], _NOTE_AT + len(head)))(
            in_block(b"OLYMP\0\2\0", [(0x2010, LONG, struct.pack("<I", _NOTE_AT + 26))])
        ),
        "Olympus Zuiko Digital ED 50mm F2.0 Macro",
    ),
    "nothing that is known": (b"ACME", b"whatever this may be", None),
    "cut off": (b"Canon", b"\x05\0\x95\0", None),
}


@pytest.mark.parametrize("name", NOTES)
def test_the_lens_is_found(name: str) -> None:
    make, note, lens = NOTES[name]
    assert maker_lens(block(note, make)) == lens


def test_a_note_that_was_moved_keeps_its_own_byte_order() -> None:
    note = directory([(0x0095, ASCII, b"EF85mm f/1.8 USM\0")], 900) + b"II*\0" + struct.pack("<I", 900)
    assert maker_lens(block(note, b"Canon", ">")) == "EF85mm f/1.8 USM"


def test_the_other_byte_order() -> None:
    note = in_block(b"", [(0x0095, ASCII, b"EF85mm f/1.8 USM\0")], ">")
    assert maker_lens(block(note, b"Canon", ">")) == "EF85mm f/1.8 USM"


@given(st.sampled_from(sorted(NOTES)), st.data())
def test_a_damaged_note_is_no_error(name: str, data: st.DataObject) -> None:
    make, note, _ = NOTES[name]
    whole = bytearray(block(note, make))
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        whole[at] = data.draw(st.integers(0, 255))
    maker_lens(bytes(whole[: data.draw(st.integers(0, len(whole)))]))


@given(st.binary(max_size=200))
def test_anything_is_no_error(data: bytes) -> None:
    maker_lens(b"II*\0\x08\0\0\0" + data)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((18, 55, 3.5, 5.6), "18-55mm f/3.5-5.6"),
        ((50, 50, 0.95, 0.95), "50mm f/0.95"),
        ((200, 1200, 0, 0), "200-1200mm"),
        ((0, 0, 0, 0), None),
        ((55, 18, 3.5, 5.6), None),
    ],
)
def test_a_lens_by_its_numbers(numbers: tuple[float, float, float, float], text: str | None) -> None:
    assert spec(*numbers) == text


def test_the_specification_of_exif_stands_in_for_a_name() -> None:
    exif = {ExifIFD.LensSpecification: ((24, 1), (70, 1), (28, 10), (28, 10))}
    data = with_segments(JPEG, (0xE1, exif_bytes({ImageIFD.Make: b"SONY"}, exif)))
    assert read_metadata(data, Path("a.jpg")).lens == "24-70mm f/2.8"


def test_a_name_in_exif_comes_first() -> None:
    exif = {ExifIFD.LensModel: b"EF50mm", ExifIFD.LensSpecification: ((24, 1), (70, 1), (28, 10), (28, 10))}
    data = with_segments(JPEG, (0xE1, exif_bytes(None, exif)))
    assert read_metadata(data, Path("a.jpg")).lens == "EF50mm"
