"""The servers that the tests of all scenes share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, TestServer]]:
    """A server of every household by its name."""
    from tests.web.scenes import every_household  # needs Playwright, which most tests here do without

    async with every_household(tmp_path_factory.mktemp("households")) as servers:
        yield servers
