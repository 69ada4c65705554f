"""The date that phones, messengers and screenshots put into a file's name, for files that have no other.

Forms that are known to be dates are read, wherever else in the name they stand: `2020-08-31 at 15.41.14`,
`20190101_120000`, `IMG-20190101-WA0001`, `mmexport1546300800000`. Eight digits alone may be a serial number: they count
where the name begins with them, or with what a phone or messenger puts before a date.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from indexer.metadata.date_text import PhotoDate, hour_of_day
from indexer.model import DatePrecision

_MONTH, _DAY = r"(?P<month>0[1-9]|1[0-2])", r"(?P<day>0[1-9]|[12]\d|3[01])"
_YEAR = r"(?P<year>(?:18|19|20)\d\d)"
_PACKED_DAY = rf"(?P<year>(?:19[89]|20\d)\d){_MONTH}{_DAY}"
_HALVES = r"上午|下午|午前|午後|오전|오후"
_TIME = (
    r"(?:[ _T,@\-]*(?:(?:at|um|à|a las|alle(?: ore)?|ore|om|kl\.?|às|saat|klo|в|am|le)[ _\-]+)?"
    rf"(?P<before>{_HALVES})? ?(?:"
    r"(?P<hour>\d{1,2})(?P<sign>[.:h\-_])(?P<minute>[0-5]\d)(?:(?:(?P=sign)|m)(?P<second>[0-5]\d))?"
    r"|(?P<spaced>\d\d [0-5]\d [0-5]\d)|(?P<packed>\d\d[0-5]\d[0-5]\d))"
    r"(?:[.\-]?(?P<part>\d{3})|\d\d)?(?!\d) ?(?P<half>[ap]\.? ?m\b\.?)?)"
)
#: What stands before eight digits that are a date.
_PREFIX = (
    r"(?:img|image|vid|video|doc|pxl|mvimg|pano|panorama|burst|photo|pic|picture|foto|bild|wp|win|p_|dji|c360|stk|save|"
    r"screenshot|screen|signal|whatsapp image|camera|capture|snapchat|telegram|viber(?:[ _]image)?|"
    r"line(?:[ _](?:album|p|image))?|resized|collage)[ _\-]?"
)
_SEPARATED = re.compile(rf"(?<!\d){_YEAR}(?P<dash>[\-_.]){_MONTH}(?P=dash){_DAY}(?!\d){_TIME}?", re.I)
#: Telegram's `photo_1@31-12-2020_12-00-00`, `31.12.2020`, and `31-12-2020` and `12-31-2020` where one only is a day.
_YEAR_LAST = re.compile(rf"(?<![\d.\-])(?P<one>\d\d)(?P<dash>[.\-])(?P<other>\d\d)(?P=dash){_YEAR}(?!\d){_TIME}?", re.I)
_PACKED = re.compile(rf"(?<!\d){_PACKED_DAY}{_TIME}", re.I)
_NUMBERED = r"(?!_[0-9a-f]{10}(?:_|$)|(?:_\d+)+_[a-z]$)"  # the numbers of Flickr and Facebook
_ONLY_DAY = re.compile(rf"(?:{_PREFIX})?{_PACKED_DAY}(?!\d){_NUMBERED}", re.I)
_UNIX_MS = re.compile(
    r"(?:[^\W\d][^\W\d.\- ]*(?:[.\- ][^\W\d]+)*[.\- ]?)?(?P<ms>1\d{12})(?:[ _(~\-].*)?"  # mmexport, FB_IMG_, ...
)
_SCAN = re.compile(r"scan(?:ned|s)?(?![a-z])", re.I)
_NAMED_BY_UTC = re.compile(r"pxl_", re.I)  # Google's camera


def date_in_name(name: str) -> PhotoDate | None:
    """The date in a file's name; None where there is none, and for a scan, whose name tells when it was scanned."""
    stem = name.rpartition(".")[0].replace("\u202f", " ").strip()
    if _SCAN.match(stem):
        return None
    if match := _UNIX_MS.fullmatch(stem):
        return PhotoDate(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(match["ms"])))
    dates = (_moment(match) for form in (_PACKED, _SEPARATED, _YEAR_LAST) for match in form.finditer(stem))
    if (found := next(filter(None, dates), None)) is not None:
        in_utc = _NAMED_BY_UTC.match(stem) and found.precision is DatePrecision.TIME
        return PhotoDate(found.at.replace(tzinfo=UTC)) if in_utc else found
    match = _ONLY_DAY.match(stem)
    return _day(match) if match else None


def _day(match: re.Match[str]) -> PhotoDate | None:
    month, day = _month_and_day(match) if match.re is _YEAR_LAST else (int(match["month"]), int(match["day"]))
    try:
        return PhotoDate(datetime(int(match["year"]), month, day), DatePrecision.DAY)
    except ValueError:
        return None


def _month_and_day(match: re.Match[str]) -> tuple[int, int]:
    """Month and day; (0, 0) where either may be which."""
    first, second = int(match["one"]), int(match["other"])
    day_first = match["dash"] == "." or match.string[match.start() - 1 : match.start()] == "@" or first > 12
    if not day_first and second <= 12:
        return 0, 0
    return (second, first) if day_first else (first, second)


def _moment(match: re.Match[str]) -> PhotoDate | None:
    """The moment; of one whose time there is not, the day, unless the digits of both stand together."""
    day = _day(match)
    digits = match["packed"] or (match["spaced"] or "").replace(" ", "")
    if day is None or not (match["hour"] or digits):
        return day
    parts = (digits[:2], digits[2:4], digits[4:]) if digits else (match["hour"], match["minute"], match["second"])
    hour = hour_of_day(int(parts[0]), match["before"] or match["half"] or "")
    if hour > 23:
        return None if match.re is _PACKED else day
    part = int(match["part"] or 0) * 1000
    return PhotoDate(day.at.replace(hour=hour, minute=int(parts[1]), second=int(parts[2] or 0), microsecond=part))
