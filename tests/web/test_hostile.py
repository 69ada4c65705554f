"""What photos, file names and strangers may say: it is shown as text, or refused, and the page goes on."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.model import PhotoMetadata
from tests.web.conftest import Page, StartPage
from tests.web.library_made import TAKEN, MadePhoto, content_key, many

SCRIPT = "<script>alert(1)</script>"
BREAKOUT = "\"'><img src=x onerror=alert(1)>{{7919*7919}}"
NAME = f"{SCRIPT.replace('/', '')}/{BREAKOUT}.jpg"


def hostile_photo() -> MadePhoto:
    """Script tags in every field that a stranger can fill."""
    evil = SCRIPT + BREAKOUT
    metadata = PhotoMetadata(
        mime_type=f"image/{evil}",
        width_px=400,
        height_px=300,
        taken_at=TAKEN,
        camera=evil,
        lens=evil,
        title=evil,
        keywords=(evil, "javascript:alert(1)"),
        people=(evil,),
        rating=5,
    )
    return MadePhoto(NAME, f"dog {evil}", 0.5, ((evil, 0.9),), metadata)


@pytest.fixture
async def page(start_page: StartPage) -> Page:
    return await start_page([hostile_photo(), *many(2)])


def assert_harmless(html: str) -> None:
    """Nothing of the hostile texts has become markup, and no template was evaluated a second time."""
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert 'href="javascript:' not in html
    assert "62710561" not in html


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/?q=dog",
        "/?q=" + quote(SCRIPT + BREAKOUT),
        "/?part=results&q=dog",
        "/?part=filters",
        "/?part=tiles",
        "/?q=person:" + quote(BREAKOUT),
        "/?sort=" + quote(SCRIPT),
        "/?page=" + quote(BREAKOUT),
        f"/photo/{content_key(NAME)}",
        f"/photo/{content_key(NAME)}?q=dog&at=0",
        f"/photo/{content_key(NAME)}?q={quote(BREAKOUT)}&at=0",
        "/status",
        "/" + quote(SCRIPT),
        "/login?next=" + quote(BREAKOUT),
    ],
)
async def test_hostile_texts_stay_texts(page: Page, path: str) -> None:
    async with page.get(path) as response:
        assert response.status in {200, 400, 404}
        assert_harmless(await response.text())


async def test_hostile_texts_in_json_stay_strings(page: Page) -> None:
    for path in ("/api/search?q=dog", "/api/facets", f"/api/photos/{content_key(NAME)}", "/api/search?q=yaer:<script>"):
        async with page.get(path) as response:
            assert response.content_type == "application/json"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            json.loads(await response.text())


async def test_a_query_can_t_add_headers(page: Page) -> None:
    for query in ("q=%0d%0aX-Evil:1", "from=2020%0d%0aX-Evil:1&q=a", "q=a&from=&sort=%0d%0aX-Evil:1"):
        async with page.get(f"/?{query}", allow_redirects=False) as response:
            assert response.status in {200, 303, 400}
            assert "X-Evil" not in response.headers


async def raw(page: Page, request: bytes) -> bytes:
    """The answer to bytes that no client library would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", page.port)
    try:
        writer.write(request)
        await writer.drain()
        return await asyncio.wait_for(reader.read(1 << 16), 20)
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.0\r\nHost: localhost\r\n\r\n",
        b"GET /?q=\xff\xfe HTTP/1.0\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.0\r\nHost: evil.example\r\n\r\n",
        b"POST /login HTTP/1.0\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
    ids=["path", "header", "dots", "bytes", "no host", "proxy", "length", "tls"],
)
async def test_bytes_that_are_no_request_are_refused_and_the_page_goes_on(page: Page, request_bytes: bytes) -> None:
    answer = await raw(page, request_bytes)
    assert b" 500 " not in answer.partition(b"\r\n")[0]
    assert b"root:" not in answer
    assert 'class="tile' in await page.text("/")


@pytest.mark.slow
async def test_any_query_is_answered(start_page: StartPage) -> None:
    page = await start_page(list(many(3)))
    loop = asyncio.get_running_loop()

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.text(max_size=80))
    def ask(query: str) -> None:
        asked = page.get("/", params={"q": query.encode("utf-8", "replace").decode()})
        future = asyncio.run_coroutine_threadsafe(_status(asked), loop)
        assert future.result(30) in {200, 400}

    async def _status(asked) -> int:  # type: ignore[no-untyped-def]
        async with asked as response:
            assert_harmless(await response.text())
            return response.status

    await asyncio.to_thread(ask)
