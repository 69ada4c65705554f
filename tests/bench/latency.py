"""How long calls take, and what a process takes to answer them."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

Times = tuple[float, float, float, float]  # ms: p50, p95, maximum, p95 of this process's processor time
Calls = Sequence[Callable[[], object]]


def timed(calls: Calls) -> Times:
    """Of each call once, one after the other; two calls at least."""
    return alternated([calls])[0]


def alternated(sides: Sequence[Calls]) -> list[Times]:
    """Of each side's calls, all sides' first, then all sides' second, and so on: what disturbs one disturbs all."""
    wall: list[list[float]] = [[] for _ in sides]
    processor: list[list[float]] = [[] for _ in sides]
    for calls in zip(*sides, strict=True):
        for side, call in enumerate(calls):
            start, start_processor = time.perf_counter(), time.process_time()
            call()
            wall[side].append(1000 * (time.perf_counter() - start))
            processor[side].append(1000 * (time.process_time() - start_processor))
    return [_times(*measured) for measured in zip(wall, processor, strict=True)]


def shown(name: str, times: Times) -> str:
    """As a line of a report."""
    p50, p95, most, processor = times
    return f"  {name:34} p50 {p50:6.2f}   p95 {p95:6.2f}   max {most:6.1f}   p95 of processor time {processor:6.2f} ms"


def resident_mb() -> float:
    """Of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def heap_mb() -> float:
    """Of this process's memory what is no file's, which the kernel could drop."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    (kilobytes,) = (int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))
    return kilobytes * 1024 / 1e6


def _times(wall: Sequence[float], processor: Sequence[float]) -> Times:
    p95, processor_p95 = (statistics.quantiles(times, n=20)[-1] for times in (wall, processor))
    return statistics.median(wall), p95, max(wall), processor_p95
