"""A page whose server is slow, gone and back again, or signs its visitor out, in a real browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import expect

from indexer.errors import SearchError
from indexer.settings import Settings
from tests.web.library_made import made_library, many
from tests.web.relay import Relay, relayed
from tests.web.scenes import PASSWORD, household
from tests.web.served import IDLE
from tests.web.test_browser import DESKTOP, Visit, application, browser, visit
from web.app import make_app
from web.search.searching import PHOTOS_PER_PAGE

__all__ = ["browser", "visit"]  # fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHOTOS = 150


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestServer]:
    with application(tmp_path_factory.mktemp("sturdy"), list(many(PHOTOS))) as (app, _, _):
        async with TestServer(app) as server:
            yield server


@pytest_asyncio.fixture(loop_scope="module")
async def relay(visit: Visit) -> AsyncIterator[Relay]:
    """What stands between the visit and the page."""
    visit.tab.set_default_timeout(60_000)
    async with relayed(visit.address) as (visit.address, relay):
        yield relay


async def until_waiting(relay: Relay) -> None:
    async with asyncio.timeout(60):
        while not relay.waiting:
            await asyncio.sleep(0.02)


async def test_answers_that_come_late_and_all_at_once_leave_the_last_search(visit: Visit, relay: Relay) -> None:
    tab = await visit.go("/")
    relay.held = tuple(f"/?q={word}&part=beginning" for word in ("s", "sn", "sno"))
    await tab.locator("#q").press_sequentially("s")
    await until_waiting(relay)
    await tab.locator("#q").press_sequentially("now")
    await expect(tab.locator(".total")).to_contain_text("37")
    relay.release()
    await tab.locator("#q").press_sequentially("y")
    await expect(tab).to_have_url(f"{visit.address}/?q=snowy")
    await tab.locator("#q").press("Backspace")
    await expect(tab.locator(".total")).to_contain_text("37")
    await expect(visit.tiles()).to_have_count(37)


async def test_while_an_answer_is_awaited_the_old_photos_stay_and_the_address_is_new(
    visit: Visit, relay: Relay
) -> None:
    tab = await visit.go("/?q=snow")
    relay.held = ("/?q=cake&part=beginning",)
    await tab.locator("#q").fill("cake")
    await expect(tab).to_have_url(f"{visit.address}/?q=cake")
    await expect(tab.locator("#results")).to_have_class("stale")
    await expect(visit.tiles().first.locator("img")).to_have_attribute("alt", "mountains under snow")
    relay.release()
    await expect(visit.tiles().first.locator("img")).to_have_attribute("alt", "two children eating cake")
    await expect(tab.locator("#results")).not_to_have_class("stale")


async def test_a_server_that_is_gone_is_said_and_its_return_noticed(visit: Visit, relay: Relay) -> None:
    tab = await visit.go("/")
    relay.gone = True
    await tab.locator("#q").fill("snow")
    await expect(tab.locator("#results [data-retry]")).to_be_visible()
    await expect(tab).to_have_url(f"{visit.address}/?q=snow")
    relay.gone = False
    await expect(tab.locator(".total")).to_contain_text("37")
    await expect(tab.locator("#q")).to_be_focused()
    await expect(tab.locator("#filters summary").first).to_be_visible()


async def test_scrolling_goes_on_when_the_server_is_back(visit: Visit, relay: Relay) -> None:
    relay.held = ("/?page=2&part=tiles",)
    tab = await visit.go("/")
    await tab.evaluate("scrollTo(0, document.body.scrollHeight)")
    await until_waiting(relay)
    relay.gone = True
    relay.release()
    await expect(visit.tiles()).to_have_count(PHOTOS_PER_PAGE)
    relay.gone = False
    await expect(visit.tiles()).not_to_have_count(PHOTOS_PER_PAGE)


class Weather:
    """A search that can be down."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.down = False

    def __getattr__(self, name: str) -> Any:
        if self.down:
            raise SearchError("nobody answers at http://127.0.0.1:7700", hint="is Meilisearch running?")
        return getattr(self._store, name)


async def test_a_search_that_is_down_is_said_and_its_return_noticed(visit: Visit, tmp_path: Path) -> None:
    visit.tab.set_default_timeout(60_000)
    settings = Settings(photos=(tmp_path / "Pictures",), data_dir=tmp_path / "data", grid_px=96, screen_px=512)
    with made_library(settings, list(many(8))) as storage:
        weather = Weather(storage.search)
        stores: dict[str, Any] = {"catalogue": storage.catalogue, "thumbnails": storage.thumbnails, "search": weather}
        async with TestServer(make_app(settings, **stores, progress=lambda: IDLE)) as server:
            visit.address = f"http://127.0.0.1:{server.port}"
            weather.down = True
            tab = await visit.go("/?q=snow")
            await expect(tab.locator("#results [data-retry]")).to_contain_text("is Meilisearch running?")
            weather.down = False
            await expect(visit.tiles()).to_have_count(2)
            weather.down = True
            await tab.locator("#q").fill("cake")
            await expect(tab.locator("#results [data-retry]")).to_be_visible()
            weather.down = False
            await expect(visit.tiles()).to_have_count(2)


async def test_who_was_signed_out_meanwhile_signs_in_and_is_where_he_was(visit: Visit, tmp_path: Path) -> None:
    visit.tab.set_default_timeout(60_000)
    async with household("locked", tmp_path) as (server, _):
        visit.address = f"http://127.0.0.1:{server.port}"
        tab = await visit.go("/")
        await tab.locator("#password").fill(PASSWORD)
        await tab.locator("#password").press("Enter")
        await tab.locator("#q").fill("dog")
        await expect(tab.locator(".total")).to_have_text("1 photo")
        await visit.context.clear_cookies()
        # The next that the page asks for, by itself, is refused.
        await tab.locator("#password").fill(PASSWORD)
        await tab.locator("#password").press("Enter")
        await expect(tab).to_have_url(f"{visit.address}/?q=dog")
        await expect(tab.locator(".total")).to_have_text("1 photo")


@pytest.mark.parametrize("visit", [{**DESKTOP, "java_script_enabled": False}], indirect=True)
async def test_without_the_script_dates_orders_forms_and_the_lock_work(visit: Visit, tmp_path: Path) -> None:
    async with household("locked", tmp_path) as (server, _):
        visit.address = f"http://127.0.0.1:{server.port}"
        tab = await visit.go("/?q=dog")
        await tab.locator("#password").fill("wrong")
        await tab.locator("#password").press("Enter")
        await expect(tab.locator("[role=alert]")).to_be_visible()
        await tab.locator("#password").fill(PASSWORD)
        await tab.locator("#password").press("Enter")
        await expect(tab.locator("#filters")).to_be_visible()
        await visit.go("/")
        await tab.locator(".sorts a").last.click()
        await expect(tab).to_have_url(f"{visit.address}/?sort=oldest")
        await tab.locator("#filters summary").first.click()
        await tab.locator(".dates input[type=date]").first.fill("2023-01-01")
        await tab.locator(".dates button").click()
        await expect(tab.locator("#q")).to_have_value("after:2023-01-01")
        await visit.go("/status")
        await tab.locator(".foot button").click()
        await expect(tab.locator("#password")).to_be_visible()
