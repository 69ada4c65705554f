"""Search requests to one index, several in one exchange; what was counted before is remembered for a while."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from indexer.search.fields import STACK
from indexer.search.matching import Term
from indexer.search.meilisearch.candidates import FoundPhotoCache
from indexer.search.meilisearch.connection import Connection, Json, Refusal
from indexer.search.meilisearch.layout import FACET
from indexer.search.meilisearch.request import FacetValues, RequestWords

_KEY = "search"
_EMBEDDER = re.compile(r"embedder with name `([^`]+)`")


@dataclass(slots=True)
class _Cache:
    """What was counted before; it is kept for a while only, as photos are added."""

    counts: dict[Term, int] = field(default_factory=dict)
    size: int | None = None
    has_stacks: bool | None = None
    missing_embedders: set[str] = field(default_factory=set)  # embedders that the index has not
    until_s: float = 0.0


class SearchClient:
    """Asks `index` with a key for searching. Thread-safe. Methods raise `SearchError`."""

    def __init__(self, connection: Connection, index: str, *, cache_s: float, fresh_s: float) -> None:
        self._connection = connection
        self.index = index
        self._cache_s = cache_s
        self._fresh_s = fresh_s
        self._cached = _Cache()
        self._written = 0
        self.values = FacetValues(self._values_of)
        self.photos = FoundPhotoCache()

    def data_version(self) -> str:
        """Another text after `invalidate`, and every `fresh_s` seconds, as another process may be writing."""
        return f"{self._written} {time.monotonic() // self._fresh_s}"

    def invalidate(self) -> None:
        """To be called when the index has changed."""
        self._written += 1
        self._cached = _Cache(until_s=self._cached.until_s)
        self.values.invalidate(proper_names=False)

    def similar(self, request: Json) -> Json:
        """The server's answer to a request for similar documents."""
        response: Json = self._connection.call("POST", f"/indexes/{self.index}/similar", request, key=_KEY)
        return response

    def expire(self) -> None:
        """Forgets what was counted too long ago: another process may be writing."""
        if time.monotonic() > self._cached.until_s:
            self._cached = _Cache(until_s=time.monotonic() + self._cache_s)
            self.values.invalidate()

    def ask(self, requests: Sequence[Json]) -> list[Json]:
        """The server's answers to several search requests, in one exchange."""
        if not requests:
            return []
        response = self._connection.call("POST", "/multi-search", {"queries": list(requests)}, key=_KEY)
        return list(response["results"])

    def search(self, words: RequestWords, **more: Any) -> Json:
        """The server's answer to one search request."""
        return self.ask([words.to_request(self.index, **more)])[0]

    def count_photos(self, terms: Iterable[Term], more: Sequence[Json] = ()) -> tuple[dict[Term, int], list[Json]]:
        """How many photos have each of `terms` as typed, and the answers to `more`, asked along with it."""
        wanted, known = list(dict.fromkeys(terms)), self._cached.counts
        missing = [term for term in wanted if term not in known]
        requests = [RequestWords((term,), finished=not term.prefix).to_request(self.index, limit=0) for term in missing]
        responses = self.ask([*more, *requests])
        known |= {term: total_of(answer) for term, answer in zip(missing, responses[len(more) :], strict=True)}
        return {term: known[term] for term in wanted}, responses[: len(more)]

    def may_have_embedder(self, embedder: str) -> bool:
        """Whether the index is not known to lack this embedder: a key for searching can't see them."""
        return embedder not in self._cached.missing_embedders

    def note_missing_embedder(self, refusal: Refusal) -> bool:
        """Whether a request was refused for an embedder that is not there; it is not asked for again for a while."""
        named = _EMBEDDER.search(refusal.what)
        if refusal.code != "invalid_search_embedder" or not named or not self.may_have_embedder(named[1]):
            return False
        self._cached.missing_embedders.add(named[1])
        return True

    def size(self) -> int:
        """How many photos there are."""
        known = self._cached
        if known.size is None:
            known.size = total_of(self.search(RequestWords(), limit=0))
        return known.size

    def has_stacks(self) -> bool:
        """Whether any photos stack."""
        known = self._cached
        if known.has_stacks is None:
            stacked = RequestWords(filters=(f"{FACET}{STACK} EXISTS",))
            known.has_stacks = total_of(self.search(stacked, limit=0)) > 0
        return known.has_stacks

    def _values_of(self, facets: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
        answer = self.search(RequestWords(), limit=0, facets=[f"{FACET}{facet}" for facet in facets])
        counted = answer["facetDistribution"]
        return {facet: counted.get(f"{FACET}{facet}", {}) for facet in facets}


def total_of(answer: Json) -> int:
    """How many photos a request finds."""
    return int(answer["estimatedTotalHits"])
