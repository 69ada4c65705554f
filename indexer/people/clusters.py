"""Clusters of vectors by average linkage, without ever holding the distances of all pairs.

The mean squared distance between the members of two sets is that of their means, and how far each set's members lie
from their own mean: so a cluster is a sum of vectors and a number, and average linkage (UPGMA, Sokal and Michener 1958)
costs one product of matrices. It does not chain, as nearest neighbours do: a face that is between two persons joins
neither.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

#: So many clusters look at so many others at once: their distances are 4 MB.
_ROWS, _TILE = 512, 2048
_ROUNDS = 200


@dataclass(slots=True)
class Clusters:
    """Growing arrays of clusters of unit vectors, by their position. What is merged away has a count of 0.

    Up to a mean squared distance of `single` two vectors are alike, and up to `group` large clusters: the more members,
    the less it is by chance. Weak clusters have to be nearer, by the factor `weaker`. `check_stop` is called again and
    again while they are compared, and ends that by raising an error.
    """

    width: int
    single: float
    group: float
    weaker: float
    check_stop: Callable[[], None] = lambda: None
    sums: Floats = field(init=False)
    counts: Ints = field(init=False)
    weak: NDArray[np.bool_] = field(init=False)
    size: int = 0

    def __post_init__(self) -> None:
        self.sums = np.zeros((256, self.width), np.float32)
        self.counts = np.zeros(256, np.int64)
        self.weak = np.zeros(256, bool)

    def append(self, vectors: Floats, weak: NDArray[np.bool_]) -> Ints:
        """Clusters of one vector each; gives their positions."""
        first, self.size = self.size, self.size + len(vectors)
        if self.size > len(self.counts):
            more = max(self.size, len(self.counts) * 3 // 2) - len(self.counts)
            self.sums = np.concatenate([self.sums, np.zeros((more, self.width), np.float32)])
            self.counts = np.concatenate([self.counts, np.zeros(more, np.int64)])
            self.weak = np.concatenate([self.weak, np.zeros(more, bool)])
        self.sums[first : self.size] = vectors
        self.counts[first : self.size] = 1
        self.weak[first : self.size] = weak
        return np.arange(first, self.size)

    def add(self, at: Ints, vectors: Floats, weak: NDArray[np.bool_]) -> None:
        """Vectors that belong to the clusters at these positions."""
        np.add.at(self.sums, at, vectors)
        np.add.at(self.counts, at, 1)
        np.logical_and.at(self.weak, at, weak)

    def merge(self, kept: int, other: int) -> None:
        """The second becomes part of the first."""
        self.sums[kept] += self.sums[other]
        self.counts[kept] += self.counts[other]
        self.weak[kept] &= self.weak[other]
        self.sums[other] = 0
        self.counts[other] = 0

    def means(self, at: Ints) -> tuple[Floats, Floats]:
        """The means of clusters, and how far their members lie from them: the mean of the squared distances. Of vectors
        of unit length that is 1 - |mean|²."""
        means = self.sums[at] / np.maximum(self.counts[at], 1).astype(np.float32)[:, None]
        return means, np.maximum(np.float32(1) - np.einsum("ij,ij->i", means, means), np.float32(0))

    def distances(self, rows: Ints, columns: Ints) -> Floats:
        """Mean squared distances between the members of clusters, (rows, columns)."""
        means, spreads = self.means(rows)
        others, widths = self.means(columns)
        found = np.asarray((means * np.float32(-2)) @ others.T, np.float32)
        found += (np.einsum("ij,ij->i", means, means) + spreads)[:, None]
        found += np.einsum("ij,ij->i", others, others) + widths
        return found

    def _limits(self, at: Ints) -> tuple[Floats, Floats]:
        """The limit of clusters as their number of members has it, and the factor for weak ones. The limit of two is
        the greater one of both, times both factors."""
        limits = self.group - (self.group - self.single) / np.sqrt(np.maximum(self.counts[at], 1))
        return limits.astype(np.float32), np.where(self.weak[at], self.weaker, 1).astype(np.float32)

    def nearest(self, rows: Ints, columns: Ints, masked: Mapping[int, set[int]] | None = None) -> tuple[Ints, Floats]:
        """For each cluster of `rows` the nearest other one of `columns`, -1 where there is none, and their mean squared
        distance as a share of what it may be: below 1 both are alike. Both are positions in their order. `masked`:
        position -> positions that it must not be compared with."""
        best = np.full(len(rows), -1, np.int64)
        least = np.full(len(rows), np.inf, np.float32)
        for start in range(0, len(rows), _ROWS):
            self.check_stop()
            part = rows[start : start + _ROWS]
            self._nearest_of(part, columns, masked or {}, best[start : start + _ROWS], least[start : start + _ROWS])
        return best, least

    def _nearest_of(self, rows: Ints, columns: Ints, masked: Mapping[int, set[int]], best: Ints, least: Floats) -> None:
        limits, factors = self._limits(rows)
        for start in range(0, len(columns), _TILE):
            tile = columns[start : start + _TILE]
            distances, (others, more) = self.distances(rows, tile), self._limits(tile)
            distances /= np.maximum(limits[:, None], others)
            distances /= factors[:, None]
            distances /= more
            _mask(distances, rows, tile, masked)
            at = distances.argmin(axis=1)
            found = distances[np.arange(len(rows)), at]
            closer = found < least
            best[closer] = tile[at[closer]]
            least[closer] = found[closer]


@dataclass(slots=True)
class Agglomeration:
    """Merges clusters that are each other's nearest, until none are alike. `may_merge` says whether anything forbids
    it, and `merged` is told (kept, given up) after each merge."""

    clusters: Clusters
    may_merge: Callable[[int, int], bool]
    merged: Callable[[int, int], None]
    _forbidden: dict[int, set[int]] = field(default_factory=dict)
    _waiting: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    def run(self, active: Ints, columns: Ints) -> None:
        """Merges where one of two is in `active`; both are positions, and every active one is among the columns."""
        for _ in range(_ROUNDS):
            pairs = self._reciprocal(active, columns)
            changed = {at for one, other in pairs for at in self._merge_pair(one, other)}
            columns = columns[self.clusters.counts[columns] > 0]
            before, active = active, np.union1d(np.array(sorted(changed), np.int64), self._waiting)
            active = active[self.clusters.counts[active] > 0]
            if not len(active) or (not pairs and np.array_equal(active, before)):
                return

    def _merge_pair(self, one: int, other: int) -> tuple[int, ...]:
        """Gives which of them have to look for their nearest anew."""
        if not self.may_merge(one, other):
            self._forbidden.setdefault(one, set()).add(other)
            self._forbidden.setdefault(other, set()).add(one)
            return one, other
        self.clusters.merge(one, other)
        if others := self._forbidden.pop(other, None):
            self._forbidden.setdefault(one, set()).update(others)
        self.merged(one, other)
        return (one,)

    def _reciprocal(self, active: Ints, columns: Ints) -> list[tuple[int, int]]:
        """Pairs near enough of which each is the other's nearest, the older position first."""
        nearest = dict(self._candidates(active, columns))
        asked = set(active.tolist())
        others = np.array(sorted({other for other in nearest.values() if other not in asked}), np.int64)
        nearest |= dict(self._candidates(others, columns))
        pairs = {(min(one, other), max(one, other)) for one, other in nearest.items() if nearest.get(other) == one}
        # Whoever has a near one that prefers another waits for what becomes of that.
        paired = {one for pair in pairs for one in pair}
        self._waiting = np.array(sorted(one for one in nearest if one not in paired), np.int64)
        return sorted(pairs)

    def _candidates(self, rows: Ints, columns: Ints) -> list[tuple[int, int]]:
        if not len(rows) or not len(columns):
            return []
        best, least = self.clusters.nearest(rows, columns, self._forbidden)
        near = (best >= 0) & (least < 1)
        return list(zip(rows[near].tolist(), best[near].tolist(), strict=True))


def _mask(distances: Floats, rows: Ints, tile: Ints, masked: Mapping[int, set[int]]) -> None:
    """No row is compared with itself (both are in order), nor with what it must not be compared with."""
    at = np.minimum(np.searchsorted(tile, rows), len(tile) - 1)
    own = np.flatnonzero(tile[at] == rows)
    distances[own, at[own]] = np.inf
    for number, row in enumerate(rows.tolist() if masked else ()):
        if others := masked.get(row):
            distances[number, np.isin(tile, list(others))] = np.inf
