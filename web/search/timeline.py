"""The time line of a search: how many photos each year and month has, as bars that narrow the search to it.

The photos of the search without its dates are counted, so that the bars beside the selected ones stay visible.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain

from indexer.search import FacetCount, Query
from indexer.search.filters import date_range
from web.i18n.language import month_letter, month_text
from web.links import search_url
from web.search import query_text
from web.search.searching import DATES, Search

#: The tallest bar, in steps; the style sheet has a rule for each, and a test holds the two together.
STEPS = 12
_MONTHS_OF_ALL = 3  # so few years are always shown month by month
_OPEN_YEARS = 2
_LAST_YEAR = 9997  # whose last month still has a `before:`
_LONGEST_GAP_YEARS = 2  # years; a longer one is one gap


@dataclass(frozen=True, slots=True)
class Bar:
    """One year or month; `height` is 0 (no photos) to `STEPS`, and its link takes it in or, where it is all that was
    chosen, out again."""

    period: str  # "2019" or "2019-07"
    text: str
    letter: str  # the shortest name of a month
    count: int
    height: int
    url: str
    active: bool


@dataclass(frozen=True, slots=True)
class Column:
    """A year, its months where it is open, or (without a bar) years that have no photos."""

    bar: Bar | None
    months: tuple[Bar, ...] = ()


@dataclass(frozen=True, slots=True)
class _Span:
    """Moments from `start` on and before `end`."""

    start: datetime
    end: datetime

    def holds(self, other: _Span) -> bool:
        return self.start <= other.start and other.end <= self.end


_ALWAYS = _Span(datetime.min, datetime.max)


def time_line(
    search: Search, query: Query, years: Sequence[FacetCount], months: Sequence[FacetCount]
) -> tuple[Column, ...]:
    """Newest first; empty where no photo has a date. `query` is the parsed search with its dates."""
    counts = {facet.value: facet.count for facet in chain(years, months)}
    known_years = sorted({int(facet.value) for facet in years if 0 < int(facet.value) <= _LAST_YEAR}, reverse=True)
    if not known_years:
        return ()
    selected = _selected_span(query)
    expanded = _expanded_years(known_years, selected)
    most = max(counts[f"{year:04}"] for year in known_years)
    of_open = [counts.get(month, 0) for year in expanded for month in _months(year)]
    columns = []
    for year in _years_with_gaps(known_years):
        if year is None:
            columns.append(Column(None))
            continue
        bar = _bar(search, f"{year:04}", counts, most, selected)
        inner = _months(year) if year in expanded else ()
        bars = tuple(_bar(search, month, counts, max(of_open, default=0), selected) for month in inner)
        columns.append(Column(bar, bars))
    return tuple(columns)


def _selected_span(query: Query) -> _Span:
    """The time that the dates of a query select."""
    span = _ALWAYS
    for item in query.filters:
        if item.negated or item.name not in DATES:
            continue
        start, end = date_range(item.value)
        if item.name != "before":
            span = replace(span, start=max(span.start, start))
        if item.name != "after":
            span = replace(span, end=min(span.end, start if item.name == "before" else end))
    return span


def _expanded_years(years: Sequence[int], selected: _Span) -> frozenset[int]:
    """The years whose months are shown."""
    if len(years) <= _MONTHS_OF_ALL:
        return frozenset(years)
    if selected.start >= selected.end:
        return frozenset()
    first, last = selected.start.year, (selected.end - timedelta(microseconds=1)).year
    return frozenset(range(first, last + 1)) if last - first < _OPEN_YEARS else frozenset()


def _years_with_gaps(years: Sequence[int]) -> Iterator[int | None]:
    """The years from the newest to the oldest; None for many without photos in a row."""
    before = years[0] + 1
    for year in years:
        if before - year - 1 > _LONGEST_GAP_YEARS:
            yield None
        else:
            yield from range(before - 1, year, -1)
        yield year
        before = year


def _months(year: int) -> tuple[str, ...]:
    return tuple(f"{year:04}-{month:02}" for month in range(1, 13))


def _bar(search: Search, period: str, counts: Mapping[str, int], most: int, selected: _Span) -> Bar:
    span = _Span(*date_range(period))
    count = counts.get(period, 0)
    # By the square root: a month of ten photos is seen beside one of a thousand.
    height = math.ceil(STEPS * math.sqrt(count / most)) if count else 0
    active = selected != _ALWAYS and selected.holds(span)
    text, letter = (month_text(span.start), month_letter(span.start)) if "-" in period else (period.lstrip("0"), "")
    wider = period[:4] if "-" in period else ""
    url = search_url(_narrow(search.text, wider if selected == span else period), search.sort)
    return Bar(period, text, letter, count, height, url, active)


def _narrow(text: str, period: str) -> str:
    """The query with this year or month in place of the dates that it had."""
    undated = query_text.without(text, lambda part: query_text.filter_name(part) in DATES)
    if not period:
        return undated
    if "-" not in period:
        return query_text.with_filter(undated, "year", period)
    after = query_text.with_filter(undated, "after", period)
    return query_text.with_filter(after, "before", f"{date_range(period)[1]:%Y-%m}".zfill(7))
