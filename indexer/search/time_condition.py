"""When photos were taken, as a condition: what a reading of "last summer" or "sundays" means to the backends.

A condition is written as one line of text, so that a filter can carry it:

    2018-12-24              a day; 2019-07 a month, 2018 a year
    2018-12-24..2018-12-26  from the first to the last, both included; 2019.. and ..2009 are open
    --12-25   --06..--08    the same days, or months, of every year
    easter                  a feast that moves (`feasts`), of every year
    A,B                     in any of them
    A|B                     A north of the equator, B south of it: seasons
    sat,sun                 days of the week
    21:00..05:00            hours of the day, the last one excluded
    A+B                     both
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from indexer.search.feasts import FEASTS, feast_days

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FIRST, _LAST = date(1, 1, 1), date(9998, 12, 31)  # 9999 has no first day after it
_VAGUE_DAYS = 28
_EASTER_FROM = 1583

Days = tuple[date, date]  # the first and the last one, both included


@dataclass(frozen=True, slots=True)
class DaySpan:
    """From one day to another: `first` and `last` are dates, as exact as the words are, "2019-07" or "" where it is
    open; of a `yearly` one they are "12-24" or "07"; of a feast that moves `first` is its name."""

    first: str
    last: str
    yearly: bool = False

    @property
    def is_feast(self) -> bool:
        """Whether it moves from year to year."""
        return self.first in FEASTS

    def days(self, years: Iterable[int]) -> Iterator[Days]:
        """First and last day; of what comes every year that of each of `years`, and of the one before them."""
        if not self.yearly and not self.is_feast:
            yield (_first_day(self.first) if self.first else _FIRST, _last_day(self.last) if self.last else _LAST)
            return
        known = sorted({year + back for year in years for back in (0, -1) if _EASTER_FROM <= year + back <= _LAST.year})
        for year in known:
            if self.is_feast:
                yield feast_days(self.first, year)
            else:
                end = year + (self.last < self.first)
                if end <= _LAST.year:
                    yield _first_day(f"{year:04}-{self.first}"), _last_day(f"{end:04}-{self.last}")


@dataclass(frozen=True, slots=True)
class TimeCondition:
    """Photos pass that were taken in any of the spans of their hemisphere, on any of `weekdays` (Monday is 0) and in
    any of `hours` (0..23); where there are none, whenever."""

    north: tuple[DaySpan, ...] = ()
    south: tuple[DaySpan, ...] = ()
    weekdays: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()

    @property
    def by_hemisphere(self) -> bool:
        """Whether it matters where a photo was taken."""
        return self.north != self.south

    def days(self, years: Iterable[int], *, south: bool = False) -> tuple[Days, ...]:
        """First and last days in order, those that touch joined; `years` are those that photos were taken in."""
        known = tuple(years)
        spans = self.south if south else self.north
        joined: list[Days] = []
        for first, last in sorted(days for span in spans for days in span.days(known)):
            if joined and first <= min(joined[-1][1], _LAST - timedelta(1)) + timedelta(1):
                joined[-1] = joined[-1][0], max(joined[-1][1], last)
            else:
                joined.append((first, last))
        return tuple(joined)

    def holds_period(self, period: str, years: Iterable[int], *, south: bool = False) -> bool:
        """Whether a photo counts of which no more than its year or month is known, "1985" or "1985-07".

        It does where all of that is meant, or a part of it that is at least a month long: "summer 1985" finds what
        is from 1985. By a day, and by what comes every year, it is not found.
        """
        if self.weekdays or self.hours:
            return False
        if not self.north:
            return True
        first, last = _first_day(period), _last_day(period)
        vague = not any(span.yearly or span.is_feast for span in (*self.north, *self.south))
        return any(
            (start <= first and last <= end)
            or (vague and start <= last and first <= end and (end - start).days + 1 >= _VAGUE_DAYS)
            for start, end in self.days(years, south=south)
        )


@lru_cache(maxsize=256)
def time_condition(value: str) -> TimeCondition:
    """Reads the text of a condition. Raises `ValueError` for what is none."""
    north: tuple[DaySpan, ...] = ()
    south: tuple[DaySpan, ...] = ()
    weekdays: set[int] = set()
    hours: tuple[int, ...] = ()
    for part in value.split("+"):
        if ":" in part:
            first, last = (int(moment.removesuffix(":00")) for moment in part.split(".."))
            if not 0 <= first <= 23 or not 0 <= last <= 24:
                raise ValueError(f"no hours: {part}")
            hours = tuple((first + hour) % 24 for hour in range((last - first) % 24 or 24))
        elif part.split(",")[0] in WEEKDAYS:
            weekdays = {WEEKDAYS.index(day) for day in part.split(",")}
        else:
            here, _, there = part.partition("|")
            north = tuple(_span(text) for text in here.split(","))
            south = tuple(_span(text) for text in there.split(",")) if there else north
    return TimeCondition(north, south, tuple(sorted(weekdays)), hours)


def _span(text: str) -> DaySpan:
    if text in FEASTS:
        return DaySpan(text, text)
    first, dots, last = text.partition("..")
    last = last if dots else first
    yearly = text.startswith("--")
    span = DaySpan(first.removeprefix("--"), last.removeprefix("--"), yearly)
    if not (span.first or span.last):
        raise ValueError(f"no time: {text}")
    tuple(span.days([2000]))  # raises `ValueError` where there are no such days
    return span


def _first_day(text: str) -> date:
    year, month, day = _parts(text)
    return date(year, month or 1, _possible(year, month or 1, day or 1))


def _last_day(text: str) -> date:
    year, month, day = _parts(text)
    month = month or 12
    return date(year, month, _possible(year, month, day or calendar.monthrange(year, month)[1]))


def _possible(year: int, month: int, day: int) -> int:
    """The 29th of February is the 28th in most years."""
    return 28 if (month, day) == (2, 29) and not calendar.isleap(year) else day


def _parts(text: str) -> tuple[int, int, int]:
    year, month, day = (int(part) if part else 0 for part in [*text.split("-"), "", ""][:3])
    return year, month, day
