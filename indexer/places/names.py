"""The place that a name means, found offline: "Lyon", "Springfield, Missouri", "München", also while it is typed.

The names are those of `indexer.places.lookup`: GeoNames' towns of more than 5,000 people, and those by which the
larger of them are called in other languages. Of several places of one name the most populous is meant; what is said
after a comma, a region or a country, tells it from the others.

An index of the names is made when the first one is looked for, and one of other languages' when a name is no town's
own: a hash of each, so that 2 MB are kept of them and not 20.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from threading import Lock
from typing import TYPE_CHECKING

from rapidfuzz import process
from rapidfuzz.distance import OSA

from indexer.model import Position
from indexer.places.lookup import Towns, town_records, towns, unique_names
from indexer.text import fold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LARGE = 100_000  # people; so large a town is found by its names in other languages
_MISTAKES = 2
_WORD = re.compile(r"[^\W_]+")
_index_lock = Lock()


@dataclass(frozen=True, slots=True)
class Place:
    """A town. `around` are its region, where that is known, and its country."""

    name: str
    around: tuple[str, ...]
    position: Position
    people: int

    @property
    def full_name(self) -> str:
        """``Springfield, Missouri, United States``."""
        return ", ".join(unique_names((self.name, *self.around)))


def places_named(text: str, *, most: int = 8) -> tuple[Place, ...]:
    """The places that `text` may mean, the most populous first; those whose names begin so where it is none's name.

    The first call takes about a second; call it off the event loop.
    """
    name, *around = _parts(text)
    return _find(name, tuple(around), most) if name else ()


def nearest_name(text: str) -> str | None:
    """The name of a place that is spelt nearly so."""
    name, index = _parts(text)[0], _index()
    allowed = min(_MISTAKES, len(name) // 3)
    best = process.extract(name, index.folded, scorer=OSA.distance, score_cutoff=allowed, limit=50) if name else []
    if not best:
        return None
    least = min(distance for _, distance, _ in best)
    town = max((index.towns[at] for _, distance, at in best if distance == least), key=lambda at: towns().people[at])
    return towns().names[town]


def fold_name(name: str) -> str:
    """`name` as names are compared: its words, without case and diacritics, between single spaces."""
    return " ".join(_WORD.findall(fold(name)))


def _parts(text: str) -> list[str]:
    return [fold_name(part) for part in text.split(",")]


@lru_cache(maxsize=256)
def _find(name: str, around: tuple[str, ...], most: int) -> tuple[Place, ...]:
    index = _index()
    called = _places([*index.named(name), *index.named_in_other_languages(name)], around, most)
    return called or _places(index.starting_with(name), around, most)


def _places(found: Sequence[int], around: Iterable[str], most: int) -> tuple[Place, ...]:
    known = towns()
    wanted = [part for part in around if part]
    best = sorted(set(found), key=lambda at: (-known.people[at], known.names[at]))
    places = (_place(known, at) for at in best)
    fitting = (place for place in places if all(_lies_in(place, part) for part in wanted))
    return tuple(place for place, _ in zip(fitting, range(most), strict=False))


def _lies_in(place: Place, part: str) -> bool:
    return any(f" {fold_name(name)}".find(f" {part}") >= 0 for name in place.around)


def _place(known: Towns, at: int) -> Place:
    east, north, up = known.points[at].tolist()
    position = Position(round(math.degrees(math.asin(up)), 5), round(math.degrees(math.atan2(north, east)), 5))
    return Place(known.names[at], known.around[known.regions[at]], position, int(known.people[at]))


@dataclass(frozen=True, slots=True)
class _Index:
    """Every town's name, folded and in order, and which town it is."""

    folded: tuple[str, ...]
    towns: tuple[int, ...]

    def named(self, name: str) -> Sequence[int]:
        return self.towns[self._first_at(name) : self._first_at(f"{name}\0")]

    def starting_with(self, name: str) -> Sequence[int]:
        return self.towns[self._first_at(name) : self._first_at(f"{name}\U0010ffff")]

    def named_in_other_languages(self, name: str) -> Sequence[int]:
        import numpy as np

        hashes, of_towns = _other_names()
        wanted = hash(name)
        found: list[int] = of_towns[slice(*np.searchsorted(hashes, [wanted, wanted + 1]))].tolist()
        return found

    def _first_at(self, text: str) -> int:
        low, high = 0, len(self.folded)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self.folded[middle] < text else (low, middle)
        return low


def _index() -> _Index:
    with _index_lock:
        return _build_index()


@cache
def _build_index() -> _Index:
    named = sorted((fold_name(name), at) for at, name in enumerate(towns().names))
    return _Index(tuple(name for name, _ in named), tuple(at for _, at in named))


def _other_names() -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    with _index_lock:
        return _build_other_names()


@cache
def _build_other_names() -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Hashes in order, and the town of each."""
    import numpy as np

    pairs = np.array([(hash(name), at) for name, at in _all_other_names()], np.int64).reshape(-1, 2)
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    return pairs[:, 0].copy(), pairs[:, 1].astype(np.int32)


def _all_other_names() -> Iterator[tuple[str, int]]:
    for at, town in enumerate(town_records()):
        if town["population"] >= _LARGE:
            names = {fold_name(name) for name in town["alternatenames"]}
            yield from ((name, at) for name in names if name)
