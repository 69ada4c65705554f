"""Corrections in photo files: a person's words, written like ours, and taken back like ours."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from captioner import Caption
from indexer.atomic.file_read import stamp_of
from indexer.captions.caption_file import OTHER_WORDS, PERSONS_WORDS, write_caption
from indexer.captions.journal import Journal
from indexer.captions.sidecar import sidecar_path
from indexer.captions.undo import undo_caption
from indexer.metadata.read_metadata import read_metadata
from indexer.model import CaptionBy, CaptionPlace, FileCaption, WriteResult
from indexer.reasons import ReasonCode
from tests.indexer.captions.own_captions import read_own_caption
from tests.indexer.formats import jpegs_made as made
from tests.indexer.formats.chunks_made import png, webp

CORRECTION = FileCaption("Oma Lisbeth feeds the ducks", CaptionBy.PERSON)
THEIRS = made.with_segments(made.xmp(made.packet(made.described("Karl's boat"))))
AGAIN = FileCaption("Oma Lisbeth and Uncle Karl feed the ducks", CaptionBy.PERSON)


def write(path: Path, words: Caption | FileCaption, *, over_correction: bool = False) -> WriteResult:
    journal = Journal.in_dir(path.parent / "data")
    return write_caption(path, words, stamp=stamp_of(path.stat()), journal=journal, over_correction=over_correction)


def persons_words(path: Path) -> str | None:
    beside = sidecar_path(path)
    sidecars = [beside.read_bytes()] if beside.exists() else []
    metadata = read_metadata(path.read_bytes(), path, sidecars)
    assert metadata.person_caption is None or metadata.machine_caption is None
    return metadata.person_caption


PHOTOS: dict[str, Callable[[], bytes]] = {
    "camera.jpg": made.camera_jpeg,
    "plain.jpg": made.plain,
    "a.png": png,
    "a.webp": webp,
    "c2pa.jpg": lambda: made.with_segments(made.c2pa()),  # never changed: a sidecar
}


@pytest.fixture(params=PHOTOS)
def photo(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / str(request.param)
    path.write_bytes(PHOTOS[request.param]())
    return path


def test_a_correction_takes_the_model_s_place_and_is_a_person_s(photo: Path) -> None:
    original = photo.read_bytes()
    place = write(photo, made.CAPTION).place
    assert persons_words(photo) is None
    assert write(photo, CORRECTION).place is place
    assert persons_words(photo) == CORRECTION.text
    assert write(photo, made.NEWER) == WriteResult(CaptionPlace.INDEX, stamp_of(photo.stat()), PERSONS_WORDS)
    assert write(photo, AGAIN).place is place
    assert persons_words(photo) == AGAIN.text
    undone = undo_caption(photo, journal=Journal.in_dir(photo.parent / "data"))
    assert undone.exact
    assert photo.read_bytes() == original
    assert {path.name for path in photo.parent.iterdir()} == {photo.name, "data"}


def test_a_correction_that_is_taken_back_gives_way_to_the_model(photo: Path) -> None:
    original = photo.read_bytes()
    place = write(photo, CORRECTION).place
    assert write(photo, made.CAPTION, over_correction=True).place is place
    assert persons_words(photo) is None
    assert undo_caption(photo).exact
    assert photo.read_bytes() == original


def last_changes(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Of each file; when it was last read is of no interest."""
    found = {path: path.stat() for path in folder.iterdir() if path.is_file()}
    return {path: (one.st_ino, one.st_mtime_ns, one.st_ctime_ns) for path, one in found.items()}


def test_the_same_correction_again_writes_nothing(photo: Path) -> None:
    write(photo, CORRECTION)
    before = last_changes(photo.parent)
    write(photo, CORRECTION)
    assert last_changes(photo.parent) == before


def test_words_of_another_program_stay_and_the_correction_stands_beside_them(tmp_path: Path) -> None:
    path = tmp_path / "theirs.jpg"
    path.write_bytes(THEIRS)
    original = path.read_bytes()
    written = write(path, CORRECTION)
    assert (written.place, written.reason) == (CaptionPlace.SIDECAR, OTHER_WORDS)
    assert path.read_bytes() == original
    assert persons_words(path) == CORRECTION.text
    assert undo_caption(path).exact
    assert persons_words(path) == "Karl's boat"


def test_words_of_another_program_beside_the_photo_stay_and_the_correction_goes_into_the_photo(tmp_path: Path) -> None:
    path = tmp_path / "theirs.jpg"
    path.write_bytes(made.plain())
    write(path, CORRECTION)
    sidecar_path(path).write_bytes(made.packet(made.described("Karl's boat")))
    beside = sidecar_path(path).read_bytes()
    assert persons_words(path) == "Karl's boat"
    assert write(path, AGAIN).place is CaptionPlace.EXIF
    assert sidecar_path(path).read_bytes() == beside
    assert persons_words(path) == AGAIN.text


def test_undo_refuses_where_the_journal_remembers_another_original(tmp_path: Path) -> None:
    path, journal = tmp_path / "a.jpg", Journal.in_dir(tmp_path / "data")
    path.write_bytes(made.camera_jpeg())
    write(path, made.CAPTION)
    captioned = path.read_bytes()
    assert journal.original(hashlib.sha256(captioned).hexdigest()) is not None
    line = journal.path.read_text()
    journal.path.write_text(line.replace(hashlib.sha256(made.camera_jpeg()).hexdigest(), "0" * 64))
    undone = undo_caption(path, journal=Journal(journal.path))
    assert not undone.restored
    assert "another original" in str(undone.reason)
    assert path.read_bytes() == captioned


def test_a_dry_run_says_what_undo_would_do_and_changes_nothing(photo: Path) -> None:
    write(photo, made.CAPTION)
    before = {path.name: path.read_bytes() for path in photo.parent.iterdir() if path.is_file()}
    told = undo_caption(photo, dry_run=True)
    assert told.restored
    assert told.exact
    assert {path.name: path.read_bytes() for path in photo.parent.iterdir() if path.is_file()} == before
    done = undo_caption(photo)
    assert (done.place, done.exact) == (told.place, told.exact)


def test_our_marks_tell_whose_words_they_are(photo: Path) -> None:
    write(photo, CORRECTION)
    beside = sidecar_path(photo)
    own = read_own_caption(beside.read_bytes() if beside.exists() else photo.read_bytes())
    assert own == CORRECTION


def test_where_words_can_t_be_ruled_out_a_correction_says_that_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(made.with_segments(made.xmp(b"<x:xmpmeta><dc:description>no end")))
    written = write(path, CORRECTION)
    assert written.place is CaptionPlace.SIDECAR
    assert written.reason is not None
    assert written.reason.code is ReasonCode.XMP_NOT_PARSED
    assert persons_words(path) == CORRECTION.text
