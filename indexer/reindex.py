"""Rebuilding from what is stored. Everything becomes durable work first, so an interrupted rebuild goes on later."""

from __future__ import annotations

from dataclasses import dataclass

from captioner import BundleError, read_model_name
from indexer.errors import unusable_bundle
from indexer.photo import JobKind
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


def enqueue(wanted: Rebuild, settings: Settings, storage: Storage) -> str:
    """Queues the work and says how much it is. Raises `SetupError` where the caption model can't be read.

    The search index is not emptied: every photo is put into it anew while it goes on being searched, and what the
    catalogue does not have is deleted from it.
    """
    told = []
    if wanted.search:
        told.append(f"{storage.catalogue.mark_all_unpushed():,} photos for search")
    if wanted.captions:
        model = current_model(settings)
        wrong = storage.catalogue.marked_wrong()
        captions = f"{storage.catalogue.enqueue_all(JobKind.CAPTION, model=model):,} captions by {model}"
        told.append(captions + (f", what was marked as wrong ({wrong:,}) first" if wrong else ""))
        if corrections := storage.catalogue.enqueue_all(JobKind.WORDS):
            told.append(f"{corrections:,} corrections that could not be written before")
    if wanted.metadata:
        told.append(f"{storage.catalogue.enqueue_all(JobKind.METADATA):,} files to read")
    if wanted.thumbnails:
        told.append(f"{storage.catalogue.enqueue_all(JobKind.THUMBNAILS):,} photos for thumbnails")
    return "queued: " + ", ".join(told)


def current_model(settings: Settings) -> str:
    """The name of the caption model in use. Raises `SetupError`."""
    try:
        name, _ = read_model_name(settings.bundle)
    except BundleError as error:
        raise unusable_bundle(settings.bundle, error) from error
    return name
