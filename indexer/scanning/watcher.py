"""Notes changes between scans, as the operating system reports them.

A path that was reported is looked at until it has been the same twice in a row, so that a card that is still being
copied is not read half-way. Watching is a convenience: whatever it misses the next scan finds. Where watches can't
be had (the limit of inotify(7) is reached, a network file system) one line says so and how to mend it, and the scans
have to come more often: see `Watcher.unwatched` and `rescan_s`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from watchfiles import watch
from watchfiles.main import FileChange

from indexer.atomic.file_systems import network_file_system
from indexer.catalogue import Catalogue
from indexer.scanning.crawl_rules import CrawlRules
from indexer.scanning.debounce import PathDebouncer

log = logging.getLogger(__name__)

#: Roots that can't be watched are scanned at least this often.
UNWATCHED_RESCAN_S = 300.0

_DEBOUNCE_MS = 400
_TIMEOUT_MS = 500
_RESTART_S = 2.0
_ABSENT_S = 30.0  # a root that is not there may be a disk that is plugged in again
_LONGEST_START_S = 10.0  # watching a large library anew takes so long at most before it is scanned all the same

_LIMIT_HINT = (
    "raise the limit: `sudo sysctl fs.inotify.max_user_watches=1048576 fs.inotify.max_user_instances=512`, and put "
    "the same two settings into /etc/sysctl.d/60-recollect.conf to keep them"
)


class Watcher:
    """Watches `roots` while `run` runs. `changed` is called on the loop when there may be new work.

    `scan_wanted` is set where reports may have been lost, or say something that only a scan can judge. `unwatched`
    says why a root is not being watched.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        roots: Sequence[Path],
        rules: CrawlRules,
        *,
        changed: Callable[[], None],
        steady_s: float = 2.0,
        reports: Callable[..., Iterator[set[FileChange]]] = watch,
        file_system: Callable[[Path], str | None] = network_file_system,
    ) -> None:
        self._catalogue = catalogue
        self._roots = tuple(roots)
        self._rules = rules
        self._changed = changed
        self._steady_s = steady_s
        self._reports = reports
        self._file_system = file_system
        self._restart = {root: threading.Event() for root in self._roots}
        self._watch_ready = asyncio.Event()  # a root is watched, or is known to be not
        self.scan_wanted = asyncio.Event()
        self.unwatched: dict[Path, str] = {}

    def rescan_s(self, configured_s: float) -> float:
        """How long to wait for the next scan, given the setting (0: never)."""
        if self.unwatched and configured_s:
            return min(configured_s, UNWATCHED_RESCAN_S)
        return configured_s

    async def restart_watch(self) -> None:
        """Another file system or folder stands in the place of a root: what was watched is not what is there now.
        Returns when the new watch stands, or can't be had."""
        self._watch_ready.clear()
        for anew in self._restart.values():
            anew.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_START_S):
                await self._watch_ready.wait()

    async def run(self) -> None:
        """Watches until cancelled; returns early where no root can be watched."""
        if not self._roots:
            return
        stop = threading.Event()
        loop = asyncio.get_running_loop()
        # Threads of its own: the loop's default ones are few, and these are held for as long as recollect runs.
        threads = ThreadPoolExecutor(len(self._roots), thread_name_prefix="watch")
        try:
            await asyncio.gather(
                *(loop.run_in_executor(threads, self._watch_root, root, stop, loop) for root in self._roots)
            )
        finally:
            stop.set()
            await asyncio.to_thread(threads.shutdown)

    def _watch_root(self, root: Path, stop: threading.Event, loop: asyncio.AbstractEventLoop) -> None:
        while not stop.is_set():
            file_system = self._file_system(root)
            if file_system is not None:
                self._mark_unwatched(root, f"on {file_system} only changes made by this machine are reported")
            try:
                self._watch_changes(root, stop, loop, watched=file_system is None)
            except FileNotFoundError:
                self._pause(root, stop, loop, _ABSENT_S)
            except (
                OSError,
                RuntimeError,
            ) as error:  # RuntimeError: what watchfiles raises at a name that is not UTF-8
                if _is_limit(error):
                    loop.call_soon_threadsafe(self._watch_ready.set)
                    self._mark_unwatched(root, f"the system has no watches left; {_LIMIT_HINT}")
                    return
                log.info("watching %s was interrupted: %s", root, error)
                loop.call_soon_threadsafe(self.scan_wanted.set)
                self._pause(root, stop, loop, _RESTART_S)

    def _pause(self, root: Path, stop: threading.Event, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """Until it is worth another try."""
        loop.call_soon_threadsafe(self._watch_ready.set)
        due = time.monotonic() + seconds
        while not stop.is_set() and not self._restart[root].is_set() and time.monotonic() < due:
            stop.wait(_TIMEOUT_MS / 1000)
        self._restart[root].clear()

    def _mark_unwatched(self, root: Path, why: str) -> None:
        if self.unwatched.get(root) == why:
            return
        self.unwatched[root] = why
        log.warning("%s is scanned every few minutes, for it can't be watched: %s", root, why)

    def _watch_changes(
        self, root: Path, stop: threading.Event, loop: asyncio.AbstractEventLoop, *, watched: bool
    ) -> None:
        self._restart[root].clear()
        paths = PathDebouncer(root, self._catalogue, self._rules, steady_s=self._steady_s)
        for changes in self._reports(
            root,
            watch_filter=None,
            debounce=_DEBOUNCE_MS,
            rust_timeout=_TIMEOUT_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
            ignore_permission_denied=True,
            stop_event=stop,
        ):
            if watched:
                self.unwatched.pop(root, None)
            if self._restart[root].is_set():
                return
            loop.call_soon_threadsafe(self._watch_ready.set)
            paths.add(path for _, path in changes)
            look = paths.poll()
            if look.scan_wanted:
                loop.call_soon_threadsafe(self.scan_wanted.set)
            if look.noted:
                loop.call_soon_threadsafe(self._changed)


def _is_limit(error: BaseException) -> bool:
    """ENOSPC: max_user_watches; EMFILE: max_user_instances (inotify(7)). The library gives only the text."""
    text = str(error).lower()
    return any(sign in text for sign in ("watch limit", "no space left", "os error 28", "too many open", "os error 24"))
