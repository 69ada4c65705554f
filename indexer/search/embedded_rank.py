"""Which photos a query finds, and in which order: the whole ranking of the embedded search.

A photo's score for one word is the best of *strength* times *quality* over the words of the index that the query's
word may mean. Strength (0..1, `embedded_schema.FIELD_WEIGHTS`) says how much the photo is about the word: the
fields that hold it, combined as independent evidence, 1 - product(1 - weight), a person's caption before the model's,
before tags (times their probability), names, title, places, folders and file names. It is BM25F's idea (Robertson,
Zaragoza 2009) without term frequencies, which say nothing in texts of ten words; lengths count a little. Quality
(`indexer.search.embedded_match`) is 1 for the word itself, less for a longer word, a synonym, a correction.

The score of a query is the mean over its words, weighted by their inverse document frequency as in BM25. Scores are
compared in steps of a thousandth; equal ones come newest first.

*All words have to match.* Where no photo has all of them, known words are corrected too, and then photos are found
that have at least `_RELAXED` of the words' weight, or as much as any photo has. A query of four words or more is a
description: photos that have `_DESCRIBED` of its weight are found as well, after those that have all (on Flickr8k that
doubles the recall at 10 of whole sentences). The answer names the words that the best photo lacks. Phrases, exclusions
and filters always hold.

*Meaning*: where the query has a vector, photos whose cosine is near the best one join in, and the score becomes
`(1 - _MEANING) * words + _MEANING * cosine / best cosine`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from indexer.search import Query, Sort
from indexer.search.embedded_filter import filtered
from indexer.search.embedded_match import Group, Matcher
from indexer.search.embedded_picture import Floats, Mask, Picture
from indexer.search.embedded_vectors import Vectors

_DESCRIPTION_FROM = 4
_RELAXED = 0.5
_DESCRIBED = 0.25
_AS_MUCH = 0.999  # but for rounding
_MEANING = 0.3
_LEAST_COSINE = 0.15
_NEAR_BEST = 0.8
_MOST_BY_MEANING = 200
_STEPS = 1000


@dataclass(frozen=True, slots=True)
class Match:
    """The photos that a query finds: `mask` and `scores` have one entry per photo of the picture."""

    mask: Mask
    scores: Floats  # 0..1
    groups: Sequence[Group] = ()
    corrections: dict[str, tuple[str, ...]] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    cosines: Floats | None = None  # of the photos that were found by meaning, else 0

    @property
    def total(self) -> int:
        """How many photos were found."""
        return int(np.count_nonzero(self.mask))


def matched(query: Query, picture: Picture, connection: sqlite3.Connection, vectors: Vectors) -> Match:
    """Everything that `query` finds. Raises `FilterError`."""
    passing, nearest = filtered(picture, query.filters)
    matcher = Matcher(picture, connection)
    for text in query.excluded:
        passing = passing & ~matcher.excluded(text)
    phrases = [matcher.phrase(text) for text in query.phrases]
    by_words = _by_words(query, matcher, phrases, passing)
    if query.vector is not None:
        for group in phrases:
            passing = passing & (group.scores > 0)
        by_words = _with_meaning(by_words, passing, vectors.cosines(query.vector, picture, connection))
    return replace(by_words, corrections={**by_words.corrections, **nearest})


def page(match: Match, picture: Picture, sort: Sort, limit: int, offset: int) -> NDArray[np.int64]:
    """The photos (as places in the picture) from `offset` on, in order; the order is total, so pages never overlap."""
    found = np.flatnonzero(match.mask)
    if sort is Sort.RELEVANCE:
        steps = np.round(match.scores[found] * _STEPS).astype(np.int64)
        keys = steps * (len(picture.docnos) + 1) + picture.newest[found]
    else:
        keys = (picture.newest if sort is Sort.NEWEST else picture.oldest)[found]
    wanted = min(offset + limit, len(found))
    if 0 < wanted < len(found):
        best = np.argpartition(keys, len(found) - wanted)[len(found) - wanted :]
        found, keys = found[best], keys[best]
    return found[np.argsort(-keys)][offset:wanted]


def _by_words(query: Query, matcher: Matcher, phrases: list[Group], passing: Mask) -> Match:
    groups = matcher.groups(query)
    for group in phrases:
        passing = passing & (group.scores > 0)
    if len(groups) >= _DESCRIPTION_FROM:
        match = _most(phrases, groups, passing, _DESCRIBED)
    else:
        match = _all(phrases, groups, passing)
        if not match.total and passing.any() and groups:
            groups = matcher.groups(query, mend=True)
            match = _all(phrases, groups, passing)
            match = match if match.total else _most(phrases, groups, passing, _RELAXED)
    return replace(match, corrections={group.typed: group.corrected for group in groups if group.corrected})


def _all(phrases: Sequence[Group], groups: Sequence[Group], passing: Mask) -> Match:
    """The photos that have every word."""
    mask = passing
    for group in groups:
        mask = mask & (group.scores > 0)
    together = [*phrases, *groups]
    return Match(mask, _weighted(together, mask), together)


def _most(phrases: Sequence[Group], groups: Sequence[Group], passing: Mask, share: float) -> Match:
    """The photos that have this share of the words' weight, or as much as any has; words that none has don't count."""
    known = [group for group in groups if bool(np.any((group.scores > 0) & passing))]
    if not known:
        return _all(phrases, groups, passing)
    weights = _weights(known)
    covered = np.zeros(len(passing), np.float32)
    for weight, group in zip(weights, known, strict=True):
        covered += weight * (group.scores > 0)
    covered[~passing] = 0
    mask = passing & (covered >= min(share, float(covered.max()) * _AS_MUCH))
    together = [*phrases, *known]
    scores = _weighted(together, mask)
    best = int(np.argmax(scores))
    return Match(mask, scores, together, dropped=tuple(group.typed for group in groups if not group.scores[best]))


def _weights(groups: Sequence[Group]) -> Floats:
    """Inverse document frequencies (BM25's), summing to 1."""
    total = max((len(group.scores) for group in groups), default=0)
    counts = np.array([group.found for group in groups], np.float32)
    weights = np.log1p((total - counts + 0.5) / (counts + 0.5))
    return np.asarray(weights / (weights.sum() or 1), np.float32)


def _weighted(groups: Sequence[Group], mask: Mask) -> Floats:
    if not groups:
        return mask.astype(np.float32)
    scores = np.zeros(len(mask), np.float32)
    for weight, group in zip(_weights(groups), groups, strict=True):
        scores += weight * group.scores
    return np.where(mask, scores, np.float32(0))


def _with_meaning(match: Match, passing: Mask, cosines: Floats) -> Match:
    cosines = np.where(passing, cosines, np.float32(0))
    best = float(cosines.max(initial=0))
    if best < _LEAST_COSINE:
        return match
    near = cosines >= max(_LEAST_COSINE, _NEAR_BEST * best)
    if np.count_nonzero(near) > _MOST_BY_MEANING:
        near = near & (cosines > np.partition(cosines, -_MOST_BY_MEANING - 1)[-_MOST_BY_MEANING - 1])
    # Without words there is nothing to blend: an empty query with a vector is ordered by meaning alone.
    by_words = match.mask if match.groups else np.zeros_like(match.mask)
    words_scores = match.scores if match.groups else np.zeros_like(match.scores)
    blended = (1 - _MEANING) * words_scores + _MEANING * np.clip(cosines / best, 0, 1)
    mask = by_words | near
    return replace(match, mask=mask, scores=np.where(mask, blended, np.float32(0)), cosines=np.where(near, cosines, 0))
