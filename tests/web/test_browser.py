"""The page in a real browser: typing, back and forward, keys, a telephone, without the script, and hostile words.

Chromium is the one named by RECOLLECT_TEST_CHROMIUM, on the PATH, or installed by Playwright.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from aiohttp.web import Application
from playwright.async_api import Browser, BrowserContext, Error, Page, async_playwright, expect

from indexer.settings import Settings
from indexer.storage import Storage
from tests.web.library_made import MadePhoto, add_photos, content_key, made_library, many
from tests.web.served import IDLE
from tests.web.test_hostile import NAME as HOSTILE_NAME
from tests.web.test_hostile import hostile_photo
from web.app import make_app
from web.search.searching import PHOTOS_PER_PAGE

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHOTOS = 150
#: What takes a moment on a quiet machine may take many on a busy one; a test that fails waits as long.
PATIENCE_MS = 30_000
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str | None:
    """The browser's path; None for Playwright's own."""
    named = os.environ.get("RECOLLECT_TEST_CHROMIUM")
    return named or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        path = chromium() or playwright.chromium.executable_path
        if not Path(path).exists():
            pytest.skip("there is no Chromium here (RECOLLECT_TEST_CHROMIUM names one)")
        browser = await playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        expect.set_options(timeout=PATIENCE_MS)
        yield browser
        await browser.close()


@contextmanager
def application(directory: Path, photos: Sequence[MadePhoto]) -> Iterator[tuple[Application, Settings, Storage]]:
    settings = Settings(photos=(directory / "Pictures",), data_dir=directory / "data", grid_px=96, screen_px=512)
    with made_library(settings, photos) as storage:
        app = make_app(
            settings,
            catalogue=storage.catalogue,
            thumbnails=storage.thumbnails,
            search=storage.search,
            progress=lambda: IDLE,
        )
        yield app, settings, storage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestServer]:
    """The page over 150 photos and a hostile one."""
    with application(tmp_path_factory.mktemp("library"), [hostile_photo(), *many(PHOTOS)]) as (app, _, _):
        async with TestServer(app) as server:
            yield server


class Visit:
    """A browser tab on the page that notes every complaint: errors, policy violations, requests to other hosts."""

    def __init__(self, context: BrowserContext, tab: Page, address: str) -> None:
        self.context, self.tab, self.address = context, tab, address
        self.complaints: list[str] = []
        tab.on("console", lambda message: self._note(message.type, message.text))
        tab.on("pageerror", lambda error: self._note("error", str(error)))
        tab.on("dialog", lambda dialog: self.complaints.append(f"a script ran: {dialog.message}"))
        tab.on("request", lambda request: self._check_host(request.url))

    def _note(self, kind: str, text: str) -> None:
        # What a page answers on purpose (a wrong filter is a 400) is no complaint, nor that a busy Chromium does
        # without the animation between two pages.
        ignored = ("Failed to load resource", "Transition was aborted because of invalid state")
        if kind in {"error", "warning"} and not text.startswith(ignored):
            self.complaints.append(text)

    def _check_host(self, url: str) -> None:
        if not url.startswith((self.address, "data:")):
            self.complaints.append(f"a request to {url}")

    async def go(self, path: str) -> Page:
        await self.tab.goto(self.address + path)
        return self.tab

    async def path(self) -> str:
        return self.tab.url.removeprefix(self.address)

    async def leafed_to(self, where: str) -> None:
        """Waits for a photo's page, its script included."""
        await expect(self.tab.locator(".position")).to_have_text(where)
        await self.tab.wait_for_load_state()

    def tiles(self) -> Any:
        return self.tab.locator("#grid .tile")


@pytest_asyncio.fixture(loop_scope="module")
async def visit(browser: Browser, server: TestServer, request: pytest.FixtureRequest) -> AsyncIterator[Visit]:
    """A fresh tab; parametrize indirectly for another kind of device."""
    context = await browser.new_context(**getattr(request, "param", DESKTOP))
    context.set_default_timeout(PATIENCE_MS)
    visit = Visit(context, await context.new_page(), f"http://127.0.0.1:{server.port}")
    yield visit
    await context.close()
    assert not visit.complaints


async def test_results_come_while_typing_and_the_address_says_what_is_shown(visit: Visit) -> None:
    tab = await visit.go("/")
    await expect(tab.locator("#q")).to_be_focused()
    await tab.keyboard.type("snow")
    await expect(tab.locator(".total")).to_have_text("37 photos")
    await expect(tab).to_have_url(f"{visit.address}/?q=snow")
    await expect(tab).to_have_title("snow \u2013 recollect")
    await expect(visit.tiles().first.locator("img")).to_have_attribute("alt", "mountains under snow")
    await tab.reload()
    await expect(tab.locator("#q")).to_have_value("snow")
    await expect(tab.locator(".total")).to_have_text("37 photos")


async def test_a_slow_stale_answer_never_replaces_a_newer_one(visit: Visit, server: TestServer) -> None:
    tab = await visit.go("/")
    await tab.route("**/?q=do&part=beginning", lambda route: _late(tab, route))
    await tab.keyboard.type("do", delay=10)
    await tab.keyboard.type("g", delay=10)
    await expect(tab.locator(".total")).to_have_text("39 photos")
    await tab.wait_for_timeout(700)
    await expect(tab.locator(".total")).to_have_text("39 photos")
    await expect(tab.locator("#q")).to_have_value("dog")


async def _late(tab: Page, route: Any) -> None:
    await tab.wait_for_timeout(500)
    with suppress(Error):  # the script may have taken the request back meanwhile
        await route.fulfill(status=200, content_type="text/html", body='<p class="total">stale</p>')


async def test_back_and_forward_walk_through_the_searches(visit: Visit) -> None:
    tab = await visit.go("/")
    await tab.keyboard.type("snow")
    await expect(tab.locator(".total")).to_have_text("37 photos")
    await tab.wait_for_timeout(1600)  # a pause makes a step
    await tab.locator("#q").fill("cake")
    await expect(tab.locator(".total")).to_have_text("37 photos")
    await expect(visit.tiles().first.locator("img")).to_have_attribute("alt", "two children eating cake")
    await tab.go_back()
    await expect(tab.locator("#q")).to_have_value("snow")
    await expect(visit.tiles().first.locator("img")).to_have_attribute("alt", "mountains under snow")
    await tab.go_back()
    await expect(tab.locator("#q")).to_have_value("")
    await expect(tab.locator(".total")).to_have_text(f"{PHOTOS + 1} photos")
    await tab.go_forward()
    await expect(tab.locator("#q")).to_have_value("snow")


async def test_chips_narrow_without_losing_the_search(visit: Visit) -> None:
    tab = await visit.go("/?q=snow")
    await tab.locator("summary", has_text="People").click()
    await tab.locator(".sheet .chip", has_text="Ben").click()
    await expect(tab.locator("#q")).to_have_value("snow person:Ben")
    await expect(tab.locator(".narrowed .chip")).to_have_text("person:Ben \u00d7")
    narrowed = await visit.tiles().count()
    await tab.locator(".narrowed .chip").click()
    await expect(tab.locator("#q")).to_have_value("snow")
    await expect(tab.locator(".total")).to_have_text("37 photos")
    assert 0 < narrowed < 37


async def test_the_grid_goes_on_for_ever_and_keeps_its_place(visit: Visit) -> None:
    tab = await visit.go("/")
    assert await visit.tiles().count() < PHOTOS
    for _ in range(20):
        await tab.evaluate("scrollTo(0, document.body.scrollHeight)")
        await tab.wait_for_timeout(150)
        if await visit.tiles().count() > PHOTOS:
            break
    await expect(visit.tiles()).to_have_count(PHOTOS + 1)
    ids = await visit.tiles().evaluate_all("tiles => tiles.map(tile => tile.id)")
    assert len(set(ids)) == PHOTOS + 1
    chosen = visit.tiles().nth(120)
    await chosen.scroll_into_view_if_needed()
    before = await tab.evaluate("scrollY")
    await chosen.click()
    await expect(tab.locator("#back")).to_be_visible()
    await tab.wait_for_load_state()
    await tab.keyboard.press("Escape")
    await expect(visit.tiles()).to_have_count(PHOTOS + 1)
    await tab.wait_for_function(f"Math.abs(scrollY - {before}) < 4")


_HEADINGS_STAND_OVER_THEIR_PHOTOS = """() => [...document.querySelectorAll("#grid .begins")].every((one) => {
    const [heading, tile] = [...one.children].map((part) => part.getBoundingClientRect());
    return Math.abs(heading.left - tile.left) < 1 && heading.right <= tile.right + 1 && heading.bottom <= tile.top;
})"""
_ROWS = """() => new Set([...document.querySelectorAll("#grid .tile")].map(
    (tile) => Math.round(tile.getBoundingClientRect().bottom))).size"""


@pytest.mark.parametrize(
    ("device", "rows"), [(DESKTOP, 3), (PHONE, 7), ({**PHONE, "viewport": {"width": 320, "height": 640}}, 9)]
)
async def test_months_of_one_photo_share_rows(
    browser: Browser, tmp_path: Path, device: dict[str, Any], rows: int
) -> None:
    with application(tmp_path, list(many(12))) as (app, _, _):
        async with TestServer(app) as server:
            context = await browser.new_context(**device)
            tab = await context.new_page()
            await tab.goto(f"http://127.0.0.1:{server.port}/")
            await expect(tab.locator("#grid .tile")).to_have_count(12)
            await expect(tab.get_by_role("heading", level=2)).to_have_count(12)
            assert await tab.evaluate(_ROWS) <= rows, "twelve months of one photo each do not take a row each"
            assert await tab.evaluate(_HEADINGS_STAND_OVER_THEIR_PHOTOS)
            await context.close()


async def test_a_month_goes_on_over_the_edge_of_a_page_under_one_heading(visit: Visit) -> None:
    tab = await visit.go("/")
    await expect(tab.locator("#grid .more")).to_have_count(1)
    while await tab.locator("#grid .more").count():
        await tab.mouse.wheel(0, 4000)
        await tab.wait_for_timeout(50)
    await expect(visit.tiles()).to_have_count(PHOTOS + 1)
    headings = await tab.locator("#grid .month").all_text_contents()
    assert len(headings) == len(set(headings)) == 13
    assert await tab.evaluate(_HEADINGS_STAND_OVER_THEIR_PHOTOS)


async def test_boxes_have_their_size_before_the_pictures_come(visit: Visit) -> None:
    async def tops() -> list[float]:
        found: list[float] = await visit.tiles().evaluate_all(
            "tiles => tiles.slice(0, 24).map(tile => tile.getBoundingClientRect().top)"
        )
        return found

    await visit.tab.route("**/thumbnails/**", lambda route: route.abort())
    tab = await visit.go("/")
    without = await tops()
    await tab.unroute("**/thumbnails/**")
    await tab.reload()
    await tab.wait_for_load_state("networkidle")
    # Not of all tiles: where the pictures came fast, the next page of photos may be there already.
    assert await tops() == pytest.approx(without, abs=0.1)


async def test_everything_can_be_done_with_the_keyboard(visit: Visit) -> None:
    tab = await visit.go("/")
    await tab.keyboard.press("Tab")
    await tab.keyboard.press("/")
    await expect(tab.locator("#q")).to_be_focused()
    await tab.keyboard.type("snow")
    await expect(tab.locator(".total")).to_have_text("37 photos")
    await tab.keyboard.press("ArrowDown")
    await expect(visit.tiles().first).to_be_focused()
    await tab.keyboard.press("ArrowRight")
    await expect(visit.tiles().nth(1)).to_be_focused()
    await tab.keyboard.press("ArrowDown")
    await tab.keyboard.press("ArrowUp")
    await tab.keyboard.press("Home")
    await expect(visit.tiles().first).to_be_focused()
    await tab.keyboard.press("Enter")
    await visit.leafed_to("1 of 37")
    await tab.keyboard.press("ArrowRight")
    await visit.leafed_to("2 of 37")
    await tab.keyboard.press("ArrowLeft")
    await visit.leafed_to("1 of 37")
    await tab.keyboard.press("Escape")
    await expect(tab.locator("#q")).to_have_value("snow")
    await expect(visit.tiles()).to_have_count(37)


async def test_a_sheet_opens_and_closes_by_key(visit: Visit) -> None:
    tab = await visit.go("/")
    await tab.locator("summary", has_text="When").focus()
    await tab.keyboard.press("Enter")
    await expect(tab.locator(".sheet").first).to_be_visible()
    await tab.keyboard.press("Escape")
    await expect(tab.locator(".sheet").first).to_be_hidden()
    await expect(tab.locator("summary", has_text="When")).to_be_focused()


@pytest.mark.parametrize("visit", [{**DESKTOP, "java_script_enabled": False}], indirect=True)
async def test_without_the_script_a_search_is_a_form_and_pages_are_links(visit: Visit) -> None:
    tab = await visit.go("/")
    await tab.locator("#q").fill("snow")
    await tab.locator("#q").press("Enter")
    await expect(tab.locator(".total")).to_have_text("37 photos")
    await tab.locator("summary", has_text="People").click()
    await tab.locator(".sheet .chip", has_text="Ben").click()
    await expect(tab.locator("#q")).to_have_value("snow person:Ben")
    await visit.go("/")
    await tab.locator(".more a").click()
    await expect(visit.tiles()).to_have_count(PHOTOS_PER_PAGE)
    await visit.tiles().first.click()
    await visit.leafed_to(f"{PHOTOS_PER_PAGE + 1} of {PHOTOS + 1}")
    await tab.locator("#next").click()
    await visit.leafed_to(f"{PHOTOS_PER_PAGE + 2} of {PHOTOS + 1}")
    await tab.locator("#back").click()
    await expect(tab).to_have_url(f"{visit.address}/?page=2")


@pytest.mark.parametrize("visit", [PHONE], indirect=True)
@pytest.mark.parametrize("path", ["/", "/?q=snow", "/status", "/?q=xylophone", "/?q=yaer:2019", "photo", "hostile"])
async def test_a_telephone_needs_no_sideways_scrolling(visit: Visit, path: str) -> None:
    names = {"photo": "2024/photo 0000.jpg", "hostile": HOSTILE_NAME}
    tab = await visit.go(f"/photo/{content_key(names[path])}?q=&at=0" if path in names else path)
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await tab.evaluate(overflow) == 0


@pytest.mark.parametrize("visit", [PHONE], indirect=True)
async def test_a_swipe_turns_the_page_on_a_telephone(visit: Visit) -> None:
    tab = await visit.go("/?q=snow")
    await visit.tiles().first.tap()
    await visit.leafed_to("1 of 37")
    session = await visit.context.new_cdp_session(tab)
    for kind, x in (("touchStart", 300), ("touchMove", 200), ("touchMove", 100), ("touchEnd", None)):
        points = [] if x is None else [{"x": x, "y": 200}]
        await session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    await visit.leafed_to("2 of 37")


async def test_hostile_words_run_nowhere(visit: Visit) -> None:
    tab = await visit.go("/?q=dog")
    await expect(tab.locator("#results")).to_contain_text("<script>alert(1)</script>")
    for summary in await tab.locator("#filters summary").all():
        await summary.click()
    await visit.go(f"/photo/{content_key(HOSTILE_NAME)}?q=dog&at=0")
    await expect(tab.locator(".about")).to_contain_text("<script>alert(1)</script>")
    await tab.locator("#q").fill('"><script>alert(1)</script>')
    await tab.locator("#q").press("Enter")
    await expect(tab.locator("#main")).to_contain_text("<script>alert(1)</script>")


async def test_the_first_photos_appear_by_themselves(visit: Visit, tmp_path: Path) -> None:
    with application(tmp_path, ()) as (app, settings, storage):
        settings.photos[0].mkdir()
        async with TestServer(app) as server:
            visit.address = f"http://127.0.0.1:{server.port}"
            tab = await visit.go("/")
            await expect(tab.locator(".state h1")).to_have_text("No photos yet")
            add_photos(storage, settings, list(many(3)))
            await expect(visit.tiles()).to_have_count(3, timeout=20_000)


async def test_no_answer_is_said_and_mended_by_itself(visit: Visit) -> None:
    tab = await visit.go("/")
    await tab.route("**/?q=snow&part=beginning", lambda route: route.abort())
    await tab.keyboard.type("snow")
    await expect(tab.locator(".state")).to_contain_text("does not answer")
    await tab.unroute("**/?q=snow&part=beginning")
    await expect(tab.locator(".total")).to_have_text("37 photos")


async def test_a_wrong_filter_offers_the_right_one(visit: Visit) -> None:
    tab = await visit.go("/")
    await tab.locator("#q").fill("yaer:2021")
    await tab.locator(".state .chip", has_text="year:2021").first.click()
    await expect(tab.locator("#q")).to_have_value("year:2021")
    await expect(visit.tiles().first).to_be_visible()


@pytest.mark.parametrize("visit", [{**DESKTOP, "locale": "de-DE"}], indirect=True)
async def test_dates_are_said_in_the_reader_s_language(visit: Visit) -> None:
    tab = await visit.go("/?q=year:2021")
    await expect(tab.locator(".month").first).to_have_text("Oktober 2021")


@pytest.mark.parametrize("visit", [{**DESKTOP, "locale": "de-DE"}], indirect=True)
async def test_the_scripts_say_their_words_in_the_reader_s_language(visit: Visit) -> None:
    tab = await visit.go("/")
    await tab.locator("#q").press_sequentially("year:20")
    await expect(tab.locator("#suggestions .kind").first).to_have_text("Jahr")
    await expect(tab.locator("#suggestions")).to_have_attribute("aria-label", "Vorschläge")
    await tab.route("**/?q=x&part=beginning", lambda route: route.abort())
    await tab.locator("#q").fill("x")
    await expect(tab.locator("#results > .state h1")).to_have_text("Keine Antwort")
