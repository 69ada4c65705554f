"""Answers that are kept are those that would be made anew, and are not made again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from aiohttp.test_utils import TestClient, TestServer

from indexer.catalogue import Catalogue
from indexer.search import SearchDocument
from indexer.search.documents import document
from tests.web.conftest import IDLE, Page, StartPage
from tests.web.library_made import add_photos, content_key, many, push
from tests.web.served import ROOMY, Serve
from web.app import make_app
from web.app_keys import COUNTS
from web.pages.fragment_cache import FRAGMENT_CACHE, Fragment, FragmentCache, Key

_ADDRESSES = (
    "/?q=dog&part=results",
    "/?q=dog&part=tiles&page=1",
    "/?q=dog&part=beginning",
    "/?part=rest",
    "/?q=dog&part=filters",
    "/?q=dog&part=timeline",
    "/?q=dog",
    "/?q=dog&select=1",
    "/?q=xylophone&part=results",
    "/",
)


def key(text: str, **other: str) -> Key:
    return replace(Key("results", (("q", text),), "en en_GB", date(2024, 2, 29)), **other)


def test_no_more_is_kept_than_there_is_room_for_and_what_was_asked_last_stays() -> None:
    kept = FragmentCache(10_000)
    for number in range(100):
        kept.put(key(f"{number}"), 1, bytes(1000))
        kept.get(key("0"), 1)
        assert kept.size_bytes <= 10_000
    assert kept.get(key("0"), 1) == bytes(1000)
    assert kept.get(key("99"), 1) == bytes(1000)
    assert kept.get(key("50"), 1) is None
    kept.put(key("0"), 1, b"anew")
    assert kept.get(key("0"), 1) == b"anew"
    kept.put(key("large"), 1, bytes(20_000))
    assert kept.get(key("large"), 1) is None
    assert kept.get(key("0"), 1) == b"anew"


def test_long_questions_count_as_well() -> None:
    kept = FragmentCache(10_000)
    for number in range(100):
        kept.put(key("x" * 400 + str(number)), 1, b"")
        assert kept.size_bytes <= 10_000
    assert kept.get(key("x" * 400 + "90"), 1) is None


def test_nothing_of_another_edition_language_form_or_day_is_given() -> None:
    kept = FragmentCache()
    kept.put(key("dog"), 1, b"one")
    others = (key("dogs"), key("dog", part="tiles"), key("dog", language="de de_DE"))
    assert all(kept.get(other, 1) is None for other in others)
    assert kept.get(replace(key("dog"), day=date(2024, 3, 1)), 1) is None
    assert kept.get(key("dog"), 2) is None
    kept.put(key("cat"), 2, b"two")
    assert kept.get(key("dog"), 1) is None
    assert kept.get(key("cat"), 2) == b"two"


async def test_what_was_asked_before_is_not_searched_again(serve: Serve) -> None:
    served = await serve(ROOMY, *many(3), behind={"search": "search"})
    gated = served.stores["search"]
    gated.gate.set()
    bodies = set()
    for _ in range(3):
        for path in ("/?q=dog&part=results", "/?part=results&q=dog", "/?q=dog"):
            async with served.request("GET", path) as response:
                assert response.status == 200
                assert response.headers["Content-Type"] == "text/html; charset=utf-8"
                bodies.add(await response.text()) if "part" in path else await response.text()
    assert len(gated.asked) == 1
    assert len(bodies) == 1
    async with served.request("GET", "/?q=dog&part=results", headers={"Accept-Encoding": "identity"}) as response:
        assert "Content-Encoding" not in response.headers
        assert {await response.text()} == bodies
    assert len(gated.asked) == 1


async def asked_of(client: TestClient, path: str) -> tuple[int, str]:
    async with client.get(path, headers={"Accept": "text/html"}) as response:
        return response.status, await response.text()


async def assert_as_if_made_anew(page: Page, what: str) -> None:
    """Every address says what a page says that has only just been started."""
    assert page.app is not None
    page.app[COUNTS].invalidate()  # numbers of the whole library are up to two seconds old
    app = make_app(
        page.settings,
        catalogue=page.storage.catalogue,
        thumbnails=page.storage.thumbnails,
        search=page.storage.search,
        progress=lambda: IDLE,
    )
    async with TestClient(TestServer(app)) as fresh:
        for path in _ADDRESSES:
            assert await asked_of(page, path) == await asked_of(fresh, path), (path, what)


@pytest.mark.slow
async def test_no_change_of_the_library_is_ever_missed(page: Page) -> None:
    """Whichever of the two databases it reaches first, and whichever process makes it."""
    chance, storage = random.Random(7), page.storage
    ids = [content_key(photo.name) for photo in many(12)]
    with Catalogue(page.settings.catalogue_path) as other_process:
        changes: tuple[Callable[[Catalogue, str], object], ...] = (
            lambda catalogue, one: catalogue.corrections.correct(one, f"a dog, number {chance.random()}"),
            lambda catalogue, one: catalogue.corrections.withdraw(one),
            lambda catalogue, one: catalogue.feedback.mark_wrong(one),
            lambda catalogue, one: catalogue.feedback.unmark_wrong(one),
            lambda catalogue, one: catalogue.feedback.change_words(
                one, add=[chance.choice(["dog", "xylophone", "cat"])]
            ),
            lambda catalogue, one: push(storage),
            lambda catalogue, one: storage.search.delete([one]),
            lambda catalogue, one: storage.search.put([_document(storage.catalogue, one)]),
        )
        for step in range(40):
            change = chance.choice(changes)
            change(chance.choice((storage.catalogue, other_process)), chance.choice(ids))
            # A large library may show its photos after they were searched: sometimes nobody asked in between.
            if chance.random() < 0.7:
                await assert_as_if_made_anew(page, f"after step {step}")


def _document(catalogue: Catalogue, photo_id: str) -> SearchDocument:
    photo = catalogue.photo(photo_id)
    assert photo is not None
    return document(photo)


@pytest.mark.slow
async def test_new_photos_are_seen_at_once(page: Page) -> None:
    await assert_as_if_made_anew(page, "before")
    add_photos(page.storage, page.settings, [replace(photo, name=f"new {photo.name}") for photo in many(3)])
    await assert_as_if_made_anew(page, "after")


@pytest.mark.slow
@pytest.mark.parametrize("language", ["de", "en-US", "fr", "ja"])
async def test_readers_of_other_languages_are_not_given_these(page: Page, language: str) -> None:
    english = await page.text("/?q=dog&part=timeline", headers={"Accept-Language": "en-GB"})
    other = await page.text("/?q=dog&part=timeline", headers={"Accept-Language": language})
    again = await page.text("/?q=dog&part=timeline", headers={"Accept-Language": "en-GB"})
    assert english == again
    assert (english == other) == (language == "en-US")


async def test_a_wrong_filter_and_a_search_that_finds_nothing_are_not_kept(start_page: StartPage) -> None:
    page = await start_page(list(many(2)))
    for path in ("/?q=camera:&part=results", "/?q=xylophone&part=results"):
        for _ in range(2):
            async with page.get(path) as response:
                assert response.status in {200, 400}
    assert page.app is not None
    assert page.app[FRAGMENT_CACHE].size_bytes == 0


async def test_who_leaves_in_the_middle_of_a_search_is_not_read_photos_for(serve: Serve) -> None:
    served = await serve(ROOMY, *many(3), behind={"search": "search", "catalogue": "summaries"})
    searching, reading = served.stores["search"], served.stores["catalogue"]
    reading.gate.set()
    _, writer = await served.connection()
    writer.write(b"GET /?part=results HTTP/1.1\r\nHost: localhost\r\n\r\n")  # for all three photos
    await _until(lambda: len(searching.asked) == 1)
    writer.close()
    await _until(lambda: not served.visitors)
    async with served.request("GET", "/manifest.webmanifest") as response:  # by then his question has been told
        assert response.status == 200
    searching.gate.set()
    # Two threads search; what comes after the one that was left is told when both have been free.
    for word in ("cat", "bird", "boat"):
        async with served.request("GET", f"/?q={word}&part=results") as response:
            await response.read()
    async with served.request("GET", "/?q=dog+beach&part=results") as response:
        assert response.status == 200
    asked = [query.words for query, *_ in searching.asked]
    assert (asked[0], len(asked)) == ((), 5)
    assert sorted(len(ids) for (ids,) in reading.asked) == [1, 1]


async def test_what_several_ask_at_once_is_made_once_for_those_who_stay(serve: Serve) -> None:
    served = await serve(ROOMY, *many(3), behind={"search": "search"})
    gated = served.stores["search"]
    visitors = [await served.connection() for _ in range(4)]
    for _, writer in visitors:
        writer.write(b"GET /?q=dog&part=results HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    await _until(lambda: len(gated.asked) == 1 and served.visitors == 4)
    async with served.request("GET", "/manifest.webmanifest") as response:  # by then all four have been told
        assert response.status == 200
    for _, writer in visitors[:2]:  # the one who asked first, too
        writer.close()
    await _until(lambda: served.visitors == 3)  # with the one of the manifest
    gated.gate.set()
    for reader, writer in visitors[2:]:
        answer = await reader.read(-1)
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b'class="tile ' in answer
        writer.close()
    assert len(gated.asked) == 1


async def test_who_comes_when_the_last_one_has_left_is_answered(serve: Serve) -> None:
    served = await serve(ROOMY, *many(3), behind={"search": "search"})
    gated = served.stores["search"]
    for number in range(5):
        _, writer = await served.connection()
        writer.write(b"GET /?q=dog&part=results HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await _until(lambda number=number: len(gated.asked) == min(number + 1, 2))  # type: ignore[misc]
        writer.close()
    gated.gate.set()
    async with served.request("GET", "/?q=dog&part=results") as response:
        assert 'class="tile ' in await response.text()


async def test_what_goes_wrong_goes_wrong_for_all_and_is_tried_again() -> None:
    kept, gate = FragmentCache(), asyncio.Event()

    async def fail() -> Fragment:
        await gate.wait()
        raise RuntimeError("once")

    async def succeed() -> Fragment:
        return Fragment(b"")

    asking = [asyncio.ensure_future(kept.render_once(key("dog"), 1, fail)) for _ in range(3)]
    await asyncio.sleep(0)
    gate.set()
    assert [str(error) for error in await asyncio.gather(*asking, return_exceptions=True)] == ["once"] * 3
    assert await kept.render_once(key("dog"), 1, succeed) == Fragment(b"")


async def _until(state: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not state():
            await asyncio.sleep(0.01)
