"""The words that photos have, by their beginning: what somebody who is typing may be about to say."""

from __future__ import annotations

import json
import sqlite3

import numpy as np

from indexer.search.embedded.snapshot import IndexSnapshot
from indexer.search.stems import stem
from indexer.search.vocabulary import is_completable, spelling, typed_word


def common_words(snapshot: IndexSnapshot, reader: sqlite3.Connection, beginning: str, limit: int) -> tuple[str, ...]:
    """As `SearchBackend.vocabulary`."""
    start = typed_word(beginning)
    known = [word for word in snapshot.names.beginning_with(start) if is_completable(word)] if start else []
    codes = np.array([snapshot.names.word_codes[word] for word in known], np.int32)
    counts = snapshot.frequencies(codes) if known else np.zeros(0, np.int64)
    found: dict[str, str] = {}  # basic form -> word
    for place in np.argsort(-counts, kind="stable").tolist():
        if len(found) >= limit:
            break
        if counts[place] and stem(known[place]) not in found:
            spelt = _spelling(snapshot, reader, int(codes[place]), known[place])
            found |= {stem(known[place]): spelt} if spelt else {}
    return tuple(found.values())


def _spelling(snapshot: IndexSnapshot, reader: sqlite3.Connection, code: int, word: str) -> str:
    """Empty where every photo with the word is gone."""
    docno = _photo_with(snapshot, code)
    if docno is None:
        return ""
    row = reader.execute("SELECT fields FROM shown WHERE docno = ?", (docno,)).fetchone()
    return spelling(word, (text for _, text, _ in json.loads(row["fields"]))) if row else ""


def _photo_with(snapshot: IndexSnapshot, code: int) -> int | None:
    for segment in snapshot.words:
        starts, counts = segment.bounds(np.array([code], np.int32))
        photos = segment.photos[int(starts[0]) : int(starts[0] + counts[0])]
        living = photos[snapshot.alive[photos]]
        if len(living):
            return int(snapshot.docnos[living[-1]])
    return None
