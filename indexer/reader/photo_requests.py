"""The protocol between the service and its photo processes: options at the start, then requests and replies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.errors import Obstacle
from indexer.metadata.photo_json import (
    caption_from_json,
    caption_to_json,
    metadata_from_json,
    metadata_to_json,
    stamp_from_json,
    stamp_to_json,
)
from indexer.model import CaptionPlace, Reading, ThumbnailSize, Written
from indexer.reasons import from_stored, stored
from indexer.settings import Settings

if TYPE_CHECKING:
    from indexer.captions.caption_file import Undone

Header = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ReaderOptions:
    """A photo process's command line. `input_px` 0: no model's input is made."""

    input_px: int
    grid_px: int
    screen_px: int
    max_pixels_mp: float
    reader_memory_mb: int
    max_file_mb: float
    captions: str
    keep_mtime: bool
    sidecar_dir: str | None
    data_dir: str

    @classmethod
    def of(cls, settings: Settings, input_px: int) -> ReaderOptions:
        """The part of the settings that is the photo process's business."""
        return cls(
            input_px=input_px,
            grid_px=settings.grid_px,
            screen_px=settings.screen_px,
            max_pixels_mp=settings.max_pixels_mp,
            reader_memory_mb=settings.reader_memory_mb,
            max_file_mb=settings.max_file_mb,
            captions=settings.captions,
            keep_mtime=settings.keep_mtime,
            sidecar_dir=None if settings.sidecar_dir is None else str(settings.sidecar_dir),
            data_dir=str(settings.data_dir),
        )

    def to_argument(self) -> str:
        """ASCII JSON: file names that are not UTF-8 survive as escaped surrogates."""
        return json.dumps(asdict(self))

    @classmethod
    def from_argument(cls, argument: str) -> ReaderOptions:
        """The reverse of `to_argument`."""
        return cls(**json.loads(argument))


def pack_reading(reading: Reading) -> tuple[Header, bytes]:
    """Header and payload: the thumbnails in the order of `ThumbnailSize`, then the pixels."""
    parts = [reading.thumbnails[size] for size in ThumbnailSize]
    header: Header = {
        "content_key": reading.content_key,
        "metadata": metadata_to_json(reading.metadata),
        "stamp": stamp_to_json(reading.stamp),
        "thumbnail_bytes": [len(part) for part in parts],
    }
    return header, b"".join([*parts, reading.pixels])


def unpack_reading(header: Mapping[str, Any], payload: bytes) -> Reading:
    """The reverse of `pack_reading`."""
    thumbnails: dict[ThumbnailSize, bytes] = {}
    at = 0
    for size, length in zip(ThumbnailSize, header["thumbnail_bytes"], strict=True):
        thumbnails[size] = payload[at : at + length]
        at += length
    return Reading(
        content_key=header["content_key"],
        metadata=metadata_from_json(header["metadata"]),
        stamp=stamp_from_json(header["stamp"]),
        thumbnails=thumbnails,
        pixels=payload[at:],
    )


def pack_written(written: Written) -> Header:
    """A `Written` as JSON."""
    return {
        "place": written.place.value,
        "stamp": stamp_to_json(written.stamp),
        "reason": stored(written.reason),
        "obstacle": written.obstacle,
    }


def unpack_written(header: Mapping[str, Any]) -> Written:
    """The reverse of `pack_written`."""
    stamp = stamp_from_json(header["stamp"])
    return Written(CaptionPlace(header["place"]), stamp, from_stored(header["reason"]), obstacle=_obstacle(header))


def _obstacle(header: Mapping[str, Any]) -> Obstacle | None:
    return None if header["obstacle"] is None else Obstacle(header["obstacle"])


def pack_undone(undone: Undone) -> Header:
    """An `Undone` as JSON; its path is the request's."""
    place = None if undone.place is None else undone.place.value
    stamp = None if undone.stamp is None else stamp_to_json(undone.stamp)
    return {
        "place": place,
        "restored": undone.restored,
        "reason": stored(undone.reason),
        "exact": undone.exact,
        "stamp": stamp,
        "words": None if undone.words is None else caption_to_json(undone.words),
        "obstacle": undone.obstacle,
        "copies": undone.copies,
    }


def unpack_undone(path: Path, header: Mapping[str, Any]) -> Undone:
    """The reverse of `pack_undone`."""
    from indexer.captions.caption_file import Undone  # late: it brings the decoders along, which only an undo may cost

    place = None if header["place"] is None else CaptionPlace(header["place"])
    stamp = None if header["stamp"] is None else stamp_from_json(header["stamp"])
    words = None if header["words"] is None else caption_from_json(header["words"])
    outcome = header["restored"], from_stored(header["reason"]), header["exact"]
    return Undone(path, place, *outcome, stamp, words, _obstacle(header), tuple(header["copies"]))
