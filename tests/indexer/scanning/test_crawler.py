"""The crawler on trees as they are found: links, loops, bins, odd names, folders that can't be listed."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from indexer.catalogue.found import FoundBatch
from indexer.scanning.crawl_rules import CrawlRules
from indexer.scanning.crawler import BATCH_FILES, Crawl, crawl, outermost
from tests.libraries import EXTENSIONS, files_in, found, names, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    library = tmp_path / "library"
    library.mkdir()
    return library


def test_photos_are_found_in_the_order_of_their_names_with_their_stamps(root: Path) -> None:
    wanted = ["2019/b.JPG", "2019/sub/c.png", "2020/a.jpg", "z.jpg"]
    for name in reversed(wanted):
        write(root / name)
    for name in ("notes.txt", "2019/film.mp4", "2019/a.jpg.xmp", "2020/a.jpg.json", "jpg", "2019/.jpg"):
        write(root / name)
    assert sorted(names(root)) == wanted
    [batch] = Crawl(root, CrawlRules(extensions=EXTENSIONS)).batches()
    assert {file.path: file for file in files_in(batch)} == {root / name: found(root, root / name) for name in wanted}


@pytest.mark.parametrize("name", ["2019.xmp", "2019.json"])
def test_a_folder_may_be_called_like_a_sidecar(root: Path, name: str) -> None:
    write(root / name / "inside.jpg")
    assert names(root) == [f"{name}/inside.jpg"]


def test_what_is_not_a_regular_file_is_no_photo(root: Path) -> None:
    write(root / "folder.jpg" / "inside.jpg")
    os.mkfifo(root / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(root / "socket.jpg"))
        (root / "dangling.jpg").symlink_to(root / "nowhere")
        (root / "itself.jpg").symlink_to(root / "itself.jpg")
        assert names(root) == ["folder.jpg/inside.jpg"]


@pytest.mark.parametrize(
    "folder",
    [
        *(".hidden", ".Trash-1000", ".thumbnails", "@eaDir", ".@__thumb", "#recycle", "$RECYCLE.BIN", "lost+found"),
        *("Previews.lrdata", "System Volume Information", "__MACOSX", "sub/@eaDir", "#snapshot"),
        *(
            "Photos.photoslibrary/resources/derivatives",
            "Photos Library.photoslibrary/database",
            "Old.aplibrary/Previews",
        ),
    ],
)
def test_folders_of_other_programs_are_passed_over(root: Path, folder: str) -> None:
    write(root / folder / "thumb.jpg")
    write(root / "photo.jpg")
    assert names(root) == ["photo.jpg"]


def test_originals_in_apple_s_libraries_are_found(root: Path) -> None:
    wanted = ["A.photoslibrary/originals/0/x.jpg", "B.aplibrary/Masters/2011/y.jpg"]
    for name in wanted:
        write(root / name)
    assert names(root) == wanted


def test_hidden_files_and_copies_in_the_making_are_passed_over(root: Path) -> None:
    from indexer.atomic.temporary import is_temporary

    for name in (".hidden.jpg", "._resource.jpg", ".photo.jpg.0123abcd.captmp"):
        write(root / name)
    assert is_temporary(".photo.jpg.0123abcd.captmp")
    assert names(root) == []


def test_nomedia_hides_a_folder_and_what_is_below_but_never_the_root(root: Path) -> None:
    write(root / ".nomedia")
    write(root / "photo.jpg")
    write(root / "cache" / ".nomedia")
    write(root / "cache" / "a.jpg")
    write(root / "cache" / "sub" / "b.jpg")
    assert names(root) == ["photo.jpg"]


def test_a_hidden_root_is_walked_when_it_is_named(tmp_path: Path) -> None:
    write(tmp_path / ".photos" / "a.jpg")
    assert names(tmp_path / ".photos") == ["a.jpg"]


def test_patterns_choose_files_and_folders(root: Path) -> None:
    for name in ("Screenshots/a.jpg", "2019/a.jpg", "2019/a.png", "2019/Screenshots/b.jpg", "keep/c.png"):
        write(root / name)
    assert names(root, exclude=("Screenshots/",)) == ["2019/a.jpg", "2019/a.png", "keep/c.png"]
    assert names(root, exclude=("/Screenshots", "*.png")) == ["2019/a.jpg", "2019/Screenshots/b.jpg"]
    assert names(root, include=("2019/",), exclude=("*.png",)) == ["2019/a.jpg", "2019/Screenshots/b.jpg"]
    assert names(root, include=("*.png",)) == ["2019/a.png", "keep/c.png"]


def test_linked_files_are_found_and_linked_folders_once(root: Path, tmp_path: Path) -> None:
    write(root / "real" / "a.jpg")
    (root / "0-link").symlink_to(root / "real")
    (root / "alias.jpg").symlink_to(root / "real" / "a.jpg")
    write(tmp_path / "elsewhere" / "b.jpg")
    (root / "1-link").symlink_to(tmp_path / "elsewhere")
    (root / "2-link").symlink_to(tmp_path / "elsewhere")
    assert sorted(names(root)) == ["1-link/b.jpg", "alias.jpg", "real/a.jpg"]


def test_loops_end(root: Path, tmp_path: Path) -> None:
    write(root / "a" / "x.jpg")
    (root / "a" / "loop").symlink_to(root / "a")
    (root / "a" / "up").symlink_to(root)
    (root / "a" / "out").symlink_to(tmp_path)
    (root / "ping").symlink_to(root / "pong")
    (root / "pong").symlink_to(root / "ping")
    write(tmp_path / "outside.jpg")
    assert names(root) == ["a/x.jpg"]


def test_names_of_any_bytes(root: Path) -> None:
    odd = [b"\xff\xfe.jpg", b"new\nline.jpg", b"tab\t.jpg", b"-rf.jpg", b"n" * 251 + b".jpg", b"folder\n\xff/x.jpg"]
    for name in odd:
        write(root / os.fsdecode(name))
    assert {os.fsencode(name) for name in names(root)} == set(odd)
    assert {os.fsencode(name) for name in names(root, exclude=("fold*/",))} == set(odd[:-1])
    assert len(names(root, include=("*.jpg",))) == len(odd)


def test_very_deep_folders_end_without_harm(root: Path) -> None:
    """Deeper than PATH_MAX: made step by step, for no path is long enough to name it."""
    write(root / "a.jpg")
    here = os.open(root, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    batches = list(Crawl(root, CrawlRules(extensions=EXTENSIONS)).batches())
    assert [str(file.path.relative_to(root)) for batch in batches for file in files_in(batch)] == ["a.jpg"]
    assert "ENAMETOOLONG" in str([dict(batch.unreadable) for batch in batches])


def test_a_folder_that_cannot_be_listed_is_named(root: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may list every folder")
    write(root / "locked" / "a.jpg")
    write(root / "b.jpg")
    (root / "locked").chmod(0)
    try:
        batches = list(Crawl(root, CrawlRules(extensions=EXTENSIONS)).batches())
    finally:
        (root / "locked").chmod(0o700)
    assert [dict(batch.unreadable) for batch in batches] == [{b"locked": "Permission denied"}]


@pytest.mark.parametrize("kind", ["absent", "file"])
def test_a_root_that_is_not_there_is_named(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "root"
    if kind == "file":
        root.write_bytes(b"")
    [batch] = Crawl(root, CrawlRules(extensions=EXTENSIONS)).batches()
    assert files_in(batch) == []
    assert list(batch.unreadable) == [b""]


async def test_large_folders_come_in_several_batches(root: Path) -> None:
    for number in range(BATCH_FILES + 10):
        write(root / f"{number:05d}.jpg")
    seen: list[str] = []
    batches = 0
    async with aclosing(crawl(root, extensions=EXTENSIONS)) as going:
        async for batch in going:
            batches += 1
            seen += [file.path.name for file in files_in(batch)]
    assert batches >= 2
    assert seen == sorted(seen)
    assert len(seen) == BATCH_FILES + 10


async def test_closing_a_walk_stops_its_thread(root: Path) -> None:
    for folder in range(20):
        for number in range(BATCH_FILES // 10):
            write(root / f"{folder:02d}" / f"{number}.jpg")
    going = crawl(root, extensions=EXTENSIONS)
    first: FoundBatch = await anext(going)
    assert len(files_in(first)) >= 1
    await going.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(going)


async def test_disks_that_do_not_answer_hold_up_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering, list_folder = threading.Event(), os.scandir

    def hanging(path: bytes) -> Any:
        answering.wait()
        return list_folder(path)

    monkeypatch.setattr(os, "scandir", hanging)
    roots = [write(tmp_path / str(number) / "a.jpg").parent for number in range(3)]
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(3))  # as many threads as the service has
    walks = [crawl(root, extensions=EXTENSIONS) for root in roots]
    first = [asyncio.ensure_future(anext(one)) for one in walks]
    try:
        await asyncio.sleep(0.1)
        async with asyncio.timeout(30):
            assert await asyncio.to_thread(lambda: "a claim") == "a claim"
    finally:
        answering.set()
    assert [len(files_in(batch)) for batch in await asyncio.gather(*first)] == [1, 1, 1]
    for one in walks:
        await one.aclose()


def test_a_walk_stops_in_the_middle_of_a_folder(root: Path) -> None:
    for number in range(50):
        write(root / f"{number:02d}" / "a.jpg")

    class StopsAtTheThird(CrawlRules):
        def takes(self, relative: bytes) -> bool:
            if relative.startswith(b"02"):
                crawl.stop()
            return super().takes(relative)

    crawl = Crawl(root, StopsAtTheThird(extensions=EXTENSIONS))
    assert [file.path.parent.name for batch in crawl.batches() for file in files_in(batch)] == ["00", "01"]


def test_roots_inside_roots_are_left_out(root: Path, tmp_path: Path) -> None:
    write(root / "2019" / "a.jpg")
    other = tmp_path / "library-2"
    other.mkdir()
    alias = tmp_path / "alias"
    alias.symlink_to(root)
    assert outermost([root / "2019", root, other, alias, root]) == (root, other)
    assert outermost([tmp_path / "absent"]) == (tmp_path / "absent",)
