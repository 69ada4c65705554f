"""A search as page and API run it: read from the address, run in a thread, timed, joined with the catalogue."""

from __future__ import annotations

import bisect
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Generic, TypeVar

from aiohttp import web
from multidict import MultiMapping

from indexer.errors import SearchError
from indexer.message import Message
from indexer.model import Photo, PhotoSummary
from indexer.search import Answer, FacetCount, Hit, Query, SearchBackend, Sort, WhyNothing
from indexer.search.query import parse, without
from indexer.search.time_words import NO_BIRTHDAYS, NO_COUNTRY, Reading, TimeReader
from web.app_keys import SEARCH, in_search_thread, search_while_connected
from web.i18n.language import ENGLISH, current_language
from web.presenters import clean
from web.search.summaries import SUMMARIES

MAX_QUERY_LENGTH = 500  # characters
MAX_OFFSET = 1_000_000
#: Of the results page. Three parts in five of what a keystroke costs are the tiles, and a desktop's window shows 30.
PHOTOS_PER_PAGE = 30
#: Of these so many come with each letter, which fill a telephone's window; the others when the typing pauses.
PHOTOS_WHILE_TYPING = 12
FACETS = ("year", "person", "place", "camera", "folder", "tag", "type", "rating")
#: The filters that say when.
DATES = ("before", "after", "year")
_FACET_LIMIT = 40
_MOST_MONTHS = 2400
# Photos like another that are asked for, so that enough are left when one of each stack is shown.
_MOST_ALIKE_AT_FIRST, _MOST_ALIKE = 88, 1000

#: How much is read of each photo.
_Photo = TypeVar("_Photo", Photo, PhotoSummary)
_Read = Callable[[Sequence[str]], Sequence[_Photo]]

#: Seconds. Two frames are about 0.03; after 5 nobody waits for the result.
BOUNDS_S = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class SearchTimes:
    """How long searches took, the wait for a thread included, and how many had no answer."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0
        self.failed = 0

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Counts the time of its body; not where that is cancelled or raises another error than `SearchError`."""
        started = time.perf_counter()
        try:
            yield
        except SearchError:
            self.failed += 1
            raise
        seconds = time.perf_counter() - started
        self.counts[bisect.bisect_left(BOUNDS_S, seconds)] += 1
        self.sum_s += seconds


SEARCH_TIMES = web.AppKey("SEARCH_TIMES", SearchTimes)


class WrongRequest(ValueError):
    """A parameter of the address can't be understood; the `message` is for people."""

    def __init__(self, template: str, /, **values: object) -> None:
        self.message = Message(template, **values)
        super().__init__(str(self.message))


@dataclass(frozen=True, slots=True)
class Search:
    """A search and the page of it. `sort` is None for the query's own order."""

    text: str
    sort: Sort | None
    limit: int
    offset: int
    reader: TimeReader = TimeReader()
    fold: bool = True  # of photos that are nearly the same one is a hit, unless `text` says otherwise

    def readings(self) -> tuple[Reading, ...]:
        """The times that words of the query name."""
        return self.reader.read(self.text, date.today())

    def query(self) -> Query:
        """The parsed query. Raises `FilterError`."""
        query = parse(self.text, reader=self.reader, fold=self.fold)
        return replace(query, sort=self.sort) if self.sort and not query.sort else query


@dataclass(frozen=True, slots=True)
class FoundPhoto(Generic[_Photo]):
    """A hit and its photo."""

    hit: Hit
    photo: _Photo


@dataclass(frozen=True, slots=True)
class Result(Generic[_Photo]):
    """A page of results. Photos that the catalogue no longer has are not in `photos`."""

    query: Query
    photos: tuple[FoundPhoto[_Photo], ...]
    total: int
    corrections: Mapping[str, tuple[str, ...]]
    dropped: tuple[str, ...]
    by_meaning: int
    sure: int
    folded: int  # of `total`: photos that are no hits themselves, as another of their stack is
    took_ms: float
    why_nothing: WhyNothing | None = None

    @property
    def listed(self) -> int:
        """How many hits there are on all pages."""
        return self.total - self.folded


def read_search(
    parameters: MultiMapping[str], *, limit: int, most: int, birthdays: Mapping[str, date] = NO_BIRTHDAYS
) -> Search:
    """From ``q``, ``sort``, ``similar``, ``limit`` (capped at `most`) and ``offset``. Words of ``q`` that name a
    time are read in the reader's order of day and month. Raises `WrongRequest`."""
    text = clean(parameters.get("q", "")).replace("\x00", " ").lstrip()
    if len(text) > MAX_QUERY_LENGTH:
        raise WrongRequest(
            "The search has %(length)s characters; at most %(most)s make sense.",
            length=len(text),
            most=MAX_QUERY_LENGTH,
        )
    language = current_language()
    sort = parameters.get("sort", "")
    if sort and sort not in list(Sort):
        raise WrongRequest(
            "sort is one of %(orders)s, not %(value)s.", orders=", ".join(Sort), value=repr(clean(sort)[:40])
        )
    return Search(
        text=text,
        sort=Sort(sort) if sort else None,
        limit=min(read_number(parameters, "limit", limit, least=1), most),
        offset=read_number(parameters, "offset", 0, least=0),
        reader=TimeReader(NO_COUNTRY if language is ENGLISH else language.locale_tag, birthdays),
        fold=read_fold(parameters),
    )


def read_fold(parameters: MultiMapping[str]) -> bool:
    """Whether of photos that are nearly the same one is a hit: not with ``similar=all``. Raises `WrongRequest`."""
    similar = parameters.get("similar", "")
    if similar not in {"", "all"}:
        raise WrongRequest("similar is all or left out, not %(value)s.", value=repr(clean(similar)[:40]))
    return not similar


def read_number(parameters: MultiMapping[str], name: str, default: int, *, least: int) -> int:
    """A whole number of the address. Raises `WrongRequest`."""
    text = parameters.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9) or not least <= int(text) <= MAX_OFFSET:
        raise WrongRequest(
            "%(name)s is a whole number from %(least)s to %(most)s, not %(value)s.",
            name=name,
            least=least,
            most=MAX_OFFSET,
            value=repr(clean(text)[:40]),
        )
    return int(text)


def originating_search(parameters: MultiMapping[str]) -> tuple[str, Sort | None, int | None]:
    """The search that a photo was found by and its position there: what `links.photo_url` takes; nothing of a wrong
    address."""
    try:
        search = read_search(parameters, limit=1, most=1)
        at = read_number(parameters, "at", 0, least=0) if "at" in parameters else None
    except WrongRequest:
        return "", None, None
    return search.text, search.sort, at


async def run_search(request: web.Request, search: Search, read: _Read[_Photo]) -> Result[_Photo]:
    """What `search` finds, with the photos as `read` gives them. Raises `FilterError` and `SearchError`."""
    backend = request.config_dict[SEARCH]
    with request.config_dict[SEARCH_TIMES].measure():
        return await search_while_connected(request, partial(execute_search, backend, read, search))


async def run_similar(
    request: web.Request, photo_id: str, limit: int, read: _Read[_Photo], *, fold: bool = True
) -> tuple[FoundPhoto[_Photo], ...]:
    """Photos like this one, as `read` gives them; with `fold` one of each stack, and none of its own. Raises
    `SearchError`."""
    backend, summaries = request.config_dict[SEARCH], request.config_dict[SUMMARIES].read

    def find() -> tuple[FoundPhoto[_Photo], ...]:
        if not fold:
            return _join_photos(backend.similar(photo_id, limit=limit), read)
        own = summaries([photo_id])
        asked = limit + sum(min(one.similar, _MOST_ALIKE_AT_FIRST) for one in own)
        while True:
            answer = backend.similar(photo_id, limit=asked)
            hits = _one_of_each_stack(answer.hits, own, summaries)
            if len(hits) >= limit or len(answer.hits) < asked or asked >= _MOST_ALIKE:
                return _join_photos(replace(answer, hits=hits[:limit]), read)
            asked = min(2 * asked, _MOST_ALIKE)

    return await in_search_thread(request, find)


def _one_of_each_stack(
    hits: Sequence[Hit], own: Sequence[PhotoSummary], read: Callable[[Sequence[str]], Sequence[PhotoSummary]]
) -> tuple[Hit, ...]:
    """The first of each, and none of the stacks of `own`."""
    seen = {one.stack or one.id for one in own}
    stack_of = {one.id: one.stack or one.id for one in read([hit.id for hit in hits])}
    kept = []
    for hit in hits:
        if (stack := stack_of.get(hit.id)) is not None and stack not in seen:
            seen.add(stack)
            kept.append(hit)
    return tuple(kept)


def execute_search(
    backend: SearchBackend, read: _Read[_Photo], search: Search, raise_if_cancelled: Callable[[], None]
) -> Result[_Photo]:
    """What `search` finds; `raise_if_cancelled` is called before the photos are read.

    Raises `FilterError` and `SearchError`.
    """
    started = time.perf_counter()
    query = search.query()
    answer = backend.search(query, limit=search.limit, offset=search.offset)
    raise_if_cancelled()
    photos = _join_photos(answer, read)
    took_ms = (time.perf_counter() - started) * 1000
    return Result(
        query,
        photos,
        answer.total,
        answer.corrections,
        answer.dropped,
        answer.by_meaning,
        answer.sure,
        answer.folded,
        took_ms,
        answer.why_nothing,
    )


def _join_photos(answer: Answer, read: _Read[_Photo]) -> tuple[FoundPhoto[_Photo], ...]:
    """The hits with their photos, as `read` knows them."""
    photos = {photo.id: photo for photo in read([hit.id for hit in answer.hits])}
    return tuple(FoundPhoto(hit, photos[hit.id]) for hit in answer.hits if hit.id in photos)


def count_facets(backend: SearchBackend, search: Search) -> Mapping[str, tuple[FacetCount, ...]]:
    """Counts per value for the current search. Raises `FilterError` and `SearchError`."""
    return backend.facets(search.query(), FACETS, limit=_FACET_LIMIT)


def count_dates(backend: SearchBackend, search: Search) -> tuple[Query, Mapping[str, tuple[FacetCount, ...]]]:
    """The parsed query, and the counts of ``year`` and ``month`` for it without its dates.

    Raises `FilterError` and `SearchError`.
    """
    query = undated = search.query()
    for name in DATES:
        undated = without(undated, name)
    return query, backend.facets(undated, ("year", "month"), limit=_MOST_MONTHS)
