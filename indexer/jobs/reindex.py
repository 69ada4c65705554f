"""Rebuilding from what is stored. Everything becomes durable work first, so an interrupted rebuild goes on later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from captioner import BundleError, read_model_name
from indexer.catalogue import Catalogue
from indexer.catalogue.retries import retryable_obstacles
from indexer.errors import unusable_bundle
from indexer.hours import DailyHours
from indexer.model import JobKind
from indexer.settings import Settings
from indexer.storage import Storage
from indexer.tasks import is_set_within


@dataclass(frozen=True, slots=True)
class CaptionModels:
    """How many present photos each caption model has described."""

    current: str  # the model in use
    own: int  # photos that it has described
    others: Mapping[str, int]  # photos by every other model, most first; "" where a file did not say which
    queued: int  # files that wait for a caption by the model in use, those in hand included

    @property
    def by_others(self) -> int:
        """Photos that another model than the one in use has described."""
        return sum(self.others.values())


def count_by_model(catalogue: Catalogue, current: str) -> CaptionModels:
    """Asks the catalogue now; `current` is the name of the model in use."""
    others = dict(catalogue.feedback.models())
    own = others.pop(current, 0)
    return CaptionModels(current, own, others, catalogue.queue.queued(JobKind.CAPTION))


def format_models(models: Mapping[str, int]) -> str:
    """``1,200 by recollect-atto-2, 34 by an unknown model``."""
    return ", ".join(f"{photos:,} by {model or 'an unknown model'}" for model, photos in models.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """What is to be rebuilt."""

    search: bool = False
    captions: bool = False
    metadata: bool = False
    thumbnails: bool = False

    @property
    def anything(self) -> bool:
        """Whether there is something to do."""
        return self.search or self.captions or self.metadata or self.thumbnails


@dataclass(frozen=True, slots=True)
class QueuedCaptions:
    """What `enqueue_captions` has put into the queue; in files."""

    captions: int
    before: int  # captions that were in the queue already
    corrections: int  # that could not be written before


def enqueue_captions(catalogue: Catalogue, model: str) -> QueuedCaptions:
    """Queues whatever has no caption by `model`, and corrections that could not be written."""
    before = catalogue.queue.queued(JobKind.CAPTION)
    captions = catalogue.queue.enqueue_all(JobKind.CAPTION, model=model)
    return QueuedCaptions(captions, before, catalogue.queue.enqueue_all(JobKind.WRITE_CAPTION))


def enqueue(wanted: Rebuild, settings: Settings, storage: Storage) -> str:
    """Queues the work and says how much it is. Raises `SetupError` where the caption model can't be read.

    The search index is not emptied: every photo is put into it anew while it goes on being searched, and what the
    catalogue does not have is deleted from it.
    """
    parts = []
    if wanted.search:
        parts.append(f"{storage.catalogue.outbox.mark_all_unpushed():,} photos for search")
    if wanted.captions:
        model = current_model(settings)
        wrong = storage.catalogue.feedback.count_marked_wrong()
        queued = enqueue_captions(storage.catalogue, model)
        captions = f"{queued.captions:,} captions by {model}"
        captions += f", beside {queued.before:,} that were queued already" if queued.before else ""
        parts.append(captions + (f", what was marked as wrong ({wrong:,}) first" if wrong else ""))
        if queued.corrections:
            parts.append(f"{queued.corrections:,} corrections that could not be written before")
        if writes := storage.catalogue.retries.enqueue_all_writes(retryable_obstacles(settings)):
            parts.append(f"{writes:,} captions that could not be written before")
    if wanted.metadata:
        parts.append(f"{storage.catalogue.queue.enqueue_all(JobKind.METADATA):,} files to read")
    if wanted.thumbnails:
        parts.append(f"{storage.catalogue.queue.enqueue_all(JobKind.THUMBNAILS):,} photos for thumbnails")
    return "queued: " + ", ".join(parts)


def recaption_hint(settings: Settings) -> str:
    """What to do about photos that another model has described."""
    command = "recollect reindex --captions"
    if not settings.recaption_hours:
        return f"describe them again with `{command}`, or by themselves at the hours of the setting recaption_hours"
    hours = DailyHours.parse(settings.recaption_hours)
    return f"`recollect serve` describes them again {hours}; at once: `{command}`"


def current_model(settings: Settings) -> str:
    """The name of the caption model in use. Raises `SetupError`."""
    try:
        name, _ = read_model_name(settings.bundle)
    except BundleError as error:
        raise unusable_bundle(settings.bundle, error) from error
    return name


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
            await is_set_within(self._changed, min(_LONGEST_SLEEP_S, self._hours.seconds_to_begin(self._clock())))

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
