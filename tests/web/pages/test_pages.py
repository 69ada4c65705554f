"""The pages without the script: every state that a family meets."""

from __future__ import annotations

import asyncio
import re
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from captioner import read_model_name
from indexer.atomic.file_read import stamp_of
from indexer.errors import SearchError
from indexer.model import CaptionBy, DatePrecision, FileCaption, FoundFile, PhotoMetadata, Position
from indexer.progress import Phase, Progress
from indexer.search import Answer, FacetCount, Query, SearchDocument
from tests.libraries import note_one
from tests.reasons_made import reason_saying
from tests.towers_made import tower_bundle
from tests.web.conftest import IDLE, Page, StartPage
from tests.web.library_made import TAKEN, MadePhoto, content_key, made_library, many, titled
from web.app import make_app


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.append({name: value or "" for name, value in attrs})


def links(html: str, having: str = "") -> list[str]:
    """The addresses of the page's links that have `having` among their attributes' values."""
    parser = _Links()
    parser.feed(html)
    return [link["href"] for link in parser.found if not having or having in " ".join(link.values())]


def assert_error_page(html: str, status: int) -> None:
    """The house's own error page, with a way on."""
    assert f'<p class="quiet">{status}</p>' in html
    assert 'href="/"' in html
    assert "Traceback" not in html


async def test_the_front_page_shows_every_photo_newest_first(page: Page) -> None:
    html = await page.text("/")
    assert html.count('class="tile ') == 12
    assert "12 photos" in html
    months = re.findall(r'<time datetime="(\d{4}-\d\d)">', html)
    assert months == sorted(set(months), reverse=True)
    assert len(re.findall(r'<div class="begins k-?\d+"><h2 class="month">', html)) == len(months)


async def test_a_search_finds_marks_and_says_what_was_searched(page: Page) -> None:
    html = await page.text("/?q=dog")
    assert html.count('class="tile ') == 3
    assert "<mark>dog</mark>" in html
    assert "<title>dog \u2013 recollect</title>" in html
    assert 'value="dog"' in html
    assert '<h2 class="month">' not in html, "by relevance there are no months"


@pytest.mark.slow
async def test_no_script_or_style_stands_in_the_page(page: Page) -> None:
    for path in ("/", "/?q=dog", "/status", f"/photo/{content_key('2024/photo 0000.jpg')}"):
        html = await page.text(path)
        assert not re.search(r"<script(?! type=\"(?:module\" src=\"/static/|application/json\"))", html)
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|https?://", html)


@pytest.mark.slow
async def test_paging_without_the_script_meets_every_photo_once(start_page: StartPage) -> None:
    page = await start_page(list(many(130)))
    seen: list[str] = []
    address = "/"
    while address:
        html = await page.text(address)
        seen += re.findall(r'id="p-(\w+)"', html)
        address = next(iter(links(html, "next")), "")
    assert len(seen) == len(set(seen)) == 130
    headings = [re.findall(r'<time datetime="([\d-]+)">', await page.text(f"/?page={number}")) for number in (1, 2, 3)]
    together = [month for one in headings for month in one]
    assert together == sorted(set(together), reverse=True), "a month goes on over the edge without a second heading"


async def test_filters_are_links_with_counts_that_narrow_and_widen(page: Page) -> None:
    html = await page.text("/?q=dog")
    assert "/?q=dog+person%3AAnna" in links(html)
    narrowed = await page.text("/?q=dog+person%3AAnna")
    assert "/?q=dog" in links(narrowed, "chip")
    assert 'aria-current="true"' in narrowed


async def test_the_date_fields_become_filters_of_the_address(page: Page) -> None:
    async with page.get("/?q=dog+year:2019&from=2022-01-01&to=2022-12-31&sort=oldest", allow_redirects=False) as answer:
        assert answer.status == 303
        assert answer.headers["Location"] == "/?q=dog+after:2022-01-01+before:2023-01-01&sort=oldest"
    async with page.get("/?q=dog&from=&to=", allow_redirects=False) as answer:
        assert answer.headers["Location"] == "/?q=dog"
    assert_state(await page.text("/?q=dog&from=2022-99-99&to=9999-12-31", status=400), "not understood")


def assert_state(html: str, text: str) -> None:
    """A page that says why there are no photos, and leads on."""
    assert '<section class="state"' in html
    assert text in html
    assert links(html)


async def test_nothing_found_says_so_and_offers_near_words(page: Page) -> None:
    html = await page.text("/?q=xylophone+year:1999")
    assert_state(html, "Nothing found")
    assert "xylophone" in html
    assert "/?q=xylophone" in links(html), "the search without its filter"


async def test_a_wrong_filter_is_explained_with_the_right_one_as_a_link(page: Page) -> None:
    html = await page.text("/?q=dog+yaer:2019", status=400)
    assert_state(html, "not understood")
    assert "/?q=dog+year%3A2019" in links(html)


@pytest.mark.parametrize("query", ["sort=best", "page=0", "page=x", "page=99999999999999999999", "q=" + "x" * 501])
async def test_a_request_that_makes_no_sense_is_said_to(page: Page, query: str) -> None:
    assert_state(await page.text(f"/?{query}", status=400), "makes no sense")


async def test_a_page_past_the_end_and_an_odd_part_do_no_harm(page: Page) -> None:
    assert "/?page=999" in links(await page.text("/?page=1000"), "prev")
    assert "<!doctype html>" in await page.text("/?part=../../etc/passwd")


async def test_an_empty_library_says_how_to_add_photos(start_page: StartPage) -> None:
    page = await start_page()
    html = await page.text("/")
    assert_state(html, "No photos yet")
    assert str(page.settings.photos[0]) in html


@pytest.mark.slow
async def test_while_indexing_the_page_says_how_far_it_is(start_page: StartPage) -> None:
    progress = Progress(done=3, queued=4200, per_second=2.5, eta_s=1680, phase=Phase.INDEXING)
    page = await start_page((), progress=progress)
    assert_state(await page.text("/"), "Looking at your photos")
    started = await start_page((), progress=Progress(phase=Phase.STARTING))
    assert_state(await started.text("/"), "Looking at your photos")
    begun = await start_page(list(many(3)), progress=progress)
    html = await begun.text("/")
    assert "4,200 to go" in html
    assert "about 28 mins left" in html
    assert_state(await begun.text("/?q=xylophone"), "4,200 are to come")
    status = await begun.text("/status")
    assert "2.5 a second" in status
    assert "about 28 mins left" in status


@pytest.mark.parametrize(
    ("phase", "german"),
    [
        (Phase.PAUSED_QUIET, "Angehalten: Ruhezeit"),
        (Phase.PAUSED_HOT, "Angehalten: der Prozessor ist heiß"),
        (Phase.PAUSED_LOAD, "Angehalten: andere Programme brauchen den Prozessor"),
    ],
)
async def test_a_pause_says_why(start_page: StartPage, phase: Phase, german: str) -> None:
    page = await start_page(list(many(3)), progress=Progress(done=3, queued=4200, phase=phase))
    english = phase.value[0].upper() + phase.value[1:]
    for path in ("/", "/status"):
        assert english in await page.text(path)
        assert german in await page.text(path, headers={"Accept-Language": "de"})
    assert (await page.json("/api/status"))["progress"]["phase"] == phase.value


class DownSearch:
    """A search server that does not answer."""

    name = "down"
    batch = 256

    def _down(self) -> SearchError:
        return SearchError("nobody listens on port 7700", hint="start it")

    def prepare(self) -> None:
        raise self._down()

    def checkpoint(self) -> str:
        raise self._down()

    def held(self) -> Iterator[tuple[str, int]]:
        raise self._down()

    def complete(self) -> None:
        raise self._down()

    def data_version(self) -> str:
        return ""

    def search(self, query: Query, *, limit: int = 50, offset: int = 0) -> Answer:
        raise self._down()

    def facets(self, query: Query, names: Sequence[str], *, limit: int = 50) -> Mapping[str, tuple[FacetCount, ...]]:
        raise self._down()

    def similar(self, photo_id: str, *, limit: int = 20) -> Answer:
        raise self._down()

    def vocabulary(self, beginning: str, *, limit: int = 10) -> tuple[str, ...]:
        raise self._down()

    def count(self) -> int:
        raise self._down()

    def put(self, documents: Sequence[SearchDocument]) -> Mapping[str, str]:
        raise self._down()

    def delete(self, ids: Iterable[str]) -> None:
        raise self._down()

    def clear(self) -> None:
        raise self._down()

    def close(self) -> None:
        """There is nothing to close."""


async def test_a_search_that_is_down_is_said_to_be_and_photos_can_still_be_seen(settings, aiohttp_client) -> None:  # type: ignore[no-untyped-def]
    with made_library(settings, [MadePhoto("a.jpg")]) as storage:
        app = make_app(
            settings,
            catalogue=storage.catalogue,
            thumbnails=storage.thumbnails,
            search=DownSearch(),
            progress=lambda: IDLE,
        )
        client = await aiohttp_client(app)
        for path, status in (("/?q=dog", 503), ("/?q=dog&part=filters", 503), ("/api/search?q=dog", 503)):
            async with client.get(path) as response:
                assert response.status == status
        async with client.get(f"/photo/{content_key('a.jpg')}?q=dog&at=0") as response:
            assert response.status == 200
        async with client.get("/status") as response:
            assert "down does not answer" in await response.text()
        async with client.get("/api/status") as response:
            status = await response.json()
            assert (status["counts"]["photos"], status["search"]["photos"]) == (1, None)


class SilentSearch(DownSearch):
    """A search server that takes every request and keeps everybody waiting."""

    def __init__(self) -> None:
        self.asked, self.enough = threading.Semaphore(0), threading.Event()

    def _down(self) -> SearchError:
        self.asked.release()
        self.enough.wait()
        return super()._down()


async def test_a_search_that_is_silent_keeps_no_photo_and_no_picture_waiting(settings, aiohttp_client) -> None:  # type: ignore[no-untyped-def]
    search = SilentSearch()
    with made_library(settings, [MadePhoto("a.jpg")]) as storage:
        app = make_app(
            settings,
            catalogue=storage.catalogue,
            thumbnails=storage.thumbnails,
            search=search,
            progress=lambda: IDLE,
        )
        client = await aiohttp_client(app)
        waiting = [asyncio.create_task(client.get("/?q=dog")) for _ in range(9)]
        await asyncio.to_thread(search.asked.acquire)
        key = content_key("a.jpg")
        for path in (f"/thumbnails/{key}/grid.webp", f"/photo/{key}?q=dog&at=0", f"/api/photos/{key}"):
            async with client.get(path) as response:
                assert response.status == 200
        search.enough.set()
        assert {response.status for response in await asyncio.gather(*waiting)} == {503}


async def test_the_photo_page_tells_everything_known(start_page: StartPage) -> None:
    metadata = PhotoMetadata(
        mime_type="image/jpeg",
        width_px=400,
        height_px=300,
        taken_at=TAKEN,
        camera="Canon EOS 80D",
        lens="EF 50mm",
        exposure_s=1 / 125,
        f_number=2.0,
        position=Position(45.764, 4.8357, 170.0),
        rating=4,
        keywords=("holiday",),
        people=("Anna",),
    )
    page = await start_page([MadePhoto("Lyon/quay.jpg", "a boat on a river", 0.31, metadata=metadata)])
    html = await page.text(f"/photo/{content_key('Lyon/quay.jpg')}?q=boat&at=0")
    for text in (
        "<mark>boat</mark>",
        "not sure of this (31%)",
        "may well be wrong",
        "14 July 2021, 15:42",
        "UTC",
        "Canon EOS 80D",
        "1/125 s · f/2",
        "45.7640° N, 4.8357° E",
        "holiday",
        "Anna",
        "★★★★",
        '<a href="/?q=folder%3ALyon"><bdi>Lyon</bdi></a>/<bdi>quay.jpg</bdi>',
        "93%",
        "1 of 1",
    ):
        assert text in html, text
    assert "/?q=person%3AAnna" in links(html)
    assert "geo:45.764000,4.835700" in links(html)
    assert "/?q=place%3ALyon" in links(html, "chip")
    assert "/?q=place%3ALyon" in links(await page.text("/"))


async def test_a_match_by_meaning_says_so_on_every_page(start_page: StartPage, tmp_path: Path) -> None:
    bundle = tower_bundle(tmp_path / "bundle")
    model, _ = read_model_name(bundle)
    photo = MadePhoto("a.jpg", "two people on a beach", tags=(), embedding=(1.0, 0.0, 0.0, 0.0), model=model)
    page = await start_page([photo, replace(photo, name="b.jpg", caption="a towel")], bundle=bundle)
    html = await page.text("/?q=cove")
    assert "2 photos, all by their look" in html
    assert "picture <bdi>cove ≈ <mark>beach</mark></bdi> · looks like it" in html
    assert "<small>picture · looks like it</small>" in html
    assert "Left out" not in html
    assert "Did you mean" not in html
    assert "1 photo, by its look" in await page.text("/?q=cove+-towel")
    html = await page.text("/?q=beach")
    assert "2 photos, 1 by its look" in html
    assert html.count("looks like it") == 1  # where words match it goes without saying
    (address,) = [link for link in links(html, "tile") if content_key("a.jpg") in link]
    assert "looks like it" in await page.text(address)
    html = await page.text(f"/photo/{content_key('a.jpg')}?q=cove&at=0")
    assert '<span class="field">picture</span> <bdi>cove ≈ <mark>beach</mark></bdi> <em>looks like it</em>' in html
    assert "More like this" in html


async def test_what_the_model_is_not_sure_of_is_said(start_page: StartPage) -> None:
    page = await start_page([MadePhoto("a.jpg", "a boat on a lake", 0.39), MadePhoto("b.jpg", "a lake", 0.4)])
    html = await page.text("/?q=lake")
    assert html.count('<small class="unsure">not sure</small>') == 1
    assert 'alt="a boat on a lake (not sure)"' in html
    assert 'alt="a lake"' in html
    assert "The model is not sure of this (39%): it may well be wrong" in await page.text(
        f"/photo/{content_key('a.jpg')}"
    )
    html = await page.text(f"/photo/{content_key('b.jpg')}")
    assert "not sure" not in html
    assert "which is 40% sure" in html


async def test_a_person_s_words_are_shown_as_such(start_page: StartPage) -> None:
    photo = titled(
        MadePhoto("a.jpg", "a dog on a beach"),
        person_caption="Rex at the sea",
        machine_caption=FileCaption("a dog on a beach", by=CaptionBy.MODEL),
    )
    page = await start_page([photo])
    html = await page.text(f"/photo/{content_key('a.jpg')}")
    assert "Rex at the sea" in html
    assert "In a person" in html
    assert "The model would say: a dog on a beach" in html


async def test_leafing_follows_the_search_and_finds_its_place_again(page: Page) -> None:
    found = (await page.json("/api/search?q=dog"))["hits"]
    first, second, third = (hit["id"] for hit in found)
    html = await page.text(f"/photo/{second}?q=dog&at=1")
    assert f"/photo/{first}?q=dog&at=0" in links(html, "prev")
    assert f"/photo/{third}?q=dog&at=2" in links(html, "next")
    moved = await page.text(f"/photo/{third}?q=dog&at=0")
    assert "3 of 3" in moved, "photos came or went meanwhile"
    for query in ("q=dog&at=9", "q=cat&at=0", "q=dog&at=x", "q=yaer:1&at=0", "at=999999"):
        assert 'class="picture' in await page.text(f"/photo/{second}?{query}")


async def test_more_like_this_leads_to_other_photos(page: Page) -> None:
    key = content_key("2024/photo 0000.jpg")
    html = await page.text(f"/photo/{key}")
    alike = re.findall(r'id="p-(\w+)"', html)
    assert key not in alike


async def test_the_status_page_lists_what_was_set_aside_and_why(page: Page) -> None:
    assert "Every photo that was found could be read" in await page.text("/status")
    root = page.settings.photos[0]
    (root / "broken <b>.jpg").write_bytes(b"no picture")
    found = FoundFile(root, root / "broken <b>.jpg", stamp_of((root / "broken <b>.jpg").stat()))
    note_one(page.storage.catalogue, found)
    (job,) = page.storage.catalogue.queue.claim(1)
    page.storage.catalogue.queue.fail(job, reason_saying("it is <i>damaged</i>"), kind="unreadable", final=True)
    html = await page.text("/status?part=status")
    assert "<!doctype" not in html
    assert "broken &lt;b&gt;.jpg" in html
    assert "it is &lt;i&gt;damaged" in html
    status = await page.json("/api/status")
    assert status["set_aside"][0]["reason"] == "it is <i>damaged</i>"
    assert status["set_aside"][0]["attempts"] == 1


async def test_the_status_tells_what_search_refuses(page: Page) -> None:
    (first, *_) = page.storage.catalogue.photos(page.storage.catalogue.photo_ids())
    page.storage.catalogue.outbox.mark_pushed(
        (), refused=[(first.id, first.revision, reason_saying("it has <b>4,000</b> fields"))]
    )
    assert "1 refused" in await page.text("/status")
    status = await page.json("/api/status")
    assert status["counts"]["refused"] == 1
    assert status["search"]["refused"] == [{"id": first.id, "reason": "it has <b>4,000</b> fields", "code": "other"}]


async def test_a_library_that_is_not_there_is_said_to_be(page: Page) -> None:
    root = page.settings.photos[0]
    shutil.rmtree(root)
    root.mkdir()
    walk = page.storage.catalogue.scans.begin_scan(root)
    page.storage.catalogue.scans.finish_scan(walk)
    html = await page.text("/status")
    assert str(root) in html
    assert 'class="warning"' in html, "why nothing was deleted"
    assert (await page.json("/api/status"))["libraries"][0]["held_back"]


@pytest.mark.slow
async def test_errors_are_pages_for_people_and_json_for_programs(page: Page) -> None:
    assert_error_page(await page.text("/nowhere", status=404), 404)
    assert_error_page(await page.text(f"/photo/{'0' * 32}", status=404), 404)
    error = await page.json("/api/nowhere", status=404)
    assert error["error"]["status"] == 404
    error = await page.json("/nowhere", status=404, headers={"Accept": "application/json"})
    assert error["error"]["message"]
    async with page.post("/") as response:
        assert response.status == 405
        assert "GET" in response.headers["Allow"]


async def test_headers_stand_on_every_answer(page: Page) -> None:
    thumbnail = f"/thumbnails/{content_key('2024/photo 0000.jpg')}/grid.webp"
    for path in ("/", "/nowhere", "/api/search", "/static/recollect.js", thumbnail):
        async with page.get(path) as response:
            policy = response.headers["Content-Security-Policy"]
            assert "unsafe" not in policy
            assert "default-src 'none'" in policy
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["X-Frame-Options"] == "DENY"
            assert "Server" not in response.headers


@pytest.mark.slow
async def test_the_first_bytes_are_few(page: Page, start_page: StartPage) -> None:
    full = await start_page(list(many(60)))
    html = await full.text("/")
    paths = ["/", *re.findall(r'(?:href|src)="(/static/[^"]+)"', html)]
    total = 0
    for path in paths:
        async with full.get(path, headers={"Accept-Encoding": "gzip"}, auto_decompress=False) as response:
            total += len(await response.read())
    assert total < 60_000


async def test_static_files_are_kept_for_ever_by_their_content(page: Page) -> None:
    html = await page.text("/")
    for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', html):
        async with page.get(path) as response:
            assert "immutable" in response.headers["Cache-Control"]
            tag = response.headers["ETag"]
        async with page.get(path, headers={"If-None-Match": tag}) as response:
            assert response.status == 304
        async with page.get(path.partition("?")[0]) as response:
            assert "immutable" not in response.headers["Cache-Control"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "localhost.evil", "[::"]
)
async def test_a_rebound_name_opens_nothing_without_a_password(page: Page, host: str) -> None:
    async with page.get("/", headers={"Host": host}) as response:
        assert response.status in {400, 421}
        assert "tile" not in await response.text()


@pytest.mark.parametrize("host", ["localhost", "localhost:8765", "127.0.0.1:1", "[::1]:8765", "192.168.1.5"])
async def test_addresses_and_localhost_are_answered(page: Page, host: str) -> None:
    await page.text("/", headers={"Host": host})


@pytest.mark.parametrize(
    ("precision", "shown", "iso"),
    [
        (DatePrecision.YEAR, "1950", "1950"),
        (DatePrecision.MONTH, "January 1950", "1950-01"),
        (DatePrecision.DAY, "1 January 1950", "1950-01-01"),
    ],
)
async def test_no_more_of_a_date_is_shown_than_is_known(
    start_page: StartPage, precision: DatePrecision, shown: str, iso: str
) -> None:
    page = await start_page([titled(MadePhoto("a.jpg"), taken_at=datetime(1950, 1, 1), taken_precision=precision)])
    key = content_key("a.jpg")
    html = await page.text(f"/photo/{key}")
    assert f'<time datetime="{iso}">{shown}</time>' in html
    heading = shown.removeprefix("1 ")
    assert f'<h2 class="month"><time datetime="{iso[:7]}">{heading}</time></h2>' in await page.text("/")
    assert (await page.json(f"/api/photos/{key}"))["taken_at"] == iso
    assert (await page.json("/api/search?q=year:1950"))["total"] == 1
    assert (await page.json("/api/search?q=after:1950-01-01+before:1950-01-02"))["total"] == (
        1 if precision is DatePrecision.DAY else 0
    )
    line = await page.text("/?part=timeline")
    assert 'data-period="1950"' in line
    assert "1950-01" in line
