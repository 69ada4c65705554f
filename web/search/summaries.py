"""A cache of what a grid shows of the photos that were found last: with every letter of a query that is typed they are
mostly the same."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence

from aiohttp import web
from cachetools import LRUCache

from indexer.catalogue import Catalogue
from indexer.model import PhotoSummary

#: Photos; each takes about half a kB.
KEPT_SUMMARIES = 4000


class SummaryCache:
    """The summaries of `catalogue`, those that were read last from memory until anything is written to it;
    thread-safe."""

    def __init__(self, catalogue: Catalogue, kept: int = KEPT_SUMMARIES) -> None:
        self._catalogue = catalogue
        self._lock = threading.Lock()
        self._data_version: Hashable = None
        self._summaries: LRUCache[str, PhotoSummary] = LRUCache(kept)

    def read(self, ids: Sequence[str]) -> list[PhotoSummary]:
        """As `Catalogue.summaries`."""
        data_version = self._catalogue.data_version()  # read first: the summaries are then at least as new
        with self._lock:
            if data_version != self._data_version:
                self._summaries.clear()
                self._data_version = data_version
            found = {photo_id: one for photo_id in ids if (one := self._summaries.get(photo_id)) is not None}
        missing = [photo_id for photo_id in ids if photo_id not in found]
        read = {one.id: one for one in self._catalogue.summaries(missing)} if missing else {}
        with self._lock:
            if data_version == self._data_version:
                self._summaries.update(read)
        found |= read
        return [found[photo_id] for photo_id in ids if photo_id in found]


SUMMARIES = web.AppKey("SUMMARIES", SummaryCache)
