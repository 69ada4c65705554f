"""Hours of the day, over midnight too."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from indexer.hours import DailyHours

MIDNIGHT = datetime(2024, 3, 9)


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("22-6", {22, 23, 0, 1, 2, 3, 4, 5}),
        ("1-5", {1, 2, 3, 4}),
        ("0-24", set(range(24))),
        ("20-24", {20, 21, 22, 23}),
        ("20-0", {20, 21, 22, 23}),
        ("00-06", set(range(6))),
    ],
)
def test_the_end_of_the_hours_is_outside(text: str, inside: set[int]) -> None:
    hours = DailyHours.parse(text)
    for hour in range(24):
        for minute in (0, 59):
            moment = MIDNIGHT + timedelta(hours=hour, minutes=minute)
            assert hours.contains(moment) == (hour in inside), moment


@pytest.mark.parametrize(
    "text", ["", "22", "22-", "-6", "6-6", "24-6", "22-25", "22:30-6", "22 - 6", "10pm-6am", "22-6\n", "٢-٣", "0-0"]
)
def test_what_is_no_range_of_hours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no range of hours"):
        DailyHours.parse(text)


def test_the_next_beginning_lies_ahead() -> None:
    hours = DailyHours.parse("22-6")
    assert hours.seconds_to_begin(MIDNIGHT + timedelta(hours=21, minutes=59)) == 60
    assert hours.seconds_to_begin(MIDNIGHT + timedelta(hours=22)) == 24 * 3600
    assert hours.seconds_to_begin(MIDNIGHT) == 22 * 3600


def test_hours_are_told_as_a_clock_shows_them() -> None:
    assert str(DailyHours.parse("22-6")) == "between 22:00 and 6:00"
    assert str(DailyHours.parse("18-24")) == "between 18:00 and 0:00"
    assert str(DailyHours.parse("0-24")) == "at any hour"
