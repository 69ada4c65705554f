"""Working off the durable queue: claims jobs, keeps a few photos in flight, records what fails."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable

from captioner import BundleError, CaptionError
from indexer.errors import PhotoError, PhotoVanished, SetupError
from indexer.journeys import JOURNEYS
from indexer.photo import Job
from indexer.pipeline import Bench
from indexer.tasks import first_failure

log = logging.getLogger(__name__)

#: Jobs that another process enqueues (`recollect reindex` beside a running service) are found this late at most.
POLL_S = 5.0

#: So many photos in a row at which the captioner fails are no longer about the photos.
CAPTIONER_FAILURES = 5

_HINTS = {
    "captioner": "run `recollect doctor`: it tries the model; the messages above say how its process ended",
}


class JobRunner:
    """Keeps `in_flight` photos on their way at once, so that reading, captioning and writing overlap.

    `settled` is called after each job that ended well, `drained` whenever no job is in hand any more.
    A job is claimed only when there is room for it: what a crash leaves claimed is what was really in hand.
    """

    def __init__(
        self,
        bench: Bench,
        *,
        in_flight: int,
        settled: Callable[[Job], None],
        drained: Callable[[], None],
    ) -> None:
        self._bench = bench
        self._settled = settled
        self._drained = drained
        self._room = asyncio.Semaphore(in_flight)
        self._in_hand = 0
        self._changed = asyncio.Event()
        self._stopping = False
        self._more_may_come = True
        self._captioner_failures = 0

    @property
    def in_hand(self) -> int:
        """Photos on their way now."""
        return self._in_hand

    def wake(self) -> None:
        """Says that there may be something to claim."""
        self._changed.set()

    def stop(self) -> None:
        """No further claims; `run` ends when the photos in hand are done. Cancel `run` to give them back instead."""
        self._stopping = True
        self.wake()

    def finish(self) -> None:
        """Nothing more will be enqueued: `run` ends when the queue is empty."""
        self._more_may_come = False
        self.wake()

    async def run(self) -> None:
        """Works until `stop` or `finish`. Raises `SetupError` where it is not about one photo."""
        try:
            async with asyncio.TaskGroup() as hands:
                while (job := await self._next()) is not None:
                    hands.create_task(self._work_on(job))
        except BaseExceptionGroup as failures:
            raise first_failure(failures) from failures

    async def _next(self) -> Job | None:
        """The next job, holding room for it; None at the end."""
        await self._room.acquire()
        while not self._stopping:
            self._changed.clear()
            jobs = await asyncio.to_thread(self._bench.catalogue.claim, 1)
            if jobs:
                self._in_hand += 1
                return jobs[0]
            if not self._more_may_come and not self._in_hand:
                break
            await self._news()
        self._room.release()
        return None

    async def _news(self) -> None:
        try:
            async with asyncio.timeout(POLL_S):
                await self._changed.wait()
        except TimeoutError:
            return  # time to look whether another process has enqueued something

    async def _work_on(self, job: Job) -> None:
        try:
            await self._attempt(job)
        except asyncio.CancelledError:
            self._bench.catalogue.release([job])
            raise
        finally:
            self._in_hand -= 1
            self._room.release()
            self.wake()
            if not self._in_hand:
                self._drained()

    async def _attempt(self, job: Job) -> None:
        try:
            await JOURNEYS[job.kind](job, self._bench)
        except (SetupError, sqlite3.Error):
            raise
        except BundleError as error:
            raise SetupError(str(error), hint=_HINTS["captioner"]) from error
        except CaptionError as error:
            await self._fail(job, f"it could not be captioned: {error}", "captioner")
            self._count_captioner_failure(error)
        except PhotoVanished as error:
            await self._fail(job, str(error), "vanished", final=False)
        except PhotoError as error:
            await self._fail(job, str(error), "unreadable")
        except Exception as error:  # one photo's surprise must not cost the others theirs
            log.exception("unexpected error at %s", job.file.path)
            await self._fail(job, f"unexpected error, please report it: {error!r}", "unexpected")
        else:
            self._captioner_failures = 0
            self._settled(job)

    def _count_captioner_failure(self, error: CaptionError) -> None:
        self._captioner_failures += 1
        if self._captioner_failures >= CAPTIONER_FAILURES:
            raise SetupError(
                f"the captioner failed at {CAPTIONER_FAILURES} photos in a row: {error}", hint=_HINTS["captioner"]
            ) from error

    async def _fail(self, job: Job, reason: str, kind: str, *, final: bool = True) -> None:
        log.warning("%s: %s", job.file.path, reason)
        await asyncio.to_thread(self._bench.catalogue.fail, job, reason, kind=kind, final=final)
