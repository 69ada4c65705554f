"""What goes through the pipe or a database column comes out equal."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from captioner import Caption, Tag
from indexer.metadata.photo_json import caption_from_json, caption_to_json, metadata_from_json, metadata_to_json
from indexer.model import (
    CaptionBy,
    CaptionPlace,
    DatePrecision,
    FileCaption,
    FileStamp,
    PhotoMetadata,
    Position,
    Reading,
    ThumbnailSize,
    Written,
)
from indexer.reader.photo_requests import pack_reading, pack_written, unpack_reading, unpack_written
from tests.reasons_made import reason_saying

ZONES = st.one_of(st.none(), st.just(UTC), st.integers(-900, 900).map(lambda m: timezone(timedelta(minutes=m))))
TEXTS = st.text(min_size=1, max_size=40)
METADATA = st.builds(
    PhotoMetadata,
    mime_type=st.just("image/jpeg"),
    width_px=st.integers(1, 50_000),
    height_px=st.integers(1, 50_000),
    taken_at=st.none() | st.datetimes(datetime(1826, 1, 1), datetime(2100, 1, 1), timezones=ZONES),
    taken_precision=st.sampled_from(DatePrecision),
    camera=st.none() | TEXTS,
    exposure_s=st.none() | st.floats(1e-9, 1e6),
    iso=st.none() | st.integers(1, 10_000_000),
    orientation=st.integers(1, 8),
    position=st.none()
    | st.builds(Position, st.floats(-90, 90), st.floats(-180, 180), st.none() | st.floats(-1e4, 1e5)),
    rating=st.none() | st.integers(-1, 5),
    keywords=st.lists(TEXTS, max_size=4).map(tuple),
    people=st.lists(TEXTS, max_size=4).map(tuple),
    pets=st.lists(TEXTS, max_size=2).map(tuple),
    headline=st.none() | TEXTS,
    locations=st.lists(TEXTS, max_size=2).map(tuple),
    person_caption=st.none() | TEXTS,
    machine_caption=st.none()
    | st.builds(FileCaption, TEXTS, st.sampled_from(CaptionBy), st.none() | TEXTS, st.none() | st.floats(0, 1)),
    correction=st.none()
    | st.builds(
        FileCaption,
        TEXTS,
        st.just(CaptionBy.PERSON),
        at=st.none() | st.datetimes().map(lambda m: m.replace(tzinfo=UTC)),
    ),
    overruled=st.none() | TEXTS,
    damage=st.none() | TEXTS,
)


@given(METADATA)
def test_metadata_survives(metadata: PhotoMetadata) -> None:
    assert metadata_from_json(json.loads(json.dumps(metadata_to_json(metadata)))) == metadata


def test_fields_of_a_newer_version_are_passed_over() -> None:
    values = metadata_to_json(PhotoMetadata("image/png", 3, 2)) | {"smell": "roses"}
    assert metadata_from_json(values) == PhotoMetadata("image/png", 3, 2)


def test_captions_survive() -> None:
    model_s = FileCaption.of(Caption("a dog", 0.5, (Tag("dog", 0.9),), (0.5, -0.5), "model-1"))
    assert model_s == FileCaption("a dog", CaptionBy.MODEL, "model-1", 0.5)
    for caption in (model_s, FileCaption("our dog Rex", CaptionBy.PERSON)):
        assert caption_from_json(json.loads(json.dumps(caption_to_json(caption)))) == caption


@given(METADATA, st.binary(max_size=50), st.binary(max_size=50), st.binary(max_size=50))
def test_readings_survive(metadata: PhotoMetadata, grid: bytes, screen: bytes, pixels: bytes) -> None:
    thumbnails = {ThumbnailSize.GRID: grid, ThumbnailSize.SCREEN: screen}
    reading = Reading("f" * 32, metadata, FileStamp(1, 2, 2**64 - 1), thumbnails, pixels)
    header, payload = pack_reading(reading)
    assert unpack_reading(json.loads(json.dumps(header)), payload) == reading


def test_what_was_written_survives() -> None:
    written = Written(CaptionPlace.SIDECAR, FileStamp(1, 2, 3), reason_saying("a C2PA manifest"))
    assert unpack_written(json.loads(json.dumps(pack_written(written)))) == written
