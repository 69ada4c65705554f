"""What a search says of itself: which place was meant by a name, and which searches nearly the same find photos."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from indexer.places.names import Place, places_named
from indexer.search import FilterError, SearchBackend
from indexer.search.filters import checked, near_circle, near_place
from web.i18n.localized import distance_text
from web.links import search_url
from web.presenters import clean
from web.search import query_text
from web.search.results import Link
from web.search.searching import Search

_MOST_OTHERS = 3
_MOST_PARTS = 6


@dataclass(frozen=True, slots=True)
class PlaceHint:
    """The place that stands for a name in ``near:``, and searches near others of that name."""

    place: str
    radius: str
    others: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class NearMiss:
    """The search without one of its parts, which finds `count` photos."""

    part: str
    url: str
    count: int


def place_hints(search: Search) -> tuple[PlaceHint, ...]:
    """One for each place that the search names; reading the names of places takes a second, the first time."""
    if "near:" not in search.text.lower():
        return ()
    hints = []
    for part in dict.fromkeys(query_text.tokens(search.text)):
        value = query_text.filter_value(part)
        name = near_place(value) if query_text.filter_name(part) == "near" else None
        places = places_named(name, most=_MOST_OTHERS + 1) if name else ()
        if name and places:
            hints.append(_place_hint(search, part, value.replace(name, "", 1), places))
    return tuple(hints)


def _place_hint(search: Search, part: str, radius: str, places: tuple[Place, ...]) -> PlaceHint:
    first, *others = places
    _, radius_km = near_circle(
        checked("near", f"{first.position.latitude},{first.position.longitude}{radius}", now=_DAY)
    )
    minus = "-" * part.startswith("-")
    links = []
    for place in others:
        wanted = f"{minus}near:{query_text.quote(_distinct_name(place, first) + radius)}"
        links.append(Link(place.full_name, search_url(query_text.replace_part(search.text, part, wanted), search.sort)))
    return PlaceHint(first.full_name, distance_text(radius_km), tuple(links))


def _distinct_name(place: Place, first: Place) -> str:
    """As short as it can be said."""
    return place.name if place.name != first.name else place.full_name


def near_misses(backend: SearchBackend, search: Search) -> tuple[NearMiss, ...]:
    """For a search that finds nothing, those without one of its parts that find something, the most first.

    Raises `SearchError`.
    """
    parts = list(dict.fromkeys(query_text.tokens(search.text)))[:_MOST_PARTS]
    if len(parts) < 2:
        return ()
    misses = []
    for part in parts:
        other = replace(search, text=query_text.without(search.text, part.__eq__))
        try:
            count = backend.search(other.query(), limit=0).total
        except FilterError:
            continue
        if count:
            misses.append(NearMiss(clean(part), search_url(other.text, search.sort), count))
    return tuple(sorted(misses, key=lambda one: -one.count))


#: Whatever the day, a position stays where it is.
_DAY = date(2000, 1, 1)
