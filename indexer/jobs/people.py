"""Faces while recollect runs: whether they are looked for, the child process that finds them, and their grouping.

Where that is switched off nothing runs: no child process, no work in the queue. What people say on the page, or another
process by `recollect people`, is noticed within seconds.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from captioner import (
    BundleError,
    Face,
    FaceError,
    FaceFinder,
    FaceFinderUnavailable,
    FaceModel,
    FaceProcess,
    read_face_model,
)
from captioner.ipc.supervisor import ChildNotStarted
from indexer.errors import ProcessUnavailable, ReaderDied
from indexer.face_box import FaceRegion
from indexer.message import Message
from indexer.model import Job
from indexer.reasons import ReasonCode
from indexer.settings import Settings
from indexer.storage import Storage
from indexer.tasks import is_set_within

log = logging.getLogger(__name__)

#: The child process ends when it has had nothing to do for so long: its models are loaded within a second or two.
_IDLE_S = 30.0
#: So often it is looked whether people have switched it on or off, or decided something.
_INTERVAL_S = 5.0
#: While faces are still being found, they are grouped whenever there are so many new ones, and so much of all.
_LEAST_NEW, _NEW_SHARE = 200, 0.2
#: While people name one after the other, the next grouping waits so many times as long as the last one took.
_REST = 4.0
#: Looking for files in which other names are to stand takes a second of a large library: it rests so many times as
#: long, and looks again after so long in any case, as what failed for a passing reason waits for its time.
_NAMES_REST, _NAMES_AGAIN_S = 20.0, 3600.0


class PeopleWork:
    """Looks for faces and groups them, while that is switched on; an async context manager around its child process.

    `queued` is called when there is new work in the queue, `stored` when search has something to hear of; `turn`
    returns when there is no pause. `make_room` ends what is not needed while faces are looked for, so that their models
    take little more memory than there is in use anyway. `finder` and `read_model` stand for the child process and its
    bundle, for tests. `problem` is what keeps faces waiting.
    """

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        *,
        queued: Callable[[], None],
        stored: Callable[[], None],
        turn: Callable[[], Awaitable[None]],
        finder: FaceFinder | None = None,
        make_room: Callable[[], Awaitable[None]] | None = None,
        read_model: Callable[[], FaceModel] = read_face_model,
        interval_s: float = _INTERVAL_S,
    ) -> None:
        self.problem: Message | None = None
        self._settings = settings
        self._catalogue, self._vectors = storage.catalogue, storage.faces
        self._queued, self._stored, self._turn = queued, stored, turn
        self._interval_s = interval_s
        self._finder = finder
        self._given, self._read_model, self._make_room = finder, read_model, make_room
        self._process = AsyncExitStack()
        self._starting = asyncio.Lock()
        self._changed = asyncio.Event()
        self._model: FaceModel | None = None  # while it is switched on
        self._grouped_decision: int | None = None
        self._named_decision: int | None = None
        self._names_due = True  # other names may be to be written into files
        self._names_rested_at = self._names_looked_at = 0.0  # by the monotonic clock
        self._rested_at = 0.0  # by the monotonic clock

    async def __aenter__(self) -> Self:
        """Notices whether it is switched on, and queues what is to be looked at."""
        await self._follow_switch()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop_process()

    @property
    def model(self) -> str | None:
        """The name of the model that looks for faces; None while it is switched off."""
        return None if self._model is None else self._model.name

    def wake(self) -> None:
        """Says that people may have switched it on or off, or decided something."""
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._changed.clear()
            await self._follow_switch()
            if self._model is not None and await asyncio.to_thread(self._is_grouping_due):
                await self._turn()
                await self.group()
            if await self.enqueue_names():
                self._queued()
            await is_set_within(self._changed, self._interval_s)

    async def _follow_switch(self) -> None:
        is_on = await asyncio.to_thread(self._catalogue.people.is_on, self._settings.people)
        if is_on == (self._model is not None):
            self.problem = self.problem if is_on else None
            return
        if not is_on:
            log.info("faces are no longer looked for")
            self._model, self.problem = None, None
            await asyncio.to_thread(self._catalogue.people.drop_work)
            await self._stop_process()
            await asyncio.to_thread(self._vectors.close)  # a deleted file is there until nobody has it open
            return
        try:
            model = await asyncio.to_thread(self._read_model)
        except BundleError as error:
            self.problem = Message("faces can't be looked for: %(reason)s", reason=str(error))
            return
        self.problem, self._model = None, model
        if number := await asyncio.to_thread(self._enqueue, model.name):
            log.info("faces are looked for in %d photos", number)
            self._queued()

    def _enqueue(self, model: str) -> int:
        """Also the photos whose faces have lost their vectors."""
        for ids in self._catalogue.faces.ids(model):
            if lost := self._vectors.lacking(ids, model):
                self._catalogue.faces.look_again(lost)
        return self._catalogue.faces.enqueue(model)

    async def enqueue_names(self) -> bool:
        """Queues the files in which other names are to stand, where names are written and that may have changed;
        returns whether there are any."""
        return self._model is not None and self._settings.writes_names and await asyncio.to_thread(self._enqueue_names)

    def _enqueue_names(self) -> bool:
        moment, decision = time.monotonic(), self._catalogue.faces.last_decision()
        is_due = self._names_due or decision != self._named_decision or moment > self._names_looked_at + _NAMES_AGAIN_S
        if not is_due or moment < self._names_rested_at:
            return False
        self._names_due, self._named_decision, self._names_looked_at = False, decision, moment
        number = self._catalogue.names_in_files.enqueue()
        self._names_rested_at = time.monotonic() + _NAMES_REST * (time.monotonic() - moment)
        return number > 0

    def enqueue_photo(self, photo_id: str) -> bool:
        """Queues a photo that was settled just now, where faces are looked for; returns whether it is new. Blocks."""
        self._names_due = True  # also for a copy of a photo whose faces are known
        is_on = self._model is not None and self._catalogue.people.is_on(self._settings.people)
        return is_on and self._catalogue.faces.enqueue_photo(photo_id, self.model or "")

    async def find_faces(self, picture: bytes) -> tuple[Face, ...]:
        """The faces of a picture. Raises `ProcessUnavailable`, or `ReaderDied` where it is about this picture, or where
        the models can't be used."""
        if self._make_room is not None:
            await self._make_room()
        try:
            finder = await self._started()
            return await finder.find_faces(picture)
        except FaceFinderUnavailable as error:
            raise ProcessUnavailable(str(error)) from error
        except BundleError as error:
            died = error.__cause__
            if isinstance(died, ChildNotStarted) and died.kind != BundleError.__name__:
                raise ProcessUnavailable(str(error)) from error
            raise ReaderDied(ReasonCode.FACES_FAILED, detail=str(error)) from error
        except FaceError as error:
            raise ReaderDied(ReasonCode.FACES_FAILED, detail=str(error)) from error

    async def settle(self, job: Job, photo_id: str, faces: tuple[Face, ...], regions: tuple[FaceRegion, ...]) -> None:
        """Stores what was found and ends the job."""
        if (model := self.model) is not None:
            await asyncio.to_thread(self._settle, job, photo_id, faces, model, regions)

    def _settle(
        self, job: Job, photo_id: str, faces: tuple[Face, ...], model: str, regions: tuple[FaceRegion, ...]
    ) -> None:
        deletions = self._catalogue.people.deletions()
        self._names_due = True
        self._vectors.store(self._catalogue.faces.settle(job, photo_id, faces, model, regions), model)
        if self._catalogue.people.deletions() != deletions:  # everything was, by another thread or process, meanwhile
            self._vectors.delete()

    async def _started(self) -> FaceFinder:
        async with self._starting:
            if self._finder is None:
                process = FaceProcess(
                    threads=self._settings.captioner_threads,
                    timeout_s=self._settings.captioner_timeout_s,
                    nice=self._settings.nice,
                    idle_s=_IDLE_S,
                )
                self._finder = await self._process.enter_async_context(process)
            return self._finder

    async def _stop_process(self) -> None:
        async with self._starting:
            self._finder = self._given
            await self._process.aclose()
            self._process = AsyncExitStack()

    def _is_grouping_due(self) -> bool:
        if time.monotonic() < self._rested_at:
            return False
        faces = self._catalogue.faces
        if (new := faces.count_new()) and self._catalogue.counts().faces_waiting:
            return new >= max(_LEAST_NEW, _NEW_SHARE * faces.count())
        return bool(new) or self._grouped_decision != faces.last_decision()

    async def group(self) -> None:
        """Groups what is new, where it is switched on."""
        if (model := self._model) is None:
            return
        stop, began = threading.Event(), time.monotonic()
        grouping = asyncio.ensure_future(asyncio.to_thread(self._group, model, stop.is_set))
        try:
            changed = await asyncio.shield(grouping)
        except asyncio.CancelledError:  # a thread can't be cancelled
            stop.set()
            await asyncio.wait({grouping})
            raise
        self._rested_at = time.monotonic() + _REST * (time.monotonic() - began)
        if changed:
            self._names_due = True
            self._stored()

    def _group(self, model: FaceModel, is_stopped: Callable[[], bool]) -> int:
        from indexer.people.grouping import GroupingStopped, group_faces  # bring numpy along, which only this costs

        decision = self._catalogue.faces.last_decision()
        try:
            result = group_faces(self._catalogue, self._vectors, model, is_stopped=is_stopped)
        except GroupingStopped:
            return 0
        self._grouped_decision = decision
        if result.changed:
            log.info("%d faces were grouped; %d groups", result.changed, result.groups)
        return result.changed
