"""Suggestions while typing: what the library's people, places, cameras, folders and things are called, kept at hand.

Names change slowly and are asked for with every keystroke, so they are read once in a while for everybody, and while
they are read again those from before are good enough.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping

from aiohttp import web

from indexer.places.names import places_named
from indexer.search import FacetCount, Query, SearchBackend
from web.app_keys import SEARCH, in_search_thread
from web.presenters import clean
from web.search.completion import KINDS, Names, Suggestion, suggestions
from web.search.searching import MAX_QUERY_LENGTH, WrongRequest, read_number, read_search

log = logging.getLogger(__name__)

_FACETS = (*KINDS, "type", "year")
_MOST_NAMES = 20_000
_MOST_TOWNS = 50


class KnownNames:
    """What facets' values are called; `AGE_S` old ones are read again."""

    AGE_S = 120.0

    def __init__(self) -> None:
        self._reading: asyncio.Task[Names] | None = None
        self._read: tuple[float, Names] | None = None

    async def get(self, request: web.Request) -> Names:
        """Raises `SearchError` where nothing was read so far."""
        if self._read is None or time.monotonic() - self._read[0] > self.AGE_S:
            reading = self._start_reading(request)
            if self._read is None:
                return await asyncio.shield(reading)
        return self._read[1]

    def _start_reading(self, request: web.Request) -> asyncio.Task[Names]:
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_names(request))
            self._reading.add_done_callback(self._finish_reading)
        return self._reading

    async def _read_names(self, request: web.Request) -> Names:
        backend = request.config_dict[SEARCH]
        names = await in_search_thread(request, lambda: _read_names(backend))
        self._read = (time.monotonic(), names)
        return names

    def _finish_reading(self, reading: asyncio.Task[Names]) -> None:
        self._reading = None
        if not reading.cancelled() and (error := reading.exception()):
            log.info("names for suggestions: %s", error)


KNOWN_NAMES = web.AppKey("KNOWN_NAMES", KnownNames)


async def suggest(request: web.Request) -> web.Response:
    """GET /api/suggest?q=&at=: ``{"suggestions": [{"text", "kind", "query", "at"}, ...]}``, at most seven.

    `q` is what stands in the search box and `at` where the cursor is, in characters (the end unless told). A suggestion
    has the ``text`` to show, the ``kind`` of thing it is (word, filter, or the name of the filter whose value it is),
    the whole ``query`` with it, and where in that the cursor goes.
    """
    try:
        text = read_search(request.query, limit=1, most=1).text
        at = read_number(request.query, "at", len(text), least=0)
    except WrongRequest as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    found = await _suggestions(request, text, at) if text.strip() else ()
    told = [{"text": clean(one.text), "kind": one.kind, "query": clean(one.query), "at": one.at} for one in found]
    return web.json_response({"suggestions": told})


async def _suggestions(request: web.Request, text: str, at: int) -> list[Suggestion]:
    names, backend = await request.config_dict[KNOWN_NAMES].get(request), request.config_dict[SEARCH]
    found = await in_search_thread(request, lambda: _suggested(backend, text, at, names))
    return [one for one in found if len(one.query) <= MAX_QUERY_LENGTH]


def _suggested(backend: SearchBackend, text: str, at: int, names: Names) -> tuple[Suggestion, ...]:
    return suggestions(text, at, names, backend.vocabulary, _towns)


def _towns(beginning: str) -> tuple[str, ...]:
    return tuple(place.name for place in places_named(beginning, most=_MOST_TOWNS))


def _read_names(backend: SearchBackend) -> Names:
    facets: Mapping[str, tuple[FacetCount, ...]] = backend.facets(Query(), _FACETS, limit=_MOST_NAMES)
    return Names(facets)
