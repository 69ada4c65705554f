"""Recall of captions used as queries: by words (BM25), by embeddings, and by both.

Queries may have words swapped for synonyms, to measure search for words that no caption has. Single-word queries are
measured by precision over the photos that people used the word for: a query is a content word that enough photos of the
set are right for. Of a photo with three captions or more, two people must have used the word; where one alone did,
whether the photo should be found is a matter of taste, so it is neutral: taken out of that query's ranking. Of a photo
with fewer captions, one suffices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner import Caption, blend
from captioner.inference.preprocess import content_words, tokenize

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


#: word -> words or phrases that may stand in its place.
Synonyms = Mapping[str, tuple[str, ...]]


def read_synonyms(path: Path) -> dict[str, tuple[str, ...]]:
    """From lines of word TAB synonym [TAB anything]; # starts a comment.

    Raises:
        ValueError: a line is something else; the message names it.
    """
    found: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        stripped = line.partition("#")[0].strip()
        if not stripped:
            continue
        word, *rest = (part.strip() for part in stripped.split("\t"))
        if not rest or tokenize(word) != [word] or not tokenize(rest[0]):
            raise ValueError(f"{path}, line {number}: expected one word, a tab and its synonym, got {line!r}")
        found[word] = (*found.get(word, ()), " ".join(tokenize(rest[0])))
    return found


def swap_synonyms(query: str, synonyms: Synonyms, turn: int = 0) -> str | None:
    """`query` with every listed word swapped; None where it holds none.

    Args:
        turn: which synonym is taken where a word has several: they take turns.
    """
    words = tokenize(query)
    if not any(word in synonyms for word in words):
        return None
    return " ".join(synonyms[word][turn % len(synonyms[word])] if word in synonyms else word for word in words)


def swap_all(queries: Sequence[str], synonyms: Synonyms) -> dict[int, str]:
    """The swapped queries by their places in `queries`; those that hold no listed word are left out."""
    found = ((place, swap_synonyms(query, synonyms, place)) for place, query in enumerate(queries))
    return {place: query for place, query in found if query is not None}


#: Photos that must be right for a word to be asked for.
LEAST_PHOTOS = 5
#: A photo with so many captions is right for a word only where two of them hold it.
MANY_CAPTIONS = 3
DEPTH, FIRST = 50, 10


@dataclass(frozen=True, slots=True)
class WordQueries:
    """Words to search for, and the photos that they should find."""

    words: tuple[str, ...]  # in the order of the alphabet
    right: NDArray[np.bool_]  # (words, photos)
    neutral: NDArray[np.bool_]  # (words, photos): left out of the word's ranking

    @classmethod
    def of(cls, references: Sequence[Sequence[str]]) -> WordQueries:
        """Of the human captions of each photo."""
        people = [[set(content_words(text)) for text in texts] for texts in references]
        known = sorted({word for of_photo in people for used in of_photo for word in used})
        row = {word: at for at, word in enumerate(known)}
        users = np.zeros((len(known), len(references)), np.int32)
        for photo, of_photo in enumerate(people):
            for used in of_photo:
                users[[row[word] for word in used], photo] += 1
        needed = np.array([2 if len(of_photo) >= MANY_CAPTIONS else 1 for of_photo in people])
        right = users >= needed
        asked = right.sum(axis=1) >= LEAST_PHOTOS
        words = tuple(word for word, ask in zip(known, asked, strict=True) if ask)
        return cls(words, right[asked], ((users > 0) & ~right)[asked])

    def scores(self, searcher: Searcher) -> dict[str, Any]:
        """Mean average precision at 50 and mean precision at 10 for each way to search, and of photos in any order."""
        found: dict[str, Any] = {"queries": len(self.words), "photos": self.right.shape[1]}
        if not self.words:
            return found
        ways = {**searcher.scores(self.words), "any order": np.zeros(self.right.shape, np.float32)}
        return {**found, **{way: self._precision(scores) for way, scores in ways.items()}}

    def _precision(self, scores: Floats) -> dict[str, float]:
        rows = zip(scores, self.right, self.neutral, strict=True)
        each = [expected_precision(of_query[~neutral], right[~neutral]) for of_query, right, neutral in rows]
        average, first = np.mean(each, axis=0)
        return {f"MAP@{DEPTH}": round(float(average), 4), f"precision@{FIRST}": round(float(first), 4)}


def expected_precision(scores: Floats, right: NDArray[np.bool_]) -> tuple[float, float]:
    """Average precision at 50 and precision at 10 of one ranking with at least one right photo.

    Photos of equal scores have no order, so both are what is expected when tied photos are shuffled, computed exactly
    (McSherry, Najork 2008, "Computing information retrieval performance measures efficiently in the presence of tied
    scores"). Average precision is the sum of the precision at the rank of each right photo among the first 50, over
    the number of right photos, 50 at most.

    Args:
        scores: (photos,), the greatest first. right: (photos,).
    """
    rounded = np.round(scores, SCORE_DECIMALS)
    order = np.argsort(-rounded, kind="stable")
    hits = right[order].astype(np.float64)
    starts = np.flatnonzero(np.diff(rounded[order], prepend=np.inf))
    sizes = np.diff(starts, append=len(order))
    tied = np.repeat(sizes, sizes)
    right_in_tie = np.repeat(np.add.reduceat(hits, starts), sizes)
    right_before = np.repeat(np.cumsum(hits)[starts] - hits[starts], sizes)
    place = np.arange(len(order))
    above_in_tie = place - np.repeat(starts, sizes)
    chance = right_in_tie / tied  # that the photo at this rank is right
    # Of the tied photos above a right one, so many are expected to be right too.
    others = above_in_tie * np.maximum(right_in_tie - 1, 0) / np.maximum(tied - 1, 1)
    gains = chance * (right_before + 1 + others) / (place + 1)
    average = gains[:DEPTH].sum() / min(int(hits.sum()), DEPTH)
    return float(average), float(chance[:FIRST].sum() / FIRST)
