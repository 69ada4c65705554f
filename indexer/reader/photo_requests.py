"""The protocol between the service and its photo processes: options at the start, then requests and replies.

The nouns of `indexer.model` go through the pipe as they are declared: a field that is added there needs nothing here.
msgspec checks the type of every value that comes back, as the bytes behind it are others'.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from indexer.model import FileStamp, PhotoMetadata, Reading, ThumbnailSize
from indexer.settings import Settings

if TYPE_CHECKING:
    from indexer.captions.undo import UndoResult

#: So much freed memory a photo process keeps from one JPEG to the next.
KEPT_BYTES = 32 << 20

Header = dict[str, Any]
Noun = TypeVar("Noun")


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


def to_json(noun: object) -> Any:
    """A noun as what JSON is made of; dates in ISO 8601, paths and reasons too."""
    return msgspec.to_builtins(noun, enc_hook=_plain)


def from_json(kind: type[Noun], values: object) -> Noun:
    """The reverse of `to_json`; fields that `kind` does not have are passed over. Raises `ValueError` where one is
    missing or no value of its type."""
    return msgspec.convert(values, kind, dec_hook=_path)


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):  # the parameters of a `Reason`
        return dict(value)
    raise NotImplementedError(f"{type(value)} does not go through the pipe")


def _path(kind: type, value: object) -> object:
    if kind is not Path:
        raise NotImplementedError(f"{kind} does not come through the pipe")
    if not isinstance(value, str):
        raise TypeError(f"a path is a text, not {type(value).__name__}")
    return Path(value)


@dataclass(frozen=True, slots=True)
class FileContent:
    """What was read of a file beside its pictures, whose lengths follow in the order of `ThumbnailSize`."""

    content_key: str
    metadata: PhotoMetadata
    stamp: FileStamp
    thumbnail_bytes: tuple[int, ...] = ()
    measures: bytes = b""


def pack_reading(reading: Reading) -> tuple[Header, bytes]:
    """Header and payload: the thumbnails in the order of `ThumbnailSize`, then the pixels."""
    parts = [reading.thumbnails[size] for size in ThumbnailSize]
    lengths = tuple(map(len, parts))
    content = FileContent(reading.content_key, reading.metadata, reading.stamp, lengths, reading.measures)
    return to_json(content), b"".join([*parts, reading.pixels])


def unpack_reading(header: Mapping[str, Any], payload: bytes) -> Reading:
    """The reverse of `pack_reading`. Raises `ValueError` where header and payload are not of one reading."""
    content = from_json(FileContent, header)
    lengths = content.thumbnail_bytes
    if min(lengths, default=0) < 0 or sum(lengths) > len(payload):
        raise ValueError(f"a payload of {len(payload)} bytes holds no thumbnails of {lengths}")
    thumbnails: dict[ThumbnailSize, bytes] = {}
    at = 0
    for size, length in zip(ThumbnailSize, lengths, strict=True):
        thumbnails[size] = payload[at : at + length]
        at += length
    return Reading(
        content.content_key, content.metadata, content.stamp, thumbnails, payload[at:], measures=content.measures
    )


def unpack_undo_result(path: Path, header: Mapping[str, Any]) -> UndoResult:
    """An `UndoResult` of the file at `path`, whatever path it says itself. Raises `ValueError`."""
    from indexer.captions.undo import UndoResult  # late: it brings the decoders along, which only an undo may cost

    return replace(from_json(UndoResult, header), path=path)
