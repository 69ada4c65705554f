"""The scans that `recollect index` asks a running recollect for: taken up, and told of until they are over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from indexer.catalogue import Catalogue
from indexer.catalogue.scan_requests import ScanRequest
from indexer.progress import Progress
from indexer.scanning.scheduler import ScanScheduler

#: Requests are looked for, and told of, so often.
POLL_S = 1.0


class ScanRequestHandler:
    """Does what other processes ask for. `progress` says how far the indexer is."""

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
                asked = await asyncio.to_thread(self._catalogue.scan_requests.pending)
                for request in asked:
                    if not request.done and request.id not in self._in_hand:
                        self._in_hand[request.id] = group.create_task(self._scan(request))
                wanted = {request.id for request in asked}
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
        told = replace(
            now,
            done=now.done - done_before,
            queued=queued,
            set_aside=counts.set_aside,
            walking=not over and now.walking,
            problems=self._scheduler.problems_of(request.roots),
        )
        await asyncio.to_thread(self._catalogue.scan_requests.update, request.id, told.to_json(), done=over)
