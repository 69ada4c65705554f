"""The pages of results. Each works without the script; the script asks for parts of the same pages."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from markupsafe import Markup

from indexer.errors import SearchError
from indexer.search import FilterError, Sort
from web.app_keys import COUNTS, PROGRESS
from web.i18n.language import gettext, translate
from web.links import search_url
from web.pages.fragment_cache import Fragment
from web.pages.fragments import EMPTY_CONTEXT, PER_PAGE, TEMPLATES, FragmentRequest, fragment_response
from web.pages.status_page import root_views
from web.presenters import clean
from web.search.results import Problem, active_filters, filter_problem, with_dates
from web.search.searching import WrongRequest, read_number, read_search
from web.templating import render, render_to_string

MOST_PAGES_AT_ONCE = 20  # when the script restores a long scroll
_NAMES = ("results", "filters", "timeline")
_PARTS = {**TEMPLATES, "progress": "_progress.html"}


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
        context |= {"search": wanted.search, "active": active_filters(wanted.search)}
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
        status, context["problem"] = (
            503,
            Problem(gettext("The search is not available just now"), clean(translate(error.hint_message))),
        )
        context["retry"] = True
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
    search = read_search(request.query, limit=PER_PAGE, most=PER_PAGE)
    page = read_number(request.query, "page", 1, least=1)
    pages = min(read_number(request.query, "pages", 1, least=1), MOST_PAGES_AT_ONCE)
    return FragmentRequest(search, page, pages, selecting)


async def _library_state(request: web.Request) -> dict[str, Any]:
    """What every state of the results page tells: how much there is, and how far the indexing is."""
    counts = await request.config_dict[COUNTS].get(request)
    progress = request.config_dict[PROGRESS]()
    return {
        "counts": counts,
        "progress": progress,
        "roots": await root_views(request) if not counts.photos else (),
    }


def _url_with_dates(request: web.Request) -> str:
    values = {name: clean(request.query.get(name, "")) for name in ("q", "from", "to", "sort")}
    query = with_dates(values["q"], values["from"], values["to"])
    return search_url(query, Sort(values["sort"]) if values["sort"] in list(Sort) else None)
