"""When a photo was taken: the candidates that files offer, in the order of trust, each checked for sense.

A moment is aware where the file knows its offset from UTC, else naive local time, as cameras write it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

from indexer.reading.exif import GPSIFD, ExifIFD, ExifValues, ImageIFD, number, text

# 1826: the oldest surviving photograph; scans of old prints carry the date of the picture.
_FIRST_YEAR = 1826
_SLACK = timedelta(days=2)  # clocks of cameras run ahead, and time zones are many
#: What devices write whose clock was never set: the zero of Unix, of classic Mac OS and of FAT.
_NEVER_SET = frozenset({datetime(1970, 1, 1), datetime(1904, 1, 1), datetime(1980, 1, 1)})

_MOMENT = re.compile(
    r"\s*(\d{4})(?:[:/.-](\d{1,2})(?:[:/.-](\d{1,2})"
    r"(?:[T ]\s*(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?)?)?"
    r"\s*(Z|[+-]\d{2}:?\d{2}|GMT[+-]\d{1,2}(?::\d{2})?)?\s*",
    re.ASCII,
)
_OFFSET = re.compile(r"\s*(?:GMT)?([+-])(\d{1,2}):?(\d{2})?\s*", re.ASCII)  # Apple writes GMT+2


def taken_at(exif: ExifValues, xmp_dates: tuple[str, ...], iptc_date: str | None) -> datetime | None:
    """EXIF's original and digitised times, then XMP's and IPTC's dates, GPS time, and the time of last change."""
    now = datetime.now(UTC)
    for moment in _candidates(exif, xmp_dates, iptc_date):
        if moment is not None and _makes_sense(moment, now):
            return moment
    return None


def _candidates(exif: ExifValues, xmp_dates: tuple[str, ...], iptc_date: str | None) -> Iterator[datetime | None]:
    yield _exif_moment(exif, ExifIFD.DateTimeOriginal, ExifIFD.SubSecTimeOriginal, ExifIFD.OffsetTimeOriginal)
    yield _exif_moment(exif, ExifIFD.DateTimeDigitized, ExifIFD.SubSecTimeDigitized, ExifIFD.OffsetTimeDigitized)
    for date in (*xmp_dates, iptc_date):
        yield parse_moment(date)
    yield _gps_moment(exif)
    changed = text(exif.image.get(ImageIFD.DateTime))
    yield parse_moment(changed, offset=text(exif.exif.get(ExifIFD.OffsetTime)))


def _exif_moment(exif: ExifValues, tag: int, sub_second: int, offset: int) -> datetime | None:
    # Some cameras write one offset only, that of DateTime.
    known_offset = text(exif.exif.get(offset)) or text(exif.exif.get(ExifIFD.OffsetTime))
    return parse_moment(text(exif.exif.get(tag)), fraction=text(exif.exif.get(sub_second)) or "", offset=known_offset)


def _gps_moment(exif: ExifValues) -> datetime | None:
    date, time = text(exif.gps.get(GPSIFD.GPSDateStamp)), exif.gps.get(GPSIFD.GPSTimeStamp)
    parts = [number(part) for part in time] if isinstance(time, tuple) and len(time) == 3 else []
    if not date or not parts or any(part is None for part in parts):
        return None
    hours, minutes, seconds = (int(part or 0) for part in parts)
    return parse_moment(f"{date.strip()} {hours:02}:{minutes:02}:{seconds:02}", offset="Z")


def parse_moment(written: str | None, *, fraction: str = "", offset: str | None = None) -> datetime | None:
    """EXIF's `2024:05:01 12:30:00` or ISO 8601 as XMP has it, which may stop at the year; None for anything else."""
    match = _MOMENT.fullmatch((written or "").strip("\0 ")[:64])
    if not match:
        return None
    year, month, day, hour, minute, second, part, own_offset = match.groups()
    digits = re.match(r"\s*(\d{1,9})", part or fraction or "", re.ASCII)
    microsecond = int((digits[1] + "000000")[:6]) if digits else 0
    try:
        moment = datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0), microsecond
        )
    except ValueError:
        return None
    return moment.replace(tzinfo=_zone(own_offset or offset))


def _zone(offset: str | None) -> timezone | None:
    offset = (offset or "").strip("\0 ")
    if offset == "Z":
        return UTC
    match = _OFFSET.fullmatch(offset)
    minutes = int(match[2]) * 60 + int(match[3] or 0) if match else 0
    if not match or minutes > 15 * 60:
        return None
    return timezone(timedelta(minutes=-minutes if match[1] == "-" else minutes))


def _makes_sense(moment: datetime, now: datetime) -> bool:
    if moment.replace(tzinfo=None) in _NEVER_SET:
        return False
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.year >= _FIRST_YEAR and aware <= now + _SLACK
