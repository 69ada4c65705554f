"""Monitoring: `/metrics` for Prometheus, and `/health` for a supervisor.

The text format of Prometheus (0.0.4) is written here: a dozen numbers and one histogram need no package with a
process-wide registry.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from aiohttp import web

from indexer.catalogue import Counts
from indexer.cluster_report import ClusterState
from indexer.errors import SearchError, SetupError
from indexer.model import ThumbnailSize
from indexer.progress import Phase, Progress
from indexer.search import Query
from indexer.storage import indexing_process
from web.app_keys import (
    CONNECTIONS,
    COUNTS,
    LIBRARY,
    PROGRESS,
    SEARCH,
    SEARCH_COUNT,
    SETTINGS,
    THUMBNAILS,
    in_database_thread,
    in_search_thread,
)
from web.pages.status_page import caption_models, cluster_state, size_bytes
from web.search.searching import BOUNDS_S, SEARCH_TIMES, SearchTimes

log = logging.getLogger(__name__)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

#: How many answers had which status.
RESPONSES: web.AppKey[Counter[int]] = web.AppKey("RESPONSES")


@dataclass(frozen=True, slots=True)
class _Family:
    """One metric. `samples` are (what follows the name: suffix and labels, value)."""

    name: str
    kind: str
    text: str
    samples: tuple[tuple[str, float], ...]

    def lines(self) -> Iterator[str]:
        yield f"# HELP recollect_{self.name} {self.text}"
        yield f"# TYPE recollect_{self.name} {self.kind}"
        for more, value in self.samples:
            yield f"recollect_{self.name}{more} {value!r}"


async def count_response(request: web.Request, response: web.StreamResponse) -> None:
    """An `on_response_prepare` signal."""
    request.config_dict[RESPONSES][response.status] += 1


async def health(request: web.Request) -> web.Response:
    """GET /health: ``{"status": "ok"}`` where catalogue, thumbnails and search index can be read, else 503 and
    ``{"status": "failing", "problems": {which: what}}``.

    Open to everybody, and says nothing else. A search server that is down is no reason to start recollect again.
    """
    problems = await in_database_thread(request, lambda: dict(_failing_stores(request)))
    problems |= await in_search_thread(request, lambda: dict(_failing_search(request)))
    if problems:
        log.error("not healthy: %s", "; ".join(f"{which}: {error}" for which, error in problems.items()))
        failing = dict.fromkeys(problems, "it can't be read; the log and the status page say more")
        return web.json_response({"status": "failing", "problems": failing}, status=503)
    return web.json_response({"status": "ok"})


def _failing_stores(request: web.Request) -> Iterator[tuple[str, Exception]]:
    try:
        request.config_dict[LIBRARY].probe()
    except (SetupError, sqlite3.Error) as error:
        yield "catalogue", error
    try:
        request.config_dict[THUMBNAILS].get("", ThumbnailSize.GRID)
    except (SetupError, sqlite3.Error) as error:
        yield "thumbnails", error


def _failing_search(request: web.Request) -> Iterator[tuple[str, Exception]]:
    backend = request.config_dict[SEARCH]
    if backend.name != "embedded":
        return
    try:
        backend.count()
        backend.search(Query(), limit=1)
    except SearchError as error:
        yield "search", error


async def metrics(request: web.Request) -> web.Response:
    """GET /metrics"""
    counts = await request.config_dict[COUNTS].get(request)
    data_dir = request.config_dict[SETTINGS].data_dir
    library = request.config_dict[LIBRARY]
    trouble, unwritten = await in_database_thread(request, lambda: (library.problem(), library.unwritten()))
    families = (
        *_catalogue(counts),
        _gauge("catalogue_damaged", "1 where the catalogue is known to be damaged or lost.", int(bool(trouble))),
        _gauge("captions_in_no_file", "Photos whose caption stands in the index alone.", sum(unwritten.values())),
        *await _models(request),
        *_cluster(await cluster_state(request)),
        *_indexing(request.config_dict[PROGRESS](), await in_database_thread(request, indexing_process, data_dir)),
        *await _search(request),
        *await in_database_thread(request, _disk, data_dir),
        *_http(request.config_dict[RESPONSES], request.config_dict[CONNECTIONS]),
    )
    text = "".join(f"{line}\n" for family in families for line in family.lines())
    return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})


def _gauge(name: str, text: str, value: float) -> _Family:
    return _Family(name, "gauge", text, (("", value),))


def _catalogue(counts: Counts) -> Iterator[_Family]:
    yield _gauge("photos", "Photos in the catalogue.", counts.photos)
    yield _gauge("photos_with_caption", "Photos that have a caption.", counts.with_caption)
    yield _gauge("files", "Photo files that are there.", counts.files)
    yield _gauge("files_missing", "Photo files that are not there just now.", counts.missing)
    yield _gauge("queue", "Photos that wait to be indexed, those in hand included.", counts.queued)
    yield _gauge("set_aside", "Files that could not be indexed.", counts.set_aside)
    yield _gauge("folders_unreadable", "Folders and files that the last scan could not look at.", counts.unreadable)
    yield _gauge("photos_incomplete", "Photos that wait for tags and embedding.", counts.incomplete)
    yield _gauge("thumbnails_waiting", "Photos whose thumbnails are made again.", counts.thumbnails_waiting)
    yield _gauge("faces_waiting", "Photos in which faces are still to be looked for.", counts.faces_waiting)
    yield _gauge("search_unpushed", "Photos that search does not know yet as they are.", counts.unpushed)
    yield _gauge("search_refused", "Photos that search will not have as they are.", counts.refused)


async def _models(request: web.Request) -> list[_Family]:
    """No metrics where the model in use can't be read: a 0 would look as if all were well."""
    try:
        models = await caption_models(request)
    except SetupError:
        return []
    text = "Photos that another caption model than the one in use has described."
    return [_gauge("photos_by_other_models", text, models.by_others)]


def _cluster(state: ClusterState | None) -> Iterator[_Family]:
    """No metrics where the process that indexes has no cluster."""
    if state is None:
        return
    yield _gauge("cluster_up", "1 where the scheduler of the cluster answers.", int(not state.problem))
    yield _gauge("cluster_workers", "Workers of the cluster that are used.", state.used)
    yield _gauge("cluster_workers_refused", "Workers that are not used.", len(state.workers) - state.used)
    sides = (('{by="here"}', state.captions_here), ('{by="cluster"}', state.captions_elsewhere))
    yield _Family("captions_total", "counter", "Captions since the indexing process was started, by side.", sides)


def _indexing(progress: Progress, process: int) -> Iterator[_Family]:
    phases = tuple((f'{{phase="{phase.value}"}}', int(phase == progress.phase)) for phase in Phase)
    yield _gauge("indexing", "1 while a process is indexing.", int(bool(process)))
    yield _Family("phase", "gauge", "What the indexer of this process is busy with.", phases)
    yield _Family("captioner_photos_total", "counter", "Photos indexed by this process.", (("", progress.done),))
    yield _gauge("captioner_photos_per_second", "Photos indexed a second, of the last minute.", progress.per_second)
    yield _gauge("problem", "1 while something keeps a library or search waiting.", int(bool(progress.problem)))


async def _search(request: web.Request) -> list[_Family]:
    backend, times = request.config_dict[SEARCH], request.config_dict[SEARCH_TIMES]
    label = f'{{backend="{backend.name}"}}'
    try:
        photos = await request.config_dict[SEARCH_COUNT].get(request)
    except SearchError:
        photos = None
    families = [
        _Family("search_seconds", "histogram", "Time of a search, the wait for a thread included.", _buckets(times)),
        _Family("search_failed_total", "counter", "Searches without an answer.", (("", times.failed),)),
        _Family("search_up", "gauge", "1 where search answers.", ((label, int(photos is not None)),)),
    ]
    if photos is not None:
        families.append(_gauge("search_photos", "Photos in the search index.", photos))
    return families


def _buckets(times: SearchTimes) -> tuple[tuple[str, float], ...]:
    bounds = (*map(str, BOUNDS_S), "+Inf")
    totals = list(accumulate(times.counts))
    buckets = ((f'_bucket{{le="{bound}"}}', number) for bound, number in zip(bounds, totals, strict=True))
    return (*buckets, ("_sum", times.sum_s), ("_count", totals[-1]))


def _disk(data_dir: Path) -> list[_Family]:
    used = sum(map(size_bytes, data_dir.iterdir()))
    return [
        _gauge("data_bytes", "Catalogue, search index and thumbnails on disk.", used),
        _gauge("data_free_bytes", "Free space on that disk.", shutil.disk_usage(data_dir).free),
    ]


def _http(responses: Counter[int], visitors: Counter[str]) -> Iterator[_Family]:
    answers = tuple((f'{{status="{status}"}}', responses[status]) for status in sorted(responses))
    yield _Family("http_responses_total", "counter", "Answers of the page, by status.", answers)
    yield _gauge("http_connections", "Connections that are open.", visitors.total())
