"""Recall of captions used as queries: by words (BM25), by embeddings, and by both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from captioner import Caption, blend
from captioner.inference.content_words import content_words
from captioner.inference.preprocess import tokenize

Floats = NDArray[np.float32]
#: A query as a vector of unit length in the space of `Caption.embedding`; None where no word of it is known.
Embed = Callable[[str], Floats | None]

LEXICAL, EMBEDDING, BLENDED = "lexical", "embedding", "blended"
AT = (1, 5, 10)
#: Scores that differ by less are tied: the sums of a matrix product differ by rounding.
SCORE_DECIMALS = 6
#: Of BM25 (Robertson, Zaragoza 2009).
_K1, _B = 1.2, 0.75


def search_terms(text: str) -> list[str]:
    """The content words of a query or caption; all words where it has none."""
    return content_words(text) or tokenize(text)


def word_counts(caption: Caption) -> dict[str, float]:
    """Term frequencies of a caption: a word counts once for each time in the sentence, a tag by its probability."""
    counts: dict[str, float] = {}
    for word in search_terms(caption.text):
        counts[word] = counts.get(word, 0) + 1
    for tag in caption.tags:
        for word in tokenize(tag.word):
            counts[word] = counts.get(word, 0) + tag.probability
    return counts


class Bm25Index:
    """BM25 (Robertson, Zaragoza 2009) over documents given as word counts, which may be fractions."""

    def __init__(self, documents: Sequence[Mapping[str, float]]) -> None:
        self._columns = {
            word: i for i, word in enumerate(sorted({word for document in documents for word in document}))
        }
        counts = np.zeros((len(documents), len(self._columns)), np.float32)
        for row, document in zip(counts, documents, strict=True):
            row[[self._columns[word] for word in document]] = list(document.values())
        lengths = counts.sum(axis=1, keepdims=True)
        norms = 1 - _B + _B * lengths / (lengths.mean() or 1)
        found = np.count_nonzero(counts, axis=0)
        self._idf = np.log1p((len(documents) - found + 0.5) / (found + 0.5)).astype(np.float32)
        self._weights: Floats = np.asarray(counts / (counts + _K1 * norms), np.float32)  # (documents, words) in 0..1

    def scores(self, queries: Sequence[Sequence[str]]) -> Floats:
        """(queries, documents) in 0..1: the share of the most that a query's known words could score."""
        idf = np.zeros((len(queries), len(self._columns)), np.float32)
        for row, query in zip(idf, queries, strict=True):
            known = [self._columns[word] for word in set(query) if word in self._columns]
            row[known] = self._idf[known]
        return np.asarray(idf @ self._weights.T / np.maximum(idf.sum(axis=1, keepdims=True), 1e-6), np.float32)


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
    """The rank of each query's right photo, from 1; of tied photos the mean of their ranks.

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
        terms = [search_terms(query) for query in queries]
        lexical = self.index.scores(terms)
        if self.embed is None or self.embeddings is None:
            return {LEXICAL: lexical}
        unknown = np.zeros(self.embeddings.shape[1], np.float32)
        vectors = [self.embed(query) for query in queries]
        cosines = np.array([unknown if v is None else v for v in vectors], np.float32) @ self.embeddings.T
        rows = zip(lexical, cosines, terms, strict=True)
        blended = np.array([blend(words, near, len(texts)) for words, near, texts in rows], np.float32)
        return {LEXICAL: lexical, EMBEDDING: cosines, BLENDED: blended}

    def recall(self, queries: Sequence[str], right: Sequence[int]) -> dict[str, Recall]:
        """For each way, how well the queries find the photos at the places `right`."""
        found = self.scores(queries)
        return {way: Recall.of(average_ranks(scores, right)) for way, scores in found.items()}
