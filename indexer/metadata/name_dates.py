"""The date that phones, messengers and screenshots put into a file's name, for files that have no other.

Forms that are known to be dates are read, wherever else in the name they stand: `2020-08-31 at 15.41.14`,
`20190101_120000`, `IMG-20190101-WA0001`, `mmexport1546300800000`. Eight digits alone may be a serial number: they count
where the name begins with them, or with what a phone or messenger puts before a date.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from indexer.metadata.date_text import Taken, of_24_hours
from indexer.model import DatePrecision

_MONTH, _DAY = r"(?P<month>0[1-9]|1[0-2])", r"(?P<day>0[1-9]|[12]\d|3[01])"
_YEAR = r"(?P<year>(?:18|19|20)\d\d)"
_PACKED_DAY = rf"(?P<year>(?:19[89]|20\d)\d){_MONTH}{_DAY}"
_TIME = (
    r"(?:[ _T,@\-]*(?:(?:at|um|à|a las|alle(?: ore)?|om|kl\.?|às)[ _]+)?"
    r"(?P<hour>\d{1,2})(?:(?P<sign>[.:h\-_])(?P<minute>[0-5]\d)(?:(?P=sign)(?P<second>[0-5]\d))?"
    r"|(?P<packed>[0-5]\d[0-5]\d))(?:[.\-]?(?P<part>\d{3}))?(?!\d) ?(?P<half>[ap]\.?m\b)?)"
)
#: What stands before eight digits that are a date.
_PREFIX = (
    r"(?:img|image|vid|video|pxl|mvimg|pano|panorama|burst|photo|pic|picture|foto|bild|wp|win|p_|dji|c360|stk|save|"
    r"screenshot|screen|signal|whatsapp image|camera|capture|snapchat|telegram|viber(?:[ _]image)?|"
    r"line(?:[ _](?:album|p|image))?|resized|collage)[ _\-]?"
)
_SEPARATED = re.compile(rf"(?<!\d){_YEAR}(?P<dash>[\-_.]){_MONTH}(?P=dash){_DAY}(?!\d){_TIME}?", re.I)
_DAY_FIRST = re.compile(rf"(?<=@){_DAY}-{_MONTH}-{_YEAR}{_TIME}?", re.I)  # Telegram's: photo_1@31-12-2020_12-00-00
_PACKED = re.compile(rf"(?<!\d){_PACKED_DAY}{_TIME}", re.I)
_NUMBERED = r"(?!_[0-9a-f]{10}(?:_|$)|(?:_\d+)+_[a-z]$)"  # the numbers of Flickr and Facebook
_ONLY_DAY = re.compile(rf"(?:{_PREFIX})?{_PACKED_DAY}(?!\d){_NUMBERED}", re.I)
_UNIX_MS = re.compile(
    r"(?:mmexport|wx_camera_|micromsg\.|fb_img_|img_|image_|photo_|pic_|lineimage_|snapchat-|screenshot_|save_)?"
    r"(?P<ms>1\d{12})(?:[ _(~\-].*)?",
    re.I,
)
_SCAN = re.compile(r"scan(?:ned|s)?(?![a-z])", re.I)
_NAMED_BY_UTC = re.compile(r"pxl_", re.I)  # Google's camera


def date_in_name(name: str) -> Taken | None:
    """The date in a file's name; None where there is none, and for a scan, whose name tells when it was scanned."""
    stem = name.rpartition(".")[0].replace("\u202f", " ").strip()
    if _SCAN.match(stem):
        return None
    if match := _UNIX_MS.fullmatch(stem):
        return Taken(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(match["ms"])))
    dates = (_taken(match) for form in (_PACKED, _SEPARATED, _DAY_FIRST) for match in form.finditer(stem))
    if (found := next(filter(None, dates), None)) is not None:
        in_utc = _NAMED_BY_UTC.match(stem) and found.precision is DatePrecision.TIME
        return Taken(found.at.replace(tzinfo=UTC)) if in_utc else found
    match = _ONLY_DAY.match(stem)
    return _day(match) if match else None


def _day(match: re.Match[str]) -> Taken | None:
    try:
        day = datetime(int(match["year"]), int(match["month"]), int(match["day"]))
    except ValueError:
        return None
    return Taken(day, DatePrecision.DAY)


def _taken(match: re.Match[str]) -> Taken | None:
    """The moment; of one whose time there is not, the day, unless the digits of both stand together."""
    day = _day(match)
    if day is None or match["hour"] is None:
        return day
    minute, second = (
        (match["packed"][:2], match["packed"][2:]) if match["packed"] else (match["minute"], match["second"])
    )
    hour = of_24_hours(int(match["hour"]), (match["half"] or "").lower().replace(".", ""))
    if hour > 23:
        return day if match.re is _SEPARATED else None
    part = int(match["part"] or 0) * 1000
    return Taken(day.at.replace(hour=hour, minute=int(minute), second=int(second or 0), microsecond=part))
