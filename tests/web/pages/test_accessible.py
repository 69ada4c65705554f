"""Every page and every state of a page as axe-core judges it (WCAG 2.2 AA and its best practices): no complaint, by day
and by night, on a telephone and on a desktop; and in sight without sideways scrolling, however narrow or enlarged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from tests.web.scenes import SCENES, Scene, play
from tests.web.test_browser import DESKTOP, PHONE, browser

__all__ = ["browser"]  # a fixture

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEVICES: dict[str, dict[str, Any]] = {"telephone": PHONE, "desktop": DESKTOP}
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OF_COLOURS = ["color-contrast", "link-in-text-block"]  # all that the night changes
#: What people click or tap has 24 by 24 CSS pixels, but for links within a sentence (WCAG 2.5.8).
SMALL_TARGETS = """() => [...document.querySelectorAll("a, button, input:not([type=hidden]), summary, textarea")]
    .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest(".unseen, .skip"))
    .filter((one) => !(one.matches("a") && getComputedStyle(one).display === "inline"))
    .map((one) => [one.outerHTML.slice(0, 120), one.getBoundingClientRect()])
    .filter(([, box]) => box.width && (box.width < 23.9 || box.height < 23.9))
    .map(([html, box]) => `${html}: ${box.width} x ${box.height}`)"""
#: A telephone of the smallest kind; a desktop's page at 400%, which is as narrow and lower (WCAG 1.4.10); one at 200%.
NARROW: list[Any] = [{"width": 320, "height": 568}, {"width": 320, "height": 256}, {"width": 640, "height": 400}]
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest_asyncio.fixture(loop_scope="module")
async def tab(browser: Browser, request: pytest.FixtureRequest) -> AsyncIterator[Page]:
    """A fresh tab of the device that the test names."""
    at_rest: dict[str, Any] = {"locale": "en-US", "reduced_motion": "reduce"}
    context = await browser.new_context(**{**DESKTOP, **at_rest, **getattr(request, "param", {})})
    context.set_default_timeout(60_000)
    yield await context.new_page()
    await context.close()


async def played(tab: Page, servers: dict[str, TestServer], scene: Scene) -> None:
    await play(tab, f"http://127.0.0.1:{servers[scene.household].port}", scene)


async def complaints(tab: Page, kind: str, rules: list[str]) -> str:
    only = {"type": kind, "values": rules}
    result = await Axe().run(tab, options={"runOnly": only, "resultTypes": ["violations"], "iframes": False})
    return str(result.generate_report()) if result.violations_count else ""


@pytest.mark.parametrize("tab", DEVICES.values(), ids=DEVICES, indirect=True)
@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
async def test_axe_has_nothing_to_complain_of(tab: Page, servers: dict[str, TestServer], scene: Scene) -> None:
    await played(tab, servers, scene)
    assert not await complaints(tab, "tag", STANDARDS)
    await tab.emulate_media(color_scheme="dark")
    assert not await complaints(tab, "rule", OF_COLOURS)
    assert not await tab.evaluate(SMALL_TARGETS)


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
async def test_nothing_sticks_out_where_the_window_is_narrow(
    tab: Page, servers: dict[str, TestServer], scene: Scene
) -> None:
    await tab.set_viewport_size(NARROW[0])
    await played(tab, servers, scene)
    for window in NARROW:
        await tab.set_viewport_size(window)
        assert await tab.evaluate(OVERFLOW) <= 0, window
