"""Keeping search up with the catalogue: what changed is pushed in batches, from the catalogue's own outbox."""

from __future__ import annotations

import asyncio
import logging

from indexer.catalogue import Catalogue
from indexer.errors import SearchError
from indexer.search import SearchBackend
from indexer.search.documents import document

log = logging.getLogger(__name__)

BATCH = 256

_PAUSE_S = 1.0  # between batches while photos trickle in: a photo is searchable about a second after it is settled
_POLL_S = 5.0
_LONGEST_BACK_OFF_S = 60.0


class SearchFeed:
    """Pushes revisions that search has not seen. A backend that is down delays search and loses nothing."""

    def __init__(self, catalogue: Catalogue, search: SearchBackend) -> None:
        self._catalogue = catalogue
        self._search = search
        self._changed = asyncio.Event()
        self.problem: str | None = None

    def wake(self) -> None:
        """Says that there may be something to push."""
        self._changed.set()

    async def run(self) -> None:
        """Pushes until cancelled: the first photo at once, then what came in the pause after each push."""
        pause_s = _PAUSE_S
        await asyncio.to_thread(push_everything_if_lost, self._catalogue, self._search)
        while True:
            self._changed.clear()
            pause_s = await self._push(pause_s)
            await asyncio.sleep(pause_s)
            try:
                async with asyncio.timeout(_POLL_S):
                    await self._changed.wait()
            except TimeoutError:
                continue  # another process may have marked photos for pushing

    async def _push(self, pause_s: float) -> float:
        """Pushes, and gives the time to wait before the next push."""
        behind = self.problem is not None
        try:
            pushed = await self.flush()
        except SearchError as error:
            if not behind:
                log.warning("search is behind: %s", error)
            return min(max(pause_s, _PAUSE_S) * 2, _LONGEST_BACK_OFF_S)
        if behind:
            log.info("search has caught up")
        return _PAUSE_S if pushed else 0.0

    async def flush(self) -> int:
        """Pushes all that is waiting, and gives its number. Raises `SearchError`, which `problem` then names."""
        pushed = 0
        try:
            while batch := await asyncio.to_thread(push_batch, self._catalogue, self._search):
                pushed += batch
        except SearchError as error:
            self.problem = error.what
            raise
        self.problem = None
        return pushed


def push_batch(catalogue: Catalogue, search: SearchBackend) -> int:
    """Pushes one batch and gives its size, 0 where search is up to date. Raises `SearchError`."""
    removed = catalogue.removed(BATCH)
    if removed:
        search.delete(removed)
        catalogue.forget_removed(removed)
    photos = catalogue.unpushed(BATCH)
    if photos:
        search.put([document(photo) for photo in photos])
        catalogue.mark_pushed([(photo.id, photo.revision) for photo in photos])
    return len(removed) + len(photos)


def push_everything_if_lost(catalogue: Catalogue, search: SearchBackend) -> None:
    """The search index may be deleted at any time: fewer documents than photos pushed means that it was."""
    try:
        counts = catalogue.counts()
        if search.count() < counts.photos - counts.unpushed:
            log.info("the search index is missing photos: it is rebuilt from the catalogue")
            catalogue.mark_all_unpushed()
    except SearchError:
        return  # it is down; `run` says so, and nothing is lost by waiting
