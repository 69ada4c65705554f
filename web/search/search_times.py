"""How long searches take, for the histogram of `/metrics`."""

from __future__ import annotations

import bisect
import time
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from indexer.errors import SearchError

#: Seconds. A frame or two is about 0.03; what takes more than 5 has been given up by whoever typed it.
BOUNDS_S = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class SearchTimes:
    """How long searches took, the wait for a thread included, and how many had no answer."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0
        self.failed = 0

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Counts what is done inside; not what was broken off, nor what made no sense."""
        started = time.perf_counter()
        try:
            yield
        except SearchError:
            self.failed += 1
            raise
        seconds = time.perf_counter() - started
        self.counts[bisect.bisect_left(BOUNDS_S, seconds)] += 1
        self.sum_s += seconds


SEARCH_TIMES = web.AppKey("SEARCH_TIMES", SearchTimes)
