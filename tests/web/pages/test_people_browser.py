"""People in a real browser: named by keyboard, asked about, boxes over the photo, nothing that the policy forbids."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import expect

from indexer.storage import Storage
from tests.web.faces_made import left_of, meet, party
from tests.web.library_made import content_key
from tests.web.test_browser import DESKTOP, PHONE, Visit, application, browser, visit

__all__ = ["browser", "visit"]  # fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHOTO = f"/photo/{content_key('party/1.jpg')}"
WITHOUT_SCRIPT = {**DESKTOP, "java_script_enabled": False}


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestServer, Storage]]:
    with application(tmp_path_factory.mktemp("people"), party()) as (app, _, storage):
        meet(storage)
        yield TestServer(app), storage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(rooms: tuple[TestServer, Storage]) -> AsyncIterator[TestServer]:
    async with rooms[0]:
        yield rooms[0]


@pytest.fixture(autouse=True)
def as_it_was(rooms: tuple[TestServer, Storage]) -> Iterator[None]:
    decisions = rooms[1].catalogue.people_decisions
    last = decisions.last()
    yield
    while decisions.last() != last:
        decisions.undo()


async def test_a_group_is_named_by_keyboard_and_the_place_is_kept(visit: Visit) -> None:
    tab = await visit.go("/people")
    await tab.evaluate("window.stayed = true")
    await tab.locator(".asking input[name=name]").focus()
    await tab.keyboard.type("\u200b")
    await tab.keyboard.press("Enter")
    await expect(tab.get_by_role("alert")).to_contain_text("Nothing was changed.")
    await expect(tab.locator(".asking input[name=name]")).to_be_focused()
    await tab.locator(".asking input[name=name]").fill("Carla")
    await tab.keyboard.press("Enter")
    await expect(tab.locator(".persons .name")).to_have_text(["Anna", "Carla", "Ben"])
    await expect(tab.get_by_role("status")).to_have_text("Saved.")
    await expect(tab.locator("h1")).to_be_focused()
    await tab.get_by_role("button", name="Undo").focus()
    await tab.keyboard.press("Enter")
    await expect(tab.locator(".persons .name")).to_have_text(["Anna", "Ben"])
    await expect(tab.get_by_role("status")).to_have_text("Undone.")
    assert await tab.evaluate("window.stayed")


@pytest.mark.parametrize(("key", "faces"), [("y", "6 faces"), ("n", "3 faces")])
async def test_one_key_answers(visit: Visit, key: str, faces: str) -> None:
    tab = await visit.go("/people/1")
    await expect(tab.locator("#question")).to_have_text("Is this also Anna?")
    await tab.locator("header.person input[name=name]").focus()
    await tab.keyboard.press(key)
    await expect(tab.locator("#question")).to_be_visible()
    await tab.locator("h1").focus()
    await tab.keyboard.press(key)
    await expect(tab.locator("#question")).to_have_count(0)
    await expect(tab.locator("header.person .quiet")).to_contain_text(faces)
    await expect(tab.locator("h1")).to_be_focused()


@pytest.mark.parametrize("visit", [{**DESKTOP, "locale": "de-DE"}], indirect=True)
async def test_in_german_the_key_is_j(visit: Visit) -> None:
    tab = await visit.go("/people/1")
    await tab.locator("h1").focus()
    await tab.keyboard.press("y")
    await expect(tab.locator("#question")).to_have_text("Ist das auch Anna?")
    await tab.keyboard.press("j")
    await expect(tab.locator("#question")).to_have_count(0)
    await expect(tab.locator("header.person .quiet")).to_contain_text("6 Gesichter")


@pytest.mark.parametrize("visit", [DESKTOP, PHONE], ids=["desktop", "telephone"], indirect=True)
async def test_boxes_lie_over_the_faces_and_are_named_there(visit: Visit) -> None:
    tab = await visit.go(PHOTO)
    await expect(tab.locator("#faces")).to_have_count(0)
    await tab.locator("#show-faces").focus()
    await tab.keyboard.press("Enter")
    await expect(tab.locator("#show-faces")).to_have_attribute("aria-expanded", "true")
    await expect(tab.locator(".face .who")).to_have_text(["Anna", "Ben", "?"])
    await expect(tab.locator(".face summary").first).to_be_focused()
    await tab.keyboard.press("Escape")
    await expect(tab.locator("#faces")).to_have_count(0)
    await expect(tab.locator("#show-faces")).to_be_focused()
    assert await visit.path() == PHOTO, "Escape takes the boxes away, and does not leave the photo"
    await tab.keyboard.press("Enter")
    image = await tab.locator(".picture img").bounding_box()
    boxes = [await tab.locator(".face").nth(at).bounding_box() for at in range(3)]
    scale = await tab.evaluate(
        "(() => { const one = document.querySelector('.picture img');"
        " return Math.min(1, one.clientWidth / one.naturalWidth) * one.naturalWidth })()"
    )
    assert image
    for at, box in enumerate(boxes):
        assert box
        middle = image["x"] + image["width"] / 2 + (left_of(at) - 0.5) * scale
        assert abs(box["x"] - middle) < 2
    await tab.locator(".face summary").nth(2).focus()
    await tab.keyboard.press("Enter")
    await expect(tab.locator(".face [open] input[name=name]")).to_be_focused()
    await tab.keyboard.press("Escape")
    await expect(tab.locator(".face [open]")).to_have_count(0)
    await expect(tab.locator(".face summary").nth(2)).to_be_focused()
    assert await visit.path() == PHOTO, "Escape closes the form, and does not leave the photo"
    await tab.keyboard.press("Enter")
    await tab.keyboard.type("Carla")
    await tab.keyboard.press("Enter")
    await expect(tab.locator(".face .who")).to_have_text(["Anna", "Ben", "Carla"])
    await expect(tab.locator(".face summary").nth(2)).to_be_focused()
    await expect(tab.locator(".show-faces .told")).to_have_text("Carla · A face was named.")
    await expect(tab.locator(".about .facts")).to_contain_text("Carla")
    await tab.get_by_role("button", name="Undo").click()
    await expect(tab.locator(".face .who")).to_have_text(["Anna", "Ben", "?"])
    await tab.locator("#show-faces").click()
    await expect(tab.locator("#faces")).to_have_count(0)


@pytest.mark.parametrize("visit", [WITHOUT_SCRIPT], indirect=True)
async def test_without_the_script(visit: Visit) -> None:
    tab = await visit.go(PHOTO)
    await tab.locator("#show-faces").click()
    await tab.locator(".face summary").nth(2).click()
    await tab.locator(".face [open] input[name=name]").fill("Carla")
    await tab.keyboard.press("Enter")
    await expect(tab.locator(".face .who")).to_have_text(["Anna", "Ben", "Carla"])
    await tab.get_by_text("Back to the photo").click()
    assert await visit.path() == PHOTO
