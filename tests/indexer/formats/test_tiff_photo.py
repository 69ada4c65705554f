"""Captions inside TIFF files: written at the end, found again, taken out exactly, and refused where there is a risk."""

from __future__ import annotations

import io
import shutil
import struct
import tracemalloc
from pathlib import Path

import pytest
from PIL import Image, ImageSequence

from captioner import Caption
from indexer.atomic.file_read import stamp_of
from indexer.captions.caption_file import PERSONS_WORDS, write_caption
from indexer.captions.checks import check_edit, check_removal
from indexer.captions.undo import undo_caption
from indexer.captions.verify import VerifyError
from indexer.captions.verify.tiff import check_tiff_edit, check_tiff_removal
from indexer.errors import CaptionRefused
from indexer.formats import xmp_packet
from indexer.formats.editable import open_photo
from indexer.formats.tiff_photo import TiffPhoto
from indexer.metadata.content_key import content_key
from indexer.metadata.read_metadata import read_metadata
from indexer.model import CaptionBy, CaptionPlace, FileCaption, PhotoMetadata, WriteResult
from indexer.ownership.mark import OwnCaption, sha256
from indexer.reasons import Reason, ReasonCode
from tests.indexer.captions.own_captions import read_own_caption
from tests.indexer.captions.test_captions_exiftool import differences, tags_of
from tests.indexer.formats import jpegs_made as made
from tests.indexer.formats import tiffs_made as tiffs

EXIF, SIDECAR, INDEX = CaptionPlace.EXIF, CaptionPlace.SIDECAR, CaptionPlace.INDEX
REFUSED = tiffs.refused()


def write(path: Path, caption: Caption | FileCaption = made.CAPTION) -> WriteResult:
    return write_caption(path, caption, stamp=stamp_of(path.stat()))


def saved(folder: Path, data: bytes, name: str = "a.tif") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def captioned(data: bytes) -> tuple[bytes, OwnCaption]:
    own = OwnCaption.of(made.CAPTION, before=sha256(data))
    return TiffPhoto(data).embed(own, EXIF), own


def metadata_of(data: bytes) -> PhotoMetadata:
    return read_metadata(data, Path("a.tif"))


def pixels(data: bytes) -> list[bytes]:
    with Image.open(io.BytesIO(data)) as image:
        return [page.copy().tobytes() for page in ImageSequence.Iterator(image)]


@pytest.mark.parametrize("name", tiffs.TIFFS)
def test_the_old_file_stays_but_for_the_header_and_undo_is_exact(name: str, tmp_path: Path) -> None:
    data = tiffs.TIFFS[name]
    path = saved(tmp_path, data)
    assert write(path) == WriteResult(EXIF, stamp_of(path.stat()), None)
    new = path.read_bytes()
    assert (new[:4], new[8 : len(data)]) == (data[:4], data[8:])
    assert content_key(new) == content_key(data)
    assert TiffPhoto(new).picture_digest == TiffPhoto(data).picture_digest
    own = read_own_caption(new)
    assert own is not None
    assert (own.text, own.model) == (made.CAPTION.text, made.CAPTION.model)
    undone = undo_caption(path)
    assert (undone.restored, undone.exact, undone.place) == (True, True, EXIF)
    assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", [name for name in tiffs.TIFFS if "old-style" not in name])
def test_other_readers_see_the_same_pictures_and_the_caption(name: str) -> None:
    data = tiffs.TIFFS[name]
    new, own = captioned(data)
    assert pixels(new) == pixels(data)
    with Image.open(io.BytesIO(new)) as image:
        assert image.getexif()[0x010E].encode("latin-1").decode() == own.text
    found = metadata_of(new)
    assert found.machine_caption == FileCaption(own.text, CaptionBy.MODEL, made.CAPTION.model, 0.83)
    assert found.person_caption is None


def test_captioning_again_replaces_our_own_end(tmp_path: Path) -> None:
    data = tiffs.TIFFS["TIFF, XMP"]
    path = saved(tmp_path, data)
    write(path)
    size = path.stat().st_size
    for caption in (made.NEWER, made.CAPTION):
        assert write(path, caption).place is EXIF
    assert path.stat().st_size == size
    assert undo_caption(path).exact
    assert path.read_bytes() == data


def test_a_correction_is_that_persons(tmp_path: Path) -> None:
    path = saved(tmp_path, tiffs.TIFFS["TIFF"])
    write(path)
    assert write(path, FileCaption("Ann at the sea", CaptionBy.PERSON)).place is EXIF
    assert metadata_of(path.read_bytes()).person_caption == "Ann at the sea"
    assert write(path).reason == PERSONS_WORDS
    assert undo_caption(path).exact
    assert path.read_bytes() == tiffs.TIFFS["TIFF"]


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_not_understood_stays_as_it_is(name: str, tmp_path: Path) -> None:
    data, reason = REFUSED[name]
    path = saved(tmp_path, data)
    written = write(path)
    assert written.place is SIDECAR
    assert str(reason) in str(written.reason)
    assert path.read_bytes() == data


@pytest.mark.parametrize("name", ["a.nef", "a.NEF", "a.arw", "a.pef", "a.srw", "a.3fr", "a.dng", "a.jpg", "a"])
def test_by_any_other_name_it_may_be_a_raw_file(name: str, tmp_path: Path) -> None:
    path = saved(tmp_path, tiffs.TIFFS["TIFF"], name)
    reason = Reason(ReasonCode.FORMAT_NOT_CHANGED)
    assert write(path) == WriteResult(SIDECAR, stamp_of(path.stat()), reason)
    assert path.read_bytes() == tiffs.TIFFS["TIFF"]


@pytest.mark.parametrize("name", ["a.TIF", "a.Tiff"])
def test_case_means_nothing(name: str, tmp_path: Path) -> None:
    assert write(saved(tmp_path, tiffs.TIFFS["TIFF"], name)).place is EXIF


def test_bigtiff_goes_to_the_sidecar(tmp_path: Path) -> None:
    path = saved(tmp_path, b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0" + b"\0" * 30)
    assert write(path).place is SIDECAR


ANN = b"Ann at the sea"
PERSONS = {
    "ImageDescription": tiffs.built(made.ascii_field(0x010E, ANN.decode())),
    "ImageDescription, long": tiffs.built(made.ascii_field(0x010E, " " * (2 << 20) + ANN.decode())),
    "XPComment": tiffs.built((0x9C9C, 1, ANN.decode().encode("utf-16-le") + b"\0\0")),
    "UserComment": tiffs.built(sub=[(0x9286, 7, b"ASCII\0\0\0" + ANN)]),
    "XMP": tiffs.built(tiffs.xmp(made.packet(made.described(ANN.decode())))),
    "IPTC": tiffs.built((33723, 7, tiffs.iim(ANN))),
    "IPTC in LONGs": tiffs.built((33723, 4, tiffs.padded(tiffs.iim(ANN)))),
    "IPTC in LONGs, turned": tiffs.built((33723, 4, tiffs.turned(tiffs.iim(ANN)))),
    "IPTC in Photoshop's resources": tiffs.built((34377, 1, tiffs.resources(ANN))),
}


@pytest.mark.parametrize("name", PERSONS)
def test_a_persons_words_are_found_wherever_they_stand(name: str, tmp_path: Path) -> None:
    path = saved(tmp_path, PERSONS[name])
    assert write(path) == WriteResult(INDEX, stamp_of(path.stat()), PERSONS_WORDS)
    assert path.read_bytes() == PERSONS[name]
    assert list(tmp_path.iterdir()) == [path]
    if name != "ImageDescription, long":  # too long to be shown from its first words on
        assert metadata_of(PERSONS[name]).person_caption == ANN.decode()


@pytest.mark.parametrize("description", ["ImageJ=1.53t\nimages=3\n", '<?xml version="1.0"?><OME/>', '{"shape": [3]}'])
def test_what_other_programs_keep_in_the_description_stays(description: str, tmp_path: Path) -> None:
    path = saved(tmp_path, tiffs.built(made.ascii_field(0x010E, description)))
    assert write(path).place is INDEX


def test_words_may_be_hidden_in_broken_xmp(tmp_path: Path) -> None:
    path = saved(tmp_path, tiffs.built(tiffs.xmp(b"<dc:description>Ann at the sea")))
    written = write(path)
    assert written.place is INDEX
    assert "may hold a person's caption" in str(written.reason)


def test_broken_xmp_without_words_stays_as_it_is(tmp_path: Path) -> None:
    data = tiffs.built(tiffs.xmp(b"<x:xmpmeta"))
    path = saved(tmp_path, data)
    assert write(path).place is EXIF
    assert read_own_caption(path.read_bytes()) is not None
    assert undo_caption(path).exact
    assert path.read_bytes() == data


def test_more_than_can_be_looked_through_is_refused() -> None:
    photo = TiffPhoto(tiffs.built((33723, 7, b"\0" * ((16 << 20) + 1))))
    with pytest.raises(CaptionRefused, match="too many to be looked through"):
        _ = photo.texts


@pytest.mark.parametrize("name", ["many offsets", "many pages"])
def test_no_count_makes_memory_grow(name: str) -> None:
    photo = TiffPhoto(REFUSED[name][0])
    own = OwnCaption.of(made.CAPTION, before="")
    tracemalloc.start()
    try:
        with pytest.raises(CaptionRefused):
            photo.embed(own, EXIF)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", [1, 3, 4, 5, 7, 10])
def test_a_huge_count_on_another_page_costs_nothing(kind: int) -> None:
    """piexif would build a format of as many letters."""
    data = tiffs.TIFFS["TIFF, pages"]
    at = data.rindex(struct.pack("<HHI", 0x0100, 3, 1), 0, data.rindex(struct.pack("<HHI", 0x0100, 3, 1)))
    mutant = data[: at + 2] + struct.pack("<HI", kind, 100_000_000) + data[at + 8 :]
    tracemalloc.start()
    try:
        assert metadata_of(mutant).width_px == tiffs.SIDE_PX
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


# -- other programs


def changed_inside(new: bytes) -> bytes:
    """As exiv2 writes a value in place: the first page is now turned."""
    at = new.rindex(struct.pack("<HHI", 0x0112, 3, 1)) + 8
    return new[:at] + b"\x06" + new[at + 1 :]


def test_after_a_change_by_another_program_only_ours_is_taken_out(tmp_path: Path) -> None:
    data = tiffs.built(made.MAKE, made.ORIENTATION)
    path = saved(tmp_path, data)
    write(path)
    theirs = changed_inside(path.read_bytes())
    path.write_bytes(theirs)
    assert metadata_of(theirs).machine_caption is not None
    undone = undo_caption(path)
    assert (undone.restored, undone.exact) == (True, False)
    left = path.read_bytes()
    assert read_own_caption(left) is None
    assert TiffPhoto(left).texts == []
    assert metadata_of(left).orientation == 6
    assert pixels(left) == pixels(theirs)


@pytest.mark.parametrize("name", ["TIFF", "TIFF, pages, big endian"])
def test_our_xmp_knows_the_caption_when_our_record_is_lost(name: str, tmp_path: Path) -> None:
    path = saved(tmp_path, tiffs.TIFFS[name])
    write(path)
    path.write_bytes(path.read_bytes() + b"another program's directory")
    found = metadata_of(path.read_bytes())
    assert found.machine_caption is not None
    assert found.person_caption is None
    undone = undo_caption(path)
    assert (undone.restored, undone.exact) == (True, False)
    assert TiffPhoto(path.read_bytes()).texts == []
    assert write(path, made.NEWER).place is EXIF


def test_words_put_in_place_of_ours_are_that_persons(tmp_path: Path) -> None:
    path = saved(tmp_path, tiffs.TIFFS["TIFF"])
    write(path)
    ours = made.CAPTION.text.encode()
    data = path.read_bytes()
    at = data.index(ours)
    path.write_bytes(data[:at] + ANN.ljust(len(ours)) + data[at + len(ours) :])
    edited = path.read_bytes()
    assert metadata_of(edited).person_caption == ANN.decode()
    assert write(path, made.NEWER) == WriteResult(INDEX, stamp_of(path.stat()), PERSONS_WORDS)
    assert path.read_bytes() == edited
    assert undo_caption(path).restored
    assert [text.text for text in TiffPhoto(path.read_bytes()).texts] == [ANN.decode()]


def test_a_persons_xmp_beside_ours_is_kept(tmp_path: Path) -> None:
    """A program that has written our packet anew, with a rating: the rating stays."""
    own = OwnCaption.of(made.CAPTION, before="")
    packet = xmp_packet.splice(made.packet(), own)
    description = made.ascii_field(0x010E, own.text)
    path = saved(tmp_path, tiffs.built(made.MAKE, description, tiffs.xmp(packet + b"\n")))
    undone = undo_caption(path)
    assert (undone.restored, undone.exact) == (True, False)
    assert TiffPhoto(path.read_bytes()).texts == []
    assert metadata_of(path.read_bytes()).rating == 3


def test_a_record_that_was_no_tiffs_is_not_followed() -> None:
    own = OwnCaption.of(made.CAPTION, before="")
    from indexer.formats.tiff_edit import compose_block

    with pytest.raises(CaptionRefused, match="not one that is written into TIFFs"):
        TiffPhoto(compose_block(own)).without_caption()


# -- the proof (that every mutation is caught: see test_verify.py)


def test_every_flip_is_caught_by_comparing_alone() -> None:
    """Without undo's help."""
    old = tiffs.TIFFS["TIFF, pages"]
    new, own = captioned(old)
    for at in [*range(4), *range(8, len(old))]:
        mutant = new[:at] + bytes((new[at] ^ 1,)) + new[at + 1 :]
        with pytest.raises(VerifyError, match="verification"):
            check_tiff_edit(old, mutant, own, undo=lambda _: [old])


def directory_of(data: bytes) -> tuple[int, int]:
    (at,) = struct.unpack_from("<I", data, 4)
    return at, struct.unpack_from("<H", data, at)[0]


def test_every_flip_in_the_new_directory_is_caught_by_comparing_alone() -> None:
    old = tiffs.TIFFS["TIFF, pages"]
    new, own = captioned(old)
    start, count = directory_of(new)
    for at in range(start, start + 2 + 12 * count + 4):
        mutant = new[:at] + bytes((new[at] ^ 1,)) + new[at + 1 :]
        with pytest.raises(VerifyError):
            check_tiff_edit(old, mutant, own, undo=lambda _: [old])


def test_other_words_than_meant_are_caught() -> None:
    old = tiffs.TIFFS["TIFF"]
    new, _ = captioned(old)
    other = OwnCaption.of(made.NEWER, before=sha256(old))
    with pytest.raises(VerifyError, match="differently"):
        check_edit(old, new, other)


def test_a_page_that_is_lost_is_caught() -> None:
    old = tiffs.TIFFS["TIFF, pages"]
    new, own = captioned(old)
    start, count = directory_of(new)
    at = start + 2 + 12 * count
    mutant = new[:at] + b"\0\0\0\0" + new[at + 4 :]
    with pytest.raises(VerifyError, match="pages"):
        check_tiff_edit(old, mutant, own, undo=lambda _: [old])


def test_a_removal_that_touches_more_is_caught() -> None:
    data = tiffs.built(made.MAKE, made.ORIENTATION, pages=2)
    old = changed_inside(captioned(data)[0])
    new = b"".join(TiffPhoto(old).without_caption())
    check_removal(old, new)
    start, count = directory_of(new)
    for at in [*range(0, start + 2 + 12 * count, 7), start + 2 + 12 * count]:
        mutant = new[:at] + bytes((new[at] ^ 1,)) + new[at + 1 :]
        with pytest.raises(VerifyError):
            check_tiff_removal(old, mutant)
    for mutant in (new[:-1], new + b"\0", data):
        with pytest.raises(VerifyError):
            check_tiff_removal(old, mutant)


def test_bytes_that_are_no_tiff_are_no_photo() -> None:
    assert open_photo(b"II+\0" + b"\0" * 20) is None
    with pytest.raises(CaptionRefused):
        open_photo(b"II*\0")


# -- identity


def test_a_tiff_that_was_never_written_keeps_the_key_of_all_its_bytes() -> None:
    data = tiffs.TIFFS["TIFF"]
    assert content_key(data) != content_key(data + b"\0")
    assert content_key(data) != content_key(data[:-1])


def test_a_tail_that_somebody_changed_counts_as_a_part_of_the_file() -> None:
    data = tiffs.built(made.MAKE, made.ORIENTATION)
    new, _ = captioned(data)
    assert content_key(new) == content_key(data)
    assert content_key(changed_inside(new)) not in (content_key(new), content_key(data))


# -- against exiftool


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_exiftool_reads_every_other_tag_as_before(tmp_path: Path) -> None:
    paths = [saved(tmp_path, data, f"{number}.tif") for number, data in enumerate(tiffs.TIFFS.values())]
    before = tags_of(tmp_path)
    assert {write(path).place for path in paths} == {EXIF}
    after = tags_of(tmp_path)
    changed = {name: differences(before[name], after[name]) for name in before}
    assert {name: found for name, found in changed.items() if found} == {}
    assert all(after[str(path)]["IFD0"]["ImageDescription"] == made.CAPTION.text for path in paths)
