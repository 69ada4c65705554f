"""Pages on which one photo stands for each stack of photos that are nearly the same (`Query.fold`).

The photos that we rank are folded by us, as in the embedded search. Those beyond them the server folds (`distinct`): of
each stack it keeps the one that comes first in its own order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from indexer.search import Sort
from indexer.search.fields import STACK
from indexer.search.folding import fold_match
from indexer.search.meilisearch.candidates import FoundPhoto
from indexer.search.meilisearch.client import SearchClient
from indexer.search.meilisearch.layout import FACET, READ
from indexer.search.meilisearch.request import of_stacks
from indexer.search.meilisearch.retrieval import RetrievedPhotos
from indexer.search.ranking import Match

#: Has the server fold (https://www.meilisearch.com/docs/reference/api/search#distinct-attributes-at-search-time).
FOLDED: Mapping[str, Any] = MappingProxyType({"distinct": f"{FACET}{STACK}"})


@dataclass(frozen=True)
class FoldedPhotos:
    """What a query finds, one photo of each stack. Properties ask the server, and raise `SearchError`."""

    client: SearchClient
    found: RetrievedPhotos
    sort: Sort

    @cached_property
    def match(self) -> Match:
        """Of the candidates those that are hits."""
        candidates = self.found.candidates
        ranks = candidates.oldest if self.sort is Sort.OLDEST else candidates.newest
        return fold_match(self.found.match, candidates.stacks, ranks, self.sort)

    @cached_property
    def others(self) -> int:
        """How many hits the candidates lack."""
        return max(self.listed - self.match.total, 0) if self.found.by_words > self.found.reached else 0

    @property
    def total_sure(self) -> int:
        """How many hits are sure."""
        return self.match.total_sure + (self.others if self.found.are_others_sure else 0)

    @cached_property
    def reached(self) -> int:
        """How many entries of the server's folded list, narrowed to `rest`, are among the candidates."""
        photos = self.found.candidates.photos[: self.found.reached]
        apart = set(self.beyond_stacks)
        return len({photo.stack or photo.id for photo in photos if photo.stack not in apart})

    @cached_property
    def beyond_stacks(self) -> Sequence[str]:
        """The stacks of candidates that the server's list of words need not reach."""
        ids = set(self.found.beyond)
        return sorted({photo.stack for photo in self.found.candidates.photos if photo.id in ids and photo.stack})

    @property
    def rest(self) -> tuple[str, ...]:
        """What the server's list is narrowed to beyond the candidates: stacks that stand before it are left out."""
        return (f"NOT {of_stacks(self.beyond_stacks)}",) if self.beyond_stacks else ()

    @cached_property
    def few(self) -> tuple[FoundPhoto, ...]:
        """What only meaning found, of stacks of which no photo was found by its words."""
        ids = set(self.found.uncounted)
        few = [photo for photo in self.found.candidates.photos if photo.id in ids]
        stacks = sorted({photo.stack for photo in few if photo.stack})
        known: set[str] = set()
        if stacks and self.found.by_words:
            words = self.found.counted.within(of_stacks(stacks))
            more = {"limit": len(stacks), "attributesToRetrieve": list(READ), **FOLDED}
            known = {photo.stack for photo in self.client.photos.all(self.client.search(words, **more)["hits"])}
        first = {photo.stack or photo.id: photo for photo in reversed(few) if photo.stack not in known}
        return tuple(photo for photo in few if first.get(photo.stack or photo.id) is photo)

    @cached_property
    def listed(self) -> int:
        """How many hits there are. The server counts them all only where it is asked for a page by its number."""
        if not self.found.by_words:
            return len(self.few)
        answer = self.client.search(self.found.counted, page=1, hitsPerPage=1, **FOLDED)
        return int(answer["totalHits"]) + len(self.few)
