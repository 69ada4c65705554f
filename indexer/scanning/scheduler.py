"""Scans the library roots again and again, each by itself, and when another process asks.

A root that is slow, or not there, keeps no other waiting.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from indexer.atomic.temporary import STALE_S
from indexer.catalogue import Catalogue
from indexer.catalogue.roots import ScanRequest
from indexer.progress import Progress
from indexer.reasons import Reason
from indexer.scanning.crawler import outermost
from indexer.scanning.root_scanner import RootScanner
from indexer.settings import Settings

log = logging.getLogger(__name__)

#: How often it is checked whether a root is still the same folder of the same file system.
PRESENCE_S = 5.0
#: So often, between scans, it is checked whether obstacles of a root's files and captions are gone; less often where
#: that takes long.
OBSTACLES_S = 20.0
#: So often what was set aside is tried again where its wait is over.
RETRY_S = 600.0


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
        self._catalogue = catalogue
        self._changed = changed
        self._new_scanner = partial(
            RootScanner,
            settings=settings,
            catalogue=catalogue,
            changed=changed,
            stale_s=stale_s,
            presence_s=presence_s,
            obstacles_s=obstacles_s,
        )
        self._roots = {root: self._new_scanner(root) for root in outermost(roots)}
        self._group: asyncio.TaskGroup | None = None

    @property
    def scanning(self) -> bool:
        """Whether a root is being scanned."""
        return any(one.scanning for one in self._roots.values())

    @property
    def problems(self) -> tuple[Reason, ...]:
        """Why roots' losses are not accepted; nothing where all is well."""
        return tuple(one.held_back for one in self._roots.values() if one.held_back)

    def problems_of(self, roots: Sequence[Path]) -> tuple[Reason, ...]:
        """As `problems`, of these roots alone."""
        reasons = [one.held_back for root in roots if (one := self._scanner_of(root)) is not None and one.held_back]
        return tuple(dict.fromkeys(reasons))

    @property
    def unreadable(self) -> int:
        """How many folders, and files, the last scans of these roots could not read."""
        return sum(len(one.unreadable) for one in self._roots.values())

    async def scan_all(self) -> None:
        """One scan of every root, side by side: a disk that answers slowly holds up no other."""
        await asyncio.to_thread(self._catalogue.retries.retry_due)
        async with asyncio.TaskGroup() as scans:
            for one in self._roots.values():
                scans.create_task(one.scan())

    async def run(self) -> None:
        """Watches, and scans again every `rescan_s`, when the watcher asks for it, when another file system stands in a
        root's place, and when somebody does (`scan_now`), until cancelled."""
        await asyncio.to_thread(self._catalogue.scans.forget_old_reasons, list(self._roots))
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for one in self._roots.values():
                    group.create_task(one.run())
                while True:
                    if await asyncio.to_thread(self._catalogue.retries.retry_due):
                        self._changed()
                    await asyncio.sleep(RETRY_S)
        finally:
            self._group = None

    async def scan_now(self, roots: Sequence[Path] = ()) -> None:
        """Scans these roots, or all, without waiting for their time; returns when a scan is over that began after this
        was called. A root that is not known yet is scanned from now on. Works only while `run` runs."""
        chosen = [self._scanner_of(root) or self._add(root) for root in roots] or list(self._roots.values())
        async with asyncio.TaskGroup() as scans:
            for one in chosen:
                scans.create_task(one.scan_now())

    def request_scan(self) -> None:
        """As `scan_now` for all roots, and waits for nothing."""
        for one in self._roots.values():
            one.request_scan()

    def _scanner_of(self, root: Path) -> RootScanner | None:
        """The scanner of `root`."""
        real = root.resolve()
        for known, one in self._roots.items():
            if known == root or real.is_relative_to(known.resolve()):
                return one
        return None

    def _add(self, root: Path) -> RootScanner:
        self._roots[root] = one = self._new_scanner(root)
        if self._group is not None:
            self._group.create_task(one.run())
        return one


#: So often requests are taken up, and their progress is stored.
POLL_S = 1.0


class ScanRequestHandler:
    """Does the scans that other processes request. `progress` says how far the indexer is."""

    def __init__(self, catalogue: Catalogue, scheduler: ScanScheduler, progress: Callable[[], Progress]) -> None:
        self._catalogue = catalogue
        self._scheduler = scheduler
        self._progress = progress
        self._in_hand: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.to_thread(self._catalogue.scan_requests.remove_done)
        async with asyncio.TaskGroup() as group:
            while True:
                pending = await asyncio.to_thread(self._catalogue.scan_requests.pending)
                for request in pending:
                    if not request.done and request.id not in self._in_hand:
                        self._in_hand[request.id] = group.create_task(self._scan(request))
                wanted = {request.id for request in pending}
                self._in_hand = {number: task for number, task in self._in_hand.items() if number in wanted}
                await asyncio.sleep(POLL_S)

    async def _scan(self, request: ScanRequest) -> None:
        done_before = self._progress().done
        scan = asyncio.create_task(self._scheduler.scan_now(request.roots))
        try:
            while not scan.done() or await self._count_open_jobs(request):
                await self._report(request, done_before, over=False)
                await asyncio.wait({scan}, timeout=POLL_S)
                if scan.done():
                    await asyncio.sleep(POLL_S / 4)
            await scan
        finally:
            scan.cancel()
        await self._report(request, done_before, over=True)

    async def _count_open_jobs(self, request: ScanRequest) -> int:
        return await asyncio.to_thread(self._catalogue.scan_requests.count_jobs, request.roots)

    async def _report(self, request: ScanRequest, done_before: int, *, over: bool) -> None:
        counts = await asyncio.to_thread(self._catalogue.counts)
        queued = await self._count_open_jobs(request)
        now = self._progress()
        progress = replace(
            now,
            done=now.done - done_before,
            queued=queued,
            set_aside=counts.set_aside,
            walking=not over and now.walking,
            problems=self._scheduler.problems_of(request.roots),
        )
        await asyncio.to_thread(self._catalogue.scan_requests.update, request.id, progress.to_json(), done=over)
