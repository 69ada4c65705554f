"""Threads that take what was asked last first.

A client that types on drops its earlier request, so under load the newest request is the one that still has a client:
in the order of arrival all would wait behind requests that are about to be dropped. ("Adaptive LIFO": Ben Maurer, "Fail
at Scale", ACM Queue 13, 2015.) The request of a client that has stopped typing must not starve: after `OVERDUE_S` it
comes first.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

#: After a quarter of a second most requests have been dropped for the next letter's; one that is left is the client's
#: last.
OVERDUE_S = 0.25

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    function: Callable[[], Any]
    future: Future[Any] = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self.function()
        except BaseException as error:  # raised where it is awaited, as of every executor
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class NewestFirstExecutor(Executor):
    """A few threads. What is cancelled before its turn is not run."""

    def __init__(self, threads: int, *, thread_name_prefix: str) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=thread_name_prefix)
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()

    def submit(
        self, fn: Callable[_Arguments, _Result], /, *args: _Arguments.args, **kwargs: _Arguments.kwargs
    ) -> Future[_Result]:
        """Raises `RuntimeError` after `shutdown`."""
        waiting = _Waiting(lambda: fn(*args, **kwargs))
        with self._lock:  # as many turns as there are functions that wait
            self._threads.submit(self._run_next)
            self._waiting.append(waiting)
        return waiting.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """What waits is still run, unless `cancel_futures`."""
        if cancel_futures:
            with self._lock:
                left = list(self._waiting)
            for one in left:
                one.future.cancel()
        self._threads.shutdown(wait)

    def _run_next(self) -> None:
        with self._lock:
            is_overdue = time.monotonic() - self._waiting[0].since >= OVERDUE_S
            waiting = self._waiting.popleft() if is_overdue else self._waiting.pop()
        waiting.run()
