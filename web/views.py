"""The pages of results and status. Each works without the script; the script asks for parts of the same pages."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from indexer.errors import SearchError
from indexer.search import FilterError, Sort
from web.doors import COUNTS, LIBRARY, PROGRESS, SEARCH, SETTINGS, in_thread
from web.links import search_url
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
    run_count,
    run_dates,
    run_facets,
    run_search,
)
from web.shown import bytes_text, clean
from web.templating import render
from web.timeline import Column, time_line

PER_PAGE = 60
MOST_PAGES_AT_ONCE = 20  # when the script restores a long scroll
_SET_ASIDE = 200
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
    "groups": (),
    "line": (),
    "active": (),
    "sorts": tuple(Sort),
}


@dataclass(frozen=True, slots=True)
class _Asked:
    search: Search
    page: int
    pages: int


@dataclass(frozen=True, slots=True)
class RootView:
    """A library and what is known of it; `held_back` says why its missing files are not believed."""

    path: str
    files: int
    missing: int
    held_back: str


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
    return {"results": shown, "order": effective_sort(search, found)}


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
        "roots": await _roots(request) if not counts.photos else (),
    }


async def _roots(request: web.Request) -> tuple[RootView, ...]:
    """The libraries that were walked, and those of the settings that never were."""
    walked = await in_thread(request, request.config_dict[LIBRARY].roots)
    paths = {root.path for root in walked}
    return (
        *(RootView(clean(str(root.path)), root.files, root.missing, clean(root.held_back or "")) for root in walked),
        *(RootView(clean(str(path)), 0, 0, "") for path in request.config_dict[SETTINGS].photos if path not in paths),
    )


def _with_dates(request: web.Request) -> str:
    values = {name: clean(request.query.get(name, "")) for name in ("q", "from", "to", "sort")}
    text = dated(values["q"], values["from"], values["to"])
    return search_url(text, Sort(values["sort"]) if values["sort"] in list(Sort) else None)


async def status_page(request: web.Request) -> web.Response:
    """GET /status: how far the indexing is, what there is, what was set aside and why."""
    library, settings = request.config_dict[LIBRARY], request.config_dict[SETTINGS]
    aside = await in_thread(request, library.set_aside, _SET_ASIDE, 0)
    context = {
        "counts": await request.config_dict[COUNTS].get(request),
        "progress": request.config_dict[PROGRESS](),
        "searchable": await run_count(request),
        "backend": request.config_dict[SEARCH].name,
        "aside": [(clean(one.file.relative), clean(one.reason), one.attempts) for one in aside],
        "disk": await asyncio.to_thread(_disk, settings.data_dir),
        "roots": await _roots(request),
    }
    template = "_status.html" if request.query.get("part") == "status" else "status.html"
    return render(request, template, context)


def _disk(data_dir: Path) -> tuple[tuple[str, str], ...]:
    """(what, size) of the data directory."""
    files = [path for path in data_dir.rglob("*") if path.is_file()] if data_dir.is_dir() else []
    used = sum(path.stat().st_size for path in files)
    free = shutil.disk_usage(data_dir if data_dir.is_dir() else Path("/")).free
    return (("Catalogue, search and thumbnails", bytes_text(used)), ("Free on that disk", bytes_text(free)))
