"""A catalogue row as a search document."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import PurePosixPath
from typing import Any

from indexer.model import Photo, PhotoMetadata, is_unsure
from indexer.places import places_of
from indexer.search import SearchDocument
from indexer.search.appearance import looks_of
from indexer.search.camera_words import camera_names, lens_kinds
from indexer.search.fields import FIELD_WEIGHTS
from indexer.text import clean

#: Longer texts are cut: a page shows the whole text, and hardly anybody searches for its end.
MAX_TEXT_CHARS = 4000
MAX_NAMES = 64
_SAME_NAME = {one.name for one in fields(SearchDocument)} & {one.name for one in fields(PhotoMetadata)}
#: The texts that a search document takes over from a photo's metadata, under the same name.
_TEXTS = frozenset(FIELD_WEIGHTS) & _SAME_NAME - {"person_caption", "machine_caption", "taken_at"}


def document(photo: Photo) -> SearchDocument:
    """`photo` as a search document; its texts are NFC, bounded and free of lone surrogates.

    Where a person marked the model's words as wrong they are left out; what the picture was measured to look like
    stays. Folders and file names are those of the files that are there; of the missing ones only where all are missing.
    """
    metadata = photo.metadata
    machine, believed = photo.machine, photo.accepted_machine
    of_file = metadata.machine_caption if machine is None else None
    paths = [PurePosixPath(file.relative) for file in photo.files if not file.missing]
    paths = paths or [PurePosixPath(file.relative) for file in photo.files]
    return SearchDocument(
        id=photo.id,
        revision=photo.revision,
        person_caption=_text(photo.correction or metadata.person_caption),
        machine_caption=_text(believed.text if believed else of_file.text if of_file else None),
        tags=tuple((clean(tag.word), tag.probability) for tag in believed.tags) if believed else (),
        places=_names(places_of(metadata.position)),
        folders=_names("/".join(path.parent.parts) for path in paths),
        file_names=_names(path.name for path in paths),
        mime_type=metadata.mime_type,
        taken_at=metadata.taken_at,
        rating=metadata.rating,
        position=metadata.position,
        embedding=machine.embedding if machine else None,
        model=clean(photo.tags_model or machine.model) if machine else "",
        added_words=_names(photo.added_words),
        machine_words=tuple((clean(one.word), one.probability) for one in believed.words) if believed else (),
        machine_sure=not is_unsure(believed) if believed else True,
        taken_precision=metadata.taken_precision,
        stack=photo.stack or "",
        camera_names=camera_names(metadata.camera),
        lens_kinds=lens_kinds(metadata),
        appearance=looks_of(photo),
        **_texts_of(metadata) | {"people": _names(photo.people)},
    )


def _texts_of(metadata: PhotoMetadata) -> dict[str, Any]:
    values = {name: getattr(metadata, name) for name in _TEXTS}
    return {name: _names(value) if isinstance(value, tuple) else _text(value) for name, value in values.items()}


def _text(text: str | None) -> str:
    return clean(text or "")[:MAX_TEXT_CHARS].strip()


def _names(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, in order."""
    return tuple(dict.fromkeys(name for name in map(_text, names) if name))[:MAX_NAMES]
