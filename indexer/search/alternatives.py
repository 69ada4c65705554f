"""Queries whose hits come after those of another (`Query.also`), answered as one; for every backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from indexer.search import Answer, FacetCount, Query, Sort
from indexer.search.facets import BY_VALUE
from indexer.search.tokens import STOP_WORDS
from indexer.text import words

Search = Callable[[Query, int, int], Answer]
CountFacets = Callable[[Query, Sequence[str], int], Mapping[str, tuple[FacetCount, ...]]]

#: Facets' values of which there may be more than are asked for, but are needed to add them up.
_ALL_VALUES = 20_000


def search_all(search: Search, query: Query, limit: int, offset: int) -> Answer:
    """The hits of `query`, then those of each of its `also`. `search` takes a query without such, limit and offset.

    Where a query finds photos only without some of its words, and another one does with all of them, the first one's
    are left out.
    """
    first = search(replace(query, also=()), limit, offset)
    is_whole = bool(first.total and not first.dropped)
    answers = [first] if is_whole else []
    for other in query.also:
        found = sum(answer.total for answer in answers)
        on_page = sum(len(answer.hits) for answer in answers)
        answer = search(other, limit - on_page, max(offset - found, 0))
        answers += [answer] if answer.total and not answer.dropped else []
    if not answers:
        return _without_words(search, query, limit, offset) if query.also and not first.total else first
    return replace(
        answers[0],
        hits=tuple(hit for answer in answers for hit in answer.hits),
        total=sum(answer.total for answer in answers),
        by_meaning=sum(answer.by_meaning for answer in answers),
    )


def _without_words(search: Search, query: Query, limit: int, offset: int) -> Answer:
    """No photo of that time has the words: those of the time, which the words are then said to be left out of."""
    answer = search(_time_alone(query), limit, offset)
    return replace(answer, dropped=tuple(word for word in query.words if not STOP_WORDS.issuperset(words(word))))


def _time_alone(query: Query) -> Query:
    return replace(query, words=(), also=(), sort=query.sort or (None if query.phrases else Sort.NEWEST))


def facets_all(
    count_facets: CountFacets, search: Search, query: Query, names: Sequence[str], limit: int
) -> Mapping[str, tuple[FacetCount, ...]]:
    """Counts of what `search_all` finds."""
    if not query.also:
        return count_facets(query, names, limit)
    parts = (replace(query, also=()), *query.also)
    answers = [(one, search(one, 0, 0)) for one in parts]
    kept = [one for one, answer in answers if answer.total and not answer.dropped]
    fallback = parts[0] if answers[0][1].total else _time_alone(query)
    counted = [count_facets(one, names, _ALL_VALUES) for one in kept or [fallback]]
    return {name: _added(name, [counts[name] for counts in counted], limit) for name in names}


def _added(name: str, counted: Sequence[tuple[FacetCount, ...]], limit: int) -> tuple[FacetCount, ...]:
    totals: dict[str, int] = {}
    for counts in counted:
        for one in counts:
            totals[one.value] = totals.get(one.value, 0) + one.count
    found = [FacetCount(value, count) for value, count in totals.items()]
    if name in BY_VALUE:
        found.sort(key=lambda item: (len(item.value), item.value), reverse=True)
    else:
        found.sort(key=lambda item: (-item.count, item.value))
    return tuple(found[: max(limit, 0)])
