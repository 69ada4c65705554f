"""The page on its port: visitors who come in crowds, slowly, or leave before the answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from aiohttp import ClientSession

from indexer.errors import SetupError
from indexer.settings import Settings
from tests.web.library_made import MadePhoto, content_key, many
from tests.web.served import IDLE, Gated, Serve
from tests.web.served import ROOMY as LONG
from web.app import make_app
from web.server import Limits, listening

pytestmark = pytest.mark.slow  # most of its tests wait for something

HEAD = b"GET /api/status HTTP/1.1\r\nHost: localhost\r\n"


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.01)


async def test_the_address_is_one_that_answers(serve: Serve) -> None:
    served = await serve(LONG, *many(1))
    async with ClientSession() as session, session.get(f"{served.address}/api/status") as response:
        assert response.status == 200


async def test_a_port_that_is_taken_is_about_the_set_up(serve: Serve, settings: Settings) -> None:
    served = await serve(LONG)
    changed = replace(settings, port=served.port)
    with pytest.raises(SetupError, match="can't be served"):
        async with listening(make_app(changed, **served.stores, progress=lambda: IDLE), changed):
            raise AssertionError("nobody listens twice")


@pytest.mark.parametrize("sent", [b"", b"GET", HEAD, HEAD + b"X-A: b\r\n", HEAD + b"\r\n" + HEAD], ids=len)
async def test_a_head_that_never_ends_is_not_waited_for(serve: Serve, sent: bytes) -> None:
    served = await serve(Limits(idle_s=0.5), *many(1))
    reader, writer = await served.connection()
    writer.write(sent)
    async with asyncio.timeout(60):
        answer = await reader.read(-1)  # to the end: the page closes the connection
    assert answer.count(b"HTTP/1.1 200") == sent.count(b"\r\n\r\n")
    writer.close()
    await until(lambda: not served.visitors)


async def test_a_head_that_drips_is_not_waited_for(serve: Serve) -> None:
    served = await serve(Limits(idle_s=0.5), *many(1))
    reader, writer = await served.connection()
    writer.write(HEAD)

    async def drip() -> None:
        while True:
            writer.write(b"X-Drop: a\r\n")
            await asyncio.sleep(0.05)

    dripping = asyncio.create_task(drip())
    async with asyncio.timeout(60):
        with suppress(ConnectionResetError):  # what drips on a connection that is closed already is answered so
            assert await reader.read(-1) == b""
    dripping.cancel()
    writer.close()


@pytest.mark.parametrize(
    ("line", "kind"),
    [("POST /login", "application/x-www-form-urlencoded"), ("PUT /api/photos/ID/caption", "application/json")],
)
async def test_a_body_that_never_comes_is_not_waited_for(serve: Serve, line: str, kind: str) -> None:
    photo, *_ = many(1)
    changes = {"password": "correct horse"} if "login" in line else {}
    served = await serve(LONG, photo, body_s=0.3, **changes)
    reader, writer = await served.connection()
    line = line.replace("ID", content_key(photo.name))
    writer.write(f"{line} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: 99\r\n\r\n{{".encode())
    async with asyncio.timeout(60):
        assert b" 408 " in await reader.readline()
    writer.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux's own")
async def test_an_answer_that_nobody_fetches_is_given_up(serve: Serve) -> None:
    photo = MadePhoto("large.jpg", data=bytes(32 << 20))
    served = await serve(Limits(idle_s=60, stall_s=1), photo)
    found = served.storage.catalogue.photo(content_key(photo.name))
    assert found is not None
    with socket.create_connection(("127.0.0.1", served.port)) as lazy:
        lazy.sendall(f"GET /photo/{found.id}/files/{found.files[0].id} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await until(lambda: served.visitors == 1)
        await until(lambda: not served.visitors)


async def test_a_crowd_from_one_address_leaves_room_for_others(serve: Serve) -> None:
    served = await serve(replace(LONG, per_address=3), *many(1))
    inside = [await served.connection() for _ in range(3)]
    await until(lambda: served.visitors == 3)
    reader, writer = await served.connection()
    answer = await reader.read(-1)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After" in answer
    writer.close()
    assert served.visitors == 3
    inside.pop()[1].close()
    await until(lambda: served.visitors == 2)
    async with ClientSession() as session, session.get(f"{served.address}/api/status") as response:
        assert response.status == 200
    for _, other in inside:
        other.close()


async def test_a_household_behind_a_proxy_is_not_one_visitor_but_has_an_end(serve: Serve) -> None:
    served = await serve(replace(LONG, per_address=1, connections=3), trusted_proxies="127.0.0.1")
    inside = [await served.connection() for _ in range(3)]
    await until(lambda: served.visitors == 3)
    reader, writer = await served.connection()
    assert (await reader.read(-1)).startswith(b"HTTP/1.1 503 ")
    for _, other in (*inside, (reader, writer)):
        other.close()
    await until(lambda: not served.visitors)


async def test_a_thousand_requests_sent_ahead_are_answered_in_order(serve: Serve) -> None:
    served = await serve(LONG, *many(1))
    reader, writer = await served.connection()
    writer.write((HEAD + b"\r\n") * 999 + HEAD + b"Connection: close\r\n\r\n")
    async with asyncio.timeout(120):
        answer = await reader.read(-1)
    assert answer.count(b"HTTP/1.1 200 OK") == 1000
    writer.close()


async def test_what_nobody_waits_for_any_more_is_not_searched(serve: Serve) -> None:
    served = await serve(LONG, *many(3), behind={"search": "search"})
    gated = served.stores["search"]
    visitors = []
    for word in ("one", "two", "three", "four"):
        _, writer = await served.connection()
        writer.write(f"GET /api/search?q={word} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        visitors.append(writer)
        # Two are being searched, one thread each; the others wait for a thread.
        await until(lambda: len(gated.asked) == min(len(visitors), 2) and served.visitors == len(visitors))
    visitors[2].close()
    await until(lambda: served.visitors == 3)
    gated.gate.set()
    await until(lambda: len(gated.asked) == 3)
    for writer in visitors:
        writer.close()
    await until(lambda: not served.visitors)
    asked = [query.words for (query, *_) in gated.asked]
    assert sorted(asked) == [("four",), ("one",), ("two",)]


async def test_what_somebody_changed_is_changed_though_he_left(serve: Serve) -> None:
    photo, *_ = many(1)
    served = await serve(LONG, photo)
    gated, key = Gated(served.storage.catalogue.corrections, "correct"), content_key(photo.name)
    served.storage.catalogue.corrections = gated  # type: ignore[assignment]
    _, writer = await served.connection()
    body = b'{"text": "our cat"}'
    head = f"PUT /api/photos/{key}/caption HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await until(lambda: len(gated.asked) == 1)
    writer.close()
    await until(lambda: not served.visitors)
    assert not served.woken
    gated.gate.set()
    await until(lambda: bool(served.woken))  # the last of what a correction does
    found = served.storage.catalogue.photo(key)
    assert found is not None
    assert found.caption == "our cat"


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


async def answer(host: str, port: int) -> int:
    async with ClientSession() as session, session.get(f"http://{host}:{port}/login") as response:
        return response.status


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("host", ["::", "[::]", "0::0"])
async def test_every_ipv6_address_is_every_ipv4_address_too(serve: Serve, host: str) -> None:
    served = await serve(LONG, host=host, password="correct horse")
    assert await answer("127.0.0.1", served.port) == 200
    assert await answer("[::1]", served.port) == 200
    assert served.address == f"http://127.0.0.1:{served.port}"


@pytest.mark.parametrize("host", ["0.0.0.0", ""])
async def test_the_address_of_every_address_can_be_opened(serve: Serve, host: str) -> None:
    served = await serve(LONG, host=host, password="correct horse")
    assert served.address.startswith(("http://127.0.0.1:", "http://[::1]:"))
    async with ClientSession() as session, session.get(f"{served.address}/login") as response:
        assert response.status == 200


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
async def test_ipv4_visitors_of_an_ipv6_socket_are_known_as_what_they_are(serve: Serve) -> None:
    """A proxy at 127.0.0.1 is trusted, and one who guesses from an IPv4 address does not lock all others out."""
    served = await serve(LONG, host="::", password="correct horse", trusted_proxies="127.0.0.1")

    async def guess(address: str) -> int:
        async with ClientSession() as session:
            request = {"data": {"password": "wrong"}, "headers": {"X-Forwarded-For": address}}
            async with session.post(f"http://127.0.0.1:{served.port}/login", **request) as response:
                return response.status

    assert [await guess("198.51.100.7") for _ in range(6)][-1] == 429
    assert await guess("198.51.100.8") == 401
