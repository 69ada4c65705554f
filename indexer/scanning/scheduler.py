"""Where work comes from: scans of the library roots, again every `rescan_s`, and watching in between.

Each root has a round of its own: one that is slow, or not there, keeps no other waiting.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path

from indexer.atomic.temporary import STALE_S, sweep
from indexer.catalogue import Catalogue
from indexer.catalogue.found import FoundBatch
from indexer.catalogue.scans import NoteCounts
from indexer.file_errors import can_be_looked_at, unreadable_reason
from indexer.formats import EXTENSIONS
from indexer.reasons import Reason
from indexer.scanning.crawl_rules import CrawlRules
from indexer.scanning.crawler import crawl, outermost
from indexer.scanning.presence import Presence, presence_of
from indexer.scanning.retry import retry_below, retry_between_scans
from indexer.scanning.watcher import UNWATCHED_RESCAN_S, Watcher
from indexer.settings import Settings
from indexer.tasks import running

log = logging.getLogger(__name__)

#: A root is looked at so often for whether it is still the same folder of the same file system.
PRESENCE_S = 5.0
#: So often, between scans, what was in the way of a root's files and captions is looked at; less often where that takes
#: long.
OBSTACLES_S = 20.0
_OBSTACLES_SHARE = 20  # at most this part of the time is spent on it
#: What was set aside for a while is looked through so often.
RETRY_S = 600.0
# Scans that the watcher asks for keep this distance: an unplugged disk makes it ask again and again.
_BREATH_S = 10.0
_UNREADABLE_LOGGED = 20  # folders of one scan; `recollect status` lists all
# A root whose losses are not believed is scanned again after a minute, where that is little work.
_HELD_BACK_S, _LITTLE_S = 45.0, 5.0


class ScanScheduler:
    """Scans `roots` and notes what they hold; `changed` is called when there may be new work.

    Copies of photos that a killed process left are removed on the way, once they are `stale_s` old.
    """

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        roots: Sequence[Path],
        *,
        changed: Callable[[], None],
        stale_s: float = STALE_S,
        presence_s: float = PRESENCE_S,
        obstacles_s: float = OBSTACLES_S,
    ) -> None:
        self._stale_s = stale_s
        self._presence_s = presence_s
        self._obstacles_s = obstacles_s
        self._settings = settings
        self._catalogue = catalogue
        self._changed = changed
        self._roots = {root: self._round(root) for root in outermost(roots)}
        self._group: asyncio.TaskGroup | None = None

    @property
    def walking(self) -> bool:
        """Whether a root is being scanned."""
        return any(one.walking for one in self._roots.values())

    @property
    def problems(self) -> tuple[Reason, ...]:
        """Why roots' losses are not believed; nothing where all is well."""
        return tuple(one.held_back for one in self._roots.values() if one.held_back)

    def problems_of(self, roots: Sequence[Path]) -> tuple[Reason, ...]:
        """As `problems`, of these roots alone."""
        told = [one.held_back for root in roots if (one := self._known(root)) is not None and one.held_back]
        return tuple(dict.fromkeys(told))

    @property
    def unreadable(self) -> int:
        """How many folders, and files, the last scans of these roots could not look at."""
        return sum(len(one.unreadable) for one in self._roots.values())

    async def scan_all(self) -> None:
        """One scan of every root, side by side: a disk that answers slowly holds up no other."""
        await asyncio.to_thread(self._catalogue.retries.try_again_what_is_due)
        async with asyncio.TaskGroup() as scans:
            for one in self._roots.values():
                scans.create_task(one.scan())

    async def go_on(self) -> None:
        """Watches, and scans again every `rescan_s`, when the watcher asks for it, when another file system stands in a
        root's place, and when somebody does (`scan_now`), until cancelled."""
        await asyncio.to_thread(self._catalogue.scans.forget_old_reasons, list(self._roots))
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for one in self._roots.values():
                    group.create_task(one.go_on())
                await self._retry_what_is_due()
        finally:
            self._group = None

    async def scan_now(self, roots: Sequence[Path] = ()) -> None:
        """Scans these roots, or all, without waiting for their time; returns when a scan is over that began after this
        was called. A root that is not known yet is scanned from now on. Only while `go_on` runs."""
        chosen = [self._known(root) or self._add(root) for root in roots] or list(self._roots.values())
        async with asyncio.TaskGroup() as scans:
            for one in chosen:
                scans.create_task(one.scan_now())

    def ask_for_scan(self) -> None:
        """As `scan_now` for all roots, and waits for nothing."""
        for one in self._roots.values():
            one.ask_for_scan()

    async def _retry_what_is_due(self) -> None:
        while True:
            if await asyncio.to_thread(self._catalogue.retries.try_again_what_is_due):
                self._changed()
            await asyncio.sleep(RETRY_S)

    def _round(self, root: Path) -> RootScanner:
        return RootScanner(
            root,
            self._settings,
            self._catalogue,
            changed=self._changed,
            stale_s=self._stale_s,
            presence_s=self._presence_s,
            obstacles_s=self._obstacles_s,
        )

    def _known(self, root: Path) -> RootScanner | None:
        """The round that `root` is scanned in."""
        real = root.resolve()
        for known, one in self._roots.items():
            if known == root or real.is_relative_to(known.resolve()):
                return one
        return None

    def _add(self, root: Path) -> RootScanner:
        self._roots[root] = one = self._round(root)
        if self._group is not None:
            self._group.create_task(one.go_on())
        return one


class RootScanner:
    """The scans of one root. `held_back` says why its losses are not believed, for people."""

    def __init__(
        self,
        root: Path,
        settings: Settings,
        catalogue: Catalogue,
        *,
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
        self._asked = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._took_s = 0.0
        self._tried_again: frozenset[bytes] = frozenset()  # unreadable places that a scan was asked for already
        self._can_be_watched = False  # folders that a watch did not reach can be read now
        self.unreadable: Mapping[bytes, str] = {}
        self.walking = False
        self.held_back: Reason | None = None

    async def scan(self) -> None:
        """One scan of the whole root."""
        clock = asyncio.get_running_loop().time
        self._asked.clear()
        waiting, self._waiting = self._waiting, []
        began, self.walking = clock(), True
        try:
            await self._scan()
        finally:
            self.walking, self._took_s = False, clock() - began
            for one in waiting:
                if not one.done():
                    one.set_result(None)

    async def scan_now(self) -> None:
        """Returns when a scan is over that began after this was called."""
        over = asyncio.get_running_loop().create_future()
        self._waiting.append(over)
        self.ask_for_scan()
        await over

    def ask_for_scan(self) -> None:
        """The next scan begins at once, or when the one that is under way is over."""
        self._asked.set()

    async def go_on(self) -> None:
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
                        await watcher.watch_anew()
                        self.ask_for_scan()  # for what came before the watch stood
                    self._can_be_watched = False
                    await self._until_next(watcher)
        finally:
            for one in self._waiting:
                one.cancel()

    async def _until_next(self, watcher: Watcher) -> None:
        pause_s = watcher.rescan_s(self._settings.rescan_s) or None
        if self.held_back is not None and self._took_s < _LITTLE_S:
            pause_s = min(pause_s or _HELD_BACK_S, _HELD_BACK_S)
        reasons = [asyncio.ensure_future(self._asked.wait()), asyncio.ensure_future(_wanted_again(watcher))]
        try:
            await asyncio.wait(reasons, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for reason in reasons:
                reason.cancel()
            await asyncio.wait(reasons)

    async def _follow_presence(self, watcher: Watcher) -> None:
        """A mount that comes or goes is reported by no watch: it is looked for, and the watch begins anew there."""
        loop = asyncio.get_running_loop()
        before: Presence | None = None
        while True:
            now = await loop.run_in_executor(self._disk, presence_of, self._root)
            if before is not None and now != before:
                log.info("%s: another folder or file system stands there now", self._root)
                if self._settings.watch:
                    await watcher.watch_anew()
                watcher.scan_wanted.set()
                self._asked.set()
            before = now
            await asyncio.sleep(self._presence_s)

    async def _follow_obstacles(self) -> None:
        """Rights that were given and room that was made are reported by no watch that says what they are."""
        with ThreadPoolExecutor(1, thread_name_prefix="obstacles") as thread:
            loop = asyncio.get_running_loop()
            pause_s = self._obstacles_s
            while True:
                await asyncio.sleep(pause_s)
                if self.walking or self.held_back is not None:
                    continue
                began = loop.time()
                readable, again = await loop.run_in_executor(thread, self._look_at_obstacles)
                pause_s = max(self._obstacles_s, _OBSTACLES_SHARE * (loop.time() - began))
                if readable - self._tried_again:
                    self.ask_for_scan()
                self._tried_again = readable
                if again:
                    log.info("%s: %d files are tried again, what was in their way is gone", self._root, again)
                    self._changed()

    def _look_at_obstacles(self) -> tuple[frozenset[bytes], int]:
        """Places that can be looked at now though the last scan could not; how many jobs were queued."""
        base = os.fsencode(self._root)
        readable = frozenset(place for place in self.unreadable if can_be_looked_at(os.path.join(base, place)))  # noqa: PTH118 - bytes
        return readable, retry_between_scans(self._catalogue, self._settings, self._root)

    async def _scan(self) -> None:
        root, settings, loop = self._root, self._settings, asyncio.get_running_loop()
        round_ = await asyncio.to_thread(self._catalogue.scans.begin_scan, root)
        counts = NoteCounts()
        found = crawl(root, include=settings.include, exclude=settings.exclude, extensions=EXTENSIONS)
        async with aclosing(found):
            async for batch in found:
                noted = await asyncio.to_thread(self._catalogue.scans.note, round_, batch)
                if batch.unswept:
                    await loop.run_in_executor(self._disk, self._sweep, batch)
                counts += noted
                if noted.new or noted.changed or noted.moved:
                    self._changed()
        outcome = await asyncio.to_thread(self._catalogue.scans.finish_scan, round_, True)
        self._keep_reason(outcome.held_back)
        self._tell_unreadable(outcome.unreadable)
        if outcome.held_back is None:
            again = await loop.run_in_executor(self._disk, retry_below, self._catalogue, settings, root)
            if again:
                log.info("%s: %d files are tried again, what was in their way may be gone", root, again)
        log.info(
            "%s: %d new, %d changed, %d moved, %d missing, %d unchanged",
            *(root, counts.new, counts.changed, counts.moved, outcome.missing, counts.unchanged),
        )
        self._changed()

    def _sweep(self, batch: FoundBatch) -> None:
        """Whoever wants no captions in the library wants no hand of ours in it."""
        folders = batch.unswept if self._settings.captions != "off" else ()
        for folder in folders:
            for path in sweep(batch.root / os.fsdecode(folder), older_than_s=self._stale_s):
                log.info("removed %s, left by a process that was killed", path)

    def _keep_reason(self, held_back: Reason | None) -> None:
        before, self.held_back = self.held_back, held_back
        if held_back is not None and held_back != before:
            log.warning("%s", held_back)

    def _tell_unreadable(self, places: Mapping[bytes, str]) -> None:
        """Says what a scan could not look at, once, and when it can be read again."""
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


async def _wanted_again(watcher: Watcher) -> None:
    await asyncio.sleep(_BREATH_S)
    await watcher.scan_wanted.wait()


async def _watch(watcher: Watcher) -> None:
    """Where watches can't be had, they may be later: the system's limit was raised."""
    while True:
        await watcher.run()
        await asyncio.sleep(UNWATCHED_RESCAN_S)
