"""New, changed, moved, copied, deleted and lost files, on real trees."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.atomic.file_read import stamp_of
from indexer.catalogue import Catalogue
from indexer.catalogue.found import FoundBatch, as_batch
from indexer.catalogue.scans import NoteCounts
from indexer.model import CaptionPlace, FoundFile, IndexedPhoto, PhotoMetadata
from tests.libraries import WORDS, files_in, found, indexed, key_of, note_one, rescan, settle_all, shown_files, write


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    with Catalogue(tmp_path / "data" / "catalogue.db") as opened:
        yield opened


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three photos in two folders."""
    library = tmp_path / "library"
    for name in ("2019/a.jpg", "2019/b.jpg", "2020/c.jpg"):
        write(library / name)
    return library


def test_a_second_walk_finds_nothing_to_do(catalogue: Catalogue, root: Path) -> None:
    counts, outcome = rescan(catalogue, root)
    assert (counts, outcome.missing) == (NoteCounts(new=3), 0)
    assert len(settle_all(catalogue)) == 3
    assert rescan(catalogue, root)[0] == NoteCounts(unchanged=3)
    assert catalogue.queue.queued() == 0


def test_pictures_and_videos_that_are_not_read_are_counted_by_kind(catalogue: Catalogue, root: Path) -> None:
    for name in ("a.jxl", "2019/B.JXL", "c.psd", "film.mov", "notes.txt", "Thumbs.db", ".hidden.jxl", "skip/d.jxl"):
        write(root / name)
    (root / "folder.mov").mkdir()
    write(root / "folder.mov" / "inside.jpg")
    assert rescan(catalogue, root, exclude=("skip/",))[0].new == 4
    (state,) = catalogue.scans.roots()
    assert next(iter(state.passed_over)) == ".jxl", "the most frequent first"
    assert state.passed_over == {".jxl": 2, ".psd": 1, ".mov": 1}
    (root / "a.jxl").unlink()
    rescan(catalogue, root, exclude=("skip/",))
    assert catalogue.scans.roots()[0].passed_over[".jxl"] == 1


def test_a_changed_file_is_read_again_and_leaves_its_old_photo(catalogue: Catalogue, root: Path) -> None:
    rescan(catalogue, root)
    settle_all(catalogue)
    old = key_of(root / "2019/a.jpg")
    catalogue.outbox.mark_pushed([(photo.id, photo.revision) for photo in catalogue.unpushed(10)])
    write(root / "2019/a.jpg", "another picture")
    assert rescan(catalogue, root)[0] == NoteCounts(changed=1, unchanged=2)
    [job] = settle_all(catalogue)
    assert job.content_key == old
    assert catalogue.outbox.removed_ids(10) == [old]
    assert [photo.id for photo in catalogue.unpushed(10)] == [key_of(root / "2019/a.jpg")]


@pytest.mark.parametrize("settled", [True, False])
def test_a_renamed_folder_costs_no_reading(catalogue: Catalogue, root: Path, settled: bool) -> None:
    rescan(catalogue, root)
    if settled:
        settle_all(catalogue)
    (root / "2019").rename(root / "summer")
    counts, outcome = rescan(catalogue, root)
    assert (counts, outcome.missing) == (NoteCounts(unchanged=1, moved=2), 0)
    assert len(settle_all(catalogue)) == (0 if settled else 3)
    files = [path for paths in shown_files(catalogue).values() for path in paths]
    assert sorted(files) == ["2020/c.jpg", "summer/a.jpg", "summer/b.jpg"]


def test_a_moved_photo_is_pushed_to_search_again(catalogue: Catalogue, root: Path) -> None:
    rescan(catalogue, root)
    settle_all(catalogue)
    catalogue.outbox.mark_pushed([(photo.id, photo.revision) for photo in catalogue.unpushed(10)])
    (root / "2019/a.jpg").rename(root / "2020/z.jpg")
    rescan(catalogue, root)
    assert [photo.files[0].relative for photo in catalogue.unpushed(10)] == ["2020/z.jpg"]


def test_a_file_that_was_missing_and_comes_back_elsewhere_is_a_move(catalogue: Catalogue, root: Path) -> None:
    rescan(catalogue, root)
    settle_all(catalogue)
    aside = root.parent / "aside.jpg"
    (root / "2019/a.jpg").rename(aside)
    assert rescan(catalogue, root)[1].missing == 1
    aside.rename(root / "back.jpg")
    assert rescan(catalogue, root)[0].moved == 1
    assert (catalogue.queue.queued(), catalogue.counts().missing) == (0, 0)


def test_a_copy_is_one_more_file_of_the_same_photo(catalogue: Catalogue, root: Path) -> None:
    rescan(catalogue, root)
    settle_all(catalogue)
    shutil.copy2(root / "2019/a.jpg", root / "2020/copy.jpg")
    assert rescan(catalogue, root)[0] == NoteCounts(new=1, unchanged=3)
    settle_all(catalogue, caption=None)
    assert shown_files(catalogue)[key_of(root / "2019/a.jpg")] == ["2019/a.jpg", "2020/copy.jpg"]
    (root / "2019/a.jpg").unlink()
    assert rescan(catalogue, root)[1].missing == 1
    assert shown_files(catalogue)[key_of(root / "2020/copy.jpg")] == ["2020/copy.jpg"]
    assert catalogue.outbox.removed_ids(10) == []


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_a_link_to_a_known_photo_costs_no_reading(catalogue: Catalogue, root: Path, link: object) -> None:
    rescan(catalogue, root)
    settle_all(catalogue)
    assert callable(link)
    link(root / "2019/a.jpg", root / "link.jpg")
    assert rescan(catalogue, root)[0].new == 1
    assert catalogue.queue.queued() == 0
    assert shown_files(catalogue)[key_of(root / "link.jpg")] == ["link.jpg", "2019/a.jpg"]


def test_a_deleted_photo_leaves_search_and_returns_without_being_read(catalogue: Catalogue, root: Path) -> None:
    rescan(catalogue, root)
    settle_all(catalogue)
    catalogue.outbox.mark_pushed([(photo.id, photo.revision) for photo in catalogue.unpushed(10)])
    key, aside = key_of(root / "2019/a.jpg"), root.parent / "aside.jpg"
    (root / "2019/a.jpg").rename(aside)
    rescan(catalogue, root)
    assert catalogue.outbox.removed_ids(10) == [key]
    catalogue.outbox.forget_removed([key])
    assert catalogue.outbox.removed_ids(10) == []
    aside.rename(root / "2019/a.jpg")
    assert rescan(catalogue, root)[0] == NoteCounts(unchanged=3)
    assert [photo.id for photo in catalogue.unpushed(10)] == [key]
    assert catalogue.queue.queued() == 0


def test_a_photo_replaced_by_another_with_the_same_size_and_time_is_read(catalogue: Catalogue, root: Path) -> None:
    rescan(catalogue, root)
    settle_all(catalogue)
    path, other = root / "2019/a.jpg", root / "2019/new.tmp"
    status = path.stat()
    other.write_bytes(b"z" * status.st_size)
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)
    assert rescan(catalogue, root)[0].changed == 1


def test_our_own_write_starts_no_loop(catalogue: Catalogue, root: Path) -> None:
    rescan(catalogue, root)
    for job in catalogue.queue.claim(10):
        stamp_before = job.file.stamp
        replacement = job.file.path.with_suffix(".captmp")
        replacement.write_bytes(job.file.path.read_bytes() + b" with words")
        replacement.replace(job.file.path)
        done = indexed(job)
        assert done.stamp != stamp_before
        catalogue.settle(job, done)
    assert rescan(catalogue, root)[0] == NoteCounts(unchanged=3)


def test_our_own_write_seen_by_a_walk_before_it_is_settled_starts_no_loop(catalogue: Catalogue, root: Path) -> None:
    rescan(catalogue, root)
    [job] = catalogue.queue.claim(1)
    write(job.file.path, "with words in it")
    assert rescan(catalogue, root)[0].changed == 1
    catalogue.settle(job, indexed(job))
    assert catalogue.queue.queued() == 2
    assert rescan(catalogue, root)[0].unchanged == 3


def test_a_change_while_the_photo_is_in_hand_is_not_lost(catalogue: Catalogue, root: Path) -> None:
    rescan(catalogue, root)
    [job] = catalogue.queue.claim(1)
    as_read = indexed(job)
    write(job.file.path, "edited by somebody meanwhile")
    rescan(catalogue, root)
    catalogue.settle(job, as_read)
    assert job.file.path in [again.file.path for again in settle_all(catalogue)]
    assert rescan(catalogue, root)[0].unchanged == 3


@pytest.mark.parametrize(
    "sidecar",
    ["a.jpg.xmp", "a.xmp", "A.JPG.XMP", "a.jpg.json", "a.json", "a.jpg.supplemental-metadata.json", "A.jpg.suppl.JSON"],
)
def test_an_edited_sidecar_makes_its_photo_be_read_again(catalogue: Catalogue, root: Path, sidecar: str) -> None:
    rescan(catalogue, root)
    settle_all(catalogue)
    path = write(root / "2019" / sidecar, "a person's words")
    assert rescan(catalogue, root)[0] == NoteCounts(changed=1, unchanged=2)
    assert [job.file.path.name for job in settle_all(catalogue)] == ["a.jpg"]
    assert rescan(catalogue, root)[0].unchanged == 3
    path.unlink()
    assert rescan(catalogue, root)[0].changed == 1


def test_a_file_that_is_noted_by_itself_has_the_sidecars_that_a_walk_finds(catalogue: Catalogue, root: Path) -> None:
    for name in ("a.jpg.xmp", "A.XMP", "a.jpg.json", "B.jpg.supplemental-me.json", "b.JPG.Xmp", "unlike.json"):
        write(root / "2019" / name, name)
    rescan(catalogue, root)
    settle_all(catalogue)
    for name in ("a.jpg", "b.jpg"):
        assert note_one(catalogue, found(root, root / "2019" / name)) == NoteCounts(unchanged=1)


def test_a_new_name_with_another_date_makes_its_photo_be_read_again(catalogue: Catalogue, root: Path) -> None:
    rescan(catalogue, root)
    settle_all(catalogue)
    first = (root / "2019" / "a.jpg").rename(root / "2019" / "other.jpg")
    rescan(catalogue, root)
    assert catalogue.queue.queued() == 0
    first.rename(root / "2019" / "IMG-20190101-WA0001.jpg")
    assert rescan(catalogue, root)[0] == NoteCounts(moved=1, unchanged=2)
    assert [job.file.path.name for job in settle_all(catalogue)] == ["IMG-20190101-WA0001.jpg"]


def test_our_own_sidecar_starts_no_loop(catalogue: Catalogue, root: Path) -> None:
    rescan(catalogue, root)
    for job in catalogue.queue.claim(10):
        write(job.file.path.with_name(job.file.path.name + ".xmp"), "our words")
        metadata = PhotoMetadata("image/jpeg", 1, 1)
        photo = IndexedPhoto(key_of(job.file.path), metadata, job.file.stamp, WORDS, CaptionPlace.SIDECAR)
        catalogue.settle(job, photo)
    assert rescan(catalogue, root)[0] == NoteCounts(unchanged=3)


def test_names_that_are_not_utf_8_and_other_odd_ones(catalogue: Catalogue, tmp_path: Path) -> None:
    root = tmp_path / os.fsdecode(b"l\xffbrary")
    odd = [b"\xe9t\xe9.jpg", b"line\nbreak.jpg", b"quo'te\".jpg", b"%s.jpg", b"n" * 251 + b".jpg", "ü/ß.jpg".encode()]
    for name in odd:
        write(root / os.fsdecode(name), repr(name))
    assert rescan(catalogue, root)[0].new == len(odd)
    jobs = settle_all(catalogue)
    assert {os.fsencode(job.file.path.relative_to(root)) for job in jobs} == set(odd)
    assert rescan(catalogue, root)[0].unchanged == len(odd)
    photos = catalogue.photos(catalogue.photo_ids())
    assert all(file.path.exists() for photo in photos for file in photo.files)
    assert catalogue.scans.roots()[0].path == root


def test_inodes_of_64_bits(catalogue: Catalogue, root: Path) -> None:
    """Some network and union file systems number their files from the top."""
    path = root / "2019/a.jpg"
    stamp = stamp_of(path.stat())
    high = type(stamp)(stamp.mtime_ns, stamp.size, (1 << 64) - 5)
    file = FoundFile(root, path, high)
    assert note_one(catalogue, file).new == 1
    assert note_one(catalogue, file).unchanged == 1
    [job] = catalogue.queue.claim(1)
    assert job.file == file


def test_a_root_that_vanished_deletes_nothing(catalogue: Catalogue, root: Path) -> None:
    rescan(catalogue, root)
    settle_all(catalogue)
    root.rename(root.with_name("unplugged"))
    outcome = rescan(catalogue, root)[1]
    assert outcome.missing == 0
    assert outcome.held_back is not None
    assert "can't be read" in str(outcome.held_back)
    assert "--accept-losses" in str(outcome.held_back)
    assert catalogue.counts().files == 3
    root.with_name("unplugged").rename(root)
    assert rescan(catalogue, root) == (NoteCounts(unchanged=3), type(outcome)(0, None))
    assert catalogue.scans.roots()[0].held_back is None


def test_an_emptied_root_deletes_nothing_until_it_is_confirmed(catalogue: Catalogue, root: Path) -> None:
    rescan(catalogue, root)
    settle_all(catalogue)
    shutil.rmtree(root)
    root.mkdir()
    outcome = rescan(catalogue, root)[1]
    assert outcome.held_back is not None
    assert "is empty" in str(outcome.held_back)
    assert catalogue.scans.roots()[0].held_back == outcome.held_back
    catalogue.scans.accept_losses(root)
    assert rescan(catalogue, root)[1].missing == 3
    assert catalogue.counts().photos == 0


def test_a_vanished_root_can_be_given_up(catalogue: Catalogue, root: Path) -> None:
    rescan(catalogue, root)
    shutil.rmtree(root)
    catalogue.scans.accept_losses(root)
    assert rescan(catalogue, root)[1].missing == 3


@pytest.mark.parametrize(
    ("files", "lost", "believed"), [(10, 9, True), (40, 21, False), (40, 20, True), (300, 25, True)]
)
def test_losing_much_at_once_is_not_believed(
    catalogue: Catalogue, tmp_path: Path, files: int, lost: int, believed: bool
) -> None:
    root = tmp_path / "library"
    paths = [write(root / f"{number}.jpg") for number in range(files)]
    rescan(catalogue, root)
    for path in paths[:lost]:
        path.unlink()
    outcome = rescan(catalogue, root)[1]
    assert (outcome.held_back is None) == believed
    assert outcome.missing == (lost if believed else 0)
    if not believed:
        catalogue.scans.accept_losses(root)
        assert rescan(catalogue, root)[1].missing == lost
        for path in paths[lost : lost + 15]:
            path.unlink()
        assert rescan(catalogue, root)[1].missing == 15


def test_another_file_system_with_less_on_it_is_not_believed(catalogue: Catalogue, tmp_path: Path) -> None:
    root = tmp_path / "library"
    paths = [write(root / f"{number}.jpg") for number in range(10)]
    rescan(catalogue, root)
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == root.stat().st_dev:
        pytest.skip("there is no second file system to try this on")
    root.rename(tmp_path / "disk")
    other = elsewhere / f"recollect-{os.getpid()}"
    try:
        for path in paths[:8]:
            write(other / path.name)
        root.symlink_to(other)
        outcome = rescan(catalogue, root)[1]
    finally:
        shutil.rmtree(other)
    assert outcome.held_back is not None
    assert "another file system" in str(outcome.held_back)


def test_what_the_settings_newly_exclude_is_no_loss(catalogue: Catalogue, tmp_path: Path) -> None:
    root = tmp_path / "library"
    for number in range(60):
        write(root / ("Screenshots" if number % 2 else "Photos") / f"{number}.jpg")
    rescan(catalogue, root)
    outcome = rescan(catalogue, root, exclude=("Screenshots/",))[1]
    assert (outcome.missing, outcome.held_back) == (30, None)


def test_files_below_a_folder_that_cannot_be_listed_are_not_missing(catalogue: Catalogue, root: Path) -> None:
    rescan(catalogue, root)
    (root / "2020/c.jpg").unlink()
    walk = catalogue.scans.begin_scan(root)
    catalogue.scans.note(walk, FoundBatch(root, [], {b"2019": "Input/output error"}))
    assert catalogue.scans.finish_scan(walk).missing == 1
    assert catalogue.counts().files == 2


def test_a_walk_that_does_not_finish_removes_nothing(catalogue: Catalogue, root: Path) -> None:
    rescan(catalogue, root)
    (root / "2019/a.jpg").unlink()
    catalogue.scans.note(catalogue.scans.begin_scan(root), [])
    assert catalogue.counts().missing == 0


def test_what_is_noted_during_a_walk_is_not_missing(catalogue: Catalogue, root: Path) -> None:
    """The watcher notes a file in a folder that the walk has already passed."""
    rescan(catalogue, root)
    walk = catalogue.scans.begin_scan(root)
    for path in sorted(root.rglob("*.jpg")):
        catalogue.scans.note(walk, [found(root, path)])
    (root / "2020/c.jpg").rename(root / "2019/c.jpg")
    note_one(catalogue, found(root, write(root / "2019/late.jpg")))
    note_one(catalogue, found(root, root / "2019/c.jpg"))
    assert catalogue.scans.finish_scan(walk).missing == 0
    assert catalogue.counts().files == 4


def test_a_root_inside_another_is_walked_as_a_folder_of_it(catalogue: Catalogue, root: Path) -> None:
    rescan(catalogue, root)
    assert rescan(catalogue, root / "2019")[0] == NoteCounts(unchanged=2)
    (root / "2019/a.jpg").unlink()
    assert rescan(catalogue, root / "2019")[1].missing == 1
    assert [state.path for state in catalogue.scans.roots()] == [root]


def test_a_root_around_known_ones_takes_them_in(catalogue: Catalogue, root: Path) -> None:
    write(root / "2019/deep/d.jpg")
    assert rescan(catalogue, root / "2019")[0].new == 3
    assert rescan(catalogue, root / "2020")[0].new == 1
    settle_all(catalogue)
    counts, outcome = rescan(catalogue, root)
    assert (counts, outcome.missing) == (NoteCounts(unchanged=4), 0)
    assert [(state.path, state.files) for state in catalogue.scans.roots()] == [(root, 4)]
    assert ["2019/deep/d.jpg"] in shown_files(catalogue).values()


def test_missing_files_and_folders_are_marked(catalogue: Catalogue, root: Path) -> None:
    write(root / "2019-2/d.jpg")
    rescan(catalogue, root)
    assert catalogue.scans.note_missing(root, [root / "2019/a.jpg"]).missing == 1
    assert catalogue.scans.note_missing(root, [root / "2019/a.jpg"]).missing == 0
    assert catalogue.scans.note_missing(root, [root / "2019"]).missing == 1
    assert catalogue.counts().files == 2
    assert catalogue.scans.note_missing(root, [root]).missing == 0, "everything at once is for a walk to judge"


def test_forgetting_a_root(catalogue: Catalogue, root: Path) -> None:
    rescan(catalogue, root)
    assert catalogue.scans.forget_root(root) == 3
    assert catalogue.counts().files == 0
    assert catalogue.queue.claim(5) == []


def test_found_files_make_a_batch(root: Path) -> None:
    files = [found(root, path) for path in sorted(root.rglob("*.jpg"))]
    batch = as_batch(root, files)
    assert files_in(batch) == files
