"""What the page says of photos that another model has described, and its button that has them described again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from captioner import read_model_name
from indexer.model import CaptionPlace, JobKind
from tests.web.api.test_metrics import read
from tests.web.conftest import Page, StartPage
from tests.web.library_made import MadePhoto, many
from tests.web.pages.test_corrections import CROSS_SITE, settle_words

CURRENT, _ = read_model_name()
OWN = MadePhoto("own.jpg", model=CURRENT)
BUTTON = '<form action="/status/captions" method="post">'


@pytest.fixture
async def page(start_page: StartPage) -> Page:
    """Twelve photos by another model than the one in use, and one by that."""
    return await start_page([*many(12), OWN])


async def post(page: Page, url: str = "/status/captions", **request: Any) -> tuple[int, str]:
    async with page.post(url, allow_redirects=False, **request) as response:
        return response.status, response.headers.get("Location", "")


def queued(page: Page) -> int:
    return page.storage.catalogue.queue.queued(JobKind.CAPTION)


async def test_the_status_page_says_how_many_by_which_and_what_to_do(page: Page) -> None:
    body = await page.text("/status")
    assert f"12 photos were described by another model than <bdi>{CURRENT}</bdi>, which is in use now." in body
    assert "12 by <bdi>test-1</bdi>" in body
    assert BUTTON in body
    assert "Describe them again now" in body
    assert "<code>recollect reindex --captions</code>" in body
    assert "The setting <code>recaption_hours</code>, such as <code>22-6</code>" in body


async def test_it_says_so_in_german(start_page: StartPage) -> None:
    page = await start_page([*many(2)], recaption_hours="22-6")
    body = await page.text("/status", headers={"Accept-Language": "de"})
    assert f"2 Fotos wurden von einem anderen Modell beschrieben; jetzt ist <bdi>{CURRENT}</bdi> in Gebrauch." in body
    assert "Jetzt neu beschreiben" in body
    assert "Zwischen 22:00 und 06:00 Uhr werden sie von selbst neu beschrieben." in body


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        ("22-6", "They are described again by themselves between 22:00 and 06:00."),
        ("0-24", "They are described again by themselves when there is nothing else to do."),
    ],
)
async def test_it_says_when_that_happens_by_itself(start_page: StartPage, hours: str, said: str) -> None:
    page = await start_page([*many(1)], recaption_hours=hours)
    body = await page.text("/status")
    assert said in body
    assert "recaption_hours" not in body


async def test_nothing_is_said_where_there_are_none(start_page: StartPage) -> None:
    page = await start_page([OWN])
    assert "another model" not in await page.text("/status")
    assert (await read(page))["recollect_photos_by_other_models"] == 0


async def test_the_button_queues_what_reindex_queues(start_page: StartPage) -> None:
    woken: list[str] = []
    page = await start_page([*many(12), OWN], wake=lambda: woken.append("woken"))
    photo_id = page.storage.catalogue.photo_ids()[0]
    page.storage.catalogue.corrections.correct(photo_id, "grandmother")
    settle_words(page, CaptionPlace.INDEX, "the disk was full")
    assert await post(page) == (303, "/status?described=12")
    assert (queued(page), page.storage.catalogue.queue.queued(JobKind.WRITE_CAPTION), woken) == (12, 1, ["woken"])
    body = await page.text("/status?described=12")
    assert '<p role="status">12 files were put into the queue to be described again.</p>' in body
    assert "12 files wait for their turn." in body
    assert BUTTON not in body, "there is no more to ask for"
    assert await post(page) == (303, "/status?described=0")
    assert woken == ["woken"]
    assert "There was nothing more to put into the queue." in await page.text("/status?described=0")


async def test_the_button_stays_while_only_some_are_queued(page: Page) -> None:
    """As at night, when they are queued a portion at a time."""
    page.storage.catalogue.queue.enqueue_other_models(CURRENT, limit=5)
    body = await page.text("/status")
    assert "5 files wait for their turn." in body
    assert BUTTON in body
    assert await post(page) == (303, "/status?described=7")


async def test_once_all_are_done_the_page_says_so(start_page: StartPage) -> None:
    page = await start_page([OWN])
    body = await page.text("/status?described=12")
    assert f"Nothing is left that another model than <bdi>{CURRENT}</bdi> has described." in body
    assert "another model" not in await page.text("/status?described=x")


@pytest.mark.parametrize("headers", CROSS_SITE)
async def test_another_site_can_t_start_it(page: Page, headers: dict[str, str]) -> None:
    for url in ("/status/captions", "/api/status/captions"):
        assert (await post(page, url, headers=headers))[0] == 403
    assert queued(page) == 0


async def test_nobody_starts_it_without_signing_in(start_page: StartPage) -> None:
    page = await start_page([*many(2)], password="correct horse")
    assert (await post(page, "/api/status/captions"))[0] == 401
    status, target = await post(page)
    assert (status, target.partition("?")[0]) == (303, "/login")
    assert queued(page) == 0


async def test_the_api_tells_and_starts_the_same(page: Page) -> None:
    answer = (await page.json("/api/status"))["caption_models"]
    assert answer == {"current": CURRENT, "own": 1, "others": {"test-1": 12}, "by_others": 12, "queued": 0}
    async with page.post("/api/status/captions") as response:
        assert await response.json() == {"captions": 12, "corrections": 0}
    assert (await page.json("/api/status"))["caption_models"]["queued"] == queued(page) == 12


async def test_programs_that_watch_are_told(page: Page) -> None:
    assert (await read(page))["recollect_photos_by_other_models"] == 12


async def test_a_model_that_can_t_be_read_starts_nothing(start_page: StartPage, tmp_path: Path) -> None:
    page = await start_page([*many(2)], bundle=tmp_path / "nowhere")
    assert BUTTON not in await page.text("/status?described=3")
    assert (await post(page))[0] == 503
    assert (await page.json("/api/status"))["caption_models"] is None
    assert "recollect_photos_by_other_models" not in await read(page)
    assert queued(page) == 0
