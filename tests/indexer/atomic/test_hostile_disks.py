"""File systems and neighbours at their worst: the photo stays as it was, the reason is plain, the ladder goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from indexer.atomic.file_read import ChangedMeanwhile, read_file, stamp_of
from indexer.atomic.folder import CannotExchange, Folder
from indexer.atomic.replace import swap
from indexer.atomic.temporary import Temporary
from indexer.captions.caption_file import write_caption
from indexer.captions.journal import Journal
from indexer.captions.undo import undo_caption
from indexer.errors import PhotoVanished
from indexer.model import CaptionPlace, FileStamp, WriteResult
from indexer.ownership.mark import sha256
from tests.indexer.captions.own_captions import read_own_caption
from tests.indexer.formats import jpegs_made as made
from tests.mounts import as_nobody, in_own_mounts

EXIF, SIDECAR, INDEX = CaptionPlace.EXIF, CaptionPlace.SIDECAR, CaptionPlace.INDEX
PHOTO = made.camera_jpeg()

FULL, READ_ONLY = "the disk is full", "the file system is read-only"
SAID = {
    "full_disk": f"index: {FULL}; no sidecar either",
    "no_inode": f"index: {FULL}; no sidecar either",
    "full_disk_for_a_sidecar": f"no sidecar: {FULL}",
    "full_disk_but_a_tree_elsewhere": f"sidecar: {FULL}",
    "full_disk_for_the_journal": "StorageError: the journal",
    "full_disk_in_the_undo": f"False: {FULL}",
    "read_only": f"index: {READ_ONLY}; no sidecar either",
    "read_only_but_a_tree_elsewhere": f"sidecar: {READ_ONLY}",
    "read_only_meanwhile": f"index: {READ_ONLY}; no sidecar either",
    "mounted_by_itself": "sidecar: the file is in use, or mounted by itself",
}


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SAID)
def test_disks_that_can_t_be_written(tmp_path: Path, repository: Path, scenario: str) -> None:
    done = in_own_mounts("tests.indexer.captions.small_worlds", scenario, tmp_path, repository=repository)
    assert SAID[scenario] in done.stdout, done.stderr


def put(folder: Path, name: str = "a.jpg", data: bytes = PHOTO) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def write(path: Path, journal: Journal | None = None) -> WriteResult:
    return write_caption(path, made.CAPTION, stamp=stamp_of(path.stat()), journal=journal)


class Meanwhile(Journal):
    """Does something the first time that a file is about to be replaced."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__(Path("unused"))
        self._acts = [act]

    def record(self, entry: object) -> None:
        if self._acts:
            self._acts.pop()()


@pytest.fixture
def chattr(tmp_path: Path) -> Iterator[Callable[[str, Path], None]]:
    """Sets file attributes until the test is over."""
    program, done = shutil.which("chattr"), []

    def set_attribute(change: str, path: Path) -> None:
        if program is None or subprocess.run([program, change, path], check=False, capture_output=True).returncode:
            pytest.skip("file attributes can't be set here")
        done.append((change, path))

    yield set_attribute
    for change, path in done:
        subprocess.run([program or "", change.replace("+", "-"), path], check=True)


@pytest.mark.parametrize("change", ["+i", "+a"])
def test_a_photo_that_may_not_be_changed_gets_a_sidecar(
    tmp_path: Path, chattr: Callable[[str, Path], None], change: str
) -> None:
    path = put(tmp_path)
    chattr(change, path)
    written = write(path)
    assert written.place is SIDECAR
    assert str(written.reason) == "the file or its folder may not be changed (operation not permitted)"
    assert path.read_bytes() == PHOTO
    assert undo_caption(path).exact
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_may_not_be_changed_leaves_the_caption_in_the_index(
    tmp_path: Path, chattr: Callable[[str, Path], None]
) -> None:
    path = put(tmp_path)
    chattr("+i", tmp_path)
    written = write(path)
    assert written.place is INDEX
    assert "operation not permitted" in str(written.reason)
    assert list(tmp_path.iterdir()) == [path]


def test_a_photo_that_may_not_be_read(tmp_path: Path) -> None:
    path = put(tmp_path)
    path.chmod(0)
    stamp = stamp_of(path.stat())
    with as_nobody(tmp_path):
        written = write_caption(path, made.CAPTION, stamp=stamp)
    assert (written.place, str(written.reason)) == (INDEX, "the file can't be read (permission denied)")


def test_an_attribute_that_can_t_be_copied(tmp_path: Path) -> None:
    """Only root may set those of the kernel's security modules."""
    path = put(tmp_path)
    if os.geteuid() != 0:
        pytest.skip("only root can set an attribute that others can't copy")
    try:
        os.setxattr(path, "security.recollect", b"1")
    except OSError:
        pytest.skip("this file system has no such attributes")
    with as_nobody(tmp_path):
        written = write(path)
    assert (written.place, str(written.reason)) == (
        SIDECAR,
        "its extended attribute security.recollect can't be copied",
    )
    assert path.read_bytes() == PHOTO
    assert os.getxattr(path, "security.recollect") == b"1"


def test_an_access_list_is_kept(tmp_path: Path) -> None:
    """One for user 1000 beside the owner's, the group's, the mask and everybody's (acl(5), as Linux stores it)."""
    path = put(tmp_path)
    entries = ((1, 6, -1), (2, 4, 1000), (4, 4, -1), (16, 4, -1), (32, 0, -1))
    stored = b"\2\0\0\0" + b"".join(
        tag.to_bytes(2, "little") + may.to_bytes(2, "little") + (who & 0xFFFFFFFF).to_bytes(4, "little")
        for tag, may, who in entries
    )
    try:
        os.setxattr(path, "system.posix_acl_access", stored)
    except OSError:
        pytest.skip("this file system has no access lists")
    before = path.stat().st_mode
    assert write(path).place is EXIF
    assert (os.getxattr(path, "system.posix_acl_access"), path.stat().st_mode) == (stored, before)


def test_links_that_go_round_in_circles(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to("b.jpg")
    (tmp_path / "b.jpg").symlink_to("a.jpg")
    written = write_caption(tmp_path / "a.jpg", made.CAPTION, stamp=FileStamp(1, 2, 3))
    assert (written.place, str(written.reason)) == (INDEX, "the links that lead to the file go round in circles")


@pytest.mark.parametrize("letter", ["a", "ä", "\udcff"])
def test_the_longest_name_that_a_file_can_have(tmp_path: Path, letter: str) -> None:
    length = len(os.fsencode(letter))
    name = letter * (251 // length) + "a" * (251 % length) + ".jpg"
    path = put(tmp_path, name)
    assert write(path).place is EXIF
    assert read_own_caption(path.read_bytes()) is not None
    assert undo_caption(path).exact
    assert [item.name for item in tmp_path.iterdir()] == [name]
    signed = put(tmp_path, name, made.with_segments(made.c2pa()))
    written = write(signed)
    assert written.place is INDEX
    assert "the name would be longer than the file system takes" in str(written.reason)


@pytest.mark.parametrize("data", [PHOTO, made.with_segments(made.c2pa())], ids=["inside", "beside"])
def test_a_folder_that_is_removed_meanwhile_does_not_come_back(tmp_path: Path, data: bytes) -> None:
    folder = tmp_path / "2019"
    folder.mkdir()
    path = put(folder, data=data)
    with pytest.raises(PhotoVanished):
        write(path, Meanwhile(lambda: shutil.rmtree(folder)))
    assert not folder.exists()


def test_a_folder_that_is_renamed_meanwhile_keeps_its_photos_together(tmp_path: Path) -> None:
    folder, renamed = tmp_path / "2019", tmp_path / "Holidays"
    folder.mkdir()
    assert write(put(folder), Meanwhile(lambda: folder.rename(renamed))).place is EXIF
    assert undo_caption(renamed / "a.jpg").exact
    assert [item.read_bytes() for item in renamed.iterdir()] == [PHOTO]


def test_a_link_put_in_the_place_of_a_photo_meanwhile(tmp_path: Path) -> None:
    path, secret = put(tmp_path), put(tmp_path, "secret.jpg", made.plain((32, 32)))

    def replace_by_link() -> None:
        path.unlink()
        path.symlink_to(secret)

    assert write(path, Meanwhile(replace_by_link)).place is INDEX
    assert path.readlink() == secret
    assert secret.read_bytes() == made.plain((32, 32))
    assert set(tmp_path.iterdir()) == {path, secret}


def test_a_hard_link_made_meanwhile_is_not_parted(tmp_path: Path) -> None:
    path = put(tmp_path)
    written = write(path, Meanwhile(lambda: (tmp_path / "hard.jpg").hardlink_to(path)))
    assert written.place is SIDECAR
    assert path.samefile(tmp_path / "hard.jpg")
    assert path.read_bytes() == PHOTO


def test_rights_that_are_changed_meanwhile_are_kept(tmp_path: Path) -> None:
    path = put(tmp_path)
    assert write(path, Meanwhile(lambda: path.chmod(0o600))).place is EXIF
    assert path.stat().st_mode & 0o777 == 0o600


class NoExchange(Folder):
    """On a file system where names can't change places."""

    def exchange(self, one: str, other: str) -> None:
        raise CannotExchange


def test_where_names_can_t_change_places_they_are_replaced(tmp_path: Path) -> None:
    path = put(tmp_path)
    old = read_file(path, max_bytes=1 << 20)
    for mine, theirs in ((b"new", None), (b"newer", b"somebody's")):
        with NoExchange(tmp_path) as folder, Temporary(folder, path.name) as copy:
            copy.write(mine)
            copy.seal(mine)
            digest = sha256(mine)
            if theirs is None:
                swap(folder, old, copy, digest)
                assert path.read_bytes() == mine
                continue
            path.write_bytes(theirs)
            with pytest.raises(ChangedMeanwhile):
                swap(folder, old, copy, digest)
            assert path.read_bytes() == theirs
    assert list(tmp_path.iterdir()) == [path]


def test_without_the_right_to_leases_it_works_as_well(tmp_path: Path, repository: Path) -> None:
    """As root in a container, on files of another user."""
    setpriv = shutil.which("setpriv")
    if setpriv is None or os.geteuid() != 0:
        pytest.skip("only root can do without some of its rights")
    path = put(tmp_path)
    os.chown(path, 12345, 12345)
    program = (
        "import sys; from pathlib import Path; from tests.indexer.atomic import test_hostile_disks as t; "
        "p = Path(sys.argv[1]); print(t.write(p).place, t.undo_caption(p).exact)"
    )
    done = subprocess.run(
        [setpriv, "--bounding-set=-lease", "--inh-caps=-lease", sys.executable, "-c", program, str(path)],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "exif True\n"
    assert (path.read_bytes(), path.stat().st_uid) == (PHOTO, 12345)
