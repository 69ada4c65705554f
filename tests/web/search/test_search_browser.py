"""Narrowing and completing a search in a real browser: the time line, and suggestions while typing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import Route, expect

from tests.web.library_made import many
from tests.web.test_browser import DESKTOP, PHONE, Visit, application, browser, visit
from tests.web.test_hostile import hostile_photo

__all__ = ["browser", "visit"]  # fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")

WITHOUT_SCRIPT: dict[str, Any] = {**DESKTOP, "java_script_enabled": False}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestServer]:
    with application(tmp_path_factory.mktemp("narrowed"), [hostile_photo(), *many(96)]) as (app, _, _):
        server = TestServer(app)
        async with server:
            yield server


async def test_a_bar_narrows_and_back_widens(visit: Visit) -> None:
    tab = await visit.go("/?q=snow")
    await expect(tab.locator(".total")).to_have_text("24 photos")
    await tab.locator('[data-period="2021"]').click()
    await expect(tab.locator("#q")).to_have_value("snow year:2021")
    await expect(tab.locator(".total")).to_have_text("8 photos")
    await expect(tab.locator('[data-period="2021"]')).to_be_focused()
    await tab.locator('[data-period="2021-04"]').click()
    await expect(tab.locator("#q")).to_have_value("snow after:2021-04 before:2021-05")
    await expect(tab.locator('[data-period="2021-04"]')).to_have_attribute("aria-current", "true")
    await tab.go_back()
    await expect(tab.locator("#q")).to_have_value("snow year:2021")
    await tab.go_back()
    await expect(tab.locator("#q")).to_have_value("snow")
    await expect(tab.locator(".total")).to_have_text("24 photos")
    await expect(tab.locator(".line [aria-current]")).to_have_count(0)


async def test_the_line_is_one_stop_for_the_tab_key_and_arrows_walk_on_it(visit: Visit) -> None:
    tab = await visit.go("/")
    await expect(tab.locator('.period[tabindex="0"]')).to_have_count(1)
    await tab.locator('[data-period="2024"]').focus()
    await tab.keyboard.press("ArrowLeft")
    await expect(tab.locator('[data-period="2023"]')).to_be_focused()
    await tab.keyboard.press("Home")
    await expect(tab.locator('[data-period="2019"]')).to_be_focused()
    await tab.keyboard.press("Enter")
    await expect(tab.locator("#q")).to_have_value("year:2019")
    await expect(tab.locator(".line .year")).to_have_count(1)
    await expect(tab.locator('[data-period="2019"]')).to_be_focused()
    await tab.keyboard.press("Enter")
    await expect(tab.locator("#q")).to_have_value("")


@pytest.mark.parametrize("visit", [WITHOUT_SCRIPT], indirect=True)
async def test_without_the_script_bars_are_links(visit: Visit) -> None:
    tab = await visit.go("/?q=snow&sort=oldest")
    await tab.locator('[data-period="2021"]').click()
    await expect(tab).to_have_url(f"{visit.address}/?q=snow+year%3A2021&sort=oldest")
    await tab.locator('[data-period="2021-04"]').click()
    await expect(tab.locator("#q")).to_have_value("snow after:2021-04 before:2021-05")


@pytest.mark.parametrize("visit", [PHONE], indirect=True)
async def test_the_newest_year_is_in_sight_on_a_telephone(visit: Visit) -> None:
    tab = await visit.go("/?q=year:2021")
    await expect(tab.locator('[data-period="2021-07"]')).to_be_in_viewport()
    await visit.go("/")
    await expect(tab.locator('[data-period="2024"]')).to_be_in_viewport()


async def test_nothing_moves_when_the_line_is_renewed(visit: Visit) -> None:
    tab = await visit.go("/")
    before = await visit.tiles().first.evaluate("tile => tile.getBoundingClientRect().top")
    async with tab.expect_response("**/?q=zzzz&part=timeline"):
        await tab.locator("#q").fill("zzzz")
    async with tab.expect_response("**/?part=timeline"):
        await tab.locator("#q").fill("")
    await expect(visit.tiles().first).to_be_visible()
    assert await visit.tiles().first.evaluate("tile => tile.getBoundingClientRect().top") == before


def options(visit: Visit) -> Any:
    return visit.tab.locator("#suggestions [role=option]")


async def test_a_suggestion_is_chosen_by_key_and_searched_for(visit: Visit) -> None:
    tab = await visit.go("/")
    box = tab.locator("#q")
    await expect(box).to_have_attribute("role", "combobox")
    await box.press_sequentially("snow an")
    await expect(options(visit).first).to_have_text("Anna person")
    await expect(box).to_have_attribute("aria-expanded", "true")
    await tab.keyboard.press("ArrowDown")
    await expect(options(visit).first).to_have_attribute("aria-selected", "true")
    await expect(box).to_have_attribute("aria-activedescendant", "suggestion-0")
    await expect(box).to_be_focused()
    await tab.keyboard.press("Enter")
    await expect(box).to_have_value("snow person:Anna ")
    await expect(tab.locator(".total")).to_have_text("16 photos")
    await expect(tab.locator("#suggestions")).to_be_hidden()
    await expect(box).to_have_attribute("aria-expanded", "false")
    await expect(tab).to_have_url(f"{visit.address}/?q=snow+person%3AAnna+")


async def test_escape_closes_the_list_and_keeps_what_was_typed(visit: Visit) -> None:
    tab = await visit.go("/")
    await tab.locator("#q").press_sequentially("bea")
    await expect(options(visit).first).to_have_text("beach")
    await tab.keyboard.press("Escape")
    await expect(tab.locator("#suggestions")).to_be_hidden()
    await expect(tab.locator("#q")).to_have_value("bea")
    await expect(tab.locator("#q")).to_be_focused()
    await tab.keyboard.press("ArrowDown")
    await expect(visit.tiles().first).to_be_focused()


async def test_down_past_the_last_suggestion_leads_into_the_photos(visit: Visit) -> None:
    tab = await visit.go("/")
    await tab.locator("#q").press_sequentially("bea")
    await expect(options(visit)).to_have_count(1)
    await tab.keyboard.press("ArrowUp")
    await expect(options(visit).first).to_have_attribute("aria-selected", "true")
    await tab.keyboard.press("ArrowDown")
    await expect(visit.tiles().first).to_be_focused()
    await expect(tab.locator("#suggestions")).to_be_hidden()


async def test_enter_without_a_choice_searches_what_was_typed(visit: Visit) -> None:
    tab = await visit.go("/")
    await tab.locator("#q").press_sequentially("bea")
    await expect(options(visit).first).to_have_text("beach")
    await tab.keyboard.press("Enter")
    await expect(tab.locator("#suggestions")).to_be_hidden()
    await expect(tab.locator("#q")).to_have_value("bea")
    await expect(tab).to_have_url(f"{visit.address}/?q=bea")


async def test_a_filter_s_name_is_completed_and_its_values_follow(visit: Visit) -> None:
    tab = await visit.go("/")
    await tab.locator("#q").press_sequentially("snow pers")
    await options(visit).filter(has_text="person:").click()
    await expect(tab.locator("#q")).to_have_value("snow person:")
    await expect(options(visit).filter(has_text="Ben")).to_be_visible()
    await options(visit).filter(has_text="Ben").click()
    await expect(tab.locator("#q")).to_have_value("snow person:Ben ")
    await expect(tab.locator("#q")).to_be_focused()


async def test_suggestions_that_come_late_are_not_shown(visit: Visit) -> None:
    tab = await visit.go("/")
    held: list[Any] = []
    await tab.route("**/api/suggest?q=be&*", lambda route: held.append(route))
    await tab.locator("#q").press_sequentially("be")
    await tab.locator("#q").press_sequentially("ac")
    await expect(options(visit)).to_have_text(["beach"])
    await tab.unroute("**/api/suggest?q=be&*")
    await expect(options(visit)).to_have_text(["beach"])


async def test_a_server_that_suggests_nothing_does_not_get_in_the_way(visit: Visit) -> None:
    await visit.tab.route("**/api/suggest?*", lambda route: route.fulfill(status=503, body="{}"))
    tab = await visit.go("/")
    await tab.locator("#q").press_sequentially("snow")
    await expect(tab.locator(".total")).to_have_text("24 photos")
    await expect(tab.locator("#suggestions")).to_be_hidden()


@pytest.mark.parametrize("visit", [PHONE], indirect=True)
async def test_on_a_telephone_the_photos_stay_in_sight_beside_suggestions(visit: Visit) -> None:
    tab = await visit.go("/")
    top = await visit.tiles().first.evaluate("tile => tile.getBoundingClientRect().top")
    await tab.locator("#q").press_sequentially("c")
    await expect(options(visit).first).to_be_visible()
    await expect(tab.locator(".total")).to_contain_text("photos")
    box = await tab.locator("#suggestions").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= top
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await tab.evaluate(overflow) == 0
    await options(visit).first.tap()
    await expect(tab.locator("#suggestions")).to_be_hidden()
    await expect(tab.locator("#q")).not_to_have_value("c")


async def test_hostile_names_run_nowhere_among_the_suggestions(visit: Visit) -> None:
    tab = await visit.go("/")
    for name in ("person:", "folder:", "tag:", "camera:", "al", "scr"):
        async with tab.expect_response("**/api/suggest?*"):
            await tab.locator("#q").fill(name)
    await tab.locator("#q").fill("person:")
    await expect(options(visit).filter(has_text="<script>").first).to_be_visible()


GRID = "[...document.querySelectorAll('#grid > *')].map(one => one.outerHTML)"


@pytest.mark.parametrize("visit", [DESKTOP, PHONE], indirect=True)
async def test_what_was_typed_shows_the_same_page_as_its_address(visit: Visit) -> None:
    tab = await visit.go("/")
    async with tab.expect_response("**/?q=snow&part=rest"):
        await tab.locator("#q").press_sequentially("snow", delay=20)
    await expect(visit.tiles()).to_have_count(24)
    typed = await tab.evaluate(GRID)
    assert await tab.evaluate("[history.state.first, history.state.pages]") == [1, 1]
    await visit.go("/?q=snow")
    assert typed == await tab.evaluate(GRID)


async def test_nearly_matching_searches_come_when_the_typing_pauses(visit: Visit) -> None:
    tab = await visit.go("/")
    await tab.locator("#q").fill("snow year:1990")
    await expect(tab.locator("#results .state")).to_contain_text("without a part of it")


async def test_of_what_was_typed_over_nothing_more_is_asked(visit: Visit) -> None:
    tab = await visit.go("/")
    await tab.clock.install()  # the typing pauses when the test says so
    await tab.clock.pause_at(await tab.evaluate("Date.now() + 1000"))
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url.removeprefix(visit.address)))
    released = asyncio.Event()
    await tab.route("**/?q=snow&part=beginning", lambda route: _when(released, route))
    await tab.locator("#q").fill("sno")
    await expect(visit.tiles()).to_have_count(12)
    async with tab.expect_request("**/?q=snow&part=beginning"):
        await tab.locator("#q").fill("snow")
    await tab.clock.run_for(2000)  # nobody asks for more of what is being replaced
    async with tab.expect_response("**/?q=snow&part=beginning"):
        released.set()
    await expect(tab.locator("#results.stale")).to_have_count(0)
    async with tab.expect_response("**/?q=snow&part=filters"):
        await tab.clock.run_for(2000)
    await expect(visit.tiles()).to_have_count(24)
    assert {path for path in asked if path.startswith("/?q=sno&")} == {"/?q=sno&part=beginning"}


async def _when(released: asyncio.Event, route: Route) -> None:
    await released.wait()
    await route.continue_()
