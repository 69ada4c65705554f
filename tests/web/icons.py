"""The icons of the installed page, drawn by Chromium from icon.svg. `python -m tests.web.icons` draws them anew."""

from __future__ import annotations

import asyncio
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, async_playwright

from tests.web.test_browser import chromium

STATIC = Path(__file__).parents[2] / "web" / "static"
#: Name, pixels on each side, and whether its corners are left to who shows it: the drawing lies within the circle of
#: four fifths of the width that a maskable icon may be cut to.
ICONS = (
    ("icon-192.png", 192, False),
    ("icon-512.png", 512, False),
    ("icon-maskable.png", 512, True),
    ("icon-apple.png", 180, True),
)


async def drawn(browser: Browser | BrowserContext, px: int, *, square: bool) -> bytes:
    """A PNG; opaque where it is square."""
    svg = (
        (STATIC / "icon.svg").read_text().replace("<svg", f'<svg width="{px}" height="{px}" style="display: block"', 1)
    )
    tab = await browser.new_page()
    await tab.set_viewport_size({"width": px, "height": px})
    drawing = svg.replace(' rx="14"', "", 1) if square else svg
    await tab.set_content(f'<body style="margin: 0">{drawing}')
    png = await tab.screenshot(omit_background=not square)
    await tab.close()
    return png


async def _draw_all() -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for name, px, square in ICONS:
            (STATIC / name).write_bytes(await drawn(browser, px, square=square))
        await browser.close()


if __name__ == "__main__":
    asyncio.run(_draw_all())
