"""What place a name means."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.places.lookup import places_of
from indexer.places.names import nearest_name, places_named


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
