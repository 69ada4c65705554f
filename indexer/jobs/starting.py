"""What a start does with the queue before the first job is claimed."""

from __future__ import annotations

import logging

from indexer.atomic.temporary import sweep
from indexer.catalogue import Catalogue
from indexer.jobs.reindex import recaption_hint
from indexer.model import JobKind
from indexer.settings import Settings

log = logging.getLogger(__name__)


def recover(catalogue: Catalogue) -> None:
    """What a killed process left: its half-written copies beside the photos it had in hand, and its jobs."""
    for folder in {job.file.path.parent for job in catalogue.queue.claimed()}:
        for path in sweep(folder):
            log.info("removed %s, left by a process that was killed", path)
    catalogue.queue.recover()
    catalogue.measured.forget_outdated()
    if number := catalogue.queue.enqueue_outdated_metadata():
        log.info("%d files were read by an older version: what they say of themselves is read again", number)
    if again := catalogue.retries.retry_at_start():
        log.info("%d files are tried again that could not be indexed before", again)


def queue_for_model(catalogue: Catalogue, model: str, settings: Settings) -> None:
    """Queues what a new model does by itself: what people marked as wrong. The rest, which may take days, is only
    reported."""
    waiting = catalogue.feedback.count_marked_wrong()
    if waiting and (wrong := catalogue.queue.enqueue_all(JobKind.CAPTION, model=model, only_wrong=True)):
        log.info("%d captions were marked as wrong, and %s tries again", wrong, model)
    catalogue.queue.enqueue_all(JobKind.COMPLETE)
    if incomplete := catalogue.counts().incomplete:
        log.info("%d photos have their sentence alone, from their files; the model completes them last", incomplete)
    if number := catalogue.queue.count_by_other_models(model):
        hint = recaption_hint(settings)
        log.info("%d photos have their words from another model than %s: %s", number, model, hint)
