"""Queries as a whole, for every backend: those whose hits come after those of another (`Query.also`) are answered as
one, and one in which nothing can be searched finds nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from indexer.search import Answer, FacetCount, Hit, Query, Sort, WhyNothing
from indexer.search.facets import BY_VALUE, check_names
from indexer.search.ranking import order_of
from indexer.search.tokens import STOP_WORDS
from indexer.text import is_emoji, words

Search = Callable[[Query, int, int], Answer]
CountFacets = Callable[[Query, Sequence[str], int], Mapping[str, tuple[FacetCount, ...]]]

#: Facets' values of which there may be more than are asked for, but are needed to add them up.
_ALL_VALUES = 20_000


def search_all(search: Search, query: Query, limit: int, offset: int) -> Answer:
    """The hits of `query`, then those of each of its `also`. `search` takes a query without such, limit and offset.

    By relevance the sure hits of all of them come before the others. Where a query finds photos only without some of
    its words, and another one does with all of them, the first one's are left out.
    """
    if not is_searchable(query):
        return Answer((), 0, why_nothing=WhyNothing.NOTHING_SEARCHABLE)
    answer = _answer(search, query, limit, offset)
    typed = [word for text in (*query.words, *query.phrases) for word in words(text)]
    if not answer.total and typed and all(map(is_emoji, typed)):
        return replace(answer, why_nothing=WhyNothing.EMOJI_NOT_FOUND)
    return answer


def is_searchable(query: Query) -> bool:
    """Whether there is anything to find photos by, or nothing was asked at all, which is every photo."""
    if query.filters or query.vector is not None:
        return True
    asked = (*query.words, *query.phrases, *query.excluded)
    return any(map(words, asked)) if asked else not query.ignored


def _answer(search: Search, query: Query, limit: int, offset: int) -> Answer:
    if not query.also:
        return search(query, limit, offset)
    parts = (replace(query, also=()), *query.also)
    # The first page is made of the first hits of each.
    answers = [(part, search(part, 0 if offset else limit, 0)) for part in parts]
    kept = [(part, answer) for part, answer in answers if answer.total and not answer.dropped]
    if not kept:
        first = answers[0][1]
        if not first.total:
            return _without_words(search, query, limit, offset)
        return search(parts[0], limit, offset) if offset else first
    found = [answer for _, answer in kept]
    return replace(
        found[0],
        hits=tuple(_page(search, kept, _runs(query, found), limit, offset)),
        total=sum(answer.total for answer in found),
        by_meaning=sum(answer.by_meaning for answer in found),
        sure=sum(answer.sure for answer in found),
        folded=sum(answer.folded for answer in found),
    )


def _runs(query: Query, answers: Sequence[Answer]) -> Iterator[tuple[int, int, int]]:
    """Which hits follow one another: of which answer, from where and to where."""
    whole = [(number, 0, answer.listed) for number, answer in enumerate(answers)]
    if order_of(query) is not Sort.RELEVANCE:
        yield from whole
        return
    yield from ((number, 0, answer.sure) for number, answer in enumerate(answers))
    yield from ((number, answer.sure, answer.listed) for number, answer in enumerate(answers))


def _page(
    search: Search,
    parts: Sequence[tuple[Query, Answer]],
    runs: Iterable[tuple[int, int, int]],
    limit: int,
    offset: int,
) -> Iterator[Hit]:
    for number, start, end in runs:
        part, answer = parts[number]
        first, last = start + min(max(offset, 0), end - start), min(start + offset + limit, end)
        offset -= end - start
        if first < last:
            is_at_hand = last <= len(answer.hits)
            yield from answer.hits[first:last] if is_at_hand else search(part, last - first, first).hits


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
    if not is_searchable(query):
        check_names(names)
        return dict.fromkeys(names, ())
    if not query.also:
        return count_facets(query, names, limit)
    parts = (replace(query, also=()), *query.also)
    answers = [(one, search(one, 0, 0)) for one in parts]
    kept = [one for one, answer in answers if answer.total and not answer.dropped]
    fallback = parts[0] if answers[0][1].total else _time_alone(query)
    counted = [count_facets(one, names, _ALL_VALUES) for one in kept or [fallback]]
    return {name: _sum_counts(name, [counts[name] for counts in counted], limit) for name in names}


def _sum_counts(name: str, counted: Sequence[tuple[FacetCount, ...]], limit: int) -> tuple[FacetCount, ...]:
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
