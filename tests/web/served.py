"""The page on its port as `recollect serve` puts it there, for tests that write bytes of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import ClientSession, web
from yarl import URL

from indexer.progress import Phase, Progress
from indexer.settings import Settings
from indexer.storage import Storage
from tests.web.library_made import MadePhoto, made_library
from web.app import make_app
from web.app_keys import CONNECTIONS
from web.server import Limits, listening

IDLE = Progress(phase=Phase.IDLE)
ROOMY = Limits(idle_s=60, stall_s=60)

Serve = Callable[..., Awaitable["Served"]]


class Gated:
    """A store of the page whose `slow` method waits until the gate opens; records what it was asked."""

    def __init__(self, store: Any, slow: str) -> None:
        self._store, self._slow = store, slow
        self.gate, self.asked = threading.Event(), list[Any]()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        return method if name != self._slow else lambda *args, **more: self._wait(method, *args, **more)

    def _wait(self, method: Callable[..., Any], *args: Any, **more: Any) -> Any:
        self.asked.append(args)
        assert self.gate.wait(60)
        return method(*args, **more)


@dataclass(frozen=True)
class Served:
    """A page on a port, what is behind it, and a browser in front of it."""

    app: web.Application
    address: str
    storage: Storage
    stores: dict[str, Any]
    woken: list[None]
    browser: ClientSession

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def visitors(self) -> int:
        return self.app[CONNECTIONS].total()

    def request(self, method: str, path: str, **request: Any) -> Any:
        """As `ClientSession.request`, but the path goes out as it stands here, and redirects are not followed."""
        url = URL(f"{self.address}{path}", encoded=True)
        return self.browser.request(method, url, allow_redirects=False, **request)

    async def connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def raw(self, request: bytes) -> bytes:
        """All that is answered to these bytes until the page closes the connection."""
        reader, writer = await self.connection()
        try:
            writer.write(request)
            async with asyncio.timeout(60):
                return await reader.read(-1)
        finally:
            writer.close()


@asynccontextmanager
async def serving(
    settings: Settings,
    limits: Limits,
    photos: Sequence[MadePhoto],
    *,
    body_s: float = 60,
    behind: Mapping[str, str] | None = None,
    **changes: Any,
) -> AsyncIterator[Served]:
    """`behind` names stores and those of their methods that wait."""
    settings = replace(settings, port=0, **changes)
    with made_library(settings, photos) as storage:
        stores: dict[str, Any] = {name: getattr(storage, name) for name in ("catalogue", "thumbnails", "search")}
        stores |= {name: Gated(stores[name], slow) for name, slow in (behind or {}).items()}
        woken: list[None] = []
        app = make_app(settings, **stores, progress=lambda: IDLE, wake=lambda: woken.append(None), body_s=body_s)
        async with listening(app, settings, limits) as address, ClientSession() as browser:
            yield Served(app, address, storage, stores, woken, browser)
