"""The scans of one library root: again every `rescan_s`, when it is watched and something changed, when another file
system stands in its place, and when what was in the way of its photos or captions may be gone."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from indexer.atomic.file_systems import MOUNTINFO, Mount, mounts
from indexer.atomic.temporary import sweep
from indexer.catalogue import Catalogue
from indexer.catalogue.found import FoundBatch
from indexer.catalogue.roots import is_readable, unreadable_reason
from indexer.catalogue.scans import NoteCounts
from indexer.formats import EXTENSIONS
from indexer.reasons import Reason
from indexer.scanning.crawl_rules import CrawlRules
from indexer.scanning.crawler import crawl
from indexer.scanning.watcher import UNWATCHED_RESCAN_S, Watcher
from indexer.settings import Settings
from indexer.tasks import running

log = logging.getLogger(__name__)

# Scans that the watcher asks for keep this distance: an unplugged disk makes it ask again and again.
_BREATH_S = 10.0
_UNREADABLE_LOGGED = 20  # folders of one scan; `recollect status` lists all
# A root whose losses are not accepted is scanned again after a minute, where that is little work.
_HELD_BACK_S, _LITTLE_S = 45.0, 5.0
# At most this part of the time is spent on looking at obstacles.
_OBSTACLES_SHARE = 20


class RootScanner:
    """The scans of one root. `held_back` says why its losses are not accepted."""

    def __init__(
        self,
        root: Path,
        *,
        settings: Settings,
        catalogue: Catalogue,
        changed: Callable[[], None],
        stale_s: float,
        presence_s: float,
        obstacles_s: float,
    ) -> None:
        self._root = root
        self._settings = settings
        self._catalogue = catalogue
        self._changed = changed
        self._stale_s = stale_s
        self._presence_s = presence_s
        # For what asks the root's disk: one that does not answer holds up its own root alone.
        self._disk = ThreadPoolExecutor(2, thread_name_prefix="disk")
        self._obstacles_s = obstacles_s
        self._scan_requested = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._took_s = 0.0
        self._tried_again: frozenset[bytes] = frozenset()  # unreadable places that a scan was requested for already
        self._can_be_watched = False  # folders that a watch did not reach can be read now
        self.unreadable: Mapping[bytes, str] = {}
        self.scanning = False
        self.held_back: Reason | None = None

    async def scan(self) -> None:
        """One scan of the whole root."""
        clock = asyncio.get_running_loop().time
        self._scan_requested.clear()
        waiting, self._waiting = self._waiting, []
        began, self.scanning = clock(), True
        try:
            await self._scan()
        finally:
            self.scanning, self._took_s = False, clock() - began
            for one in waiting:
                if not one.done():
                    one.set_result(None)

    async def scan_now(self) -> None:
        """Returns when a scan is over that began after this was called."""
        over = asyncio.get_running_loop().create_future()
        self._waiting.append(over)
        self.request_scan()
        await over

    def request_scan(self) -> None:
        """The next scan begins at once, or when the one that is under way is over."""
        self._scan_requested.set()

    async def run(self) -> None:
        """Scans again and again, until cancelled."""
        settings = self._settings
        rules = CrawlRules(include=settings.include, exclude=settings.exclude, extensions=EXTENSIONS)
        watcher = Watcher(self._catalogue, [self._root], rules, changed=self._changed)
        follow = [
            self._follow_presence(watcher),
            self._follow_obstacles(),
            *([_watch(watcher)] if settings.watch else []),
        ]
        try:
            async with asyncio.TaskGroup() as group, running(group, *follow):
                while True:
                    watcher.scan_wanted.clear()
                    await self.scan()
                    if self._can_be_watched and settings.watch:
                        await watcher.restart_watch()
                        self.request_scan()  # for what came before the watch stood
                    self._can_be_watched = False
                    await self._until_next(watcher)
        finally:
            for one in self._waiting:
                one.cancel()

    async def _until_next(self, watcher: Watcher) -> None:
        pause_s = watcher.rescan_s(self._settings.rescan_s) or None
        if self.held_back is not None and self._took_s < _LITTLE_S:
            pause_s = min(pause_s or _HELD_BACK_S, _HELD_BACK_S)
        reasons = [asyncio.ensure_future(self._scan_requested.wait()), asyncio.ensure_future(_next_request(watcher))]
        try:
            await asyncio.wait(reasons, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for reason in reasons:
                reason.cancel()
            await asyncio.wait(reasons)

    async def _follow_presence(self, watcher: Watcher) -> None:
        """Restarts the watch when a mount comes or goes, which no watch reports."""
        loop = asyncio.get_running_loop()
        before: Presence | None = None
        while True:
            now = await loop.run_in_executor(self._disk, presence_of, self._root)
            if before is not None and now != before:
                log.info("%s: another folder or file system stands there now", self._root)
                if self._settings.watch:
                    await watcher.restart_watch()
                watcher.scan_wanted.set()
                self._scan_requested.set()
            before = now
            await asyncio.sleep(self._presence_s)

    async def _follow_obstacles(self) -> None:
        """Retries what permissions or a full disk prevented, once that has changed, which no watch reports."""
        with ThreadPoolExecutor(1, thread_name_prefix="obstacles") as thread:
            loop = asyncio.get_running_loop()
            pause_s = self._obstacles_s
            while True:
                await asyncio.sleep(pause_s)
                if self.scanning or self.held_back is not None:
                    continue
                began = loop.time()
                readable, again = await loop.run_in_executor(thread, self._retry_blocked)
                pause_s = max(self._obstacles_s, _OBSTACLES_SHARE * (loop.time() - began))
                if readable - self._tried_again:
                    self.request_scan()
                self._tried_again = readable
                if again:
                    log.info("%s: %d files are tried again, what was in their way is gone", self._root, again)
                    self._changed()

    def _retry_blocked(self) -> tuple[frozenset[bytes], int]:
        """Places that can be read now though the last scan could not; how many jobs were queued."""
        base = os.fsencode(self._root)
        readable = frozenset(place for place in self.unreadable if is_readable(os.path.join(base, place)))  # noqa: PTH118 - bytes
        return readable, self._catalogue.retries.retry_between_scans(self._root, self._settings)

    async def _scan(self) -> None:
        root, settings, loop = self._root, self._settings, asyncio.get_running_loop()
        scan = await asyncio.to_thread(self._catalogue.scans.begin_scan, root)
        counts = NoteCounts()
        found = crawl(root, include=settings.include, exclude=settings.exclude, extensions=EXTENSIONS)
        async with aclosing(found):
            async for batch in found:
                noted = await asyncio.to_thread(self._catalogue.scans.note, scan, batch)
                if batch.unswept:
                    await loop.run_in_executor(self._disk, self._sweep, batch)
                counts += noted
                if noted.new or noted.changed or noted.moved:
                    self._changed()
        outcome = await asyncio.to_thread(self._catalogue.scans.finish_scan, scan)
        self._log_held_back(outcome.held_back)
        self._log_unreadable(outcome.unreadable)
        if outcome.held_back is None:
            again = await loop.run_in_executor(self._disk, self._catalogue.retries.retry_below, root, settings)
            if again:
                log.info("%s: %d files are tried again, what was in their way may be gone", root, again)
        log.info(
            "%s: %d new, %d changed, %d moved, %d missing, %d unchanged",
            *(root, counts.new, counts.changed, counts.moved, outcome.missing, counts.unchanged),
        )
        self._changed()

    def _sweep(self, batch: FoundBatch) -> None:
        """Removes copies that killed processes left; where captions are off, nothing in the library is touched."""
        folders = batch.unswept if self._settings.captions != "off" else ()
        for folder in folders:
            for path in sweep(batch.root / os.fsdecode(folder), older_than_s=self._stale_s):
                log.info("removed %s, left by a process that was killed", path)

    def _log_held_back(self, held_back: Reason | None) -> None:
        before, self.held_back = self.held_back, held_back
        if held_back is not None and held_back != before:
            log.warning("%s", held_back)

    def _log_unreadable(self, places: Mapping[bytes, str]) -> None:
        """Logs what a scan could not read, once, and when it can be read again."""
        root, before, self.unreadable = self._root, self.unreadable, places
        fresh = [place for place in places if place not in before]
        for place in fresh[:_UNREADABLE_LOGGED]:
            reason = unreadable_reason(places[place])
            log.warning("%s: %s; what is in it stays as it is", root / os.fsdecode(place), reason)
        if len(fresh) > _UNREADABLE_LOGGED:
            log.warning("%s: %d more folders can't be read", root, len(fresh) - _UNREADABLE_LOGGED)
        if back := [place for place in before if place not in places]:
            log.info("%s: %d folders can be read again", root, len(back))
            self._can_be_watched = True


async def _next_request(watcher: Watcher) -> None:
    await asyncio.sleep(_BREATH_S)
    await watcher.scan_wanted.wait()


async def _watch(watcher: Watcher) -> None:
    """Runs the watcher again and again: where watches can't be had, the system's limit may be raised later."""
    while True:
        await watcher.run()
        await asyncio.sleep(UNWATCHED_RESCAN_S)


@dataclass(frozen=True, slots=True)
class Presence:
    """Equal for as long as the root is the same folder of the same file system, with the same mounts in it.

    `identity` is (st_dev, st_ino), None where nothing is there. `content` says whether it has anything in it, or why it
    can't be listed.
    """

    identity: tuple[int, int] | None
    content: str
    mounts: tuple[Mount, ...]


def presence_of(root: Path, mountinfo: Path = MOUNTINFO) -> Presence:
    """The presence now; may take as long as the disk does. Never raises."""
    real = root.resolve()
    at = tuple(
        mount
        for mount in mounts(mountinfo)
        if mount.point == real or mount.point in real.parents or real in mount.point.parents
    )
    try:
        status = root.stat()
        with os.scandir(root) as entries:
            content = "something" if next(entries, None) is not None else "nothing"
    except OSError as error:
        return Presence(None, error.strerror or str(error), at)
    return Presence((status.st_dev, status.st_ino), content, at)
