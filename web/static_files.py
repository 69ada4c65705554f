"""The style sheet, the script and the icon: read once, named by their content, cached for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from aiohttp import web

FOREVER = "max-age=31536000, immutable"

_DIRECTORY = Path(__file__).parent / "static"
_TYPES = MappingProxyType(
    {
        ".css": "text/css",
        ".js": "text/javascript",
        ".svg": "image/svg+xml",
        ".png": "image/png",
        ".webmanifest": "application/manifest+json",
    }
)


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file of the page itself. `version` is a digest of its content."""

    body: bytes
    content_type: str
    version: str


def read_static_files(directory: Path = _DIRECTORY) -> Mapping[str, StaticFile]:
    """Every file that is served under /static/, by name: a closed list, so that no path is ever joined."""
    found = {}
    for path in sorted(directory.iterdir()):
        if path.suffix in _TYPES:
            body = path.read_bytes()
            version = hashlib.blake2b(body, digest_size=8).hexdigest()
            found[path.name] = StaticFile(body, _TYPES[path.suffix], version)
    return MappingProxyType(found)


STATIC_FILES: web.AppKey[Mapping[str, StaticFile]] = web.AppKey("STATIC_FILES")


async def static_file(request: web.Request) -> web.Response:
    """GET /static/NAME?v=VERSION. Immutable where the version is right, else checked every time."""
    file = request.config_dict[STATIC_FILES].get(request.match_info["name"])
    if file is None:
        raise web.HTTPNotFound
    response = web.Response(body=file.body, content_type=file.content_type)
    response.etag = file.version
    cache = FOREVER if request.query.get("v") == file.version else "no-cache"
    response.headers["Cache-Control"] = f"public, {cache}"
    if any(etag.value == file.version for etag in request.if_none_match or ()):
        return web.Response(status=304, headers={"ETag": f'"{file.version}"', "Cache-Control": f"public, {cache}"})
    if file.content_type.startswith(("text/", "application/", "image/svg")):
        response.enable_compression()
    response.charset = "utf-8" if file.content_type.startswith("text/") else None
    return response
