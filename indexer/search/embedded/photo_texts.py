"""What photos say, read from the search file and kept for the photos that were looked at last.

With every letter that somebody types much the same photos are looked at again. A `docno` is given once and what is
stored under it never changes, so what was read stays right; that a photo is gone the snapshot knows.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from indexer.search.photo_texts import PhotoTexts

#: Photos; each takes about 4 kB.
_KEPT = 2000
_ROWS_AT_ONCE = 500


class PhotoTextCache:
    """What the photos say that were looked at last; thread-safe."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._said: OrderedDict[int, PhotoTexts] = OrderedDict()

    def of(self, docnos: Sequence[int], connection: sqlite3.Connection) -> dict[int, PhotoTexts]:
        """By docno, in this order; those that were deleted meanwhile may be left out."""
        with self._lock:
            known = {docno: self._said[docno] for docno in docnos if docno in self._said}
            for docno in known:
                self._said.move_to_end(docno)
        read = _read([docno for docno in docnos if docno not in known], connection)
        with self._lock:
            self._said.update(read)
            while len(self._said) > self._kept:
                self._said.popitem(last=False)
        found = known | read
        return {docno: found[docno] for docno in docnos if docno in found}


def _read(docnos: Sequence[int], connection: sqlite3.Connection) -> dict[int, PhotoTexts]:
    found: dict[int, PhotoTexts] = {}
    for start in range(0, len(docnos), _ROWS_AT_ONCE):
        some = docnos[start : start + _ROWS_AT_ONCE]
        marks = ",".join("?" * len(some))
        select = f"SELECT docno, id, fields FROM document JOIN shown USING (docno) WHERE docno IN ({marks})"  # noqa: S608
        found |= {
            docno: PhotoTexts(photo_id, _texts(fields)) for docno, photo_id, fields in _rows(connection, select, some)
        }
    return found


def _rows(connection: sqlite3.Connection, select: str, values: Sequence[int]) -> Iterable[tuple[int, str, str]]:
    return map(tuple, connection.execute(select, values))


def _texts(fields: str) -> tuple[tuple[str, ...], ...]:
    return tuple(map(tuple, json.loads(fields)))
