"""An HTTP server in front of the page that holds answers back, or is gone: what lies between a browser and a home."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from yarl import URL

_OF_THE_CONNECTION = {"content-encoding", "content-length", "transfer-encoding", "connection"}


@dataclass(frozen=True, slots=True)
class Manners:
    """How a reverse proxy is set up: the path it serves the page under, whether it takes that away before it asks,
    whether it passes `Host` on, and what headers it sets."""

    prefix: str = ""
    strips: bool = True
    keeps_host: bool = False
    sets: Mapping[str, str] = field(default_factory=dict)


class Relay:
    """Passes everything on to `target`. While `gone`, connections are broken off; answers to the requests that end with
    one of `held` wait for `release`. What is asked for `outside` the proxy's path is a 404.
    """

    def __init__(self, target: str, session: ClientSession, manners: Manners) -> None:
        self._target, self._session, self._manners = target, session, manners
        self.outside: list[str] = []
        self._gate = asyncio.Event()
        self.held: tuple[str, ...] = ()
        self.waiting: list[str] = []
        self.gone = False
        self.asked: list[str] = []

    def release(self) -> None:
        """All that waits is answered, and nothing waits any more."""
        self.held = ()
        self._gate.set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        if request.path_qs.endswith(self.held or ("\n",)):
            self.waiting.append(request.path_qs)
            await self._gate.wait()
        if self.gone and request.transport is not None:
            request.transport.abort()
        manners = self._manners
        if not f"{request.raw_path.partition('?')[0]}/".startswith(f"{manners.prefix}/"):
            self.outside.append(request.path_qs)
            raise web.HTTPNotFound
        headers = {name: value for name, value in request.headers.items() if name != "Host" or manners.keeps_host}
        headers |= manners.sets
        path = request.raw_path.removeprefix(manners.prefix) if manners.strips else request.raw_path
        url = URL(self._target + (path if path.startswith("/") else f"/{path}"), encoded=True)
        asked = self._session.request(
            request.method, url, headers=headers, data=await request.read(), allow_redirects=False
        )
        async with asked as answer:
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _OF_THE_CONNECTION]
            return web.Response(status=answer.status, headers=kept, body=await answer.read())


@asynccontextmanager
async def relayed(target: str, manners: Manners = Manners()) -> AsyncIterator[tuple[str, Relay]]:
    """A relay in front of `target`, and its address, without the path."""
    async with ClientSession() as session:
        relay = Relay(target, session, manners)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", relay.handle)
        async with TestServer(app) as server:
            try:
                yield f"http://127.0.0.1:{server.port}", relay
            finally:
                relay.release()
