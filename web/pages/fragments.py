"""The parts of the results page, each made in one go on a searching thread: searched, joined, written and packed.

The event loop, which everybody shares, only passes the packed bytes on.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from types import MappingProxyType
from typing import Any

from aiohttp import web

from indexer.search import Sort
from web.app_keys import LIBRARY, SEARCH, SETTINGS, search_while_connected
from web.i18n.language import current_language
from web.links import base_path
from web.pages.fragment_cache import KEPT_PARTS, Fragment, Key
from web.search.query_hints import meant_places, near_misses
from web.search.results import active_filters, effective_sort, filter_groups, results
from web.search.search_times import SEARCH_TIMES
from web.search.searching import Search, count_dates, count_facets, searched
from web.search.timeline import time_line
from web.templating import rendered

PER_PAGE = 60
#: 6 packs a twentieth smaller, in twice the time.
_LEVEL = 4

#: What every template of the results page may look at.
NOTHING: Mapping[str, Any] = MappingProxyType(
    {
        "search": None,
        "results": None,
        "problem": None,
        "again": False,  # whether the script is to ask again by itself
        "groups": (),
        "line": (),
        "active": (),
        "meant": (),
        "near_misses": (),
        "selecting": False,
        "sorts": tuple(Sort),
    }
)
TEMPLATES = MappingProxyType(
    {
        "results": "_results.html",
        "filters": "_filters.html",
        "timeline": "_timeline.html",
        "tiles": "_tiles.html",
    }
)


@dataclass(frozen=True, slots=True)
class FragmentRequest:
    """The search that an address names, and which of its pages."""

    search: Search
    page: int
    pages: int
    selecting: bool


async def fragment_response(request: web.Request, name: str, asked: FragmentRequest) -> Fragment:
    """The part `name`, one of `TEMPLATES`. Raises `FilterError` and `SearchError`."""
    if name not in _OF_RESULTS:
        return await _kept_or_made(request, name, asked)
    with request.config_dict[SEARCH_TIMES].timed():
        return await _kept_or_made(request, name, asked)


async def _kept_or_made(request: web.Request, name: str, asked: FragmentRequest) -> Fragment:
    kept, key = request.config_dict[KEPT_PARTS], _key(request, name, asked)
    data_version = (request.config_dict[LIBRARY].data_version(), request.config_dict[SEARCH].data_version())
    packed = kept.get(key, data_version)
    if packed is not None:
        return Fragment(packed)
    make = partial(search_while_connected, request, lambda go_on: _made(request, name, asked, go_on))
    part = await kept.shared(key, data_version, make)
    if part.context is None:
        kept.put(key, data_version, part.packed)
    return part


def _key(request: web.Request, name: str, asked: FragmentRequest) -> Key:
    parameters = sorted((known, value) for known, value in request.query.items() if known != "part")
    form = f"{name}{' selecting' * asked.selecting}"
    return Key(form, tuple(parameters), current_language().key, date.today(), base_path())


def _made(request: web.Request, name: str, asked: FragmentRequest, go_on: Callable[[], None]) -> Fragment:
    context = {
        **NOTHING,
        "search": asked.search,
        "active": active_filters(asked.search),
        "selecting": asked.selecting,
        **_CONTEXTS[name](request, asked, go_on),
    }
    go_on()
    if name in _OF_RESULTS and not context["results"].total:
        return Fragment(b"", context)
    return Fragment(gzip.compress(rendered(request, TEMPLATES[name], context).encode(), _LEVEL, mtime=0))


def _results(request: web.Request, asked: FragmentRequest, go_on: Callable[[], None]) -> dict[str, Any]:
    first = (asked.page - 1) * PER_PAGE
    # One photo more at the front: its month tells whether the page begins with a new heading.
    ahead = 1 if first else 0
    search = Search(asked.search.text, asked.search.sort, asked.pages * PER_PAGE + ahead, first - ahead)
    backend = request.config_dict[SEARCH]
    found = searched(backend, request.config_dict[LIBRARY].summaries, search, go_on)
    go_on()
    grid_px = request.config_dict[SETTINGS].grid_px
    shown = results(search, found, page=asked.page, pages=asked.pages, per_page=PER_PAGE, grid_px=grid_px)
    return {
        "results": shown,
        "order": effective_sort(search, found),
        "meant": meant_places(asked.search),
        "near_misses": () if found.total else near_misses(backend, asked.search),
    }


def _filters(request: web.Request, asked: FragmentRequest, _go_on: Callable[[], None]) -> dict[str, Any]:
    return {"groups": filter_groups(asked.search, count_facets(request.config_dict[SEARCH], asked.search))}


def _timeline(request: web.Request, asked: FragmentRequest, _go_on: Callable[[], None]) -> dict[str, Any]:
    query, counts = count_dates(request.config_dict[SEARCH], asked.search)
    return {"line": time_line(asked.search, query, counts["year"], counts["month"])}


_OF_RESULTS = frozenset({"results", "tiles"})
_CONTEXTS = MappingProxyType({"results": _results, "tiles": _results, "filters": _filters, "timeline": _timeline})
