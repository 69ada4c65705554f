"""The real application on a real port, over a real catalogue, thumbnail store and search index."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import CookieJar
from aiohttp.test_utils import TestClient, TestServer

from indexer.progress import Progress
from indexer.settings import Settings
from indexer.storage import Storage
from tests.web.library_made import MadePhoto, made_library, many
from tests.web.served import IDLE, ROOMY, Serve, Served, serving
from web.app import make_app
from web.server import Limits

StartPage = Callable[..., Awaitable["Page"]]


class Page(TestClient):
    """A client of a running page; `settings` are the page's."""

    settings: Settings
    storage: Storage

    async def text(self, path: str, *, status: int = 200, **request: Any) -> str:
        """The body, when the answer has that status."""
        async with self.get(path, **request) as response:
            body = await response.text()
            assert response.status == status, body
            return body

    async def json(self, path: str, *, status: int = 200, **request: Any) -> Any:
        """The answer as JSON, when it has that status."""
        async with self.get(path, **request) as response:
            assert response.status == status, await response.text()
            assert response.content_type == "application/json"
            return await response.json()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """One library root and a data directory beside it."""
    root = tmp_path / "Pictures"
    root.mkdir()
    return Settings(photos=(root,), data_dir=tmp_path / "data", grid_px=96, screen_px=512)


@pytest.fixture
async def start_page(settings: Settings) -> AsyncIterator[StartPage]:
    """Starts the page over the given photos, `behind` replaces its own stores, `changes` the settings."""
    pages: list[Page] = []
    with ExitStack() as stack:

        async def start(
            photos: Sequence[MadePhoto] = (),
            *,
            progress: Progress = IDLE,
            wake: Callable[[], None] = lambda: None,
            scan_now: Callable[[], None] = lambda: None,
            behind: Mapping[str, Any] | None = None,
            **changes: Any,
        ) -> Page:
            changed = replace(settings, **changes)
            storage = stack.enter_context(made_library(changed, photos))
            inner: dict[str, Any] = {
                "catalogue": storage.catalogue,
                "thumbnails": storage.thumbnails,
                "search": storage.search,
            }
            app = make_app(
                changed, **{**inner, **(behind or {})}, progress=lambda: progress, wake=wake, scan_now=scan_now
            )
            page = Page(TestServer(app), cookie_jar=CookieJar(unsafe=True))  # cookies of a bare address, too
            page.settings, page.storage = changed, storage
            pages.append(page)
            await page.start_server()
            return page

        yield start
        for page in pages:
            await page.close()


@pytest.fixture
async def page(start_page: StartPage) -> Page:
    """The page over twelve ordinary photos."""
    return await start_page(list(many(12)))


@pytest.fixture
async def serve(settings: Settings) -> AsyncIterator[Serve]:
    """Starts the page on a port as `recollect serve` does, with other `limits` of its visitors, for raw sockets."""
    async with AsyncExitStack() as stack:

        async def start(limits: Limits = ROOMY, *photos: MadePhoto, **changes: Any) -> Served:
            return await stack.enter_async_context(serving(settings, limits, photos, **changes))

        yield start
