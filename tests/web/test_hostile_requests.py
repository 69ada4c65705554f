"""What a scanner sends: wanderings, headers in values, too much of everything, bodies that lie, and every method."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from urllib.parse import quote

import pytest

from tests.web.library_made import MadePhoto, content_key, many
from tests.web.served import ROOMY, Serve, Served
from tests.web.test_hostile import BREAKOUT, SCRIPT, assert_harmless

pytestmark = pytest.mark.slow  # hundreds of requests

NAME = "2024/beach.jpg"
KEY = content_key(NAME)
INJECTED = "a\r\nX-Evil: 1\r\nSet-Cookie: evil=1\r\n\r\n<script>alert(1)</script>"
ADDRESSES = (
    "/",
    "/login",
    "/download",
    "/captions",
    "/api/download",
    "/status",
    "/health",
    "/metrics",
    "/static/recollect.js",
    f"/photo/{KEY}",
    f"/photo/{KEY}/caption",
    f"/photo/{KEY}/files/1",
    f"/thumbnails/{KEY}/grid.webp",
    "/api/search",
    "/api/facets",
    "/api/status",
    f"/api/photos/{KEY}",
    f"/api/photos/{KEY}/similar",
    f"/api/photos/{KEY}/caption",
    "/nowhere",
)
ANYTHING = (SCRIPT + BREAKOUT, INJECTED, "../../etc/passwd", "' OR 1=1 --", "\x00", "-1", "9" * 30, "%", "é" * 600)
PARAMETERS = ("q", "sort", "page", "pages", "part", "from", "to", "limit", "offset", "at", "next", "v", "save", "word")


@pytest.fixture
async def page(serve: Serve) -> Served:
    return await serve(ROOMY, MadePhoto(NAME), *many(3))


async def assert_well(page: Served, address: str, *, method: str = "GET", **request: object) -> None:
    """The answer is no fault of ours, carries our headers, and nothing that was sent came back as more than text."""
    sent = page.request(method, address, **request)
    async with sent as response:
        assert response.status < 500, (method, address)
        assert "X-Evil" not in response.headers
        assert "evil" not in response.cookies
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "unsafe" not in response.headers["Content-Security-Policy"]
        assert "Server" not in response.headers
        body = (await response.read()).decode("utf-8", "replace")
        if response.content_type == "text/html":
            assert_harmless(body)
        assert "Traceback" not in body
        assert "root:" not in body


@pytest.mark.parametrize("address", ADDRESSES)
async def test_every_parameter_may_hold_anything(page: Served, address: str) -> None:
    for value in (
        SCRIPT + BREAKOUT,
        INJECTED,
        "../../etc/passwd",
        "' OR 1=1 --",
        "\x00",
        "-1",
        "9" * 30,
        "%",
        "é" * 600,
    ):
        for name in PARAMETERS:
            await assert_well(page, f"{address}?{name}={quote(value, safe='')}")
    await assert_well(page, address + "?" + "&".join(f"q={number}" for number in range(300)))


@pytest.mark.parametrize("address", ADDRESSES)
async def test_every_method_is_answered(page: Served, address: str) -> None:
    for method in ("HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"):
        await assert_well(page, address, method=method)
        async with page.request(method, address) as response:
            # TRACE would send a visitor's cookies back to a script (cross-site tracing).
            assert method not in {"TRACE", "PROPFIND"} or response.status in {404, 405}


async def test_every_header_may_hold_anything(page: Served) -> None:
    for name in ("User-Agent", "Referer", "Accept", "Accept-Language", "Cookie", "Range", "If-None-Match", "If-Range",
                 "If-Modified-Since", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Origin",
                 "Accept-Encoding", "Content-Type", "Forwarded", "Remote-User"):  # fmt: skip
        for value in (
            SCRIPT + BREAKOUT,
            "é" * 500,
            "bytes=0-0," * 400,
            "../../etc/passwd",
            "=;=;=",
            '"' * 300,
            "a" * 7000,
        ):
            for address in ("/", f"/photo/{KEY}/files/1", f"/thumbnails/{KEY}/grid.webp"):
                await assert_well(page, address, headers={name: value})


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2f..%2fapp.py",
        "/static/%252e%252e%252fapp.py",
        "/static/..%c0%af..%c0%afetc/passwd",
        "/static/..;/app.py",
        f"/photo/{KEY}/files/1%2f..%2f..%2f..%2fetc%2fpasswd",
        f"/photo/{KEY}/files/1;.jpg",
        f"/photo/{KEY}/files/%31",
        f"/thumbnails/{KEY}%00/grid.webp",
        f"/thumbnails/{KEY}/grid.webp/../../../../etc/passwd",
        "//etc/passwd",
        "/\\..\\..\\etc\\passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/.git/config",
        "/.env",
        "/session.key",
        "/data/catalogue.db",
        "/api/../session.key",
        "/file:///etc/passwd",
    ],
)
async def test_wandering_leads_nowhere(page: Served, path: str) -> None:
    await assert_well(page, path)
    async with page.request("GET", path) as response:
        # A digit may be written as %31; it is the same file then.
        assert response.status == (200 if path.endswith("%31") else 404)


@pytest.mark.parametrize(
    "address", ["/login", f"/photo/{KEY}/caption", f"/api/photos/{KEY}/caption", "/download", "/api/download"]
)
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{" * 30_000, {"Content-Type": "application/json"}),
        (b'{"text": ' + b"9" * 20_000 + b"}", {"Content-Type": "application/json"}),
        (b'{"text": "\\ud800"}', {"Content-Type": "application/json"}),
        (b'{"text": NaN}', {"Content-Type": "application/json"}),
        (b"\xff\xfe{}", {"Content-Type": "application/json; charset=utf-16"}),
        (b"caption=" + b"%" * 20_000, {"Content-Type": "application/x-www-form-urlencoded"}),
        (b"&".join(b"a%d=b" % number for number in range(4000)), {"Content-Type": "application/x-www-form-urlencoded"}),
        (b"x" * 100_000, {"Content-Type": "application/x-www-form-urlencoded"}),
        (b"no gzip", {"Content-Type": "application/json", "Content-Encoding": "gzip"}),
        (b"no deflate", {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "deflate"}),
        (gzip.compress(bytes(50_000_000), mtime=0), {"Content-Type": "application/json", "Content-Encoding": "gzip"}),
        (b"", {"Content-Type": "application/json"}),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_bodies_that_lie_are_refused(page: Served, address: str, body: bytes, headers: dict[str, str]) -> None:
    for method in ("POST", "PUT"):
        await assert_well(page, address, method=method, data=body, headers=headers)
    async with page.request("GET", f"/api/photos/{KEY}") as response:
        assert (await response.json())["caption_by"] == "model"


PUT = f"PUT /api/photos/{KEY}/caption HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".encode()
CHUNKED = b"Transfer-Encoding: chunked\r\n"
GET = b"GET / HTTP/1.1\r\nConnection: close\r\n"
HOST = b"Host: localhost\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        PUT + CHUNKED + b"\r\nZZZ\r\n",
        PUT + CHUNKED + b'\r\n5\r\n{"tex\r\nZZ\r\n',
        PUT + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}{}{",
        PUT + b"Content-Length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
        PUT + b"Content-Length: -1\r\n\r\n",
        GET + HOST + b"Host: evil.example\r\n\r\n",
        GET + HOST + b"X-A\x00: b\r\n\r\n",
        GET + b"Host : localhost\r\n\r\n",
        GET + b"\r\n",
        GET + HOST + b"X-Many: a\r\n" * 5000 + b"\r\n",
        GET + HOST + b"X-Long: " + b"a" * 100_000 + b"\r\n\r\n",
        GET + HOST + b"<script>alert(1)</script>\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECTX / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
    ids=lambda sent: repr(sent[-30:]),
)
async def test_what_two_servers_might_read_differently_is_refused(
    page: Served, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await page.raw(sent)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b" ", 2)[1] == b"400", answer
    assert answer.count(b"HTTP/1.") == 1
    assert b"aiohttp" not in answer
    assert b"Python" not in answer
    assert b"X-Content-Type-Options: nosniff" in head
    assert b"<script>" not in body
    # A log that anybody can fill is a disk that anybody can fill.
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    await assert_well(page, "/")


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", INJECTED, "javascript:1"]
)
async def test_no_redirect_leads_to_another_site(serve: Serve, target: str) -> None:
    page = await serve(ROOMY, *many(1), password="correct horse")
    form = {"password": "correct horse", "next": target}
    async with page.request("POST", "/login", data=form) as response:
        assert response.status == 303
        assert response.headers["Location"] == "/"
        assert "X-Evil" not in response.headers
    for path in (f"//evil.example/?next={quote(target, safe='')}", f"/?from=2020&q={quote(target, safe='')}"):
        async with page.request("GET", path) as response:
            location = response.headers.get("Location", "/")
            assert location.startswith("/")
            assert not location.startswith("//")


async def test_many_at_once_are_all_answered(page: Served) -> None:
    async def ask(number: int) -> int:
        async with page.request("GET", f"/api/search?q=dog+{number}" + "+beach" * 60) as response:
            json.loads(await response.text())
            return response.status

    assert set(await asyncio.gather(*(ask(number) for number in range(100)))) == {200}
