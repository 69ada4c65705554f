"""Every page and every state of a page in Chromium, below a path of its own: nothing is asked for outside of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Request, expect

from tests.web.relay import Manners, Relay, relayed
from tests.web.scenes import PASSWORD, SCENES, Scene, every_household, photo_path, play
from tests.web.scenes import QUAY as PHOTO
from tests.web.test_browser import DESKTOP, browser

__all__ = ["browser"]  # a fixture

pytestmark = pytest.mark.asyncio(loop_scope="module")

PREFIX = "/home/photos"
_MANNERS = Manners(PREFIX, keeps_host=True, sets={"X-Forwarded-Prefix": PREFIX})

Proxies = dict[str, tuple[str, Relay]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxies(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Proxies]:
    """By household: the proxy's address and the proxy."""
    async with AsyncExitStack() as stack:
        directory = tmp_path_factory.mktemp("households")
        servers = await stack.enter_async_context(every_household(directory, trusted_proxies="127.0.0.1"))
        yield {
            name: await stack.enter_async_context(relayed(f"http://127.0.0.1:{server.port}", _MANNERS))
            for name, server in servers.items()
        }


@pytest_asyncio.fixture(loop_scope="module")
async def tab(browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context(**DESKTOP, locale="en-US", reduced_motion="reduce")
    context.set_default_timeout(60_000)
    yield await context.new_page()
    await context.close()


def outside(asked: list[str], address: str) -> list[str]:
    return [url for url in asked if not url.startswith((f"{address}{PREFIX}/", "data:", "blob:"))]


def follow(tab: Page) -> list[str]:
    """What the tab asks for from now on."""
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    tab.on("request", note)
    return asked


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
async def test_nothing_is_asked_for_outside_the_path(tab: Page, proxies: Proxies, scene: Scene) -> None:
    address, relay = proxies[scene.household]
    asked = follow(tab)
    await play(tab, f"{address}{PREFIX}", scene)
    await tab.wait_for_load_state("networkidle")
    assert asked
    assert outside(asked, address) == []
    assert relay.outside == []


async def test_typing_leafing_and_coming_back_stay_below_the_path(tab: Page, proxies: Proxies) -> None:
    address, relay = proxies["all"]
    asked = follow(tab)
    await tab.goto(f"{address}{PREFIX}/")
    await tab.locator("#q").press_sequentially("snow")
    await expect(tab).to_have_url(f"{address}{PREFIX}/?q=snow")
    await expect(tab.locator("#results .total")).to_contain_text("23 photos")
    await tab.locator("#grid .tile").first.click()
    await expect(tab.locator(".picture img")).to_be_visible()
    await tab.keyboard.press("ArrowRight")
    await expect(tab.locator(".position")).to_have_text("2 of 23")
    await tab.keyboard.press("Escape")
    await expect(tab).to_have_url(f"{address}{PREFIX}/?q=snow")
    await tab.locator("#filters summary").first.click()
    await tab.locator("#filters a.chip").first.click()
    await expect(tab.locator(".narrowed .chip")).to_be_visible()
    await tab.get_by_role("link", name="Status").click()
    await expect(tab).to_have_url(f"{address}{PREFIX}/status")
    await tab.wait_for_timeout(3500)  # until the page has looked for progress
    assert outside(asked, address) == []
    assert relay.outside == []


async def test_words_are_kept_from_below_the_path(tab: Page, proxies: Proxies) -> None:
    address, relay = proxies["all"]
    await tab.goto(f"{address}{PREFIX}{photo_path(PHOTO)}")
    await tab.locator("#more").fill("sledge")
    await tab.locator("#more").press("Enter")
    await expect(tab.locator(".added")).to_contain_text("sledge")
    assert relay.outside == []


async def test_signing_in_and_out_without_the_script(browser: Browser, proxies: Proxies) -> None:
    address, relay = proxies["locked"]
    context = await browser.new_context(**DESKTOP, java_script_enabled=False)
    tab = await context.new_page()
    await tab.goto(f"{address}{PREFIX}/status")
    await tab.locator("#password").fill(PASSWORD)
    await tab.locator(".login button").click()
    await expect(tab).to_have_url(f"{address}{PREFIX}/status")
    (cookie,) = await context.cookies()
    assert cookie["path"] == PREFIX
    await tab.locator("[action$='/logout'] button").click()
    await expect(tab).to_have_url(f"{address}{PREFIX}/login")
    assert await context.cookies() == []
    await context.close()
    assert relay.outside == []
