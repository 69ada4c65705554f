"""The style sheet, the scripts, the icons and the manifest; files are read once, named by content, cached for ever.

Scripts are ES modules that import one another as ``"./name.js"``. As they are served, their version stands behind the
name, so that an import is kept for ever, too; all of them share one version, as a module may import any other.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from aiohttp import web

from web.links import local_url

FOREVER = "max-age=31536000, immutable"

#: The module that every page loads.
SCRIPT = "recollect.js"

_DIRECTORY = Path(__file__).parent / "static"
_TYPES = MappingProxyType({".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png"})
_IMPORT = re.compile(rb'(\bfrom\s*|\bimport\s*\(?\s*)"\./([\w-]+\.js)"')
_STATIC_IMPORT = re.compile(rb'(\bfrom\s*|\bimport\s*)"\./([\w-]+\.js)')


#: File, pixels on each side, and what it is for: "maskable" may be cut to a circle of four fifths of its width.
_ICONS = (("icon-192.png", 192, "any"), ("icon-512.png", 512, "any"), ("icon-maskable.png", 512, "maskable"))
#: The manifest knows one theme; the page's <meta name="theme-color"> has that of the night as well.
_PAPER = "#faf8f4"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file of the page itself. `version` is a digest of its content."""

    body: bytes
    content_type: str
    version: str


def read_static_files(directory: Path = _DIRECTORY) -> Mapping[str, StaticFile]:
    """Every file that is served under /static/, by name: a closed list, so that no path is ever joined."""
    bodies = {path.name: path.read_bytes() for path in sorted(directory.iterdir()) if path.suffix in _TYPES}
    scripts_version = _version(b"\0".join(body for name, body in bodies.items() if name.endswith(".js")))
    files = {}
    for name, body in bodies.items():
        version = scripts_version if name.endswith(".js") else _version(body)
        if name.endswith(".js"):
            body = _IMPORT.sub(rb'\1"./\2?v=%s"' % version.encode(), body)
        files[name] = StaticFile(body, _TYPES[Path(name).suffix], version)
    return MappingProxyType(files)


def imported_modules(files: Mapping[str, StaticFile], name: str = SCRIPT) -> tuple[str, ...]:
    """The modules that `name` imports, directly or not: a page that names them all loads them at once."""
    seen = [name]
    for module in seen:
        names = (match[2].decode() for match in _STATIC_IMPORT.finditer(files[module].body))
        seen.extend(dict.fromkeys(other for other in names if other not in seen))
    return tuple(seen[1:])


def _version(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=8).hexdigest()


STATIC_FILES: web.AppKey[Mapping[str, StaticFile]] = web.AppKey("STATIC_FILES")


def static_url(request: web.Request, name: str) -> str:
    """A file of the page itself, named by its content."""
    return f"{local_url('/static/')}{name}?v={request.config_dict[STATIC_FILES][name].version}"


def module_urls(request: web.Request) -> tuple[str, ...]:
    """The modules that the page's script imports."""
    return tuple(static_url(request, name) for name in imported_modules(request.config_dict[STATIC_FILES]))


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


async def manifest(request: web.Request) -> web.Response:
    """GET /manifest.webmanifest: what a browser needs to install the page (W3C, Web Application Manifest).

    Open to all: a browser asks for it, and for the icons, before anybody signs in. There is no service worker:
    browsers install a page without one, and thumbnails kept offline would lead to photos that are not there.
    """
    icons = [
        {"src": static_url(request, name), "sizes": f"{px}x{px}", "type": "image/png", "purpose": purpose}
        for name, px, purpose in _ICONS
    ]
    document = {
        "id": local_url("/"),
        "name": "recollect",
        "short_name": "recollect",
        "start_url": local_url("/"),
        "scope": local_url("/"),
        "display": "standalone",
        "background_color": _PAPER,
        "theme_color": _PAPER,
        "icons": [*icons, {"src": static_url(request, "icon.svg"), "sizes": "any", "type": "image/svg+xml"}],
    }
    return web.json_response(document, content_type="application/manifest+json", headers={"Cache-Control": "no-cache"})
