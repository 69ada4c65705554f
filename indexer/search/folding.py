"""Which photo of each stack of nearly equal photos is the hit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from indexer.search import Sort
from indexer.search.arrays import Floats, Ints, Mask
from indexer.search.ranking import SCORE_STEPS, Match

#: The photo that stands for its stack is the hit where its score is at least so much of the best one's.
_AS_GOOD = np.float32(0.9)


@dataclass(frozen=True, slots=True)
class StackColumns:
    """Of each photo the number of its stack, 0 where it is in none, and whether it stands for that."""

    numbers: Ints
    covers: Mask

    @classmethod
    def of(cls, codes: Ints, covers: Mask) -> Self:
        """`codes` may be any numbers, with 0 for no stack."""
        stacked = np.flatnonzero(codes)
        numbers = np.zeros(len(codes), np.int32)
        numbers[stacked] = 1 + np.unique(codes[stacked], return_inverse=True)[1]
        return cls(numbers, covers)


def fold_match(match: Match, stacks: StackColumns, ranks: NDArray[np.int64], sort: Sort) -> Match:
    """`match` with one photo of each stack, see `fold`; by date all photos of a stack are as good."""
    scores = match.scores if sort is Sort.RELEVANCE else None
    mask = fold(match.mask, stacks, ranks, scores, match.sure)
    return replace(match, mask=mask, sure=None if match.sure is None else match.sure & mask)


def fold(
    mask: Mask, stacks: StackColumns, ranks: NDArray[np.int64], scores: Floats | None, sure: Mask | None = None
) -> Mask:
    """`mask` with one photo of each stack: the one that stands for it, if it is as good a hit as the others, else the
    best; of equals the one with the highest of `ranks`, which are all different. Without `scores` all are as good; with
    `sure` those that are sure are better than the others."""
    places = np.flatnonzero(mask & (stacks.numbers > 0))
    if not len(places):
        return mask
    numbers = stacks.numbers[places]
    keys = stacks.covers[places].astype(np.int64)
    if scores is not None:
        best = np.zeros(int(numbers.max()) + 1, np.float32)
        np.maximum.at(best, numbers, scores[places])
        keys *= scores[places] >= _AS_GOOD * best[numbers]
        if sure is not None:
            any_sure = np.zeros(len(best), np.bool_)
            any_sure[numbers[sure[places]]] = True
            keys *= sure[places] >= any_sure[numbers]
        keys = keys * (SCORE_STEPS + 1) + np.round(scores[places] * SCORE_STEPS).astype(np.int64)
    keys = keys * (len(mask) + 1) + ranks[places]
    highest = np.full(int(numbers.max()) + 1, -1, np.int64)
    np.maximum.at(highest, numbers, keys)
    folded = mask.copy()
    folded[places[keys < highest[numbers]]] = False
    return folded
