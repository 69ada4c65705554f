"""Caches of the last searches: texts of photos, masks of results, stacks.

With every letter of a query that is typed mostly the same photos are found again. A `docno` is given once and its row
never changes, so its texts stay valid until the snapshot says that it was deleted. A page of results is followed by its
filters and its time line, which ask for the facets of the same query.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from indexer.search import Query
from indexer.search.arrays import Mask
from indexer.search.embedded.schema import State
from indexer.search.embedded.snapshot import IndexSnapshot
from indexer.search.folding import StackColumns
from indexer.search.reasons import PhotoTexts

#: Photos; each takes about 4 kB.
_KEPT_PHOTOS = 2000
_ROWS_AT_ONCE = 500
#: Queries; each takes a bit a photo.
_KEPT_QUERIES = 32


class PhotoTextCache:
    """The texts of the photos that were read last; thread-safe."""

    def __init__(self, kept: int = _KEPT_PHOTOS) -> None:
        self._lock = threading.Lock()
        self._texts: LRUCache[int, PhotoTexts] = LRUCache(kept)

    def of(self, docnos: Sequence[int], connection: sqlite3.Connection) -> dict[int, PhotoTexts]:
        """By docno, in this order; those that were deleted meanwhile may be left out."""
        with self._lock:
            known = {docno: self._texts[docno] for docno in docnos if docno in self._texts}
        read = _read([docno for docno in docnos if docno not in known], connection)
        with self._lock:
            self._texts.update(read)
        found = known | read
        return {docno: found[docno] for docno in docnos if docno in found}

    def forget_gone(self, snapshot: IndexSnapshot) -> None:
        """Drops the texts of photos that the index has no more: every change of a photo gives it another docno."""
        with self._lock:
            known = np.fromiter(self._texts, np.int64)
            alive = snapshot.docnos[snapshot.alive]
            for docno in np.setdiff1d(known, alive, assume_unique=True).tolist():
                del self._texts[docno]


def _read(docnos: Sequence[int], connection: sqlite3.Connection) -> dict[int, PhotoTexts]:
    found: dict[int, PhotoTexts] = {}
    for start in range(0, len(docnos), _ROWS_AT_ONCE):
        some = docnos[start : start + _ROWS_AT_ONCE]
        marks = ",".join("?" * len(some))
        select = f"SELECT docno, id, fields FROM document JOIN shown USING (docno) WHERE docno IN ({marks})"  # noqa: S608
        for docno, photo_id, fields in map(tuple, connection.execute(select, some)):
            found[docno] = PhotoTexts(photo_id, tuple(map(tuple, json.loads(fields))))
    return found


class ResultMaskCache:
    """The masks of the last queries, for one state of the index at a time; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Not the snapshot itself, which would be kept in memory beside the one that follows it.
        self._state: tuple[State, int] | None = None
        self._packed: LRUCache[Query, NDArray[np.uint8]] = LRUCache(_KEPT_QUERIES)

    def get(self, query: Query, snapshot: IndexSnapshot) -> Mask | None:
        """What `query` found in this snapshot."""
        with self._lock:
            packed = self._packed.get(_cache_key(query)) if self._state == state_of(snapshot) else None
        return None if packed is None else np.unpackbits(packed, count=len(snapshot.docnos)).astype(np.bool_)

    def put(self, query: Query, snapshot: IndexSnapshot, mask: Mask) -> None:
        """Remembers what `query`, as it was asked, found."""
        packed = np.packbits(mask)
        with self._lock:
            if self._state != state_of(snapshot):
                self._packed.clear()
                self._state = state_of(snapshot)
            self._packed[_cache_key(query)] = packed


class StackCache:
    """The stacks of one state of the index at a time; thread-safe."""

    def __init__(self) -> None:
        self._latest: tuple[tuple[State, int], StackColumns] | None = None

    def of(self, snapshot: IndexSnapshot) -> StackColumns:
        """The stacks of this snapshot."""
        latest = self._latest
        if latest is None or latest[0] != state_of(snapshot):
            latest = self._latest = (state_of(snapshot), snapshot.stacks())
        return latest[1]


def state_of(snapshot: IndexSnapshot) -> tuple[State, int]:
    """A value that differs wherever the arrays of `snapshot` differ."""
    # A refreshed snapshot may still hold deleted photos; one that was read or mapped does not.
    return snapshot.state, len(snapshot.docnos)


def _cache_key(query: Query) -> Query:
    return replace(query, sort=None, fold=False)
