"""Several photos at once in a real browser: by mouse, finger, keyboard, without the script; saved, copied, cleared."""

from __future__ import annotations

import re
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, expect

from tests.web.library_made import many
from tests.web.test_browser import DESKTOP, PHONE, Visit, application, browser, visit
from tests.web.test_hostile import hostile_photo

__all__ = ["browser", "visit"]  # fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")

WITHOUT_SCRIPT: dict[str, Any] = {**DESKTOP, "java_script_enabled": False}
NO_CLIPBOARD = "delete Navigator.prototype.clipboard; document.execCommand = () => false"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestServer]:
    with application(tmp_path_factory.mktemp("selected"), [hostile_photo(), *many(96)]) as (app, _, _):
        async with TestServer(app) as server:
            yield server


async def ready(visit: Visit, path: str) -> Page:
    """The page with its scripts."""
    tab = await visit.go(path)
    await expect(tab.locator("[data-select]")).to_have_attribute("role", "button")
    return tab


async def expect_selected(tab: Page, *numbers: int, said: str = "") -> None:
    """The tiles of these numbers are ticked, and no other one."""
    await expect(tab.locator(".tile[aria-checked=true]")).to_have_count(len(numbers))
    for number in numbers:
        await expect(tab.locator(".tile").nth(number)).to_have_attribute("aria-checked", "true")
    await expect(tab.locator(".selection-bar [role=status] span")).to_have_text(said or f"{len(numbers)} selected")


async def saved(tab: Page, button: str = ".selection-bar button:has-text('Download')") -> zipfile.ZipFile:
    async with tab.expect_download() as waited:
        await tab.locator(button).click()
    download = await waited.value
    assert re.fullmatch(r"recollect \d{4}-\d\d-\d\d\.zip", download.suggested_filename)
    archive = zipfile.ZipFile(await download.path())
    assert archive.testzip() is None
    return archive


async def test_select_and_download(visit: Visit) -> None:
    tab = await ready(visit, "/?q=snow")
    await expect(tab.locator(".selection-bar")).to_be_hidden()
    await tab.locator("[data-select]").click()
    await expect(tab.locator(".selection-bar button", has_text="Download")).to_be_disabled()
    for number in (0, 2, 3, 2):
        await visit.tiles().nth(number).click()
    await expect_selected(tab, 0, 3)
    assert len((await saved(tab)).namelist()) == 2
    await tab.locator(".selection-bar >> text=Clear").click()
    await expect(tab.locator(".selection-bar")).to_be_hidden()
    await visit.tiles().first.click()
    await visit.leafed_to("1 of 24")


async def test_the_corner_begins_and_shift_takes_all_between(visit: Visit) -> None:
    tab = await ready(visit, "/?q=snow")
    await visit.tiles().nth(1).click(position={"x": 20, "y": 20})
    await expect_selected(tab, 1)
    await visit.tiles().nth(4).click(modifiers=["Shift"])
    await expect_selected(tab, 1, 2, 3, 4)
    await visit.tiles().nth(2).click()
    await visit.tiles().nth(3).click(modifiers=["Shift"])  # a range of what is not selected
    await expect_selected(tab, 1, 4)
    await tab.locator(".selection-bar >> text=Select all shown").click()
    await expect_selected(tab, *range(24))
    assert len(visit.context.pages) == 1  # a click with Shift opens no window


async def test_the_keyboard_is_enough(visit: Visit) -> None:
    tab = await ready(visit, "/?q=snow")
    await tab.locator("#q").focus()
    await tab.keyboard.press("ArrowDown")
    await expect(visit.tiles().first).to_be_focused()
    await tab.keyboard.press("Space")
    await expect_selected(tab, 0)
    for _ in range(3):
        await tab.keyboard.press("ArrowRight")
    await expect(visit.tiles().nth(3)).to_be_focused()
    await tab.keyboard.press("Shift+Space")
    await expect_selected(tab, 0, 1, 2, 3)
    await tab.keyboard.press("x")
    await expect_selected(tab, 0, 1, 2)
    await tab.keyboard.press("Tab")
    await expect(tab.locator(".selection-bar >> text=Select all shown")).to_be_focused()
    await tab.keyboard.press("Shift+Tab")
    await expect(visit.tiles().nth(3)).to_be_focused()
    await tab.keyboard.press("Control+a")
    await expect_selected(tab, *range(24))
    await tab.keyboard.press("Tab")
    await expect(tab.locator(".selection-bar >> text=Copy captions")).to_be_focused()
    await tab.keyboard.press("Escape")
    await expect(tab.locator(".selection-bar")).to_be_hidden()
    await expect(visit.tiles().nth(3)).to_be_focused()
    await expect(tab.locator(".tile[role]")).to_have_count(0)


async def test_the_selection_outlives_scrolling_a_photo_and_another_search(visit: Visit) -> None:
    tab = await ready(visit, "/")
    await visit.tiles().first.click(position={"x": 20, "y": 20})
    while await visit.tiles().count() < 97:
        await tab.evaluate("scrollTo(0, document.body.scrollHeight)")
        await tab.wait_for_timeout(25)
    await visit.tiles().nth(90).click()
    await expect_selected(tab, 0, 90)
    await visit.tiles().nth(90).focus()
    await tab.keyboard.press("Enter")
    await visit.leafed_to("91 of 97")
    await tab.keyboard.press("Escape")
    await expect(visit.tiles()).to_have_count(97)
    await expect_selected(tab, 0, 90)
    await tab.locator("#q").fill("xylophone")
    await expect(tab.locator(".state h1")).to_have_text("Nothing found")
    await expect(tab.locator(".selection-bar small")).to_have_text("2 not in sight")
    await tab.locator("#q").fill("")
    await expect(visit.tiles()).not_to_have_count(0)
    await expect_selected(tab, 0, said="2 selected")
    await tab.reload()
    await expect_selected(tab, 0, said="2 selected")
    assert len((await saved(tab)).namelist()) == 2


async def test_captions_go_to_the_clipboard(visit: Visit) -> None:
    await visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab = await ready(visit, "/?q=snow&sort=oldest")
    await visit.tiles().first.click(position={"x": 20, "y": 20})
    await tab.locator(".selection-bar >> text=Copy captions").click()
    await expect(tab.locator(".selection-bar [role=status]")).to_have_text("Copied 1")
    text = await tab.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(r"photo \d{4}\.jpg\tmountains under snow\n", text)


async def test_where_nothing_may_be_copied_captions_stand_in_a_field(visit: Visit) -> None:
    tab = await ready(visit, "/?q=script")
    await tab.evaluate(NO_CLIPBOARD)
    await visit.tiles().first.click(position={"x": 20, "y": 20})
    await tab.locator(".selection-bar >> text=Copy captions").click()
    await expect(tab.locator("#captions textarea")).to_be_focused()
    assert "<script>alert(1)</script>" in await tab.locator("#captions textarea").input_value()
    await tab.keyboard.press("Escape")
    await expect(tab.locator("#captions")).to_be_hidden()
    await expect_selected(tab, 0)


async def test_no_answer_to_captions_is_said(visit: Visit) -> None:
    tab = await ready(visit, "/?q=snow")
    await visit.tiles().first.click(position={"x": 20, "y": 20})
    await tab.route("**/captions", lambda route: route.abort())
    await tab.locator(".selection-bar >> text=Copy captions").click()
    await expect(tab.locator(".selection-bar [role=status]")).to_have_text("recollect does not answer just now.")
    await expect(visit.tiles().first).to_have_attribute("aria-checked", "true")


async def middle(visit: Visit, number: int) -> dict[str, float]:
    box = await visit.tiles().nth(number).bounding_box()
    assert box
    return {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}


@pytest.mark.parametrize("visit", [PHONE], indirect=True)
async def test_a_long_press_begins_and_taps_go_on(visit: Visit) -> None:
    tab = await ready(visit, "/?q=snow")
    finger = await visit.context.new_cdp_session(tab)
    await finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [await middle(visit, 1)]})
    await expect_selected(tab, 1)  # while the finger is still there
    await finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    await visit.tiles().nth(2).tap()
    await expect_selected(tab, 1, 2)
    assert await visit.path() == "/?q=snow"
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await tab.evaluate(overflow) == 0
    await tab.locator(".selection-bar >> text=Clear").tap()
    await visit.tiles().nth(2).tap()
    await visit.leafed_to("3 of 24")


@pytest.mark.parametrize("visit", [WITHOUT_SCRIPT], indirect=True)
async def test_without_the_script_boxes_are_ticked(visit: Visit) -> None:
    tab = await visit.go("/?q=snow&sort=oldest")
    await tab.locator("[data-select]").click()
    await expect(tab).to_have_url(f"{visit.address}/?q=snow&sort=oldest&select=1")
    for number in (0, 2):
        await tab.locator("#grid .tile").nth(number).click()
    assert len((await saved(tab)).namelist()) == 2
    await tab.locator(".selection-bar >> text=Show captions").click()
    await expect(tab.locator("body")).to_contain_text(re.compile(r"photo \d+\.jpg\s+mountains under snow"))
    await tab.go_back()
    await tab.locator(".selection-bar >> text=Clear").click()
    await expect(tab).to_have_url(f"{visit.address}/?q=snow&sort=oldest")


async def test_the_boxes_page_and_the_links_page_are_never_mixed_up(visit: Visit) -> None:
    for _ in range(2):
        for path, boxes in (("/?q=cake", 0), ("/?q=cake&select=1", 24)):
            answer = await visit.context.request.get(visit.address + path)
            assert (await answer.text()).count('type="checkbox"') == boxes


async def test_a_page_of_boxes_becomes_one_of_the_script(visit: Visit) -> None:
    tab = await visit.go("/?q=snow&select=1")
    await expect(tab).to_have_url(f"{visit.address}/?q=snow")
    await expect(tab.locator(".selection-bar")).to_be_visible()
    await visit.tiles().first.click()
    await expect_selected(tab, 0)
