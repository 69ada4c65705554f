"""The embedded index as words are matched against it: words from the snapshot in memory, phrases from FTS5."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.search.arrays import Floats, Ints, Mask
from indexer.search.embedded.snapshot import IndexSnapshot, Names


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

    def frequencies(self, codes: Ints) -> NDArray[np.int64]:
        """As `IndexSnapshot.frequencies`."""
        return self.snapshot.frequencies(codes)

    def full_text(self, parts: Sequence[str], *, prefix: bool = False) -> Mask:
        """The photos in which the words `parts` follow one another."""
        # Words hold letters, digits and marks only: in quotation marks nothing of them is FTS5 syntax.
        match = f'"{" ".join(parts)}"' + (" *" if prefix else "")
        rows = self.connection.execute("SELECT rowid FROM body WHERE body MATCH ?", (match,))
        return self.snapshot.where(docno for (docno,) in map(tuple, rows))
