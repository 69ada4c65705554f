"""Narrowing and completing a search in a real browser: the time line, and suggestions while typing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import expect

from tests.web.library_made import many
from tests.web.test_browser import DESKTOP, PHONE, Visit, application, browser, visit
from tests.web.test_hostile import hostile_photo

__all__ = ["browser", "visit"]  # fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")

WITHOUT_SCRIPT: dict[str, Any] = {**DESKTOP, "java_script_enabled": False}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestServer]:
    with application(tmp_path_factory.mktemp("narrowed"), [hostile_photo(), *many(96)]) as (app, _, _):
        async with TestServer(app) as server:
            yield server


async def test_a_bar_narrows_and_back_widens(visit: Visit) -> None:
    tab = await visit.go("/?q=snow")
    await expect(tab.locator(".total")).to_have_text("24 photos")
    await tab.locator('[data-when="2021"]').click()
    await expect(tab.locator("#q")).to_have_value("snow year:2021")
    await expect(tab.locator(".total")).to_have_text("8 photos")
    await expect(tab.locator('[data-when="2021"]')).to_be_focused()
    await tab.locator('[data-when="2021-04"]').click()
    await expect(tab.locator("#q")).to_have_value("snow after:2021-04 before:2021-05")
    await expect(tab.locator('[data-when="2021-04"]')).to_have_attribute("aria-current", "true")
    await tab.go_back()
    await expect(tab.locator("#q")).to_have_value("snow year:2021")
    await tab.go_back()
    await expect(tab.locator("#q")).to_have_value("snow")
    await expect(tab.locator(".total")).to_have_text("24 photos")
    await expect(tab.locator(".line [aria-current]")).to_have_count(0)


async def test_the_line_is_one_stop_for_the_tab_key_and_arrows_walk_on_it(visit: Visit) -> None:
    tab = await visit.go("/")
    await expect(tab.locator('.when[tabindex="0"]')).to_have_count(1)
    await tab.locator('[data-when="2024"]').focus()
    await tab.keyboard.press("ArrowLeft")
    await expect(tab.locator('[data-when="2023"]')).to_be_focused()
    await tab.keyboard.press("Home")
    await expect(tab.locator('[data-when="2019"]')).to_be_focused()
    await tab.keyboard.press("Enter")
    await expect(tab.locator("#q")).to_have_value("year:2019")
    await expect(tab.locator(".line .year")).to_have_count(1)
    await expect(tab.locator('[data-when="2019"]')).to_be_focused()
    await tab.keyboard.press("Enter")
    await expect(tab.locator("#q")).to_have_value("")


@pytest.mark.parametrize("visit", [WITHOUT_SCRIPT], indirect=True)
async def test_without_the_script_bars_are_links(visit: Visit) -> None:
    tab = await visit.go("/?q=snow&sort=oldest")
    await tab.locator('[data-when="2021"]').click()
    await expect(tab).to_have_url(f"{visit.address}/?q=snow+year%3A2021&sort=oldest")
    await tab.locator('[data-when="2021-04"]').click()
    await expect(tab.locator("#q")).to_have_value("snow after:2021-04 before:2021-05")


@pytest.mark.parametrize("visit", [PHONE], indirect=True)
async def test_the_newest_year_is_in_sight_on_a_telephone(visit: Visit) -> None:
    tab = await visit.go("/?q=year:2021")
    await expect(tab.locator('[data-when="2021-07"]')).to_be_in_viewport()
    await visit.go("/")
    await expect(tab.locator('[data-when="2024"]')).to_be_in_viewport()


async def test_nothing_moves_when_the_line_is_renewed(visit: Visit) -> None:
    tab = await visit.go("/")
    before = await visit.tiles().first.evaluate("tile => tile.getBoundingClientRect().top")
    async with tab.expect_response("**/?q=zzzz&part=timeline"):
        await tab.locator("#q").fill("zzzz")
    async with tab.expect_response("**/?part=timeline"):
        await tab.locator("#q").fill("")
    await expect(visit.tiles().first).to_be_visible()
    assert await visit.tiles().first.evaluate("tile => tile.getBoundingClientRect().top") == before
