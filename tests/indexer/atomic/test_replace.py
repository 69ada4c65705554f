"""The atomic replacement and its sweeping up."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from indexer.atomic.file_read import CannotReplace, ChangedMeanwhile, read_file, stamp_of
from indexer.atomic.replace import create_file, delete_file, replace_file
from indexer.atomic.temporary import is_temporary, sweep
from tests.indexer.formats import jpegs_made as made

MEGABYTE = 1 << 20


def test_mode_mtime_and_extended_attributes_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"old")
    path.chmod(0o640)
    os.utime(path, ns=(1_000_000_000, 1_234_567_890_123_456_789))
    try:
        os.setxattr(path, "user.stars", b"5")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    before = path.stat()
    stamp = replace_file(read_file(path, max_bytes=MEGABYTE), b"newer", keep_mtime=True)
    after = path.stat()
    assert stamp == stamp_of(after)
    assert path.read_bytes() == b"newer"
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert os.getxattr(path, "user.stars") == b"5"


def test_a_change_that_keeps_the_size_is_noticed_by_backups(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"old")
    os.utime(path, ns=(0, 1_600_000_000_123_456_789))
    replace_file(read_file(path, max_bytes=MEGABYTE), b"new", keep_mtime=True)
    assert path.stat().st_mtime_ns == 1_600_000_002_123_456_789
    replace_file(read_file(path, max_bytes=MEGABYTE), b"longer", keep_mtime=True)
    assert path.stat().st_mtime_ns == 1_600_000_002_123_456_789


def test_mtime_is_new_where_it_need_not_be_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"old")
    os.utime(path, ns=(0, 0))
    replace_file(read_file(path, max_bytes=MEGABYTE), b"new", keep_mtime=False)
    assert path.stat().st_mtime_ns > 10**18


def test_a_change_since_the_reading_is_never_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"old")
    file = read_file(path, max_bytes=MEGABYTE)
    path.write_bytes(b"somebody's work")
    with pytest.raises(ChangedMeanwhile):
        replace_file(file, b"new", keep_mtime=True)
    with pytest.raises(ChangedMeanwhile):
        delete_file(file)
    assert path.read_bytes() == b"somebody's work"
    path.unlink()
    with pytest.raises(ChangedMeanwhile):
        replace_file(file, b"new", keep_mtime=True)
    assert list(tmp_path.iterdir()) == []


def test_a_change_that_hides_behind_the_old_times_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"old")
    file = read_file(path, max_bytes=MEGABYTE)
    path.write_bytes(b"odd")
    os.utime(path, ns=(file.stamp.mtime_ns, file.stamp.mtime_ns))
    with pytest.raises(ChangedMeanwhile):
        replace_file(file, b"new", keep_mtime=True)
    assert path.read_bytes() == b"odd"


def test_a_new_file_never_overwrites_one_that_came_first(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.xmp"
    create_file(path, b"first", make_folders=True)
    assert path.read_bytes() == b"first"
    with pytest.raises(ChangedMeanwhile):
        create_file(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(path.parent.iterdir()) == [path]


def test_only_regular_files_of_bounded_size_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"x" * 100)
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(CannotReplace, match="regular file"):
            read_file(path, max_bytes=MEGABYTE)
    with pytest.raises(CannotReplace, match="larger"):
        read_file(tmp_path / "large", max_bytes=99)


def test_temporary_names() -> None:
    assert is_temporary(".IMG_1.JPG.0123abcd.captmp")
    assert is_temporary(".a\n\udcff.0123abcd.captmp")
    for name in ("IMG_1.JPG.0123abcd.captmp", ".IMG_1.JPG", ".captmp", ".a.0123abc.captmp", ".a.0123ABCD.captmp"):
        assert not is_temporary(name)


def test_sweeping_leaves_copies_in_the_making_and_everything_else(tmp_path: Path) -> None:
    stale = tmp_path / ".a.jpg.00000000.captmp"
    busy = tmp_path / ".b.jpg.00000000.captmp"
    lookalike = tmp_path / ".c.jpg.00000000.captmp"
    for path in (stale, busy, tmp_path / "a.jpg"):
        path.write_bytes(b"x")
    lookalike.symlink_to("a.jpg")
    with busy.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert sweep(tmp_path) == [stale]
    assert {path.name for path in tmp_path.iterdir()} == {busy.name, "a.jpg", lookalike.name}
    assert sweep(tmp_path / "not there") == []


def test_the_temporary_file_is_locked_and_gone(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(made.plain())
    seen: list[list[Path]] = []
    replace_file(
        read_file(path, max_bytes=MEGABYTE),
        b"new",
        keep_mtime=True,
        before_replacing=lambda _: seen.append([sweep(tmp_path), sorted(tmp_path.iterdir())]),  # type: ignore[arg-type]
    )
    swept, present = seen[0]
    assert swept == []
    assert [is_temporary(item.name) for item in present] == [True, False]  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == [path]
