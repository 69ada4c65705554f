"""The page as an application: the manifest, its icons, and what Chromium itself says of them."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from PIL import Image, ImageChops, ImageStat
from playwright.async_api import BrowserContext, async_playwright

from tests.web.conftest import Page, StartPage
from tests.web.icons import ICONS, STATIC, drawn
from tests.web.library_made import many
from tests.web.test_browser import _ARGUMENTS, application, chromium


async def manifest(page: Page) -> Any:
    async with page.get("/manifest.webmanifest") as response:
        assert response.status == 200
        assert response.content_type == "application/manifest+json"
        assert "manifest-src 'self'" in response.headers["Content-Security-Policy"]
        return await response.json()


async def test_the_manifest_names_icons_that_are_there(page: Page) -> None:
    answer = await manifest(page)
    assert {answer["name"], answer["short_name"]} == {"recollect"}
    assert (answer["start_url"], answer["scope"], answer["display"]) == ("/", "/", "standalone")
    for icon in answer["icons"]:
        async with page.get(icon["src"]) as response:
            assert response.status == 200
            assert response.content_type == icon["type"]
            assert "immutable" in response.headers["Cache-Control"]
            if icon["type"] == "image/png":
                with Image.open(io.BytesIO(await response.read())) as image:
                    assert "{}x{}".format(*image.size) == icon["sizes"]
                    # What is cut to a shape has no holes of its own.
                    assert icon["purpose"] != "maskable" or image.mode == "RGB"
    assert {icon["sizes"] for icon in answer["icons"]} >= {"192x192", "512x512"}


async def test_the_page_names_the_manifest_and_apple_s_icon(page: Page) -> None:
    html = await page.text("/")
    assert '<link rel="manifest" href="/manifest.webmanifest"' in html
    (icon,) = re.findall(r'<link rel="apple-touch-icon" href="([^"]+)">', html)
    async with page.get(icon) as response:
        assert response.status == 200
        with Image.open(io.BytesIO(await response.read())) as image:
            assert (image.size, image.mode) == ((180, 180), "RGB")


@pytest.mark.parametrize(
    "lock", [{"password": "correct horse"}, {"user_header": "Remote-User", "trusted_proxies": "192.0.2.1"}]
)
async def test_it_is_told_before_anybody_signs_in(start_page: StartPage, lock: dict[str, str]) -> None:
    page = await start_page(list(many(1)), **lock)
    for icon in (await manifest(page))["icons"]:
        async with page.get(icon["src"]) as response:
            assert response.status == 200


@pytest.mark.browser
async def test_chromium_would_install_it(tmp_path: Path) -> None:
    async with async_playwright() as playwright:
        path = chromium() or playwright.chromium.executable_path
        if not Path(path).exists():
            pytest.skip("there is no Chromium here (RECOLLECT_TEST_CHROMIUM names one)")
        # A profile of its own: nothing can be installed from a private window, as Playwright's usual ones are.
        context = await playwright.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=path, args=_ARGUMENTS
        )
        try:
            with application(tmp_path / "library", list(many(2))) as (app, _, _):
                async with TestServer(app) as server:
                    await _assert_installable(context, f"http://127.0.0.1:{server.port}/")
            for name, px, square in ICONS:
                _assert_alike(STATIC / name, await drawn(context, px, square=square))
        finally:
            await context.close()


async def _assert_installable(context: BrowserContext, address: str) -> None:
    tab = await context.new_page()
    await tab.goto(address)
    session = await context.new_cdp_session(tab)
    answer = await session.send("Page.getAppManifest")
    assert answer["errors"] == []
    assert answer["url"] == f"{address}manifest.webmanifest"
    assert json.loads(answer["data"])["id"] == "/"
    assert (await session.send("Page.getInstallabilityErrors"))["installabilityErrors"] == []
    await tab.close()


def _assert_alike(path: Path, png: bytes) -> None:
    """Another Chromium may smooth edges otherwise."""
    with Image.open(path) as kept, Image.open(io.BytesIO(png)) as new:
        difference = ImageChops.difference(kept.convert("RGBA"), new.convert("RGBA"))
        assert max(ImageStat.Stat(difference).mean) < 2, path.name
