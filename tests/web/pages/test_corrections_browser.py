"""Correcting a caption in a real browser: typed, saved, taken back, refused, and watched on its way into the file."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import expect

from indexer.model import CaptionPlace, IndexedPhoto
from indexer.storage import Storage, sole_indexer
from tests.web.library_made import MadePhoto, content_key, many
from tests.web.test_browser import DESKTOP, PHONE, Visit, application, browser, visit
from tests.web.test_hostile import BREAKOUT, SCRIPT

__all__ = ["browser", "visit"]  # fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAME = "Lyon/quay.jpg"
PAGE = f"/photo/{content_key(NAME)}?q=boat&sort=newest&at=0"
MODEL_S = "a boat on a river"
OMA = "Oma Lisbeth feeds the ducks"
WITHOUT_SCRIPT = {**DESKTOP, "java_script_enabled": False}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestServer, Storage]]:
    with application(tmp_path_factory.mktemp("corrected"), [MadePhoto(NAME, MODEL_S), *many(3)]) as (app, _, storage):
        yield TestServer(app), storage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(served: tuple[TestServer, Storage]) -> AsyncIterator[TestServer]:
    async with served[0]:
        yield served[0]


@pytest.fixture(autouse=True)
def as_it_was(served: tuple[TestServer, Storage]) -> Iterator[None]:
    yield
    served[1].catalogue.corrections.withdraw(content_key(NAME))
    work_off(served[1])


def work_off(storage: Storage, place: CaptionPlace = CaptionPlace.EXIF) -> None:
    while jobs := storage.catalogue.queue.claim(9):
        for job in jobs:
            photo = storage.catalogue.photo(job.content_key or "")
            assert photo is not None
            storage.catalogue.settle(job, IndexedPhoto(photo.id, photo.metadata, job.file.stamp, None, place))


@contextmanager
def somebody_indexing(directory: Path) -> Iterator[None]:
    with sole_indexer(directory):
        yield


async def test_typing_a_correction_without_leaving_the_page(visit: Visit, served: tuple[TestServer, Storage]) -> None:
    tab = await visit.go(PAGE)
    await tab.locator(".correct summary").click()
    await expect(tab.locator("#words")).to_be_focused()
    await expect(tab.locator("#words")).to_have_value(MODEL_S)
    await tab.evaluate("window.stayed = true")
    await tab.locator("#words").fill(OMA)
    await tab.keyboard.press("Enter")
    await expect(tab.locator("h1.caption")).to_have_text(OMA)
    await expect(tab.locator(".byline")).to_contain_text("Corrected by hand; to be written into the photo, and known")
    await expect(tab.locator(".correct")).not_to_have_attribute("open", "")
    await expect(tab.locator(".correct summary")).to_be_focused()
    await expect(tab.get_by_role("status")).to_contain_text("Saved. Corrected by hand; to be written into the photo")
    assert await tab.evaluate("window.stayed")
    assert await visit.path() == PAGE
    await expect(tab).to_have_title(f"{OMA} \u2013 recollect")
    await tab.reload()
    await expect(tab.locator("h1.caption")).to_have_text(OMA)
    await expect(tab.locator(".about")).to_contain_text(f"The model would say: {MODEL_S}")
    photo = served[1].catalogue.photo(content_key(NAME))
    assert photo is not None
    assert photo.correction == OMA


async def test_the_page_follows_the_words_into_the_file(visit: Visit, served: tuple[TestServer, Storage]) -> None:
    storage = served[1]
    with somebody_indexing(storage.catalogue._database.path.parent):
        tab = await visit.go(PAGE)
        await tab.locator(".correct summary").click()
        await tab.locator("#words").fill(OMA)
        await tab.locator(".actions button", has_text="Save").click()
        await expect(tab.locator(".byline")).to_have_text("Corrected by hand; being written into the photo.")
        worker = threading.Thread(target=work_off, args=(storage,))
        worker.start()
        await expect(tab.locator(".byline")).to_have_text("Corrected by hand; written into the photo.")
        await expect(tab.get_by_role("status")).to_have_text("Corrected by hand; written into the photo.")
        worker.join()


async def test_taking_back(visit: Visit, served: tuple[TestServer, Storage]) -> None:
    served[1].catalogue.corrections.correct(content_key(NAME), OMA)
    tab = await visit.go(PAGE)
    await tab.locator(".correct summary").click()
    await tab.locator("#words").fill("")
    await tab.locator(".actions button", has_text="Take back").click()
    await expect(tab.locator("h1.caption")).to_have_text(MODEL_S)
    await expect(tab.locator(".byline")).to_contain_text("Described by the model")
    await expect(tab.get_by_role("status")).to_contain_text("Taken back. Described by the model")
    await expect(tab.locator(".actions button")).to_have_count(1)


@pytest.mark.parametrize("visit", [WITHOUT_SCRIPT], indirect=True)
async def test_without_the_script_it_is_a_form(visit: Visit) -> None:
    tab = await visit.go(PAGE)
    await expect(tab.locator("#words")).to_be_hidden()
    await tab.locator(".correct summary").click()
    await tab.locator("#words").fill(OMA)
    await tab.locator(".actions button", has_text="Save").click()
    await expect(tab).to_have_url(visit.address + PAGE)
    await expect(tab.locator("h1.caption")).to_have_text(OMA)
    await tab.locator(".correct summary").click()
    await tab.locator("#words").fill("\u200b")
    await tab.locator(".actions button", has_text="Save").click()
    await expect(tab.locator(".correct [role=alert]")).to_contain_text("There are no words in this")
    await tab.locator(".actions button", has_text="Take back").click()
    await expect(tab.locator("h1.caption")).to_have_text(MODEL_S)


@pytest.mark.parametrize(
    "words",
    [SCRIPT, BREAKOUT, "</textarea><script>alert(1)</script>", "סבתא מאכילה ברווזים 🦆👩‍👧", "é\"'&<b>", "long " * 400],
)
async def test_hostile_words_are_words(visit: Visit, words: str) -> None:
    tab = await visit.go(PAGE)
    await tab.locator(".correct summary").click()
    await tab.locator("#words").fill(words)
    await tab.locator(".actions button", has_text="Save").click()
    await expect(tab.locator("h1.caption")).to_have_text(words.strip())
    await tab.reload()
    await tab.locator(".correct summary").click()
    await expect(tab.locator("#words")).to_have_value(words.strip())
    await visit.go("/")
    await expect(tab.locator(".tile").first).to_be_visible()


async def test_words_that_are_too_many_can_t_be_typed_and_none_can_t_be_sent(visit: Visit) -> None:
    tab = await visit.go(PAGE)
    await tab.locator(".correct summary").click()
    await tab.locator("#words").fill("")
    await tab.locator(".actions button", has_text="Save").click()
    await expect(tab.locator("#words:invalid")).to_be_focused()
    await tab.locator("#words").fill(" ")
    await tab.locator(".actions button", has_text="Save").click()
    await expect(tab.locator(".correct [role=alert]")).to_contain_text("There are no words in this")
    await expect(tab.locator("#words")).to_be_focused()
    assert await tab.locator("#words").get_attribute("maxlength") == "2000"


async def test_no_answer_keeps_the_words(visit: Visit) -> None:
    tab = await visit.go(PAGE)
    await tab.locator(".correct summary").click()
    await tab.locator("#words").fill(OMA)
    await tab.route("**/caption?*", lambda route: route.abort())
    await tab.keyboard.press("Enter")
    await expect(tab.locator(".correct [role=alert]")).to_contain_text("recollect does not answer just now")
    await expect(tab.locator("#words")).to_have_value(OMA)
    await tab.unroute("**/caption?*")
    await tab.keyboard.press("Enter")
    await expect(tab.locator("h1.caption")).to_have_text(OMA)


async def test_keys_write_and_do_not_leaf(visit: Visit) -> None:
    tab = await visit.go(PAGE)
    await tab.locator(".correct summary").focus()
    await tab.keyboard.press("Enter")
    await tab.keyboard.press("End")
    await tab.keyboard.type(" / and back")
    await tab.keyboard.press("ArrowLeft")
    await tab.keyboard.press("ArrowRight")
    await expect(tab.locator("#words")).to_have_value(f"{MODEL_S} / and back")
    await tab.keyboard.press("Escape")
    await expect(tab.locator("#words")).to_be_hidden()
    await expect(tab.locator(".correct summary")).to_be_focused()
    assert await visit.path() == PAGE


@pytest.mark.parametrize("visit", [PHONE], indirect=True)
async def test_on_a_telephone_nothing_sticks_out(visit: Visit, served: tuple[TestServer, Storage]) -> None:
    served[1].catalogue.corrections.correct(content_key(NAME), "W" * 2000)
    tab = await visit.go(PAGE)
    await tab.locator(".correct summary").tap()
    await expect(tab.locator("#words")).to_be_visible()
    assert await tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
