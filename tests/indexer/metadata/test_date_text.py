"""Dates as they are written: of a bad one the good part counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.metadata.date_text import Taken, read_date
from indexer.model import iso_date


def told(taken: Taken | None) -> str | None:
    """ISO 8601, as far as the date is known."""
    return None if taken is None else iso_date(taken.at, taken.precision)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2024:05:01 12:30:15", datetime(2024, 5, 1, 12, 30, 15)),
        ("2024-05-01T12:30:15.5Z", datetime(2024, 5, 1, 12, 30, 15, 500_000, UTC)),
        ("2024-05-01T12:30+05:30", datetime(2024, 5, 1, 12, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))),
        ("2024-05-01 12:30:15 -0800", datetime(2024, 5, 1, 12, 30, 15, tzinfo=timezone(timedelta(hours=-8)))),
        ("2024-05-01T12:30:15GMT+2", datetime(2024, 5, 1, 12, 30, 15, tzinfo=timezone(timedelta(hours=2)))),
        ("2024:05:01 12:30:15\0", datetime(2024, 5, 1, 12, 30, 15)),
        ("2024:05:01 12:30:15\0rest", datetime(2024, 5, 1, 12, 30, 15)),
        ("Wed, 01 May 2024 12:30:15 +0200", datetime(2024, 5, 1, 12, 30, 15, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_whole_moments(written: str, moment: datetime) -> None:
    found = read_date(written)
    assert found == Taken(moment)
    assert found.at.utcoffset() == moment.utcoffset()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2015:08:22 24:08:19", "2015-08-22T00:08:19"),
        ("2015-08-22 24:08:19", "2015-08-22T00:08:19"),
        ("2014:12:01 12:30:60", "2014-12-01T12:30:59"),
        ("2014:12:01 12:30:72", "2014-12-01T12:30:00"),
        ("2014:12:01 25:00:00", "2014-12-01"),
        ("2014:12:01 12:61:00", "2014-12-01"),
        ("2014:12:01 03:45:12 PM", "2014-12-01T15:45:12"),
        ("2014:12:01 3:45:12 p.m.", "2014-12-01T15:45:12"),
        ("2014:12:01 03:45:12PM", "2014-12-01T15:45:12"),
        ("2014:12:01 12:05:12 AM", "2014-12-01T00:05:12"),
        ("2014:12:01 12:05:12 pm", "2014-12-01T12:05:12"),
        ("2014:12:01 14:45:12 PM", "2014-12-01T14:45:12"),
        ("2014:12:01 下午 03:45:12", "2014-12-01T15:45:12"),
        ("2014:12:01 오전 03:45:12", "2014-12-01T03:45:12"),
        ("12/01/2014", "2014-12-01"),
        ("12/01/2014 03:45:12 PM", "2014-12-01T15:45:12"),
        ("12/1/2014 3:45 PM", "2014-12-01T15:45:00"),
        ("10/26/12", "2012-10-26"),
        ("6/4/99 3:45 PM", "1999-06-04T15:45:00"),
        ("13/01/2014 15:45", "2014-01-13T15:45:00"),
        ("01.12.2014 15:45:12", "2014-12-01T15:45:12"),
        ("01-12-2014", "2014-12-01"),
        ("2014/12/01 15.45.12", "2014-12-01T15:45:12"),
        ("2014-12-01-15-45-12", "2014-12-01T15:45:12"),
        ("2014:12:01:15:45:12", "2014-12-01T15:45:12"),
        ("2014:12:01T15:45:12", "2014-12-01T15:45:12"),
        ("2014-1-5 9:03:07", "2014-01-05T09:03:07"),
        ("2014: 5: 1  9: 3: 7", "2014-05-01T09:03:07"),
        ("2014年12月01日 15:45:12", "2014-12-01T15:45:12"),
        ("2014:12:01 15:45:12 DST", "2014-12-01T15:45:12"),
        ('"2014:12:01 15:45:12"', "2014-12-01T15:45:12"),
        ("2019:02:30 12:30:00", "2019-02"),
        ("2023:02:29", "2023-02"),
        ("2024:02:29 10:00:00", "2024-02-29T10:00:00"),
        ("2014:04:31 10:00:00", "2014-04"),
        ("2014:12:32 10:00:00", "2014-12"),
        ("1950:00:00 00:00:00", "1950"),
        ("1950:  :     :  :  ", "1950"),
        ("1950", "1950"),
        ("1950-00-00T00:00:00", "1950"),
        ("2014:13:01 00:00:00", "2014"),
        ("1962:07:00 00:00:00", "1962-07"),
        ("1962:07:  ", "1962-07"),
        ("1968-07", "1968-07"),
        ("1954-06-07", "1954-06-07"),
        ("2014:12:01   :  :  ", "2014-12-01"),
        ("2014:12:01 12:30:4", "2014-12-01T12:30:00"),
        ("2014:12:01 12:30:", "2014-12-01T12:30:00"),
        ("2014:12:01 12:30", "2014-12-01T12:30:00"),
        ("2014:12:01 12:3", "2014-12-01"),
        ("2014:12:01 12", "2014-12-01"),
        ("2014:12:01 ", "2014-12-01"),
        ("2014:12:0", "2014-12"),
        ("2014:12:", "2014-12"),
        ("2014:1", "2014"),
        ("2014:1:5", "2014-01-05"),
        ("2014-1", "2014-01"),
        ("2014/12/5", "2014-12-05"),
        ("Mon Dec 01 15:45:12 GMT+02:00 2014", "2014-12-01T15:45:12+02:00"),
        ("20141201", "2014-12-01"),
        ("20141201T154512Z", "2014-12-01T15:45:12+00:00"),
        ("20141201154512", "2014-12-01T15:45:12"),
        ("19500000", "1950"),
        ("19500600", "1950-06"),
        ("Mon, 01 Dec 2014 15:45:12 GMT", "2014-12-01T15:45:12+00:00"),
        ("Mon Dec  1 15:45:12 2014", "2014-12-01T15:45:12"),
        ("Mon Dec 1 15:45:12 CET 2014", "2014-12-01T15:45:12"),
        ("1 December 2014", "2014-12-01"),
        ("Dec 1, 2014 3:45:12 PM", "2014-12-01T15:45:12"),
    ],
)
def test_the_good_part_of_a_date_counts(written: str, expected: str) -> None:
    assert told(read_date(written)) == expected


@pytest.mark.parametrize(
    "written",
    [
        "",
        "0000:00:00 00:00:00",
        "    :  :     :  :  ",
        "yesterday",
        "٢٠٢٤",
        "12345",
        "DD/MM/YYYY",
        "no 2014",
        "9999",
        "14/12/01",
    ],
)
def test_what_is_no_date_is_none(written: str) -> None:
    assert read_date(written) is None


def test_fraction_and_offset_may_stand_elsewhere() -> None:
    found = read_date("2014:12:01 15:45:12", fraction="25 ", offset="+02:00")
    assert told(found) == "2014-12-01T15:45:12.250000+02:00"
    assert told(read_date("2014:12:01 15:45:12Z", offset="+02:00")) == "2014-12-01T15:45:12+00:00"
    assert told(read_date("2014:12:01 15:45:12", offset="+99:00")) == "2014-12-01T15:45:12"
    assert told(read_date("1950:00:00 00:00:00", fraction="25", offset="+02:00")) == "1950"


@given(st.text(max_size=80))
def test_no_text_does_harm(written: str) -> None:
    found = read_date(written, fraction=written, offset=written)
    assert found is None or 1 <= found.at.year <= 9998


@given(st.datetimes(datetime(1000, 1, 1), datetime(9998, 1, 1)))
def test_every_moment_is_read_as_exif_and_xmp_write_it(moment: datetime) -> None:
    assert read_date(f"{moment:%Y:%m:%d %H:%M:%S}".zfill(19)) == Taken(moment.replace(microsecond=0))
    assert read_date(moment.isoformat()) == Taken(moment)
