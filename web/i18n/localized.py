"""Dates, numbers and measures as the reader's locale writes them (Unicode CLDR, UTS 35)."""

from __future__ import annotations

from datetime import datetime, time
from functools import lru_cache

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time
from babel.numbers import format_decimal
from babel.units import format_unit

from indexer.model import DatePrecision
from web.i18n.language import current_language, gettext, number

_SIZES = ("digital-byte", "digital-kilobyte", "digital-megabyte", "digital-gigabyte", "digital-terabyte")


def date_text(moment: datetime, precision: DatePrecision = DatePrecision.TIME) -> str:
    """``14 July 2019, 15:42``: the clock on the wall where the photo was taken, whatever zone the reader sits in; or
    ``14 July 2019``, ``July 2019``, ``2019``, where no more is known."""
    if precision is DatePrecision.YEAR:
        return year_text(moment)
    if precision is DatePrecision.MONTH:
        return month_text(moment)
    if precision is DatePrecision.DAY:
        return str(format_date(moment, "long", locale=current_language().locale))
    return _date_and_time(moment.replace(tzinfo=None), current_language().locale)


@lru_cache(maxsize=1024)
def _date_and_time(moment: datetime, locale: Locale) -> str:
    day, time = format_date(moment, "long", locale=locale), format_time(moment, "short", locale=locale)
    joined: str = locale.datetime_formats["medium"]
    return joined.replace("{1}", day).replace("{0}", time)


def hour_text(hour: int) -> str:
    """``22:00`` or ``10:00 PM``; 24 is the day's beginning."""
    return str(format_time(time(hour % 24), "short", locale=current_language().locale))


def month_text(moment: datetime) -> str:
    """``July 2019``."""
    return _month(moment.year, moment.month, "yMMMM", current_language().locale)


def year_text(moment: datetime) -> str:
    """``2019``, ``2019年``."""
    return _month(moment.year, 1, "y", current_language().locale)


def month_letter(moment: datetime) -> str:
    """``J``, or what else is shortest: ``7`` in Czech, ``7月`` in Japanese."""
    return _month(moment.year, moment.month, "LLLLL", current_language().locale)


@lru_cache(maxsize=4096)
def _month(year: int, month: int, pattern: str, locale: Locale) -> str:
    first = datetime(year, month, 1)
    return format_skeleton(pattern, first, locale=locale) if pattern[0] == "y" else format_date(first, pattern, locale)


def decimal_text(value: float, pattern: str = "0.######") -> str:
    """``2.8``, by a pattern of UTS 35, part 3."""
    return format_decimal(value, format=pattern, locale=current_language().locale)


def percent_text(percent: int | str) -> str:
    """``87%``."""
    return gettext("%(percent)s%%", percent=percent)


def bytes_text(size: int) -> str:
    """``3.4 MB`` (powers of ten, as disks are sold)."""
    value, power = float(size), 0
    while value >= 1000 and power + 1 < len(_SIZES):
        value, power = value / 1000, power + 1
    return _measure(value, _SIZES[power], 0 if power == 0 or value >= 100 else 1)


def distance_text(km: float) -> str:
    """``10 km``."""
    return _measure(km, "length-kilometer", 1 if km % 1 else 0)


def duration_text(seconds: float) -> str:
    """``42 sec``, ``7 min``, ``3 hr 5 min``, ``2 days 4 hr``."""
    if seconds < 90:
        return _measure(seconds, "duration-second")
    minutes = round(seconds / 60)
    if minutes < 90:
        return _measure(minutes, "duration-minute")
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{_measure(hours, 'duration-hour')} {_measure(minutes, 'duration-minute')}"
    days, hours = divmod(hours, 24)
    return f"{_measure(days, 'duration-day')} {_measure(hours, 'duration-hour')}"


def size_text(width_px: int, height_px: int) -> str:
    """The width, a multiplication sign, the height, in pixels."""
    return f"{number(width_px)} \u00d7 {number(height_px)}"


def _measure(value: float, unit: str, digits: int = 0) -> str:
    pattern = f"#,##0.{'0' * digits}" if digits else "#,##0"
    return format_unit(value, unit, "short", format=pattern, locale=current_language().locale)
