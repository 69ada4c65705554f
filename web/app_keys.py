"""What handlers find in the application: its keys, and the catalogue and thumbnails as Protocols."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

from aiohttp import web

from indexer.catalogue import Catalogue, Counts
from indexer.errors import SearchError
from indexer.message import Message
from indexer.model import ThumbnailSize
from indexer.progress import Progress
from indexer.search import SearchBackend
from indexer.settings import Settings

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Thumbnails(Protocol):
    """What the page asks of the thumbnail store. Methods block."""

    def get(self, key: str, size: ThumbnailSize, /) -> bytes | None:
        """A picture as it is stored; None where there is no thumbnail (yet)."""


SETTINGS = web.AppKey("SETTINGS", Settings)
LIBRARY = web.AppKey("LIBRARY", Catalogue)
THUMBNAILS = web.AppKey("THUMBNAILS", Thumbnails)
SEARCH = web.AppKey("SEARCH", SearchBackend)
PROGRESS: web.AppKey[Callable[[], Progress]] = web.AppKey("PROGRESS")
#: Says that there is new work in the queue; does nothing where another process, or none, is indexing.
WAKE: web.AppKey[Callable[[], None]] = web.AppKey("WAKE")
#: Has the libraries scanned now; does nothing where another process, or none, is indexing.
SCAN_NOW: web.AppKey[Callable[[], None]] = web.AppKey("SCAN_NOW")
THREADS = web.AppKey("THREADS", ThreadPoolExecutor)
#: For search: a search server that does not answer must not delay pictures.
SEARCH_THREADS = web.AppKey("SEARCH_THREADS", Executor)
#: For reading original files, by library: a disk that does not answer delays no other library.
DISK_THREADS: web.AppKey[dict[Path, ThreadPoolExecutor]] = web.AppKey("DISK_THREADS")
_THREADS_A_DISK = 2
#: How many connections are open from each address.
CONNECTIONS: web.AppKey[Counter[str]] = web.AppKey("CONNECTIONS")


class RecentCounts:
    """The catalogue in numbers, counted once in `AGE_S` at most: counting reads every row, and every letter typed asks.
    For a large catalogue it is done less often, so that it takes a twentieth of the time at most."""

    AGE_S = 2.0
    REST = 20

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._latest: Counts | None = None
        self._due_s = 0.0  # by the monotonic clock

    async def get(self, request: web.Request) -> Counts:
        """Raises `StorageError`."""
        async with self._lock:
            if self._latest is None or time.monotonic() > self._due_s:
                began = time.monotonic()
                self._latest = await in_database_thread(request, request.config_dict[LIBRARY].counts)
                ended = time.monotonic()
                self._due_s = ended + max(self.AGE_S, self.REST * (ended - began))
            return self._latest

    def invalidate(self) -> None:
        """Has the next call count anew."""
        self._latest = None


COUNTS = web.AppKey("COUNTS", RecentCounts)


class PeopleSwitch:
    """Whether faces are looked for. `latest` is what was read last, which the header of every page shows."""

    def __init__(self, setting: bool) -> None:
        self._setting = setting
        self.latest = setting

    async def get(self, request: web.Request) -> bool:
        """Reads it from the catalogue, as the command line may have switched it. Raises `StorageError`."""
        self.latest = await in_database_thread(request, request.config_dict[LIBRARY].people.is_on, self._setting)
        return self.latest


PEOPLE_SWITCH = web.AppKey("PEOPLE_SWITCH", PeopleSwitch)


class RecentSearchCount:
    """How many photos search holds. While a search server does not answer, its last count is given without waiting."""

    WAIT_S = 0.3

    def __init__(self) -> None:
        self._counting: asyncio.Task[int] | None = None
        self._latest: int | SearchError = SearchError(Message("it has not answered yet"))

    async def get(self, request: web.Request) -> int:
        """Raises `SearchError`."""
        if self._counting is None or self._counting.done():
            self._counting = asyncio.create_task(in_search_thread(request, request.config_dict[SEARCH].count))
            self._counting.add_done_callback(self._note)
        await asyncio.wait([self._counting], timeout=self.WAIT_S)
        if isinstance(self._latest, SearchError):
            raise SearchError(self._latest.message, hint=self._latest.hint_message)
        return self._latest

    def _note(self, counting: asyncio.Task[int]) -> None:
        if counting.cancelled():
            return
        error = counting.exception()
        if error is None:
            self._latest = counting.result()
        elif isinstance(error, SearchError):
            self._latest = error
        else:
            self._latest = SearchError(Message("%(error)s", error=repr(error)))


SEARCH_COUNT = web.AppKey("SEARCH_COUNT", RecentSearchCount)


async def in_database_thread(
    request: web.Request, function: Callable[_Arguments, _Result], *args: _Arguments.args, **kwargs: _Arguments.kwargs
) -> _Result:
    """Runs what reads databases on the application's own few threads.

    For files of the library, whose disks may have to spin up, see `in_disk_thread`; for search `in_search_thread`.
    """
    context = copy_context()  # the language among it
    return await asyncio.get_running_loop().run_in_executor(
        request.config_dict[THREADS], lambda: context.run(function, *args, **kwargs)
    )


async def in_disk_thread(request: web.Request, root: Path, function: Callable[[], _Result]) -> _Result:
    """Runs what reads files of the library `root`, on a few threads of that library's own."""
    pools = request.config_dict[DISK_THREADS]
    if root not in pools:
        pools[root] = ThreadPoolExecutor(_THREADS_A_DISK, thread_name_prefix="originals")
    return await asyncio.get_running_loop().run_in_executor(pools[root], function)


async def in_search_thread(request: web.Request, function: Callable[[], _Result]) -> _Result:
    """Runs what asks the search backend, on threads of its own, in the language of the request.

    A request that is cancelled before its turn costs nothing.
    """
    context = copy_context()
    return await asyncio.get_running_loop().run_in_executor(
        request.config_dict[SEARCH_THREADS], lambda: context.run(function)
    )


class ClientGone(Exception):
    """The client of a request has disconnected."""


async def search_while_connected(request: web.Request, function: Callable[[Callable[[], None]], _Result]) -> _Result:
    """As `in_search_thread`; between its steps `function` calls what it is given, which raises `ClientGone` once the
    request was cancelled."""
    cancelled = threading.Event()

    def raise_if_cancelled() -> None:
        if cancelled.is_set():
            raise ClientGone

    try:
        return await in_search_thread(request, lambda: function(raise_if_cancelled))
    finally:
        cancelled.set()
