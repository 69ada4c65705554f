"""Captions in HEICs: into the file and out of it, byte for byte, and what becomes of them when others write there."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import pytest

from captioner import Caption
from indexer.atomic.file_read import stamp_of
from indexer.captions.caption_file import PERSONS_WORDS, write_caption
from indexer.captions.undo import undo_caption
from indexer.formats.editable import open_photo
from indexer.formats.heif import read_heif
from indexer.formats.heif_photo import HeifPhoto
from indexer.formats.photo import own_caption, user_caption
from indexer.metadata.content_key import content_key
from indexer.metadata.read_metadata import read_metadata
from indexer.model import CaptionBy, CaptionPlace, FileCaption, WriteResult
from tests.indexer.captions.own_captions import read_own_caption
from tests.indexer.formats import heifs_made as heifs
from tests.indexer.formats import jpegs_made as made
from tests.indexer.formats.heifs_made import EXIF, XMP, Item, box, exif, heic, xmp

MORE = box(b"free", b"another program's")


def write(path: Path, words: Caption | FileCaption = made.CAPTION) -> WriteResult:
    return write_caption(path, words, stamp=stamp_of(path.stat()))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "IMG_0001.HEIC"


@pytest.mark.parametrize("name", heifs.HEICS)
def test_a_caption_goes_in_and_comes_out_byte_for_byte(path: Path, name: str) -> None:
    data = heifs.HEICS[name]
    path.write_bytes(data)
    written = write(path)
    place = CaptionPlace.EXIF if b"Exif" in data else CaptionPlace.XMP
    assert (written.place, [*path.parent.iterdir()]) == (place, [path])
    captioned = path.read_bytes()
    own = read_own_caption(captioned)
    assert own is not None
    assert (own.text, own.model) == (made.CAPTION.text, made.CAPTION.model)
    assert content_key(captioned) == content_key(data)
    undone = undo_caption(path)
    assert (undone.restored, undone.exact, undone.place) == (True, True, place)
    assert path.read_bytes() == data


@pytest.mark.parametrize("name", heifs.HEICS)
def test_the_picture_is_what_it_was_and_the_decoder_reads_our_caption_as_ours(path: Path, name: str) -> None:
    path.write_bytes(heifs.HEICS[name])
    before = read_metadata(path.read_bytes(), path)
    write(path)
    after = read_metadata(path.read_bytes(), path)
    assert after.machine_caption is not None
    assert (after.machine_caption.text, after.machine_caption.by) == (made.CAPTION.text, CaptionBy.MODEL)
    assert after.person_caption is None
    assert (after.width_px, after.height_px, after.camera) == (before.width_px, before.height_px, before.camera)


def test_the_file_is_the_old_one_but_for_two_numbers_and_what_is_behind_it(path: Path) -> None:
    data = heifs.HEICS["Exif and XMP"]
    path.write_bytes(data)
    write(path)
    new = path.read_bytes()
    changed = [at for at in range(len(data)) if data[at] != new[at]]
    extent = read_heif(data).locations[2].extents[0]
    numbers = [*range(extent.offset.at, extent.offset.at + 4), *range(extent.length.at, extent.length.at + 4)]
    assert set(changed) <= set(numbers)
    assert new[len(data) + 4 : len(data) + 8] == b"mdat"


def test_the_key_of_a_file_that_was_never_written_is_that_of_all_its_bytes(path: Path) -> None:
    data = heifs.HEICS["Exif"]
    assert content_key(data) == blake2b(data, digest_size=16, person=b"file").hexdigest()
    assert content_key(data + MORE) != content_key(data)
    path.write_bytes(data)
    write(path)
    assert content_key(path.read_bytes() + MORE) != content_key(data)  # not ours alone any more


def test_captioning_again_does_not_let_the_file_grow(path: Path) -> None:
    path.write_bytes(heifs.HEICS["Exif"])
    sizes = set()
    for caption in (made.CAPTION, made.NEWER, made.CAPTION, made.NEWER):
        assert write(path, caption).place is CaptionPlace.EXIF
        own = read_own_caption(path.read_bytes())
        assert own is not None
        assert own.text == caption.text
        sizes.add((caption.text, path.stat().st_size))
    assert len(sizes) == 2
    undo_caption(path)
    assert path.read_bytes() == heifs.HEICS["Exif"]


def test_several_exif_blocks_leave_xmp(path: Path) -> None:
    data = heic(EXIF, exif(made.camera_block(), about=1), XMP)
    path.write_bytes(data)
    written = write(path)
    assert written.place is CaptionPlace.XMP
    assert "2 Exif blocks" in str(written.reason)
    undo_caption(path)
    assert path.read_bytes() == data


@pytest.mark.parametrize("item", [EXIF, XMP])
def test_what_is_not_safe_gets_a_sidecar(path: Path, item: Item) -> None:
    data = heic(item, behind=box(b"mpvd", b"a film"))
    path.write_bytes(data)
    written = write(path)
    assert written.place is CaptionPlace.SIDECAR
    assert "motion photo" in str(written.reason)
    assert path.read_bytes() == data
    assert undo_caption(path).exact


DESCRIBED = {
    "Exif": heic(exif(made.tiff(made.MAKE, made.ascii_field(0x010E, "Ann")))),
    "XMP": heic(EXIF, xmp(made.packet(made.described("Ann")))),
    "XMP of another picture": heic(EXIF, XMP, xmp(made.packet(made.described("Ann")), about=2)),
    "Exif of another picture": heic(EXIF, exif(made.tiff(made.ascii_field(0x010E, "Ann")), about=2)),
    "Exif in idat": heic(Item(b"Exif", b"\0\0\0\0" + made.tiff(made.ascii_field(0x010E, "Ann")), construction=1)),
    "Exif in pieces": heic(Item(b"Exif", b"\0\0\0\0" + made.tiff(made.ascii_field(0x010E, "Ann")), pieces=3)),
    "Exif without a header": heic(EXIF, Item(b"Exif", made.tiff(made.ascii_field(0x010E, "Ann")))),
    "IPTC": heic(EXIF, Item(b"iptc", b"\x1c\x02\x78\0\3Ann")),
}


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_persons_words_are_seen_wherever_they_stand(path: Path, name: str) -> None:
    photo = open_photo(DESCRIBED[name])
    assert photo is not None
    words = user_caption(photo)
    assert words is not None
    assert words.text == "Ann"
    path.write_bytes(DESCRIBED[name])
    assert write(path) == WriteResult(CaptionPlace.INDEX, stamp_of(path.stat()), PERSONS_WORDS)
    assert path.read_bytes() == DESCRIBED[name]


def test_a_correction_is_a_persons_and_can_be_undone(path: Path) -> None:
    path.write_bytes(heifs.HEICS["Exif"])
    write(path)
    write(path, FileCaption("Ann at the sea", CaptionBy.PERSON))
    metadata = read_metadata(path.read_bytes(), path)
    assert (metadata.person_caption, metadata.machine_caption) == ("Ann at the sea", None)
    assert undo_caption(path).exact
    assert path.read_bytes() == heifs.HEICS["Exif"]


# -- another program has been there since


def test_a_file_that_another_program_has_made_longer_loses_only_our_fields(path: Path) -> None:
    data = heifs.HEICS["Exif and XMP"]
    path.write_bytes(data)
    write(path)
    path.write_bytes(path.read_bytes() + MORE)
    undone = undo_caption(path)
    assert (undone.restored, undone.exact) == (True, False)
    left = path.read_bytes()
    assert left.endswith(MORE)
    assert read_own_caption(left) is None
    assert made.CAPTION.text.encode() not in left
    heif = read_heif(left)
    ((start, end),) = heif.locations[2].spans()
    assert left[start:end] == EXIF.payload
    assert read_metadata(left, path).camera == "Elektronik"
    # and it takes a caption again, which comes out exactly
    assert write(path).place is CaptionPlace.EXIF
    assert undo_caption(path).exact
    assert path.read_bytes() == left


@pytest.mark.parametrize("padding", [0, 300, 600, 900, 2000])
def test_a_packet_gets_its_white_space_back_in_the_place_of_our_footer(path: Path, padding: int) -> None:
    packet = made.packet(padding=padding)
    path.write_bytes(heic(xmp(packet)))
    assert write(path).place is CaptionPlace.XMP
    path.write_bytes(path.read_bytes() + MORE)
    undone = undo_caption(path)
    assert (undone.restored, undone.exact) == (True, False)
    left = path.read_bytes()
    ((start, end),) = read_heif(left).locations[2].spans()
    assert left[start:end] == packet
    assert left.endswith(MORE)
    assert HeifPhoto(left).marks == []


def test_a_packet_that_has_no_room_any_more_is_left_alone(path: Path) -> None:
    path.write_bytes(heic(xmp(made.packet(padding=900))))
    write(path)
    captioned = bytearray(path.read_bytes() + MORE)
    captioned[captioned.rindex(b"RECOLLHF")] ^= 1  # our footer is no longer known for what it is
    path.write_bytes(captioned)
    undone = undo_caption(path)
    assert not undone.restored
    assert "no longer has room" in str(undone.reason)
    assert path.read_bytes() == captioned


def test_a_change_elsewhere_in_the_file_survives_the_undo(path: Path) -> None:
    """A program that turns a picture may do so by changing one byte of its properties."""
    data = heifs.HEICS["Exif"]
    path.write_bytes(data)
    write(path)
    at = data.index(b"pixi") + 8
    captioned = bytearray(path.read_bytes())
    captioned[at + 1] ^= 1
    path.write_bytes(captioned)
    undone = undo_caption(path)
    assert (undone.restored, undone.exact) == (True, False)
    assert path.read_bytes() == data[: at + 1] + bytes((data[at + 1] ^ 1,)) + data[at + 2 :]


def test_an_edit_inside_our_own_copy_is_kept(path: Path) -> None:
    """A tag changed in place stands in our copy of the Exif block: cutting back to the old one would lose it."""
    data = heifs.HEICS["Exif"]
    path.write_bytes(data)
    write(path)
    captioned = path.read_bytes()
    at = captioned.rindex(b"2026:07:01")
    path.write_bytes(captioned[:at] + b"2027:07:01" + captioned[at + 10 :])
    undone = undo_caption(path)
    assert (undone.restored, undone.exact) == (True, False)
    left = path.read_bytes()
    heif = read_heif(left)
    ((start, end),) = heif.locations[2].spans()
    assert b"2027:07:01" in left[start:end]
    assert read_own_caption(left) is None
    assert HeifPhoto(left).marks == []


def test_our_mark_is_found_where_another_program_has_written_the_exif_block_anew(path: Path) -> None:
    """The footer vouches for the text where the block's own undo record is gone."""
    path.write_bytes(heifs.HEICS["Exif"])
    write(path)
    new = path.read_bytes().replace(b"RECOLL01", bytes(8))
    photo = HeifPhoto(new)
    assert len(photo.marks) == 1
    own = own_caption(photo)
    assert own is not None
    assert own.text == made.CAPTION.text
    metadata = read_metadata(new, path)
    assert metadata.person_caption is None
    assert metadata.machine_caption is not None


def test_an_item_of_another_program_behind_ours_forbids_the_cut(path: Path) -> None:
    """Where two items share bytes, taking ours out in place would change the other."""
    data = heifs.HEICS["Exif and XMP"]
    path.write_bytes(data)
    write(path)
    captioned = bytearray(path.read_bytes())
    ours = read_heif(bytes(captioned)).locations[2].spans()[0][0]
    other = read_heif(data).locations[3].extents[0]
    captioned[other.offset.at : other.offset.at + 4] = ours.to_bytes(4, "big")
    path.write_bytes(captioned)
    undone = undo_caption(path)
    assert not undone.restored
    assert path.read_bytes() == captioned
