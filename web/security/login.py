"""Signing in and out, and the page that asks for it where there is a household password, or a proxy that signs in."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable

from aiohttp import web

from indexer.errors import StorageError
from indexer.message import N_, Message
from web.app_keys import SETTINGS
from web.i18n.language import gettext, ngettext, translate
from web.links import base_path, local_url, login_url, search_url
from web.presenters import clean
from web.request_bodies import read_fields
from web.security.middleware import Handler, error_response, untrusted_proxy, wants_json
from web.security.password import HouseholdPassword, LoginThrottle
from web.security.proxies import PROXIES
from web.security.sessions import RENEW_AFTER_S, SESSION_S, Session, Sessions
from web.templating import render

log = logging.getLogger(__name__)

COOKIE = "recollect"
#: A browser sends one for each path that the page has been used under.
_MOST_COOKIES = 4
_LONGEST_PASSWORD = 1024  # characters; scrypt would take more, nobody types more
_OPEN_TO_ALL = ("/login", "/static/")
_METRICS = "/metrics"

PASSWORD = web.AppKey("PASSWORD", HouseholdPassword)
SESSIONS = web.AppKey("SESSIONS", Sessions)
THROTTLE = web.AppKey("THROTTLE", LoginThrottle)


@web.middleware
async def require_sign_in(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Sends people to the login page and programs a 401; does nothing where nobody is to sign in."""
    sessions, proxies = request.config_dict.get(SESSIONS), request.config_dict[PROXIES]
    guarded = sessions is not None or proxies.user_header
    if not guarded or _is_open(request) or proxies.user(request):
        return await handler(request)
    sessions_here = _sessions_of(request)
    if sessions is None or not sessions_here:
        return _sign_in_required(request)
    response = await handler(request)
    if sessions_here[0].age_s > RENEW_AFTER_S and not response.prepared:
        _set_session_cookie(request, response, sessions.renew(sessions_here[0]))
    return response


def _sessions_of(request: web.Request) -> list[Session]:
    """Those that the request's cookies name. There are two where the page has been used under two paths."""
    sessions = request.config_dict.get(SESSIONS)
    if sessions is None:
        return []
    pairs = (pair.strip().partition("=") for pair in ";".join(request.headers.getall("Cookie", ())).split(";"))
    cookies = [value.strip('"') for name, _, value in pairs if name == COOKIE]
    return [session for cookie in cookies[:_MOST_COOKIES] if (session := sessions.of(cookie))]


def _is_open(request: web.Request) -> bool:
    open_metrics = request.config_dict[SETTINGS].open_metrics
    return (
        request.path.startswith(_OPEN_TO_ALL)
        or request.path in {"/health", "/manifest.webmanifest"}
        or (request.path == _METRICS and open_metrics)
    )


def _sign_in_required(request: web.Request) -> web.StreamResponse:
    # A fragment or a picture must not become a login page: the script and the <img> need the 401.
    if request.config_dict.get(SESSIONS) is None:
        return error_response(request, 401, N_("Come in through the address that signs you in."))
    if wants_json(request) or "part" in request.query or request.path.startswith(("/thumbnails/", _METRICS)):
        hint = Message("Sign in at %(address)s.", address=login_url())
        return error_response(request, 401, N_("This page is for the household only."), hint=hint)
    target = request.path_qs if request.method == "GET" else "/"
    raise web.HTTPSeeOther(login_url(target))


async def login_page(request: web.Request) -> web.Response:
    """GET /login"""
    if request.config_dict.get(SESSIONS) is None:
        raise web.HTTPSeeOther(search_url())
    # Where a browser sends Fetch Metadata, the form will arrive all the same.
    problem = None if "Sec-Fetch-Site" in request.headers else untrusted_proxy(request)
    return _login_form(request, problem=clean(translate(problem)) if problem else "")


async def login(request: web.Request) -> web.Response:
    """POST /login with ``password`` and ``next``: a session cookie and on to `next`, or 401; 429 after many tries."""
    password = request.config_dict.get(PASSWORD)
    if password is None:
        raise web.HTTPSeeOther(search_url())
    entered, target = await read_fields(request, "password", "next")
    throttle, address = request.config_dict[THROTTLE], request.config_dict[PROXIES].client(request)
    async with throttle.lock:
        wait_s = throttle.wait_s(address)
        if wait_s:
            return _too_many_tries(request, wait_s)
        right = len(entered) <= _LONGEST_PASSWORD and await asyncio.to_thread(password.matches, entered)
    if not right:
        throttle.record_failure(address)
        return _login_form(request, problem=gettext("That is not the household password."), status=401)
    throttle.forget_failures(address)
    response = web.HTTPSeeOther(local_url(local_target(target)))
    _set_session_cookie(request, response, request.config_dict[SESSIONS].begin())
    raise response


async def logout(request: web.Request) -> web.Response:
    """POST /logout: ends this browser's session, and every copy of its cookie."""
    sessions_here = _sessions_of(request)
    raise await _sign_out(request, lambda sessions: sessions.end(sessions_here))


async def logout_everywhere(request: web.Request) -> web.Response:
    """POST /logout/everywhere: ends the sessions of all browsers."""
    raise await _sign_out(request, lambda sessions: sessions.end_all())


async def _sign_out(request: web.Request, end: Callable[[Sessions], None]) -> web.HTTPSeeOther:
    sessions = request.config_dict.get(SESSIONS)
    if sessions:
        try:
            await asyncio.to_thread(end, sessions)
        except StorageError as error:
            log.error("%s", error)
            raise web.HTTPServiceUnavailable(
                text=N_(
                    "You are signed out, but only until recollect starts again: the data directory can't be written. "
                    "Check its free space, sign in, and sign out everywhere."
                )
            ) from error
    response = web.HTTPSeeOther(login_url())
    response.del_cookie(COOKIE, path=_cookie_path(), httponly=True, samesite="Lax")
    return response


def local_target(target: str) -> str:
    """`target` where it is a path on this server, else the front page: a login must not lead to another site."""
    harmless = target.startswith("/") and not target.startswith(("//", "/\\", "/login"))
    return target if harmless and target.isprintable() and target.isascii() else "/"


def _set_session_cookie(request: web.Request, response: web.StreamResponse, cookie: str) -> None:
    # Set by a proxy that terminates TLS; a client that forges it only locks itself out.
    secure = request.secure or request.headers.get("X-Forwarded-Proto", "").casefold() == "https"
    response.set_cookie(
        COOKIE, cookie, max_age=SESSION_S, path=_cookie_path(), httponly=True, samesite="Lax", secure=secure
    )


def _cookie_path() -> str:
    """Not for what else is served under the same name."""
    return base_path() or "/"


def _login_form(request: web.Request, *, problem: str = "", status: int = 200) -> web.Response:
    target = local_target(request.query.get("next", "/"))
    return render(request, "login.html", {"problem": problem, "next": target}, status=status)


def _too_many_tries(request: web.Request, wait_s: float) -> web.Response:
    seconds = math.ceil(wait_s)
    problem = ngettext(
        "Too many wrong passwords. Try again in %(count)s second.",
        "Too many wrong passwords. Try again in %(count)s seconds.",
        seconds,
    )
    response = _login_form(request, problem=problem, status=429)
    response.headers["Retry-After"] = str(seconds)
    return response
