"""Feasts that fall on other days each year, by the Gregorian calendar, as first and last day."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from types import MappingProxyType

_MONDAY, _THURSDAY, _SUNDAY = 0, 3, 6


def easter_sunday(year: int) -> date:
    """Of the western churches, 1583 on: the algorithm of Meeus, Jones and Butcher (Astronomical Algorithms, ch. 8)."""
    golden, century, of_century = year % 19, year // 100, year % 100
    moon = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (of_century // 4) - moon - of_century % 4) % 7
    late = (golden + 11 * moon + 22 * weekday) // 451
    month, day = divmod(moon + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


def feast_days(name: str, year: int) -> tuple[date, date]:
    """First and last day of a feast of `FEASTS` in `year`."""
    return FEASTS[name](year)


_Days = Callable[[int], tuple[date, date]]


def _easter(first: int, last: int | None = None) -> _Days:
    """Counted in days from Easter Sunday."""

    def days(year: int) -> tuple[date, date]:
        sunday = easter_sunday(year)
        return sunday + timedelta(first), sunday + timedelta(first if last is None else last)

    return days


def _weekday_of_month(weekday: int, number: int, month: int) -> _Days:
    def days(year: int) -> tuple[date, date]:
        first = date(year, month, 1)
        day = first + timedelta((weekday - first.weekday()) % 7 + 7 * (number - 1))
        return day, day

    return days


def _advent(year: int) -> tuple[date, date]:
    """From the fourth Sunday before Christmas Day."""
    christmas = date(year, 12, 25)
    return christmas - timedelta(christmas.weekday() + 1 + 21), date(year, 12, 24)


FEASTS: Mapping[str, _Days] = MappingProxyType(
    {
        "easter": _easter(-2, 1),
        "palmsunday": _easter(-7),
        "maundythursday": _easter(-3),
        "goodfriday": _easter(-2),
        "eastersunday": _easter(0),
        "eastermonday": _easter(1),
        "ascension": _easter(39),
        "pentecost": _easter(49, 50),
        "corpuschristi": _easter(60),
        "carnival": _easter(-52, -47),
        "weiberfastnacht": _easter(-52),
        "shrovemonday": _easter(-48),
        "shrovetuesday": _easter(-47),
        "ashwednesday": _easter(-46),
        "motheringsunday": _easter(-21),
        "mothersday": _weekday_of_month(_SUNDAY, 2, 5),
        "fathersday": _weekday_of_month(_SUNDAY, 3, 6),
        "thanksgiving": _weekday_of_month(_THURSDAY, 4, 11),
        "laborday": _weekday_of_month(_MONDAY, 1, 9),
        "advent": _advent,
        "newyear": lambda year: (date(year - 1, 12, 31), date(year, 1, 1)),
    }
)
