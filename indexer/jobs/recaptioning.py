"""Photos that another model has described are described again by themselves, at the hours that the settings name.

They come behind all other work: the next portion goes into the queue once that is empty. A portion is small, so that
little is left of it when the hours are over. What is still to do stands in the catalogue, as each photo's own model:
a restart goes on where it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from indexer.catalogue import Catalogue
from indexer.hours import DailyHours

log = logging.getLogger(__name__)

#: Photos. On a slow computer they take half a minute; the queue runs empty between two portions, which costs a
#: twentieth of the time.
PORTION = 50

# The clock of a computer can be set, and stands still for a process while the computer sleeps: it is looked at again.
_LONGEST_SLEEP_S = 600.0


class RecaptionScheduler:
    """Queues what another model than `model` has described, a portion at a time; `queued` is called after each.

    `clock` gives the local time.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        hours: DailyHours,
        *,
        model: str,
        queued: Callable[[], None],
        clock: Callable[[], datetime] = datetime.now,
        portion: int = PORTION,
    ) -> None:
        self._catalogue = catalogue
        self._hours = hours
        self._model = model
        self._queued = queued
        self._clock = clock
        self._portion = portion
        self._changed = asyncio.Event()
        #: Photos whose turn comes in these hours, beside those in the queue; 0 outside of the hours.
        self.remaining = 0

    def wake(self) -> None:
        """Says that the queue may be empty, or that there may be other photos than before."""
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._changed.clear()
            await self.enqueue_next()
            try:
                async with asyncio.timeout(min(_LONGEST_SLEEP_S, self._hours.seconds_to_begin(self._clock()))):
                    await self._changed.wait()
            except TimeoutError:
                continue  # the hours begin, or it is time to look at the clock

    async def enqueue_next(self) -> None:
        """Queues the next portion where it is time for it and nothing else waits."""
        if not self._hours.contains(self._clock()):
            if self.remaining:
                log.info("%d photos wait for the next hours to be described by %s", self.remaining, self._model)
            self.remaining = 0
            return
        if await asyncio.to_thread(self._enqueue):
            self._queued()

    def _enqueue(self) -> int:
        if self._catalogue.queue.queued():
            return 0
        number = self._catalogue.queue.enqueue_other_models(self._model, limit=self._portion)
        remaining = self._catalogue.queue.count_by_other_models(self._model)
        if number and not self.remaining:
            log.info("%d more photos are described again by %s, %s", remaining, self._model, self._hours)
        self.remaining = remaining
        return number
