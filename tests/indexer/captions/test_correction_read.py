"""A correction read back from the files: whose words stand, when they were typed, and what overtakes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from indexer.atomic.file_read import stamp_of
from indexer.captions.caption_file import write_caption
from indexer.captions.sidecar import sidecar_path
from indexer.metadata.read_metadata import read_metadata
from indexer.model import CaptionBy, FileCaption, PhotoMetadata
from indexer.ownership.mark import Mark, OwnCaption
from indexer.reader.photo_requests import from_json, to_json
from tests.indexer.formats import jpegs_made as made

TYPED_AT = datetime(2024, 5, 1, 10, 0, 0, 123456, tzinfo=UTC)
CORRECTION = FileCaption("Oma Lisbeth feeds the ducks", CaptionBy.PERSON, at=TYPED_AT)
THEIRS = made.with_segments(made.xmp(made.packet(made.described("Karl's boat"))))


def write(path: Path, words: FileCaption) -> None:
    write_caption(path, words, stamp=stamp_of(path.stat()))


def read(path: Path) -> PhotoMetadata:
    beside = sidecar_path(path)
    return read_metadata(path.read_bytes(), path, [beside.read_bytes()] if beside.exists() else [])


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "a.jpg"
    path.write_bytes(made.camera_jpeg())
    return path


def test_a_correction_comes_back_with_the_moment_it_was_typed(photo: Path) -> None:
    write(photo, CORRECTION)
    metadata = read(photo)
    assert metadata.correction == CORRECTION
    assert metadata.correction is not None
    assert metadata.correction.at == TYPED_AT
    assert (metadata.person_caption, metadata.others_words, metadata.machine_caption) == (CORRECTION.text, None, None)
    again = from_json(PhotoMetadata, json.loads(json.dumps(to_json(metadata))))
    assert again == metadata
    assert again.correction is not None
    assert again.correction.at == TYPED_AT


def test_beside_another_program_s_words_it_stands_and_both_are_told_apart(photo: Path) -> None:
    photo.write_bytes(THEIRS)
    write(photo, CORRECTION)
    metadata = read(photo)
    assert (metadata.person_caption, metadata.others_words) == (CORRECTION.text, "Karl's boat")
    assert metadata.correction == CORRECTION


def test_words_of_another_program_beside_it_in_the_same_file_came_later(photo: Path) -> None:
    photo.write_bytes(made.plain())
    write(photo, CORRECTION)
    edited = photo.read_bytes().replace(CORRECTION.text.encode(), b"Oma Gertrud feeds the swans", 1)
    photo.write_bytes(edited)
    metadata = read(photo)
    assert metadata.correction is None
    assert metadata.person_caption == metadata.others_words == "Oma Gertrud feeds the swans"


def test_a_sidecar_that_another_program_made_came_later(photo: Path) -> None:
    write(photo, CORRECTION)
    sidecar_path(photo).write_bytes(made.packet(made.described("Karl's boat")))
    metadata = read(photo)
    assert (metadata.correction, metadata.person_caption) == (None, "Karl's boat")


def test_a_sidecar_that_repeats_the_correction_takes_nothing_away(photo: Path) -> None:
    write(photo, CORRECTION)
    sidecar_path(photo).write_bytes(made.packet(made.described(CORRECTION.text)))
    assert read(photo).correction == CORRECTION


@pytest.mark.parametrize("date", ["", "yesterday", "2024-05-01T10:00:00", "0001-01-01T00:00:00+14:00", "9" * 40])
def test_a_mark_without_a_date_has_none(date: str) -> None:
    mark = Mark("0" * 16, "", 0.0, date, "recollect", "", CaptionBy.PERSON)
    assert mark.moment is None


def test_the_model_s_words_are_dated_to_the_second() -> None:
    mark = OwnCaption.of(FileCaption("a dog", CaptionBy.MODEL, "m-1", 0.5), before="").mark
    assert mark.moment is not None
    assert mark.moment.microsecond == 0
    assert abs(datetime.now(UTC) - mark.moment) < timedelta(minutes=5)
