"""The page below a path of its own, as in https://home.example/photos/: by the setting, or as a trusted proxy says.

A proxy may take the path away before it asks (nginx's `proxy_pass` with a path, Caddy's `handle_path`, Traefik's
StripPrefix) or leave it there; both are answered, and so is the path itself without a proxy.
"""

from __future__ import annotations

from aiohttp import web
from yarl import URL

from indexer.message import N_
from indexer.settings import is_base_path
from web.app_keys import SETTINGS
from web.links import use_base_path
from web.security.middleware import Handler, error_response
from web.security.proxies import PROXIES, peer

_HEADER = "X-Forwarded-Prefix"


@web.middleware
async def under_base_path(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever is linked to inside lies below the path, and whatever is asked for loses it; 400 where the proxy's is
    none."""
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
    given = request.headers.getall(_HEADER, [])
    prefix = given[0].strip() if given else ""
    if len(given) > 1 or not is_base_path(prefix):
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
    found = await request.app.router.resolve(rerouted)
    found.add_app(request.app)
    found.freeze()
    rerouted._match_info = found  # as aiohttp's own normalize_path_middleware does
    return rerouted
