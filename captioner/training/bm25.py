"""Photos by the words that are said of them: BM25, with words that are only believed to a degree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from captioner import Caption
from captioner.inference.content_words import content_words
from captioner.inference.preprocess import tokenize

Floats = NDArray[np.float32]

_K1, _B = 1.2, 0.75


def search_terms(text: str) -> list[str]:
    """The words of a query or caption that say something; where none does, all of them."""
    return content_words(text) or tokenize(text)


def word_counts(caption: Caption) -> dict[str, float]:
    """How often each word is said of a photo: once for each time in the sentence, and a tag by its probability."""
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
        self._columns = {word: i for i, word in enumerate(sorted({word for said in documents for word in said}))}
        counts = np.zeros((len(documents), len(self._columns)), np.float32)
        for row, said in zip(counts, documents, strict=True):
            row[[self._columns[word] for word in said]] = list(said.values())
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
