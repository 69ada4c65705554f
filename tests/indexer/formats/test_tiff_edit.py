"""The append-only edit of a TIFF block, and its undoing."""

from __future__ import annotations

import struct
import zlib

import piexif
import pytest

from indexer.errors import CaptionRefused
from indexer.formats.maker_note import reads_beyond
from indexer.formats.tiff import TiffError, texts
from indexer.formats.tiff_edit import MAX_BLOCK_BYTES, append_caption, compose_block, strip_caption, undo_record
from indexer.ownership.mark import OwnCaption
from tests.indexer.formats import jpegs_made as made

OWN = OwnCaption.of(made.CAPTION, before="0" * 64)
DIGESTS = frozenset({OWN.mark.digest})


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("odd", [b"", b"\0", b"\0\0\0"])
def test_the_old_block_stays_but_for_the_header_and_undo_is_exact(order: str, odd: bytes) -> None:
    block = made.camera_block(order) + odd
    edited = append_caption(block, OWN)
    assert edited[:4] == block[:4]
    assert edited[8 : len(block)] == block[8:]
    assert strip_caption(edited, DIGESTS).data == block
    assert strip_caption(edited, DIGESTS).exact
    assert {text.text for text in texts(edited)} == {OWN.text}


def test_other_readers_see_caption_and_everything_else() -> None:
    edited = append_caption(made.camera_block(), OWN)
    read = piexif.load(b"Exif\0\0" + edited)
    assert read["0th"][0x010E].decode() == OWN.text
    assert bytes(read["0th"][0x9C9C]).decode("utf-16-le") == OWN.text + "\0"
    assert read["0th"][0x010F] == b"Elektronik"
    assert read["Exif"][0x927C] == made.MAKER_NOTE[2]
    assert read["thumbnail"] == made.plain((16, 12))


def test_entries_stay_in_the_order_of_their_tags() -> None:
    edited = append_caption(made.camera_block(), OWN)
    (at,) = struct.unpack_from("<I", edited, 4)
    (count,) = struct.unpack_from("<H", edited, at)
    tags = [struct.unpack_from("<H", edited, at + 2 + 12 * i)[0] for i in range(count)]
    assert tags == sorted(tags)


def test_a_block_from_nothing_undoes_to_nothing() -> None:
    block = compose_block(OWN)
    assert [text.text for text in texts(block)] == [OWN.text, OWN.text]
    stripped = strip_caption(block, DIGESTS)
    assert stripped.data is None
    assert stripped.exact


def test_short_captions_stand_in_the_entry_itself() -> None:
    own = OwnCaption.of(made.Caption("a", 0.5, (), None, "m"), before="")
    edited = append_caption(made.camera_block(), own)
    assert {text.text for text in texts(edited)} == {"a"}
    assert strip_caption(edited, DIGESTS).data == made.camera_block()


def test_the_mark_comes_back() -> None:
    record = undo_record(append_caption(made.camera_block(), OWN))
    assert record is not None
    assert record.intact
    assert record.mark == OWN.mark


def test_a_change_by_another_program_in_our_tail_is_kept() -> None:
    block = made.tiff(made.MAKE, made.ORIENTATION)
    edited = bytearray(append_caption(block, OWN))
    at = edited.rindex(struct.pack("<HHI", 0x0112, 3, 1))
    edited[at + 8] = 6  # exiv2 does this: a new value in the old place
    stripped = strip_caption(bytes(edited), DIGESTS)
    assert stripped.data is not None
    assert not stripped.exact
    assert undo_record(stripped.data) is None
    read = piexif.load(b"Exif\0\0" + stripped.data)
    assert read["0th"] == {0x010F: b"Elektronik", 0x0112: 6}


def test_a_text_that_a_person_put_in_our_place_is_kept() -> None:
    edited = append_caption(made.tiff(made.MAKE), OWN)
    edited = edited.replace(OWN.text.encode(), b"Ann's birthday".ljust(len(OWN.text.encode())))
    stripped = strip_caption(edited, DIGESTS)
    assert stripped.data is not None
    assert [text.text for text in texts(stripped.data)] == ["Ann's birthday"]


def test_words_of_the_type_utf_8_are_read() -> None:
    """EXIF 3.0 lets them stand wherever ASCII stood; exiftool 12.57 does not know them yet."""
    block = made.tiff(made.MAKE, (0x010E, 129, "Großmutter".encode()))
    assert [text.text for text in texts(block)] == ["Großmutter"]
    artist = made.tiff(made.MAKE, (0x013B, 129, b"Ann\0"))
    edited = append_caption(artist, OWN)
    assert strip_caption(edited, DIGESTS).data == artist


def refused_blocks() -> dict[str, bytes]:
    good = made.tiff(made.MAKE, made.ORIENTATION)
    make = good.index(struct.pack("<HH", 0x010F, 2))

    def changed(at: int, form: str, value: int) -> bytes:
        block = bytearray(good)
        struct.pack_into(form, block, at, value)
        return bytes(block)

    loop = bytearray(made.tiff(made.MAKE, thumbnail=b"\xff\xd8\xff\xd9"))
    struct.pack_into("<I", loop, 8 + 2 + 12, 8)
    return {
        "no header": b"XX" + good[2:],
        "cut header": good[:6],
        "BigTIFF": b"II+\0" + good[4:],
        "IFD0 outside": changed(4, "<I", len(good) + 10),
        "IFD0 in the header": changed(4, "<I", 2),
        "too many entries": changed(8, "<H", 900),
        "value outside": changed(make + 8, "<I", len(good)),
        "value in the header": changed(make + 8, "<I", 0),
        "unknown type": changed(make + 2, "<H", 99),
        "huge count": changed(make + 4, "<I", 0xFFFFFFFF),
        "loop": bytes(loop),
        "thumbnail outside": made.tiff(made.MAKE, thumbnail=b"\xff\xd8\xff\xd9" * 9)[:-4],
        "pointer that is no number": made.tiff((0x8769, 2, b"\0\0\0\0")),
        "Exif IFD outside": made.tiff((0x8769, 4, b"\xff\xff\0\0")),
        "a tag twice": made.tiff(made.MAKE, made.MAKE),
    }


@pytest.mark.parametrize("name", refused_blocks())
def test_a_block_that_is_not_understood_is_refused(name: str) -> None:
    with pytest.raises(TiffError):
        append_caption(refused_blocks()[name], OWN)


def test_a_block_that_would_outgrow_its_segment_is_refused() -> None:
    room = MAX_BLOCK_BYTES - len(append_caption(made.tiff(made.MAKE), OWN))
    assert len(append_caption(made.tiff(made.MAKE, gap=room // 4 * 4), OWN)) <= MAX_BLOCK_BYTES
    with pytest.raises(CaptionRefused, match="65527 fit"):
        append_caption(made.tiff(made.MAKE, gap=room // 4 * 4 + 8), OWN)


def test_a_maker_note_that_points_past_the_block_is_noticed() -> None:
    def block(offset: int) -> bytes:
        note = struct.pack("<H", 1) + struct.pack("<HHII", 0x0010, 7, 100, offset) + b"\0\0\0\0"
        return made.tiff(made.MAKE, sub=[(0x927C, 7, note + b"\0" * 200)])

    length = len(block(0))
    assert not reads_beyond(block(length - 100), length + 500)
    assert reads_beyond(block(length - 50), length + 500)
    assert not reads_beyond(block(length + 5000), length + 500)  # as unreadable after the edit as before


def test_a_record_that_nests_without_end_is_none() -> None:
    mark = b"[" * 4096
    numbers = struct.pack("<IIIII", len(mark), 0, 0, 0, zlib.crc32(mark))
    assert undo_record(mark + numbers + struct.pack("<I8s", zlib.crc32(numbers), b"RECOLL01")) is None
