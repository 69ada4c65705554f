"""The status page: what was set aside and tried again, the model, search that does not answer, the disk."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from captioner import read_model_name
from indexer.atomic.file_read import stamp_of
from indexer.errors import SearchError
from indexer.model import IN_ANSWERING_INDEX, FoundFile
from tests.libraries import note_one
from tests.reasons_made import reason_saying
from tests.web.conftest import Page, StartPage
from tests.web.library_made import MadePhoto, content_key, many
from tests.web.pages.test_corrections import CROSS_SITE

HOSTILE = "broken <b>.jpg"


def set_aside(page: Page, *names: str) -> list[int]:
    """Files that were given up; their ids, the latest first."""
    catalogue, root = page.storage.catalogue, page.settings.photos[0]
    for name in names:
        (root / name).write_bytes(b"no picture")
        note_one(catalogue, FoundFile(root, root / name, stamp_of((root / name).stat())))
    for job in catalogue.queue.claim(9):
        catalogue.queue.fail(job, reason_saying("it is <i>damaged</i>"), kind="unreadable", final=True)
    return [one.id for one in catalogue.queue.set_aside()]


def queued(page: Page) -> list[str]:
    catalogue = page.storage.catalogue
    jobs = catalogue.queue.claim(9)
    catalogue.queue.release(jobs)
    return sorted(job.file.path.name for job in jobs)


async def post(page: Page, **fields: str) -> tuple[int, str]:
    data = fields or {"all": "yes"}
    async with page.post("/status/retry", data=data, allow_redirects=False) as response:
        return response.status, response.headers.get("Location", "")


async def test_one_file_is_tried_again(page: Page) -> None:
    ids = set_aside(page, HOSTILE, "other.jpg")
    body = await page.text("/status")
    assert "broken &lt;b&gt;.jpg" in body
    assert "it is &lt;i&gt;damaged" in body
    assert f'name="id" value="{ids[0]}"' in body
    assert "Try all again" in body
    assert await post(page, id=str(ids[0])) == (303, "/status?retried=1")
    body = await page.text("/status?retried=1")
    assert "1 file is tried again." in body
    assert "1 file could not be indexed. Everything else goes on without it." in body
    assert len(queued(page)) == 1


async def test_all_files_are_tried_again(page: Page) -> None:
    set_aside(page, HOSTILE, "other.jpg")
    assert await post(page) == (303, "/status?retried=2")
    assert queued(page) == [HOSTILE, "other.jpg"]
    assert await post(page) == (303, "/status?retried=0")
    assert "There was nothing to try again." in await page.text("/status?retried=0")


@pytest.mark.parametrize("text", ["x", "-1", "1e3", "9" * 19, "٣"])
async def test_what_is_no_number_is_a_400_and_says_nothing(page: Page, text: str) -> None:
    assert (await post(page, id=text))[0] == 400
    assert "tried again." not in await page.text("/status", params={"retried": text})


async def test_the_api_tries_again_and_names_what_was_set_aside(page: Page) -> None:
    first, second = set_aside(page, HOSTILE, "other.jpg")
    assert [one["id"] for one in (await page.json("/api/status"))["set_aside"]] == [first, second]
    for body, number in (({"ids": [second]}, 1), ({"ids": [second, 7777]}, 0), ({}, 1)):
        async with page.post("/api/status/retry", json=body) as response:
            assert await response.json() == {"retried": number}
    for wrong in ({"ids": "all"}, {"ids": [True]}, {"ids": ["1"]}, {"ids": [2**70]}):
        async with page.post("/api/status/retry", json=wrong) as response:
            assert response.status == 400


@pytest.mark.parametrize("headers", CROSS_SITE)
async def test_another_site_can_t_try_anything(page: Page, headers: dict[str, str]) -> None:
    set_aside(page, HOSTILE)
    for url in ("/status/retry", "/api/status/retry"):
        async with page.post(url, headers=headers, allow_redirects=False) as response:
            assert response.status == 403
    assert queued(page) == []


async def test_whoever_is_indexing_hears_of_it_at_once(start_page: StartPage) -> None:
    woken: list[str] = []
    page = await start_page([], wake=lambda: woken.append("woken"))
    await post(page)
    assert woken == []
    set_aside(page, HOSTILE)
    await post(page)
    assert woken == ["woken"]


async def test_the_model_and_those_before_it(start_page: StartPage) -> None:
    page = await start_page([MadePhoto("a.jpg", model="<b>older</b>"), MadePhoto("b.jpg", model="<b>older</b>")])
    page.storage.catalogue.feedback.mark_wrong(content_key("a.jpg"))
    body = await page.text("/status")
    model, _ = read_model_name()
    assert f'<bdi>{model}</bdi> <span class="quiet">has described 0 photos' in body
    assert "2 by <bdi>&lt;b&gt;older&lt;/b&gt;</bdi>" in body
    assert "1 marked as wrong" in body


async def test_a_model_that_can_t_be_used_is_told(start_page: StartPage, tmp_path: Path) -> None:
    page = await start_page([], bundle=tmp_path / "nowhere")
    assert "can&#39;t be used" in await page.text("/status")


async def test_search_that_does_not_answer_says_why(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    def count() -> int:
        raise SearchError("nobody listens on <port> 7700", hint="is Meilisearch running?")

    monkeypatch.setattr(page.storage.search, "count", count)
    body = await page.text("/status")
    assert "embedded does not answer" in body
    assert "nobody listens on &lt;port&gt; 7700<br>is Meilisearch running?" in body


async def test_nobody_waits_for_a_silent_search_server(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    answered, asked = threading.Event(), 0

    def count() -> int:
        nonlocal asked
        asked += 1
        answered.wait()
        return 7

    monkeypatch.setattr(page.storage.search, "count", count)
    try:
        for path in ("/status", "/status?part=status"):
            assert "it has not answered yet" in await page.text(path)
        assert 'recollect_search_up{backend="embedded"} 0' in await page.text("/metrics")
        assert asked == 1
    finally:
        answered.set()
    while "7 photos can be found" not in await page.text("/status"):
        assert asked < 9


@pytest.mark.slow
async def test_while_a_second_index_is_filled_photos_are_found_in_the_first(
    start_page: StartPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 40 photos the new index has 10, and one has changed since: 39 are found, 29 of them in the old one."""
    page = await start_page(list(many(40)))
    catalogue = page.storage.catalogue
    photos = catalogue.photos(catalogue.photo_ids())
    held = [(photo.id, photo.revision if place < 10 else IN_ANSWERING_INDEX) for place, photo in enumerate(photos)]
    catalogue.outbox.reconcile(held, lambda _: None)
    catalogue.corrections.correct(photos[-1].id, "our own words")
    monkeypatch.setattr(page.storage.search, "count", lambda: 10)
    counts = catalogue.counts()
    assert (counts.unpushed, counts.refilling, counts.not_found_yet, counts.not_searchable(10)) == (30, 29, 1, 1)
    body = await page.text("/status")
    assert "39 photos can be found, 1 on their way" in body
    assert "A new search index is being filled beside the one that answers: 29 photos to go" in body
    assert "The search index is being made" not in body + await page.text("/")


@pytest.mark.slow
async def test_what_search_refuses_leads_to_the_photo(start_page: StartPage) -> None:
    page = await start_page(list(many(1)))
    [photo] = page.storage.catalogue.photos(page.storage.catalogue.photo_ids())
    page.storage.catalogue.outbox.mark_pushed(
        [], refused=[(photo.id, photo.revision, reason_saying("it has <b>4,000</b> fields"))]
    )
    body = await page.text("/status")
    assert f'<a href="/photo/{photo.id}"><bdi>photo 0000.jpg</bdi></a>' in body
    assert "it has &lt;b&gt;4,000&lt;/b&gt; fields" in body
    assert "1 refused" in body
