"""The status page's button that has the libraries scanned now."""

from __future__ import annotations

from tests.web.conftest import StartPage
from tests.web.library_made import many
from tests.web.pages.test_corrections import CROSS_SITE


async def test_the_button_asks_for_a_scan_and_says_so(start_page: StartPage) -> None:
    asked: list[str] = []
    page = await start_page([*many(1)], scan_now=lambda: asked.append("asked"))
    body = await page.text("/status")
    assert '<form action="/status/scan" method="post">' in body
    assert "Look for photos now" in body
    async with page.post("/status/scan", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/status?scanning=1")
    assert asked == ["asked"]
    assert "The libraries are looked through now." in await page.text("/status?scanning=1")
    assert "Jetzt nach Fotos suchen" in await page.text("/status", headers={"Accept-Language": "de"})


async def test_the_api_asks_for_a_scan(start_page: StartPage) -> None:
    asked: list[str] = []
    page = await start_page([*many(1)], scan_now=lambda: asked.append("asked"))
    async with page.post("/api/status/scan", json={}) as response:
        assert (response.status, await response.json()) == (200, {})
    assert asked == ["asked"]


async def test_another_site_asks_for_none(start_page: StartPage) -> None:
    asked: list[str] = []
    page = await start_page([*many(1)], scan_now=lambda: asked.append("asked"))
    for path in ("/status/scan", "/api/status/scan"):
        for headers in CROSS_SITE:
            async with page.post(path, headers=headers, allow_redirects=False) as response:
                assert response.status == 403
    assert asked == []
