"""Looks after the data directory while recollect runs: what was derived and got lost or damaged is made again.

The search index is compared with the catalogue by the search feed. Here the thumbnails are: what a photo lacks becomes
a job. From time to time every database is checked as a whole, because damage in a part that nobody reads is damage all
the same. A damaged catalogue can't be repaired while it is in use: `problem` says what to do about it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from indexer.errors import SearchError
from indexer.message import Message
from indexer.storage import Storage

log = logging.getLogger(__name__)

_INTERVAL_S = 30.0
#: Comparing every photo takes a second for 100,000; counting takes a hundredth of that, and is done at every look.
_COMPARE_S = 600.0
#: A whole look at the files reads all of them. At the start, when there is other work, large ones are left out: damage
#: in a part that is read is noticed anyway.
_CHECK_S = 24 * 3600.0
_MOST_AT_START_BYTES = 300_000_000
_AT_ONCE = 1000


class Maintenance:
    """`changed` is called when there is new work in the queue. `problem` is what only people can repair."""

    def __init__(self, storage: Storage, *, changed: Callable[[], None], interval_s: float = _INTERVAL_S) -> None:
        self._storage = storage
        self._changed = changed
        self._interval_s = interval_s
        self._compared_at: float | None = None
        self._checked_at: float | None = None
        self._synced_version = 0
        self.problem: Message | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.check_derived()
            await asyncio.to_thread(self._sync)
            if self._checked_at is None or time.monotonic() - self._checked_at > _CHECK_S:
                await asyncio.to_thread(self._check, _MOST_AT_START_BYTES if self._checked_at is None else None)
                self._checked_at = time.monotonic()
                await self.check_derived()
            await asyncio.sleep(self._interval_s)

    def _sync(self) -> None:
        """A power cut then takes what was settled in the last half a minute at most, be it the last for weeks."""
        version = self._storage.catalogue.data_version()
        if version == self._synced_version:
            return  # a disk that sleeps is left asleep
        try:
            self._storage.catalogue.sync()
        except OSError as error:
            log.warning("what was settled just now may be lost if the power is cut: %s", error)
        else:
            self._synced_version = version

    async def check_derived(self) -> None:
        """Queues the thumbnails that photos lack, and sees whether the catalogue is still there."""
        if await asyncio.to_thread(self._queue_lost_thumbnails):
            self._changed()

    def _queue_lost_thumbnails(self) -> int:
        self._check_catalogue()
        catalogue, thumbnails = self._storage.catalogue, self._storage.thumbnails
        renewed = thumbnails.recreate_if_lost()
        due = self._compared_at is None or time.monotonic() - self._compared_at > _COMPARE_S
        if not renewed and not due and min(thumbnails.sizes().values()) >= catalogue.counts().photos:
            return 0
        self._compared_at = time.monotonic()
        queued, ids = 0, catalogue.photo_ids(limit=_AT_ONCE)
        while ids:
            queued += catalogue.queue.enqueue_thumbnails(thumbnails.lacking(ids))
            ids = catalogue.photo_ids(after=ids[-1], limit=_AT_ONCE)
        if queued:
            log.info("%d photos have lost their thumbnails, which are made again", queued)
        return queued

    def _check_catalogue(self) -> None:
        before = self.problem
        self.problem = self._storage.catalogue.problem()
        if self.problem is not None and self.problem != before:
            log.error("%s", self.problem)

    def _check(self, most_bytes: int | None) -> None:
        """Looks through every database as a whole; what can be made again is begun anew where it is damaged."""
        self._storage.catalogue.check(most_bytes=most_bytes)
        self._storage.thumbnails.check(most_bytes=most_bytes)
        check_search = getattr(self._storage.search, "check", None)  # a search server looks after its own files
        if check_search is not None:
            try:
                check_search(most_bytes=most_bytes)
            except SearchError as error:
                log.warning("the search index can't be looked through: %s", error)
