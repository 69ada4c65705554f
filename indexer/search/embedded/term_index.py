"""The embedded index as words are matched against it: words from the snapshot in memory, phrases from FTS5."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.search.arrays import Floats, Ints, Mask
from indexer.search.embedded.snapshot import IndexSnapshot, Names
from indexer.search.stems import stem
from indexer.search.tokens import is_completable, spelling, typed_word


@dataclass(frozen=True, slots=True)
class TermIndex:
    """A `matching.TermLookup` of every photo of `snapshot`."""

    snapshot: IndexSnapshot
    connection: sqlite3.Connection

    @property
    def names(self) -> Names:
        """Every word that photos have, or have had."""
        return self.snapshot.names

    def scores(self, codes: Ints, qualities: Floats) -> Floats:
        """As `IndexSnapshot.scores`."""
        return self.snapshot.scores(codes, qualities)

    def matches(self, codes: Ints, qualities: Floats) -> tuple[Floats, Mask]:
        """As `IndexSnapshot.matches`."""
        return self.snapshot.matches(codes, qualities)

    def frequencies(self, codes: Ints) -> NDArray[np.int64]:
        """As `IndexSnapshot.frequencies`."""
        return self.snapshot.frequencies(codes)

    def full_text(self, parts: Sequence[str], *, prefix: bool = False) -> Mask:
        """The photos in which the words `parts` follow one another."""
        # Words hold letters, digits and marks only: in quotation marks nothing of them is FTS5 syntax.
        match = f'"{" ".join(parts)}"' + (" *" if prefix else "")
        rows = self.connection.execute("SELECT rowid FROM body WHERE body MATCH ?", (match,))
        return self.snapshot.where(docno for (docno,) in map(tuple, rows))

    def common_words(self, beginning: str, limit: int) -> tuple[str, ...]:
        """As `SearchBackend.vocabulary`."""
        start = typed_word(beginning)
        known = [word for word in self.names.beginning_with(start) if is_completable(word)] if start else []
        codes = np.array([self.names.word_codes[word] for word in known], np.int32)
        counts = self.frequencies(codes)
        found: dict[str, str] = {}  # basic form -> word
        for place in np.argsort(-counts, kind="stable").tolist():
            if len(found) >= limit:
                break
            if counts[place] and stem(known[place]) not in found:
                spelt = self._spelling(int(codes[place]), known[place])
                found |= {stem(known[place]): spelt} if spelt else {}
        return tuple(found.values())

    def _spelling(self, code: int, word: str) -> str:
        """Empty where every photo with the word is gone."""
        docno = self._photo_with(code)
        if docno is None:
            return ""
        row = self.connection.execute("SELECT fields FROM shown WHERE docno = ?", (docno,)).fetchone()
        return spelling(word, (text for _, text, _ in json.loads(row["fields"]))) if row else ""

    def _photo_with(self, code: int) -> int | None:
        for segment in self.snapshot.words:
            starts, counts = segment.bounds(np.array([code], np.int32))
            photos = segment.photos[int(starts[0]) : int(starts[0] + counts[0])]
            living = photos[self.snapshot.alive[photos]]
            if len(living):
                return int(self.snapshot.docnos[living[-1]])
        return None
