"""What a browser needs to install the page as an application (W3C, Web Application Manifest).

There is no service worker: browsers install a page without one, and what it could keep for a journey are thumbnails
that lead to photos which are at home.
"""

from __future__ import annotations

from aiohttp import web

from web.links import local_url, static_url

#: File, pixels on each side, and what it is for: "maskable" may be cut to a circle of four fifths of its width.
_ICONS = (("icon-192.png", 192, "any"), ("icon-512.png", 512, "any"), ("icon-maskable.png", 512, "maskable"))
#: The manifest knows one theme; the page's <meta name="theme-color"> has that of the night as well.
_PAPER = "#faf8f4"


async def manifest(request: web.Request) -> web.Response:
    """GET /manifest.webmanifest. Open to all: a browser asks for it, and for the icons, before anybody signs in."""
    icons = [
        {"src": static_url(request, name), "sizes": f"{px}x{px}", "type": "image/png", "purpose": purpose}
        for name, px, purpose in _ICONS
    ]
    told = {
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
    return web.json_response(told, content_type="application/manifest+json", headers={"Cache-Control": "no-cache"})
