"""Keeps `Progress` up to date at a cost that stays small however large the library is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from indexer.catalogue import Catalogue, Counts
from indexer.message import Message
from indexer.model import JobKind
from indexer.progress import Meter, Phase, Progress
from indexer.reasons import Reason
from indexer.tasks import is_set_within

_PULSE_S = 1.0

# Counting takes longer in a large catalogue, so it is done less often: it never costs more than a fiftieth of the time.
_REST = 50


class ProgressTracker:
    """Counts what is done as it happens, and asks the catalogue for the rest now and then."""

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        scanning: Callable[[], bool],
        problems: Callable[[], tuple[Message | Reason | str, ...]],
        upcoming: Callable[[], int] = lambda: 0,
        unreadable: Callable[[], int] = lambda: 0,
        paused: Callable[[], Phase | None] = lambda: None,
    ) -> None:
        """`upcoming` gives how many photos are queued once the queue is empty, `unreadable` how many folders the last
        scans could not read, `paused` the phase that is a pause, while there is one."""
        self._paused = paused
        self._unreadable = unreadable
        self._catalogue = catalogue
        self._scanning = scanning
        self._problems = problems
        self._upcoming = upcoming
        self._counts: Counts | None = None
        self._done_then = 0
        self._invalidated = asyncio.Event()
        self.meter = Meter()
        self._faces_done = self._names_done = 0
        self.stopping = False
        self.waiting = False

    def start(self) -> None:
        """A run begins."""
        self.stopping = False
        self.meter.start()

    def note_settled(self, kind: JobKind) -> None:
        """A job of this kind is done."""
        self._faces_done += kind is JobKind.FACES
        self._names_done += kind is JobKind.WRITE_NAMES
        self.meter.add()

    def invalidate(self) -> None:
        """There is new work: it is counted again."""
        self._invalidated.set()

    async def run(self) -> None:
        """Counts again and again, until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            await self.count()
            await is_set_within(self._invalidated, max(_PULSE_S, _REST * (clock() - began)))

    async def count(self) -> None:
        """Asks the catalogue now."""
        self._invalidated.clear()
        done_then = self.meter.done
        self._counts = await asyncio.to_thread(self._catalogue.counts)
        self._done_then = done_then
        if not self._counts.queued and not self._upcoming():
            self.meter.start()

    def progress(self) -> Progress:
        """How far it is; costs nothing."""
        counts, meter, scanning = self._counts, self.meter, self._scanning()
        if counts is None:
            return Progress(phase=Phase.WAITING if self.waiting else Phase.STARTING, problems=self._problems())
        queued = max(0, counts.queued - (meter.done - self._done_then)) + self._upcoming()
        return Progress(
            done=meter.done,
            queued=queued,
            set_aside=counts.set_aside,
            per_second=meter.per_second,
            eta_s=None if self._paused() else meter.eta_s(queued),
            phase=self._phase(queued, counts, scanning),
            walking=scanning,
            problems=self._problems(),
            faces=min(queued, counts.faces_waiting),
            faces_done=self._faces_done,
            names=min(queued, counts.names_waiting),
            names_done=self._names_done,
            unreadable=self._unreadable(),
        )

    def _phase(self, queued: int, counts: Counts, scanning: bool) -> Phase:
        if self.stopping:
            return Phase.STOPPING
        if self.waiting:
            return Phase.WAITING
        if queued:
            if queued > counts.faces_waiting + counts.names_waiting:
                return self._paused() or Phase.INDEXING
            return self._paused() or (Phase.FACES if counts.faces_waiting else Phase.NAMES)
        if scanning or self._invalidated.is_set():
            return Phase.WALKING
        return Phase.SEARCH if counts.unpushed else Phase.IDLE
