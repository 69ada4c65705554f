"""Folded pages over what a Meilisearch server answers: each stack once, and as many hits as are promised.

The server's part is played by a list: it folds (`distinct`), sorts and cuts as the server's manual says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.search import Hit, Sort
from indexer.search.meilisearch import MeilisearchSearch
from indexer.search.meilisearch.candidates import Candidates, FoundPhoto, FoundPhotoCache
from indexer.search.meilisearch.folded import FoldedPhotos
from indexer.search.meilisearch.keys import Keys
from indexer.search.meilisearch.request import RequestWords
from indexer.search.meilisearch.retrieval import RetrievedPhotos
from indexer.search.ranking import Match

REACHED = 6


class ListedPhotos:
    """Answers searches from a list of documents, which all have the words."""

    def __init__(self, documents: Sequence[dict[str, Any]]) -> None:
        self.photos = FoundPhotoCache()
        self._documents = documents

    def search(self, words: RequestWords, **more: Any) -> dict[str, Any]:
        """As `SearchClient.search`."""
        hits = [one for one in self._documents if all(_passes(one, text) for text in words.filters)]
        for order in more.get("sort", ()):
            sign = -1 if order == "taken:desc" else 1
            hits.sort(key=lambda one: (one["taken"] is None, sign * (one["taken"] or 0)))
        if more.get("distinct"):
            first: dict[str, dict[str, Any]] = {}
            for one in hits:
                first.setdefault(_stack(one) or one["id"], one)
            hits = list(first.values())
        if "hitsPerPage" in more:
            return {"hits": hits[: more["hitsPerPage"]], "totalHits": len(hits)}
        start = more.get("offset", 0)
        return {"hits": hits[start : start + more["limit"]], "estimatedTotalHits": 0}


def _passes(document: dict[str, Any], text: str) -> bool:
    found = re.fullmatch(r"(NOT )?(id|facet_stack) IN \[(.*)\]", text)
    assert found, text
    value = document["id"] if found[2] == "id" else _stack(document)
    return (f'"{value}"' in found[3].split(", ")) is not bool(found[1])


def _stack(document: dict[str, Any]) -> str:
    return next((text for field, text in document["shown"] if field == "stack"), "")


def _all_match(scores: Sequence[float]) -> Match:
    """Those of half a point or more are sure."""
    return Match(np.ones(len(scores), np.bool_), np.array(scores, np.float32), sure=np.array(scores) >= 0.5)


def document(number: int, stack: int, taken: int | None) -> dict[str, Any]:
    shown = [["stack", f"s{stack}"]] if stack else []
    return {"id": f"{number}", "shown": shown, "words": "", "strengths": "", "taken": taken}


_PHOTOS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9) | st.none(), st.floats(0.125, 1)), max_size=20)


@pytest.mark.parametrize("sort", Sort)
@settings(deadline=None)
@given(by_words=_PHOTOS, by_meaning=_PHOTOS, limit=st.integers(1, 7))
def test_pages_meet_each_stack_once(
    sort: Sort,
    by_words: list[tuple[int, int | None, float]],
    by_meaning: list[tuple[int, int | None, float]],
    limit: int,
) -> None:
    listed = [document(number, stack, taken) for number, (stack, taken, _) in enumerate(by_words)]
    few = [document(100 + number, stack, taken) for number, (stack, taken, _) in enumerate(by_meaning)]
    candidates = Candidates([*map(FoundPhoto, (*listed[:REACHED], *few))])
    scores = [score for *_, score in (*by_words[:REACHED], *by_meaning)]
    found = RetrievedPhotos(
        query=None,  # type: ignore[arg-type]
        request_words=RequestWords(),
        by_words=len(listed),
        counted=RequestWords(),
        nearest={},
        rank_photos=lambda photos: Match(
            np.ones(len(photos.photos), np.bool_), np.ones(len(photos.photos), np.float32)
        ),
        reached=min(REACHED, len(listed)),
        candidates=candidates,
        match=_all_match(scores),
        beyond=tuple(one["id"] for one in few),
        uncounted=tuple(one["id"] for one in few),
    )
    backend = MeilisearchSearch("http://127.0.0.1:1", keys=Keys())
    client: Any = ListedPhotos(listed)
    backend._client = client
    backend._hits = lambda _, photos: tuple(Hit(photo.id, 1.0, ()) for photo in photos)  # type: ignore[method-assign]
    known = {one["id"]: one for one in (*listed, *few)}
    folded = FoldedPhotos(client, found, sort)

    def page(limit: int, offset: int) -> list[FoundPhoto]:
        if sort is Sort.RELEVANCE:
            hits = backend._by_relevance(found, folded, limit, offset)
        else:
            hits = backend._by_date(found, folded, sort, limit, offset)
        return [FoundPhoto(known[hit.id]) for hit in hits]

    whole = page(1000, 0)
    stacks = {photo.stack or photo.id for photo in map(FoundPhoto, (*listed, *few))}
    assert sorted(photo.stack or photo.id for photo in whole) == sorted(stacks)
    assert folded.listed == len(whole)
    pages = [photo.id for offset in range(0, len(whole) + limit, limit) for photo in page(limit, offset)]
    assert pages == [photo.id for photo in whole]
    if sort is not Sort.RELEVANCE:
        assert [photo.date_key(newest=sort is Sort.NEWEST) for photo in whole] == sorted(
            photo.date_key(newest=sort is Sort.NEWEST) for photo in whole
        )
    backend.close()
