"""How well queries find the photos that they were written for: ranks, recall at k, and the ways to search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from captioner import Caption, blend
from captioner.training.bm25 import Bm25Index, search_terms, word_counts

Floats = NDArray[np.float32]
#: A query as a vector of unit length in the space of `Caption.embedding`; None where no word of it is known.
Embed = Callable[[str], Floats | None]

LEXICAL, EMBEDDING, BLENDED = "lexical", "embedding", "blended"
AT = (1, 5, 10)
#: Scores that differ by less are tied: the sums of a matrix product differ by rounding.
SCORE_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Recall:
    """How often the right photo is among the first 1, 5 and 10, and its median rank."""

    queries: int
    at: tuple[float, ...]  # for each of AT, 0..1
    median_rank: float

    @classmethod
    def of(cls, ranks: NDArray[np.float64]) -> Recall:
        """Of the right photos' ranks, from 1."""
        if not len(ranks):
            return cls(0, (0.0,) * len(AT), 0.0)
        return cls(len(ranks), tuple(float(np.mean(ranks <= k)) for k in AT), float(np.median(ranks)))

    def table(self) -> dict[str, float]:
        """By the names that people know."""
        found = {f"recall@{k}": round(value, 4) for k, value in zip(AT, self.at, strict=True)}
        return {**found, "median rank": self.median_rank}


def average_ranks(scores: Floats, right: Sequence[int]) -> NDArray[np.float64]:
    """The rank of each query's right photo, from 1; of tied photos the mean of their ranks, never the lucky one.

    Args:
        scores: (queries, photos). right: (queries,) places of the right photos.
    """
    rounded = np.round(scores, SCORE_DECIMALS)
    own = rounded[np.arange(len(right)), np.asarray(right, np.intp)][:, None]
    better, level = (rounded > own).sum(axis=1), (rounded == own).sum(axis=1)
    return np.asarray(1 + better + (level - 1) / 2, np.float64)


@dataclass(frozen=True, slots=True)
class Searcher:
    """Captioned photos, searched by words, by meaning and by both."""

    index: Bm25Index
    embed: Embed | None = None
    embeddings: Floats | None = None  # (photos, d) unit length, zeros for a photo that has none; None: words only

    @classmethod
    def over(cls, captions: Sequence[Caption], embed: Embed | None) -> Searcher:
        """By meaning too where there are a text tower `embed` and photos with embeddings."""
        index = Bm25Index([word_counts(caption) for caption in captions])
        dimension = max((len(caption.embedding) for caption in captions if caption.embedding), default=0)
        if embed is None or not dimension:
            return cls(index)
        none = (0.0,) * dimension
        return cls(index, embed, np.array([caption.embedding or none for caption in captions], np.float32))

    def shuffled(self, seed: int = 0) -> Searcher:
        """The same with every embedding given to another photo: what chance finds by meaning."""
        if self.embeddings is None:
            return self
        order = np.random.default_rng(seed).permutation(len(self.embeddings))
        moved = np.empty_like(self.embeddings)
        moved[order] = np.roll(self.embeddings[order], 1, axis=0)
        return replace(self, embeddings=moved)

    def scores(self, queries: Sequence[str]) -> dict[str, Floats]:
        """(queries, photos) for each way: lexical and, where there are embeddings, embedding and blended."""
        said = [search_terms(query) for query in queries]
        lexical = self.index.scores(said)
        if self.embed is None or self.embeddings is None:
            return {LEXICAL: lexical}
        unknown = np.zeros(self.embeddings.shape[1], np.float32)
        vectors = [self.embed(query) for query in queries]
        cosines = np.array([unknown if v is None else v for v in vectors], np.float32) @ self.embeddings.T
        rows = zip(lexical, cosines, said, strict=True)
        blended = np.array([blend(words, near, len(texts)) for words, near, texts in rows], np.float32)
        return {LEXICAL: lexical, EMBEDDING: cosines, BLENDED: blended}

    def recall(self, queries: Sequence[str], right: Sequence[int]) -> dict[str, Recall]:
        """For each way, how well the queries find the photos at the places `right`."""
        found = self.scores(queries)
        return {way: Recall.of(average_ranks(scores, right)) for way, scores in found.items()}
