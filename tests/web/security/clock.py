"""A clock that a test moves on."""

from __future__ import annotations


class Clock:
    """Seconds since 1970: `now`, which a test changes."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now
