"""What is read as a time, measured on a list of queries (`data/time_queries.tsv`)."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.search.feasts import feast_days
from indexer.search.time_condition import time_condition
from indexer.search.time_words import TimeReader, read_time

_LIST = Path(__file__).with_name("data") / "time_queries.tsv"
_TODAY = date(2024, 8, 14)
_BIRTHDAYS = {"Anna": date(2015, 6, 3)}


def _queries() -> list[tuple[str, str, str]]:
    lines = [line for line in _LIST.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return [(locale, query, readings) for locale, query, readings in (line.split("\t") for line in lines)]


def _read(locale: str, query: str) -> str:
    readings = read_time(query, today=_TODAY, locale=locale, birthdays=_BIRTHDAYS)
    return " ; ".join(f"{one.words} = {one.value}{'' if one.applied else ' ?'}" for one in readings) or "-"


@pytest.mark.parametrize(("locale", "query", "expected"), _queries())
def test_a_query_is_read_as_it_is_meant(locale: str, query: str, expected: str) -> None:
    assert _read(locale, query) == expected
    for one in read_time(query, today=_TODAY, locale=locale, birthdays=_BIRTHDAYS):
        time_condition(one.value)


def test_plain_words_have_no_reading_and_what_is_read_is_right() -> None:
    """Precision and recall over the list; `pytest -s` prints them."""
    read = {row: _read(row[0], row[1]) for row in _queries()}
    plain = [row for row in read if row[2] == "-"]
    timed = [row for row in read if row[2] != "-"]
    assert len(read) >= 300
    assert len(plain) >= 100
    found = [row for row in read if read[row] != "-"]
    right = [row for row in timed if read[row] == row[2]]
    precision, recall = len(right) / len(found), len(right) / len(timed)
    print(f"{len(timed)} with a time, {len(plain)} plain: precision {precision:.3f}, recall {recall:.3f}")
    assert not [row for row in plain if read[row] != "-"]
    assert precision >= 0.98
    assert recall >= 0.98


_SOME_WORDS = sorted(
    {word for _, query, _ in _queries() for word in query.split()} | {"31.2.2020", "٢٠١٨", "0", "99.99.9999", "\u2019s"}
)


@given(st.lists(st.sampled_from(_SOME_WORDS) | st.text(max_size=8), max_size=12).map(" ".join), st.dates())
def test_whatever_is_typed_is_read_in_order_and_as_a_condition(text: str, today: date) -> None:
    today = max(today, date(1990, 1, 1)).replace(year=min(max(today.year, 1990), 2100), day=1)
    end = 0
    for reading in read_time(text, today=today, locale="en-US", birthdays=_BIRTHDAYS):
        assert end <= reading.start < reading.end <= len(text)
        assert text[reading.start : reading.end] == reading.words
        assert reading.phrases
        end = reading.end
        condition = time_condition(reading.value)
        assert condition.north or condition.weekdays or condition.hours
        condition.days([2019, 2020], south=True)


def test_a_time_takes_its_filter_whatever_else_its_word_is() -> None:
    reader = TimeReader()
    assert reader.value("may", _TODAY) == "--05"
    assert reader.value("sunday morning", _TODAY) == "sun+05:00..12:00"
    assert reader.value("sunday dress", _TODAY) is None
    assert reader.value("the day we moved", _TODAY) is None
    assert reader.value('"may"', _TODAY) is None


def test_times_that_can_not_all_be_meant_are_only_offered() -> None:
    readings = read_time("july at the lake december 2019", today=_TODAY)
    assert [(one.words, one.applied) for one in readings] == [("july", False), ("december 2019", False)]


@pytest.mark.parametrize(
    ("name", "year", "first", "last"),
    [
        # https://en.wikipedia.org/wiki/List_of_dates_for_Easter
        ("eastersunday", 1818, date(1818, 3, 22), date(1818, 3, 22)),
        ("eastersunday", 1943, date(1943, 4, 25), date(1943, 4, 25)),
        ("eastersunday", 2000, date(2000, 4, 23), date(2000, 4, 23)),
        ("eastersunday", 2049, date(2049, 4, 18), date(2049, 4, 18)),
        ("ascension", 2021, date(2021, 5, 13), date(2021, 5, 13)),
        ("pentecost", 2021, date(2021, 5, 23), date(2021, 5, 24)),
        ("thanksgiving", 2021, date(2021, 11, 25), date(2021, 11, 25)),
        ("mothersday", 2021, date(2021, 5, 9), date(2021, 5, 9)),
        ("motheringsunday", 2021, date(2021, 3, 14), date(2021, 3, 14)),
        ("advent", 2023, date(2023, 12, 3), date(2023, 12, 24)),
        ("laborday", 2021, date(2021, 9, 6), date(2021, 9, 6)),
    ],
)
def test_feasts_move(name: str, year: int, first: date, last: date) -> None:
    assert feast_days(name, year) == (first, last)


@pytest.mark.parametrize("wrong", ["", "..", "2019-13", "--02-30", "25:00..26:00", "someday", "2019-02-30", "--"])
def test_what_is_no_condition_is_said_to_be_none(wrong: str) -> None:
    with pytest.raises(ValueError):
        time_condition(wrong)


@pytest.mark.parametrize(
    ("today", "query", "value"),
    [
        (date(2015, 2, 5), "last winter", "2013-12..2014-02|2014-06..2014-08"),
        (date(2015, 2, 5), "this winter", "2014-12..2015-02|2014-06..2014-08"),
        (date(2015, 1, 1), "last christmas", "2014-12-24..2014-12-26"),
        (date(2015, 12, 25), "last christmas", "2014-12-24..2014-12-26"),
        (date(2015, 12, 25), "this christmas", "2015-12-24..2015-12-26"),
        (date(2024, 3, 31), "last month", "2024-02"),
        (date(2024, 3, 31), "last 1 month", "2024-02-29..2024-03-31"),
        (date(2024, 8, 12), "last weekend", "2024-08-10..2024-08-11"),  # a Monday
        (date(2024, 8, 11), "last weekend", "2024-08-03..2024-08-04"),  # a Sunday, in the weekend that still is
        (date(2024, 8, 11), "this weekend", "2024-08-10..2024-08-11"),
    ],
)
def test_what_was_last_is_over_whatever_the_day(today: date, query: str, value: str) -> None:
    assert [one.value for one in read_time(query, today=today)] == [value]
