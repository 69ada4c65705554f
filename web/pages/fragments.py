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
from web.pages.fragment_cache import FRAGMENT_CACHE, Fragment, Key
from web.search.query_hints import near_misses, place_hints
from web.search.results import active_filters, effective_sort, filter_groups, results
from web.search.search_times import SEARCH_TIMES
from web.search.searching import Search, count_dates, count_facets, execute_search
from web.search.timeline import time_line
from web.templating import render_to_string

PER_PAGE = 60
#: 6 packs a twentieth smaller, in twice the time.
_LEVEL = 4

#: What every template of the results page may look at.
EMPTY_CONTEXT: Mapping[str, Any] = MappingProxyType(
    {
        "search": None,
        "results": None,
        "problem": None,
        "retry": False,  # whether the script is to ask again by itself
        "groups": (),
        "line": (),
        "active": (),
        "place_hints": (),
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


async def fragment_response(request: web.Request, name: str, wanted: FragmentRequest) -> Fragment:
    """The part `name`, one of `TEMPLATES`. Raises `FilterError` and `SearchError`."""
    if name not in _OF_RESULTS:
        return await _cached_fragment(request, name, wanted)
    with request.config_dict[SEARCH_TIMES].measure():
        return await _cached_fragment(request, name, wanted)


async def _cached_fragment(request: web.Request, name: str, wanted: FragmentRequest) -> Fragment:
    kept, key = request.config_dict[FRAGMENT_CACHE], _key(request, name, wanted)
    data_version = (request.config_dict[LIBRARY].data_version(), request.config_dict[SEARCH].data_version())
    packed = kept.get(key, data_version)
    if packed is not None:
        return Fragment(packed)
    make = partial(search_while_connected, request, partial(_render_fragment, request, name, wanted))
    part = await kept.render_once(key, data_version, make)
    if part.context is None:
        kept.put(key, data_version, part.packed)
    return part


def _key(request: web.Request, name: str, wanted: FragmentRequest) -> Key:
    parameters = sorted((known, value) for known, value in request.query.items() if known != "part")
    form = f"{name}{' selecting' * wanted.selecting}"
    return Key(form, tuple(parameters), current_language().key, date.today(), base_path())


def _render_fragment(
    request: web.Request, name: str, wanted: FragmentRequest, raise_if_cancelled: Callable[[], None]
) -> Fragment:
    context = {
        **EMPTY_CONTEXT,
        "search": wanted.search,
        "active": active_filters(wanted.search),
        "selecting": wanted.selecting,
        **_CONTEXTS[name](request, wanted, raise_if_cancelled),
    }
    raise_if_cancelled()
    if name in _OF_RESULTS and not context["results"].total:
        return Fragment(b"", context)
    return Fragment(gzip.compress(render_to_string(request, TEMPLATES[name], context).encode(), _LEVEL, mtime=0))


def _results(request: web.Request, wanted: FragmentRequest, raise_if_cancelled: Callable[[], None]) -> dict[str, Any]:
    first = (wanted.page - 1) * PER_PAGE
    # One photo more at the front: its month tells whether the page begins with a new heading.
    ahead = 1 if first else 0
    search = Search(wanted.search.text, wanted.search.sort, wanted.pages * PER_PAGE + ahead, first - ahead)
    backend = request.config_dict[SEARCH]
    result = execute_search(backend, request.config_dict[LIBRARY].summaries, search, raise_if_cancelled)
    raise_if_cancelled()
    grid_px = request.config_dict[SETTINGS].grid_px
    page_results = results(search, result, page=wanted.page, pages=wanted.pages, per_page=PER_PAGE, grid_px=grid_px)
    return {
        "results": page_results,
        "order": effective_sort(search, result),
        "place_hints": place_hints(wanted.search),
        "near_misses": () if result.total else near_misses(backend, wanted.search),
    }


def _filters(request: web.Request, wanted: FragmentRequest, _raise_if_cancelled: Callable[[], None]) -> dict[str, Any]:
    return {"groups": filter_groups(wanted.search, count_facets(request.config_dict[SEARCH], wanted.search))}


def _timeline(request: web.Request, wanted: FragmentRequest, _raise_if_cancelled: Callable[[], None]) -> dict[str, Any]:
    query, counts = count_dates(request.config_dict[SEARCH], wanted.search)
    return {"line": time_line(wanted.search, query, counts["year"], counts["month"])}


_OF_RESULTS = frozenset({"results", "tiles"})
_CONTEXTS = MappingProxyType({"results": _results, "tiles": _results, "filters": _filters, "timeline": _timeline})
