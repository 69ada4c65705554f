"""A program for `test_hostile_disks`: `python -m tests.indexer.captions.small_worlds SCENARIO FOLDER`, run as root of a
mount namespace of its own. Each scenario mounts what it needs below the folder, writes a caption, checks that the photo
is as it was and nothing lies about, and prints what was said of the caption."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from indexer.atomic.file_read import stamp_of
from indexer.captions.caption_file import write_caption
from indexer.captions.journal import Journal
from indexer.captions.undo import undo_caption
from indexer.errors import StorageError
from tests.indexer.formats import jpegs_made as made

PHOTO = made.camera_jpeg()
SIGNED = made.with_segments(made.c2pa())


def mounted(folder: Path, options: str) -> Path:
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=True)
    return folder


def remounted_read_only(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)


def put(folder: Path, data: bytes = PHOTO) -> Path:
    path = folder / "a.jpg"
    path.write_bytes(data)
    return path


def put_on_a_full_disk(folder: Path, data: bytes = PHOTO) -> Path:
    path = put(mounted(folder, "size=64k"), data)
    fill(folder)
    return path


def fill(folder: Path) -> None:
    """To the last page but one."""
    free = os.statvfs(folder)
    (folder / "fill").write_bytes(bytes((free.f_bavail - 1) * free.f_frsize))


def said(path: Path, *, tree: Path | None = None, journal: Journal | None = None) -> str:
    """Place and reason; the photo stayed, and no other file came to be beside it."""
    before, beside = path.read_bytes(), set(path.parent.iterdir())
    written = write_caption(path, made.CAPTION, stamp=stamp_of(path.stat()), sidecar_dir=tree, journal=journal)
    assert path.read_bytes() == before
    assert set(path.parent.iterdir()) == beside
    return f"{written.place}: {written.reason}"


def full_disk(folder: Path) -> str:
    return said(put_on_a_full_disk(folder / "disk"))


def no_inode(folder: Path) -> str:
    return said(put(mounted(folder / "disk", "size=64m,nr_inodes=2")))


def full_disk_for_a_sidecar(folder: Path) -> str:
    return said(put_on_a_full_disk(folder / "disk", SIGNED))


def full_disk_but_a_tree_elsewhere(folder: Path) -> str:
    return said(put_on_a_full_disk(folder / "disk"), tree=folder / "tree")


def full_disk_for_the_journal(folder: Path) -> str:
    data = mounted(folder / "data", "size=4k")
    (data / "fill").write_bytes(bytes(4096))
    path = put(mounted(folder / "disk", "size=64m"))
    try:
        return said(path, journal=Journal.in_dir(data))
    except StorageError as error:
        assert path.read_bytes() == PHOTO
        assert list(path.parent.iterdir()) == [path]
        return f"StorageError: {error}"


def full_disk_in_the_undo(folder: Path) -> str:
    path = put(mounted(folder / "disk", "size=64m"))
    write_caption(path, made.CAPTION, stamp=stamp_of(path.stat()))
    captioned = path.read_bytes()
    subprocess.run(["mount", "-o", "remount,size=64k", path.parent], check=True)
    fill(path.parent)
    undone = undo_caption(path)
    assert path.read_bytes() == captioned
    assert set(path.parent.iterdir()) == {path, path.parent / "fill"}
    return f"{undone.restored}: {undone.reason}"


def read_only(folder: Path) -> str:
    path = put(mounted(folder / "disk", "size=64m"))
    remounted_read_only(path.parent)
    return said(path)


def read_only_but_a_tree_elsewhere(folder: Path) -> str:
    path = put(mounted(folder / "disk", "size=64m"))
    remounted_read_only(path.parent)
    return said(path, tree=folder / "tree")


def read_only_meanwhile(folder: Path) -> str:
    """As the kernel makes a disk with errors read-only: after the copy, before the exchange."""
    path = put(mounted(folder / "disk", "size=64m"))

    class Failing(Journal):
        def record(self, entry: object) -> None:
            subprocess.run(["mount", "-o", "remount,ro", path.parent], check=True)

    written = write_caption(path, made.CAPTION, stamp=stamp_of(path.stat()), journal=Failing(folder / "journal"))
    assert path.read_bytes() == PHOTO
    return f"{written.place}: {written.reason}"


def mounted_by_itself(folder: Path) -> str:
    """As a container is given single files."""
    path = put(mounted(folder / "disk", "size=64m"))
    elsewhere = folder / "elsewhere.jpg"
    elsewhere.write_bytes(PHOTO)
    subprocess.run(["mount", "--bind", elsewhere, path], check=True)
    written = write_caption(path, made.CAPTION, stamp=stamp_of(path.stat()))
    assert path.read_bytes() == PHOTO
    assert {item.name for item in path.parent.iterdir()} == {"a.jpg", "a.jpg.xmp"}
    return f"{written.place}: {written.reason}"


SCENARIOS: dict[str, Callable[[Path], str]] = {
    function.__name__: function
    for function in (
        *(full_disk, no_inode, full_disk_for_a_sidecar, full_disk_but_a_tree_elsewhere, full_disk_for_the_journal),
        *(full_disk_in_the_undo, read_only, read_only_but_a_tree_elsewhere, read_only_meanwhile, mounted_by_itself),
    )
}

if __name__ == "__main__":
    os.umask(0o022)
    sys.stdout.write(SCENARIOS[sys.argv[1]](Path(sys.argv[2])))
