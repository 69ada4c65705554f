"""How a photo lies in Meilisearch, and what is read back of it.

    id, revision
    person_caption … taken_at  the words of each text, folded as ours are: what the server searches
    forms, spelling            `index_settings` says what for
    facet_year, facet_tag …    the values of facets and filters; taken, stars, _geo: those that are numbers
    _vectors                   the embedding, under the name of its model
    shown, words, strengths,   what ranking and highlights need (`fields.Fields`): the texts as they are, each word with
    embedding, model           its strength (0..255, a byte each) and the embedding as int8, in which cosines are exact
                               enough, both as base64 (RFC 4648): of numbers, JSON makes ten times the work

Attributes that have nothing in them are left out.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from indexer.search import SearchDocument
from indexer.search.fields import DOUBTFUL, Fields, Text, quantised, taken_s
from indexer.search.fuzzy import ONE_EDIT_FROM
from indexer.search.meilisearch.index_settings import FACET, FORMS, SPELLING
from indexer.search.photo_texts import PhotoTexts
from indexer.search.stems import stem
from indexer.text import has_digit, words

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]+")
# The server's strings of filters know no way to write a backslash before a quotation mark, and it cuts long values.
_UNSAFE = re.compile(r"[%\\\"\x00-\x1f\x7f]")
_ESCAPED = re.compile(r"%([0-9A-F]{2})")
_MAX_VALUE_BYTES = 400
_MIDDLE = 128


def embedder_of(model: str, dimensions: int) -> str:
    """The server's name for the space of a model's embeddings: those of another length lie in another."""
    return f"{_NOT_IN_NAMES.sub('-', model)[:80] or 'unnamed'}-{dimensions}"


def to_server_json(document: SearchDocument, embedders: Sequence[str]) -> dict[str, Any]:
    """`document` as JSON; `embedders` are those that the index has, which each photo has to say something about."""
    fields = Fields.of(document)
    made: dict[str, Any] = {"id": document.id, "revision": document.revision}
    doubtful: list[str] = []
    for text in fields.texts:
        runs = _certain_runs(text, sure=document.machine_sure)
        made.setdefault(text.field, []).extend(runs)
        if text.folded and runs != [text.folded]:
            doubtful.append(text.folded)  # as a whole: phrases reach over words of both kinds
    of_photo = sorted({word for text in fields.texts for word in text.folded.split()})
    made[FORMS] = sorted({stem(word) for word in of_photo} - set(of_photo)) + doubtful
    made[SPELLING] = [word for word in of_photo if len(word) >= ONE_EDIT_FROM and not has_digit(word)]
    for facet, value in fields.facets:
        made.setdefault(f"{FACET}{facet}", []).append(escaped(value))
    made |= {"taken": taken_s(document.taken_at) if document.taken_at else None, "stars": document.rating}
    if document.position:
        made["_geo"] = {"lat": document.position.latitude, "lng": document.position.longitude}
    made |= {
        "shown": [[text.field, text.text] for text in fields.texts],
        "words": " ".join(fields.strengths),
        "strengths": base64.b64encode(bytes(fields.strengths.values())).decode("ascii"),
    }
    made |= _embedding(document, embedders)
    return {name: value for name, value in made.items() if value not in (None, [], "")}


def _certain_runs(text: Text, *, sure: bool) -> list[str]:
    """The words of a text between those that are doubtful; of the model's sentence none where it is not `sure`."""
    if not text.folded or (text.field == "machine_caption" and not sure):
        return []
    if min(text.evidence.values(), default=1.0) >= DOUBTFUL:
        return [text.folded]
    runs: list[list[str]] = [[]]
    for word in text.folded.split():
        if text.evidence.get(word, 1.0) < DOUBTFUL:
            runs.append([])
        else:
            runs[-1].append(word)
    return [" ".join(run) for run in runs if run]


def escaped(value: str) -> str:
    """A facet's value as the server keeps it."""
    safe = _UNSAFE.sub(lambda match: f"%{ord(match[0]):02X}", value)
    return safe.encode("utf-8")[:_MAX_VALUE_BYTES].decode("utf-8", "ignore")


def unescaped(value: str) -> str:
    """The inverse of `escaped`."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), value)


@dataclass(frozen=True)
class FoundPhoto:
    """One photo as the server gave it (`index_settings.READ`)."""

    document: Mapping[str, Any]

    @classmethod
    def all(cls, hits: Sequence[Mapping[str, Any]]) -> list[Self]:
        """Each of the server's hits."""
        return [cls(hit) for hit in hits]

    @property
    def id(self) -> str:
        """The content key."""
        return str(self.document["id"])

    @property
    def taken_s(self) -> int | None:
        """`fields.taken_s`, None where the photo has no date."""
        return self.document.get("taken")

    @cached_property
    def strengths(self) -> dict[str, int]:
        """Word -> 1..255."""
        held = str(self.document.get("words", "")).split()
        strengths = _bytes(self.document.get("strengths"))
        # An index of another layout answers until the one that is made anew takes its place.
        return dict(zip(held, strengths if len(strengths) == len(held) else [_MIDDLE] * len(held), strict=True))

    @cached_property
    def texts(self) -> list[tuple[str, str, str]]:
        """Field, text, and the words of the text."""
        return [(field, text, " ".join(words(text))) for field, text in self.document.get("shown", [])]

    @cached_property
    def photo_texts(self) -> PhotoTexts:
        """What reasons are made of."""
        return PhotoTexts(self.id, self.texts)

    @property
    def embedding(self) -> bytes:
        """int8, of any length; empty where the photo has none."""
        return _bytes(self.document.get("embedding"))

    @property
    def model(self) -> str:
        """Whose embedding it is."""
        return str(self.document.get("model", ""))


def _bytes(text: object) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        return b""


def _embedding(document: SearchDocument, embedders: Sequence[str]) -> dict[str, Any]:
    own = document.embedding
    vectors: dict[str, Any] = dict.fromkeys(embedders)
    if not own:
        return {"_vectors": vectors}
    vectors[embedder_of(document.model, len(own))] = list(own)
    return {
        "_vectors": vectors,
        "embedding": base64.b64encode(quantised(own)).decode("ascii"),
        "model": document.model,
    }
