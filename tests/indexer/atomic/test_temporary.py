"""What a killed process left beside photos: told apart by its name and its bytes, and swept when nobody can want it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import time
from pathlib import Path

import pytest

from indexer.atomic.folder import Folder
from indexer.atomic.temporary import STALE_S, Temporary, deletion_name, is_temporary, sweep
from indexer.catalogue import Catalogue
from indexer.scanning.crawl_rules import CrawlRules
from indexer.scanning.crawler import Crawl
from indexer.scanning.scheduler import ScanScheduler
from indexer.settings import Settings
from tests.libraries import EXTENSIONS, names, write

IN_THE_MAKING = ".a.jpg.0123abcd.captmp"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def exchanged(old: bytes, new: bytes) -> str:
    """The name of a copy of a.jpg that changes places, or has."""
    return f".a.jpg.0123abcd-{digest(old)[:16]}-{digest(new)[:16]}.captmp"


def test_both_sorts_of_names_are_told_from_others() -> None:
    assert is_temporary(IN_THE_MAKING)
    assert is_temporary(exchanged(b"old", b"new"))
    assert is_temporary(b".\xff.0123abcd.captmp")
    for name in (".a.jpg.0123abcd-00.captmp", ".a.jpg.captmp", "a.captmp", ".a.jpg.0123abcd-.captmp"):
        assert not is_temporary(name)


@pytest.mark.parametrize("left", [b"the old photo", b"the new photo"])
def test_a_process_killed_in_the_exchange_left_one_of_the_two(tmp_path: Path, left: bytes) -> None:
    stale = tmp_path / exchanged(b"the old photo", b"the new photo")
    stale.write_bytes(left)
    assert sweep(tmp_path) == [stale]
    assert list(tmp_path.iterdir()) == []


def test_what_another_program_wrote_in_that_moment_is_kept_where_people_see_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"the new photo")
    (tmp_path / exchanged(b"the old photo", b"the new photo")).write_bytes(b"the old photo, retouched")
    with caplog.at_level(logging.WARNING):
        assert sweep(tmp_path) == []
    [kept] = [path for path in tmp_path.iterdir() if path.name != "a.jpg"]
    assert kept.name.startswith("a (other version ")
    assert kept.suffix == ".jpg"
    assert kept.read_bytes() == b"the old photo, retouched"
    assert kept.name in caplog.text
    assert (tmp_path / "a.jpg").read_bytes() == b"the new photo"


def test_one_that_a_program_writes_into_is_left_alone(tmp_path: Path) -> None:
    stale = tmp_path / exchanged(b"old", b"new")
    stale.write_bytes(b"old")
    with stale.open("r+b") as file:
        if sweep(tmp_path):
            pytest.skip("this file system has no leases")
        file.write(b"new words")
    assert sweep(tmp_path) == []
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"new words"]


def test_a_copy_in_the_making_may_be_of_a_name_as_long_as_names_are(tmp_path: Path) -> None:
    long = "ä" * 125 + ".jpg"  # 254 bytes
    with Folder(tmp_path) as folder, Temporary(folder, long) as copy:
        copy.write(b"x")
        assert is_temporary(copy.name)
        copy.seal(b"x")
        copy.rename_with_digests(digest(b"old"), digest(b"x"))
        assert is_temporary(copy.name)
        assert sweep(tmp_path) == []
        assert is_temporary(deletion_name(folder, long, digest(b"old")))
    assert list(tmp_path.iterdir()) == []


def test_what_takes_the_place_of_a_copy_is_not_removed_with_it(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder, Temporary(folder, "a.jpg") as copy:
        other = tmp_path / "other"
        other.write_bytes(b"an editor's")
        other.rename(tmp_path / copy.name)
    [kept] = tmp_path.iterdir()
    assert kept.read_bytes() == b"an editor's"
    assert not is_temporary(kept.name)


def test_young_ones_are_left_to_whoever_makes_them_however_old_the_photo_is(tmp_path: Path) -> None:
    young = tmp_path / IN_THE_MAKING
    young.write_bytes(b"x")
    os.utime(young, (1, 1))  # a copy bears its photo's mtime
    assert sweep(tmp_path, older_than_s=STALE_S) == []
    assert young.exists()
    assert sweep(tmp_path) == [young]


@pytest.mark.parametrize("older_than_s", [0.0, 0.01])
def test_a_time_that_lies_ahead_keeps_none(tmp_path: Path, older_than_s: float) -> None:
    """A copy of a photo that a camera dated wrongly, or one that was made while this clock was years ahead."""
    ahead = tmp_path / IN_THE_MAKING
    ahead.write_bytes(b"x")
    os.utime(ahead, (2**32, 2**32))
    time.sleep(0.05)
    assert sweep(tmp_path, older_than_s=older_than_s) == [ahead]


def test_a_walk_tells_of_folders_with_such_files(tmp_path: Path) -> None:
    write(tmp_path / "2019" / "a.jpg")
    write(tmp_path / "2019" / IN_THE_MAKING)
    write(tmp_path / "2020" / "b.jpg")
    write(tmp_path / "empty" / exchanged(b"old", b"new"))
    batches = list(Crawl(tmp_path, CrawlRules(extensions=EXTENSIONS)).batches())
    assert {folder for batch in batches for folder in batch.unswept} == {b"2019", b"empty"}
    assert names(tmp_path) == ["2019/a.jpg", "2020/b.jpg"]


@pytest.mark.parametrize(
    ("captions", "stale_s", "swept"), [("embed", 0, True), ("embed", 3600, False), ("off", 0, False)]
)
def test_a_walk_sweeps_what_nobody_comes_back_for(tmp_path: Path, captions: str, stale_s: float, swept: bool) -> None:
    library = tmp_path / "library"
    write(library / "2019" / "a.jpg")
    stale = write(library / "2019" / IN_THE_MAKING)
    settings = Settings(photos=(library,), captions=captions)
    with Catalogue(tmp_path / "catalogue.db") as catalogue:
        scheduler = ScanScheduler(settings, catalogue, [library], changed=lambda: None, stale_s=stale_s)
        asyncio.run(scheduler.scan_all())
    assert stale.exists() is not swept
    assert (library / "2019" / "a.jpg").exists()


def test_a_folder_that_is_not_there_is_swept_of_nothing(tmp_path: Path) -> None:
    assert sweep(tmp_path / "nowhere") == []
