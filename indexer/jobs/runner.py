"""Working off the durable queue: claims jobs, keeps a few photos in flight, records what fails."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from functools import partial
from itertools import count

from captioner import BundleError, CaptionError, CaptionerUnavailable
from indexer.errors import FailureKind, PhotoError, PhotoVanished, ProcessUnavailable, SetupError, UnreadablePhoto
from indexer.jobs.journeys import JOURNEYS
from indexer.jobs.pipeline import PipelineContext
from indexer.message import Message
from indexer.model import Job
from indexer.reasons import Reason, ReasonCode
from indexer.tasks import first_failure, in_thread_to_the_end, is_set_within

log = logging.getLogger(__name__)

#: Jobs that another process enqueues (`recollect reindex` beside a running service) are found this late at most.
POLL_S = 5.0

#: So many photos in a row at which the captioner fails are no longer about the photos.
CAPTIONER_FAILURES = 5

#: A child process that can't be had (the system has no memory for it just now) is asked for again after so long, twice
#: as long each time.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0
#: A run that ends gives up after so many times: half a minute. A service goes on.
MOST_STARTS = 6

_HINTS = {
    "process": "`recollect doctor` tries it; the messages above say how it ended",
    "captioner": "run `recollect doctor`: it tries the model; the messages above say how its process ended",
}


class JobRunner:
    """Keeps as many photos on their way at once as `in_flight` says, so that reading, captioning and writing overlap.

    `settled` is called after each job that ended well, `drained` whenever no job is in hand any more.
    A job is claimed only when there is room for it: what a crash leaves claimed is what was really in hand. However
    `run` ends, no claim of it is left. While `paused`, only what somebody on the page waits for is claimed; `wake` says
    that a pause is over. `problem` says what keeps it from working just now, for people; `give_up`: a
    process that can't be had several times ends the run.
    """

    def __init__(
        self,
        context: PipelineContext,
        *,
        in_flight: Callable[[], int],
        settled: Callable[[Job], None],
        drained: Callable[[], None],
        paused: Callable[[], bool] = lambda: False,
        give_up: bool = True,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self.problem: Message | None = None
        self._give_up = give_up
        self._first_pause_s = first_pause_s
        self._held: dict[int, Job] = {}
        self._stop = asyncio.Event()
        self._context = context
        self._settled = settled
        self._drained = drained
        self._paused = paused
        self._in_flight = in_flight
        self._in_hand = 0
        self._changed = asyncio.Event()
        self._more_may_come = True
        self._captioner_failures: list[int] = []  # ids of the jobs that failed one after the other

    @property
    def in_hand(self) -> int:
        """Photos on their way now."""
        return self._in_hand

    def wake(self) -> None:
        """Says that there may be something to claim."""
        self._changed.set()

    def stop(self) -> None:
        """No further claims; `run` ends when the photos in hand are done. Cancel `run` to give them back instead."""
        self._stop.set()
        self.wake()

    def finish(self) -> None:
        """Nothing more will be enqueued: `run` ends when the queue is empty."""
        self._more_may_come = False
        self.wake()

    async def run(self) -> None:
        """Works until `stop` or `finish`. Raises `SetupError` where it is not about one photo."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while (job := await self._next()) is not None:
                    tasks.create_task(self._process(job))
        except BaseExceptionGroup as failures:
            raise first_failure(failures) from failures
        finally:
            # Here and not where a job is worked on: a task that is cancelled before its first step runs nothing.
            self.release_held()
            self._requeue_captioner_failures()

    def release_held(self) -> bool:
        """Puts what was in hand when `run` ended back into the queue; False where that can't be written now."""
        if not self._held:
            return True
        try:
            self._context.catalogue.queue.release(list(self._held.values()))
        except sqlite3.Error as error:  # what ended the run is raised already: the next start takes the claims back
            log.warning("%d photos could not be given back to the queue: %s", len(self._held), error)
            return False
        self._held.clear()
        return True

    def _requeue_captioner_failures(self) -> None:
        """So many captioner failures in a row are not about these photos: they are queued again."""
        if len(self._captioner_failures) < CAPTIONER_FAILURES:
            return
        try:
            self._context.catalogue.queue.retry_set_aside(self._captioner_failures)
        except sqlite3.Error as error:
            log.warning("%d photos stay set aside: %s", len(self._captioner_failures), error)

    async def _next(self) -> Job | None:
        """The next job, once there is room for it; None at the end."""
        while not self._stop.is_set():
            self._changed.clear()
            has_room = self._in_hand < self._in_flight()
            if has_room and (job := await self._claim()) is not None:
                self._in_hand += 1
                return job
            # Not where `wake` was called since the claim began: there may be a job by now.
            if has_room and not self._more_may_come and not self._in_hand and not self._changed.is_set():
                break
            await is_set_within(self._changed, POLL_S)  # another process may have enqueued something
        return None

    async def _claim(self) -> Job | None:
        """A thread can't be cancelled: what it claims is waited for, and held until it is done or given back."""
        claim = partial(self._context.catalogue.queue.claim, 1, only_urgent=self._paused())
        claiming = asyncio.ensure_future(asyncio.to_thread(claim))
        try:
            await asyncio.shield(claiming)
        except asyncio.CancelledError:
            await asyncio.wait({claiming})
            raise
        finally:
            if claiming.done() and not claiming.cancelled() and claiming.exception() is None:
                self._held.update({job.id: job for job in claiming.result()})
        jobs = claiming.result()
        return jobs[0] if jobs else None

    async def _process(self, job: Job) -> None:
        try:
            if await self._attempt(job):
                del self._held[job.id]
        finally:
            self._in_hand -= 1
            self.wake()
            if not self._in_hand:
                self._drained()

    async def _attempt(self, job: Job) -> bool:
        """Whether the job is over, well or not; it is not where the runner stopped before a process could be had."""
        pause_s = self._first_pause_s
        for number in count(1):
            try:
                await self._run_job(job)
            except (CaptionerUnavailable, ProcessUnavailable) as error:
                if self._give_up and number == MOST_STARTS:
                    raise SetupError(str(error), hint=_HINTS["process"]) from error
                await self._wait_for_a_process(str(error), pause_s)
                pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)
            else:
                self.problem = None
                return True
            if self._stop.is_set():
                break
        return False

    async def _wait_for_a_process(self, why: str, pause_s: float) -> None:
        reason = why.splitlines()[0]
        self.problem = process_waiting_message(reason)
        log.warning("%s; it is tried again in %.0f s", reason, pause_s)
        await is_set_within(self._stop, pause_s)

    async def _run_job(self, job: Job) -> None:
        try:
            await JOURNEYS[job.kind](job, self._context)
        except (SetupError, sqlite3.Error, CaptionerUnavailable):
            raise
        except BundleError as error:
            raise SetupError(str(error), hint=_HINTS["captioner"]) from error
        except CaptionError as error:
            self._captioner_failures.append(job.id)
            await self._fail(job, Reason.of(ReasonCode.CAPTIONER_FAILED, detail=str(error)), FailureKind.CAPTIONER)
            if len(self._captioner_failures) >= CAPTIONER_FAILURES:
                raise SetupError(
                    f"the captioner failed at {CAPTIONER_FAILURES} photos in a row: {error}", hint=_HINTS["captioner"]
                ) from error
        except PhotoVanished as error:
            await self._fail(job, error.reason, FailureKind.VANISHED, final=False)
        except UnreadablePhoto as error:
            await self._fail(job, error.reason, error.kind)
        except PhotoError as error:
            await self._fail(job, error.reason, FailureKind.UNREADABLE)
        except Exception as error:  # one photo's surprise must not cost the others theirs
            log.exception("unexpected error at %s", job.file.path)
            await self._fail(job, Reason.of(ReasonCode.UNEXPECTED, detail=repr(error)), FailureKind.UNEXPECTED)
        else:
            self._captioner_failures.clear()
            self._settled(job)

    async def _fail(self, job: Job, reason: Reason, kind: FailureKind, *, final: bool = True) -> None:
        log.warning("%s: %s", job.file.path, reason)
        await in_thread_to_the_end(self._context.catalogue.queue.fail, job, reason, kind=kind, final=final)


def process_waiting_message(reason: str) -> Message:
    """That nothing goes on for want of a child process, for people."""
    return Message("photos wait, as a process can't be had that looks at them: %(reason)s", reason=reason)
