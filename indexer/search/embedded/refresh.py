"""Keeps the snapshot in memory (`indexer.search.embedded.snapshot`) up with the search file, whoever writes to it.

Reading a million photos' rows takes a dozen seconds and 400 MB. So a process that has read many stores the snapshot's
arrays beside the search file; mapping them takes neither, and only what has changed since is read from the rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from indexer.search.arrays import Ints, Mask
from indexer.search.embedded.array_store import ArrayStore, Blocks
from indexer.search.embedded.schema import State, has_been, read_state
from indexer.search.embedded.snapshot import NO_DATE, NO_RATING, IndexSnapshot, Names, Postings

_ROWS_AT_ONCE = 5000
_FEW_DEAD = 5000
# Segments of like size are merged, so that there are few of them and each posting is merged only a few times; large
# ones stay as they are, because merging takes several times their memory.
_GROWTH = 4
_LARGE = 500_000
#: Another number whenever the arrays mean something else than before.
LAYOUT = 2
_POSTINGS_AT_ONCE = 1_000_000
_COLUMNS = ("docnos", "taken_s", "ratings", "latitudes", "longitudes", "alive", "newest", "oldest")
_POSTINGS = ("words", "facets")

_ROWS = (
    "SELECT docno, taken_s, rating, latitude, longitude, words, strengths, facets FROM document"
    " WHERE docno > ? ORDER BY docno"
)


def refresh(
    snapshot: IndexSnapshot | None,
    connection: sqlite3.Connection,
    stored: Callable[[sqlite3.Connection], IndexSnapshot | None] = lambda connection: None,
) -> IndexSnapshot:
    """The snapshot of the file as it is now, reading as little as possible: from `snapshot`, else from what `stored`
    gives, else from the beginning."""
    connection.execute("BEGIN")
    try:
        state = read_state(connection)
        snapshot = snapshot or stored(connection)
        if snapshot is not None and snapshot.state == state:
            return snapshot
        first, last = connection.execute(
            "SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM forgotten"
        ).fetchone()
        if snapshot is not None and snapshot.state.epoch == state.epoch and snapshot.last_forgotten >= first - 1:
            snapshot = _without_forgotten(snapshot, connection)
        else:
            snapshot = None
        if snapshot is None or len(snapshot.docnos) > 2 * snapshot.count + _FEW_DEAD:
            snapshot = _empty(state)
        snapshot.names.follow(connection)
        rows = connection.execute(_ROWS, (int(snapshot.docnos[-1]) if len(snapshot.docnos) else 0,))
        while chunk := rows.fetchmany(_ROWS_AT_ONCE):
            snapshot = _with(snapshot, chunk)
        return replace(_with_date_order(snapshot), state=state, last_forgotten=last)
    finally:
        connection.execute("COMMIT")


def _empty(state: State) -> IndexSnapshot:
    whole, small = np.zeros(0, np.int64), np.zeros(0, np.float32)
    return IndexSnapshot(
        state=state,
        last_forgotten=0,
        names=Names(),
        docnos=whole,
        taken_s=whole,
        ratings=np.zeros(0, np.int8),
        latitudes=small,
        longitudes=small,
        alive=np.zeros(0, np.bool_),
        words=(),
        facets=(),
        newest=whole,
        oldest=whole,
    )


def _without_forgotten(snapshot: IndexSnapshot, connection: sqlite3.Connection) -> IndexSnapshot:
    gone = connection.execute("SELECT docno FROM forgotten WHERE seq > ?", (snapshot.last_forgotten,))
    return replace(snapshot, alive=snapshot.alive & ~snapshot.where(docno for (docno,) in map(tuple, gone)))


def _with(snapshot: IndexSnapshot, rows: Sequence[sqlite3.Row]) -> IndexSnapshot:
    """`snapshot` and the photos of `rows`."""
    docnos, taken, ratings, latitudes, longitudes, words, strengths, facets = zip(*map(tuple, rows), strict=True)
    first = len(snapshot.docnos)
    alive = np.concatenate([snapshot.alive, np.ones(len(rows), np.bool_)])
    new_words = _postings(first, words, np.frombuffer(b"".join(strengths), np.uint8))
    new_facets = _postings(first, facets, np.zeros(0, np.uint8))
    return replace(
        snapshot,
        docnos=np.concatenate([snapshot.docnos, np.array(docnos, np.int64)]),
        taken_s=np.concatenate([snapshot.taken_s, np.array([NO_DATE if s is None else s for s in taken], np.int64)]),
        ratings=np.concatenate([snapshot.ratings, np.array([NO_RATING if r is None else r for r in ratings], np.int8)]),
        latitudes=np.concatenate([snapshot.latitudes, np.array(latitudes, np.float32)]),
        longitudes=np.concatenate([snapshot.longitudes, np.array(longitudes, np.float32)]),
        alive=alive,
        words=_append_segment(snapshot.words, new_words, alive),
        facets=_append_segment(snapshot.facets, new_facets, alive),
    )


def _postings(first: int, blobs: Sequence[bytes], strengths: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> Postings:
    codes = np.frombuffer(b"".join(blobs), np.int32)
    lengths = np.fromiter(map(len, blobs), np.int64, len(blobs)) // codes.itemsize
    photos = np.repeat(np.arange(first, first + len(blobs), dtype=np.int32), lengths)
    return Postings.of(codes, photos, strengths)


def _append_segment(
    segments: tuple[Postings, ...], new: Postings, alive: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> tuple[Postings, ...]:
    kept = list(segments)
    while kept and len(kept[-1].photos) < min(_GROWTH * len(new.photos), _LARGE):
        new = kept.pop().merge(new, alive)
    return (*kept, new)


def _with_date_order(snapshot: IndexSnapshot) -> IndexSnapshot:
    """With each photo's place by date; equal dates stand in the order in which they were indexed."""
    places = np.arange(1, len(snapshot.docnos) + 1)
    newest, oldest = np.empty_like(places), np.empty_like(places)
    newest[np.argsort(snapshot.taken_s, kind="stable")] = places
    dated = snapshot.taken_s != NO_DATE
    oldest[np.argsort(np.where(dated, -snapshot.taken_s, NO_DATE), kind="stable")] = places
    return replace(snapshot, newest=newest, oldest=oldest)


class SnapshotStore:
    """Loads the snapshot from `store`, and writes it there where enough has changed."""

    def __init__(self, store: ArrayStore) -> None:
        self._store = store
        self._stored = (0, 0)  # the last photo that the file has, and the last that it knows to be forgotten

    def load(self, connection: sqlite3.Connection) -> IndexSnapshot | None:
        """The snapshot that was stored, for `refresh` to follow from; None where there is none that can be used.

        To be called inside a transaction of `connection`.
        """
        self._stored = (0, 0)
        names = Names()
        names.follow(connection)
        return self._load_mapped(lambda state: has_been(connection, state), names)

    def keep(self, snapshot: IndexSnapshot, then: Callable[[IndexSnapshot], None]) -> None:
        """Begins to write `snapshot` where enough has changed; `then` gets it back, mapped, in another thread."""
        photo, forgotten = self._stored
        new = len(snapshot.docnos) - int(np.searchsorted(snapshot.docnos, photo, side="right"))
        if not self._store.is_due(len(snapshot.docnos), new + snapshot.last_forgotten - forgotten):
            return
        arrays: dict[str, Blocks] = {name: [getattr(snapshot, name)] for name in _COLUMNS}
        for name in _POSTINGS:
            arrays |= _join_segments(name, getattr(snapshot, name), snapshot.alive)

        def use_mapped() -> None:
            mapped = self._load_mapped(lambda state: state == snapshot.state, snapshot.names)
            if mapped is not None and np.array_equal(mapped.docnos, snapshot.docnos):
                then(mapped)

        self._store.write(snapshot.state, {"last_forgotten": snapshot.last_forgotten}, arrays, use_mapped)

    def _load_mapped(self, is_known: Callable[[State], bool], names: Names) -> IndexSnapshot | None:
        found = self._store.load(is_known)
        if found is None:
            return None
        state, about, arrays = found
        columns = {name: arrays[name] for name in _COLUMNS}
        words, facets = (
            (Postings(*(arrays[f"{name}.{part}"] for part in ("starts", "photos", "strengths"))),) for name in _POSTINGS
        )
        snapshot = IndexSnapshot(
            state=state, last_forgotten=about["last_forgotten"], names=names, words=words, facets=facets, **columns
        )
        self._stored = int(snapshot.docnos[-1]) if len(snapshot.docnos) else 0, snapshot.last_forgotten
        return snapshot


def _join_segments(
    name: str, segments: Sequence[Postings], alive: Mask, at_once: int = _POSTINGS_AT_ONCE
) -> dict[str, Blocks]:
    """All segments as one, without the photos that are gone: the arrays of a `Postings`, a part at a time.

    They have to be read in this order: the later ones are kept while the photos are being written.
    """
    strengths: list[NDArray[np.uint8]] = [np.zeros(0, np.uint8)]
    lengths: list[NDArray[np.int64]] = [np.zeros(1, np.int64)]

    def photos() -> Iterator[Ints]:
        yield np.zeros(0, np.int32)
        for lengths_of, part in _parts(segments, alive, at_once):
            lengths.append(lengths_of)
            strengths.append(part.strengths)
            yield part.photos

    def starts() -> Iterator[NDArray[np.int64]]:
        yield np.cumsum(np.concatenate(lengths))

    return {f"{name}.photos": photos(), f"{name}.strengths": strengths, f"{name}.starts": starts()}


def _parts(segments: Sequence[Postings], alive: Mask, at_once: int) -> Iterator[tuple[NDArray[np.int64], Postings]]:
    """The postings of a run of codes after another: how many each code has, and they themselves."""
    codes = max((len(segment.starts) for segment in segments), default=1) - 1
    counts = np.zeros(codes + 1, np.int64)
    for segment in segments:
        counts[1 : len(segment.starts)] += np.diff(segment.starts)
    ends = np.cumsum(counts)
    edges = np.searchsorted(ends, np.arange(0, ends[-1], at_once))
    for low, high in pairwise(np.unique([0, *edges, codes]).tolist()):
        part = Postings.of(*_of_codes(segments, alive, low, high))
        lengths = np.diff(part.starts)
        yield np.concatenate([lengths, np.zeros(high - low - len(lengths), np.int64)]), part


def _of_codes(segments: Sequence[Postings], alive: Mask, low: int, high: int) -> tuple[Ints, Ints, NDArray[np.uint8]]:
    """Codes from `low`, counted from there, to below `high`, their photos and strengths."""
    codes, photos, strengths = [], [], []
    for segment in segments:
        starts = segment.starts[low : high + 1]
        if len(starts) < 2:
            continue
        run = slice(int(starts[0]), int(starts[-1]))
        kept = alive[segment.photos[run]]
        codes.append(np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts))[kept])
        photos.append(segment.photos[run][kept])
        strengths.append(segment.strengths[run][kept] if len(segment.strengths) else segment.strengths)
    return np.concatenate(codes), np.concatenate(photos), np.concatenate(strengths)
