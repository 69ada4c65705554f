"""The photos' embeddings as one int8 matrix, read only once something asks for it: 100,000 x 256 are 25 MB.

It holds those of one model: pictures and words of different models lie in different spaces, whatever their length.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from indexer.search.arrays import Floats
from indexer.search.embedded.snapshot import IndexSnapshot

# Rows widened to float32 at once: they stay in the cache, and are too few for BLAS to wake its other threads.
_BLOCK = 512
_ROWS_AT_ONCE = 5000
# While a word is being typed the words before it mean the same; then come filters and time line of the same query.
_KEPT_BYTES = 4_000_000


class Vectors:
    """Cosines between a vector and the photos of a snapshot; thread-safe, grows with the snapshot."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._model = ""
        self._docnos = np.zeros(0, np.int64)
        self._matrix = np.zeros((0, 0), np.int8)
        self._norms = np.zeros(0, np.float32)
        self._kept: OrderedDict[bytes, Floats] = OrderedDict()  # vector -> its cosines with every row of the matrix

    def cosines(
        self, vector: Sequence[float], model: str, snapshot: IndexSnapshot, connection: sqlite3.Connection
    ) -> Floats:
        """One cosine per photo of `snapshot`; 0 where a photo has no embedding by `model`, or one of another length."""
        wanted = np.asarray(vector, np.float32)
        matrix, norms, kept = self._followed(snapshot, connection, model, len(wanted))
        length = float(np.linalg.norm(wanted))
        if not length or not np.isfinite(length) or not len(matrix):
            return np.zeros(len(snapshot.docnos), np.float32)
        key = wanted.tobytes()
        cosines = kept.get(key)
        if cosines is None:
            cosines = _cosines(matrix, norms * np.float32(length), wanted)
        with self._lock:
            kept[key] = cosines
            kept.move_to_end(key)
            while len(kept) > 1 and len(kept) * cosines.nbytes > _KEPT_BYTES:
                kept.popitem(last=False)
        return cosines

    def _followed(
        self, snapshot: IndexSnapshot, connection: sqlite3.Connection, model: str, size: int
    ) -> tuple[NDArray[np.int8], Floats, OrderedDict[bytes, Floats]]:
        """The matrix, its rows' lengths, and what was computed with it, for the photos of `snapshot`."""
        with self._lock:
            if self._docnos is snapshot.docnos and (self._model, self._matrix.shape[1]) == (model, size):
                return self._matrix, self._norms, self._kept
            known = len(self._docnos)
            same = (self._model, self._matrix.shape[1]) == (model, size)
            if not same or not np.array_equal(snapshot.docnos[:known], self._docnos):
                known, self._docnos, self._model = 0, snapshot.docnos[:0], model
                self._matrix, self._norms = np.zeros((0, size), np.int8), np.zeros(0, np.float32)
            if known < len(snapshot.docnos):
                self._read(snapshot.docnos[known:], connection, model, size)
            self._docnos, self._kept = snapshot.docnos, OrderedDict()
            return self._matrix, self._norms, self._kept

    def _read(self, docnos: NDArray[np.int64], connection: sqlite3.Connection, model: str, size: int) -> None:
        new = np.zeros((len(docnos), size), np.int8)
        rows = connection.execute(
            "SELECT docno, vector FROM embedding WHERE docno BETWEEN ? AND ? AND model = ? AND length(vector) = ?"
            " ORDER BY docno",
            (int(docnos[0]), int(docnos[-1]), model, size),
        )
        while chunk := [tuple(row) for row in rows.fetchmany(_ROWS_AT_ONCE)]:
            places = np.searchsorted(docnos, np.array([docno for docno, _ in chunk], np.int64))
            vectors = np.frombuffer(b"".join(vector for _, vector in chunk), np.int8).reshape(-1, size)
            kept = docnos[np.minimum(places, len(docnos) - 1)] == [docno for docno, _ in chunk]
            new[places[kept]] = vectors[kept]
        norms = np.concatenate([np.sqrt((block.astype(np.float32) ** 2).sum(axis=1)) for block in _blocks(new)])
        self._matrix = np.concatenate([self._matrix, new])
        self._norms = np.concatenate([self._norms, norms])


def _cosines(matrix: NDArray[np.int8], lengths: Floats, wanted: Floats) -> Floats:
    dots: Floats = np.concatenate([block.astype(np.float32) @ wanted for block in _blocks(matrix)])
    cosines = np.zeros_like(dots)
    np.divide(dots, lengths, out=cosines, where=lengths > 0)
    cosines.flags.writeable = False
    return cosines


def _blocks(matrix: NDArray[np.int8]) -> list[NDArray[np.int8]]:
    return [matrix[at : at + _BLOCK] for at in range(0, len(matrix), _BLOCK)]
