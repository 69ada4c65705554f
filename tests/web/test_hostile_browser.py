"""Hostile captions, names, people, folders and queries in every place that shows them, in a real browser: no script
runs, no element is made of them, and nothing is asked of another host (`Visit` complains of both)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import expect

from indexer.atomic.file_read import stamp_of
from indexer.model import FoundFile
from tests.libraries import note_one
from tests.reasons_made import reason_saying
from tests.web.library_made import content_key, many
from tests.web.test_browser import DESKTOP, PHONE, Visit, application, browser, visit
from tests.web.test_hostile import BREAKOUT, NAME, SCRIPT, hostile_photo

__all__ = ["browser", "visit"]  # fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVIL = SCRIPT + BREAKOUT
PHOTO = f"/photo/{content_key(NAME)}"
MADE = """() => document.querySelectorAll("script:not([src], [type='application/json']), img[src=x], [onerror]").length
    + [...document.querySelectorAll("a")].filter((one) => /^(javascript|data):/i.test(one.href)).length"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestServer]:
    with application(tmp_path_factory.mktemp("hostile"), [hostile_photo(), *many(6)]) as (app, settings, storage):
        root = settings.photos[0]
        broken = root / f"broken {BREAKOUT}.jpg"
        broken.write_bytes(b"no picture")
        note_one(storage.catalogue, FoundFile(root, broken, stamp_of(broken.stat())))
        for job in storage.catalogue.queue.claim(9):
            storage.catalogue.queue.fail(job, reason_saying(f"it is damaged: {EVIL}"), kind="unreadable", final=True)
        storage.catalogue.feedback.change_words(content_key(NAME), add=(SCRIPT,))
        async with TestServer(app) as server:
            yield server


PLACES = {
    "results": ("/?q=dog", "#grid"),
    "a person chosen": ("/?q=" + quote('person:"' + EVIL.replace('"', "") + '"'), "#results"),
    "nothing found": ("/?q=" + quote(f"xylophone {SCRIPT} year:1999"), "#results"),
    "wrong filter": ("/?q=" + quote("yaer:<script>alert(1)</script>"), "#results"),
    "wrong order": ("/?sort=" + quote(SCRIPT), "#results"),
    "photo": (PHOTO, ".about"),
    "photo of a search": (f"{PHOTO}?q={quote(SCRIPT)}&at=0", ".about"),
    "set aside": ("/status", "#status"),
}


@pytest.mark.parametrize("visit", [DESKTOP, PHONE], ids=["desktop", "telephone"], indirect=True)
@pytest.mark.parametrize(("path", "where"), PLACES.values(), ids=PLACES)
async def test_hostile_words_are_words_wherever_they_are_shown(visit: Visit, path: str, where: str) -> None:
    tab = await visit.go(path)
    await expect(tab.locator(where)).to_be_visible()
    assert await tab.evaluate(MADE) == 0
    assert "62710561" not in await tab.content(), "a template was evaluated twice"
    assert await tab.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


async def test_they_are_words_in_the_filters_their_chips_and_the_title(visit: Visit) -> None:
    tab = await visit.go("/")
    for name in ("person", "camera", "folder", "tag"):
        await tab.locator(f'#filters details[data-name="{name}"] summary').click()
        await expect(tab.locator(f'#filters details[data-name="{name}"] .sheet')).to_contain_text("<script>")
    await tab.locator('#filters details[data-name="person"] summary').click()
    await tab.locator('#filters details[data-name="person"] .chip', has_text="<script>").click()
    await expect(tab.locator(".narrowed .chip")).to_contain_text("<script>")
    await expect(visit.tiles()).to_have_count(1)
    assert SCRIPT in await tab.title()
    assert await tab.evaluate(MADE) == 0
    await visit.tiles().first.click()
    await expect(tab.locator(".about")).to_contain_text("<script>")
    assert SCRIPT in await tab.title()
    assert await tab.locator(".picture img").get_attribute("alt") == await tab.evaluate(
        "document.title.replace(/ \u2013 recollect$/, '')"
    )


async def test_they_are_words_among_the_suggestions_and_when_one_is_taken(visit: Visit) -> None:
    tab = await visit.go("/")
    for kind in ("person:", "folder:", "camera:"):
        await tab.locator("#q").fill(kind)
        offered = tab.locator("#suggestions [role=option]", has_text="<script>").first
        await expect(offered).to_be_visible()
        assert await tab.evaluate(MADE) == 0
    await offered.click()
    await expect(tab.locator("#suggestions")).to_be_hidden()
    await expect(tab.locator(".narrowed .chip")).to_contain_text("<script>")
    assert await tab.evaluate(MADE) == 0
