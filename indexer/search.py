"""What a search backend must do: the nouns of search and the `SearchBackend` Protocol.

A backend is derived from the catalogue and can always be rebuilt from it. `tests/indexer/test_search_contract.py`
runs the same suite on every backend.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from indexer.photo import Position


@dataclass(frozen=True, slots=True)
class SearchDocument:
    """One photo as search knows it; `id` is its content key. Fields stand in order of their weight."""

    id: str
    revision: int
    person_caption: str
    machine_caption: str
    tags: tuple[tuple[str, float], ...]  # (word, probability)
    keywords: tuple[str, ...]
    people: tuple[str, ...]
    title: str
    places: tuple[str, ...]  # names, from the most to the least exact
    folders: tuple[str, ...]  # one per file: its folder relative to the root, "/"-separated
    file_names: tuple[str, ...]
    camera: str
    lens: str
    mime_type: str
    taken_at: datetime | None
    rating: int | None
    position: Position | None
    embedding: tuple[float, ...] | None


class Sort(StrEnum):
    """In which order hits come."""

    RELEVANCE = "relevance"
    NEWEST = "newest"
    OLDEST = "oldest"


class FilterError(ValueError):
    """A filter in a query can't be understood; the message says which, what was expected and the nearest right one.

    `text` is the wrong part as it was typed, `suggestion` what would be right in its place: the page makes a link of it.
    """

    def __init__(self, message: str, *, text: str = "", suggestion: str | None = None) -> None:
        super().__init__(message)
        self.text = text
        self.suggestion = suggestion


@dataclass(frozen=True, slots=True)
class Filter:
    """One `name:value` of a query, already checked; `text` is what the person typed."""

    name: str
    value: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query (`query.parse`). The last word is matched as a prefix where `prefix_last` is set."""

    words: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()  # words or phrases
    filters: tuple[Filter, ...] = ()
    prefix_last: bool = True
    sort: Sort | None = None  # None: relevance where there are words, else newest


@dataclass(frozen=True, slots=True)
class Why:
    """One reason for a hit: in `field`, these character spans of `text` matched; `kind` says how."""

    field: str  # a SearchDocument field name
    text: str
    spans: tuple[tuple[int, int], ...]  # start, end in characters of `text`
    kind: str  # "exact", "prefix", "typo", "synonym", "meaning"


@dataclass(frozen=True, slots=True)
class Hit:
    """One photo found. `score` is between 0 and 1, comparable within one answer only."""

    id: str
    score: float
    why: tuple[Why, ...]


@dataclass(frozen=True, slots=True)
class FacetCount:
    """How many photos of the current search have this value."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A page of hits. `corrections` maps words of the query to the nearest words that the index has."""

    hits: tuple[Hit, ...]
    total: int
    corrections: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class SearchBackend(Protocol):
    """A derived, rebuildable index over `SearchDocument`s. Methods block; callers on the loop use a thread.

    Every method raises `indexer.errors.SearchError` where the backend is down or refuses.
    """

    name: str

    def put(self, documents: Sequence[SearchDocument]) -> None:
        """Adds or replaces; durable when it returns."""

    def delete(self, ids: Iterable[str]) -> None:
        """Unknown ids are no error."""

    def clear(self) -> None:
        """Forgets every document."""

    def search(self, query: Query, *, limit: int = 50, offset: int = 0) -> Answer:
        """The photos that match, best first. Raises `FilterError` for a filter that it can't answer."""

    def facets(self, query: Query, names: Sequence[str], *, limit: int = 50) -> Mapping[str, tuple[FacetCount, ...]]:
        """Counts per value of each facet (`year`, `camera`, `place`, `folder`, `person`, `tag`, `type`, `rating`)."""

    def similar(self, photo_id: str, *, limit: int = 20) -> Answer:
        """Photos like this one, itself left out; empty for an unknown id."""

    def count(self) -> int:
        """How many documents there are."""

    def close(self) -> None:
        """Closing twice is fine."""
