"""The pages of results. Each works without the script; the script asks for parts of the same pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from indexer.errors import SearchError
from indexer.search import FilterError, Sort
from web.doors import COUNTS, PROGRESS, SETTINGS
from web.links import search_url
from web.nearly import run_meant, run_near_misses
from web.results import (
    FilterGroup,
    Problem,
    active_filters,
    dated,
    effective_sort,
    filter_groups,
    results,
    wrong_filter,
)
from web.searching import (
    Search,
    WrongRequest,
    read_number,
    read_search,
    run_dates,
    run_facets,
    run_search,
)
from web.shown import clean
from web.status_page import root_views
from web.templating import render
from web.timeline import Column, time_line

PER_PAGE = 60
MOST_PAGES_AT_ONCE = 20  # when the script restores a long scroll
_PARTS = {
    "results": "_results.html",
    "filters": "_filters.html",
    "timeline": "_timeline.html",
    "tiles": "_tiles.html",
    "progress": "_progress.html",
}
_NOTHING: dict[str, Any] = {
    "search": None,
    "results": None,
    "problem": None,
    "again": False,  # whether the script is to ask again by itself
    "groups": (),
    "line": (),
    "active": (),
    "meant": (),
    "near_misses": (),
    "sorts": tuple(Sort),
}


@dataclass(frozen=True, slots=True)
class _Asked:
    search: Search
    page: int
    pages: int


async def search_page(request: web.Request) -> web.StreamResponse:
    """GET /?q=&sort=&page=: results as a page, or with ``part`` a part of it. ``from`` and ``to`` become filters."""
    if "from" in request.query or "to" in request.query:
        raise web.HTTPSeeOther(_with_dates(request))
    part = request.query.get("part", "")
    part = part if part in _PARTS else ""
    context: dict[str, Any] = dict(_NOTHING)
    status = 200
    try:
        asked = _read(request)
        context |= {"search": asked.search, "active": active_filters(asked.search)}
        if part in {"", "results", "tiles"}:
            context |= await _results(request, asked)
        if part in {"", "filters"}:
            context["groups"] = await _groups(request, asked.search)
        if part in {"", "timeline"}:
            context["line"] = await _line(request, asked.search)
    except WrongRequest as error:
        status, context["problem"] = 400, Problem("That search makes no sense", str(error))
    except FilterError as error:
        status, context["problem"] = 400, wrong_filter(asked.search, error)
    except SearchError as error:
        status, context["problem"] = 503, Problem("The search is not available just now", clean(error.hint))
        context["again"] = True
    found = context["results"]
    if part in {"", "progress"} or (found and not found.total):
        context |= await _surroundings(request)
    return render(request, _PARTS.get(part, "search.html"), context, status=status)


def _read(request: web.Request) -> _Asked:
    search = read_search(request.query, limit=PER_PAGE, most=PER_PAGE)
    page = read_number(request.query, "page", 1, least=1)
    pages = min(read_number(request.query, "pages", 1, least=1), MOST_PAGES_AT_ONCE)
    return _Asked(search, page, pages)


async def _results(request: web.Request, asked: _Asked) -> dict[str, Any]:
    first = (asked.page - 1) * PER_PAGE
    # One photo more at the front: its month tells whether the page begins with a new heading.
    ahead = 1 if first else 0
    search = Search(asked.search.text, asked.search.sort, asked.pages * PER_PAGE + ahead, first - ahead)
    found = await run_search(request, search)
    shown = results(
        search,
        found,
        page=asked.page,
        pages=asked.pages,
        per_page=PER_PAGE,
        grid_px=request.config_dict[SETTINGS].grid_px,
    )
    return {
        "results": shown,
        "order": effective_sort(search, found),
        "meant": await run_meant(request, asked.search),
        "near_misses": () if found.total else await run_near_misses(request, asked.search),
    }


async def _groups(request: web.Request, search: Search) -> tuple[FilterGroup, ...]:
    return filter_groups(search, await run_facets(request, search))


async def _line(request: web.Request, search: Search) -> tuple[Column, ...]:
    query, counts = await run_dates(request, search)
    return time_line(search, query, counts["year"], counts["month"])


async def _surroundings(request: web.Request) -> dict[str, Any]:
    """What every state of the results page tells: how much there is, and how far the indexing is."""
    counts = await request.config_dict[COUNTS].get(request)
    progress = request.config_dict[PROGRESS]()
    return {
        "counts": counts,
        "progress": progress,
        "roots": await root_views(request) if not counts.photos else (),
    }


def _with_dates(request: web.Request) -> str:
    values = {name: clean(request.query.get(name, "")) for name in ("q", "from", "to", "sort")}
    text = dated(values["q"], values["from"], values["to"])
    return search_url(text, Sort(values["sort"]) if values["sort"] in list(Sort) else None)
