"""A time that words name: `Part`, and how it becomes the text of a condition (`time_condition`)."""

from __future__ import annotations

import calendar
from dataclasses import dataclass, replace
from enum import Enum

from indexer.search.feasts import feast_days
from indexer.search.time_lexicon import OPPOSITE, SEASON_MONTHS


class Kind(Enum):
    """What kind of words name the time, which decides how likely they mean a time."""

    DATE = "date"  # with a number, or counted from today: nothing else is meant
    MONTH = "month"
    SEASON = "season"
    FEAST = "feast"
    WEEKDAY = "weekday"
    HOURS = "hours"
    FORM = "form"  # "sundays", "nachts"


@dataclass(frozen=True, slots=True)
class Part:
    """A time that the words up to `end` name. `fixed` are its first and last day, as exact as the words are
    ("2019-07"), `yearly` those of every year ("07"); else `feast` moves, or `value` says it all."""

    end: int
    kind: Kind
    fixed: tuple[str, str] | None = None
    yearly: tuple[str, str] | None = None
    feast: str = ""
    season: str = ""
    value: str = ""
    names: tuple[str, ...] = ()  # words that call it so in a text
    numbers: tuple[str, ...] = ()  # its year

    def in_year(self, year: int) -> tuple[str, str] | None:
        """First and last day in `year`; None for what has none."""
        if self.fixed:
            return self.fixed
        if self.feast:
            begin, end = feast_days(self.feast, year)
            return begin.isoformat(), end.isoformat()
        if self.yearly:
            first, last = self.yearly
            return f"{year}-{first}", f"{year + (last < first)}-{last}"
        return None

    def with_year(self, year: int, end: int, word: str) -> Part:
        """The same in that year, which the word before `end` names."""
        dated = replace(self, end=end, kind=Kind.DATE, numbers=(word,))
        if self.season:
            return replace(dated, value=season_of_year(self.season, year), fixed=self.in_year(year))
        return replace(dated, fixed=self.in_year(year))

    def condition(self) -> str:
        """As `time_condition` has it."""
        if self.value:
            return self.value
        if self.fixed:
            return between(*self.fixed)
        if self.feast:
            return self.feast
        first, last = self.yearly or ("", "")
        if self.season:
            other = SEASON_MONTHS[OPPOSITE[self.season]]
            return f"--{first}..--{last}|--{other[0]}..--{other[1]}"
        return between(f"--{first}", f"--{last}")


def between(first: str, last: str) -> str:
    """A condition from one to the other."""
    return first if first == last else f"{first}..{last}"


def season_of_year(season: str, year: int) -> str:
    """A winter's, and in the south a summer's, year has two of them: what lies in it, and the one that begins in it."""
    return "|".join(_season_spans(*SEASON_MONTHS[one], year) for one in (season, OPPOSITE[season]))


def _season_spans(first: str, last: str, year: int) -> str:
    if first <= last:
        return f"{year}-{first}..{year}-{last}"
    return f"{year}-01..{year}-{last},{year}-{first}..{year + 1}-{last}"


def third_of(period: str, third: int) -> tuple[str, str]:
    """Of a year or a month."""
    if len(period) == 4:
        return f"{period}-{4 * third + 1:02}", f"{period}-{4 * third + 4:02}"
    month = int(period[-2:])
    days = calendar.monthrange(int(period[:4]) if len(period) == 7 else 2000, month)[1]
    return f"{period}-{10 * third + 1:02}", f"{period}-{(10, 20, days)[third]:02}"
