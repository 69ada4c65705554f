"""Rebuilding from what is stored. Everything becomes durable work first, so an interrupted rebuild goes on later."""

from __future__ import annotations

from dataclasses import dataclass

from captioner import BundleError, read_model_name
from indexer.catalogue import Catalogue
from indexer.errors import unusable_bundle
from indexer.hours import DailyHours
from indexer.model import JobKind
from indexer.scanning.retry import retryable_obstacles
from indexer.settings import Settings
from indexer.storage import Storage


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
    told = []
    if wanted.search:
        told.append(f"{storage.catalogue.outbox.mark_all_unpushed():,} photos for search")
    if wanted.captions:
        model = current_model(settings)
        wrong = storage.catalogue.feedback.marked_wrong()
        queued = enqueue_captions(storage.catalogue, model)
        captions = f"{queued.captions:,} captions by {model}"
        captions += f", beside {queued.before:,} that were queued already" if queued.before else ""
        told.append(captions + (f", what was marked as wrong ({wrong:,}) first" if wrong else ""))
        if queued.corrections:
            told.append(f"{queued.corrections:,} corrections that could not be written before")
        if writes := storage.catalogue.retries.enqueue_all_writes(retryable_obstacles(settings)):
            told.append(f"{writes:,} captions that could not be written before")
    if wanted.metadata:
        told.append(f"{storage.catalogue.queue.enqueue_all(JobKind.METADATA):,} files to read")
    if wanted.thumbnails:
        told.append(f"{storage.catalogue.queue.enqueue_all(JobKind.THUMBNAILS):,} photos for thumbnails")
    return "queued: " + ", ".join(told)


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
