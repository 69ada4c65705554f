"""What handlers find in the application: its keys, and the catalogue and thumbnails as Protocols."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

from aiohttp import web

from indexer.catalogue import Counts
from indexer.catalogue.corrections import WordsPending
from indexer.catalogue.job_queue import SetAside
from indexer.catalogue.outbox import Refused
from indexer.catalogue.scans import RootState
from indexer.catalogue.unreadable import UnreadablePlace
from indexer.message import Message
from indexer.model import JobKind, Photo, PhotoFile, PhotoSummary, ThumbnailSize
from indexer.progress import Progress
from indexer.reasons import Reason
from indexer.search import SearchBackend
from indexer.settings import Settings

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Library(Protocol):
    """What the page asks of the catalogue. Methods block."""

    def data_version(self) -> int:
        """Another number after every change; within microseconds, on the event loop, too."""

    def photo(self, photo_id: str, /, *, most_files: int | None = None) -> Photo | None:
        """One photo; None for an unknown id. With all its files or the first few."""

    def photos(self, ids: Sequence[str], /, *, most_files: int | None = None) -> Sequence[Photo]:
        """Those that are known, in the order asked for."""

    def file_of(self, photo_id: str, file_id: int, /) -> PhotoFile | None:
        """One of a photo's files; None where it has none of that id."""

    def summaries(self, ids: Sequence[str], /) -> Sequence[PhotoSummary]:
        """What a grid shows of those that are known, in the order asked for."""

    def counts(self) -> Counts:
        """How many photos, files, jobs there are."""

    def roots(self) -> Sequence[RootState]:
        """Every library root that was ever walked, and what keeps it waiting."""

    def set_aside(self, limit: int, offset: int) -> Sequence[SetAside]:
        """Files that could not be indexed, with their reasons, latest first."""

    def refused(self, limit: int) -> Sequence[Refused]:
        """Photos that search will not have as they are, with its reasons."""

    def correct(self, photo_id: str, text: str, /) -> bool:
        """Puts a person's words in the place of the caption; False for an unknown photo."""

    def take_back(self, photo_id: str, /) -> bool:
        """Withdraws a correction; False where there is none."""

    def mark_wrong(self, photo_id: str, /) -> bool:
        """Marks what the model says of a photo as wrong; False where that changes nothing."""

    def take_mark_back(self, photo_id: str, /) -> bool:
        """The model's words count again; False where they were not marked."""

    def change_words(self, photo_id: str, /, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> bool:
        """Adds and takes away words that a photo is found by; False for an unknown photo."""

    def models(self) -> Mapping[str, int]:
        """How many photos each caption model has described."""

    def queued(self, kind: JobKind | None = None, /) -> int:
        """How many jobs are queued or in hand, of one kind or all."""

    def enqueue_all(self, kind: JobKind, /, *, model: str | None = None) -> int:
        """Queues all work of a kind that is wanted; gives how many jobs are new."""

    def unreadable(self, limit: int = 100) -> Sequence[UnreadablePlace]:
        """Folders, and files, that the last scan could not look at."""

    def probe(self) -> None:
        """Raises `StorageError` where the catalogue is damaged, lost, or can't be read; milliseconds."""

    def note_error(self, error: sqlite3.Error, /) -> None:
        """Remembers what a read has met, where that says that the file is damaged."""

    def trouble(self) -> Message | None:
        """What is known to be wrong with the catalogue's file, with what to do about it."""

    def unwritten(self) -> Mapping[Reason | None, int]:
        """How many photos have a caption that stands in no file, by the reason, the most frequent first."""

    def without_room(self) -> int:
        """How many captions could not be written because the library's disk has no room."""

    def marked_wrong(self) -> int:
        """How many photos wait for a better model."""

    def retry_set_aside(self, ids: Sequence[int] | None = None, /) -> int:
        """Queues what was set aside again, all of it or those ids; gives how many."""

    def words_pending(self, photo_id: str, /) -> WordsPending:
        """How far a photo's words are on their way into its files."""


class Thumbnails(Protocol):
    """What the page asks of the thumbnail store. Methods block."""

    def get(self, key: str, size: ThumbnailSize, /) -> bytes | None:
        """WebP bytes; None where there is no thumbnail (yet)."""


SETTINGS = web.AppKey("SETTINGS", Settings)
LIBRARY = web.AppKey("LIBRARY", Library)
THUMBNAILS = web.AppKey("THUMBNAILS", Thumbnails)
SEARCH = web.AppKey("SEARCH", SearchBackend)
PROGRESS: web.AppKey[Callable[[], Progress]] = web.AppKey("PROGRESS")
#: Says that there is new work in the queue; does nothing where another process, or none, is indexing.
WAKE: web.AppKey[Callable[[], None]] = web.AppKey("WAKE")
#: Has the libraries scanned now; does nothing where another process, or none, is indexing.
SCAN_NOW: web.AppKey[Callable[[], None]] = web.AppKey("LOOK")
THREADS = web.AppKey("THREADS", ThreadPoolExecutor)
#: For what waits for search: a server that is silent must not keep pictures waiting, too.
SEARCH_THREADS = web.AppKey("SEARCH_THREADS", ThreadPoolExecutor)
#: For what reads the photos' own files, by library: a disk that does not answer keeps no other waiting.
DISK_THREADS: web.AppKey[dict[Path, ThreadPoolExecutor]] = web.AppKey("DISK_THREADS")
_THREADS_A_DISK = 2
#: How many connections are open from each address.
VISITORS: web.AppKey[Counter[str]] = web.AppKey("VISITORS")


class RecentCounts:
    """The catalogue in numbers, counted once in `AGE_S` at most: counting reads every row, typing asks often."""

    AGE_S = 2.0

    def __init__(self) -> None:
        self._counting = asyncio.Lock()
        self._counted: tuple[float, Counts] | None = None

    async def get(self, request: web.Request) -> Counts:
        """Raises `StorageError`."""
        async with self._counting:
            if self._counted is None or time.monotonic() - self._counted[0] > self.AGE_S:
                counts = await in_thread(request, request.config_dict[LIBRARY].counts)
                self._counted = (time.monotonic(), counts)
            return self._counted[1]

    def forget(self) -> None:
        """Somebody on the page has changed the numbers, and is to see it."""
        self._counted = None


COUNTS = web.AppKey("COUNTS", RecentCounts)


async def in_thread(
    request: web.Request,
    function: Callable[_Arguments, _Result],
    *args: _Arguments.args,
    **kwargs: _Arguments.kwargs,
) -> _Result:
    """Runs what reads databases on the application's own few threads.

    Not for the library's file system, whose disks may have to wake up first: that is `on_disk`'s. Nor for search: that
    is `while_searching`'s.
    """
    told = copy_context()  # whose language is spoken
    return await asyncio.get_running_loop().run_in_executor(
        request.config_dict[THREADS], lambda: told.run(function, *args, **kwargs)
    )


async def on_disk(request: web.Request, root: Path, function: Callable[[], _Result]) -> _Result:
    """Runs what reads files of the library `root`, on a few threads of that library's own."""
    pools = request.config_dict[DISK_THREADS]
    if root not in pools:
        pools[root] = ThreadPoolExecutor(_THREADS_A_DISK, thread_name_prefix="originals")
    return await asyncio.get_running_loop().run_in_executor(pools[root], function)


async def while_searching(request: web.Request, function: Callable[[], _Result]) -> _Result:
    """Runs what asks the search backend, on threads of its own, in the language of the request.

    Whoever types leaves most questions behind. One that is left before its turn costs nothing.
    """
    context = copy_context()
    return await asyncio.get_running_loop().run_in_executor(
        request.config_dict[SEARCH_THREADS], lambda: context.run(function)
    )


class Left(Exception):
    """Nobody waits for the answer any more."""


async def while_asked(request: web.Request, function: Callable[[Callable[[], None]], _Result]) -> _Result:
    """As `while_searching`; between its steps `function` calls what it is given, which raises `Left` when it is time to
    go."""
    left = threading.Event()

    def go_on() -> None:
        if left.is_set():
            raise Left

    try:
        return await while_searching(request, lambda: function(go_on))
    finally:
        left.set()
