"""Hours of the day at which something may happen, such as 22-6: from 22:00 to 6:00 the next morning."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

_DAY = 24
_RANGE = re.compile(r"([0-9]{1,2})-([0-9]{1,2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class DailyHours:
    """From the hour `begin` (0..23) to the hour `end` (0..24), which may be of the next day. Local time."""

    begin: int
    end: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads ``22-6``. Raises `ValueError` for anything that is no such range; ``6-6`` would be all or nothing."""
        match = _RANGE.fullmatch(text)
        if match is None:
            raise ValueError(f"no range of hours: {text!r}")
        begin, end = int(match[1]), int(match[2])
        if begin >= _DAY or end > _DAY or begin == end:
            raise ValueError(f"no range of hours: {text!r}")
        return cls(begin, end)

    @property
    def is_whole_day(self) -> bool:
        """Whether no moment lies outside."""
        return self.begin == self.end % _DAY

    def contains(self, moment: datetime) -> bool:
        """Whether a local time lies within; the end does not."""
        if self.begin < self.end:
            return self.begin <= moment.hour < self.end
        return moment.hour >= self.begin or moment.hour < self.end

    def seconds_to_begin(self, moment: datetime) -> float:
        """Seconds from a local time to the next beginning; more than 0, and wrong by an hour across a change to or from
        daylight saving time."""
        begin = moment.replace(hour=self.begin, minute=0, second=0, microsecond=0)
        if begin <= moment:
            begin += timedelta(days=1)
        return (begin - moment).total_seconds()

    def __str__(self) -> str:
        return "at any hour" if self.is_whole_day else f"between {self.begin}:00 and {self.end % _DAY}:00"
