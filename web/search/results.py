"""What the results page shows: tiles under months, filter chips, hints, and what is shown when no photo is found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby
from types import MappingProxyType

from indexer.message import N_
from indexer.model import DatePrecision, PhotoSummary, iso_date
from indexer.places import Place, places_named
from indexer.search import WHY_NOTHING, FacetCount, FilterError, SearchBackend, Sort
from indexer.search.counts import without_counts
from indexer.search.filters import SIMILAR, TIME, WORDS, canonical_value, near_circle, near_place
from indexer.search.query import left_out
from web.i18n.language import date_text, distance_text, gettext, month_text, ngettext, translate, year_text
from web.links import search_url
from web.presenters import MatchReason, Piece, Tile, clean, message_text, tile
from web.search import query_text
from web.search.searching import DATES, Result, Search

FILTER_LABELS = MappingProxyType(
    {
        "year": N_("When"),
        "person": N_("People"),
        "place": N_("Places"),
        "camera": N_("Cameras"),
        "folder": N_("Folders"),
        "tag": N_("Things"),
    }
)


_MOST_OTHERS = 3  # places of the same name
_MOST_PARTS = 6  # that are left out of a query one by one
_ANY_DAY = date(2000, 1, 1)  # a position is the same on each


@dataclass(frozen=True, slots=True)
class Link:
    """A text that leads somewhere."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Chip:
    """One value of a facet; its link takes it in or, where it is active, out again."""

    text: str
    count: int
    url: str
    active: bool


@dataclass(frozen=True, slots=True)
class FilterGroup:
    """One facet with its values."""

    name: str
    label: str
    chips: tuple[Chip, ...]
    active: bool


@dataclass(frozen=True, slots=True)
class Month:
    """Tiles under one heading: by date that of a month, by relevance that of hits that are not sure. Without one where
    a page goes on with what the one before ended with."""

    heading: str
    machine: str  # for <time datetime>: "2019-07"
    tiles: tuple[Tile, ...]
    less_sure: bool = False


@dataclass(frozen=True, slots=True)
class Results:
    """A page of results, ready to be shown."""

    months: tuple[Month, ...]
    total: int
    folded: int  # of them: photos that stand behind a similar one
    each: str  # the address where they don't
    by_meaning: str  # how many of them no word would have found: "3 by their look"
    by_words: bool  # whether hits differ in how well they match
    corrections: tuple[Link, ...]
    dropped: tuple[str, ...]
    ignored: tuple[str, ...]
    why_nothing: str
    page: int
    pages_shown: int
    more: str  # the next page's address, or that of this one where a part of it is to come; empty at the end
    unfinished: bool  # whether a part of this page is to come
    earlier: str  # the page before, empty on the first


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no answer, what would be right, and what to do."""

    title: str
    message: str
    links: tuple[Link, ...] = ()


def results(
    search: Search, result: Result[PhotoSummary], *, first: int, end: int, per_page: int, grid_px: int
) -> Results:
    """The hits from `first` to below `end`. `search` includes the one before them, if any, so that a month continues
    across pages."""
    folded = result.query.fold
    tiles = [
        tile(found.photo, found.hit, search.offset + at, grid_px, folded=folded)
        for at, found in enumerate(result.photos)
    ]
    if any(item.name in {TIME, *DATES} for item in result.query.filters):
        tiles = [_with_vague_date(one) for one in tiles]
    by_date = effective_sort(search, result) is not Sort.RELEVANCE
    by_words = bool(result.query.words or result.query.phrases)
    if by_words:
        tiles = [_with_doubt_of_caption(one) for one in tiles]
    if by_date:
        tiles = [_with_doubt(one) for one in tiles]
    before = [one for one in tiles if one.position < first]
    on_page = [one for one in tiles if one.position >= first]
    page, unfinished = first // per_page + 1, end % per_page > 0
    more = end < result.listed
    next_page = search_url(search.text, search.sort, page=end // per_page + 1)
    return Results(
        months=tuple(
            _months(on_page, _month(before[-1].photo) if before else None)
            if by_date
            else _by_sureness(on_page, begins_sure=not before or before[-1].sure)
        ),
        total=result.total,
        folded=result.folded,
        each=search_url(query_text.with_filter(search.text, SIMILAR, "all"), search.sort) if result.folded else "",
        by_meaning=_by_meaning(result),
        by_words=by_words,
        corrections=_corrections(search, result),
        dropped=tuple(map(clean, result.dropped)),
        ignored=tuple(map(clean, left_out(result.query))),
        why_nothing=translate(WHY_NOTHING[result.why_nothing]) if result.why_nothing else "",
        page=page,
        pages_shown=max(1, (end - first) // per_page),
        more=next_page if more else "",
        unfinished=unfinished and more,
        earlier=search_url(search.text, search.sort, page=page - 1) if page > 1 else "",
    )


def _with_vague_date(one: Tile) -> Tile:
    """Says of a photo that was found by its date where not all of that is known."""
    taken_at, precision = one.photo.taken_at, one.photo.taken_precision
    how = {
        DatePrecision.YEAR: gettext("only the year is known"),
        DatePrecision.MONTH: gettext("only the month is known"),
    }.get(precision)
    if taken_at is None:
        known = MatchReason(gettext("date"), (), gettext("not known"))
    elif how:
        known = MatchReason(gettext("date"), (Piece(date_text(taken_at, precision), marked=False),), how)
    else:
        return one
    return replace(one, reasons=(*one.reasons, known))


def _with_doubt(one: Tile) -> Tile:
    """Marks a tile as less sure where hits are sorted by date, without a heading for those, and its caption is not
    marked."""
    if one.sure or one.photo.unsure:
        return one
    return replace(one, reasons=(*one.reasons, MatchReason(gettext("less sure"), (), "")))


def _with_doubt_of_caption(one: Tile) -> Tile:
    """Says of a tile that is sure but whose caption is not, that only the caption may be wrong."""
    return replace(one, doubt=gettext("caption not sure")) if one.sure and one.doubt else one


def _by_meaning(result: Result[PhotoSummary]) -> str:
    if not result.by_meaning:
        return ""
    if result.total == 1:
        return gettext("by its look")
    if result.by_meaning == result.total:
        return gettext("all by their look")
    return ngettext("%(count)s by its look", "%(count)s by their look", result.by_meaning)


def effective_sort(search: Search, result: Result[PhotoSummary]) -> Sort:
    """The order in which the hits come."""
    query = result.query
    if query.sort or search.sort:
        return query.sort or search.sort or Sort.RELEVANCE
    return Sort.RELEVANCE if query.words or query.phrases else Sort.NEWEST


def _month(photo: PhotoSummary) -> tuple[str, str]:
    if photo.taken_at is None:
        return gettext("Without a date"), ""
    if photo.taken_precision is DatePrecision.YEAR:
        return year_text(photo.taken_at), iso_date(photo.taken_at, DatePrecision.YEAR)
    return month_text(photo.taken_at), iso_date(photo.taken_at, DatePrecision.MONTH)


def _months(tiles: Sequence[Tile], current: tuple[str, str] | None) -> Iterator[Month]:
    for month, group in groupby(tiles, key=lambda one: _month(one.photo)):
        heading = ("", "") if month == current else month
        current = None
        yield Month(*heading, tuple(group))


def _by_sureness(tiles: Sequence[Tile], *, begins_sure: bool) -> Iterator[Month]:
    """The sure tiles, then the others, below a heading that only the first of the pages with such tiles has."""
    for is_sure, group in groupby(tiles, key=lambda one: one.sure):
        heading = "" if is_sure or not begins_sure else gettext("Less sure")
        yield Month(heading, "", tuple(group), less_sure=not is_sure)


def _corrections(search: Search, result: Result[PhotoSummary]) -> tuple[Link, ...]:
    links = []
    for word, near in result.corrections.items():
        for other in near[:3]:
            right = query_text.replace_part(search.text, word, other)
            links.append(Link(clean(right), search_url(right, search.sort)))
    return tuple(links[:6])


def filter_groups(search: Search, facets: Mapping[str, Sequence[FacetCount]]) -> tuple[FilterGroup, ...]:
    """One group per facet that has values here."""
    parts = query_text.tokens(search.text)
    chosen = {(query_text.filter_name(part), query_text.filter_value(part).casefold()) for part in parts}
    groups = []
    for name, label in FILTER_LABELS.items():
        chips = tuple(_chip(search, name, facet, chosen) for facet in facets.get(name, ()))
        if chips or name == "year":
            groups.append(FilterGroup(name, translate(label), chips, any(part == name for part, _ in chosen)))
    return tuple(groups)


def _chip(search: Search, name: str, facet: FacetCount, chosen: set[tuple[str | None, str]]) -> Chip:
    active = (name, facet.value.casefold()) in chosen
    if active:
        other = query_text.without(search.text, lambda part: _is_filter(part, name, facet.value))
    else:
        other = query_text.with_filter(search.text, name, facet.value)
    return Chip(clean(facet.value), facet.count, search_url(other, search.sort), active)


def _is_filter(part: str, name: str, value: str) -> bool:
    return query_text.filter_name(part) == name and query_text.filter_value(part).casefold() == value.casefold()


def active_filters(search: Search) -> tuple[Link, ...]:
    """The filters in the query, each with the address of the search without it. What says whether words are a time
    leaves the words."""
    parts = query_text.tokens(search.text)
    links = []
    for part in dict.fromkeys(parts):
        if name := query_text.filter_name(part):
            rest = query_text.filter_value(part) if name in {TIME, WORDS} and not part.startswith("-") else ""
            links.append(Link(clean(part), search_url(query_text.replace_part(search.text, part, rest), search.sort)))
    return tuple(links)


def with_dates(query: str, first: str, last: str) -> str:
    """The query with the days of the two date fields in it, both included, in place of the dates that it had."""
    reduced = query_text.without(query, lambda part: query_text.filter_name(part) in DATES)
    for name, value in (("after", first), ("before", _day_after(last))):
        if value:
            reduced = query_text.with_filter(reduced, name, value)
    return reduced


def _day_after(day: str) -> str:
    """`before:` excludes its day. What is no date is left to the query language to report."""
    try:
        return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        return day


def filter_problem(search: Search, error: FilterError) -> Problem:
    """Which part of the query is wrong, and links to the searches that were probably meant."""
    links = []
    if error.text and error.suggestion:
        right = query_text.replace_part(search.text, error.text, error.suggestion)
        links.append(Link(clean(error.suggestion), search_url(right, search.sort)))
    if error.text:
        reduced = query_text.without(search.text, lambda part: part.casefold() == error.text.casefold())
        links.append(Link(gettext("without %(part)s", part=clean(error.text)), search_url(reduced, search.sort)))
    message = message_text(error.message)
    return Problem(gettext("This filter is not understood"), message[:1].upper() + message[1:], tuple(links))


@dataclass(frozen=True, slots=True)
class PlaceHint:
    """The place that stands for a name in ``near:``, and searches near others of that name."""

    place: str
    radius: str
    others: tuple[Link, ...]


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
        canonical_value("near", f"{first.position.latitude},{first.position.longitude}{radius}", now=_ANY_DAY)
    )
    minus = "-" * part.startswith("-")
    links = []
    for place in others:
        name = place.name if place.name != first.name else place.full_name
        replacement = f"{minus}near:{query_text.quote(name + radius)}"
        text = query_text.replace_part(search.text, part, replacement)
        links.append(Link(place.full_name, search_url(text, search.sort)))
    return PlaceHint(first.full_name, distance_text(radius_km), tuple(links))


def parts_apart(search: Search) -> tuple[str, ...]:
    """The parts of a search that can be left out of it one by one; none of a single one."""
    parts = tuple(dict.fromkeys(query_text.tokens(search.text)))[:_MOST_PARTS]
    return parts if len(parts) > 1 else ()


def near_misses(backend: SearchBackend, search: Search) -> tuple[Chip, ...]:
    """For a search that finds nothing, those without one of its parts that find something, the most first; none that
    only asks for a number of nothing.

    Raises `SearchError`.
    """
    parts = parts_apart(search)
    misses = []
    numbers = set(without_counts(search.query()).counts)
    for part in parts:
        other = replace(search, text=query_text.without(search.text, part.__eq__))
        try:
            query = other.query()
            is_number = bool(query.words) and not query.phrases and numbers.issuperset(query.words)
            count = 0 if is_number else backend.search(query, limit=0).total
        except FilterError:
            continue
        if count:
            misses.append(Chip(clean(part), count, search_url(other.text, search.sort), active=False))
    return tuple(sorted(misses, key=lambda chip: -chip.count))
