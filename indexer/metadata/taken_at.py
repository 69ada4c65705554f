"""When a photo was taken: the dates that a file and what lies beside it give, in the order of trust, each checked for
sense.

1. The date of taking in a sidecar, which a person edited last: exif:DateTimeOriginal, photoshop:DateCreated. Where it
   is EXIF's with less of it, EXIF's, which has the offset.
2. Google Photos' (a Takeout `.json`) where it is another day than EXIF's: then somebody has set it there. On the same
   day EXIF's comes first, which knows the time of the place where Google has UTC.
3. The date of taking in the file: EXIF DateTimeOriginal, XMP, IPTC 2:55.
4. Google Photos' date.
5. The date of digitising, which of a scan is the scanner's: the sidecar's, EXIF DateTimeDigitized, XMP's, IPTC
   2:62, PNG's creation time, that of HEIF and QuickTime.
6. GPS time.
7. The date of the last change: EXIF DateTime, PNG tIME.
8. The file's name (`date_in_name`). Every copy of a photo is read under its own name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from indexer.formats.exif import GPSIFD, ExifIFD, ExifValues, ImageIFD, number, text
from indexer.formats.iptc import DATE, DIGITISED_DATE, DIGITISED_TIME, TIME, IptcTexts
from indexer.formats.xmp import Xmp
from indexer.metadata.dates import PhotoDate, date_in_name, read_date
from indexer.model import DatePrecision, iso_date

# 1826: the oldest surviving photograph; scans of old prints carry the date of the picture.
_FIRST_YEAR = 1826
_FIRST_GPS_YEAR = 1990  # a receiver that has no time yet says 1980
_SLACK = timedelta(days=2)  # clocks of cameras run ahead, and time zones are many
_TIME_ZONES = timedelta(hours=26)  # the most by which a local time and UTC can differ
#: What devices write whose clock was never set: the zero of Unix, of classic Mac OS and of FAT.
_NEVER_SET = frozenset({datetime(1970, 1, 1), datetime(1904, 1, 1), datetime(1980, 1, 1)})


@dataclass(frozen=True, slots=True)
class ContainerDates:
    """Dates that image containers keep without EXIF, XMP and IPTC: of creation, the most trustworthy first, and of the
    last change."""

    created: tuple[PhotoDate | None, ...] = ()
    changed: PhotoDate | None = None


def taken_at(
    exif: ExifValues,
    iptc: IptcTexts,
    inside: Xmp | None,
    beside: Sequence[Xmp] = (),
    *,
    container: ContainerDates | None = None,
    takeout: datetime | None = None,
    name: str = "",
) -> PhotoDate | None:
    """The first date that makes sense; None where there is none. `takeout` is aware; `name` is the file's."""
    now = datetime.now(UTC)
    dates = _candidates(exif, iptc, inside, beside, container or ContainerDates(), takeout, name)
    return next((taken for taken in dates if taken is not None and _is_plausible(taken, now)), None)


def _candidates(
    exif: ExifValues,
    iptc: IptcTexts,
    inside: Xmp | None,
    beside: Sequence[Xmp],
    container: ContainerDates,
    takeout: datetime | None,
    name: str,
) -> Iterator[PhotoDate | None]:
    packets = [inside] if inside is not None else []
    original = _exif_date(exif, ExifIFD.DateTimeOriginal, ExifIFD.SubSecTimeOriginal, ExifIFD.OffsetTimeOriginal)
    google = PhotoDate(takeout) if takeout is not None else None
    for sidecar_date in _read(date for xmp in beside for date in xmp.dates):
        yield original if original is not None and _is_less_precise(sidecar_date, original) else sidecar_date
    if original is not None and google is not None and _is_another_day(original, google):
        yield google
    yield original
    yield from _read(date for xmp in packets for date in xmp.dates)
    yield _iptc_date(iptc, DATE, TIME)
    yield google
    yield from _read(date for xmp in beside for date in xmp.digitised)
    yield _exif_date(exif, ExifIFD.DateTimeDigitized, ExifIFD.SubSecTimeDigitized, ExifIFD.OffsetTimeDigitized)
    yield from _read(date for xmp in packets for date in xmp.digitised)
    yield _iptc_date(iptc, DIGITISED_DATE, DIGITISED_TIME)
    yield from container.created
    yield _gps_date(exif)
    yield _exif_date(exif, ImageIFD.DateTime, ExifIFD.SubSecTime, ExifIFD.OffsetTime)
    yield container.changed
    named = date_in_name(name)
    yield None if named is None else replace(named, by_name=True)


def _read(dates: Iterable[str]) -> Iterator[PhotoDate | None]:
    return map(read_date, dates)


def _is_less_precise(sidecar_date: PhotoDate | None, original: PhotoDate) -> bool:
    """Whether a sidecar's date is EXIF's with less of it: without fraction and offset, or no more than the day."""
    if sidecar_date is None or sidecar_date.at.tzinfo is not None or original.precision is not DatePrecision.TIME:
        return False
    clock = original.at.replace(tzinfo=None)
    if sidecar_date.precision is DatePrecision.TIME:
        return (
            sidecar_date.at.replace(microsecond=0) == clock.replace(microsecond=0) and not sidecar_date.at.microsecond
        )
    return iso_date(sidecar_date.at, sidecar_date.precision) == iso_date(clock, sidecar_date.precision)


def _is_another_day(original: PhotoDate, google: PhotoDate) -> bool:
    """More than time zones explain. Google reads of EXIF only whole dates; one that was never set says nothing."""
    clock = original.at.replace(tzinfo=None)
    if original.precision is not DatePrecision.TIME or clock in _NEVER_SET:
        return False
    return abs(clock - google.at.astimezone(UTC).replace(tzinfo=None)) > _TIME_ZONES


def _exif_date(exif: ExifValues, tag: int, sub_second: int, offset: int) -> PhotoDate | None:
    # Some cameras write one offset only, that of DateTime.
    known_offset = text(exif.exif.get(offset)) or text(exif.exif.get(ExifIFD.OffsetTime))
    tags = exif.image if tag == ImageIFD.DateTime else exif.exif
    return read_date(text(tags.get(tag)), fraction=text(exif.exif.get(sub_second)) or "", offset=known_offset)


def _iptc_date(iptc: IptcTexts, *datasets: int) -> PhotoDate | None:
    """CCYYMMDD and HHMMSS±HHMM, by the numbers of both."""
    date, time = (next(iter(iptc.get(dataset, ())), "").strip() for dataset in datasets)
    return read_date(f"{date}T{time}" if re.match(r"\d{4}", time, re.ASCII) else date)


def _gps_date(exif: ExifValues) -> PhotoDate | None:
    date, time = (text(exif.gps.get(GPSIFD.GPSDateStamp)) or "").strip("\0 "), exif.gps.get(GPSIFD.GPSTimeStamp)
    parts = [number(part) for part in time] if isinstance(time, tuple) and len(time) == 3 else []
    if parts and all(part is not None and 0 <= part < 100 for part in parts):
        hours, minutes, seconds = (int(part or 0) for part in parts)
        date = f"{date} {hours:02}:{minutes:02}:{seconds:02}"
    found = read_date(date, offset="Z")
    return found if found is not None and found.at.year >= _FIRST_GPS_YEAR else None


def _is_plausible(taken: PhotoDate, now: datetime) -> bool:
    moment = taken.at
    if taken.precision is DatePrecision.TIME and moment.replace(tzinfo=None) in _NEVER_SET:
        return False
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.year >= _FIRST_YEAR and aware <= now + _SLACK
