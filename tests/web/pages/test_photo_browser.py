"""A photo's page in a real browser: looking closely by wheel, click, keys and fingers, marks and added words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import CDPSession, Page, expect

from indexer.atomic.file_read import stamp_of
from indexer.model import FoundFile, PhotoMetadata
from indexer.storage import Storage
from tests.libraries import note_one
from tests.reasons_made import reason_saying
from tests.web.library_made import TAKEN, MadePhoto, content_key, many
from tests.web.test_browser import DESKTOP, PHONE, Visit, application, browser, visit
from tests.web.test_hostile import BREAKOUT, SCRIPT

__all__ = ["browser", "visit"]  # fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAME, SMALL = "Lyon/quay.jpg", "Lyon/small.jpg"
KEY = content_key(NAME)
PAGE = f"/photo/{KEY}?q=boat&sort=newest&at=0"
WITHOUT_SCRIPT = {**DESKTOP, "java_script_enabled": False}
LARGE = PhotoMetadata(mime_type="image/jpeg", width_px=1200, height_px=800, taken_at=TAKEN)
SCALE = """() => {
    const image = document.querySelector(".picture img");
    return image.getBoundingClientRect().width / image.parentElement.getBoundingClientRect().width;
}"""
AT_REST = "document.getAnimations().every((animation) => animation.playState !== 'running')"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestServer, Storage, Path]]:
    photos = [MadePhoto(NAME, "a boat on a river", tags=(("boat", 0.9),), metadata=LARGE), MadePhoto(SMALL, "a boat")]
    with application(tmp_path_factory.mktemp("closely"), [*photos, *many(3)]) as (app, settings, storage):
        yield TestServer(app), storage, settings.photos[0]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(served: tuple[TestServer, Storage, Path]) -> AsyncIterator[TestServer]:
    async with served[0]:
        yield served[0]


@pytest.fixture(autouse=True)
def as_it_was(served: tuple[TestServer, Storage, Path]) -> Iterator[None]:
    yield
    catalogue = served[1].catalogue
    catalogue.feedback.unmark_wrong(KEY)
    photo = catalogue.photo(KEY)
    assert photo is not None
    catalogue.feedback.change_words(KEY, remove=photo.added_words)


async def until(tab: Page, condition: str) -> None:
    """Waits for `condition`; Playwright's own way needs what the page's Content-Security-Policy forbids."""
    for _ in range(600):
        if await tab.evaluate(condition):
            return
        await tab.wait_for_timeout(25)
    raise AssertionError(condition)


async def scaled(tab: Page, least: float, most: float) -> None:
    """Waits until the picture is that much larger than its box, and has come to rest."""
    await until(tab, f"() => {{ const scale = ({SCALE})(); return {least} <= scale && scale <= {most}; }}")
    await until(tab, AT_REST)


async def whole(tab: Page) -> None:
    await scaled(tab, 0.999, 1.001)
    await expect(tab.locator("body")).not_to_have_class("photo-page zoomed")


async def opened(visit: Visit, path: str = PAGE) -> Page:
    tab = await visit.go(path)
    await expect(tab.locator("#zoom")).to_be_visible()
    return tab


async def middle(tab: Page) -> tuple[float, float]:
    box = await tab.locator(".picture").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def where(tab: Page) -> Any:
    await until(tab, AT_REST)
    return await tab.evaluate("document.querySelector('.picture img').getBoundingClientRect().toJSON()")


async def test_keys_look_closer_around_and_back(visit: Visit) -> None:
    tab = await opened(visit)
    await tab.keyboard.press("+")
    await tab.keyboard.press("+")
    await scaled(tab, 2.24, 2.26)
    await expect(tab.locator(".percent")).to_have_text("225%")
    await expect(tab.get_by_role("status")).to_have_text("225 percent")
    before = await where(tab)
    await tab.keyboard.press("ArrowRight")
    await until(tab, f"document.querySelector('.picture img').getBoundingClientRect().x < {before['x']} - 20")
    assert await visit.path() == PAGE, "it looks around and does not leaf"
    await tab.keyboard.press("-")
    await scaled(tab, 1.49, 1.51)
    await tab.keyboard.press("0")
    await whole(tab)
    await tab.keyboard.press("+")
    await tab.keyboard.press("Escape")
    await whole(tab)
    assert await visit.path() == PAGE
    await tab.keyboard.press("ArrowRight")
    await visit.leafed_to("2 of 2")


async def test_the_wheel_zooms_at_the_pointer_and_then_the_page_scrolls(visit: Visit) -> None:
    tab = await opened(visit)
    x, y = await middle(tab)
    await tab.mouse.move(x + 100, y)
    await tab.mouse.wheel(0, -400)
    await scaled(tab, 2.0, 2.5)
    box = await where(tab)
    under = (x + 100 - box["x"]) / box["width"]
    whole_box = await tab.locator(".picture").bounding_box()
    assert whole_box is not None
    assert under == pytest.approx((x + 100 - whole_box["x"]) / whole_box["width"], abs=0.02)
    assert await tab.evaluate("scrollY") == 0
    await tab.mouse.wheel(0, 2000)
    await whole(tab)
    await tab.mouse.wheel(0, -9000)
    await until(tab, "document.querySelector('[data-zoom=in]').disabled")


async def test_the_wheel_scrolls_where_nothing_is_enlarged(visit: Visit) -> None:
    tab = await opened(visit)
    await tab.mouse.move(*await middle(tab))
    await tab.mouse.wheel(0, 300)
    await until(tab, "scrollY > 0")
    await whole(tab)


async def test_a_click_enlarges_there_dragging_moves_and_a_click_shows_the_whole(visit: Visit) -> None:
    tab = await opened(visit)
    x, y = await middle(tab)
    await tab.mouse.click(x, y)
    await scaled(tab, 2.49, 2.51)
    assert await visit.path() == PAGE, "the original is opened by choice only"
    before = await where(tab)
    await tab.mouse.move(x, y)
    await tab.mouse.down()
    await tab.mouse.move(x + 30, y, steps=4)
    await tab.mouse.move(x + 60, y, steps=4)
    await tab.mouse.up()
    after = await where(tab)
    assert 30 < after["x"] - before["x"] <= 61
    await scaled(tab, 2.49, 2.51)
    await tab.mouse.click(x, y)
    await whole(tab)
    await tab.mouse.dblclick(x, y)
    await scaled(tab, 2.49, 2.51)


async def test_what_is_enlarged_never_leaves_its_frame(visit: Visit) -> None:
    tab = await opened(visit)
    x, y = await middle(tab)
    await tab.mouse.click(x, y)
    await scaled(tab, 2.49, 2.51)
    for by_x, by_y in ((3000, 3000), (-6000, -6000)):
        await tab.mouse.move(x, y)
        await tab.mouse.down()
        await tab.mouse.move(x + by_x / 10, y + by_y / 10, steps=3)
        await tab.mouse.move(x + by_x, y + by_y, steps=3)
        await tab.mouse.up()
        box, frame = await where(tab), await tab.locator("#frame").bounding_box()
        assert frame is not None
        assert box["x"] <= frame["x"] + 1
        assert box["right"] >= frame["x"] + frame["width"] - 1
        assert box["y"] <= frame["y"] + 1 or box["height"] < frame["height"]
    assert await tab.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


async def test_enter_on_the_picture_and_the_buttons_do_the_same(visit: Visit) -> None:
    tab = await opened(visit)
    await tab.locator(".picture").focus()
    await tab.keyboard.press("Enter")
    await scaled(tab, 2.49, 2.51)
    await tab.get_by_role("button", name="Zoom out").click()
    await scaled(tab, 1.66, 1.67)
    await tab.locator("[data-zoom=whole]").click()
    await whole(tab)
    await tab.get_by_role("button", name="Zoom in").click()
    await scaled(tab, 1.49, 1.51)


async def test_the_original_comes_only_when_asked_for(visit: Visit) -> None:
    asked: list[str] = []
    visit.tab.on("request", lambda request: asked.append(request.url))
    tab = await opened(visit)
    await expect(tab.locator("[data-zoom=detail]")).to_be_hidden()
    await tab.keyboard.press("+")
    await scaled(tab, 1.49, 1.51)
    assert not [url for url in asked if "/files/" in url]
    await tab.locator("[data-zoom=detail]").focus()  # which scrolls the page to where the button has room around it
    before = await where(tab)
    await tab.locator("[data-zoom=detail]").click()
    await until(tab, "document.querySelector('.picture img').naturalWidth === 1200")
    await expect(tab.locator("[data-zoom=detail]")).to_be_hidden()
    assert await where(tab) == before, "it only becomes sharper"
    await visit.go(f"/photo/{content_key(SMALL)}")
    await tab.keyboard.press("+")
    await scaled(tab, 1.49, 1.51)
    await expect(tab.locator("[data-zoom=detail]")).to_have_count(0)


async def test_an_original_that_is_gone_leaves_the_picture(visit: Visit) -> None:
    tab = await opened(visit)
    await tab.route("**/files/**", lambda route: route.abort())
    await tab.keyboard.press("+")
    await tab.locator("[data-zoom=detail]").click()
    await expect(tab.locator("[data-zoom=detail]")).to_have_text("The original can\u2019t be shown")
    assert await tab.evaluate("document.querySelector('.picture img').naturalWidth") == 512


async def touch(session: CDPSession, kind: str, *points: tuple[float, float]) -> None:
    touches = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
    await session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})


@pytest.mark.parametrize("visit", [PHONE], indirect=True)
async def test_fingers_pinch_move_and_do_not_leaf_meanwhile(visit: Visit) -> None:
    tab = await opened(visit)
    session = await visit.context.new_cdp_session(tab)
    x, y = await middle(tab)
    await touch(session, "touchStart", (x - 30, y), (x + 30, y))
    for apart in (40, 60, 90):
        await touch(session, "touchMove", (x - apart, y), (x + apart, y))
    await touch(session, "touchEnd")
    await scaled(tab, 2.9, 3.1)
    before = await where(tab)
    await touch(session, "touchStart", (x + 80, y))
    for by in (60, 20, -40, -80):
        await touch(session, "touchMove", (x + by, y))
    await touch(session, "touchEnd")
    after = await where(tab)
    assert after["x"] < before["x"] - 80
    assert await visit.path() == PAGE, "a swipe looks around"
    assert await tab.evaluate("visualViewport.scale") == 1
    await touch(session, "touchStart", (x - 90, y), (x + 90, y))
    for apart in (60, 40, 10):
        await touch(session, "touchMove", (x - apart, y), (x + apart, y))
    await touch(session, "touchEnd")
    await whole(tab)
    await touch(session, "touchStart", (x + 100, y))
    for by in (50, 0, -60):
        await touch(session, "touchMove", (x + by, y))
    await touch(session, "touchEnd")
    await visit.leafed_to("2 of 2")


@pytest.mark.parametrize("visit", [PHONE], indirect=True)
async def test_two_taps_enlarge_and_one_does_nothing(visit: Visit) -> None:
    tab = await opened(visit)
    session = await visit.context.new_cdp_session(tab)
    x, y = await middle(tab)

    async def tap() -> None:
        await touch(session, "touchStart", (x, y))
        await touch(session, "touchEnd")

    await tap()
    await whole(tab)
    assert await visit.path() == PAGE
    # On a busy machine two taps may come to lie too far apart: then the next one is the second.
    for _ in range(20):
        await tap()
        if "zoomed" in (await tab.locator("body").get_attribute("class") or ""):
            break
    await scaled(tab, 2.49, 2.51)


async def test_marking_as_wrong_and_back_without_leaving_the_page(
    visit: Visit, served: tuple[TestServer, Storage, Path]
) -> None:
    tab = await opened(visit)
    await tab.evaluate("window.stayed = true")
    await tab.get_by_role("button", name="Mark as wrong").click()
    await expect(tab.locator("h1.caption")).to_have_text("No caption")
    await expect(tab.locator(".about s")).to_have_text("a boat on a river")
    await expect(tab.get_by_role("status")).to_contain_text("Marked as wrong. Marked as wrong")
    await expect(tab.get_by_role("button", name="It was right after all")).to_be_focused()
    await tab.keyboard.press("Enter")
    await expect(tab.locator("h1.caption")).to_have_text("a boat on a river")
    await expect(tab.get_by_role("button", name="Mark as wrong")).to_be_focused()
    assert await tab.evaluate("window.stayed")


async def test_adding_words_and_taking_them_away_without_leaving_the_page(visit: Visit) -> None:
    tab = await opened(visit)
    await tab.evaluate("window.stayed = true")
    await tab.locator("#more").fill("Oma\u2019s garden, + - 0")
    await tab.keyboard.press("Enter")
    await expect(tab.locator(".added .pair")).to_have_text(["Oma\u2019s garden\xd7", "+ - 0\xd7"])
    await expect(tab.locator("#more")).to_be_focused()
    await expect(tab.locator("#more")).to_have_value("")
    await tab.keyboard.type("ducks+-0 ")
    await whole(tab)
    await tab.get_by_role("button", name="Take away: + - 0").click()
    await expect(tab.locator(".added .pair")).to_have_text(["Oma\u2019s garden\xd7"])
    await tab.locator("#more").fill("x" * 101)
    await tab.keyboard.press("Enter")
    await expect(tab.locator(".adding [role=alert]")).to_contain_text("At most 100 characters")
    await expect(tab.locator("#more")).to_have_value("x" * 101)
    assert await tab.evaluate("window.stayed")


@pytest.mark.parametrize("visit", [WITHOUT_SCRIPT], indirect=True)
async def test_without_the_script_they_are_forms_and_the_picture_is_a_link(visit: Visit) -> None:
    tab = await visit.go(PAGE)
    await expect(tab.locator("#zoom")).to_be_hidden()
    await tab.get_by_role("button", name="Mark as wrong").click()
    await expect(tab).to_have_url(visit.address + PAGE)
    await expect(tab.locator("h1.caption")).to_have_text("No caption")
    await tab.get_by_role("button", name="It was right after all").click()
    await expect(tab.locator("h1.caption")).to_have_text("a boat on a river")
    await tab.locator("#more").fill("Oma")
    await tab.get_by_role("button", name="Add").click()
    await expect(tab.locator(".added .pair")).to_have_text(["Oma\xd7"])
    await tab.get_by_role("button", name="Take away: Oma").click()
    await expect(tab.locator(".added")).to_have_count(0)
    assert "/files/" in (await tab.locator(".picture").get_attribute("href") or "")


@pytest.mark.parametrize("visit", [DESKTOP, PHONE], indirect=True)
async def test_hostile_words_are_words_and_stick_out_nowhere(
    visit: Visit, served: tuple[TestServer, Storage, Path]
) -> None:
    served[1].catalogue.feedback.change_words(KEY, add=(SCRIPT, BREAKOUT, "W" * 100, "סבתא"))
    tab = await opened(visit)
    await expect(tab.locator(".added")).to_contain_text(SCRIPT)
    assert await tab.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    await tab.locator(".added button").first.click()
    await expect(tab.locator(".added .pair")).to_have_count(3)


async def test_what_was_set_aside_is_tried_again_from_the_status_page(
    visit: Visit, served: tuple[TestServer, Storage, Path]
) -> None:
    _, storage, root = served
    (root / "broken.jpg").write_bytes(b"no picture")
    note_one(storage.catalogue, FoundFile(root, root / "broken.jpg", stamp_of((root / "broken.jpg").stat())))
    for job in storage.catalogue.queue.claim(9):
        storage.catalogue.queue.fail(job, reason_saying("it is damaged"), kind="unreadable", final=True)
    tab = await visit.go("/status")
    await tab.get_by_role("button", name="Try again: broken.jpg").click()
    await expect(tab.locator("#status")).to_contain_text("1 file is tried again.")
    await expect(tab.get_by_role("button", name="Try again: broken.jpg")).to_have_count(0)
    await expect(tab).to_have_url(f"{visit.address}/status?retried=1")
