"""An HTTP server in front of the page that holds answers back, or is gone: what lies between a browser and a home."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from yarl import URL

_OF_THE_CONNECTION = {"content-encoding", "content-length", "transfer-encoding", "connection"}


class Relay:
    """Passes everything on to `target`. While `gone`, connections are broken off; answers to the requests that end with
    one of `held` wait for `release`.
    """

    def __init__(self, target: str, session: ClientSession) -> None:
        self._target, self._session = target, session
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
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        url = URL(self._target + request.raw_path, encoded=True)
        asked = self._session.request(
            request.method, url, headers=headers, data=await request.read(), allow_redirects=False
        )
        async with asked as answer:
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _OF_THE_CONNECTION]
            return web.Response(status=answer.status, headers=kept, body=await answer.read())


@asynccontextmanager
async def relayed(target: str) -> AsyncIterator[tuple[str, Relay]]:
    """A relay in front of `target`, and its address."""
    async with ClientSession() as session:
        relay = Relay(target, session)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", relay.handle)
        async with TestServer(app) as server:
            try:
                yield f"http://127.0.0.1:{server.port}", relay
            finally:
                relay.release()
