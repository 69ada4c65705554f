"""The results page and its fragments, which the script fetches one by one. The page works without the script.

A fragment is made in one go on a searching thread: searched, joined, rendered and packed. The event loop only sends the
packed bytes.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from types import MappingProxyType
from typing import Any

from aiohttp import web
from markupsafe import Markup

from indexer.errors import SearchError
from indexer.search import FilterError, Sort
from web.app_keys import COUNTS, LIBRARY, PROGRESS, SEARCH, SETTINGS, search_while_connected
from web.i18n.language import current_language, gettext, translate
from web.links import base_path, search_url
from web.pages.fragment_cache import FRAGMENT_CACHE, Fragment, Key
from web.pages.status_page import known_roots
from web.presenters import clean, message_text
from web.search.results import (
    Problem,
    active_filters,
    effective_sort,
    filter_groups,
    filter_problem,
    near_misses,
    parts_apart,
    place_hints,
    results,
    with_dates,
)
from web.search.searching import (
    PHOTOS_PER_PAGE,
    PHOTOS_WHILE_TYPING,
    SEARCH_TIMES,
    Search,
    WrongRequest,
    count_dates,
    count_facets,
    execute_search,
    read_number,
    read_search,
)
from web.search.summaries import SUMMARIES
from web.search.time_chips import time_chips
from web.search.timeline import time_line
from web.templating import render, render_to_string

MOST_PAGES_AT_ONCE = 40  # when the script restores a long scroll
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
        "times": (),
        "place_hints": (),
        "near_misses": (),
        "unfinished": False,  # whether near misses are to be asked for when the typing pauses
        "selecting": False,
        "sorts": tuple(Sort),
    }
)
TEMPLATES = MappingProxyType(
    {
        **{name: f"_{name}.html" for name in ("results", "filters", "timeline", "tiles")},
        # Of the first page the photos that come with each letter that is typed, and the others.
        "beginning": "_results.html",
        "rest": "_tiles.html",
    }
)
_NAMES = ("results", "filters", "timeline")
_PARTS = {**TEMPLATES, "progress": "_progress.html"}


@dataclass(frozen=True, slots=True)
class FragmentRequest:
    """The search that an address names, and which of its pages."""

    search: Search
    page: int
    pages: int
    selecting: bool


async def fragment_response(request: web.Request, name: str, wanted: FragmentRequest) -> Fragment:
    """The fragment `name`, one of `TEMPLATES`. Raises `FilterError` and `SearchError`."""
    cache, key = request.config_dict[FRAGMENT_CACHE], _key(request, name, wanted)
    with request.config_dict[SEARCH_TIMES].measure() if name in _OF_RESULTS else nullcontext():
        data_version = (request.config_dict[LIBRARY].data_version(), request.config_dict[SEARCH].data_version())
        packed = cache.get(key, data_version)
        if packed is not None:
            return Fragment(packed)
        make = partial(search_while_connected, request, partial(_render_fragment, request, name, wanted))
        fragment = await cache.render_once(key, data_version, make)
        if fragment.context is None:
            cache.put(key, data_version, fragment.packed)
        return fragment


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
        "selecting": wanted.selecting,
        **_CONTEXTS[name](request, name, wanted, raise_if_cancelled),
    }
    raise_if_cancelled()
    if name in _OF_RESULTS and not context["results"].total:
        return Fragment(b"", context)
    return Fragment(gzip.compress(render_to_string(request, TEMPLATES[name], context).encode(), _LEVEL, mtime=0))


def _results(
    request: web.Request, name: str, wanted: FragmentRequest, raise_if_cancelled: Callable[[], None]
) -> dict[str, Any]:
    first, end = _shown_range(name, wanted)
    # One photo more at the front: its month tells whether the page begins with a new heading.
    ahead = 1 if first else 0
    search = replace(wanted.search, limit=end - first + ahead, offset=first - ahead)
    backend = request.config_dict[SEARCH]
    result = execute_search(backend, request.config_dict[SUMMARIES].read, search, raise_if_cancelled)
    raise_if_cancelled()
    grid_px = request.config_dict[SETTINGS].grid_px
    page_results = results(search, result, first=first, end=end, per_page=PHOTOS_PER_PAGE, grid_px=grid_px)
    typing = name == "beginning"  # then what takes another search has time
    return {
        "results": page_results,
        "order": effective_sort(search, result),
        "active": active_filters(wanted.search),
        "times": time_chips(wanted.search),
        "place_hints": place_hints(wanted.search),
        "near_misses": () if result.total or typing else near_misses(backend, wanted.search),
        "unfinished": typing and not result.total and bool(parts_apart(wanted.search)),
    }


def _shown_range(name: str, wanted: FragmentRequest) -> tuple[int, int]:
    """The first of the hits that a fragment shows, and the one after the last."""
    if name == "beginning":
        return 0, PHOTOS_WHILE_TYPING
    if name == "rest":
        return PHOTOS_WHILE_TYPING, PHOTOS_PER_PAGE
    return (wanted.page - 1) * PHOTOS_PER_PAGE, (wanted.page - 1 + wanted.pages) * PHOTOS_PER_PAGE


def _filters(
    request: web.Request, _name: str, wanted: FragmentRequest, _raise_if_cancelled: Callable[[], None]
) -> dict[str, Any]:
    return {"groups": filter_groups(wanted.search, count_facets(request.config_dict[SEARCH], wanted.search))}


def _timeline(
    request: web.Request, _name: str, wanted: FragmentRequest, _raise_if_cancelled: Callable[[], None]
) -> dict[str, Any]:
    query, counts = count_dates(request.config_dict[SEARCH], wanted.search)
    return {"line": time_line(wanted.search, query, counts["year"], counts["month"])}


_OF_RESULTS = frozenset({"results", "tiles", "beginning", "rest"})
_CONTEXTS = MappingProxyType({**dict.fromkeys(_OF_RESULTS, _results), "filters": _filters, "timeline": _timeline})


async def search_page(request: web.Request) -> web.StreamResponse:
    """GET /?q=&sort=&page=: results as a page, or with ``part`` a part of it. ``from`` and ``to`` become filters."""
    if "from" in request.query or "to" in request.query:
        raise web.HTTPSeeOther(_url_with_dates(request))
    part = request.query.get("part", "")
    part = part if part in _PARTS else ""
    selecting = "select" in request.query and not part  # the script selects without another page
    context: dict[str, Any] = {**EMPTY_CONTEXT, "selecting": selecting}
    fragments: dict[str, Markup] = {}
    status = 200
    try:
        wanted = _read_request(request, selecting)
        context["search"] = wanted.search
        for name in (part,) if part in TEMPLATES else () if part else _NAMES:
            fragment = await fragment_response(request, name, wanted)
            if fragment.context is not None:
                context |= fragment.context
            elif part:
                return _packed_response(request, fragment)
            else:
                fragments[name] = Markup(fragment.html)  # noqa: S704 - our own templates', escaped there
    except WrongRequest as error:
        status, context["problem"] = 400, Problem(gettext("That search makes no sense"), translate(error.message))
    except FilterError as error:
        status, context["problem"] = 400, filter_problem(wanted.search, error)
    except SearchError as error:
        status, context["retry"] = 503, True
        context["problem"] = Problem(gettext("The search is not available just now"), message_text(error.hint_message))
    if context["problem"]:
        fragments.pop("results", None)
    results = context["results"]
    if part in {"", "progress"} or (results and not results.total):
        context |= await _library_state(request)
    if not part:
        missing = [name for name in _NAMES if name not in fragments]
        fragments |= {name: Markup(render_to_string(request, TEMPLATES[name], context)) for name in missing}  # noqa: S704
    return render(request, _PARTS.get(part, "search.html"), {**context, "parts": fragments}, status=status)


def _packed_response(request: web.Request, part: Fragment) -> web.Response:
    if "gzip" in request.headers.get("Accept-Encoding", "").lower():
        packed = {"Content-Encoding": "gzip"}
        return web.Response(body=part.packed, content_type="text/html", charset="utf-8", headers=packed)
    return web.Response(text=part.html, content_type="text/html")


def _read_request(request: web.Request, selecting: bool) -> FragmentRequest:
    birthdays = request.config_dict[SETTINGS].birthday_dates
    search = read_search(request.query, limit=PHOTOS_PER_PAGE, most=PHOTOS_PER_PAGE, birthdays=birthdays)
    page = read_number(request.query, "page", 1, least=1)
    pages = min(read_number(request.query, "pages", 1, least=1), MOST_PAGES_AT_ONCE)
    return FragmentRequest(search, page, pages, selecting)


async def _library_state(request: web.Request) -> dict[str, Any]:
    """What every state of the results page shows: the catalogue's counts, and how far the indexing is."""
    counts = await request.config_dict[COUNTS].get(request)
    roots = await known_roots(request) if not counts.photos else ()
    return {"counts": counts, "progress": request.config_dict[PROGRESS](), "roots": roots}


def _url_with_dates(request: web.Request) -> str:
    values = {name: clean(request.query.get(name, "")) for name in ("q", "from", "to", "sort")}
    query = with_dates(values["q"], values["from"], values["to"])
    return search_url(query, Sort(values["sort"]) if values["sort"] in list(Sort) else None)
