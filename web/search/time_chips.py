"""The times that were read in a search, as chips: each says what it was taken for, and one click takes that back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from babel.dates import format_date, format_interval, get_day_names

from indexer.search.time_condition import DaySpan, time_condition
from indexer.search.time_words import Reading
from web.i18n.language import current_language, gettext, hour_text
from web.links import search_url
from web.presenters import clean
from web.search.query_text import quote
from web.search.searching import Search

_MOST_SPANS = 3


@dataclass(frozen=True, slots=True)
class TimeChip:
    """Words of the search and the time that they name; `url` is the search in which an applied one is words again, and
    one that is not applied the time."""

    words: str
    meaning: str
    url: str
    applied: bool


def time_chips(search: Search) -> tuple[TimeChip, ...]:
    """One for each reading, in the order of the words."""
    return tuple(
        TimeChip(clean(one.words), time_text(one.value), _url(search, one), one.applied) for one in search.readings()
    )


def _url(search: Search, reading: Reading) -> str:
    name = "words" if reading.applied else "time"
    text = f"{search.text[: reading.start]}{name}:{quote(reading.words)}{search.text[reading.end :]}"
    return search_url(text, search.sort)


def time_text(value: str) -> str:
    """A condition (`time_condition`) in the reader's language: ``24 December 2018``, ``July, every year``."""
    condition = time_condition(value)
    parts = []
    if condition.north:
        parts.append(_spans_text(condition.north))
        if condition.by_hemisphere:
            parts.append(gettext("south of the equator half a year off"))
    if condition.weekdays:
        names = get_day_names("wide", "stand-alone", current_language().locale)
        parts.append(", ".join(names[day] for day in condition.weekdays))
    if condition.hours:
        first, last = condition.hours[0], (condition.hours[-1] + 1) % 24
        parts.append(f"{hour_text(first)} \u2013 {hour_text(last)}")
    return ", ".join(parts)


def _spans_text(spans: tuple[DaySpan, ...]) -> str:
    if any(span.is_feast for span in spans):
        return gettext("every year")
    text = ", ".join(_span_text(span) for span in spans[:_MOST_SPANS]) + (" \u2026" if len(spans) > _MOST_SPANS else "")
    return gettext("%(days)s, every year", days=text) if any(span.yearly for span in spans) else text


def _span_text(span: DaySpan) -> str:
    """Skeletons are those of UTS 35, part 4: the more is known of both ends, the more is shown."""
    if not span.last:
        return gettext("from %(day)s on", day=_interval_text(span.first, span.first, yearly=False))
    if not span.first:
        return gettext("until %(day)s", day=_interval_text(span.last, span.last, yearly=False))
    return _interval_text(span.first, span.last, yearly=span.yearly)


def _interval_text(first: str, last: str, *, yearly: bool) -> str:
    """``24 - 26 December 2018``, of "2018-12-24" and "2018-12-26"; ``2015 - July 2017`` where they differ in kind."""
    locale = current_language().locale
    if first.count("-") != last.count("-"):
        return " \u2013 ".join(_interval_text(one, one, yearly=yearly) for one in (first, last))
    level = first.count("-") + yearly
    skeleton = ("y", "yMMMM", "yMMMMd")[level].removeprefix("y" * yearly)
    start, end = _moment(first, yearly=yearly), _moment(last, yearly=yearly)
    if end < start:  # of every year, over its end
        return " \u2013 ".join(_interval_text(one, one, yearly=True) for one in (first, last))
    if first == last and skeleton == "MMMM":
        return str(format_date(start, "LLLL", locale=locale))
    return str(format_interval(start, end, skeleton, locale=locale))


def _moment(text: str, *, yearly: bool) -> datetime:
    """The first moment of "2018-12-24" or "2019", or where `yearly` of "12-24" or "07" in 2000, a leap year."""
    parts = [int(part) for part in text.split("-")]
    year, month, day = [*([2000] if yearly else []), *parts, 1, 1][:3]
    return datetime(year, month, day)
