"""Keeps the snapshot in memory (`indexer.search.embedded.snapshot`) up with the search file, whoever writes to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from indexer.search.embedded.snapshot import NO_DATE, NO_RATING, IndexSnapshot, Names, Postings

_ROWS_AT_ONCE = 5000
_FEW_DEAD = 5000
# Segments of like size are merged, so that there are few of them and each posting is merged only a few times; large
# ones stay as they are, because merging takes several times their memory.
_GROWTH = 4
_LARGE = 500_000

_ROWS = (
    "SELECT docno, taken_s, rating, latitude, longitude, words, strengths, facets FROM document"
    " WHERE docno > ? ORDER BY docno"
)


def read_state(connection: sqlite3.Connection) -> tuple[int, int]:
    """Generation and epoch of the file."""
    generation, epoch = connection.execute("SELECT generation, epoch FROM state").fetchone()
    return generation, epoch


def refresh(snapshot: IndexSnapshot | None, connection: sqlite3.Connection) -> IndexSnapshot:
    """The picture of the file as it is now, with as little reading as it takes."""
    connection.execute("BEGIN")
    try:
        generation, epoch = read_state(connection)
        if snapshot is not None and (snapshot.generation, snapshot.epoch) == (generation, epoch):
            return snapshot
        first, last = connection.execute(
            "SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM forgotten"
        ).fetchone()
        if snapshot is None or snapshot.epoch != epoch or snapshot.last_forgotten < first - 1 or _mostly_dead(snapshot):
            snapshot = _empty(epoch)
        else:
            snapshot = _without_forgotten(snapshot, connection)
        snapshot.names.follow(connection)
        rows = connection.execute(_ROWS, (int(snapshot.docnos[-1]) if len(snapshot.docnos) else 0,))
        while chunk := rows.fetchmany(_ROWS_AT_ONCE):
            snapshot = _with(snapshot, chunk)
        return replace(_ordered(snapshot), generation=generation, last_forgotten=last)
    finally:
        connection.execute("COMMIT")


def _mostly_dead(snapshot: IndexSnapshot) -> bool:
    return len(snapshot.docnos) > 2 * snapshot.count + _FEW_DEAD


def _empty(epoch: int) -> IndexSnapshot:
    whole, small = np.zeros(0, np.int64), np.zeros(0, np.float32)
    return IndexSnapshot(
        generation=-1,
        epoch=epoch,
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
        words=_grown(snapshot.words, new_words, alive),
        facets=_grown(snapshot.facets, new_facets, alive),
    )


def _postings(first: int, blobs: Sequence[bytes], strengths: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> Postings:
    codes = np.frombuffer(b"".join(blobs), np.int32)
    lengths = np.fromiter(map(len, blobs), np.int64, len(blobs)) // codes.itemsize
    photos = np.repeat(np.arange(first, first + len(blobs), dtype=np.int32), lengths)
    return Postings.of(codes, photos, strengths)


def _grown(
    segments: tuple[Postings, ...], new: Postings, alive: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> tuple[Postings, ...]:
    kept = list(segments)
    while kept and len(kept[-1].photos) < min(_GROWTH * len(new.photos), _LARGE):
        new = kept.pop().merged(new, alive)
    return (*kept, new)


def _ordered(snapshot: IndexSnapshot) -> IndexSnapshot:
    """With each photo's place by date; equal dates stand in the order in which they were indexed."""
    places = np.arange(1, len(snapshot.docnos) + 1)
    newest, oldest = np.empty_like(places), np.empty_like(places)
    newest[np.argsort(snapshot.taken_s, kind="stable")] = places
    dated = snapshot.taken_s != NO_DATE
    oldest[np.argsort(np.where(dated, -snapshot.taken_s, NO_DATE), kind="stable")] = places
    return replace(snapshot, newest=newest, oldest=oldest)
