"""Several photos at once: the zip and the captions that are answered to a list of ids."""

from __future__ import annotations

import asyncio
import io
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from indexer.atomic.file_read import stamp_of
from indexer.model import FoundFile, IndexedPhoto
from tests.web.conftest import Page, StartPage
from tests.web.library_made import MadePhoto, content_key, many
from tests.web.served import ROOMY, Serve, Served
from web.downloads.downloading import MOST_PHOTOS
from web.server import Limits

NAMES = ("2024/beach.jpg", "2023/beach.jpg", "2024/été 🏖.jpg")
KEYS = tuple(map(content_key, NAMES))
NOTE = "Not in this zip.txt"


@pytest.fixture
async def page(start_page: StartPage) -> Page:
    return await start_page([MadePhoto(name, caption=f"a dog in {name}") for name in NAMES])


def path(page: Page, name: str) -> Path:
    return page.settings.photos[0] / name


async def zipped(page: Page, *ids: str, **more: Any) -> ZipFile:
    async with page.post("/download", data={"id": " ".join(ids)}, **more) as response:
        body = await response.read()
        assert response.status == 200, body
        assert response.content_type == "application/zip"
        assert response.content_length == len(body)
        assert response.headers["Content-Disposition"].startswith('attachment; filename="recollect 20')
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    archive = ZipFile(io.BytesIO(body))
    assert archive.testzip() is None
    return archive


async def test_the_zip_holds_the_originals_in_the_order_asked_for(page: Page) -> None:
    archive = await zipped(page, KEYS[2], KEYS[0], KEYS[1], KEYS[0])
    assert archive.namelist() == ["été 🏖.jpg", "beach.jpg", "beach (2).jpg"]
    for inside, name in zip(archive.namelist(), (NAMES[2], NAMES[0], NAMES[1]), strict=True):
        assert archive.read(inside) == path(page, name).read_bytes()


async def test_a_form_may_name_each_photo_in_a_field_of_its_own(page: Page) -> None:
    async with page.post("/download", data=[("id", key) for key in KEYS]) as response:
        assert len(ZipFile(io.BytesIO(await response.read())).namelist()) == 3


async def test_programs_ask_with_a_list(page: Page) -> None:
    async with page.post("/api/download", json={"ids": list(KEYS)}) as response:
        assert ZipFile(io.BytesIO(await response.read())).namelist() == ["beach.jpg", "beach (2).jpg", "été 🏖.jpg"]
    for body in ({}, {"ids": "all"}, {"ids": [1]}, {"ids": []}, {"ids": ["../../etc/passwd"]}):
        async with page.post("/api/download", json=body) as response:
            assert response.status == 400
            assert (await response.json())["error"]["status"] == 400


async def test_what_is_not_there_is_told_in_the_zip(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    path(page, NAMES[0]).unlink()
    archive = await zipped(page, *KEYS, "0" * 32)
    assert archive.namelist() == ["beach.jpg", "été 🏖.jpg", NOTE]
    text = archive.read(NOTE).decode()
    assert text.startswith("These 2 photos are not in the zip: ")
    assert text.endswith(f"\n\nbeach.jpg\n{'0' * 32}\n")
    async with asyncio.timeout(60):  # the line is written when the whole zip is sent
        while "not in the zip: 'beach.jpg'" not in caplog.text:
            await asyncio.sleep(0.01)


async def test_a_file_of_the_notes_name_keeps_out_of_its_way(start_page: StartPage) -> None:
    page = await start_page([MadePhoto(NOTE), MadePhoto("gone.jpg")])
    path(page, "gone.jpg").unlink()
    archive = await zipped(page, content_key(NOTE), content_key("gone.jpg"))
    assert archive.namelist() == ["Not in this zip (2).txt", NOTE]
    assert archive.read(NOTE).endswith(b"\n\ngone.jpg\n")


async def test_a_copy_stands_in_for_a_file_that_is_gone(page: Page) -> None:
    gone, root, catalogue = path(page, NAMES[0]), page.settings.photos[0], page.storage.catalogue
    copy = gone.with_name("copy.jpg")
    copy.write_bytes(gone.read_bytes())
    catalogue.scans.note(catalogue.scans.begin_scan(root), [FoundFile(root, copy, stamp_of(copy.stat()))])
    (job,) = catalogue.queue.claim(1)
    metadata = MadePhoto(NAMES[0]).metadata
    catalogue.settle(job, IndexedPhoto(KEYS[0], metadata, job.file.stamp, None))
    assert (await zipped(page, KEYS[0])).namelist() == ["beach.jpg"]
    gone.unlink()
    assert (await zipped(page, KEYS[0])).namelist() == ["copy.jpg"]


@pytest.mark.parametrize("where", ["file", "folder"])
async def test_a_link_out_of_the_library_is_not_followed(page: Page, tmp_path: Path, where: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "beach.jpg").write_bytes(b"secret")
    inside = path(page, NAMES[1])
    inside.unlink()
    if where == "file":
        inside.symlink_to(outside / "beach.jpg")
    else:
        inside.parent.rmdir()
        inside.parent.symlink_to(outside)
    archive = await zipped(page, KEYS[0], KEYS[1])
    assert archive.namelist() == ["beach.jpg", NOTE]
    assert b"secret" not in archive.read("beach.jpg")


@pytest.mark.parametrize("ids", ["", " ", "../../etc/passwd", "0" * 31, "A" * 32, f"{KEYS[0]} ' OR 1=1"])
async def test_what_is_no_selection_is_refused(page: Page, ids: str) -> None:
    for address in ("/download", "/captions"):
        async with page.post(address, data={"id": ids}) as response:
            assert response.status == 400
            assert response.content_type == "text/html"


async def test_nothing_that_is_there_is_no_zip(page: Page) -> None:
    async with page.post("/download", data={"id": "0" * 32}) as response:
        assert response.status == 404


async def test_more_than_can_be_wanted_is_refused(page: Page) -> None:
    many_ids = " ".join(f"{number:032x}" for number in range(MOST_PHOTOS + 1))
    async with page.post("/download", data={"id": many_ids}) as response:
        assert response.status == 413
        assert "10,000" in await response.text()
    async with page.post("/download", data={"id": many_ids * 2}) as response:
        assert response.status == 413
    async with page.post(f"/photo/{KEYS[0]}/caption", data={"text": "x" * 40_000}) as response:
        assert response.status == 413  # other forms stay small


async def test_another_site_can_t_ask(page: Page) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        async with page.post("/download", data={"id": KEYS[0]}, headers=headers) as response:
            assert response.status == 403


async def test_only_the_household_may_ask(start_page: StartPage) -> None:
    page = await start_page(list(many(1)), password="correct horse")
    async with page.post("/download", data={"id": KEYS[0]}, allow_redirects=False) as response:
        assert response.status == 303
    async with page.post("/api/download", json={"ids": [KEYS[0]]}) as response:
        assert response.status == 401


async def test_captions_are_lines_of_name_and_caption(start_page: StartPage) -> None:
    hostile = "a\tdog\nruns <script>alert(1)</script>"
    page = await start_page([MadePhoto(NAMES[0], caption=hostile), MadePhoto(NAMES[1], caption=None)])
    async with page.post("/captions", data={"id": " ".join(KEYS[:2])}) as response:
        assert response.content_type == "text/plain"
        assert await response.text() == "beach.jpg\ta dog runs <script>alert(1)</script>\nbeach.jpg\t\n"


@pytest.mark.parametrize(
    "name", ['<script>"\r\nX-Evil: 1.jpg', os.fsdecode(b"caf\xe9.jpg"), "a\u202egpj.exe.jpg", "CON.jpg"]
)
async def test_a_hostile_name_is_made_safe(start_page: StartPage, name: str) -> None:
    page = await start_page([MadePhoto(name)])
    (inside,) = (await zipped(page, content_key(name))).namelist()
    assert inside.isprintable()
    assert not set(inside) & set('<>:"/\\|?*')
    assert inside != "CON.jpg"


def open_files() -> list[str]:
    found = []
    for descriptor in Path("/dev/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            found.append(str(descriptor.readlink()))
    return found


async def ask_for_large(page: Served) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await page.connection()
    body = f"id={content_key('large.jpg')}"
    head = f"POST /download HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    writer.write(f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}".encode())
    return reader, writer


async def test_who_leaves_in_the_middle_leaves_nothing_open(serve: Serve) -> None:
    page = await serve(ROOMY, MadePhoto("large.jpg", data=bytes(60_000_000)))  # more than sockets hold
    reader, writer = await ask_for_large(page)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
    async with asyncio.timeout(60):
        while page.visitors or any("large.jpg" in name for name in open_files()):
            await asyncio.sleep(0.01)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux's own")
async def test_who_reads_nothing_is_given_up(serve: Serve) -> None:
    page = await serve(Limits(idle_s=60, stall_s=1), MadePhoto("large.jpg", data=bytes(60_000_000)))
    reader, writer = await ask_for_large(page)
    await reader.readline()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    async with asyncio.timeout(120):
        while page.visitors or any("large.jpg" in name for name in open_files()):
            await asyncio.sleep(0.05)
    writer.close()
