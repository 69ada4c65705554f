"""MakerNotes that point out of their Exif block: at previews beside it, at data behind the picture."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from indexer.atomic.file_read import stamp_of
from indexer.captions.caption_file import write_caption
from indexer.captions.undo import undo_caption
from indexer.formats.jpeg import segments
from indexer.formats.maker_note import may_point_at, reads_beyond, shows_outside
from indexer.model import CaptionPlace, WriteResult
from indexer.reasons import Reason, ReasonCode
from tests.indexer.formats import jpegs_made as made

Note = Callable[[tuple[int, int]], bytes]

LONG, UNDEFINED, IFD = 4, 7, 13
OUTSIDE = Reason(ReasonCode.MAKER_NOTE_PREVIEW)
POINTED = Reason(ReasonCode.EXIF_TRAILER)
BEHIND = Reason(ReasonCode.MAKER_NOTE_TRAILER)


def directory(*entries: tuple[int, int, int, int], order: str = "<") -> bytes:
    """Entries are tag, type, count, number."""
    packed = b"".join(struct.pack(order + "HHII", *entry) for entry in entries)
    return struct.pack(order + "H", len(entries)) + packed + b"\0\0\0\0"


def nikon(preview: tuple[int, int]) -> bytes:
    """A note with a TIFF header of its own, from which its offsets count, and an IFD of its preview."""
    start, length = preview
    first = directory((0x0001, UNDEFINED, 4, 0), (0x0011, LONG, 1, 8 + 30))
    return b"Nikon\0\2\0\0\0" + b"II*\0\x08\0\0\0" + first + directory((0x0201, 4, 1, start), (0x0202, 4, 1, length))


def olympus(preview: tuple[int, int]) -> bytes:
    """A note whose offsets count from its beginning, and whose camera settings tell of a preview."""
    start, length = preview
    first = directory((0x2020, IFD, 1, 12 + 18))
    settings = directory((0x0100, 4, 1, 1), (0x0101, 4, 1, start), (0x0102, 4, 1, length))
    return b"OLYMPUS\0II\3\0" + first + settings


def minolta(preview: tuple[int, int]) -> bytes:
    """A note without a header, whose offsets count from the block."""
    start, length = preview
    return directory((0x0088, 4, 1, start), (0x0089, 4, 1, length))


def block(note: bytes) -> bytes:
    return made.tiff(made.MAKE, sub=[(0x927C, UNDEFINED, note + b"\0" * 300)], gap=600)


def write(folder: Path, data: bytes) -> WriteResult:
    path = folder / "IMG_1.JPG"
    path.write_bytes(data)
    return write_caption(path, made.CAPTION, stamp=stamp_of(path.stat()))


@pytest.mark.parametrize("make", [nikon, olympus, minolta])
def test_a_preview_outside_the_block_keeps_every_byte_before_it_in_place(
    tmp_path: Path, make: Callable[[tuple[int, int]], bytes]
) -> None:
    outside = made.with_segments(made.exif(block(make((700, 20_000)))), jpeg=made.plain((400, 300)))
    written = write(tmp_path, outside)
    assert (written.place, written.reason) == (CaptionPlace.SIDECAR, OUTSIDE)
    inside = made.with_segments(made.exif(block(make((20, 100)))))
    assert write(tmp_path, inside).place is CaptionPlace.EXIF


@pytest.mark.parametrize("make", [nikon, olympus, minolta])
def test_a_preview_behind_the_end_of_the_file_is_damage_already(make: Note) -> None:
    far = block(make((1 << 20, 100)))
    assert not shows_outside(far, 5000)
    assert shows_outside(far, 1 << 21)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("base", ["file", "block", "note"])
@pytest.mark.parametrize("length", ["before", "behind", "none"])
def test_a_number_that_may_lead_behind_the_picture_keeps_the_file_as_it_is(
    tmp_path: Path, order: str, base: str, length: str
) -> None:
    trailer = b"who knows what this is" * 9 + made.plain((16, 12)) + b"y" * 100

    def photo(number: int) -> bytes:
        numbers = {"before": (90, number), "behind": (number, 90), "none": (number, 0)}[length]
        note = b"Elektronik" + struct.pack(order + "II", *numbers) + b"\0" * 30
        return made.with_segments(made.exif(made.tiff(made.MAKE, sub=[(0x927C, UNDEFINED, note)])), trailer=trailer)

    data = photo(0)
    at = len(data) - len(trailer)
    picture = data.index(b"\xff\xd8\xff", at)
    note_start, block_start = data.rindex(b"Elektronik"), data.index(b"II*\0")
    start = {"file": 0, "block": block_start, "note": note_start}[base]
    for place in (at, picture, *((at + 5,) if length != "none" else ())):
        written = write(tmp_path, photo(place - start))
        assert (written.place, written.reason in (BEHIND, POINTED)) == (CaptionPlace.SIDECAR, True), place
    assert write(tmp_path, photo(len(data) + 5000 - start)).place is CaptionPlace.EXIF


def canon(*numbers: int) -> bytes:
    """A directory of camera settings (SHORT), an image number and a serial number; `numbers` are LONGs beside them."""
    longs = [(0x0008 + 4 * at, LONG, 1, number) for at, number in enumerate(numbers)]
    settings = (0x0001, 3, 100, 400)
    return directory(settings, *longs)


#: What cameras and phones leave behind the end of the picture.
TRAILERS = {
    "zeros and ones": b"\0" * 700 + b"\xff" * 300,
    "what stood on the card before": bytes(range(256)) * 20,
    "a second picture": made.plain((320, 240)),
    "zeros, then a second picture": b"\0" * 500 + made.plain((320, 240)),
    "depth of a phone with two lenses": b"DUO\0" + made.plain((160, 120)) + b"\0\0\x10\0htc" + b"d" * 900,
    "the end of another file": made.plain((320, 240))[600:],
    "text": b"Kodak data: " + b"none " * 400,
}
#: MakerNotes that tell of nothing outside of their block.
NOTES = {
    "settings and numbers": canon(0x01000000, 1_030_377, 7),
    "previews inside": minolta((20, 100)),
    "Nikon's preview inside": nikon((20, 100)),
    "no directory": b"KDK INFO" + bytes(range(256)) * 3,
    "text only": b"HTC " * 40,
}


@pytest.mark.parametrize("trailer", TRAILERS)
@pytest.mark.parametrize("note", NOTES)
def test_data_behind_the_picture_that_nothing_points_at_moves_with_it(tmp_path: Path, note: str, trailer: str) -> None:
    data = made.with_segments(made.exif(block(NOTES[note])), trailer=TRAILERS[trailer])
    assert write(tmp_path, data).place is CaptionPlace.EXIF
    path = tmp_path / "IMG_1.JPG"
    assert path.read_bytes().endswith(TRAILERS[trailer])
    assert undo_caption(path).exact
    assert path.read_bytes() == data


@pytest.mark.parametrize("trailer", sorted(set(TRAILERS) - {"zeros and ones"}))
def test_a_position_and_a_length_in_a_directory_may_be_those_of_data_behind_the_picture(
    tmp_path: Path, trailer: str
) -> None:
    note = canon(0, 0, 0)
    data = made.with_segments(made.exif(block(note)), trailer=TRAILERS[trailer])
    at = len(data) - len(TRAILERS[trailer]) - data.index(b"II*\0")
    for numbers in ((at + 40, 300, 7), (300, 7, at + 40), (at, 7, 7)):
        photo = made.with_segments(made.exif(block(canon(*numbers))), trailer=TRAILERS[trailer])
        assert len(photo) == len(data)
        assert write(tmp_path, photo).place is CaptionPlace.SIDECAR


def test_a_block_that_is_not_understood_may_point_anywhere() -> None:
    assert may_point_at(made.camera_block()[:60], {5000}, 5000, 6000, file_start=12)
    assert not may_point_at(made.tiff(made.MAKE), {5000}, 5000, 6000, file_start=12)


def test_values_cut_off_by_the_end_of_the_block() -> None:
    whole = block(directory((0x0001, UNDEFINED, 40, 610)))
    assert not reads_beyond(whole, len(whole) + 1000)
    cut = block(directory((0x0001, UNDEFINED, 400, 610)))
    assert reads_beyond(cut, len(cut) + 1000)
    assert not reads_beyond(cut, len(cut) + 10)


def sectors(data: bytes, left: bytes) -> bytes:
    """A file that was brought back from a card: zeros to the end of its last sector, then what stood there before."""
    data += b"\0" * (-len(data) % 512) + left
    return data + left[: -len(data) % 512]


LEFT = b"\x17Elsewhere" * 300  # no beginning of anything


@pytest.mark.parametrize("kind", ["what is left of other files", "a picture that MPF tells of"])
def test_data_that_a_pair_of_numbers_may_seem_to_lead_into_moves_with_the_picture(tmp_path: Path, kind: str) -> None:
    """Two numbers that are none of a position and a length: nothing that begins where the first one would lead."""
    second = b"\x22\x20\x1b\x1b" * 40 + made.plain((64, 48)) + b"\xff" * 2000

    def photo(position: int) -> bytes:
        note = made.exif(block(canon(position, 300, 7)))
        if kind.startswith("what"):
            return sectors(made.with_segments(note, jpeg=made.plain((640, 480))), LEFT)
        return made.with_segments(note, mpf_of(len(made.plain((64, 48)))), trailer=second)

    data = photo(0)
    trailer = trailer_of(data)
    if not kind.startswith("what"):
        data = told_by_mpf(data, data.index(b"\xff\xd8\xff", trailer))
    position = trailer + 700 - data.index(b"II*\0")
    data = data.replace(struct.pack("<HHII", 8, LONG, 1, 0), struct.pack("<HHII", 8, LONG, 1, position), 1)
    assert write(tmp_path, data).place is CaptionPlace.EXIF
    assert undo_caption(tmp_path / "IMG_1.JPG").exact
    assert (tmp_path / "IMG_1.JPG").read_bytes() == data


def trailer_of(jpeg: bytes) -> int:
    return segments(jpeg)[-1].end


def mpf_of(size: int) -> bytes:
    """An MPF segment of two pictures (CIPA DC-007); where the second one lies is still to be told."""
    entries = struct.pack("<IIIHHIIIHH", 0x20030000, 1000, 0, 0, 0, 0, size, 0x5EC07D, 0, 0)
    index = directory((0xB001, LONG, 1, 2), (0xB002, UNDEFINED, 32, 8 + 2 + 24 + 4))
    return made.segment(0xE2, b"MPF\0II*\0\x08\0\0\0" + index + entries)


def told_by_mpf(data: bytes, picture: int) -> bytes:
    header = data.index(b"MPF\0") + 4
    return data.replace(struct.pack("<I", 0x5EC07D), struct.pack("<I", picture - header), 1)


@pytest.mark.parametrize("place", ["the sector", "the trailer"])
def test_what_begins_with_a_sector_and_is_pointed_at_is_the_camera_s(tmp_path: Path, place: str) -> None:
    data = sectors(made.with_segments(made.exif(block(canon(0, 300, 7))), jpeg=made.plain((640, 480))), LEFT)
    trailer = trailer_of(data)
    start = trailer if place == "the trailer" else trailer + -trailer % 512
    number = struct.pack("<HHII", 8, LONG, 1, start - data.index(b"II*\0"))
    data = data.replace(struct.pack("<HHII", 8, LONG, 1, 0), number, 1)
    assert write(tmp_path, data).reason == POINTED


def test_a_fraction_that_looks_like_a_position_is_none(tmp_path: Path) -> None:
    """0x9600 is in the bytes of 10/150 s, across two numbers."""
    trailer = made.plain((320, 240))

    def photo(exposure: tuple[int, int], long: int = 0) -> bytes:
        values = [(0x829A, 5, struct.pack("<II", *exposure)), (0x9999, LONG, struct.pack("<I", long))]
        return made.with_segments(made.exif(made.tiff(made.MAKE, sub=values)), trailer=trailer)

    at = len(photo((1, 1))) - len(trailer)
    assert write(tmp_path, photo((at, 150))).place is CaptionPlace.EXIF
    assert write(tmp_path, photo((1, 1), at)).reason == POINTED
