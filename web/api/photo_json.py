"""A photo as the JSON API gives it; the handlers of `json_api` say what each field is."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from aiohttp import web

from indexer.model import Photo, iso_date
from indexer.places import places_of
from web.links import thumbnail_url
from web.presenters import clean
from web.search.searching import FoundPhoto

Json = dict[str, Any]


def hit_json(request: web.Request, found: FoundPhoto[Photo]) -> Json:
    """A hit of a search."""
    why = [
        {"field": one.field, "text": clean(one.text), "spans": [list(span) for span in one.spans], "kind": one.kind}
        for one in found.hit.why
    ]
    return photo_json(request, found.photo) | {"score": round(found.hit.score, 4), "sure": found.hit.sure, "why": why}


def photo_json(request: web.Request, photo: Photo) -> Json:
    """What a hit and a photo have in common."""
    metadata, machine, position = photo.metadata, photo.accepted_machine, photo.metadata.position
    return {
        "id": photo.id,
        "caption": None if photo.caption is None else clean(photo.caption),
        "caption_by": photo.caption_by,
        "corrected": photo.correction is not None,
        "confidence": round(machine.confidence, 3) if machine else None,
        "unsure": photo.unsure,
        "words": [_word(tag.word, tag.probability) for tag in machine.words] if machine else [],
        "tags": [_word(tag.word, tag.probability) for tag in machine.tags] if machine else [],
        "wrong": photo.wrong,
        "added_words": list(map(clean, photo.added_words)),
        "taken_at": iso_date(metadata.taken_at, metadata.taken_precision) if metadata.taken_at else None,
        "taken_precision": metadata.taken_precision if metadata.taken_at else None,
        "width": metadata.width_px,
        "height": metadata.height_px,
        "camera": clean(metadata.camera) if metadata.camera else None,
        "position": asdict(position) if position else None,
        "places": list(map(clean, places_of(position))),
        "thumbnail": thumbnail_url(request, photo.id, "grid"),
        "similar": photo.similar,
        "file_count": photo.file_count,
        "files": [{"id": file.id, "path": clean(file.relative), "missing": file.missing} for file in photo.files],
    }


def _word(word: str, probability: float) -> Json:
    return {"word": clean(word), "probability": round(probability, 3)}


#: Fields of a photo's metadata that `photo_json` gives under other names, or that say nothing to a client.
_NOT_GIVEN = frozenset(
    {"width_px", "height_px", "taken_at", "taken_precision", "dated_by_name", "camera", "orientation", "position"}
    | {"person_caption", "machine_caption", "correction", "overruled", "overtaken", "marked", "damage"}
    | {"people", "regions"}
)


def metadata_json(photo: Photo) -> Json:
    """What its file says of a photo, and where its caption stands."""
    machine = photo.machine
    names = (one.name for one in fields(photo.metadata) if one.name not in _NOT_GIVEN)
    return {name: _clean(getattr(photo.metadata, name)) for name in names} | {
        "people": list(map(clean, photo.people)),
        "machine_caption": clean(machine.text) if machine else None,
        "model": clean(machine.model) if machine else None,
        "caption_place": photo.caption_place,
        "caption_reason": None if photo.caption_reason is None else clean(str(photo.caption_reason)),
        "caption_reason_code": photo.caption_reason and photo.caption_reason.code,
        "added_at": photo.added_at.isoformat(),
    }


def _clean(value: object) -> object:
    if isinstance(value, str):
        return clean(value) or None
    return list(map(clean, value)) if isinstance(value, tuple) else value
