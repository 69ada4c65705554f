"""The application: its routes, and the middleware that every request passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from indexer.catalogue import Catalogue
from indexer.progress import Progress
from indexer.search import SearchBackend
from indexer.settings import Settings
from web.api import json_api as api
from web.api import people_api
from web.api.metrics import RESPONSES, count_response, health, metrics
from web.app_keys import (
    CONNECTIONS,
    COUNTS,
    DISK_THREADS,
    LIBRARY,
    PEOPLE_SWITCH,
    PROGRESS,
    SCAN_NOW,
    SEARCH,
    SEARCH_COUNT,
    SEARCH_THREADS,
    SETTINGS,
    THREADS,
    THUMBNAILS,
    WAKE,
    PeopleSwitch,
    RecentCounts,
    RecentSearchCount,
    Thumbnails,
)
from web.downloads import downloading, face_pictures, media
from web.i18n.language import LANGUAGES, Languages, Translation, language_middleware, read_languages, vary_by_language
from web.newest_first import NewestFirstExecutor
from web.pages import people_page, photo_faces, photo_page, search_page, status_page
from web.pages.fragment_cache import FRAGMENT_CACHE, FragmentCache
from web.request_bodies import BODY_S
from web.search.searching import SEARCH_TIMES, SearchTimes
from web.search.suggest import KNOWN_NAMES, KnownNames, suggest
from web.search.summaries import SUMMARIES, SummaryCache
from web.security import login
from web.security.middleware import (
    CHECKS,
    answer_without_prefix,
    error_pages,
    finish_changes,
    set_security_headers,
    under_base_path,
)
from web.security.password import HouseholdPassword, LoginThrottle, check_exposure
from web.security.proxies import PROXIES, read_proxies
from web.security.sessions import open_sessions
from web.static_files import STATIC_FILES, manifest, read_static_files, static_file
from web.templating import set_up_templates

#: The largest body is a caption of 2,000 characters, each of them twelve bytes in a form (%F0%9F%A6%86).
LARGEST_BODY_BYTES = 32 * 1024
#: Each thread has a connection of its own, with its cache, to every database: few keep memory small.
_THREADS = 2
#: The largest body takes a second on the slowest telephone network.
_BODY_S = 20.0
_PHOTO = f"{{id:{media.PHOTO_ID}}}"
_NUMBER = "{id:[0-9]{1,18}}"


def make_app(
    settings: Settings,
    *,
    catalogue: Catalogue,
    thumbnails: Thumbnails,
    search: SearchBackend,
    progress: Callable[[], Progress],
    wake: Callable[[], None] = lambda: None,
    scan_now: Callable[[], None] = lambda: None,
    body_s: float = _BODY_S,
    languages: Mapping[str, Translation] | None = None,
) -> web.Application:
    """The search page over an indexed library. Closes nothing that it is given; `wake` tells the indexer of this
    process that the page has put work into the queue, `scan_now` has it scan the libraries now. The body of a request
    has `body_s` seconds to arrive. `languages` replace the shipped ones.

    Raises `SettingsError` where it would be open to other machines without a password, `StorageError` where the
    session key can't be kept.
    """
    check_exposure(settings)
    app = web.Application(
        middlewares=[
            language_middleware,
            under_base_path,
            error_pages,
            *CHECKS,
            login.require_sign_in,
            finish_changes,
            answer_without_prefix,
        ],
        client_max_size=LARGEST_BODY_BYTES,
    )
    app[SETTINGS], app[LIBRARY], app[THUMBNAILS], app[SEARCH] = settings, catalogue, thumbnails, search
    app[PROGRESS], app[COUNTS], app[STATIC_FILES] = progress, RecentCounts(), read_static_files()
    app[SEARCH_COUNT], app[PEOPLE_SWITCH] = RecentSearchCount(), PeopleSwitch(settings.people)
    app[KNOWN_NAMES], app[FRAGMENT_CACHE], app[SUMMARIES] = KnownNames(), FragmentCache(), SummaryCache(catalogue)
    app[WAKE], app[SCAN_NOW], app[PROXIES], app[BODY_S] = wake, scan_now, read_proxies(settings), body_s
    app[CONNECTIONS], app[RESPONSES], app[SEARCH_TIMES] = Counter(), Counter(), SearchTimes()
    app[LANGUAGES] = Languages(read_languages() if languages is None else languages, forced=settings.language)
    app.on_response_prepare.extend((set_security_headers, vary_by_language, count_response))
    app.cleanup_ctx.append(_threads)
    if settings.password:
        app[login.PASSWORD] = HouseholdPassword(settings.password)
        app[login.SESSIONS] = open_sessions(settings.data_dir, settings.password)
        app[login.THROTTLE] = LoginThrottle()
    set_up_templates(app)
    app.add_routes(_routes())
    return app


def _routes() -> list[web.RouteDef]:
    return [
        web.get("/", search_page.search_page),
        web.get(f"/photo/{_PHOTO}", photo_page.photo_page),
        web.post(f"/photo/{_PHOTO}/caption", photo_page.correct_caption),
        web.post(f"/photo/{_PHOTO}/wrong", photo_page.mark_wrong),
        web.post(f"/photo/{_PHOTO}/words", photo_page.add_words),
        web.get(f"/photo/{_PHOTO}/faces", photo_faces.photo_faces),
        web.post(f"/photo/{_PHOTO}/faces", photo_faces.change_face),
        web.get(f"/photo/{_PHOTO}/files/{{file:[0-9]{{1,18}}}}", media.original),
        web.get(f"/thumbnails/{_PHOTO}/{{size:grid|screen}}{{suffix:(\\.webp)?}}", media.thumbnail),
        web.get(f"/faces/{_NUMBER}", face_pictures.face_picture),
        web.get("/people", people_page.people_page),
        web.post("/people/switch", people_page.switch),
        web.post("/people/undo", people_page.undo),
        web.get("/people/delete", people_page.deletion_page),
        web.post("/people/delete", people_page.delete_all),
        web.get(f"/people/{_NUMBER}", people_page.person_page),
        web.post(f"/people/{_NUMBER}", people_page.change_person),
        web.get("/status", status_page.status_page),
        web.post("/status/retry", status_page.retry),
        web.post("/status/captions", status_page.captions),
        web.post("/status/scan", status_page.scan),
        web.post("/download", downloading.download),
        web.post("/captions", downloading.captions),
        web.get("/login", login.login_page),
        web.post("/login", login.login),
        web.post("/logout", login.logout),
        web.post("/logout/everywhere", login.logout_everywhere),
        web.get("/static/{name}", static_file),
        web.get("/manifest.webmanifest", manifest),
        web.get("/health", health),
        web.get("/metrics", metrics),
        web.get("/api/search", api.search),
        web.get("/api/facets", api.facets),
        web.get("/api/suggest", suggest),
        web.get("/api/status", api.status),
        web.post("/api/status/retry", api.retry),
        web.post("/api/status/captions", api.captions),
        web.post("/api/status/scan", api.scan),
        web.post("/api/download", downloading.api_download),
        web.get(f"/api/photos/{_PHOTO}", api.photo),
        web.get(f"/api/photos/{_PHOTO}/similar", api.similar),
        web.put(f"/api/photos/{_PHOTO}/caption", api.put_caption),
        web.delete(f"/api/photos/{_PHOTO}/caption", api.delete_caption),
        web.put(f"/api/photos/{_PHOTO}/wrong", api.put_wrong),
        web.delete(f"/api/photos/{_PHOTO}/wrong", api.delete_wrong),
        web.patch(f"/api/photos/{_PHOTO}/words", api.patch_words),
        web.get(f"/api/photos/{_PHOTO}/faces", people_api.photo_faces),
        web.get("/api/people", people_api.people),
        web.delete("/api/people", people_api.delete_all),
        web.post("/api/people/switch", people_api.switch),
        web.post("/api/people/undo", people_api.undo),
        web.get(f"/api/people/{_NUMBER}", people_api.person),
        web.post(f"/api/people/{_NUMBER}/name", people_api.name),
        web.post(f"/api/people/{_NUMBER}/merge", people_api.merge),
        web.post(f"/api/people/{_NUMBER}/distinct", people_api.distinct),
        web.post(f"/api/people/{_NUMBER}/ignore", people_api.ignore),
        web.post(f"/api/faces/{_NUMBER}/name", people_api.name_face),
        web.post("/api/faces/not", people_api.take_faces),
    ]


async def _threads(app: web.Application) -> AsyncIterator[None]:
    with (
        ThreadPoolExecutor(_THREADS, thread_name_prefix="web") as threads,
        NewestFirstExecutor(_THREADS, thread_name_prefix="search") as searching,
    ):
        app[THREADS], app[SEARCH_THREADS], app[DISK_THREADS] = threads, searching, {}
        yield
        for pool in app[DISK_THREADS].values():
            pool.shutdown(wait=False, cancel_futures=True)
