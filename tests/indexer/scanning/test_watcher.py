"""The watcher on a real tree, with the system's own reports; and what it does where none are to be had."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from watchfiles.main import FileChange

from indexer.catalogue import Catalogue
from indexer.scanning.crawl_rules import CrawlRules
from indexer.scanning.watcher import UNWATCHED_RESCAN_S, PathDebouncer, Watcher
from tests.libraries import EXTENSIONS, rescan, settle_all, shown_files, write

pytestmark = pytest.mark.slow  # most of its tests wait for something

RULES = CrawlRules(extensions=EXTENSIONS, exclude=("private/",))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    library = tmp_path / "library"
    for number in range(30):
        write(library / "2019" / f"{number}.jpg")
    return library


@pytest.fixture
def catalogue(tmp_path: Path, root: Path) -> Iterator[Catalogue]:
    """Thirty photos, walked and settled."""
    with Catalogue(tmp_path / "catalogue.db") as opened:
        rescan(opened, root)
        settle_all(opened)
        yield opened


@pytest.fixture
def paths(catalogue: Catalogue, root: Path) -> PathDebouncer:
    return PathDebouncer(root, catalogue, RULES, steady_s=0.0)


def looks(paths: PathDebouncer, times: int = 4) -> int:
    return sum(paths.poll().noted for _ in range(times))


def wants_a_walk(paths: PathDebouncer) -> bool:
    return any(paths.poll().scan_wanted for _ in range(3))


@asynccontextmanager
async def running(catalogue: Catalogue, root: Path) -> AsyncIterator[Watcher]:
    watcher = Watcher(catalogue, [root], RULES, changed=lambda: None, steady_s=0.1)
    task = asyncio.create_task(watcher.run())
    markers = 0
    try:
        while not catalogue.queue.queued():  # until the watches stand
            write(root / f"marker {markers}.jpg")
            markers += 1
            await asyncio.sleep(0.3)
        rescan(catalogue, root)
        settle_all(catalogue)
        yield watcher
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.05)


async def test_new_changed_and_deleted_files_are_noted(catalogue: Catalogue, root: Path) -> None:
    async with running(catalogue, root):
        write(root / "2020" / "new.jpg")
        await until(lambda: catalogue.queue.queued() >= 1)
        names = {job.file.path.name for job in settle_all(catalogue)}
        write(root / "2019" / "3.jpg", "edited")
        await until(lambda: catalogue.queue.queued() >= 1 or "3.jpg" in names)
        names |= {job.file.path.name for job in settle_all(catalogue)}
        assert {"new.jpg", "3.jpg"} <= names
        (root / "2019" / "4.jpg").unlink()
        await until(lambda: catalogue.counts().missing == 1)


async def test_a_folder_that_is_moved_into_the_library_is_read(catalogue: Catalogue, root: Path) -> None:
    outside = root.parent / "card"
    write(outside / "DCIM" / "one.jpg")
    async with running(catalogue, root):
        outside.rename(root / "card")
        await until(lambda: catalogue.queue.queued() == 1)


@pytest.mark.parametrize("name", ["5.xmp", "5.JPG.XMP", "5.jpg.json", "5.jpg.supplemental-metadata.json"])
async def test_an_edited_sidecar_is_noted(catalogue: Catalogue, root: Path, name: str) -> None:
    async with running(catalogue, root):
        write(root / "2019" / name, "a person's words")
        await until(lambda: catalogue.queue.queued() == 1)
        assert [job.file.path.name for job in settle_all(catalogue)] == ["5.jpg"]


@pytest.mark.parametrize("name", ["5.xmp", "5.json"])
def test_a_folder_may_be_called_like_a_sidecar(
    catalogue: Catalogue, root: Path, paths: PathDebouncer, name: str
) -> None:
    inside = write(root / "2019" / name / "inside.jpg")
    paths.add([str(inside.parent)])
    assert looks(paths) == 1
    settle_all(catalogue)
    shutil.rmtree(inside.parent)
    paths.add([str(inside.parent)])
    assert looks(paths) == 1


async def test_a_name_that_is_not_utf_8_asks_for_a_walk(catalogue: Catalogue, root: Path) -> None:
    async with running(catalogue, root) as watcher:
        write(root / os.fsdecode(b"\xff.jpg"))
        async with asyncio.timeout(30):
            await watcher.scan_wanted.wait()


def test_a_file_is_noted_only_when_it_has_stopped_growing(
    catalogue: Catalogue, root: Path, paths: PathDebouncer
) -> None:
    path = root / "2019" / "growing.jpg"
    for size in range(1, 5):
        path.write_bytes(b"x" * size)
        paths.add([str(path)])
        assert paths.poll().noted == 0
    assert looks(paths) == 1
    assert catalogue.queue.queued() == 1


def test_a_file_that_grows_without_reports_is_waited_for(
    catalogue: Catalogue, root: Path, paths: PathDebouncer
) -> None:
    path = write(root / "2019" / "growing.jpg", "1")
    paths.add([str(path)])
    for size in range(2, 6):
        assert paths.poll().noted == 0
        path.write_bytes(b"x" * size)
    assert looks(paths) == 1


def test_a_renamed_file_is_moved_and_not_read(catalogue: Catalogue, root: Path, paths: PathDebouncer) -> None:
    old, new = root / "2019" / "1.jpg", root / "2020" / "renamed.jpg"
    new.parent.mkdir()
    old.rename(new)
    paths.add([str(old), str(new)])
    assert looks(paths) == 1
    assert (catalogue.queue.queued(), catalogue.counts().missing) == (0, 0)


def test_a_renamed_folder_is_moved_and_not_read(catalogue: Catalogue, root: Path, paths: PathDebouncer) -> None:
    (root / "2019").rename(root / "summer")
    paths.add([str(root / "2019"), str(root / "summer")])
    assert looks(paths) == 30
    assert (catalogue.queue.queued(), catalogue.counts().missing, catalogue.counts().files) == (0, 0, 30)


@pytest.mark.parametrize("stands_there_now", ["empty folder", "other photos", "file"])
def test_a_folder_that_another_takes_the_place_of_is_gone(
    catalogue: Catalogue, root: Path, paths: PathDebouncer, stands_there_now: str
) -> None:
    """Renamed, and the same name given anew before anybody looks: no report says that its photos are gone. One of them
    has changed on the way, one was deleted."""
    (root / "2019").rename(root / "2019 old")
    write(root / "2019 old" / "new.jpg", "edited").replace(root / "2019 old" / "3.jpg")
    (root / "2019 old" / "4.jpg").unlink()
    if stands_there_now == "file":
        (root / "2019").write_text("a list")
    else:
        (root / "2019").mkdir()
    if stands_there_now == "other photos":
        write(root / "2019" / "5.jpg", "another")
    paths.add([root / "2019", root / "2019 old"])
    looks(paths, 8)
    settle_all(catalogue)
    there = {str(path.relative_to(root)) for path in root.rglob("*.jpg")}
    known = {name for names in shown_files(catalogue).values() for name in names}
    assert known == there
    assert not paths.poll().scan_wanted


@pytest.mark.parametrize(
    "name", [".hidden/a.jpg", "private/a.jpg", "@eaDir/a.jpg", "notes.txt", "2019/.a.jpg", "no/a.jpg"]
)
def test_what_a_walk_passes_over_is_not_noted(
    catalogue: Catalogue, root: Path, paths: PathDebouncer, name: str
) -> None:
    write(root / "no" / ".nomedia")
    paths.add([str(write(root / name)), str((root / name).parent)])
    assert looks(paths) == 0
    assert catalogue.queue.queued() == 0


def test_a_nomedia_file_asks_for_a_walk(root: Path, paths: PathDebouncer) -> None:
    paths.add([str(write(root / "2019" / ".nomedia"))])
    assert wants_a_walk(paths)


def test_a_path_through_a_linked_folder_is_left_to_a_walk(
    catalogue: Catalogue, root: Path, paths: PathDebouncer
) -> None:
    (root / "link").symlink_to(root / "2019")
    write(root / "2019" / "1.jpg", "edited")
    paths.add([str(root / "link" / "1.jpg")])
    assert wants_a_walk(paths)
    assert catalogue.queue.queued() == 0


def test_a_mass_deletion_is_left_to_a_walk(catalogue: Catalogue, root: Path, paths: PathDebouncer) -> None:
    gone = sorted((root / "2019").iterdir())[:25]
    for path in gone:
        path.unlink()
    paths.add([str(path) for path in gone])
    assert wants_a_walk(paths)
    assert catalogue.counts().missing == 0


def test_the_folder_that_a_library_was_mounted_on_says_nothing_of_its_photos(
    catalogue: Catalogue, root: Path, paths: PathDebouncer
) -> None:
    """Few enough to be believed: those that changed last before the disk was unmounted."""
    paths.add([str(root / "2019/1.jpg"), str(root / "2019/2.jpg")])
    shutil.move(root, root.with_name("unmounted"))
    root.mkdir()
    assert wants_a_walk(paths)
    assert catalogue.counts().missing == 0


def test_a_root_that_is_pulled_out_loses_nothing(catalogue: Catalogue, root: Path, paths: PathDebouncer) -> None:
    paths.add([str(path) for path in root.rglob("*.jpg")])
    shutil.move(root, root.with_name("unplugged"))
    assert wants_a_walk(paths)
    assert catalogue.counts().missing == 0


async def test_without_watches_one_line_says_how_to_get_them(
    catalogue: Catalogue, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def no_watches(*_: object, **__: object) -> Iterator[set[FileChange]]:
        raise OSError("OS file watch limit reached. (os error 28)")
        yield set()

    watcher = Watcher(catalogue, [root], RULES, changed=lambda: None, reports=no_watches)
    with caplog.at_level(logging.WARNING):
        await watcher.run()
    [record] = caplog.records
    assert "fs.inotify.max_user_watches" in record.getMessage()
    assert list(watcher.unwatched) == [root]
    assert watcher.rescan_s(3600.0) == UNWATCHED_RESCAN_S
    assert watcher.rescan_s(0.0) == 0.0


async def test_nothing_to_watch_is_fine(catalogue: Catalogue) -> None:
    watcher = Watcher(catalogue, [], RULES, changed=lambda: None)
    await watcher.run()
    assert watcher.rescan_s(3600.0) == 3600.0
