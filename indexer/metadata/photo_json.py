"""`PhotoMetadata`, `FileCaption` and stamps as JSON, for the pipe between processes and for a database column.

Times are ISO 8601, with an offset where the photo knows it. What is equal before is equal after.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from indexer.model import CaptionBy, DatePrecision, FileCaption, FileStamp, PhotoMetadata, Position

Json = dict[str, Any]

_METADATA_FIELDS = tuple(item.name for item in fields(PhotoMetadata))
_LISTS = frozenset(item.name for item in fields(PhotoMetadata) if item.default == ())


def metadata_to_json(metadata: PhotoMetadata) -> Json:
    """A JSON object without the fields that are empty."""
    values = {name: value for name, value in asdict(metadata).items() if value not in (None, ())}
    if metadata.taken_at is not None:
        values["taken_at"] = metadata.taken_at.isoformat()
    if metadata.taken_precision is DatePrecision.TIME:
        del values["taken_precision"]
    return values | {
        name: caption_to_json(caption)
        for name, caption in (("machine_caption", metadata.machine_caption), ("correction", metadata.correction))
        if caption is not None
    }


def metadata_from_json(values: Mapping[str, Any]) -> PhotoMetadata:
    """The reverse of `metadata_to_json`; fields that it does not know are passed over."""
    known: Json = {name: values[name] for name in _METADATA_FIELDS if name in values}
    if "taken_at" in known:
        known["taken_at"] = datetime.fromisoformat(known["taken_at"])
    if "taken_precision" in known:
        known["taken_precision"] = DatePrecision(known["taken_precision"])
    if "position" in known:
        known["position"] = Position(**known["position"])
    for name in ("machine_caption", "correction"):
        if name in known:
            known[name] = caption_from_json(known[name])
    for name in _LISTS & known.keys():
        known[name] = tuple(known[name])
    return PhotoMetadata(**known)


def caption_to_json(caption: FileCaption) -> Json:
    """A JSON object without the fields that are empty."""
    values = {name: value for name, value in asdict(caption).items() if value is not None}
    return values | {"at": caption.at.isoformat()} if caption.at is not None else values


def caption_from_json(values: Mapping[str, Any]) -> FileCaption:
    """The reverse of `caption_to_json`."""
    at = datetime.fromisoformat(values["at"]) if "at" in values else None
    return FileCaption(**{**values, "by": CaptionBy(values["by"]), "at": at})


def stamp_to_json(stamp: FileStamp) -> list[int]:
    """(mtime_ns, size, inode)."""
    return [stamp.mtime_ns, stamp.size, stamp.inode]


def stamp_from_json(values: list[int]) -> FileStamp:
    """The reverse of `stamp_to_json`."""
    return FileStamp(*values)
