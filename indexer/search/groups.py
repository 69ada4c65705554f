"""A word of a query as the words of the index that it may mean, and how well each photo matches it.

While a query is typed only its last word changes: the groups of the others are cached.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace

import numpy as np
from cachetools import LRUCache

from indexer.search.arrays import Floats, Ints, Mask

#: A word of a query whose photos are few takes little of it; one that all of 100,000 photos have 1.2 MB.
KEPT_BYTES = 8_000_000
_OVERHEAD_BYTES = 500
_WORD_BYTES = 120
_NO_SCORES: Floats = np.zeros(0, np.float32)


@dataclass(slots=True, eq=False)  # told apart by identity: arrays have no one truth
class Group:
    """One word or phrase of the query: what it may match, and how well each photo does."""

    typed: str
    scores: Floats  # (photos,); 0: no match
    evidence: Floats  # (photos,) as `certainty` counts it; 0: no match
    kinds: dict[str, str] = field(default_factory=dict)  # word of the index -> kind of match
    prefix: str = ""
    phrase: tuple[str, ...] = ()
    corrected: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()  # keys of the parts that match (`compounds.part_keys`)
    optional: bool = False  # it names a look: beside other words it need not match
    text_mask: Mask | None = None  # the photos whose texts match, where others match by their look
    # Asked for several times a search; neither is copied where a group is replaced.
    _matching: Mask | None = field(default=None, init=False, repr=False)
    _frequency: int = field(default=-1, init=False, repr=False)

    @property
    def matching(self) -> Mask:
        """The photos that match."""
        if self._matching is None:
            self._matching = self.scores > 0
        return self._matching

    @property
    def in_text(self) -> Mask:
        """The photos whose texts match."""
        return self.matching if self.text_mask is None else self.text_mask

    @property
    def frequency(self) -> int:
        """How many photos match by their texts: what a word is worth beside others."""
        if self._frequency < 0:
            self._frequency = int(np.count_nonzero(self.in_text))
        return self._frequency


#: Gives the group that a key names: one that was kept, or what the function makes.
GroupSource = Callable[[Hashable, Callable[[], Group]], Group]


def make_anew(_key: Hashable, make: Callable[[], Group]) -> Group:
    """A `GroupSource` that keeps nothing."""
    return make()


@dataclass(frozen=True, slots=True)
class _Packed:
    """A group without looks, as the photos that match it: (n,) each."""

    rest: Group
    photos: int
    places: Ints
    scores: Floats
    evidence: Floats

    @classmethod
    def of(cls, group: Group) -> _Packed:
        places = np.flatnonzero(group.matching).astype(np.int32)
        rest = replace(group, scores=_NO_SCORES, evidence=_NO_SCORES)
        return cls(rest, len(group.scores), places, group.scores[places], group.evidence[places])

    @property
    def size_bytes(self) -> int:
        arrays = self.places.nbytes + self.scores.nbytes + self.evidence.nbytes
        return arrays + _OVERHEAD_BYTES + _WORD_BYTES * len(self.rest.kinds)

    def unpack(self) -> Group:
        scores, evidence = np.zeros(self.photos, np.float32), np.zeros(self.photos, np.float32)
        scores[self.places], evidence[self.places] = self.scores, self.evidence
        return replace(self.rest, scores=scores, evidence=evidence)


class GroupCache:
    """The groups that were asked for last, for one state of an index at a time; thread-safe."""

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self._lock = threading.Lock()
        self._state: Hashable = None
        self._groups: LRUCache[Hashable, _Packed] = LRUCache(most_bytes, getsizeof=lambda one: one.size_bytes)

    @property
    def size_bytes(self) -> int:
        """What is kept now."""
        return int(self._groups.currsize)

    def get(self, state: Hashable, key: Hashable, make: Callable[[], Group]) -> Group:
        """The group that `key` names in this state of the index; `make` gives it where it isn't kept."""
        with self._lock:
            if state != self._state:
                self._groups.clear()
                self._state = state
            packed = self._groups.get(key)
        if packed is not None:
            return packed.unpack()
        group = make()
        packed = _Packed.of(group)
        with self._lock:
            if state == self._state and packed.size_bytes <= self._groups.maxsize:
                self._groups[key] = packed
        return group
