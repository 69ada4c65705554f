"""The index: its settings (https://www.meilisearch.com/docs/reference/api/settings), and how a photo lies in it. An
index that has other settings is made anew (`MeilisearchSearch.prepare`).

    id, revision
    words_1 … words_11         the words that photos are found by, those that say most of the photo first (`WORDS`)
    texts, spelling            see the constants of these names
    facet_year, facet_tag …    the values of facets and filters; taken, stars, _geo: those that are numbers
    _vectors                   the embedding, under the name of its model
    shown, words, strengths,   what ranking and highlights need (`fields.Fields`): the texts as they are (and the stack,
                               which as an attribute to be read would have every index made anew), each word with
    embedding, model           its strength (0..255, a byte each) and the embedding as int8, in which cosines are exact
                               enough, both as base64 (RFC 4648): of numbers, JSON makes ten times the work

Attributes that have nothing in them are left out.
"""

from __future__ import annotations

import base64
import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from operator import neg
from typing import Any

from indexer.model import DatePrecision
from indexer.search import SearchDocument
from indexer.search.aliases import AliasKind
from indexer.search.appearance import index_word
from indexer.search.certainty import OTHER_WORD, SURE_EVIDENCE
from indexer.search.fields import APPEARANCE, STACK, Fields, quantise, taken_s
from indexer.search.languages import noun_stem
from indexer.search.matching import EXACT, FORM, ONE_EDIT_FROM, PART, TWO_EDITS_FROM
from indexer.search.stems import stem
from indexer.search.synonyms import synonym_table
from indexer.text import has_digit

#: To be raised with every change of what stands in a document: the index is then made anew.
LAYOUT = 6

#: For each attribute of words but the last, how much a word in it says of the photo at least. A word that is sure by
#: itself (`certainty.SURE_EVIDENCE`) counts for 1 more than its strength: such photos mostly come first in our order.
_SAYS_FROM = (1.92, 1.84, 1.76, 1.68, 1.6, 1.5, 1.35, 1.0, 0.55, 0.35)
#: The words that photos are found by: those of their texts with their basic forms, parts and spellings without umlauts,
#: and what the picture looks like (`look_token`), each where it says most. The server ranks by where a word stands.
WORDS = tuple(f"words_{number}" for number in range(1, len(_SAYS_FROM) + 2))
#: Every text once more, for phrases.
TEXTS = "texts"
#: A photo's words once more, the only ones that are matched with typing mistakes.
SPELLING = "spelling"
#: Where words are looked for as they were typed.
AS_TYPED = (*WORDS, TEXTS)
FACET = "facet_"
#: Facets for `TimeCondition` alone.
WEEKDAY, HOUR, HEMISPHERE = "weekday", "hour", "hemisphere"
#: What search reads of each document that it ranks.
READ = ("id", "shown", "words", "strengths", "taken", "embedding", "model")

#: Before the words of each attribute: a photo is no better where the word stands first or alone there.
_NO_WORD = "qxzq"
_CUTOFF_MS = 1500
_ORDERED = frozenset({"searchableAttributes", "rankingRules"})
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]+")
# The server's strings of filters know no way to write a backslash before a quotation mark, and it cuts long values.
_UNSAFE = re.compile(r"[%\\\"\x00-\x1f\x7f]")
_ESCAPED = re.compile(r"%([0-9A-F]{2})")
_MAX_VALUE_BYTES = 400


def index_settings(embedder: tuple[str, int] | None = None) -> dict[str, Any]:
    """Every setting that differs from the server's own; `embedder` is the name and the length of the vectors."""
    settings: dict[str, Any] = {
        # Texts are stored as words, folded as ours are: the server cuts them at spaces.
        "searchableAttributes": [*AS_TYPED, SPELLING],
        # The last name is no attribute: it tells indexes of different layouts apart.
        "displayedAttributes": [*READ, "revision", f"layout-{LAYOUT}"],
        "filterableAttributes": [
            {"attributePatterns": ["id", f"{FACET}*"], "features": _features(equality=True)},
            {"attributePatterns": ["taken", "stars"], "features": _features(comparison=True)},
            "_geo",
        ],
        "sortableAttributes": ["taken"],
        # Whoever sorts by date wants just that; what is equally relevant comes newest first.
        "rankingRules": ["sort", "words", "typo", "attributeRank", "exactness", "taken:desc"],
        # Every word is looked for: phrases and exclusions may be made of nothing but common ones.
        "stopWords": [],
        "synonyms": _synonyms(),
        "typoTolerance": {
            "enabled": True,
            "minWordSizeForTypos": {"oneTypo": ONE_EDIT_FROM, "twoTypos": TWO_EDITS_FROM},
            "disableOnAttributes": list(AS_TYPED),  # file names among them
            "disableOnNumbers": True,
        },
        # Phrases need the places of words ("byAttribute" knows only that they stand in one text), and beginnings of
        # words are what as-you-type is made of.
        "proximityPrecision": "byWord",
        "prefixSearch": "indexingTime",
        "facetSearch": False,
        "faceting": {"maxValuesPerFacet": 20_000, "sortFacetValuesBy": {"*": "count"}},
        "pagination": {"maxTotalHits": 10_000_000},
        "searchCutoffMs": _CUTOFF_MS,
        "embedders": {},
    }
    if embedder is not None:
        settings["embedders"] = {embedder[0]: embedder_settings(embedder[1])}
    return settings


def embedder_settings(dimensions: int) -> dict[str, Any]:
    """Vectors come from us: those of the caption model."""
    return {"source": "userProvided", "dimensions": dimensions}


def settings_match(wanted: Any, current: Any, *, ordered: bool = False) -> bool:
    """Whether an index's settings are those wanted. What the server adds by itself, or more embedders, is no matter."""
    if isinstance(wanted, dict) and isinstance(current, Mapping):
        return all(settings_match(value, current.get(key), ordered=key in _ORDERED) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(current, list):
        if len(wanted) != len(current):
            return False
        pairs = zip(wanted, current, strict=True) if ordered else zip(_sort(wanted), _sort(current), strict=True)
        return all(settings_match(*pair) for pair in pairs)
    return bool(wanted == current)


def _sort(items: list[Any]) -> list[Any]:
    return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))


def _features(*, equality: bool = False, comparison: bool = False) -> dict[str, Any]:
    return {"facetSearch": False, "filter": {"equality": equality, "comparison": comparison}}


def _synonyms() -> dict[str, list[str]]:
    """By the word as it is typed and by its basic form; what they stand for are basic forms."""
    return {word: sorted({stem(other) for other in others} - {word}) for word, others in synonym_table().items()}


def embedder_of(model: str, dimensions: int) -> str:
    """The server's name for the space of a model's embeddings: those of another length lie in another."""
    return f"{_NOT_IN_NAMES.sub('-', model)[:80] or 'unnamed'}-{dimensions}"


def to_server_json(document: SearchDocument, embedders: Sequence[str]) -> dict[str, Any]:
    """`document` as JSON; `embedders` are those that the index has: each photo has to say something about each, and
    about no other."""
    fields = Fields.of(document)
    made: dict[str, Any] = {"id": document.id, "revision": document.revision}
    texts = [text.folded for text in fields.texts if text.field != APPEARANCE]
    of_photo = sorted({word for text in texts for word in text.split()})
    for word, says in _words_found_by(fields, of_photo, [look for look, _ in document.appearance]).items():
        made.setdefault(WORDS[bisect_left(_SAYS_FROM, -says, key=neg)], [_NO_WORD]).append(word)
    made[TEXTS] = texts
    made[SPELLING] = [word for word in of_photo if len(word) >= ONE_EDIT_FROM and not has_digit(word)]
    for facet, value in fields.facets:
        made.setdefault(f"{FACET}{facet}", []).append(escape(value))
    for facet, value in _recurring(document):
        made[f"{FACET}{facet}"] = [value]
    made |= {"taken": taken_s(document.taken_at) if document.taken_at else None, "stars": document.rating}
    if document.position:
        made["_geo"] = {"lat": document.position.latitude, "lng": document.position.longitude}
    stack = [[STACK, document.stack]] if document.stack else []
    made |= {
        "shown": [*([text.field, text.text] for text in fields.texts), *stack],
        "words": " ".join(fields.strengths),
        "strengths": base64.b64encode(bytes(fields.strengths.values())).decode("ascii"),
    }
    made |= _embedding(document, embedders)
    return {name: value for name, value in made.items() if value not in (None, [], "")}


def look_token(look: str) -> str:
    """The word by which the server finds what a picture looks like: nobody types it, and it has no other forms."""
    return f"qxz{look.replace(' ', '')}q"


def _words_found_by(fields: Fields, of_photo: Sequence[str], looks: Sequence[str]) -> dict[str, float]:
    """Word -> what it says of the photo, as `_SAYS_FROM` counts it."""
    found: dict[str, float] = {}

    def note(word: str, other: str, quality: float) -> None:
        strength = fields.strengths.get(word, 0) / 255  # of long numbers and hashes, none
        if word not in fields.given:
            quality = min(quality, OTHER_WORD) if quality < EXACT else EXACT
        says = strength * quality
        is_sure = word in fields.given or says >= SURE_EVIDENCE
        found[other] = max(found.get(other, 0.0), says + is_sure)

    for word in of_photo:
        note(word, word, EXACT)
        note(word, stem(word), FORM)
        if root := noun_stem(word):
            note(word, root, FORM)
    for kind, text, word in fields.aliases:
        for other in (text, stem(text), noun_stem(text)):
            note(word, other, PART if kind is AliasKind.PART else FORM)
    for look in looks:
        note(index_word(look), look_token(look), EXACT)
    found.pop("", None)
    return found


def _recurring(document: SearchDocument) -> Iterator[tuple[str, str]]:
    """What a `TimeCondition` asks beside the day: day of the week, hour of the day, hemisphere, as far as known."""
    moment, precision = document.taken_at, document.taken_precision
    if moment and precision in {DatePrecision.DAY, DatePrecision.TIME}:
        yield WEEKDAY, str(moment.weekday())
    if moment and precision is DatePrecision.TIME:
        yield HOUR, str(moment.hour)
    if document.position:
        yield HEMISPHERE, "south" if document.position.latitude < 0 else "north"


def escape(value: str) -> str:
    """A facet's value as the server keeps it."""
    safe = _UNSAFE.sub(lambda match: f"%{ord(match[0]):02X}", value)
    return safe.encode("utf-8")[:_MAX_VALUE_BYTES].decode("utf-8", "ignore")


def unescape(value: str) -> str:
    """The inverse of `escape`."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), value)


def _embedding(document: SearchDocument, embedders: Sequence[str]) -> dict[str, Any]:
    own = document.embedding
    vectors: dict[str, Any] = dict.fromkeys(embedders)
    if not own:
        return {"_vectors": vectors}
    if (embedder := embedder_of(document.model, len(own))) in vectors:
        vectors[embedder] = list(own)
    return {
        "_vectors": vectors,
        "embedding": base64.b64encode(quantise(own)).decode("ascii"),
        "model": document.model,
    }
