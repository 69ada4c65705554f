"""Thumbnails and originals: the right bytes, cached well, and nothing from outside the library."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from yarl import URL

from indexer.model import ThumbnailSize
from tests.web.conftest import Page, StartPage
from tests.web.library_made import MadePhoto, content_key, thumbnail, titled
from web.downloads import media
from web.downloads.media import disposition, open_without_links

NAME = "2024/beach.jpg"
KEY = content_key(NAME)
HOSTILE_NAME = '<script>alert(1)</script>\r\nX-Evil: "1"; .jpg'.replace("/", "")


@pytest.fixture
async def page(start_page: StartPage) -> Page:
    return await start_page([MadePhoto(NAME)])


async def file_url(page: Page, key: str = KEY, *, save: bool = False) -> str:
    found = await page.json(f"/api/photos/{key}")
    return f"/photo/{key}/files/{found['files'][0]['id']}{'?save=1' if save else ''}"


@pytest.mark.parametrize(("size", "longest", "kind"), [("grid", 96, "WEBP"), ("screen", 400, "JPEG")])
@pytest.mark.parametrize("suffix", ["", ".webp"])
async def test_a_thumbnail_is_kept_for_ever(page: Page, size: str, longest: int, kind: str, suffix: str) -> None:
    async with page.get(f"/thumbnails/{KEY}/{size}{suffix}") as response:
        assert response.status == 200
        assert response.content_type == f"image/{kind.lower()}"
        assert "immutable" in response.headers["Cache-Control"]
        assert "private" in response.headers["Cache-Control"]
        with Image.open(io.BytesIO(await response.read())) as image:
            assert (image.format, max(image.size)) == (kind, longest)


async def test_a_thumbnail_of_an_older_store_is_sent_as_what_it_is(page: Page) -> None:
    old = thumbnail(Image.new("RGB", (640, 480), "red"), 400, "WEBP")
    page.storage.thumbnails.put(KEY, ThumbnailSize.SCREEN, old)
    async with page.get(f"/thumbnails/{KEY}/screen") as response:
        assert response.content_type == "image/webp"
        assert await response.read() == old
        tag = response.headers["ETag"]
    page.storage.thumbnails.put(KEY, ThumbnailSize.SCREEN, thumbnail(Image.new("RGB", (640, 480), "red"), 400, "JPEG"))
    async with page.get(f"/thumbnails/{KEY}/screen", headers={"If-None-Match": tag}) as response:
        assert (response.status, response.content_type) == (200, "image/jpeg")


async def test_a_known_thumbnail_is_not_sent_again(page: Page) -> None:
    async with page.get(f"/thumbnails/{KEY}/grid.webp") as response:
        tag = response.headers["ETag"]
    async with page.get(f"/thumbnails/{KEY}/grid.webp", headers={"If-None-Match": f'"other", W/{tag}'}) as response:
        assert response.status == 304
        assert await response.read() == b""
        assert response.headers["ETag"] == tag
    async with page.get(f"/thumbnails/{KEY}/grid.webp", headers={"If-None-Match": '"other"'}) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "path",
    [
        f"/thumbnails/{'0' * 32}/grid.webp",
        f"/thumbnails/{KEY.upper()}/grid.webp",
        f"/thumbnails/{KEY}/huge.webp",
        f"/thumbnails/{KEY}/grid.jpg",
        f"/thumbnails/{KEY}/gridxwebp",
        f"/photo/{'0' * 32}",
        f"/photo/{'0' * 32}/files/1",
        f"/photo/{KEY}/files/999999",
        f"/photo/{KEY}/files/{'9' * 18}",
        f"/photo/{KEY}/files/{'9' * 40}",
        f"/photo/{KEY}/files/-1",
        f"/photo/{KEY}/files/%2e%2e",
        f"/photo/{KEY}'--",
        "/static/app.py",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/%2e%2e%2fapp.py",
        "/static/..%5capp.py",
        "/static//etc/passwd",
        "/thumbnails/../../etc/passwd",
        "/photo/../../../../etc/passwd",
        "/%00",
        "/static/recollect.css%00",
    ],
)
async def test_wrong_ids_and_wanderings_find_nothing(page: Page, path: str) -> None:
    async with page.get(URL(path, encoded=True), allow_redirects=False) as response:
        assert response.status == 404
        assert "root:" not in await response.text()


async def test_an_original_is_the_file_byte_for_byte(page: Page) -> None:
    data = (page.settings.photos[0] / NAME).read_bytes()
    async with page.get(await file_url(page), headers={"Accept-Encoding": "gzip, br"}) as response:
        assert response.status == 200
        assert response.content_type == "image/jpeg"
        assert response.headers["Content-Disposition"].startswith('inline; filename="beach.jpg"')
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert await response.read() == data
    async with page.get(await file_url(page, save=True)) as response:
        assert response.headers["Content-Disposition"].startswith("attachment")


async def test_an_original_comes_in_ranges(page: Page) -> None:
    data = (page.settings.photos[0] / NAME).read_bytes()
    url = await file_url(page)
    for asked, expected in (("bytes=0-99", data[:100]), ("bytes=100-", data[100:]), ("bytes=-7", data[-7:])):
        async with page.get(url, headers={"Range": asked}) as response:
            assert response.status == 206
            assert await response.read() == expected
    async with page.get(url, headers={"Range": f"bytes={len(data)}-"}) as response:
        assert response.status == 416
        assert response.headers["Content-Range"] == f"bytes */{len(data)}"
    async with page.head(url) as response:
        assert (response.status, response.content_length) == (200, len(data))
        tag = response.headers["ETag"]
    async with page.get(url, headers={"If-None-Match": tag}) as response:
        assert response.status == 304


async def test_a_compressed_sibling_is_another_file(page: Page) -> None:
    path = page.settings.photos[0] / NAME
    path.with_name("beach.jpg.gz").write_bytes(b"secret")
    path.with_name("beach.jpg.br").write_bytes(b"secret")
    async with page.get(await file_url(page), headers={"Accept-Encoding": "gzip, br"}) as response:
        assert "Content-Encoding" not in response.headers
        assert await response.read() == path.read_bytes()


@pytest.mark.parametrize("where", ["file", "folder"])
async def test_a_link_out_of_the_library_leads_nowhere(page: Page, tmp_path: Path, where: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "beach.jpg").write_bytes(b"secret")
    path, url = page.settings.photos[0] / NAME, await file_url(page)
    path.unlink()
    if where == "file":
        path.symlink_to(outside / "beach.jpg")
    else:
        path.parent.rmdir()
        path.parent.symlink_to(outside)
    assert "secret" not in await page.text(url, status=404)


@pytest.mark.parametrize("where", ["file", "folder", "root"])
def test_a_link_put_into_the_way_after_the_look_leads_nowhere(tmp_path: Path, where: str) -> None:
    path, outside = tmp_path / "Pictures" / "2024" / "beach.jpg", tmp_path / "outside"
    for folder in (path.parent, outside / "2024"):
        folder.mkdir(parents=True)
        (folder / "beach.jpg").write_bytes(b"a picture")
    looked_at = path.resolve()
    opened = open_without_links(looked_at)
    assert opened is not None
    assert os.read(opened, 100) == b"a picture"
    os.close(opened)
    moved = {"file": path, "folder": path.parent, "root": path.parent.parent}[where]
    moved.rename(tmp_path / "moved")
    moved.symlink_to({"file": outside / "2024/beach.jpg", "folder": outside / "2024", "root": outside}[where])
    before = len(list(Path("/dev/fd").iterdir()))
    assert open_without_links(looked_at) is None
    assert len(list(Path("/dev/fd").iterdir())) == before


async def test_a_file_that_is_gone_or_no_file_is_not_found(page: Page) -> None:
    path, url = page.settings.photos[0] / NAME, await file_url(page)
    path.unlink()
    await page.text(url, status=404)
    os.mkfifo(path)
    await page.text(url, status=404)
    path.unlink()
    path.symlink_to(path)
    await page.text(url, status=404)


@pytest.mark.parametrize("mime_type", ["image/svg+xml", "text/html", "application/pdf", "image/jpeg\r\nX-Evil: 1"])
async def test_what_is_no_picture_for_certain_is_only_to_be_saved(start_page: StartPage, mime_type: str) -> None:
    photo = titled(MadePhoto("odd.jpg", data=b"<svg onload=alert(1)>"), mime_type=mime_type)
    page = await start_page([photo])
    async with page.get(await file_url(page, content_key("odd.jpg"))) as response:
        assert response.content_type == "application/octet-stream"
        assert response.headers["Content-Disposition"].startswith("attachment")
        assert "X-Evil" not in response.headers


@pytest.mark.parametrize("name", [HOSTILE_NAME, "été 🏖.jpg", os.fsdecode(b"caf\xe9.jpg"), "a\u202egpj.exe.jpg"])
async def test_a_hostile_name_stays_a_name(start_page: StartPage, name: str) -> None:
    page = await start_page([MadePhoto(name)])
    async with page.get(await file_url(page, content_key(name), save=True)) as response:
        assert response.status == 200
        assert "X-Evil" not in response.headers
        assert response.headers["Content-Disposition"].startswith('attachment; filename="')
    body = await page.text(f"/photo/{content_key(name)}")
    assert "<script>alert" not in body


@given(st.text())
def test_a_disposition_is_one_line_of_ascii(name: str) -> None:
    value = disposition("attachment", name)
    assert value.isascii()
    assert value.isprintable()
    assert value.count('"') == 2


async def status_of(page: Page, url: str) -> int:
    async with page.get(url) as response:
        return response.status


async def test_a_disk_that_does_not_answer_keeps_no_page_waiting(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    answering = threading.Event()
    opens = media.open_inside

    def hanging(*asked: Any) -> int | None:
        answering.wait()
        return opens(*asked)

    monkeypatch.setattr(media, "open_inside", hanging)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(3))  # as many threads as the service has
    url = await file_url(page)
    waiting = [asyncio.ensure_future(status_of(page, url)) for _ in range(4)]
    try:
        await asyncio.sleep(0.2)
        async with asyncio.timeout(30):
            assert await status_of(page, "/status") == 200
    finally:
        answering.set()
    assert await asyncio.gather(*waiting) == [200] * 4
