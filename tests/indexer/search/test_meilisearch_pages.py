"""Where the photos stand that a server found beyond those that are ranked here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from indexer.search import Hit
from indexer.search.meilisearch import MeilisearchSearch
from indexer.search.meilisearch.candidates import Candidates, FoundPhoto
from indexer.search.meilisearch.keys import Keys
from indexer.search.meilisearch.request import RequestWords
from indexer.search.meilisearch.retrieval import RetrievedPhotos
from indexer.search.query import parse
from indexer.search.ranking import Match

BY_WORDS, REACHED, LOOKS = 200, 80, 5


class Paged(MeilisearchSearch):
    """Pages of what was retrieved, as a server gives the photos in its own order."""

    def page(self, found: RetrievedPhotos, limit: int, offset: int) -> tuple[Hit, ...]:
        return self._by_relevance(found, None, limit, offset)

    def _read(self, request_words: RequestWords, **more: Any) -> list[FoundPhoto]:
        of_server = [photo(number) for number in range(BY_WORDS)]
        return of_server[more["offset"] : more["offset"] + more["limit"]]


def photo(number: int) -> FoundPhoto:
    return FoundPhoto({"id": f"{number:032x}"})


def all_found(candidates: Candidates) -> Match:
    count = len(candidates.photos)
    return Match(np.ones(count, np.bool_), np.ones(count, np.float32), sure=np.ones(count, np.bool_))


def retrieved(*, unsure: int) -> RetrievedPhotos:
    """The last `unsure` of the candidates that have the words are not sure, and those that look alike."""
    looks = [photo(BY_WORDS + number) for number in range(LOOKS)]
    candidates = Candidates([*(photo(number) for number in range(REACHED)), *looks])
    is_sure = np.arange(len(candidates.photos)) < REACHED - unsure
    scores = np.linspace(0.9, 0.1, len(candidates.photos), dtype=np.float32)
    return RetrievedPhotos(
        query=parse("boat "),
        request_words=RequestWords(),
        by_words=BY_WORDS,
        counted=RequestWords(),
        nearest={},
        rank_photos=all_found,
        reached=REACHED,
        candidates=candidates,
        match=Match(np.ones(len(is_sure), np.bool_), scores, sure=is_sure),
        beyond=tuple(one.id for one in looks),
        uncounted=tuple(one.id for one in looks),
    )


@pytest.mark.parametrize("limit", [1, 60, 300])
@pytest.mark.parametrize(
    ("unsure", "expected"),
    [
        (0, [*range(BY_WORDS), *range(BY_WORDS, BY_WORDS + LOOKS)]),
        (1, [*range(REACHED), *range(BY_WORDS, BY_WORDS + LOOKS), *range(REACHED, BY_WORDS)]),
    ],
)
def test_what_is_not_ranked_here_is_as_sure_as_all_that_the_server_put_before_it(
    limit: int, unsure: int, expected: list[int]
) -> None:
    search = Paged("http://127.0.0.1:1", keys=Keys("", "", ""))
    found = retrieved(unsure=unsure)
    hits = [hit for offset in range(0, found.total, limit) for hit in search.page(found, limit, offset)]
    search.close()
    assert [int(hit.id, 16) for hit in hits] == expected
    assert [hit.sure for hit in hits] == [place < found.total_sure for place in range(len(hits))]
    assert found.total_sure == (BY_WORDS if not unsure else REACHED - unsure)
