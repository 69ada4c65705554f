"""Retrieval by single-word queries: precision over the photos that people used the word for.

A query is a content word (`captioner.inference.content_words`) that enough photos of the set are right for. Of a
photo with three captions or more, two people must have used the word; where one alone did, whether the photo should be
found is a matter of taste, so it is neutral: taken out of that query's ranking. Of a photo with fewer captions, one
suffices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.inference.content_words import content_words
from captioner.training.retrieval import SCORE_DECIMALS, Floats, Searcher

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
