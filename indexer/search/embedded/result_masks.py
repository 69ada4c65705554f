"""Which photos the last queries found, for their facets: a page of results is followed by its filters and its time
line, which ask the same once more."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from indexer.search import Query
from indexer.search.arrays import Mask
from indexer.search.embedded.snapshot import IndexSnapshot

#: Queries; each takes a bit a photo.
_KEPT = 32


class ResultMaskCache:
    """The masks of the last queries, for one state of the index at a time; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state = (-1, -1)
        self._packed: OrderedDict[Query, NDArray[np.uint8]] = OrderedDict()

    def get(self, query: Query, snapshot: IndexSnapshot) -> Mask | None:
        """What `query` found in this picture."""
        with self._lock:
            packed = self._packed.get(_unordered(query)) if self._state == _state(snapshot) else None
        return None if packed is None else np.unpackbits(packed, count=len(snapshot.docnos)).astype(np.bool_)

    def put(self, query: Query, snapshot: IndexSnapshot, mask: Mask) -> None:
        """Remembers what `query`, as it was asked, found."""
        packed = np.packbits(mask)
        with self._lock:
            if self._state != _state(snapshot):
                self._packed.clear()
                self._state = _state(snapshot)
            self._packed[_unordered(query)] = packed
            self._packed.move_to_end(_unordered(query))
            if len(self._packed) > _KEPT:
                self._packed.popitem(last=False)


def _state(snapshot: IndexSnapshot) -> tuple[int, int]:
    # Not the snapshot itself, which would be kept in memory beside the one that follows it.
    return snapshot.generation, snapshot.epoch


def _unordered(query: Query) -> Query:
    return replace(query, sort=None)
