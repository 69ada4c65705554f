"""Thousands of results in a real browser: scrolling on, to a photo and back, reloading far down, and up again."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, expect

from captioner import Caption, Tag
from indexer.model import FileStamp, FoundFile, IndexedPhoto
from indexer.settings import Settings
from indexer.storage import Storage
from tests.web.library_made import content_key, many, push
from tests.web.test_browser import PHONE, Visit, application, browser, visit
from web.search.searching import PHOTOS_PER_PAGE

__all__ = ["browser", "visit"]  # fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHOTOS = 10_000
HARBOURS = 3 * PHOTOS_PER_PAGE  # the first half surely, the others hardly
FAR = 44  # pages: more than are brought back at once
REMEMBERED = "scrollY > 1000 && Math.abs(history.state?.scroll - scrollY) < 2"
TILES = "document.querySelectorAll('#grid .tile').length"


def fill(storage: Storage, settings: Settings) -> None:
    """Rows of photos whose files and pictures don't exist: only the page is looked at."""
    root = settings.photos[0]
    made = {photo.name: photo for photo in many(PHOTOS)}
    numbers = {name: number for number, name in enumerate(made)}
    walk = storage.catalogue.scans.begin_scan(root)
    stamps = ((name, FileStamp(1, 3_000_000, at + 1)) for at, name in enumerate(made))
    storage.catalogue.scans.note(walk, [FoundFile(root, root / name, stamp) for name, stamp in stamps])
    while jobs := storage.catalogue.queue.claim(500):
        for job in jobs:
            photo = made[str(job.file.path.relative_to(root))]
            number = numbers[photo.name]
            harbour = [Tag("harbour", 0.97 if number < HARBOURS // 2 else 0.25)] if number < HARBOURS else []
            caption = Caption(photo.caption or "", 0.8, (Tag("sight", 0.9), *harbour), None, "test-1")
            storage.catalogue.settle(
                job, IndexedPhoto(content_key(photo.name), photo.metadata, job.file.stamp, caption)
            )
    push(storage)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestServer]:
    with application(tmp_path_factory.mktemp("thousands"), ()) as (app, settings, storage):
        settings.photos[0].mkdir()
        fill(storage, settings)
        async with TestServer(app) as server:
            yield server


async def until(tab: Page, condition: str) -> None:
    """Waits for `condition`; Playwright's own way needs what the page's Content-Security-Policy forbids."""
    for _ in range(2400):
        if await tab.evaluate(condition):
            return
        await tab.wait_for_timeout(25)
    raise AssertionError(condition)


async def scrolled(tab: Page, pages: int) -> None:
    """Scrolls down until that many pages stand there."""
    for page in range(1, pages):
        await tab.evaluate("scrollTo(0, document.body.scrollHeight)")
        await until(tab, f"{TILES} > {page * PHOTOS_PER_PAGE}")


def position(at: int) -> str:
    return f'#grid .tile[href*="at={at}"]'


async def top(tab: Page, at: int) -> float:
    return float(await tab.locator(position(at)).evaluate("tile => tile.getBoundingClientRect().top"))


@pytest.mark.parametrize("path", ["/", "/?q=snow"])
async def test_far_down_to_a_photo_and_back(visit: Visit, path: str) -> None:
    visit.tab.set_default_timeout(60_000)
    tab = await visit.go(path)
    await scrolled(tab, FAR)
    at = (FAR - 1) * PHOTOS_PER_PAGE - 7
    await tab.locator(position(at)).scroll_into_view_if_needed()
    before = await top(tab, at)
    await tab.locator(position(at)).click()
    await visit.leafed_to(f"{at + 1:,} of {PHOTOS if path == '/' else PHOTOS // 4:,}")
    await tab.keyboard.press("Escape")
    await expect(tab.locator(position(at))).to_be_in_viewport()
    await until(tab, f"Math.abs(document.querySelector('{position(at)}').getBoundingClientRect().top - {before}) < 4")
    await expect(tab.locator(position(at))).to_be_focused()
    assert await tab.evaluate(TILES) <= 41 * PHOTOS_PER_PAGE, "what is far above is not brought back"


async def test_up_again_after_a_reload_nothing_is_missing_or_twice(visit: Visit) -> None:
    visit.tab.set_default_timeout(60_000)
    tab = await visit.go("/?q=snow")
    await scrolled(tab, FAR)
    await until(tab, REMEMBERED)
    await tab.reload()
    await until(tab, f"document.querySelector('{position((FAR - 1) * PHOTOS_PER_PAGE)}')")
    await until(tab, "scrollY > 1000")
    for _ in range(FAR):
        if await tab.locator(position(0)).count():
            break
        shown = await tab.evaluate(TILES)
        await tab.evaluate("scrollTo(0, 0)")
        await until(tab, f"{TILES} > {shown}")
    hrefs = await visit.tiles().evaluate_all("tiles => tiles.map(tile => new URL(tile.href).searchParams.get('at'))")
    assert [int(at) for at in hrefs] == list(range(len(hrefs)))
    assert len(hrefs) >= FAR * PHOTOS_PER_PAGE


async def test_what_is_looked_at_stays_where_it_is_while_the_page_grows_above(visit: Visit) -> None:
    tab = await visit.go("/?q=snow&page=12")
    first = 11 * PHOTOS_PER_PAGE
    await expect(tab.locator(position(first))).to_be_attached()
    # Shown without moving: the page before was put above it, and its top stands where it stood.
    await until(tab, f"document.querySelector('{position(first - PHOTOS_PER_PAGE)}')")
    await expect(tab.locator(position(first))).to_be_in_viewport()


async def tiles_above_the_line(tab: Page) -> int:
    """How many stand before the line, of which there is one."""
    lines = tab.locator("#grid h2.less-sure")
    await expect(lines).to_have_text(["Less sure"])
    before = "line => [...line.parentElement.children].slice(0, [...line.parentElement.children].indexOf(line))"
    return int(await lines.evaluate(f"line => ({before})(line).filter(one => one.matches('.tile')).length"))


async def test_the_line_stands_once_however_far_one_scrolls(visit: Visit) -> None:
    tab = await visit.go("/?q=harbour")
    await scrolled(tab, 3)
    await until(tab, f"{TILES} === {HARBOURS}")
    assert await tiles_above_the_line(tab) == HARBOURS // 2


async def test_the_line_stands_once_where_one_comes_from_below(visit: Visit) -> None:
    tab = await visit.go("/?q=harbour&page=3")
    for shown in (PHOTOS_PER_PAGE, 2 * PHOTOS_PER_PAGE):
        await tab.evaluate("scrollTo(0, 0)")
        await until(tab, f"{TILES} > {shown}")
    assert await tiles_above_the_line(tab) == HARBOURS // 2


@pytest.mark.parametrize("visit", [PHONE], indirect=True)
async def test_a_telephone_shares_and_reloads_a_place(visit: Visit) -> None:
    visit.tab.set_default_timeout(60_000)
    tab = await visit.go("/?q=snow&sort=oldest")
    await scrolled(tab, 3)
    await until(tab, REMEMBERED)
    await tab.reload()
    await until(tab, f"{TILES} >= {3 * PHOTOS_PER_PAGE}")
    await until(tab, "scrollY > 1000")
    assert await visit.path() == "/?q=snow&sort=oldest"
