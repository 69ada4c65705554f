"""Libraries that are mounted after the start, unmounted, put away and put back: found again, the watch with them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from watchfiles.main import FileChange

from indexer.atomic.file_systems import MOUNTINFO
from indexer.catalogue import Catalogue
from indexer.catalogue.scans import ScanState
from indexer.scanning.crawl_rules import CrawlRules
from indexer.scanning.root_scanner import presence_of
from indexer.scanning.scheduler import ScanScheduler
from indexer.scanning.watcher import UNWATCHED_RESCAN_S, Watcher
from indexer.settings import Settings
from tests.indexing import settings_for, until
from tests.libraries import EXTENSIONS, write
from tests.mounts import as_nobody, bound, mount, tmpfs

pytestmark = pytest.mark.slow  # most of its tests wait for something

LONG_S = 40.0


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    (tmp_path / "data").mkdir()
    with Catalogue(tmp_path / "data" / "catalogue.db") as opened:
        yield opened


@asynccontextmanager
async def going_on(catalogue: Catalogue, settings: Settings, *roots: Path) -> AsyncIterator[ScanScheduler]:
    scheduler = ScanScheduler(settings, catalogue, roots, changed=lambda: None, presence_s=0.2, obstacles_s=0.2)
    task = asyncio.create_task(scheduler.run())
    try:
        yield scheduler
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def files(catalogue: Catalogue) -> int:
    return catalogue.counts().files


@pytest.fixture(params=[True, False], ids=["watched", "not watched"])
def settings(tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    return settings_for(tmp_path, watch=request.param)


async def test_a_library_that_is_mounted_after_the_start_is_found(
    tmp_path: Path, catalogue: Catalogue, settings: Settings
) -> None:
    disk, root = tmp_path / "disk", tmp_path / "photos"
    for number in range(3):
        write(disk / f"{number}.jpg")
    root.mkdir()
    async with going_on(catalogue, settings, root) as scheduler:
        await until(lambda: catalogue.scans.roots() and catalogue.scans.roots()[0].walked_at)
        with bound(disk, root):
            await until(lambda: files(catalogue) == 3)
            assert not scheduler.problems
            if settings.watch:
                write(root / "new.jpg")
                await until(lambda: files(catalogue) == 4)


async def test_a_library_that_is_unmounted_and_mounted_again_is_found_again(
    tmp_path: Path, catalogue: Catalogue, settings: Settings
) -> None:
    disk, root = tmp_path / "disk", tmp_path / "photos"
    for number in range(30):
        write(disk / f"{number}.jpg")
    async with going_on(catalogue, settings, root) as scheduler:
        with bound(disk, root):
            await until(lambda: files(catalogue) == 30 and not scheduler.scanning)
        await until(lambda: scheduler.problems)
        assert "is empty" in str(scheduler.problems[0])
        assert catalogue.scans.roots()[0].held_back == scheduler.problems[0]
        with bound(disk, root):
            await until(lambda: not scheduler.problems)
            assert catalogue.scans.roots()[0].held_back is None
            if settings.watch:
                write(root / "new.jpg")
                await until(lambda: files(catalogue) == 31)
    assert catalogue.counts().missing == 0


async def test_a_folder_inside_a_library_that_is_mounted_later_is_found(
    tmp_path: Path, catalogue: Catalogue, settings: Settings
) -> None:
    root = tmp_path / "photos"
    write(root / "here.jpg")
    async with going_on(catalogue, settings, root):
        await until(lambda: files(catalogue) == 1)
        with tmpfs(root / "card", megabytes=1) as card:
            write(card / "there.jpg")
            await until(lambda: files(catalogue) == 2)


async def test_a_root_that_is_renamed_away_and_back_is_found_again(
    tmp_path: Path, catalogue: Catalogue, settings: Settings
) -> None:
    root, away = tmp_path / "photos", tmp_path / "away"
    for number in range(30):
        write(root / f"{number}.jpg")
    async with going_on(catalogue, settings, root) as scheduler:
        await until(lambda: files(catalogue) == 30 and not scheduler.scanning)
        root.rename(away)
        await until(lambda: scheduler.problems)
        assert "can't be read" in str(scheduler.problems[0])
        away.rename(root)
        await until(lambda: not scheduler.problems)
        assert (catalogue.counts().missing, catalogue.scans.roots()[0].held_back) == (0, None)
        if settings.watch:
            write(root / "new.jpg")
            await until(lambda: files(catalogue) == 31)


async def test_a_folder_that_may_be_read_again_is_found_by_itself(
    tmp_path: Path, catalogue: Catalogue, settings: Settings
) -> None:
    """No scan is due, and a watch does not reach into a folder that could not be entered when it began."""
    root = tmp_path / "photos"
    write(root / "open/a.jpg")
    write(root / "locked/b.jpg")
    (root / "locked").chmod(0)
    with as_nobody(tmp_path):
        async with going_on(catalogue, settings, root) as rounds:
            await until(lambda: catalogue.counts().unreadable == 1 and not rounds.scanning)
            (root / "locked").chmod(0o755)
            await until(lambda: files(catalogue) == 2 and catalogue.counts().unreadable == 0)
            assert rounds.unreadable == 0
            if settings.watch:
                await asyncio.sleep(1)
                write(root / "locked/new.jpg")
                await until(lambda: files(catalogue) == 3)


async def test_what_stays_unreadable_is_not_scanned_again_and_again(
    tmp_path: Path, catalogue: Catalogue, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder whose listing fails half-way, as on a broken disk, looks readable at a first glance."""
    root = tmp_path / "photos"
    write(root / "locked/b.jpg")
    (root / "locked").chmod(0)
    monkeypatch.setattr("indexer.scanning.root_scanner.is_readable", lambda place: True)
    scans: list[Path] = []
    begin_scan = catalogue.scans.begin_scan

    def counted(walked: Path) -> ScanState:
        scans.append(walked)
        return begin_scan(walked)

    monkeypatch.setattr(catalogue.scans, "begin_scan", counted)
    with as_nobody(tmp_path):
        async with going_on(catalogue, replace(settings, watch=False), root):
            await until(lambda: len(scans) >= 2)
            await asyncio.sleep(2)
    assert len(scans) <= 3  # of ten looks; the root's own presence may ask for one


async def test_a_root_that_is_there_only_later_is_found(
    tmp_path: Path, catalogue: Catalogue, settings: Settings
) -> None:
    root = tmp_path / "photos"
    async with going_on(catalogue, settings, root) as scheduler:
        await until(lambda: scheduler.problems)
        write(tmp_path / "new" / "1.jpg")
        (tmp_path / "new").rename(root)
        await until(lambda: files(catalogue) == 1 and not scheduler.problems)
        if settings.watch:
            write(root / "new.jpg")
            await until(lambda: files(catalogue) == 2)


async def test_one_root_that_is_slow_keeps_no_other_waiting(tmp_path: Path, catalogue: Catalogue) -> None:
    one, other = write(tmp_path / "one" / "1.jpg").parent, tmp_path / "other"
    async with going_on(catalogue, settings_for(tmp_path), one, other) as scheduler:
        await until(lambda: files(catalogue) == 1 and scheduler.problems)
        write(one / "2.jpg")
        await scheduler.scan_now([one])
        assert files(catalogue) == 2
        write(other / "3.jpg")
        await until(lambda: files(catalogue) == 3 and not scheduler.problems)


async def test_looking_now_walks_what_came_after_the_walk_began(tmp_path: Path, catalogue: Catalogue) -> None:
    root = write(tmp_path / "photos" / "1.jpg").parent
    async with going_on(catalogue, settings_for(tmp_path), root) as scheduler:
        await until(lambda: files(catalogue) == 1)
        for number in range(2, 6):
            write(root / f"{number}.jpg")
            async with asyncio.timeout(LONG_S):
                await scheduler.scan_now()
            assert files(catalogue) == number
        new = write(tmp_path / "another" / "1.jpg").parent
        async with asyncio.timeout(LONG_S):
            await scheduler.scan_now([new])
        assert files(catalogue) == 6


async def test_a_network_share_that_is_mounted_later_is_walked_often_and_a_disk_no_more(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    root = write(tmp_path / "photos" / "1.jpg").parent
    kinds: list[str | None] = [None]

    def reports(*_: object, stop_event: threading.Event, **__: object) -> Iterator[set[FileChange]]:
        while not stop_event.wait(0.01):
            yield set()

    watcher = Watcher(
        catalogue,
        [root],
        CrawlRules(extensions=EXTENSIONS),
        changed=lambda: None,
        reports=reports,
        file_system=lambda _: kinds[0],
    )
    task = asyncio.create_task(watcher.run())
    await watcher.restart_watch()
    assert watcher.rescan_s(3600.0) == 3600.0
    kinds[0] = "nfs4"
    await watcher.restart_watch()
    assert watcher.rescan_s(3600.0) == UNWATCHED_RESCAN_S
    assert "nfs4" in watcher.unwatched[root]
    kinds[0] = None
    await watcher.restart_watch()
    assert watcher.rescan_s(3600.0) == 3600.0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_presence_stays_the_same_while_photos_come_and_go(tmp_path: Path) -> None:
    root = write(tmp_path / "photos" / "1.jpg").parent
    before = presence_of(root)
    write(root / "2.jpg")
    (root / "1.jpg").unlink()
    assert presence_of(root) == before
    (root / "2.jpg").unlink()
    assert presence_of(root) != before


def test_presence_sees_mounts_at_above_and_below_a_root_and_no_others(tmp_path: Path) -> None:
    root = write(tmp_path / "photos" / "1.jpg").parent
    lines = ["20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"]

    def seen() -> object:
        (tmp_path / "mountinfo").write_text("".join(lines))
        return presence_of(root, tmp_path / "mountinfo")

    for number, (place, matters) in enumerate(
        [(root, True), (tmp_path, True), (root / "card", True), (tmp_path / "photos 2", False), (Path("/srv"), False)]
    ):
        before = seen()
        lines.append(f"{30 + number} 20 0:5{number} / {str(place).replace(' ', chr(92) + '040')} rw - nfs4 server rw\n")
        assert (seen() != before) is matters, place


def test_a_library_that_may_be_written_again_is_another_presence(tmp_path: Path) -> None:
    disk, root = tmp_path / "disk", tmp_path / "photos"
    write(disk / "1.jpg")
    with bound(disk, root):
        mount("-o", "remount,ro,bind", root)
        before = presence_of(root)
        mount("-o", "remount,rw,bind", root)
        assert presence_of(root) != before


def test_this_system_says_what_is_mounted() -> None:
    if not MOUNTINFO.exists():
        pytest.skip("this system has no mountinfo")
    assert presence_of(Path("/")).mounts
