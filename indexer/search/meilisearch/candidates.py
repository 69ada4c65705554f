"""The photos that the server found best, as a `matching.TermLookup` of a few hundred."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from indexer.search.arrays import Floats, Ints, Mask
from indexer.search.meilisearch.layout import FoundPhoto


@dataclass(frozen=True)
class CandidateWords:
    """The words that some photos have."""

    words_sorted: list[str]

    @cached_property
    def word_codes(self) -> dict[str, int]:
        """Word -> its place in the order."""
        return {word: code for code, word in enumerate(self.words_sorted)}

    def beginning_with(self, prefix: str) -> list[str]:
        """The words that begin with `prefix`, in order."""
        low = bisect.bisect_left(self.words_sorted, prefix)
        return self.words_sorted[low : bisect.bisect_left(self.words_sorted, prefix + "\U0010ffff", low)]


@dataclass(frozen=True)
class Candidates:
    """Photos in the order that they came in; arrays have one entry per photo."""

    photos: Sequence[FoundPhoto]

    @cached_property
    def names(self) -> CandidateWords:
        """The words of these photos."""
        return CandidateWords(sorted({word for photo in self.photos for word in photo.strengths}))

    def scores(self, codes: Ints, qualities: Floats) -> Floats:
        """Per photo the best of strength times quality among `codes`; 0 where it has none of them."""
        ordered = self.names.words_sorted
        sought = {
            ordered[code]: quality / 255 for code, quality in zip(codes.tolist(), qualities.tolist(), strict=True)
        }
        best = (
            max((photo.strengths[word] * sought[word] for word in sought.keys() & photo.strengths.keys()), default=0.0)
            for photo in self.photos
        )
        return np.fromiter(best, np.float32, len(self.photos))

    def frequencies(self, codes: Ints) -> NDArray[np.int64]:
        """How many of the photos each of the words `codes` has."""
        ordered = self.names.words_sorted
        counts = (sum(ordered[code] in photo.strengths for photo in self.photos) for code in codes.tolist())
        return np.fromiter(counts, np.int64, len(codes))

    def full_text(self, parts: Sequence[str], *, prefix: bool = False) -> Mask:
        """The photos with a text in which the words `parts` follow one another."""
        sought = f" {' '.join(parts)}{'' if prefix else ' '}"
        held = (any(sought in f" {folded} " for _, _, folded in photo.texts) for photo in self.photos)
        return np.fromiter(held, np.bool_, len(self.photos))

    def cosines(self, vector: Sequence[float], model: str) -> Floats:
        """One per photo; 0 where it has no embedding by `model` or one of another length."""
        wanted = np.asarray(vector, np.float32)
        cosines = np.zeros(len(self.photos), np.float32)
        own = {
            place: photo.embedding
            for place, photo in enumerate(self.photos)
            if photo.model == model and len(photo.embedding) == len(wanted)
        }
        if not own or not np.isfinite(wanted).all():
            return cosines
        matrix = np.frombuffer(b"".join(own.values()), np.int8).reshape(len(own), -1).astype(np.float32)
        lengths = np.linalg.norm(matrix, axis=1) * np.linalg.norm(wanted)
        found = np.zeros(len(own), np.float32)
        np.divide(matrix @ wanted, lengths, out=found, where=lengths > 0)
        cosines[list(own)] = found
        return cosines

    @cached_property
    def newest(self) -> NDArray[np.int64]:
        """Ranks by date, the newest highest, those without a date lowest; equal ones as they came."""
        return self._ranks(newest=True)

    @cached_property
    def oldest(self) -> NDArray[np.int64]:
        """Ranks by date, the oldest highest, those without a date lowest; equal ones as they came."""
        return self._ranks(newest=False)

    def _ranks(self, *, newest: bool) -> NDArray[np.int64]:
        def key(place: int) -> tuple[bool, int, int]:
            taken = self.photos[place].taken_s
            return (taken is None, 0 if taken is None else -taken if newest else taken, place)

        ranks = np.zeros(len(self.photos), np.int64)
        for rank, place in enumerate(sorted(range(len(self.photos)), key=key)):
            ranks[place] = len(self.photos) - rank
        return ranks
