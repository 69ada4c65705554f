"""The indexer as one thing: owns the child processes and every task, and stops them in order."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from captioner import Captioner, CaptionerProcess, FaceFinder, FaceModel, read_face_model
from indexer.errors import ProcessUnavailable, SearchError, StorageError
from indexer.hours import DailyHours
from indexer.jobs.captioners import captioner_answers, images_elsewhere, indexing_captioner
from indexer.jobs.maintenance import Maintenance
from indexer.jobs.measuring import PhotoMeasuring
from indexer.jobs.pausing import INTERVAL_S, IndexingPause
from indexer.jobs.people import PeopleWork
from indexer.jobs.pipeline import PipelineContext
from indexer.jobs.progress_tracker import ProgressTracker
from indexer.jobs.reindex import RecaptionScheduler
from indexer.jobs.runner import FIRST_PAUSE_S, LONGEST_PAUSE_S, JobRunner, process_waiting_message
from indexer.jobs.search_feed import SearchFeed
from indexer.jobs.starting import queue_for_model, recover
from indexer.message import Message
from indexer.model import Job
from indexer.progress import Progress
from indexer.reader.photo_process import PhotoProcesses
from indexer.reasons import Reason
from indexer.scanning.scheduler import OBSTACLES_S, ScanRequestHandler, ScanScheduler
from indexer.settings import Settings
from indexer.sqlite.errors import is_transient, waiting_message
from indexer.storage import Storage, storage_errors
from indexer.tasks import either, first_failure, is_set_within, running

log = logging.getLogger(__name__)

#: The photos in hand get so long to finish when recollect is stopped.
STOP_S = 20.0

#: So often it is tried whether a data directory that could not be written can be written again.
DISK_PAUSE_S = 10.0

#: The last words to search get so long; what does not get through is pushed at the next start.
LAST_PUSH_S = 5.0

#: Beyond one photo per reading process: one in the captioner, one waiting for it, one being written or settled.
_MORE_IN_FLIGHT = 3


class Indexer:
    """Walks, watches, captions and keeps search up to date. An async context manager around its child processes.

    The caller holds `storage.sole_indexer` and closes `storage`. `captioner` and `photos` are started from the
    settings where none are passed in; `clock` gives the local time. Raises `SetupError` on entry where the caption
    model can't be used.
    """

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        *,
        captioner: Captioner | None = None,
        photos: PhotoProcesses | None = None,
        face_finder: FaceFinder | None = None,
        read_face_model: Callable[[], FaceModel] = read_face_model,
        stop_s: float = STOP_S,
        obstacles_s: float = OBSTACLES_S,
        disk_pause_s: float = DISK_PAUSE_S,
        pause_interval_s: float = INTERVAL_S,
        clock: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._stop_s = stop_s
        self._obstacles_s = obstacles_s
        self._disk_pause_s = disk_pause_s
        self._waiting: Message | None = None  # for the data directory's disk
        self._clock = clock
        self._settings = settings
        self._storage = storage
        self._captioner = captioner
        self._photos = photos
        self._face_finder, self._read_face_model = face_finder, read_face_model
        self._stack = AsyncExitStack()
        self._roots = set(settings.photos)  # every library that is known, for the processes that write into photos
        self._feed = SearchFeed(storage.catalogue, storage.search)
        self._maintenance = Maintenance(storage, changed=self.wake)
        self._context: PipelineContext | None = None
        self._measuring: PhotoMeasuring | None = None
        self._people: PeopleWork | None = None
        self._runner: JobRunner | None = None
        self._scheduler: ScanScheduler | None = None
        self._recaptioning: RecaptionScheduler | None = None
        self._pause = IndexingPause(settings, changed=self._announce_work, clock=clock, interval_s=pause_interval_s)
        self._tracker = ProgressTracker(
            storage.catalogue,
            scanning=lambda: self._scheduler is not None and self._scheduler.scanning,
            problems=self._problems,
            upcoming=lambda: self._recaptioning.remaining if self._recaptioning is not None else 0,
            unreadable=lambda: self._scheduler.unreadable if self._scheduler is not None else 0,
            paused=lambda: self._pause.phase,
        )

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            with storage_errors(self._settings):
                await asyncio.to_thread(recover, self._storage.catalogue)
            captioner = self._captioner
            if captioner is None:
                captioner = await stack.enter_async_context(indexing_captioner(self._settings))
            with storage_errors(self._settings):
                await asyncio.to_thread(queue_for_model, self._storage.catalogue, captioner.model, self._settings)
            photos = self._photos
            if photos is None:
                self._roots.update(root.path for root in await asyncio.to_thread(self._storage.catalogue.scans.roots))
                processes = PhotoProcesses(self._settings, input_px=captioner.input_px, roots=self._roots)
                photos = await stack.enter_async_context(processes)
            self._measuring = PhotoMeasuring(self._storage, photos, stored=self._feed.wake, turn=self._pause.wait)
            people = PeopleWork(
                self._settings,
                self._storage,
                finder=self._face_finder,
                read_model=self._read_face_model,
                make_room=captioner.unload if isinstance(captioner, CaptionerProcess) else None,
                queued=self._announce_work,
                stored=self._feed.wake,
                turn=self._pause.wait,
            )
            self._people = await stack.enter_async_context(people)
            self._context = PipelineContext(
                photos=photos,
                captioner=captioner,
                catalogue=self._storage.catalogue,
                thumbnails=self._storage.thumbnails,
                write_captions=self._settings.captions != "off",
                write_unsure=self._settings.write_unsure,
                people=people,
            )
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def wake(self) -> None:
        """Says that the queue has new work, such as a correction from the page: it is taken up at once, not at the
        next look. May be called at any time, on the event loop."""
        self._announce_work()
        if self._recaptioning is not None:
            self._recaptioning.wake()
        if self._people is not None:
            self._people.wake()

    def scan_now(self) -> None:
        """Has every library scanned now; what it finds is indexed as ever. May be called at any time, on the event
        loop: before the indexer runs there is nothing to ask for, as it begins with a scan."""
        if self._scheduler is not None:
            self._scheduler.request_scan()

    async def captioner_answers(self) -> bool:
        """Whether the captioner's child process answers; also where none is running just now. Takes as long as what it
        has in hand."""
        return self._context is None or await captioner_answers(self._context.captioner)

    def progress(self) -> Progress:
        """How far it is; costs nothing, may be called at any time, also before the indexer is entered."""
        return self._tracker.progress()

    async def index_once(self, roots: Sequence[Path], *, stop: asyncio.Event | None = None) -> Progress:
        """Walks `roots`, works everything off and returns; `per_second` is then the average of the whole.

        `stop` ends it early, nothing lost.
        """
        await self._run(roots, stop or asyncio.Event(), once=True)
        return replace(self.progress(), per_second=self._tracker.meter.average)

    async def work_off(self, *, stop: asyncio.Event | None = None) -> Progress:
        """Works the queue off without walking: what `reindex` enqueued, or what an interrupted run left."""
        return await self.index_once((), stop=stop)

    async def run_forever(self, roots: Sequence[Path], stop: asyncio.Event) -> None:
        """Walks, watches and works until `stop` is set; the photos in hand then get `stop_s` to finish. Where the data
        directory can't be written it waits until it can be. At the hours of the setting `recaption_hours`, what another
        model has described is described again."""
        await self._run(roots, stop, once=False)

    async def serve(self, roots: Sequence[Path], stop: asyncio.Event) -> None:
        """Enters, runs as `run_forever` does, and leaves. A captioner that dies before it is ready, for want of memory,
        is started again later, longer after it each time: the page answers meanwhile. So it does where the catalogue
        turns out to be damaged, with what to do about it, until `stop` is set; then raises `StorageError`."""
        pause_s = FIRST_PAUSE_S
        while not stop.is_set():
            try:
                async with self:
                    self._waiting, self._tracker.waiting = None, False
                    await self.run_forever(roots, stop)
                    return
            except ProcessUnavailable as error:
                self._waiting, self._tracker.waiting = process_waiting_message(error.what), True
                log.warning("%s; it is tried again in %.0f s", error.what, pause_s)
            except StorageError as error:
                if not self._is_damaged(error):
                    raise
                await stop.wait()
                raise
            await is_set_within(stop, pause_s)
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

    def _is_damaged(self, error: StorageError) -> bool:
        """Whether it says that the catalogue is damaged; nothing is written into that any more, and pages say so."""
        catalogue, cause = self._storage.catalogue, error.__cause__
        if isinstance(cause, sqlite3.Error):
            catalogue.record_error(cause)
        self._waiting = catalogue.problem()
        self._tracker.waiting = self._waiting is not None
        if self._waiting is not None:
            log.error("nothing is indexed any more: %s", self._waiting)
        return self._waiting is not None

    async def _run(self, roots: Sequence[Path], stop: asyncio.Event, *, once: bool) -> None:
        self._roots.update(roots)
        with storage_errors(self._settings):
            while (failure := await self._run_once(roots, stop, once=once)) is not None:
                await self._wait_for_disk(failure, stop)
                if stop.is_set():
                    return
            if once and self._people is not None and not stop.is_set():
                await self._people.group()
                if await self._people.enqueue_names():
                    await self._work_off_names(stop)
            await self._last_push()
            await self._tracker.count()

    async def _run_once(self, roots: Sequence[Path], stop: asyncio.Event, *, once: bool) -> BaseException | None:
        """Gives what ended it before its time, where that may pass and somebody waits for it."""
        self._runner = runner = self._new_runner(give_up=once)
        self._scheduler = scheduler = ScanScheduler(
            self._settings, self._storage.catalogue, roots, changed=self.wake, obstacles_s=self._obstacles_s
        )
        self._recaptioning = None if once else self._new_recaptioning()
        self._tracker.start()
        try:
            await self._until_done(self._sources(scheduler, runner, once=once), runner, stop)
        except BaseExceptionGroup as failures:
            failure = first_failure(failures)
            if once or not is_transient(failure):
                raise failure from failures
            return failure
        return None

    async def _work_off_names(self, stop: asyncio.Event) -> None:
        """What grouping, which comes last, has found to be written into files."""
        self._runner = runner = self._new_runner(give_up=True)
        runner.finish()
        try:
            await self._until_done([], runner, stop)
        except BaseExceptionGroup as failures:
            raise first_failure(failures) from failures

    async def _wait_for_disk(self, failure: BaseException, stop: asyncio.Event) -> None:
        """Until the data directory can be written again: the page answers meanwhile from what is there."""
        self._waiting = waiting_message(failure, self._settings.data_dir)
        self._tracker.waiting = True
        log.error("%s", self._waiting)
        while not stop.is_set():
            await is_set_within(stop, self._disk_pause_s)
            if await asyncio.to_thread(self._can_write):
                log.info("the data directory can be written again")
                break
        self._waiting, self._tracker.waiting = None, False

    def _can_write(self) -> bool:
        return self._storage.catalogue.retries.can_be_written() and (
            self._runner is None or self._runner.release_held()
        )

    async def _until_done(
        self, sources: list[Coroutine[Any, Any, None]], runner: JobRunner, stop: asyncio.Event
    ) -> None:
        async with asyncio.TaskGroup() as group, running(group, self._feed.run(), self._tracker.run()):
            async with running(group, *sources):
                work = group.create_task(runner.run())
                await either(work, stop.wait())
                self._tracker.stopping = stop.is_set()
                runner.stop()
            await self._finish_photos_in_hand(work, runner)

    def _sources(self, scheduler: ScanScheduler, runner: JobRunner, *, once: bool) -> list[Coroutine[Any, Any, None]]:
        """What puts work into the queue."""
        if once:
            return [_scan_once(scheduler, self._maintenance, self._measuring, runner)]
        requests = ScanRequestHandler(self._storage.catalogue, scheduler, self.progress)
        return [
            scheduler.run(),
            requests.run(),
            self._maintenance.run(),
            self._pause.run(),
            *([self._measuring.run()] if self._measuring else []),
            *([self._people.run()] if self._people else []),
            *([self._recaptioning.run()] if self._recaptioning else []),
        ]

    async def _finish_photos_in_hand(self, work: asyncio.Task[None], runner: JobRunner) -> None:
        """The photos in hand finish, or go back to the queue after `stop_s`."""
        _, late = await asyncio.wait({work}, timeout=self._stop_s)
        for task in late:
            log.warning("%d photos took too long to finish; they are done at the next start", runner.in_hand)
            task.cancel()

    async def _last_push(self) -> None:
        try:
            async with asyncio.timeout(LAST_PUSH_S if self._tracker.stopping else None):
                await self._feed.flush()
        except (TimeoutError, SearchError) as error:
            log.warning("search is behind and catches up at the next start: %s", error)

    def _new_runner(self, *, give_up: bool) -> JobRunner:
        if self._context is None:
            raise RuntimeError("the indexer is an async context manager: enter it first")
        captioner, here = self._context.captioner, self._settings.reader_count + _MORE_IN_FLIGHT
        return JobRunner(
            self._context,
            in_flight=lambda: here + images_elsewhere(captioner),
            settled=self._on_settled,
            drained=self._on_drained,
            paused=lambda: self._pause.is_on,
            give_up=give_up,
        )

    def _new_recaptioning(self) -> RecaptionScheduler | None:
        if self._context is None or not self._settings.recaption_hours:
            return None
        return RecaptionScheduler(
            self._storage.catalogue,
            DailyHours.parse(self._settings.recaption_hours),
            model=self._context.captioner.model,
            queued=self._announce_work,
            clock=self._clock,
        )

    def _on_settled(self, job: Job) -> None:
        self._tracker.note_settled(job.kind)
        self._feed.wake()

    def _on_drained(self) -> None:
        if self._recaptioning is not None:
            self._recaptioning.wake()

    def _announce_work(self) -> None:
        self._tracker.invalidate()
        if self._runner is not None:
            self._runner.wake()
        self._feed.wake()

    def _problems(self) -> tuple[Message | Reason | str, ...]:
        """The first that there is: what waits for the data directory, for people, for libraries, for a process, for
        search."""
        if (first := self._waiting or self._maintenance.problem) is not None:
            return (first,)
        if self._scheduler is not None and (of_roots := self._scheduler.problems):
            return of_roots
        last = (self._runner.problem if self._runner else None) or self._feed.problem
        last = last or (self._people.problem if self._people else None)
        return () if last is None else (last,)


async def _scan_once(
    scheduler: ScanScheduler, maintenance: Maintenance, measuring: PhotoMeasuring | None, runner: JobRunner
) -> None:
    await scheduler.scan_all()
    await maintenance.check_derived()
    if measuring is not None:
        await measuring.measure_all()
    runner.finish()
