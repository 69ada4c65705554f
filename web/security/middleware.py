"""What every request passes: base path, security headers, the host it names, where it comes from, errors as pages.

The page may be served below a path, as in https://home.example/photos/: by the setting, or as a trusted proxy says. A
proxy may take the path away before it asks (nginx's `proxy_pass` with a path, Caddy's `handle_path`, Traefik's
StripPrefix) or leave it there; both are answered, and so is the path itself without a proxy.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from types import MappingProxyType
from urllib.parse import urlsplit

from aiohttp import web
from yarl import URL

from indexer.errors import SearchError, SetupError
from indexer.message import N_, Message
from indexer.settings_loader import is_base_path
from indexer.sqlite.errors import hint_for
from web.app_keys import LIBRARY, SETTINGS
from web.i18n.language import translate
from web.links import use_base_path
from web.presenters import clean
from web.security.proxies import PROXIES, peer, split_list
from web.templating import render

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: Everything the page needs is its own; no inline script or style, no third party (CSP level 3).
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: Of every answer.
HEADERS = MappingProxyType(
    {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    }
)
_PORT = re.compile(r":\d+\Z")
_LONGEST_HOST = 100  # characters, of what is shown again
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_TITLES = {
    400: N_("That request makes no sense"),
    401: N_("Please sign in"),
    403: N_("Not allowed"),
    404: N_("There is nothing here"),
    405: N_("That can't be done here"),
    408: N_("That took too long"),
    413: N_("That is too much"),
    421: N_("Wrong address"),
    429: N_("Too many tries"),
    500: N_("Something broke"),
    503: N_("Not available just now"),
}


async def set_security_headers(request: web.Request, response: web.StreamResponse) -> None:
    """An `on_response_prepare` signal, so that streamed files and error pages have them too."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    # no-store would cost the browser's back/forward cache, and with it the place in the grid.
    response.headers.setdefault("Cache-Control", "private, no-cache")
    response.headers.pop("Server", None)


@web.middleware
async def error_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns what a handler raises into a page for people or JSON for programs; no internals are shown."""
    try:
        return compress(await handler(request))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        headers = {name: error.headers[name] for name in ("Allow", "Retry-After") if name in error.headers}
        return error_response(request, error.status, error.text or error.reason, headers=headers)
    except SearchError as error:
        log.warning("search: %s", error)
        return error_response(request, 503, N_("The search is not available just now."), hint=error.hint_message)
    except SetupError as error:
        log.error("%s", error)
        return error_response(request, 503, N_("The catalogue is not available just now."), hint=error.hint_message)
    except sqlite3.Error as error:
        log.error("%s %s: the catalogue can't be read: %s", request.method, request.path, error)
        request.config_dict[LIBRARY].record_error(error)
        hint = hint_for(error, request.config_dict[SETTINGS].catalogue_path)
        return error_response(request, 503, N_("The catalogue can't be read."), hint=hint)
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return error_response(request, 500, N_("This is recollect's fault, not yours. The log says more."))


def compress(response: web.StreamResponse) -> web.StreamResponse:
    """Compresses text; pictures are already. No page holds a secret beside what its reader typed (BREACH)."""
    is_text = response.content_type in {"text/html", "application/json"}
    if is_text and isinstance(response, web.Response) and "Content-Encoding" not in response.headers:
        response.enable_compression()
    return response


def error_response(
    request: web.Request,
    status: int,
    message: Message | str,
    *,
    hint: Message | str = "",
    headers: dict[str, str] | None = None,
) -> web.Response:
    """``{"error": {"status", "message", "hint"}}`` below /api or where JSON is asked for, which is in English for
    programs; else a page in its reader's language."""
    message = "" if str(message).startswith(f"{status}: ") else message  # aiohttp's own
    title = _TITLES.get(status, N_("That did not work"))
    if wants_json(request):
        error = {"status": status, "message": clean(str(message)) or title, "hint": clean(str(hint))}
        return web.json_response({"error": error}, status=status, headers=headers)
    context = {
        "status": status,
        "title": translate(title),
        "message": clean(translate(message)),
        "hint": clean(translate(hint)),
    }
    response = render(request, "error.html", context, status=status)
    response.headers.update(headers or {})
    return response


def wants_json(request: web.Request) -> bool:
    """Programs get JSON: everything below /api/, and whoever accepts JSON but no HTML."""
    accepted = request.headers.get("Accept", "")
    return request.path.startswith("/api/") or ("application/json" in accepted and "text/html" not in accepted)


@web.middleware
async def finish_changes(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A request that changes something is finished although its client disconnects."""
    if request.method in _SAFE_METHODS:
        return await handler(request)
    return await asyncio.shield(asyncio.ensure_future(handler(request)))


@web.middleware
async def require_known_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Without a password, a name that an attacker points at 127.0.0.1 (DNS rebinding) must not open the photos.

    Addresses and localhost can't be rebound. With a password every name will do: the session cookie belongs to
    the name that it was given to. With a trusted proxy on this machine a rebound page could write the proxy's header
    itself, so that a password does not help.
    """
    if "Host" not in request.headers:
        # RFC 9112, 3.2. aiohttp would look one up by DNS, which blocks the event loop.
        raise web.HTTPBadRequest(text=N_("The request names no host."))
    settings = request.config_dict[SETTINGS]
    named = bool(settings.hosts) or settings.user_header or not settings.password
    if not named or _is_safe_host(request.host, split_list(settings.hosts)):
        return await handler(request)
    raise web.HTTPMisdirectedRequest(
        text=N_(
            "recollect does not answer to this name. Whoever set it up can name it in the setting hosts "
            "(RECOLLECT_HOSTS), or, without a reverse proxy that signs people in, set a password (RECOLLECT_PASSWORD)."
        )
    )


def _is_safe_host(host: str, known: Sequence[str]) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    names = {_PORT.sub("", host.casefold()) for host in known}
    if name == "localhost" or name.endswith(".localhost") or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


@web.middleware
async def require_same_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses forms that another site sends in our name (CSRF), by Fetch Metadata and the Origin header.

    A program without a browser sends neither and is let through: it carries nobody's cookies. A browser sends no Fetch
    Metadata to http://NAME, and there a reverse proxy that changes `Host` looks like another site.
    """
    if request.method in _SAFE_METHODS:
        return await handler(request)
    origin = _foreign_origin(request)
    if origin is None:
        return await handler(request)
    if not origin:
        raise web.HTTPForbidden(text=N_("This form was sent from another site."))
    problem = untrusted_proxy(request) or _host_mismatch(request, origin)
    if request.path == "/login" and not wants_json(request):
        return render(request, "login.html", {"problem": clean(translate(problem)), "next": "/"}, status=403)
    return error_response(request, 403, problem)


def _foreign_origin(request: web.Request) -> str | None:
    """None where a form is ours; else the host that it was sent from, as far as it is named, or ""."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return None if site in {"same-origin", "none"} else ""
    if origin is None:
        return None
    try:
        host = urlsplit(origin).netloc.casefold()
    except ValueError:
        return ""
    ours = {request.host, request.config_dict[PROXIES].forwarded_host(request), *_listed_hosts(request)}
    return None if host and host in {name.casefold() for name in ours} else host


def untrusted_proxy(request: web.Request) -> Message | None:
    """What to set where a reverse proxy that nobody has said to trust asks for another name than its own request."""
    named = request.headers.get("X-Forwarded-Host", "")
    known = {request.host.casefold(), *map(str.casefold, _listed_hosts(request))}
    if not named or named.casefold() in known or request.config_dict[PROXIES].trusts(peer(request)):
        return None
    return Message(
        "A reverse proxy asks from %(address)s in the name of %(name)s, and is not trusted. Whoever set recollect up "
        "can name it in the setting trusted_proxies (RECOLLECT_TRUSTED_PROXIES=%(address)s).",
        address=peer(request),
        name=named[:_LONGEST_HOST],
    )


def _host_mismatch(request: web.Request, origin: str) -> Message:
    other = "" if _is_safe_host(request.host, ()) else f",{request.host}"
    return Message(
        "This form was sent from %(origin)s, but the request names %(host)s. If a reverse proxy changes the name, "
        "whoever set it up can let it pass Host on as it is (nginx: proxy_set_header Host $http_host), or name both "
        "in the setting hosts (RECOLLECT_HOSTS=%(hosts)s). If there is none, another site sent the form.",
        origin=origin[:_LONGEST_HOST],
        host=request.host[:_LONGEST_HOST],
        hosts=f"{origin}{other}"[: 2 * _LONGEST_HOST],
    )


def _listed_hosts(request: web.Request) -> Sequence[str]:
    return split_list(request.config_dict[SETTINGS].hosts)


#: What a request has to pass before the sign-in is checked.
CHECKS = (require_known_host, require_same_origin)


@web.middleware
async def under_base_path(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Links inside begin with the base path, and the requested path loses it; 400 where the proxy's is no path."""
    try:
        prefix = _prefix(request)
    except ValueError:
        return error_response(request, 400, N_("The reverse proxy's X-Forwarded-Prefix is not a path."))
    with use_base_path(prefix):
        return await handler(await _without_prefix(request, prefix))


@web.middleware
async def answer_without_prefix(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The innermost: aiohttp has chosen its handler by the path as it came."""
    return await request.match_info.handler(request)


def _prefix(request: web.Request) -> str:
    """ "" or ``/photos``. The setting goes before the header, which a proxy may pass on from a visitor.

    Raises `ValueError`.
    """
    setting = request.config_dict[SETTINGS].base_path.rstrip("/")
    if setting or not request.config_dict[PROXIES].trusts(peer(request)):
        return setting
    values = request.headers.getall("X-Forwarded-Prefix", [])
    prefix = values[0].strip() if values else ""
    if len(values) > 1 or not is_base_path(prefix):
        raise ValueError(prefix)
    return prefix.rstrip("/")


async def _without_prefix(request: web.Request, prefix: str) -> web.Request:
    """The request as if it had been made without the path; itself where what it asks for is there as it stands."""
    path = request.rel_url.raw_path
    if not prefix or not f"{path}/".startswith(f"{prefix}/") or request.match_info.http_exception is None:
        return request
    query = request.rel_url.raw_query_string
    inner = URL.build(path=path.removeprefix(prefix) or "/", query_string=query, encoded=True)
    rerouted = request.clone(rel_url=inner)
    match_info = await request.app.router.resolve(rerouted)
    match_info.add_app(request.app)
    match_info.freeze()
    rerouted._match_info = match_info  # as aiohttp's own normalize_path_middleware does
    return rerouted
