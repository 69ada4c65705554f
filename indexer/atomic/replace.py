"""Replacing a photo by a changed copy of it: whole or not at all, and never over another program's change.

`os.replace` forgets what it replaces: what another program wrote after the last check is gone with it. So the old file
is leased (`HeldFile`), the names change places at once (renameat2 with RENAME_EXCHANGE), and then the old file is
checked once more, under its temporary name. Only if no program has changed it is it deleted; else the names change
back. What is deleted is always either our own copy or the file exactly as it was read.

Killed in between, a process leaves the old file, or its own copy, under the temporary name: see `temporary`.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from indexer.atomic.file_read import CannotReplace, ChangedMeanwhile, FileRead, cannot_replace, stamp_of
from indexer.atomic.folder import CannotExchange, Folder, HeldFile, xattrs
from indexer.atomic.temporary import Temporary, deletion_name, keep_other_version
from indexer.errors import Obstacle
from indexer.model import FileStamp
from indexer.ownership.mark import sha256
from indexer.reasons import ReasonCode

# Programs that compare size and mtime (rsync and most backups) must see a difference, on FAT too, which counts in twos.
_NOTICED_NS = 2_000_000_000
# A program may have looked the name up before the exchange and be inside `open`, not yet where the lease stops it.
# Measured with a loop of nothing but `open`: 1 of 9,000 exchanges met one without a pause, none of 45,000 with 0.5 ms.
_GRACE_S = 0.001

#: Called with the SHA-256 of what is about to stand there, None for nothing, perhaps in a thread of its own. Nothing is
#: replaced before it has returned, or where it raises.
BeforeReplacing = Callable[[str | None], None]


def replace_file(
    old: FileRead,
    new: bytes,
    *,
    keep_mtime: bool,
    digest: str | None = None,
    before_replacing: BeforeReplacing | None = None,
) -> FileStamp:
    """Puts `new` in the place of `old.path`, keeping mode, owner, extended attributes and (unless told) mtime; where
    even the size stays the same the mtime moves by two seconds, so that backups notice.

    `digest` is the SHA-256 of `new` where it is known already; `before_replacing` gets it before anything is replaced
    (for the journal). Raises `CannotReplace` or `ChangedMeanwhile`; the file is then untouched. Returns the new file's
    stamp.
    """
    if old.links > 1:
        raise CannotReplace(ReasonCode.HARD_LINKS, obstacle=Obstacle.LINKS)
    with _translate_errors(), Folder(old.path.parent) as folder:
        _check_space(folder, len(new))
        with Temporary(folder, old.path.name) as copy:
            move_ns = _NOTICED_NS if len(new) == len(old.data) else 0
            attributes = partial(_copy_attributes, folder, old, move_ns=move_ns if keep_mtime else None)
            swap(folder, old, copy, _write_copy(copy, new, attributes, before_replacing, digest))
            return stamp_of(copy.file.status)


def create_file(
    path: Path, data: bytes, *, make_folders: bool = False, before_replacing: BeforeReplacing | None = None
) -> None:
    """Writes a new file, whole or not at all. Raises `ChangedMeanwhile` where one has come to be there, or its folder
    is gone; `CannotReplace` where none can be written. `make_folders` makes what is missing of those above it."""
    with _translate_errors():
        if make_folders:
            path.parent.mkdir(parents=True, exist_ok=True)
        with Folder(path.parent) as folder:
            _check_space(folder, len(data))
            with Temporary(folder, path.name) as copy:
                _write_copy(copy, data, partial(os.fchmod, mode=0o666 & ~_umask()), before_replacing)
                _give_name(folder, copy.name, path.name)
            folder.sync()


def _write_copy(
    copy: Temporary,
    data: bytes,
    attributes: Callable[[int], None],
    before_replacing: BeforeReplacing | None,
    known_digest: str | None = None,
) -> str:
    """Brings data and attributes to disk and reads them back; gives their SHA-256. Waiting for the disk is most of what
    a replacement costs: the digest is taken meanwhile, and the journal's entry waits for its disk meanwhile."""
    with ThreadPoolExecutor(1) as beside:
        try:
            digest = beside.submit(lambda: known_digest or sha256(data))
        except RuntimeError as error:
            raise CannotReplace(ReasonCode.NO_THREAD, obstacle=Obstacle.DISK) from error
        copy.write(data)
        attributes(copy.writer)
        journalled = beside.submit(lambda: before_replacing and before_replacing(digest.result()))
        copy.seal(data)
        journalled.result()
        return digest.result()


def _give_name(folder: Folder, temporary: str, name: str) -> None:
    try:
        folder.rename_to_free(temporary, name)
    except FileExistsError as error:
        raise ChangedMeanwhile(ReasonCode.CAME_MEANWHILE, name=name) from error


def delete_file(old: FileRead, *, before_replacing: BeforeReplacing | None = None) -> None:
    """Removes a file that is still as it was read. Raises as `replace_file` does."""
    name = old.path.name
    with _translate_errors(), Folder(old.path.parent) as folder:
        if before_replacing is not None:
            before_replacing(None)
        with _open_leased(folder, old) as current:
            before = current.attributes
            aside = deletion_name(folder, name, old.sha256)
            _check_same(folder, old, current)
            folder.rename_to_free(name, aside)
            try:
                _check_untouched(folder, old, current, aside, before)
            except BaseException:
                _rename_back(folder, aside, name)
                raise
            folder.unlink(aside)
        folder.sync()


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ChangedMeanwhile(ReasonCode.MOVED) from error
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link stands where the file was
            raise ChangedMeanwhile(ReasonCode.CHANGED) from error
        raise cannot_replace(error) from error


def _check_space(folder: Folder, size: int) -> None:
    if size > folder.usable_bytes():
        raise OSError(errno.ENOSPC, "no space")


def _copy_attributes(folder: Folder, old: FileRead, descriptor: int, *, move_ns: int | None) -> None:
    """`move_ns` is added to the old mtime; None leaves the new one."""
    source = os.open(
        old.path.name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder.descriptor
    )
    try:
        status = os.fstat(source)
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
        _copy_xattrs(source, descriptor)
        if move_ns is not None:
            os.utime(descriptor, ns=(status.st_atime_ns, status.st_mtime_ns + move_ns))
        _give_owner(descriptor, status)
    finally:
        os.close(source)


def _give_owner(descriptor: int, status: os.stat_result) -> None:
    """Last, as only a file's owner may set the rest: a service with CAP_CHOWN, and no other capability, can do it so.
    Raises `CannotReplace`."""
    mine = os.fstat(descriptor)
    if (status.st_uid, status.st_gid) == (mine.st_uid, mine.st_gid):
        return
    try:
        os.fchown(descriptor, status.st_uid, status.st_gid)
    except PermissionError as error:
        raise CannotReplace(ReasonCode.OTHER_OWNER, obstacle=Obstacle.OWNER) from error
    if os.fstat(descriptor).st_mode != status.st_mode:  # set-user-ID bits, which a new owner clears (chown(2))
        raise CannotReplace(ReasonCode.OTHER_OWNER)


def _copy_xattrs(source: int, descriptor: int) -> None:
    """Access lists and labels are extended attributes too. Raises `CannotReplace` where one would be lost."""
    if sys.platform != "linux":
        raise CannotReplace(ReasonCode.ATTRIBUTES_NOT_COPIED)
    there = xattrs(descriptor)
    for name, value in xattrs(source).items():
        if there.get(name) != value:
            try:
                os.setxattr(descriptor, name, value)
            except OSError as error:
                raise CannotReplace(ReasonCode.ATTRIBUTE, name=str(name), obstacle=Obstacle.RIGHTS) from error


def _umask() -> int:
    """The umask can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def swap(folder: Folder, old: FileRead, copy: Temporary, digest: str) -> None:
    """Puts the sealed `copy` in the place of `old`; `digest` is the copy's SHA-256.

    Raises `ChangedMeanwhile` where another program was faster, `OSError` where it can't be done (`BlockingIOError`
    where another program keeps the file open); the file is then what the other program made of it.
    """
    name = old.path.name
    with _open_leased(folder, old) as current:
        copy.file.lease()  # in case the names change back: what was written into the copy meanwhile is not lost
        before = current.attributes
        copy.rename_with_digests(old.sha256, digest)
        _check_same(folder, old, current)
        try:
            folder.exchange(copy.name, name)
        except CannotExchange:
            _replace_without_exchange(folder, old, copy)
            return
        try:
            _check_untouched(folder, old, current, copy.name, before)
        except BaseException:
            _undo_exchange(folder, name, copy)
            raise
        folder.unlink(copy.name)


@contextmanager
def _open_leased(folder: Folder, old: FileRead) -> Iterator[HeldFile]:
    try:
        with HeldFile(folder, old.path.name) as current:
            current.lease()
            yield current
    except FileNotFoundError as error:
        raise ChangedMeanwhile(ReasonCode.MOVED) from error


def _check_same(folder: Folder, old: FileRead, current: HeldFile) -> None:
    """The file that is held, and stands there, is the one that was read.

    Bytes are compared too: a program that writes through a memory map need not move the mtime. Under a lease that is
    good for what follows; without one `_check_untouched` compares.
    """
    same = old.is_unchanged(current.status) and (not current.is_leased or current.has_content(old.data))
    if not same or not current.is_at(old.path.name):
        raise ChangedMeanwhile(ReasonCode.CHANGED)


def _check_untouched(folder: Folder, old: FileRead, current: HeldFile, aside: str, before: tuple[object, ...]) -> None:
    """What now stands `aside` is the file that was read, and no program writes or has written to it.

    First of all it must be that file: another one, which an editor renamed over the old one in the last microseconds,
    has to be back before that editor looks.
    """
    if not current.is_at(aside):
        raise ChangedMeanwhile(ReasonCode.CHANGED)
    over = time.monotonic() + _GRACE_S
    folder.sync()
    time.sleep(max(over - time.monotonic(), 0))
    same = current.attributes == before and (current.is_leased or current.has_content(old.data))
    if not same or current.is_lease_broken:
        raise ChangedMeanwhile(ReasonCode.CHANGED)


def _undo_exchange(folder: Folder, name: str, copy: Temporary) -> None:
    """Undoes the exchange. A program that renames a file over ours in that very moment leaves another one than ours
    at the temporary name: it is the newer one, and changes back in its turn."""
    coming_back = folder.stat(copy.name)
    put = copy.file.status
    while True:
        try:
            folder.exchange(copy.name, name)
        except FileNotFoundError:
            _rename_back(folder, copy.name, name)
            return
        taken = folder.stat(copy.name)
        if (taken.st_dev, taken.st_ino) == (put.st_dev, put.st_ino):
            return
        coming_back, put = taken, coming_back


def _rename_back(folder: Folder, aside: str, name: str) -> None:
    try:
        folder.rename_to_free(aside, name)
    except FileExistsError:  # a newer one has come to be there
        keep_other_version(folder, aside)


def _replace_without_exchange(folder: Folder, old: FileRead, copy: Temporary) -> None:
    """Where names can't change places (NFS, SMB, exFAT, FUSE mostly; macOS): one last check, and a plain rename. What
    another program writes in the microseconds between is lost."""
    if not old.is_unchanged(folder.stat(old.path.name)):
        raise ChangedMeanwhile(ReasonCode.CHANGED)
    folder.rename(copy.name, old.path.name)
    folder.sync()


def write_private(path: Path, content: bytes | Iterable[bytes | memoryview]) -> None:
    """Puts `content`, whole or in parts, in the place of `path`, a file of the data directory that only its owner may
    read (mode 0600): a crash leaves the old file or the new one, never a part.

    Raises `OSError`, and what making the parts raises; nothing is left then of what was written.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    try:
        _write_new_private(fresh, (content,) if isinstance(content, bytes) else content)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    with Folder(path.parent) as folder:
        folder.sync()


def _write_new_private(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "wb") as file:  # noqa: PTH123
        if os.geteuid() == 0:
            # Root made it for the service, whose own user has to read it.
            owner = path.parent.stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
