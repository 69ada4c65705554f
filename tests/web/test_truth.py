"""The page says what is so: folders that can't be read, stores that broke, a catalogue that is damaged."""

from __future__ import annotations

import re
import sqlite3
from collections import namedtuple
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from indexer.model import ThumbnailSize
from indexer.progress import Phase, Progress
from indexer.settings import Settings
from indexer.storage import search_path
from tests.web.api.test_metrics import read
from tests.web.conftest import Page, StartPage
from tests.web.library_made import content_key, many
from web.app_keys import COUNTS


def lock(page: Page, name: str) -> None:
    """As a scan notes a folder that it may not read; root may read every one."""
    catalogue, root = page.storage.catalogue, page.settings.photos[0]
    walk = catalogue.scans.begin_scan(root)
    walk.unreadable[name.encode()] = "EACCES"
    for file_id in range(100):
        walk.mark(file_id)
    catalogue.scans.finish_scan(walk)


def unlock(page: Page) -> None:
    with page.storage.catalogue._database.transaction() as writer:
        writer.execute("DELETE FROM unreadable")


def break_page(path: Path, table: str) -> None:
    """Writes over the page of the file that a table begins with."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\x5a" * size)


async def test_a_folder_that_can_t_be_read_is_told(page: Page) -> None:
    assert "Nothing. Every photo that was found could be read." in await page.text("/status")
    lock(page, "<b>2024</b>")
    page.app[COUNTS].invalidate()
    body = await page.text("/status")
    assert "/&lt;b&gt;2024&lt;/b&gt;" in body
    assert "recollect may not read it" in body
    assert "1 folder could not be looked at." in body
    assert "Every photo that was found could be read" not in body
    status = await page.json("/api/status")
    assert [(one["code"], one["reason"]) for one in status["unreadable"]] == [("EACCES", "recollect may not read it")]
    assert status["counts"]["unreadable"] == 1
    assert (await read(page))["recollect_folders_unreadable"] == 1
    german = await page.text("/status", headers={"Accept-Language": "de"})
    assert "recollect darf es nicht lesen" in german


DiskUsage = namedtuple("DiskUsage", "total used free")
PHASE = re.compile(r'<p class="phase">(.*?)</p>')


async def head_of_status(page: Page, language: str = "en") -> str:
    """What stands above the first heading of the part that changes."""
    page.app[COUNTS].invalidate()
    html = await page.text("/status?part=status", headers={"Accept-Language": language})
    return html.partition("<h2>")[0]


def not_well(head: str) -> bool:
    (phase,) = PHASE.findall(head)
    return phase in {"Not all is well", "Nicht alles ist in Ordnung"}


async def test_the_head_of_the_status_says_that_not_all_is_well(start_page: StartPage) -> None:
    page = await start_page(list(many(3)))

    async def head(language: str = "en") -> str:
        return await head_of_status(page, language)

    assert "Up to date" in await head()
    lock(page, "2024")
    assert not_well(text := await head())
    assert '<a class="warning" href="#unreadable">1 folder can\'t be read</a>' in text
    assert 'id="unreadable"' in await page.text("/status")
    assert not_well(text := await head("de"))
    assert "1 Ordner kann nicht gelesen werden" in text
    unlock(page)
    assert "Up to date" in await head()

    with page.storage.catalogue._database.transaction() as writer:
        writer.execute("UPDATE file SET obstacle = 'space' WHERE id IN (SELECT id FROM file LIMIT 2)")
    assert not_well(text := await head())
    assert "2 captions could not be written, as the disk of the library is full." in text
    with page.storage.catalogue._database.transaction() as writer:
        writer.execute("UPDATE file SET obstacle = NULL")
    assert "Up to date" in await head()


async def test_the_head_of_the_status_says_once_that_a_library_is_gone(start_page: StartPage) -> None:
    gone = "the library is not there"
    page = await start_page(list(many(3)), progress=Progress(phase=Phase.IDLE))
    with page.storage.catalogue._database.transaction() as writer:
        writer.execute("UPDATE root SET held_back = ?", (gone,))
    assert not_well(text := await head_of_status(page)), "as the catalogue says, too"
    assert text.count(gone) == 1


@pytest.mark.parametrize("progress", [Progress(phase=Phase.IDLE), Progress(phase=Phase.INDEXING, queued=3)])
async def test_the_head_of_the_status_tells_a_problem_whatever_is_done(
    start_page: StartPage, progress: Progress
) -> None:
    page = await start_page(
        list(many(3)), progress=replace(progress, problems=("the disk is away", "the disk is away"))
    )
    text = await head_of_status(page)
    assert not_well(text) == (progress.phase == Phase.IDLE)
    assert text.count("the disk is away") == 1


async def test_the_head_of_the_status_says_that_the_data_disk_is_full(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "data directory is full" not in await page.text("/status")
    monkeypatch.setattr("web.pages.status_page.shutil.disk_usage", lambda _: DiskUsage(10**9, 10**9, 4096))
    assert "The disk of the data directory is full." in (await page.text("/status?part=status")).partition("<h2>")[0]


async def test_what_waits_to_be_completed_or_made_again_is_counted(page: Page) -> None:
    ids = page.storage.catalogue.photo_ids()
    with page.storage.catalogue._database.transaction() as writer:
        writer.execute("UPDATE photo SET look_model = NULL WHERE id = ?", (ids[0],))
    page.storage.catalogue.queue.enqueue_thumbnails(ids[1:4])
    body = await page.text("/status")
    assert "To be completed" in body
    assert "3 are made again" in body
    answer = await read(page)
    assert (answer["recollect_photos_incomplete"], answer["recollect_thumbnails_waiting"]) == (1, 3)


async def test_a_damaged_catalogue_is_told_by_health_and_by_the_pages(page: Page) -> None:
    assert await page.json("/health") == {"status": "ok"}
    break_page(page.settings.catalogue_path, "photo")
    health = await page.json("/health", status=503)
    assert health["status"] == "failing"
    assert set(health["problems"]) == {"catalogue"}
    assert str(page.settings.data_dir) not in str(health)
    body = await page.text(f"/photo/{content_key('2024/photo 0000.jpg')}", status=503)
    assert "recollect doctor --rebuild" in body
    assert "free space" not in body
    assert "is damaged" in (await page.json("/api/status"))["catalogue_problem"]
    assert "is damaged" in await page.text("/status")
    assert (await read(page))["recollect_catalogue_damaged"] == 1


async def test_a_catalogue_that_was_deleted_is_told(page: Page) -> None:
    page.settings.catalogue_path.unlink()
    assert set((await page.json("/health", status=503))["problems"]) == {"catalogue"}
    async with page.get("/status") as response:  # 503 where it needs another connection
        assert "was deleted or replaced" in await response.text()
    assert not page.settings.catalogue_path.exists()  # no empty one in its place


async def test_damaged_thumbnails_are_begun_anew_and_the_page_answers(page: Page) -> None:
    photo_id = page.storage.catalogue.photo_ids()[0]
    break_page(page.settings.thumbnails_path, "thumbnail")
    await page.text(f"/thumbnails/{photo_id}/grid.webp", status=404)
    assert page.storage.thumbnails.get(photo_id, ThumbnailSize.GRID) is None
    assert await page.json("/health") == {"status": "ok"}
    assert page.storage.thumbnails.lacking([photo_id]) == [photo_id]
    body = await page.text("/status")
    assert "thumbnails.db.set-aside-" in body
    assert "They were made again and may be deleted." in body


async def test_a_damaged_search_index_is_begun_anew_and_says_so(start_page: StartPage, settings: Settings) -> None:
    page = await start_page(list(many(12)))
    break_page(search_path(settings), "document")
    assert "made again from the catalogue by itself" in await page.text("/?q=dog", status=503)
    assert page.storage.catalogue.counts().unpushed == 12
    body = await page.text("/?q=dog")
    assert "The search index is being made: 12 of 12 photos are on their way." in body
    assert "until then some photos are not found" in await page.text("/status")
    assert "12 of 12" in await page.text("/?part=progress")
