"""Dates as programs, cameras and people write them, in metadata (`read_date`) and in file names (`date_in_name`).

Of a date that is partly wrong the good part counts: a day that the month does not have leaves the month, a month that
there is not the year, a time that there is not the day.

In metadata: `2014:12:01 15:45:12` (EXIF), ISO 8601 as XMP has it, `20141201` (IPTC), `12/01/2014` and `12/1/14` (month
first), `01.12.2014` and `1.12.14` (day first), RFC 1123, which PNG recommends, the C library's form, months by their
names in the languages that cameras are sold in, `06/1950`, `ca. 1950`, and seconds or milliseconds since 1970.

In the names that phones, messengers and screenshots give, forms that are known to be dates are read wherever they
stand: `2020-08-31 at 15.41.14`, `20190101_120000`, `IMG-20190101-WA0001`, `mmexport1546300800000`. Eight digits alone
may be a serial number: they count where the name begins with them, or with what a phone or messenger puts before a
date.
"""

from __future__ import annotations

import calendar
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType

from indexer.model import DatePrecision

_MOST_CHARACTERS = 64
_LAST_SHORT_YEAR = 68  # POSIX, strptime's %y: 68 is 2068, 69 is 1969
#: By the first letters of their names, without accents, in English, German, French, Spanish, Italian, Portuguese
#: and Dutch.
_MONTHS = MappingProxyType(
    {
        name: number
        for number, names in enumerate(
            (
                *("jan ene gen", "feb fev", "mar mrt maa mae mrz", "apr avr abr", "may mai mag mei", "jun juin giu"),
                *("jul juil lug", "aug aou ago", "sep set", "oct okt ott out", "nov", "dec dez dic"),
            ),
            1,
        )
        for name in names.split()
    }
)


@dataclass(frozen=True, slots=True)
class PhotoDate:
    """A date and how much of it is known. Aware where the offset from UTC is known, else naive local time."""

    at: datetime
    precision: DatePrecision = DatePrecision.TIME
    by_name: bool = False  # it stands in the file's name only


# A number of one or two digits; some cameras pad with a blank, and leave blanks for what they do not know.
_NUMBER = r"(\d\d|\d| \d| {2}|)"
_YEAR_FIRST = re.compile(rf"(\d{{4}})(?:[:/.年\-]{_NUMBER}(?:[:/.月\-]{_NUMBER})?)?(?!\d)", re.ASCII)
_COMPACT = re.compile(r"(\d{4})(\d{2})(?:(\d{2})(?=$|[T _-]|\d{4}(?:\d\d)?(?!\d))|(?=$|[T _-]))", re.ASCII)
_YEAR_LAST = re.compile(r"(\d{1,2})([/.\-:])(\d{1,2})\2(\d{4})(?!\d)", re.ASCII)
_SHORT_YEAR_LAST = re.compile(r"(0?[1-9]|1[0-2])/(\d{1,2})/(\d{2})(?!\d)", re.ASCII)  # Adobe Fireworks
_DAY_FIRST_SHORT_YEAR = re.compile(r"(\d{1,2})\.(0?[1-9]|1[0-2])\.(\d{2})(?![\d.:])", re.ASCII)
_MONTH_AND_YEAR = re.compile(r"(0?[1-9]|1[0-2])[/.\-](\d{4})(?!\d)", re.ASCII)
_NAME = r"([^\W\d_]{3,10})"
_WEEKDAY = r"(?:[^\W\d_]{2,13}\.?,? +)?"
_OF = r"(?:del? +|of +)?"
_DAY_AND_NAME = re.compile(
    rf"{_WEEKDAY}([0-9]{{1,2}})(?:st|nd|rd|th|er|º)?[. \-]+{_OF}{_NAME}[., \-]+{_OF}([0-9]{{4}}|[0-9]{{2}})(?![0-9:])",
    re.IGNORECASE,
)
_NAME_AND_DAY = re.compile(
    rf"{_WEEKDAY}{_NAME}\.? +([0-9]{{1,2}}),?"
    r"(?: +([0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?: +[A-Z]{2,5}(?:[+-][0-9]{2}:?[0-9]{2})?)?))? +([0-9]{4})(?![0-9])",
    re.IGNORECASE,
)
_ONLY_NAME = re.compile(rf"{_NAME}\.?,? +{_OF}([0-9]{{4}})(?![0-9])", re.IGNORECASE)
_ABOUT = re.compile(r"(?:circa|ca\.?|c\.|um|vers|about|~) *(?=\d{4}(?!\d))", re.ASCII | re.IGNORECASE)
_UNIX = re.compile(r"(1\d{9})(\d{3})?", re.ASCII)
_HALVES = r"上午|下午|午前|午後|오전|오후"
_CLOCK = re.compile(
    rf"[T,_日 :\-]*(?P<before>{_HALVES})? *"
    r"(?:(?P<hour>\d\d|\d| \d)(?P<sign>[:.h\-])(?P<minute>\d\d|\d(?=[:.])| \d)"
    r"(?:(?:(?P=sign)|m)(?P<second>\d\d| \d)?(?:[.,](?P<part>\d{1,9}))?)?"
    r"|(?P<packed>\d{4}(?:\d\d)?)(?!\d))"
    rf"(?! ?\d)s? *(?P<half>[AaPp]\.? ?[Mm]\b\.?|{_HALVES})?",
    re.ASCII,
)
_AFTERNOON = frozenset({"pm", "下午", "午後", "오후"})
_OFFSET_BEHIND = re.compile(r" *(Z|(?:UTC|GMT)(?:[+-]\d{1,2}(?::?\d{2})?)?|[+-]\d{2}(?::?\d{2})?(?!\d))?", re.ASCII)
_OFFSET = re.compile(r"(?:GMT|UTC)?([+-])(\d{1,2}):?(\d{2})?", re.ASCII)  # Apple writes GMT+2

# File names.
_MONTH_DIGITS, _DAY_DIGITS = r"(?P<month>0[1-9]|1[0-2])", r"(?P<day>0[1-9]|[12]\d|3[01])"
_YEAR_DIGITS = r"(?P<year>(?:18|19|20)\d\d)"
_PACKED_DAY = rf"(?P<year>(?:19[89]|20\d)\d){_MONTH_DIGITS}{_DAY_DIGITS}"
_NAME_TIME = (
    r"(?:[ _T,@\-]*(?:(?:at|um|à|a las|alle(?: ore)?|ore|om|kl\.?|às|saat|klo|в|am|le)[ _\-]+)?"
    rf"(?P<before>{_HALVES})? ?(?:"
    r"(?P<hour>\d{1,2})(?P<sign>[.:h\-_])(?P<minute>[0-5]\d)(?:(?:(?P=sign)|m)(?P<second>[0-5]\d))?"
    r"|(?P<spaced>\d\d [0-5]\d [0-5]\d)|(?P<packed>\d\d[0-5]\d[0-5]\d))"
    r"(?:[.\-]?(?P<part>\d{3})|\d\d)?(?!\d) ?(?P<half>[ap]\.? ?m\b\.?)?)"
)
#: What stands before eight digits that are a date.
_NAME_PREFIX = (
    r"(?:img|image|vid|video|doc|pxl|mvimg|pano|panorama|burst|photo|pic|picture|foto|bild|wp|win|p_|dji|c360|stk|save|"
    r"screenshot|screen|signal|whatsapp image|camera|capture|snapchat|telegram|viber(?:[ _]image)?|"
    r"line(?:[ _](?:album|p|image))?|resized|collage)[ _\-]?"
)
_NAME_SEPARATED = re.compile(
    rf"(?<!\d){_YEAR_DIGITS}(?P<dash>[\-_.]){_MONTH_DIGITS}(?P=dash){_DAY_DIGITS}(?!\d){_NAME_TIME}?", re.I
)
#: Telegram's `photo_1@31-12-2020_12-00-00`, `31.12.2020`, and `31-12-2020` and `12-31-2020` where one only is a day.
_NAME_YEAR_LAST = re.compile(
    rf"(?<![\d.\-])(?P<one>\d\d)(?P<dash>[.\-])(?P<other>\d\d)(?P=dash){_YEAR_DIGITS}(?!\d){_NAME_TIME}?", re.I
)
_NAME_PACKED = re.compile(rf"(?<!\d){_PACKED_DAY}{_NAME_TIME}", re.I)
_NUMBERED = r"(?!_[0-9a-f]{10}(?:_|$)|(?:_\d+)+_[a-z]$)"  # the numbers of Flickr and Facebook
_NAME_ONLY_DAY = re.compile(rf"(?:{_NAME_PREFIX})?{_PACKED_DAY}(?!\d){_NUMBERED}", re.I)
_NAME_UNIX_MS = re.compile(
    r"(?:[^\W\d][^\W\d.\- ]*(?:[.\- ][^\W\d]+)*[.\- ]?)?(?P<ms>1\d{12})(?:[ _(~\-].*)?"  # mmexport, FB_IMG_, ...
)
_SCAN = re.compile(r"scan(?:ned|s)?(?![a-z])", re.I)
_NAMED_BY_UTC = re.compile(r"pxl_", re.I)  # Google's camera


def read_date(written: str | None, *, fraction: str = "", offset: str | None = None) -> PhotoDate | None:
    """The date in `written`; None where there is none. `fraction` and `offset` are those that stand elsewhere, and
    count where `written` has none of its own.
    """
    text = re.sub("[\u202f\xa0]", " ", (written or "").split("\0", 1)[0]).strip().strip("\"'")[:_MOST_CHARACTERS]
    if match := _UNIX.fullmatch(text):
        return PhotoDate(datetime.fromtimestamp(int(match[1]), UTC) + timedelta(milliseconds=int(match[2] or 0)))
    found = _day_in(_ABOUT.sub("", text, count=1) if _ABOUT.match(text) else text)
    if found is None:
        return None
    (year, month, day), clock = found
    date = _valid_day(year, month, day)
    if date is None or date.precision is not DatePrecision.DAY:
        return date
    return _with_time(date, clock, fraction, offset)


def _day_in(text: str) -> tuple[tuple[int, int, int], str] | None:
    """Year, month and day, 0 where they are not known, and the text of the time."""
    if match := _COMPACT.match(text):
        return (int(match[1]), int(match[2]), int(match[3] or 0)), text[match.end() :]
    if match := _YEAR_FIRST.match(text):
        month, day = _complete_number(match, 2), _complete_number(match, 3)
        return (int(match[1]), month, day), text[match.end() :]
    if match := _YEAR_LAST.match(text):
        return (int(match[4]), *_month_and_day(int(match[1]), match[2], int(match[3]))), text[match.end() :]
    if match := _SHORT_YEAR_LAST.match(text):
        return (_full_year(match[3]), int(match[1]), int(match[2])), text[match.end() :]
    if match := _DAY_FIRST_SHORT_YEAR.match(text):
        return (_full_year(match[3]), int(match[2]), int(match[1])), text[match.end() :]
    if match := _MONTH_AND_YEAR.match(text):
        return (int(match[2]), int(match[1]), 0), ""
    return _day_by_name(text)


def _day_by_name(text: str) -> tuple[tuple[int, int, int], str] | None:
    """The same, where the month stands by its name."""
    if match := _DAY_AND_NAME.match(text):
        return (_full_year(match[3]), _month_named(match[2]), int(match[1])), text[match.end() :]
    if match := _NAME_AND_DAY.match(text):
        return (int(match[4]), _month_named(match[1]), int(match[2])), match[3] or text[match.end() :]
    match = _ONLY_NAME.match(text)
    month = _month_named(match[1]) if match else 0
    return ((int(match[2]), month, 0), "") if match and month else None


def _month_and_day(first: int, sign: str, second: int) -> tuple[int, int]:
    """Month and day where they stand before the year; 0, 0 for `06:01:1998`, which may be either."""
    if sign == ":" and max(first, second) <= 12:
        return 0, 0
    month_first = second > 12 or (sign == "/" and first <= 12)
    return (first, second) if month_first else (second, first)


def _full_year(year: str) -> int:
    """A year of two digits in its century."""
    if len(year) == 4:
        return int(year)
    return int(year) + (1900 if int(year) > _LAST_SHORT_YEAR else 2000)


def _complete_number(match: re.Match[str], group: int) -> int:
    """The number; 0 where it may be cut off: EXIF's have two digits, and end the text with one only then."""
    digits = match[group] or ""
    is_last = len(digits) == 1 and match.end(group) == len(match.string)
    padded = group == 2 or len(match[2] or "") == 2
    return 0 if is_last and padded and match.string[match.start(group) - 1] == ":" else _number(digits)


def _number(digits: str | None) -> int:
    return int(digits) if digits and digits.strip() else 0


def _month_named(name: str) -> int:
    plain = unicodedata.normalize("NFD", name.lower()).encode("ascii", "ignore").decode()
    return _MONTHS.get(plain[:4], _MONTHS.get(plain[:3], 0))


def _valid_day(year: int, month: int, day: int) -> PhotoDate | None:
    """As much of the day as there is in the calendar."""
    if not 1 <= year <= 9998:
        return None
    if not 1 <= month <= 12:
        return PhotoDate(datetime(year, 1, 1), DatePrecision.YEAR)
    if not 1 <= day <= calendar.monthrange(year, month)[1]:
        return PhotoDate(datetime(year, month, 1), DatePrecision.MONTH)
    return PhotoDate(datetime(year, month, day), DatePrecision.DAY)


def _with_time(date: PhotoDate, text: str, fraction: str, offset: str | None) -> PhotoDate:
    """`date` with the time that `text` begins with; the day alone where there is none, or none that there is."""
    match = _CLOCK.match(text)
    if match is None:
        return date
    packed = match["packed"]
    parts = (packed[:2], packed[2:4], packed[4:]) if packed else (match["hour"], match["minute"], match["second"])
    hour, minute, second = map(_number, parts)
    hour = hour_of_day(hour, match["before"] or match["half"] or "")
    if hour > 23 or minute > 59:
        return date
    digits = re.match(r"\d{1,9}", match["part"] or fraction.strip(), re.ASCII)
    microsecond = int((digits[0] + "000000")[:6]) if digits and second < 60 else 0
    # 60 is a leap second, which `datetime` has not; what is more is no second at all.
    moment = date.at.replace(
        hour=hour, minute=minute, second=59 if second == 60 else second if second < 60 else 0, microsecond=microsecond
    )
    behind = _OFFSET_BEHIND.match(text[match.end() :])
    return PhotoDate(moment.replace(tzinfo=zone((behind and behind[1]) or offset)))


def hour_of_day(hour: int, half: str) -> int:
    """The hour, 0..23 where there is such a one. `half` is "am" or "pm" in any spelling, or empty. 24 is what some
    cameras call the first hour of the same day (`kk` in place of `HH`)."""
    if half and hour <= 12:
        return hour % 12 + (12 if re.sub("[. ]", "", half.lower()) in _AFTERNOON else 0)
    return 0 if hour == 24 else hour


def zone(offset: str | None) -> timezone | None:
    """`Z`, `+02:00`, `-0800`, `GMT+2`; None for anything else, and for more than 15 hours."""
    offset = (offset or "").strip("\0 ")
    if offset in {"Z", "UTC", "GMT"}:
        return UTC
    match = _OFFSET.fullmatch(offset)
    minutes = int(match[2]) * 60 + int(match[3] or 0) if match else 0
    if not match or minutes > 15 * 60:
        return None
    return timezone(timedelta(minutes=-minutes if match[1] == "-" else minutes))


def date_in_name(name: str) -> PhotoDate | None:
    """The date in a file's name; None where there is none, and for a scan, whose name has the date of scanning."""
    stem = name.rpartition(".")[0].replace("\u202f", " ").strip()
    if _SCAN.match(stem):
        return None
    if match := _NAME_UNIX_MS.fullmatch(stem):
        return PhotoDate(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(match["ms"])))
    dates = (
        _date_in_match(match)
        for form in (_NAME_PACKED, _NAME_SEPARATED, _NAME_YEAR_LAST)
        for match in form.finditer(stem)
    )
    if (found := next(filter(None, dates), None)) is not None:
        in_utc = _NAMED_BY_UTC.match(stem) and found.precision is DatePrecision.TIME
        return PhotoDate(found.at.replace(tzinfo=UTC)) if in_utc else found
    match = _NAME_ONLY_DAY.match(stem)
    return _day_in_name(match) if match else None


def _day_in_name(match: re.Match[str]) -> PhotoDate | None:
    month, day = (
        _month_and_day_in_name(match) if match.re is _NAME_YEAR_LAST else (int(match["month"]), int(match["day"]))
    )
    try:
        return PhotoDate(datetime(int(match["year"]), month, day), DatePrecision.DAY)
    except ValueError:
        return None


def _month_and_day_in_name(match: re.Match[str]) -> tuple[int, int]:
    """Month and day; (0, 0) where either may be which."""
    first, second = int(match["one"]), int(match["other"])
    day_first = match["dash"] == "." or match.string[match.start() - 1 : match.start()] == "@" or first > 12
    if not day_first and second <= 12:
        return 0, 0
    return (second, first) if day_first else (first, second)


def _date_in_match(match: re.Match[str]) -> PhotoDate | None:
    """The moment; of one whose time there is not, the day, unless the digits of both stand together."""
    day = _day_in_name(match)
    digits = match["packed"] or (match["spaced"] or "").replace(" ", "")
    if day is None or not (match["hour"] or digits):
        return day
    parts = (digits[:2], digits[2:4], digits[4:]) if digits else (match["hour"], match["minute"], match["second"])
    hour = hour_of_day(int(parts[0]), match["before"] or match["half"] or "")
    if hour > 23:
        return None if match.re is _NAME_PACKED else day
    part = int(match["part"] or 0) * 1000
    return PhotoDate(day.at.replace(hour=hour, minute=int(parts[1]), second=int(parts[2] or 0), microsecond=part))
