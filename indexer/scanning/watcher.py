"""Notes changes between scans, as the operating system reports them.

A path that was reported is checked until it has been the same twice in a row, so that a card that is still being copied
is not read half-way. Whatever it misses the next scan finds. Where watches can't be had (the limit of inotify(7) is
reached, a network file system) one line says so and how to mend it, and the scans have to come more often: see
`Watcher.unwatched` and `rescan_s`.
"""

# ruff: noqa: PTH116, PTH118, PTH119, PTH120 - paths are the file system's own bytes here, which pathlib does not take

from __future__ import annotations

import asyncio
import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from watchfiles import watch
from watchfiles.main import FileChange

from indexer.atomic.file_read import stamp_of
from indexer.atomic.file_systems import network_file_system
from indexer.catalogue import Catalogue
from indexer.catalogue.roots import is_gone
from indexer.metadata.sidecar_files import is_sidecar_name, is_sidecar_of
from indexer.model import FoundFile
from indexer.scanning.crawl_rules import NOMEDIA, CrawlRules
from indexer.scanning.crawler import Crawl
from indexer.tasks import is_set_within

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

#: What `stat` says of a path: mode, mtime_ns, size, inode; None where nothing is there.
_PathState = tuple[int, int, int, int] | None


@dataclass(frozen=True, slots=True)
class NotedChanges:
    """How many files were new, changed, moved or gone, and whether only a scan can tell more."""

    noted: int = 0
    scan_wanted: bool = False


class PathDebouncer:
    """The changed paths of one root. Not thread-safe; used by the thread that watches the root."""

    def __init__(self, root: Path, catalogue: Catalogue, rules: CrawlRules, *, steady_s: float) -> None:
        self._root = root
        self._base = os.fsencode(root)
        self._real_base = os.path.realpath(self._base)
        self._catalogue = catalogue
        self._rules = rules
        self._steady_s = steady_s
        self._root_inode = self._inode_of_root()
        self._seen: dict[bytes, _PathState] = {}
        self._unseen: set[bytes] = set()
        self._due = 0.0
        self._scan_wanted = False

    def add(self, paths: Iterable[str | bytes]) -> None:
        """Something happened to these absolute paths."""
        for path in paths:
            relative = os.path.relpath(os.fsencode(path), self._base)
            if relative == b"." or relative.startswith(b"../"):
                self._scan_wanted |= relative == b"." and is_gone(self._base)
            elif self._is_relevant(relative):
                self._unseen.add(relative)

    def poll(self) -> NotedChanges:
        """Checks every pending path, at most every `steady_s`, and notes those that have not changed since."""
        if (not self._unseen and not self._seen) or time.monotonic() < self._due:
            return self._result(0)
        self._due = time.monotonic() + self._steady_s
        unseen, self._unseen = self._unseen, set()
        before, self._seen = self._seen, {}
        steady: dict[bytes, _PathState] = {}
        for relative in before.keys() | unseen:
            try:
                state = self._path_state(relative)
            except OSError:
                self._scan_wanted = True  # it can't be read, which a scan records: it need not be gone
                continue
            # A path that was reported again has changed meanwhile, also where its stamp is too coarse to say so.
            if relative in before and relative not in unseen and before[relative] == state:
                steady[relative] = state
            else:
                self._seen[relative] = state
        return self._result(self._note(steady))

    def _result(self, noted: int) -> NotedChanges:
        scan_wanted, self._scan_wanted = self._scan_wanted, False
        return NotedChanges(noted, scan_wanted)

    def _is_relevant(self, relative: bytes) -> bool:
        """Photos, sidecars, `.nomedia`, and whatever may be or have been a folder."""
        folder, name = os.path.split(relative)
        if not self._rules.reaches(folder):
            return False
        if self._rules.is_photo_name(name) or name == NOMEDIA:
            return True
        return not name.startswith(b".")

    def _path_state(self, relative: bytes) -> _PathState:
        """Raises `OSError` where that can't be read."""
        try:
            status = os.stat(os.path.join(self._base, relative))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return status.st_mode, status.st_mtime_ns, status.st_size, status.st_ino

    def _note(self, steady: dict[bytes, _PathState]) -> int:
        if (inode := self._inode_of_root()) is None or inode != self._root_inode:
            self._scan_wanted = True  # an unplugged disk, or the empty folder it was mounted on: the scan judges it
            return 0
        present: list[bytes] = []
        gone: list[bytes] = []
        for relative, state in steady.items():
            name = os.path.basename(relative)
            if name == NOMEDIA:
                self._scan_wanted = True
            elif is_sidecar_name(name) and not (state is not None and stat.S_ISDIR(state[0])):
                self._unseen.update(self._photos_beside(relative))
                gone += [relative] if state is None else []  # it may have been a folder
            elif state is None:
                gone.append(relative)
            elif stat.S_ISDIR(state[0]):
                self._unseen.update(self._files_in(relative))
                self._unseen.update(self._missing_below(relative))
            elif stat.S_ISREG(state[0]) and self._is_library_photo(relative):
                present.append(relative)
            elif not self._rules.is_photo_name(name):
                self._unseen.update(self._missing_below(relative))
        return self._note_present(present) + self._note_gone(gone)

    def _inode_of_root(self) -> tuple[int, int] | None:
        """Its device and inode; None where it is not there."""
        try:
            status = os.stat(self._base)
        except OSError:
            return None
        return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None

    def _note_present(self, present: list[bytes]) -> int:
        """Notes present files. Before those that are gone, so that a renamed file is known as moved."""
        found = list(self._found_files(sorted(present)))
        if not found:
            return 0
        counts = self._catalogue.scans.note(self._catalogue.scans.begin_scan(self._root), found)
        return counts.new + counts.changed + counts.moved

    def _found_files(self, present: Iterable[bytes]) -> Iterator[FoundFile]:
        for relative in present:
            path = self._root / os.fsdecode(relative)
            try:
                yield FoundFile(self._root, path, stamp_of(path.stat()))
            except OSError:
                continue  # gone this very moment; that is reported too

    def _note_gone(self, gone: list[bytes]) -> int:
        if not gone:
            return 0
        outcome = self._catalogue.scans.note_missing(self._root, [self._root / os.fsdecode(path) for path in gone])
        self._scan_wanted |= outcome.held_back is not None
        return outcome.missing

    def _photos_beside(self, sidecar: bytes) -> Iterator[bytes]:
        folder, name = os.path.split(sidecar)
        try:
            names = os.listdir(os.path.join(self._base, folder))  # noqa: PTH208 - bytes
        except OSError:
            return  # the folder went too, which is reported by itself
        for beside in names:
            if self._rules.is_photo_name(beside) and is_sidecar_of(name, beside):
                yield os.path.join(folder, beside)

    def _files_in(self, folder: bytes) -> Iterator[bytes]:
        """The photos of a folder that is new here; reports of what is in it may have come too early to be had."""
        if os.path.islink(os.path.join(self._base, folder)):  # noqa: PTH114 - bytes
            self._scan_wanted = True
            return
        if not self._rules.enters(folder) or self._has_nomedia(folder):
            return
        for batch in Crawl(self._root, self._rules, start=folder).batches():
            self._scan_wanted |= bool(batch.unreadable)
            for listing in batch.listings:
                yield from (os.path.join(listing.folder, name) for name in listing.names)

    def _missing_below(self, path: bytes) -> Iterator[bytes]:
        """The known photos below a path that are not there: where another folder took the place of one, no report says
        what was in that."""
        for known in self._catalogue.scans.present_below(self._root, path):
            if not os.path.lexists(os.path.join(self._base, known)):
                yield known

    def _is_library_photo(self, relative: bytes) -> bool:
        folder, name = os.path.split(relative)
        if not (self._rules.is_photo_name(name) and self._rules.takes(relative)) or self._has_nomedia(folder):
            return False
        real = os.path.realpath(os.path.join(self._base, folder))
        if real != os.path.join(self._real_base, folder).rstrip(b"/"):
            self._scan_wanted = True  # seen through a linked folder: a scan knows which of its paths counts
            return False
        return True

    def _has_nomedia(self, folder: bytes) -> bool:
        while folder:
            if os.path.lexists(os.path.join(self._base, folder, NOMEDIA)):
                return True
            folder = os.path.dirname(folder)
        return False


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
        await is_set_within(self._watch_ready, _LONGEST_START_S)

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
            except (OSError, RuntimeError) as error:  # RuntimeError: what watchfiles raises at a name that is not UTF-8
                if _is_limit(error):
                    loop.call_soon_threadsafe(self._watch_ready.set)
                    self._mark_unwatched(root, f"the system has no watches left; {_LIMIT_HINT}")
                    return
                log.info("watching %s was interrupted: %s", root, error)
                loop.call_soon_threadsafe(self.scan_wanted.set)
                self._pause(root, stop, loop, _RESTART_S)

    def _pause(self, root: Path, stop: threading.Event, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """Waits before the next try."""
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
        for reports in self._reports(
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
            paths.add(path for _, path in reports)
            changes = paths.poll()
            if changes.scan_wanted:
                loop.call_soon_threadsafe(self.scan_wanted.set)
            if changes.noted:
                loop.call_soon_threadsafe(self._changed)


def _is_limit(error: BaseException) -> bool:
    """ENOSPC: max_user_watches; EMFILE: max_user_instances (inotify(7)). The library gives only the text."""
    text = str(error).lower()
    return any(sign in text for sign in ("watch limit", "no space left", "os error 28", "too many open", "os error 24"))
