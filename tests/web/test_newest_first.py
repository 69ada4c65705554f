"""Threads that take what was asked last first, and nobody who has waited for long last."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest

from web import newest_first
from web.newest_first import NewestFirstExecutor


class Busy:
    """An executor whose one thread is kept busy until `free`."""

    def __init__(self) -> None:
        self.executor = NewestFirstExecutor(1, thread_name_prefix="test")
        self.done: list[str] = []
        self._gate, begun = threading.Event(), threading.Event()

        def keep_busy() -> None:
            begun.set()
            assert self._gate.wait(30)

        self.executor.submit(keep_busy)
        assert begun.wait(30)

    def free(self) -> list[str]:
        """What was done, in order."""
        self._gate.set()
        self.executor.shutdown()
        return self.done


@pytest.fixture
def busy() -> Iterator[Busy]:
    busy = Busy()
    yield busy
    busy.free()


def test_the_newest_comes_first(busy: Busy) -> None:
    for name in "abc":
        busy.executor.submit(busy.done.append, name)
    assert busy.free() == ["c", "b", "a"]


def test_who_has_waited_for_long_comes_before_the_newest(busy: Busy) -> None:
    for name in "ab":
        busy.executor.submit(busy.done.append, name)
    time.sleep(newest_first.OVERDUE_S + 0.05)
    for name in "cd":
        busy.executor.submit(busy.done.append, name)
    assert busy.free() == ["a", "b", "d", "c"]


def test_what_is_cancelled_before_its_turn_is_not_run(busy: Busy) -> None:
    futures = [busy.executor.submit(busy.done.append, name) for name in "abc"]
    assert futures[1].cancel()
    assert busy.free() == ["c", "a"]
    with pytest.raises(CancelledError):
        futures[1].result()


def test_an_error_is_raised_where_the_result_is_awaited_and_the_thread_goes_on(busy: Busy) -> None:
    failing = busy.executor.submit(int, "no number")
    right = busy.executor.submit(int, "7")
    busy.free()
    with pytest.raises(ValueError, match="no number"):
        failing.result()
    assert right.result() == 7


def test_nothing_is_taken_after_the_end_and_what_waits_may_be_cancelled(busy: Busy) -> None:
    left = busy.executor.submit(busy.done.append, "left")
    busy.executor.shutdown(wait=False, cancel_futures=True)
    with pytest.raises(RuntimeError):
        busy.executor.submit(busy.done.append, "late")
    assert busy.free() == []
    assert left.cancelled()
