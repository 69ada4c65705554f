"""A library at another path: known there without reading it again, and its old path fades without a warning."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.catalogue import Catalogue
from tests.indexing import COLOURS, CountingCaptioner, all_photos, index, settings_for, stored
from tests.libraries import rescan, settle_all, write
from tests.photos_made import write_jpeg

FILES = 30


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    (tmp_path / "data").mkdir()
    with Catalogue(tmp_path / "data" / "catalogue.db") as opened:
        yield opened


@pytest.fixture
def old(tmp_path: Path, catalogue: Catalogue) -> Path:
    """A library that was scanned and indexed."""
    root = tmp_path / "old"
    for number in range(FILES):
        write(root / f"{number % 3}" / f"{number}.jpg")
    rescan(catalogue, root)
    settle_all(catalogue)
    return root


def paths(catalogue: Catalogue) -> set[Path]:
    photos = catalogue.photos(catalogue.photo_ids())
    assert len(photos) == FILES
    return {photo.files[0].path.parents[1] for photo in photos}


def warnings(catalogue: Catalogue) -> list[str]:
    return [str(root.held_back) for root in catalogue.scans.roots() if root.held_back]


def test_a_library_that_was_renamed_is_known_at_its_new_path(tmp_path: Path, catalogue: Catalogue, old: Path) -> None:
    new = old.rename(tmp_path / "new")
    counts, outcome = rescan(catalogue, new)
    assert (counts.moved, counts.new, outcome.held_back) == (FILES, 0, None)
    assert (catalogue.queue.queued(), paths(catalogue)) == (0, {new})
    assert rescan(catalogue, old)[1].held_back is None
    assert (warnings(catalogue), catalogue.counts().missing) == ([], 0)


def test_a_library_that_was_copied_to_another_disk_is_known_there(
    tmp_path: Path, catalogue: Catalogue, old: Path
) -> None:
    rescan(catalogue, old)
    new = Path(shutil.copytree(old, tmp_path / "new"))  # times are kept, inodes are others
    shutil.rmtree(old)
    old.mkdir()  # a mount point that is left
    assert "is empty" in str(rescan(catalogue, old)[1].held_back)
    counts, _ = rescan(catalogue, new)
    assert (counts.moved, catalogue.queue.queued(), paths(catalogue)) == (FILES, 0, {new})
    assert warnings(catalogue) == []
    assert rescan(catalogue, old)[1].held_back is None


def test_a_library_whose_files_got_new_times_is_read_once_and_its_old_path_fades(
    tmp_path: Path, catalogue: Catalogue, old: Path
) -> None:
    new = tmp_path / "new"
    for path in old.rglob("*.jpg"):
        write(new / path.relative_to(old), path.read_text())
        os.utime(new / path.relative_to(old), ns=(1, 1))
    shutil.rmtree(old)
    assert rescan(catalogue, old)[1].held_back
    rescan(catalogue, new)
    settle_all(catalogue)
    assert paths(catalogue) == {new}  # what is there comes first at once
    rescan(catalogue, new)
    assert (catalogue.counts().missing, warnings(catalogue)) == (FILES, [])
    assert rescan(catalogue, old)[1].held_back is None


def test_a_library_inside_a_larger_one_is_known_there(tmp_path: Path, catalogue: Catalogue, old: Path) -> None:
    (tmp_path / "all").mkdir()
    old.rename(tmp_path / "all" / "ours")
    counts, _ = rescan(catalogue, tmp_path / "all")
    assert (counts.moved, catalogue.queue.queued()) == (FILES, 0)


def test_a_library_that_is_still_there_is_not_taken_for_moved(tmp_path: Path, catalogue: Catalogue, old: Path) -> None:
    new = Path(shutil.copytree(old, tmp_path / "a copy"))
    counts, _ = rescan(catalogue, new)
    settle_all(catalogue)
    rescan(catalogue, new)
    assert (counts.moved, counts.new) == (0, FILES)
    assert (catalogue.counts().files, catalogue.counts().missing) == (2 * FILES, 0)


def test_what_is_not_in_the_new_library_stays_held_back(tmp_path: Path, catalogue: Catalogue, old: Path) -> None:
    new = old.rename(tmp_path / "new")
    shutil.rmtree(new / "0")
    rescan(catalogue, new)
    assert "can't be read" in str(rescan(catalogue, old)[1].held_back)
    assert catalogue.counts().missing == 0


def test_a_copy_on_a_disk_that_is_unplugged_is_there_again_with_the_disk(
    tmp_path: Path, catalogue: Catalogue, old: Path
) -> None:
    disk = Path(shutil.copytree(old, tmp_path / "disk"))
    rescan(catalogue, disk)
    settle_all(catalogue)
    away = disk.rename(tmp_path / "away")
    rescan(catalogue, old)
    away.rename(disk)
    rescan(catalogue, disk)
    assert (catalogue.counts().files, catalogue.counts().missing, catalogue.queue.queued()) == (2 * FILES, 0, 0)


def test_forgetting_a_library_leaves_no_warning(catalogue: Catalogue, old: Path) -> None:
    shutil.rmtree(old)
    assert rescan(catalogue, old)[1].held_back
    assert catalogue.scans.forget_root(old) == FILES
    assert catalogue.scans.roots() == []
    write(old / "again.jpg")
    rescan(catalogue, old)
    assert [root.path for root in catalogue.scans.roots()] == [old]


def test_accepted_losses_leave_no_warning(catalogue: Catalogue, old: Path) -> None:
    shutil.rmtree(old)
    assert rescan(catalogue, old)[1].held_back
    catalogue.scans.accept_losses(old)
    for _ in range(3):
        assert rescan(catalogue, old)[1].held_back is None
        assert warnings(catalogue) == []
    assert catalogue.counts().missing == FILES


def test_a_library_that_was_never_there_is_spoken_of(tmp_path: Path, catalogue: Catalogue) -> None:
    for _ in range(2):
        assert "can't be read" in str(rescan(catalogue, tmp_path / "nowhere")[1].held_back)


def test_what_was_said_of_libraries_that_are_scanned_no_more_is_forgotten(catalogue: Catalogue, old: Path) -> None:
    shutil.rmtree(old)
    rescan(catalogue, old)
    catalogue.scans.forget_old_reasons([old])
    assert len(warnings(catalogue)) == 1
    catalogue.scans.forget_old_reasons([old.with_name("new")])
    assert warnings(catalogue) == []


@pytest.mark.slow
async def test_a_moved_library_costs_nothing_and_is_opened_at_its_new_path(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    for number, colour in enumerate(COLOURS):
        write_jpeg(tmp_path / "old" / f"{colour}.jpg", COLOURS[colour], number)
    await index(settings, CountingCaptioner(), tmp_path / "old")
    new = (tmp_path / "old").rename(tmp_path / "new")
    captioner = CountingCaptioner()
    outcome = await index(settings, captioner, tmp_path / "old", new)
    assert (outcome.done, captioner.asked) == (0, [])
    with stored(settings) as storage:
        assert {photo.files[0].path.parent for photo in all_photos(storage)} == {new}
