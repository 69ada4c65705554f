"""The names of times in a row of words: what "3rd of may 2019", "summer of 69" or "two weeks ago" mean."""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from indexer.search import time_lexicon as lexicon
from indexer.search.feasts import FEASTS
from indexer.search.time_condition import WEEKDAYS
from indexer.search.time_part import Kind, Part, between, third_of
from indexer.text import has_digit

OLDEST_YEAR = 1826  # of the oldest photograph that there is
_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2}))?")
_NUMERIC = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})")
_MONTH_YEAR = re.compile(r"(\d{1,2})[/.](\d{4})")
_DAY_MONTH = re.compile(r"(\d{1,2})\.(\d{1,2})\.")
_DAY = re.compile(r"(\d{1,2})(?:st|nd|rd|th|\.)?")
_DAYS = re.compile(r"(\d{1,2})\.?[-\u2013/](\d{1,2})\.?")
_NUMERIC_DAYS = re.compile(r"(\d{1,2})\.[-\u2013](\d{1,2})\.(\d{1,2})\.(\d{4}|\d{2})?")
_CLOCK = re.compile(r"(\d{1,2})(am|pm)?")
_YEARS = re.compile(r"(\d{4})[-\u2013/](\d{4}|\d{2})")
_DECADE = re.compile(r"(\d{2}|\d{3}0)(?:'?s|er|ern)")
_TWO_DIGITS = re.compile(r"'?(\d{2})")


@dataclass(frozen=True, slots=True)
class TimeParts:
    """Reads `words`, in small letters, where each follows the one before it."""

    words: Sequence[str]
    today: date
    locale: str
    _parts: dict[int, Part | None] = field(default_factory=dict, compare=False, repr=False)

    def word(self, at: int) -> str:
        """The word at `at`, empty behind the last one."""
        return self.words[at] if 0 <= at < len(self.words) else ""

    def part(self, at: int) -> Part | None:
        """The longest time that begins at `at`."""
        if at not in self._parts:
            self._parts[at] = self._read(at) if self._may_begin(self.word(at)) else None
        return self._parts[at]

    def _may_begin(self, word: str) -> bool:
        bare = word.removesuffix(".")
        return bare in lexicon.FIRST_WORDS or has_digit(word) or word.startswith(lexicon.GERMAN_WEEKDAYS)

    def _read(self, at: int) -> Part | None:
        for read in (
            self._third,
            self._numeric,
            self._clock,
            self._day_of_month,
            self._relative,
            self._feast,
            self._named_period,
            self._year,
        ):
            if found := read(at):
                return found
        return None

    def year(self, at: int) -> int | None:
        """The year at `at`, written with all four digits."""
        word = self.word(at)
        return int(word) if len(word) == 4 and word.isascii() and word.isdigit() and self._is_year(int(word)) else None

    def _is_year(self, year: int) -> bool:
        return OLDEST_YEAR <= year <= self.today.year

    def _full_year(self, digits: str) -> int:
        year = int(digits)
        if len(digits) == 4:
            return year
        return year + (1900 if year > self.today.year % 100 else 2000)

    def _day(self, year: int, month: int, day: int) -> str:
        """ISO 8601; empty where there is no such day, or it was before photography or is yet to come."""
        try:
            moment = date(year, month, day)
        except ValueError:
            return ""
        return moment.isoformat() if OLDEST_YEAR <= year <= self.today.year + 1 else ""

    def _numeric(self, at: int) -> Part | None:
        word = self.word(at)
        fixed: str = ""
        if match := _ISO.fullmatch(word):
            year, month, day = int(match[1]), int(match[2]), int(match[3] or 1)
            fixed = self._day(year, month, day)
            fixed = fixed if match[3] else fixed[:7]
        elif match := _NUMERIC.fullmatch(word):
            day, month, year = int(match[1]), int(match[3]), self._full_year(match[4])
            month_first = match[2] != "." and self.locale in lexicon.MONTH_FIRST
            orders = [(month, day), (day, month)] if month_first else [(day, month), (month, day)]
            if match[2] == ".":
                orders = orders[:1]
            fixed = next((found for one, other in orders if (found := self._day(year, other, one))), "")
        elif match := _MONTH_YEAR.fullmatch(word):
            fixed = self._day(int(match[2]), int(match[1]), 1)[:7]
        elif match := _DAY_MONTH.fullmatch(word):
            day, month = int(match[1]), int(match[2])
            if self._day(2000, month, day):
                return Part(at + 1, Kind.DATE, yearly=(f"{month:02}-{day:02}",) * 2)
        elif match := _NUMERIC_DAYS.fullmatch(word):
            return self._days_in_numbers(at, *match.groups())
        if fixed:
            return Part(at + 1, Kind.DATE, fixed=(fixed, fixed))
        return self._years(at) or self._decade(at)

    def _days_in_numbers(self, at: int, first: str, last: str, month: str, year: str | None) -> Part | None:
        """ "24.-26.12.2018"."""
        of_year = self._full_year(year) if year else 2000
        days = self._day(of_year, int(month), int(first)), self._day(of_year, int(month), int(last))
        if not all(days):
            return None
        return (
            Part(at + 1, Kind.DATE, fixed=days) if year else Part(at + 1, Kind.DATE, yearly=(days[0][5:], days[1][5:]))
        )

    def _third(self, at: int) -> Part | None:
        """ "early 2019", "ende juli", "middle of june": of a season all of it."""
        third = lexicon.THIRDS.get(self.word(at))
        first = at + 1 + (self.word(at + 1) in lexicon.OF)
        part = None if third is None else self.part(first + (self.word(first) in lexicon.ARTICLES))
        if part is None or third is None or part.kind not in {Kind.DATE, Kind.MONTH, Kind.SEASON}:
            return None
        if part.season or (part.value and not part.fixed):
            return replace(part, kind=Kind.DATE)
        span = part.fixed or part.yearly
        if span and span[0] == span[1] and len(span[0]) in {2, 4, 7}:
            days = third_of(span[0], third)
            return replace(part, kind=Kind.DATE, fixed=part.fixed and days, yearly=part.yearly and days)
        return replace(part, kind=Kind.DATE)

    def _clock(self, at: int) -> Part | None:
        """ "8 pm", "20 uhr"."""
        match = _CLOCK.fullmatch(self.word(at))
        half = (match[2] or self.word(at + 1)) if match else ""
        if match is None or half not in {"am", "pm", "uhr"}:
            return None
        hour = int(match[1])
        if half != "uhr":
            hour = hour % 12 + 12 * (half == "pm") if 1 <= hour <= 12 else 24
        if hour > 23:
            return None
        value = f"{hour:02}:00..{(hour + 1) % 24:02}:00"
        return Part(at + 1 + (match[2] is None), Kind.FORM, value=value)

    def _years(self, at: int) -> Part | None:
        if match := _YEARS.fullmatch(self.word(at)):
            first, last = int(match[1]), int(match[1][: 4 - len(match[2])] + match[2])
            if self._is_year(first) and self._is_year(last) and first < last:
                return Part(at + 1, Kind.DATE, fixed=(str(first), str(last)))
        return None

    def _decade(self, at: int) -> Part | None:
        word, end = self.word(at), at + 1
        if match := _DECADE.fullmatch(word):
            first = int(match[1]) if len(match[1]) == 4 else self._full_year(match[1])
            first = first if first % 10 == 0 else 0
        else:
            first = lexicon.DECADES.get(word, 0)
        if not self._is_year(first):
            return None
        end += self.word(end) == "jahre" or self.word(end) == "jahren"
        return Part(end, Kind.DATE, fixed=(str(first), str(first + 9)))

    def _month(self, at: int, *, short: bool = False) -> str:
        word = self.word(at)
        return lexicon.MONTHS.get(word) or (lexicon.SHORT_MONTHS.get(word.rstrip(".")) if short else None) or ""

    def _day_of_month(self, at: int) -> Part | None:
        """ "3rd of may", "24. dezember", "december 24, 2018", "24-26 december"."""
        days, end = self._days(at)
        if days:
            end += self.word(end) == "of"
            month, end = self._month(end, short=True), end + 1
        else:
            month, end = self._month(at, short=True), at + 1
            days, end = self._days(end) if month else ((), end)
        if not month or not days or not all(self._day(2000, int(month), int(day)) for day in days):
            return None
        part = Part(end, Kind.DATE, yearly=(f"{month}-{days[0]:02}", f"{month}-{days[-1]:02}"))
        if (year := self.year(end)) is None:
            return part
        days_exist = self._day(year, int(month), days[-1]) or self._day(year, int(month), days[0])
        return replace(part.with_year(year, end + 1, self.word(end)), names=()) if days_exist else None

    def days_of_month(self, at: int) -> Part | None:
        """ "24. bis 26. dezember": the first day has its month from the last one."""
        days, end = self._days(at)
        if not days or self.word(end) not in lexicon.TO:
            return None
        last = self._day_of_month(end + 1 + (self.word(end + 1) in lexicon.TO_THE))
        if last is None:
            return None
        year = last.fixed[0][:5] if last.fixed else ""
        month, last_day = (last.fixed or last.yearly or ("", ""))[1].removeprefix(year).split("-")
        first = f"{month}-{days[0]:02}"
        if not self._day(2000, int(month), days[0]) or first > f"{month}-{last_day}":
            return None
        if last.fixed:
            return replace(last, fixed=(f"{year}{first}", last.fixed[1]))
        return replace(last, yearly=(first, f"{month}-{last_day}"))

    def _days(self, at: int) -> tuple[tuple[int, ...], int]:
        at += self.word(at) == "the"
        if match := _DAYS.fullmatch(self.word(at)):
            return (int(match[1]), int(match[2])), at + 1
        match = _DAY.fullmatch(self.word(at))
        day = int(match[1]) if match else lexicon.ORDINALS.get(self.word(at), 0)
        return ((day,), at + 1) if day else ((), at)

    def _feast(self, at: int) -> Part | None:
        for count in range(lexicon.MOST_FEAST_WORDS, 0, -1):
            name = " ".join(self.words[at : at + count])
            days = lexicon.FEAST_NAMES.get(name)
            if days and at + count <= len(self.words):
                return self._with_year(self._feast_part(at + count, days, name))
        return None

    def _feast_part(self, end: int, days: str, name: str) -> Part:
        if days == "mothersday" and name != "muttertag" and self.locale in lexicon.MOTHERING_SUNDAY:
            days = "motheringsunday"
        if days in FEASTS:
            yearly = ("12-31", "01-01") if days == "newyear" else None
            return Part(end, Kind.FEAST, feast=days, yearly=yearly, names=(name,))
        first, _, last = days.partition("..")
        return Part(end, Kind.FEAST, yearly=(first, last or first), names=(name,))

    def _named_period(self, at: int) -> Part | None:
        """Months, seasons, days of the week, parts of the day."""
        word = self.word(at)
        if month := lexicon.MONTHS.get(word):
            return self._with_year(Part(at + 1, Kind.MONTH, yearly=(month, month), names=(word,)))
        if (month := self._month(at, short=True)) and self.year(at + 1):
            return self._with_year(Part(at + 1, Kind.MONTH, yearly=(month, month), names=(word.rstrip("."),)))
        if season := lexicon.SEASONS.get(word):
            part = Part(at + 1, Kind.SEASON, yearly=lexicon.SEASON_MONTHS[season], season=season, names=(word,))
            return self._season_year(part)
        if days := lexicon.WEEKDAY_FORMS.get(word):
            return Part(at + 1, Kind.FORM, value=days, names=(word.removesuffix("s"),))
        if days := lexicon.WEEKDAY_NAMES.get(word):
            return Part(at + 1, Kind.WEEKDAY, value=days, names=(word,))
        if hours := lexicon.PART_OF_DAY_FORMS.get(word):
            return Part(at + 1, Kind.FORM, value=hours, names=(word.removesuffix("s"),))
        if hours := lexicon.PARTS_OF_DAY.get(word):
            return Part(at + 1, Kind.HOURS, value=hours, names=(word.removesuffix("s"),))
        return self._weekday_and_hours(at)

    def _weekday_and_hours(self, at: int) -> Part | None:
        """German writes them as one: "samstagabend"."""
        word = self.word(at)
        for day in lexicon.GERMAN_WEEKDAYS:
            rest = word.removeprefix(day)
            hours = lexicon.PARTS_OF_DAY.get(rest) or lexicon.PART_OF_DAY_FORMS.get(rest)
            if rest != word and hours:
                return Part(at + 1, Kind.FORM, value=f"{lexicon.WEEKDAY_NAMES[day]}+{hours}", names=(word,))
        return None

    def _with_year(self, part: Part) -> Part:
        end = part.end + (self.word(part.end) in {"of", "in"} and self.year(part.end + 1) is not None)
        year = self.year(end)
        return part if year is None else part.with_year(year, end + 1, self.word(end))

    def _season_year(self, part: Part) -> Part:
        """ "summer 2019", "summer of 69", "winter 2019/20"."""
        dated = self._with_year(part)
        if dated is not part:
            return dated
        years = self._years(part.end)
        if years and years.fixed and int(years.fixed[1]) == int(years.fixed[0]) + 1:
            first, last = (years.fixed[0], years.fixed[1])
            months = f"{first}-{lexicon.SEASON_MONTHS['winter'][0]}..{last}-{lexicon.SEASON_MONTHS['winter'][1]}"
            if part.season in {"winter", "summer"}:
                return replace(part, end=years.end, kind=Kind.DATE, value=months, numbers=(first,))
        behind = self.word(part.end)
        end = part.end + (behind == "of")
        match = _TWO_DIGITS.fullmatch(self.word(end))
        if match:
            return part.with_year(self._full_year(match[1]), end + 1, match[1])
        return part

    def _year(self, at: int) -> Part | None:
        at += self.word(at) in lexicon.YEAR_WORDS
        year = self.year(at)
        return Part(at + 1, Kind.DATE, fixed=(str(year),) * 2, numbers=(str(year),)) if year is not None else None

    def _relative(self, at: int) -> Part | None:
        word = self.word(at)
        if tuple(self.words[at : at + 4]) == ("the", "day", "before", "yesterday"):
            return self._dates(at + 4, *[self.today - timedelta(2)] * 2)
        if word in lexicon.DAYS_AGO:
            return self._dates(at + 1, *[self.today - timedelta(lexicon.DAYS_AGO[word])] * 2)
        if word in lexicon.LAST or word in lexicon.THIS:
            return self._last_or_this(at + 1, last=word in lexicon.LAST)
        ago = self._count_and_unit(at) if self.word(at + 2) == "ago" else None
        if ago:
            return self._ago(at + 3, *ago)
        ago = self._count_and_unit(at + 1) if word == "vor" else None
        return self._ago(at + 3, *ago) if ago else None

    def _count_and_unit(self, at: int) -> tuple[int, str] | None:
        """ "3 years"."""
        word, unit = self.word(at), lexicon.UNITS.get(self.word(at + 1))
        count = int(word) if word.isascii() and word.isdigit() and len(word) <= 3 else lexicon.NUMBERS.get(word, 0)
        return (count, unit) if unit and count else None

    def _ago(self, end: int, count: int, unit: str) -> Part | None:
        """The day, week, month or year that was then."""
        if unit == "day":
            return self._dates(end, *[self.today - timedelta(count)] * 2)
        if unit == "week":
            monday = self.today - timedelta(self.today.weekday() + 7 * count)
            return self._dates(end, monday, monday + timedelta(6))
        if unit == "month":
            month = self._months_back(count)
            return Part(end, Kind.DATE, fixed=(month, month))
        year = self.today.year - count
        return Part(end, Kind.DATE, fixed=(str(year),) * 2) if self._is_year(year) else None

    def _months_back(self, count: int) -> str:
        year, month = divmod(self.today.year * 12 + self.today.month - 1 - count, 12)
        return f"{year:04}-{month + 1:02}"

    def _last_or_this(self, at: int, *, last: bool) -> Part | None:
        counted = self._count_and_unit(at) if last else None
        if counted:
            return self._dates(at + 2, self._back(*counted), self.today)
        if unit := lexicon.UNITS.get(self.word(at)):
            return self._ago(at + 1, int(last), unit) if unit != "day" else None
        part = self._feast(at) or self._named_period(at)
        if part is None or part.kind is Kind.DATE:
            return None
        if part.kind in {Kind.WEEKDAY, Kind.FORM} and part.value in lexicon.WEEKDAY_NAMES.values():
            return self._last_weekdays(part, last=last)
        if part.season:
            here, there = (
                self._last_season(season, last=last) for season in (part.season, lexicon.OPPOSITE[part.season])
            )
            first, _, end = here.partition("..")
            return replace(part, kind=Kind.DATE, value=f"{here}|{there}", fixed=(first, end or first), names=())
        if part.yearly or part.feast:
            return replace(part, kind=Kind.DATE, fixed=self._latest(part, last=last), names=())
        return None

    def _back(self, count: int, unit: str) -> date:
        if unit in {"day", "week"}:
            return self.today - timedelta(count * (7 if unit == "week" else 1))
        year, month = map(int, self._months_back(count * (12 if unit == "year" else 1)).split("-"))
        return date(year, month, min(self.today.day, calendar.monthrange(year, month)[1]))

    def _last_weekdays(self, part: Part, *, last: bool) -> Part | None:
        first = WEEKDAYS.index(part.value[:3])
        length = 1 if part.value == "sat,sun" else 0
        day = self.today - timedelta((self.today.weekday() - first) % 7)
        if not last:
            day = self.today - timedelta(self.today.weekday() - first)
        elif day + timedelta(length) >= self.today:
            day -= timedelta(7)
        return self._dates(part.end, day, day + timedelta(length))

    def _latest(self, part: Part, *, last: bool) -> tuple[str, str]:
        """The latest that is over, or has at least begun."""
        for year in range(self.today.year + 1, self.today.year - 3, -1):
            first, end = part.in_year(year) or ("", "")
            today = self.today.isoformat()[: len(end)]
            if (end < today) if last else (first <= today):
                return first, end
        raise AssertionError("every year has all of its days")

    def _last_season(self, season: str, *, last: bool) -> str:
        months = Part(0, Kind.SEASON, yearly=lexicon.SEASON_MONTHS[season])
        return between(*self._latest(months, last=last))

    def _dates(self, end: int, first: date, last: date) -> Part:
        return Part(end, Kind.DATE, fixed=(first.isoformat(), last.isoformat()))
