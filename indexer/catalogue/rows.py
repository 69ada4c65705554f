"""Between rows and nouns: how each field of a photo or file is stored."""

# ruff: noqa: PTH118 - paths are the file system's own bytes here, which pathlib does not take

from __future__ import annotations

import json
import os
import sqlite3
import struct
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from captioner import Caption, Tag
from indexer.catalogue.found import stored_stamp
from indexer.errors import Obstacle
from indexer.face_box import FaceRegion
from indexer.model import (
    CaptionBy,
    CaptionPlace,
    DatePrecision,
    FileCaption,
    FoundFile,
    Photo,
    PhotoFile,
    PhotoMetadata,
    PhotoSummary,
    Position,
    is_unsure,
)
from indexer.reasons import from_stored
from indexer.sqlite.errors import damage_in_rows

_INT64 = 1 << 63

#: The columns of `photo` that hold a field of `PhotoMetadata` of the same name as it is.
METADATA_COLUMNS = (
    *("mime_type", "width_px", "height_px", "camera", "lens", "exposure_s", "f_number", "iso", "focal_length_mm"),
    *("orientation", "rating", "title", "damage"),
)

#: What has columns that hold it otherwise, and what is not stored.
_NOT_IN_SAID = frozenset(
    {"taken_at", "taken_precision", "position", "keywords", "people", "person_caption", "machine_caption"}
    | {"dated_by_name", "correction", "overruled", "overtaken", "marked"}
)
#: All other fields of a photo's metadata are stored together in `said`, a JSON object without those that are empty: one
#: that is added to `PhotoMetadata` needs nothing here.
SAID = tuple(one for one in fields(PhotoMetadata) if one.name not in {*METADATA_COLUMNS, *_NOT_IN_SAID})
_TYPES = get_type_hints(PhotoMetadata)
_Said = msgspec.defstruct("_Said", [(one.name, _TYPES[one.name], one.default) for one in SAID], omit_defaults=True)

#: What `file_from_row` needs, from `file JOIN root`.
FILE_COLUMNS = """file.id AS file_id, root.path AS root, file.folder, file.name, file.mtime_ns, file.size, file.inode,
    file.missing_since, file.photo_id, file.ours, file.caption_place AS file_place,
    file.caption_reason AS file_reason, file.obstacle"""

#: The files of one photo: what is there before what may not be, as its library is not all there, and what is missing.
FILE_ORDER = "missing_since IS NOT NULL, root.held_back IS NOT NULL, root.path, folder, name"

#: Files by the ids of their photos: all, or the first few of each, which `file_photo` has in that order.
FILES_OF_PHOTOS = "photo_id IN (SELECT value FROM json_each(:ids))"
FIRST_FILES_OF_PHOTOS = """file.id IN (SELECT few.id FROM json_each(:ids) AS wanted JOIN file AS few ON few.id IN (
    SELECT id FROM file WHERE photo_id = wanted.value ORDER BY missing_since IS NOT NULL, id LIMIT :most))"""


def now() -> str:
    """This moment, as the catalogue writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def storable(text: str | None) -> str | None:
    """Text that SQLite takes: lone surrogates, which come from odd file names and damaged tags, become escapes."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode("utf-8")


def metadata_values(metadata: PhotoMetadata) -> dict[str, Any]:
    """What is stored of it, by the columns of `photo`."""
    position, ours = metadata.position, metadata.machine_caption
    said = _Said(*(_storable_value(getattr(metadata, one.name)) for one in SAID))
    return {
        **{name: _storable_value(getattr(metadata, name)) for name in METADATA_COLUMNS},
        "taken_at": metadata.taken_at.isoformat() if metadata.taken_at else None,
        "taken_precision": metadata.taken_precision.value,
        "latitude": position.latitude if position else None,
        "longitude": position.longitude if position else None,
        "altitude_m": position.altitude_m if position else None,
        "keywords": json.dumps([storable(word) for word in metadata.keywords]),
        "people": json.dumps([storable(name) for name in metadata.people]),
        "file_caption": None if ours is None else json.dumps([ours.text, ours.model, ours.confidence]),
        "said": msgspec.json.encode(said).decode(),
    }


def _storable_value(value: Any) -> Any:
    """SQLite's numbers end at 64 bits: a tag that claims more says nothing."""
    if isinstance(value, tuple):
        return tuple(map(_storable_value, value))
    if isinstance(value, FaceRegion):
        return replace(value, name=storable(value.name) or "")
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return None
    return storable(value) if isinstance(value, str) else value


def caption_values(caption: Caption) -> dict[str, Any]:
    """What is stored of it, by the columns of `photo`; `look_model` apart."""
    return {
        "machine_text": storable(caption.text),
        "machine_confidence": caption.confidence,
        "machine_model": storable(caption.model),
        "tags": _tags_json(caption.tags),
        "embedding": pack_embedding(caption.embedding),
        "machine_words": _tags_json(caption.words),
        "machine_sure": not is_unsure(caption),
    }


def _tags_json(words: Sequence[Tag]) -> str:
    return json.dumps([[storable(one.word), round(one.probability, 4)] for one in words])


def _tags(text: str) -> tuple[Tag, ...]:
    """The inverse of `_tags_json`."""
    return tuple(Tag(word, probability) for word, probability in json.loads(text))


def pack_embedding(embedding: Sequence[float] | None) -> bytes | None:
    """float16, little-endian: three decimal digits are plenty for a cosine."""
    return None if embedding is None else struct.pack(f"<{len(embedding)}e", *embedding)


def unpack_embedding(blob: bytes | None) -> tuple[float, ...] | None:
    """The inverse of `pack_embedding`."""
    return None if blob is None else struct.unpack(f"<{len(blob) // 2}e", blob)


@damage_in_rows()
def photo_from_row(row: sqlite3.Row, files: Sequence[PhotoFile], more_files: int = 0, similar: int = 0) -> Photo:
    """A photo row, the files that show it or the first of them and how many more there are, and how many other photos
    its stack has. A person's words win over the model's, those typed here over others; what a person marked as wrong is
    not shown."""
    person, machine = row["corrected_text"] or row["person_caption"], _machine_caption(row)
    accepted = None if row["wrong"] else machine
    place = row["caption_place"]
    return Photo(
        id=row["id"],
        metadata=_metadata(row),
        files=tuple(files),
        caption=person or (accepted.text if accepted else None),
        caption_by=CaptionBy.PERSON if person else CaptionBy.MODEL if accepted else None,
        machine=machine,
        caption_place=CaptionPlace(place) if place else None,
        caption_reason=from_stored(row["caption_reason"]),
        added_at=datetime.fromisoformat(row["added_at"]),
        revision=row["revision"],
        correction=row["corrected_text"],
        corrected_at=datetime.fromisoformat(row["corrected_at"]) if row["corrected_at"] else None,
        added_words=tuple(json.loads(row["added_words"])),
        wrong_words=row["wrong_text"],
        more_files=more_files,
        stack=row["stack"],
        similar=similar,
        tags_model=row["look_model"],
        measures=row["measures"],
    )


#: What `summary_from_row` needs, from `photo`.
SUMMARY_COLUMNS = """id, width_px, height_px, taken_at, coalesce(nullif(corrected_text, ''), person_caption) AS person,
    machine_text, machine_sure, wrong, taken_precision, stack"""


@damage_in_rows()
def summary_from_row(row: sqlite3.Row) -> PhotoSummary:
    """A row of `SUMMARY_COLUMNS`; the same caption as of `photo_from_row`."""
    photo_id, width_px, height_px, taken_at, person, machine, sure, wrong, precision, stack = row
    by_model = machine is not None and not wrong and not person
    return PhotoSummary(
        id=photo_id,
        width_px=width_px,
        height_px=height_px,
        taken_at=datetime.fromisoformat(taken_at) if taken_at else None,
        caption=person or (machine if by_model else None),
        caption_by=CaptionBy.PERSON if person else CaptionBy.MODEL if by_model else None,
        unsure=by_model and bool(machine) and not sure,
        wrong=bool(wrong),
        taken_precision=DatePrecision(precision),
        stack=stack,
    )


@damage_in_rows()
def file_from_row(row: sqlite3.Row) -> PhotoFile:
    """A row of `FILE_COLUMNS`."""
    return PhotoFile(
        id=row["file_id"],
        root=Path(os.fsdecode(row["root"])),
        relative=os.fsdecode(os.path.join(row["folder"], row["name"])),
        stamp=stored_stamp(row["mtime_ns"], row["size"], row["inode"]),
        missing=row["missing_since"] is not None,
        caption_place=CaptionPlace(row["file_place"]) if row["file_place"] else None,
        caption_reason=from_stored(row["file_reason"]),
        obstacle=Obstacle(row["obstacle"]) if row["obstacle"] else None,
    )


@damage_in_rows()
def found_from_row(row: sqlite3.Row) -> FoundFile:
    """A row of `FILE_COLUMNS`, as a job carries it."""
    file = file_from_row(row)
    return FoundFile(file.root, file.path, file.stamp)


def _machine_caption(row: sqlite3.Row) -> Caption | None:
    if row["machine_text"] is None:
        return None
    return Caption(
        text=row["machine_text"],
        confidence=row["machine_confidence"],
        tags=_tags(row["tags"]),
        embedding=unpack_embedding(row["embedding"]),
        model=row["machine_model"],
        words=_tags(row["machine_words"]),
        sure=bool(row["machine_sure"]),
    )


def _metadata(row: sqlite3.Row) -> PhotoMetadata:
    latitude, longitude, ours = row["latitude"], row["longitude"], row["file_caption"]
    known = latitude is not None and longitude is not None
    said = msgspec.json.decode(row["said"], type=_Said)  # fields of a newer version are passed over
    texts: dict[str, Any] = {one.name: getattr(said, one.name) for one in SAID}
    return PhotoMetadata(
        **{name: row[name] for name in METADATA_COLUMNS},
        taken_at=datetime.fromisoformat(row["taken_at"]) if row["taken_at"] else None,
        taken_precision=DatePrecision(row["taken_precision"]),
        position=Position(latitude, longitude, row["altitude_m"]) if known else None,
        keywords=tuple(json.loads(row["keywords"])),
        people=tuple(json.loads(row["people"])),
        person_caption=row["person_caption"],
        machine_caption=_file_caption(*json.loads(ours)) if ours is not None else None,
        **texts,
    )


def _file_caption(text: str, model: str | None, confidence: float | None) -> FileCaption:
    return FileCaption(text, CaptionBy.MODEL, model, confidence)
