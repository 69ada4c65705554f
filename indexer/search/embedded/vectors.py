"""The photos' embeddings as int8 matrices, read only once something asks for them: 100,000 x 256 are 25 MB.

They are those of one model: pictures and words of different models lie in different spaces, whatever their length. The
matrix of many photos lies in a file (`array_store`) and is mapped; the photos that came since are a second one.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from indexer.search.arrays import Floats
from indexer.search.embedded.array_store import ArrayStore, Blocks
from indexer.search.embedded.schema import State, has_been
from indexer.search.embedded.snapshot import IndexSnapshot

#: Another number whenever the arrays mean something else than before.
LAYOUT = 1
# Rows widened to float32 at once: they stay in the cache, and are too few for BLAS to wake its other threads.
_BLOCK = 512
_ROWS_AT_ONCE = 5000
# While a word is being typed the words before it mean the same; then come filters and time line of the same query.
_KEPT_BYTES = 16_000_000
# So many rows stay as they are when more come: the file's own, which are not in memory.
_LARGE = 20_000

_Matrix = NDArray[np.int8]


class _Rows:
    """The embeddings of the photos `docnos` by one model: matrices (rows, size) below each other, with their lengths.

    Nothing in it changes; `_kept` holds the cosines of vectors that were asked about with every row.
    """

    def __init__(self, model: str, docnos: NDArray[np.int64], parts: tuple[tuple[_Matrix, Floats], ...]) -> None:
        self.model = model
        self.docnos = docnos
        self.parts = parts
        self.size = int(parts[0][0].shape[1])
        self._kept: LRUCache[bytes, Floats] = LRUCache(max(1, _KEPT_BYTES // (4 * max(1, len(docnos)))))
        self._lock = threading.Lock()

    def cosines(self, wanted: Floats) -> Floats:
        length = float(np.linalg.norm(wanted))
        if not length or not np.isfinite(length) or not len(self.docnos):
            return np.zeros(len(self.docnos), np.float32)
        key = wanted.tobytes()
        with self._lock:
            cosines = self._kept.get(key)
        if cosines is None:
            cosines = np.concatenate(
                [_cosines(matrix, norms * np.float32(length), wanted) for matrix, norms in self.parts]
            )
            cosines.flags.writeable = False
            with self._lock:
                self._kept[key] = cosines
        return cosines

    def with_rows(self, docnos: NDArray[np.int64], matrix: _Matrix, norms: Floats) -> _Rows:
        """With those of more photos; `docnos` are all."""
        if not len(matrix):
            return _Rows(self.model, docnos, self.parts)
        parts = list(self.parts)
        if len(parts[-1][0]) < _LARGE:
            last, last_norms = parts.pop()
            matrix, norms = np.concatenate([last, matrix]), np.concatenate([last_norms, norms])
        return _Rows(self.model, docnos, (*parts, (matrix, norms)))


class Vectors:
    """Cosines between a vector and the photos of a snapshot; thread-safe, grows with the snapshot."""

    def __init__(self, store: ArrayStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._rows = _no_rows("", 0)
        self._stored = 0

    def cosines(
        self, vector: Sequence[float], model: str, snapshot: IndexSnapshot, connection: sqlite3.Connection
    ) -> Floats:
        """One cosine per photo of `snapshot`; 0 where a photo has no embedding by `model`, or one of another length."""
        wanted = np.asarray(vector, np.float32)
        return self._refresh(snapshot, connection, model, len(wanted)).cosines(wanted)

    def _refresh(self, snapshot: IndexSnapshot, connection: sqlite3.Connection, model: str, size: int) -> _Rows:
        """Those of the photos of `snapshot`."""
        with self._lock:
            rows = self._rows
            if rows.docnos is snapshot.docnos and (rows.model, rows.size) == (model, size):
                return rows
            if not _is_beginning(rows, snapshot, model, size):
                rows = self._load(lambda state: has_been(connection, state))
                if not _is_beginning(rows, snapshot, model, size):
                    rows = _no_rows(model, size)
                self._stored = len(rows.docnos)
            new = snapshot.docnos[len(rows.docnos) :]
            self._rows = rows = rows.with_rows(snapshot.docnos, *_read(new, connection, model, size))
            if self._store.is_due(len(rows.docnos), len(rows.docnos) - self._stored):
                self._write(rows, snapshot.state)
        return rows

    def _write(self, rows: _Rows, state: State) -> None:
        arrays: dict[str, Blocks] = {
            "docnos": [rows.docnos],
            "matrix": [matrix for matrix, _ in rows.parts],
            "norms": [norms for _, norms in rows.parts],
        }

        def use_mapped() -> None:
            # Rows that were read since then are read again, so that nothing of the file is kept in memory.
            mapped = self._load(lambda found: found == state)
            with self._lock:
                self._stored = len(rows.docnos)
                if len(mapped.docnos):
                    self._rows = mapped

        self._store.write(state, {"model": rows.model}, arrays, use_mapped)

    def _load(self, is_known: Callable[[State], bool]) -> _Rows:
        found = self._store.load(is_known)
        if found is None:
            return _no_rows("", 0)
        _, about, arrays = found
        return _Rows(about["model"], arrays["docnos"], ((arrays["matrix"], arrays["norms"]),))


def _no_rows(model: str, size: int) -> _Rows:
    return _Rows(model, np.zeros(0, np.int64), ((np.zeros((0, size), np.int8), np.zeros(0, np.float32)),))


def _is_beginning(rows: _Rows, snapshot: IndexSnapshot, model: str, size: int) -> bool:
    """Whether they are those of the first photos of `snapshot`, by this model."""
    same = (rows.model, rows.size) == (model, size)
    return same and np.array_equal(snapshot.docnos[: len(rows.docnos)], rows.docnos)


def _read(docnos: NDArray[np.int64], connection: sqlite3.Connection, model: str, size: int) -> tuple[_Matrix, Floats]:
    """The embeddings of these photos, and their lengths; zeros where a photo has none by `model`."""
    new = np.zeros((len(docnos), size), np.int8)
    first, last = (int(docnos[0]), int(docnos[-1])) if len(docnos) else (0, 0)
    rows = connection.execute(
        "SELECT docno, vector FROM embedding WHERE docno BETWEEN ? AND ? AND model = ? AND length(vector) = ?"
        " ORDER BY docno",
        (first, last, model, size),
    )
    while chunk := [tuple(row) for row in rows.fetchmany(_ROWS_AT_ONCE)]:
        places = np.searchsorted(docnos, np.array([docno for docno, _ in chunk], np.int64))
        vectors = np.frombuffer(b"".join(vector for _, vector in chunk), np.int8).reshape(-1, size)
        kept = docnos[np.minimum(places, len(docnos) - 1)] == [docno for docno, _ in chunk]
        new[places[kept]] = vectors[kept]
    lengths = [np.sqrt((block.astype(np.float32) ** 2).sum(axis=1)) for block in _blocks(new)]
    return new, np.concatenate([np.zeros(0, np.float32), *lengths])


def _cosines(matrix: _Matrix, lengths: Floats, wanted: Floats) -> Floats:
    dots, cosines = np.zeros(len(matrix), np.float32), np.zeros(len(matrix), np.float32)
    widened = np.empty((_BLOCK, matrix.shape[1]), np.float32)  # one for all blocks: a fifth quicker
    for at, block in enumerate(_blocks(matrix)):
        rows = widened[: len(block)]
        np.copyto(rows, block)
        np.dot(rows, wanted, out=dots[at * _BLOCK : at * _BLOCK + len(block)])
    np.divide(dots, lengths, out=cosines, where=lengths > 0)
    return cosines


def _blocks(matrix: _Matrix) -> list[_Matrix]:
    return [matrix[at : at + _BLOCK] for at in range(0, len(matrix), _BLOCK)]
