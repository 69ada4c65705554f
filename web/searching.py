"""One search as the page and the API ask it: read from the address, run in a thread, joined with the catalogue."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from aiohttp import web
from multidict import MultiMapping

from indexer.errors import SearchError
from indexer.photo import Photo
from indexer.search import Answer, FacetCount, Hit, Query, SearchBackend, Sort
from indexer.search.query import parse, without
from web.doors import LIBRARY, SEARCH, Library, while_searching
from web.metrics import SEARCH_TIMES
from web.shown import clean

LONGEST_QUERY = 500  # characters
FARTHEST_OFFSET = 1_000_000
FACETS = ("year", "person", "place", "camera", "folder", "tag", "type", "rating")
#: The filters that say when.
DATES = ("before", "after", "year")
_FACET_LIMIT = 40
_MOST_MONTHS = 2400


class WrongRequest(ValueError):
    """A parameter of the address can't be understood; the message is for people."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked for. `sort` is None for the query's own order."""

    text: str
    sort: Sort | None
    limit: int
    offset: int

    def query(self) -> Query:
        """The parsed query. Raises `FilterError`."""
        query = parse(self.text)
        return replace(query, sort=self.sort) if self.sort and not query.sort else query


@dataclass(frozen=True, slots=True)
class Found:
    """A hit and its photo."""

    hit: Hit
    photo: Photo


@dataclass(frozen=True, slots=True)
class Result:
    """A page of what was found. Photos that the catalogue has forgotten since are left out of `found`."""

    query: Query
    found: tuple[Found, ...]
    total: int
    corrections: Mapping[str, tuple[str, ...]]
    dropped: tuple[str, ...]
    by_meaning: int
    took_ms: float


def read_search(parameters: MultiMapping[str], *, limit: int, most: int) -> Search:
    """From ``q``, ``sort``, ``limit`` (capped at `most`) and ``offset``. Raises `WrongRequest`."""
    text = clean(parameters.get("q", "")).replace("\x00", " ").lstrip()
    if len(text) > LONGEST_QUERY:
        raise WrongRequest(f"The search has {len(text):,} characters; at most {LONGEST_QUERY} make sense.")
    sort = parameters.get("sort", "")
    if sort and sort not in list(Sort):
        raise WrongRequest(f"sort is one of {', '.join(Sort)}, not {clean(sort)[:40]!r}.")
    return Search(
        text=text,
        sort=Sort(sort) if sort else None,
        limit=min(read_number(parameters, "limit", limit, least=1), most),
        offset=read_number(parameters, "offset", 0, least=0),
    )


def read_number(parameters: MultiMapping[str], name: str, default: int, *, least: int) -> int:
    """A whole number of the address. Raises `WrongRequest`."""
    text = parameters.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9) or not least <= int(text) <= FARTHEST_OFFSET:
        raise WrongRequest(f"{name} is a whole number from {least} to {FARTHEST_OFFSET:,}, not {clean(text)[:40]!r}.")
    return int(text)


def found_by(parameters: MultiMapping[str]) -> tuple[str, Sort | None, int | None]:
    """The search that a photo was found by and its position there: what `links.photo_url` takes; nothing of a wrong
    address."""
    try:
        asked = read_search(parameters, limit=1, most=1)
        at = read_number(parameters, "at", 0, least=0) if "at" in parameters else None
    except WrongRequest:
        return "", None, None
    return asked.text, asked.sort, at


async def run_search(request: web.Request, search: Search) -> Result:
    """Raises `FilterError` and `SearchError`."""
    backend, library = request.config_dict[SEARCH], request.config_dict[LIBRARY]
    with request.config_dict[SEARCH_TIMES].timed():
        return await while_searching(request, lambda: _run(backend, library, search))


def _run(backend: SearchBackend, library: Library, search: Search) -> Result:
    started = time.perf_counter()
    query = search.query()
    answer = backend.search(query, limit=search.limit, offset=search.offset)
    found = join(answer, library)
    took_ms = (time.perf_counter() - started) * 1000
    return Result(query, found, answer.total, answer.corrections, answer.dropped, answer.by_meaning, took_ms)


def join(answer: Answer, library: Library) -> tuple[Found, ...]:
    """The hits with their photos."""
    photos = {photo.id: photo for photo in library.photos([hit.id for hit in answer.hits])}
    return tuple(Found(hit, photos[hit.id]) for hit in answer.hits if hit.id in photos)


async def run_similar(request: web.Request, photo_id: str, limit: int) -> tuple[Found, ...]:
    """Photos like this one. Raises `SearchError`."""
    backend, library = request.config_dict[SEARCH], request.config_dict[LIBRARY]
    return await while_searching(request, lambda: join(backend.similar(photo_id, limit=limit), library))


async def run_count(request: web.Request) -> int | None:
    """How many photos search has; None where it does not answer, which is no reason to hide all else."""
    try:
        return await while_searching(request, request.config_dict[SEARCH].count)
    except SearchError:
        return None


async def run_facets(request: web.Request, search: Search) -> Mapping[str, tuple[FacetCount, ...]]:
    """Counts per value for the current search. Raises `FilterError` and `SearchError`."""
    backend = request.config_dict[SEARCH]
    return await while_searching(request, lambda: backend.facets(search.query(), FACETS, limit=_FACET_LIMIT))


async def run_dates(request: web.Request, search: Search) -> tuple[Query, Mapping[str, tuple[FacetCount, ...]]]:
    """The parsed query, and the counts of ``year`` and ``month`` for it without its dates.

    Raises `FilterError` and `SearchError`.
    """
    backend = request.config_dict[SEARCH]

    def run() -> tuple[Query, Mapping[str, tuple[FacetCount, ...]]]:
        query = undated = search.query()
        for name in DATES:
            undated = without(undated, name)
        return query, backend.facets(undated, ("year", "month"), limit=_MOST_MONTHS)

    return await while_searching(request, run)
