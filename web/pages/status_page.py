"""The status page: progress, models, search, disk, libraries, and what was set aside and why."""

from __future__ import annotations

import asyncio
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from indexer.catalogue.scans import RootState
from indexer.cluster_report import ClusterState, read_cluster_state
from indexer.errors import SearchError, SetupError
from indexer.hours import DailyHours
from indexer.jobs.reindex import CaptionModels, QueuedCaptions, count_by_model, current_model, enqueue_captions
from indexer.message import N_, Message
from indexer.progress import Progress
from indexer.settings import Settings
from indexer.sqlite.derived import set_aside_files
from indexer.sqlite.errors import OPENING_BYTES
from indexer.storage import indexing_process, search_path
from web.app_keys import (
    COUNTS,
    LIBRARY,
    PEOPLE_SWITCH,
    PROGRESS,
    SCAN_NOW,
    SEARCH,
    SEARCH_COUNT,
    SETTINGS,
    WAKE,
    in_database_thread,
)
from web.i18n.language import bytes_text, gettext, hour_text
from web.links import photo_url, status_url
from web.presenters import clean, file_name, message_text
from web.progress_texts import problems
from web.request_bodies import read_fields
from web.search.results import Link
from web.templating import render

_SET_ASIDE = 200
LISTED_REFUSED = 20
_REASONS = 20  # of captions that stand in no file: some name a file of their own
_UNREADABLE = 20
_LITTLE_SPACE_BYTES = 1_000_000_000
_LONGEST_NUMBER = 18  # digits, of what SQLite counts with


@dataclass(frozen=True, slots=True)
class SearchView:
    """The search backend: `photos` None and `problem` where it does not answer."""

    name: str
    photos: int | None
    problem: str
    hint: str
    refused: tuple[tuple[Link, str], ...]  # photo, and why


@dataclass(frozen=True, slots=True)
class DiskView:
    """The disk of the data directory."""

    used: str
    free: str
    is_low: bool
    is_full: bool


async def status_page(request: web.Request) -> web.Response:
    """GET /status: with ``part=status`` the part of it that changes. `retried` is what POST /status/retry says,
    `described` what POST /status/captions does, `scanning` that POST /status/scan was."""
    library, settings = request.config_dict[LIBRARY], request.config_dict[SETTINGS]
    trouble = await in_database_thread(request, library.problem)
    counts = await request.config_dict[COUNTS].get(request)
    aside = await in_database_thread(request, library.queue.set_aside, _SET_ASIDE, 0)
    await request.config_dict[PEOPLE_SWITCH].get(request)
    unreadable = await in_database_thread(request, library.unreadable_places.first, _UNREADABLE)
    progress, roots = request.config_dict[PROGRESS](), await known_roots(request)
    context = {
        "counts": counts,
        "progress": progress,
        "search": await _search_view(request),
        **await _model_context(request),
        "unwritten": await _unwritten(request),
        "without_room": await in_database_thread(request, library.retries.count_without_space),
        "aside": aside,
        "aside_count": _total(len(aside), _SET_ASIDE, counts.set_aside),
        "retried": _number(request, "retried"),
        "described": _number(request, "described"),
        "scanning": "scanning" in request.query,
        "disk": await asyncio.to_thread(_disk_view, settings.data_dir),
        "roots": roots,
        "problems": _problems(trouble, progress, roots),
        "unreadable": unreadable,
        "unreadable_count": _total(len(unreadable), _UNREADABLE, counts.unreadable),
        "cluster": await cluster_state(request),
        "set_aside_files": await asyncio.to_thread(_set_aside_files, settings),
    }
    template = "_status.html" if request.query.get("part") == "status" else "status.html"
    return render(request, template, context)


async def retry(request: web.Request) -> web.Response:
    """POST /status/retry: what was set aside is tried again, all of it or the one that ``id`` names, and back to the
    status."""
    (chosen,) = await read_fields(request, "id")
    if chosen and not _is_number(chosen):
        raise web.HTTPBadRequest(text=N_("That is no file that was set aside."))
    raise web.HTTPSeeOther(status_url(retried=str(await retry_set_aside(request, [int(chosen)] if chosen else None))))


async def captions(request: web.Request) -> web.Response:
    """POST /status/captions: what another model has described is described again, and back to the status."""
    raise web.HTTPSeeOther(status_url(described=str((await enqueue_recaptioning(request)).captions)))


async def scan(request: web.Request) -> web.Response:
    """POST /status/scan: the libraries are scanned now, and back to the status."""
    scan_now(request)
    raise web.HTTPSeeOther(status_url(scanning="1"))


def scan_now(request: web.Request) -> None:
    """Has the indexer of this process scan every library."""
    request.config_dict[SCAN_NOW]()


async def retry_set_aside(request: web.Request, ids: list[int] | None) -> int:
    """Queues what was set aside once more, all of it where `ids` is None; gives how many files that are."""
    number = await in_database_thread(request, request.config_dict[LIBRARY].queue.retry_set_aside, ids)
    if number:
        request.config_dict[COUNTS].invalidate()
        request.config_dict[WAKE]()
    return number


async def known_roots(request: web.Request) -> tuple[RootState, ...]:
    """The libraries that were scanned, and those of the settings that never were."""
    scanned = await in_database_thread(request, request.config_dict[LIBRARY].scans.roots)
    paths = {root.path for root in scanned}
    new = (path for path in request.config_dict[SETTINGS].photos if path not in paths)
    return (*scanned, *(RootState(path, 0, 0, None, None) for path in new))


def _problems(trouble: Message | None, progress: Progress, roots: Sequence[RootState]) -> tuple[str, ...]:
    """Problems that only people can solve, in the reader's language, each once."""
    held_back = (message_text(root.held_back) for root in roots)
    lines = [message_text(trouble), *problems(progress), *held_back]
    return tuple(dict.fromkeys(filter(None, lines)))


def _total(listed: int, most: int, counted: int) -> int:
    """The number of all items: the length of the list where it is complete, else the count, which may be some seconds
    old."""
    return listed if listed < most else max(listed, counted)


def _number(request: web.Request, name: str) -> int | None:
    text = request.query.get(name, "")
    return int(text) if _is_number(text) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER


def _set_aside_files(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Databases that were set aside since the last ones, by name, and how large they are: they may be deleted."""
    paths = [path for store in (search_path(settings), settings.thumbnails_path) for path in set_aside_files(store)]
    return tuple((clean(path.name), bytes_text(path.stat().st_size)) for path in paths)


async def _search_view(request: web.Request) -> SearchView:
    backend = request.config_dict[SEARCH]
    photos, problem, hint = None, "", ""
    try:
        photos = await request.config_dict[SEARCH_COUNT].get(request)
    except SearchError as error:
        problem, hint = message_text(error.message), message_text(error.hint_message)
    refused = await in_database_thread(request, request.config_dict[LIBRARY].refused, LISTED_REFUSED)
    links = ((Link(file_name(one.photo), photo_url(one.photo.id)), message_text(one.reason)) for one in refused)
    return SearchView(backend.name, photos, problem, hint, tuple(links))


async def _unwritten(request: web.Request) -> tuple[tuple[str, int], ...]:
    """Why captions stand in no file, and in how many photos' none; "" where that is not known, or for many reasons."""
    counted = list((await in_database_thread(request, request.config_dict[LIBRARY].unwritten)).items())
    explained = [(message_text(reason), photos) for reason, photos in counted[:_REASONS] if reason]
    others = sum(photos for _, photos in counted) - sum(photos for _, photos in explained)
    return (*explained, ("", others)) if others else tuple(explained)


def _disk_view(data_dir: Path) -> DiskView:
    used = sum(map(size_bytes, data_dir.rglob("*"))) if data_dir.is_dir() else 0
    free = shutil.disk_usage(data_dir if data_dir.is_dir() else Path("/")).free
    return DiskView(bytes_text(used), bytes_text(free), free < _LITTLE_SPACE_BYTES, free < OPENING_BYTES)


def size_bytes(path: Path) -> int:
    """Of a file; 0 of anything else, and of a file that is gone: SQLite's -wal and -shm come and go."""
    try:
        info = path.stat()
    except OSError:
        return 0
    return info.st_size if stat.S_ISREG(info.st_mode) else 0


async def caption_models(request: web.Request) -> CaptionModels:
    """Which models have described the photos. Raises `SetupError` where the one in use can't be read."""
    model = await asyncio.to_thread(current_model, request.config_dict[SETTINGS])
    return await in_database_thread(request, count_by_model, request.config_dict[LIBRARY], model)


async def _model_context(request: web.Request) -> dict[str, object]:
    """What the page says of caption models; `models` is None where the one in use can't be read."""
    context: dict[str, object] = {
        "models": None,
        "model_problem": "",
        "marked_wrong": await in_database_thread(request, request.config_dict[LIBRARY].feedback.count_marked_wrong),
        "schedule": _schedule_text(request.config_dict[SETTINGS]),
    }
    try:
        return context | {"models": await caption_models(request)}
    except SetupError as error:
        return context | {"model_problem": message_text(error.message)}


async def cluster_state(request: web.Request) -> ClusterState | None:
    """How captioning by other machines stands; None where the process that indexes has no cluster, or none is."""
    data_dir = request.config_dict[SETTINGS].data_dir
    process = await in_database_thread(request, indexing_process, data_dir)
    return await in_database_thread(request, read_cluster_state, data_dir, process)


def _schedule_text(settings: Settings) -> str:
    if not settings.recaption_hours:
        return ""
    hours = DailyHours.parse(settings.recaption_hours)
    if hours.is_whole_day:
        return gettext("They are described again by themselves when there is nothing else to do.")
    begin, end = hour_text(hours.begin), hour_text(hours.end)
    return gettext("They are described again by themselves between %(begin)s and %(end)s.", begin=begin, end=end)


async def enqueue_recaptioning(request: web.Request) -> QueuedCaptions:
    """Queues what `recollect reindex --captions` does. 503 where the caption model can't be read."""
    try:
        model = await asyncio.to_thread(current_model, request.config_dict[SETTINGS])
    except SetupError as error:
        raise web.HTTPServiceUnavailable(
            text=N_("The caption model can't be used. The status page says why.")
        ) from error
    queued = await in_database_thread(request, enqueue_captions, request.config_dict[LIBRARY], model)
    if queued.captions or queued.corrections:
        request.config_dict[COUNTS].invalidate()
        request.config_dict[WAKE]()
    return queued
