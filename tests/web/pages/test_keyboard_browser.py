"""The page by keyboard alone: Tab reaches everything, what has the focus is seen, and the focus is never lost."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, expect

from tests.web.scenes import PASSWORD, SCENES, play
from tests.web.test_browser import DESKTOP, Visit, browser, visit

__all__ = ["browser", "visit"]  # fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENGLISH: dict[str, Any] = {**DESKTOP, "locale": "en-US"}
FORCED: dict[str, Any] = {**ENGLISH, "forced_colors": "active", "reduced_motion": "reduce"}
#: What Tab is to reach; of the time line one bar, as arrows walk on it. A closed sheet hides what is in it.
NUMBERED = """() => {
    const all = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), textarea, summary")]
        .filter((one) => one.checkVisibility() && !one.disabled && one.tabIndex >= 0);
    all.forEach((one, at) => (one.dataset.number = at));
    return all.length;
}"""
FOCUSED = """() => {
    const one = document.activeElement;
    if (!one || one === document.body) return null;
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(one);
    const isSeen = (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2) || boxShadow !== "none";
    const box = one.getBoundingClientRect();
    const isThere = box.bottom > 0 && box.top < innerHeight;
    return [Number(one.dataset.number ?? -1), isSeen && isThere ? "" : one.outerHTML.slice(0, 200)];
}"""
LOST = "document.activeElement === document.body"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(servers: dict[str, TestServer]) -> TestServer:
    return servers["all"]


async def walked(tab: Page) -> set[int]:
    """Presses Tab until the focus leaves the page, and says what was reached."""
    reached: set[int] = set()
    for _ in range(400):
        await tab.keyboard.press("Tab")
        focused = await tab.evaluate(FOCUSED)
        if focused is None or focused[0] in reached:
            return reached
        number, unseen = focused
        assert not unseen, f"the focus is not seen: {unseen}"
        reached.add(number)
    raise AssertionError("Tab does not come to an end")


@pytest.mark.parametrize("visit", [ENGLISH, FORCED], ids=["colours", "forced colours"], indirect=True)
@pytest.mark.parametrize("scene", ["found", "photo", "correcting", "status", "nothing found", "sign in"])
async def test_tab_reaches_everything_and_is_seen(visit: Visit, servers: dict[str, TestServer], scene: str) -> None:
    tab = visit.tab
    tab.set_default_timeout(60_000)
    visit.address = f"http://127.0.0.1:{servers[SCENES[scene].household].port}"
    await tab.route(
        "**/*part=status", lambda route: route.abort()
    )  # it would take the numbers away with what it renews
    await play(tab, visit.address, SCENES[scene])
    await tab.evaluate("document.activeElement.blur(); document.querySelector('.skip').focus()")
    expected = set(range(await tab.evaluate(NUMBERED)))
    reached = {int(await tab.evaluate("document.querySelector('.skip').dataset.number")), *await walked(tab)}
    assert reached >= expected


@pytest.mark.parametrize("visit", [ENGLISH], indirect=True)
async def test_the_first_key_offers_to_skip_the_bar(visit: Visit) -> None:
    tab = await visit.go("/status")
    await tab.keyboard.press("Tab")
    await expect(tab.locator(".skip")).to_be_focused()
    await expect(tab.locator(".skip")).to_be_in_viewport()
    await tab.keyboard.press("Enter")
    await tab.keyboard.press("Tab")
    assert await tab.evaluate("document.querySelector('main').contains(document.activeElement)")


@pytest.mark.parametrize("visit", [ENGLISH], indirect=True)
async def test_a_filter_is_chosen_by_key_and_the_focus_stays_at_the_filters(visit: Visit) -> None:
    tab = await visit.go("/?q=snow")
    people = tab.locator('#filters details[data-name="person"] summary')
    await people.focus()
    await tab.keyboard.press("Enter")
    await tab.keyboard.press("Tab")
    await expect(tab.locator('details[data-name="person"] .chip').first).to_be_focused()
    async with tab.expect_response("**part=filters"):
        await tab.keyboard.press("Enter")
    await expect(tab.locator('#filters details[data-name="person"]')).to_have_class("filter active")
    await expect(people).to_be_focused()


@pytest.mark.parametrize("visit", [ENGLISH], indirect=True)
async def test_the_focus_stays_among_the_results_when_they_are_replaced(visit: Visit) -> None:
    tab = await visit.go("/?q=moutains")
    await tab.locator(".note a").first.focus()
    await tab.keyboard.press("Enter")
    await expect(tab.locator("#q")).to_have_value("mountains")
    await expect(visit.tiles().first).to_be_focused()


@pytest.mark.parametrize("visit", [ENGLISH], indirect=True)
async def test_enter_searches_and_the_cursor_stays_in_the_box(visit: Visit) -> None:
    tab = await visit.go("/")
    await tab.locator("#q").press_sequentially("snow")
    await tab.keyboard.press("Enter")
    await expect(tab).to_have_url(f"{visit.address}/?q=snow")
    await expect(tab.locator("#q")).to_be_focused()
    await expect(tab.locator("#announcement")).to_have_attribute("role", "status")
    await expect(tab.locator("#announcement")).to_have_text(await tab.locator(".total").inner_text())


@pytest.mark.parametrize("visit", [{**ENGLISH, "reduced_motion": "reduce"}], indirect=True)
async def test_the_focus_stays_at_the_zoom_when_its_button_has_nothing_more_to_do(visit: Visit) -> None:
    await play(visit.tab, visit.address, SCENES["zoomed"])
    tab = visit.tab
    await tab.locator("[data-zoom=whole]").focus()
    await tab.keyboard.press("Enter")
    await expect(tab.locator("[data-zoom=whole]")).to_be_disabled()
    await expect(tab.locator("[data-zoom=in]")).to_be_focused()
    for _ in range(12):
        await tab.keyboard.press("Enter")
    await expect(tab.locator("[data-zoom=in]")).to_be_disabled()
    assert not await tab.evaluate(LOST)


@pytest.mark.parametrize("visit", [ENGLISH], indirect=True)
async def test_the_focus_stays_at_the_words_when_one_is_taken_away(visit: Visit) -> None:
    await play(visit.tab, visit.address, SCENES["photo"])
    tab = visit.tab
    before = await tab.locator(".added .pair").count()
    await tab.locator(".added button").last.focus()
    await tab.keyboard.press("Enter")
    await expect(tab.locator(".added .pair")).to_have_count(before - 1)
    await expect(tab.locator("#more")).to_be_focused()


@pytest.mark.parametrize("visit", [ENGLISH], indirect=True)
async def test_a_password_is_typed_and_sent_by_key(visit: Visit, servers: dict[str, TestServer]) -> None:
    visit.address = f"http://127.0.0.1:{servers['locked'].port}"
    tab = await visit.go("/status")
    await expect(tab.locator("#password")).to_be_focused()
    await tab.keyboard.type(PASSWORD)
    await tab.keyboard.press("Enter")
    await expect(tab).to_have_url(f"{visit.address}/status")


@pytest.mark.parametrize("visit", [{**ENGLISH, "reduced_motion": "reduce"}], indirect=True)
async def test_nothing_moves_by_itself_where_that_is_asked_for(visit: Visit) -> None:
    for scene in ("found", "zoomed"):
        await play(visit.tab, visit.address, SCENES[scene])
        assert await visit.tab.evaluate("document.getAnimations().length") == 0
        moving = (
            "one => ['transitionDuration', 'animationDuration'].some((name) => parseFloat(getComputedStyle(one)[name]))"
        )
        assert not await visit.tab.evaluate(f"[...document.querySelectorAll('*')].filter({moving}).length")
