"""What search reads of a document: its texts and how much each says, the strength of its words, its facets' values."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import accumulate
from types import MappingProxyType
from typing import NamedTuple, Self

from captioner import SURE_TAG
from indexer.model import DatePrecision, iso_date
from indexer.search import SearchDocument
from indexer.search.aliases import Alias, aliases_of
from indexer.search.appearance import index_word, is_colour
from indexer.search.filters import type_of
from indexer.text import clean, is_serial, words

#: The field of what a picture looks like, which is no text: see `appearance`.
APPEARANCE = "appearance"
#: The texts that words are looked for in, from the most to the least telling, and the most that each can say for a
#: word; `Fields.strengths` combines the fields that hold it.
FIELD_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "person_caption": 0.95,
        "machine_caption": 0.85,  # times the evidence for the word
        "tags": 0.8,  # times its probability
        "keywords": 0.8,
        "people": 0.8,
        "pets": 0.8,
        "title": 0.7,
        "headline": 0.7,
        "alt_texts": 0.7,
        "comments": 0.65,
        "places": 0.65,
        "locations": 0.65,
        "subjects": 0.6,
        "folders": 0.55,
        "file_names": 0.45,
        "taken_at": 0.4,
        "camera": 0.25,  # what a photo was taken with, and by whom, says nothing of what it shows
        "lens": 0.2,
        "creators": 0.2,
        APPEARANCE: 1.0,  # times what each look says for its word
    }
)
#: What the model says; all other texts are people's, their programs' or their cameras'.
MODEL_FIELDS = frozenset({"machine_caption", "tags"})
# A word that a sure sentence says counts for something whatever its own probability is, and for more than any word of a
# sentence that is not sure, also where the one sentence is long and the other short (`_DILUTION`).
_LEAST_EVIDENCE = 0.25
_UNSURE_SHARE = 0.2
#: Of a date of which no more is known the facet `period` holds all that is: "1950", "1962-07".
PERIODS = frozenset({DatePrecision.YEAR, DatePrecision.MONTH})
#: The lowest bit of a word's strength: not the model alone says it.
GIVEN_BIT = 1
#: Which stack a photo is in, and whether it stands for it: facets that nobody asks for by name.
STACK, COVER = "stack", "cover"
_MAX_WORDS = 2000
# A long text says less of each of its words; by so much from so many words on.
_DILUTION = 0.1
_LONG = 20
# A maker whose name is what photos show: its phones are found by their own names.
_APPLE_PREFIX = "Apple "
_EPOCH = datetime(1970, 1, 1)
_ALL: Mapping[str, float] = MappingProxyType({})
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


class Text(NamedTuple):
    """One text of a document; `folded` are its words, separated by spaces, `evidence` what a word's part of `weight` is
    where that is not all of it."""

    field: str
    text: str
    folded: str
    weight: float
    evidence: Mapping[str, float] = _ALL


@dataclass(frozen=True, slots=True)
class Fields:
    """A document as words and values: `strengths` (word -> 2..255, with `GIVEN_BIT`) leaves out long numbers and
    hashes; `given` are the words that not the model alone says."""

    texts: tuple[Text, ...]
    strengths: Mapping[str, int]
    facets: tuple[tuple[str, str], ...]  # facet, value
    given: frozenset[str]
    aliases: tuple[Alias, ...] = ()

    @classmethod
    def of(cls, document: SearchDocument) -> Self:
        """Everything that search reads of `document`."""
        shown = [(field, clean(text), weight) for field, text, weight in _weighted_texts(document) if text]
        evidence = {"machine_caption": _evidence(document)}
        texts = tuple(
            Text(field, text, folded_text(field, text), weight, evidence.get(field, _ALL))
            for field, text, weight in shown
        )
        facets = tuple({(facet, clean(value)): None for facet, value in _facets(document)})
        aliases = tuple(
            dict.fromkeys(alias for text in texts if text.field != APPEARANCE for alias in aliases_of(text.text))
        )
        given = given_words(text[:3] for text in texts)
        return cls(texts, _strengths(texts, given), facets, given, aliases)


def given_words(texts: Iterable[Sequence[str]]) -> frozenset[str]:
    """The words that not the model alone says, of texts given as field, text, and the words of the text."""
    return frozenset(word for text in texts if not _is_evidence(text[0], text[1]) for word in text[2].split())


def _is_evidence(field: str, text: str) -> bool:
    """Whether a text is only probable: what the model says, and which colours are prominent."""
    return field in MODEL_FIELDS or (field == APPEARANCE and is_colour(text))


def folded_text(field: str, text: str) -> str:
    """The words of a document's text, separated by spaces."""
    return index_word(text) if field == APPEARANCE else " ".join(words(text))


def quantise(vector: Sequence[float]) -> bytes:
    """A vector as int8: a quarter of the memory, and cosines within about 0.005 of the exact ones."""
    largest = max(map(abs, vector), default=0.0) or 1.0
    return array("b", (round(127 * value / largest) for value in vector)).tobytes()


def taken_s(moment: datetime) -> int:
    """The local time where the photo was taken, in seconds since 1970-01-01 00:00 of the same clock."""
    return int((moment.replace(tzinfo=None) - _EPOCH).total_seconds())


def _weighted_texts(document: SearchDocument) -> Iterator[tuple[str, str, float]]:
    """Field, text and weight of every text of `document` that words are looked for in, in the order of
    `FIELD_WEIGHTS`."""
    for field, weight in FIELD_WEIGHTS.items():
        match field:
            case "machine_caption":
                share = 1.0 if document.machine_sure else _UNSURE_SHARE
                yield field, document.machine_caption, weight * share
            case "appearance":
                yield from ((field, look, weight * strength) for look, strength in document.appearance)
            case "tags":
                for tag, probability in document.tags:
                    yield field, tag, weight * min(max(probability, 0.01), 1.0)
            case "people":
                yield from ((field, name, weight) for name in document.people)
                yield from (("keywords", text, FIELD_WEIGHTS["person_caption"]) for text in document.added_words)
            case "taken_at":
                if document.taken_at:
                    yield field, _date_words(document.taken_at, document.taken_precision), weight
            case "camera":
                yield field, document.camera.removeprefix(_APPLE_PREFIX), weight
                yield from ((field, name, weight) for name in document.camera_names)
            case "lens":
                yield field, document.lens.removeprefix(_APPLE_PREFIX), weight
                yield from ((field, kind, weight * sure) for kind, sure in document.lens_kinds)
            case _:
                value: str | tuple[str, ...] = getattr(document, field)
                yield from ((field, text, weight) for text in ((value,) if isinstance(value, str) else value))


def _evidence(document: SearchDocument) -> Mapping[str, float]:
    """The probability of each word of the model's sentence that has one; of a word that comes twice the better one."""
    least = _LEAST_EVIDENCE if document.machine_sure else 0.0
    evidence: dict[str, float] = {}
    for text, probability in document.machine_words:
        for word in words(clean(text)):
            evidence[word] = max(evidence.get(word, least), min(probability, 1.0))
    return evidence


def _strengths(texts: tuple[Text, ...], given: frozenset[str]) -> dict[str, int]:
    missing: dict[str, float] = {}  # the chance that no field means the word
    for text in texts:
        parts = text.folded.split()
        strength = text.weight * (1.0 - _DILUTION * min(len(parts), _LONG) / _LONG)
        for word in dict.fromkeys(parts):  # in their order: of a text that is too long the beginning counts
            missing[word] = missing.get(word, 1.0) * (1.0 - strength * text.evidence.get(word, 1.0))
    kept = [word for word in missing if not is_serial(word)][:_MAX_WORDS]
    strengths = {word: max(1, round(255 * (1.0 - missing[word]))) for word in kept}
    return {
        word: strength | GIVEN_BIT if word in given else max(strength & ~GIVEN_BIT, GIVEN_BIT + 1)
        for word, strength in strengths.items()
    }


def _facets(document: SearchDocument) -> Iterator[tuple[str, str]]:
    if document.stack:
        yield STACK, document.stack
        if document.stack == document.id:
            yield COVER, COVER
    if document.taken_at:
        yield "year", f"{document.taken_at:%Y}".zfill(4)
        if document.taken_precision is not DatePrecision.YEAR:
            yield "month", iso_date(document.taken_at, DatePrecision.MONTH)
        if document.taken_precision in PERIODS:
            yield "period", iso_date(document.taken_at, document.taken_precision)
    if document.rating is not None:
        yield "rating", str(document.rating)
    if document.mime_type:
        yield "type", type_of(document.mime_type)
    yield from (("tag", tag.lower()) for tag, probability in document.tags if probability >= SURE_TAG)
    yield from (("tag", keyword.lower()) for keyword in (*document.keywords, *document.added_words))
    yield from (("person", name) for name in document.people)
    yield from (("place", name) for name in (*document.places, *document.locations))
    yield from ((facet, value) for facet, value in (("camera", document.camera), ("lens", document.lens)) if value)
    yield from (("folder", level) for folder in document.folders for level in _levels(folder))


@lru_cache(maxsize=1024)
def _levels(folder: str) -> tuple[str, ...]:
    """A folder and those that it lies in: "2019", "2019/Lyon"."""
    return tuple(accumulate(filter(None, folder.split("/")), "{}/{}".format))


def _date_words(moment: datetime, precision: DatePrecision) -> str:
    """Year and month, so that "july 2019" finds its photos; the year alone where no more is known."""
    if precision is DatePrecision.YEAR:
        return f"{moment.year}"
    return f"{_MONTHS[moment.month - 1]} {moment.year}"
