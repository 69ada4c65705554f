"""What goes through the pipe comes out equal, and what no photo process says does not come out at all."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner import Caption, Tag
from indexer.captions.undo import UndoResult
from indexer.errors import Obstacle
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
    WriteResult,
)
from indexer.reader.photo_requests import from_json, pack_reading, to_json, unpack_reading, unpack_undo_result
from indexer.reasons import Reason, ReasonCode
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
    assert from_json(PhotoMetadata, through_the_pipe(metadata)) == metadata


def test_fields_of_a_newer_version_are_passed_over() -> None:
    values = to_json(PhotoMetadata("image/png", 3, 2)) | {"smell": "roses"}
    assert from_json(PhotoMetadata, values) == PhotoMetadata("image/png", 3, 2)


def test_captions_survive() -> None:
    model_s = FileCaption.of(Caption("a dog", 0.5, (Tag("dog", 0.9),), (0.5, -0.5), "model-1"))
    assert model_s == FileCaption("a dog", CaptionBy.MODEL, "model-1", 0.5)
    for caption in (model_s, FileCaption("our dog Rex", CaptionBy.PERSON)):
        assert from_json(FileCaption, through_the_pipe(caption)) == caption


@given(METADATA, st.binary(max_size=50), st.binary(max_size=50), st.binary(max_size=50))
def test_readings_survive(metadata: PhotoMetadata, grid: bytes, screen: bytes, pixels: bytes) -> None:
    thumbnails = {ThumbnailSize.GRID: grid, ThumbnailSize.SCREEN: screen}
    reading = Reading("f" * 32, metadata, FileStamp(1, 2, 2**64 - 1), thumbnails, pixels)
    header, payload = pack_reading(reading)
    assert unpack_reading(json.loads(json.dumps(header)), payload) == reading


REASONS = (
    None,
    reason_saying("a C2PA manifest"),
    Reason.joined([reason_saying("a C2PA manifest"), Reason.of(ReasonCode.OTHER, sentence="\udcff")]),
)


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("obstacle", [None, *Obstacle])
@pytest.mark.parametrize("withdrawn", [False, True])
def test_what_was_written_survives(reason: Reason | None, obstacle: Obstacle | None, withdrawn: bool) -> None:
    written = WriteResult(CaptionPlace.SIDECAR, FileStamp(1, 2, 2**64 - 1), reason, withdrawn, obstacle)
    assert from_json(WriteResult, through_the_pipe(written)) == written


@pytest.mark.parametrize("reason", REASONS)
def test_what_was_undone_survives_and_its_path_is_not_the_child_s_to_say(reason: Reason | None) -> None:
    words = FileCaption("a dog", CaptionBy.PERSON, at=datetime(2024, 5, 1, 10, 0, 0, 123456, tzinfo=UTC))
    path = Path("/photos/not UTF-8 \udcff.jpg")
    undone = UndoResult(
        path, CaptionPlace.XMP, True, reason, False, FileStamp(1, 2, 3), words, Obstacle.DISK, ("IPTC",)
    )
    header = through_the_pipe(undone)
    assert from_json(UndoResult, header) == undone
    assert unpack_undo_result(Path("/other.jpg"), header) == replace(undone, path=Path("/other.jpg"))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (PhotoMetadata, {"mime_type": "image/png", "width_px": "3", "height_px": 2}),
        (PhotoMetadata, {"mime_type": "image/png", "width_px": 3}),
        (PhotoMetadata, {"mime_type": "image/png", "width_px": 3, "height_px": 2, "camera": {"a": 1}}),
        (PhotoMetadata, {"mime_type": "image/png", "width_px": 3, "height_px": 2, "taken_at": "soon"}),
        (PhotoMetadata, {"mime_type": "image/png", "width_px": 3, "height_px": 2, "keywords": [1]}),
        (PhotoMetadata, {"mime_type": "image/png", "width_px": 3, "height_px": 2, "position": {"latitude": 1}}),
        (WriteResult, {"place": "nowhere", "stamp": {"mtime_ns": 1, "size": 2, "inode": 3}}),
        (WriteResult, {"place": "index", "stamp": [1, 2, 3]}),
        (
            WriteResult,
            {
                "place": "index",
                "stamp": {"mtime_ns": 1, "size": 2, "inode": 3},
                "reason": {"code": "nonsense"},
            },
        ),
        (UndoResult, {"path": 1, "place": None, "restored": True, "reason": None}),
        (WriteResult, "written"),
        (FileStamp, None),
    ],
)
def test_what_no_photo_process_says_is_refused(kind: type, values: object) -> None:
    with pytest.raises(ValueError):
        from_json(kind, values)


@pytest.mark.parametrize("lengths", [[1], [1, 1, 1], [5, 5], [-1, 2], ["1", 1]])
def test_thumbnails_are_within_their_payload(lengths: list[object]) -> None:
    reading = Reading(
        "f" * 32,
        PhotoMetadata("image/png", 3, 2),
        FileStamp(1, 2, 3),
        {ThumbnailSize.GRID: b"g", ThumbnailSize.SCREEN: b"s"},
        b"",
    )
    header, payload = pack_reading(reading)
    with pytest.raises(ValueError):
        unpack_reading(header | {"thumbnail_bytes": lengths}, payload)


def through_the_pipe(noun: object) -> dict[str, object]:
    """As `captioner.ipc.framing` sends it."""
    values: dict[str, object] = json.loads(json.dumps(to_json(noun), allow_nan=False))
    return values
