"""Replacing a photo by a changed copy of it: whole or not at all, and never over somebody else's change."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from indexer.atomic.file_read import (
    CannotReplace,
    ChangedMeanwhile,
    FileRead,
    cannot_replace,
    stamp_of,
)
from indexer.atomic.folder import Folder
from indexer.atomic.held_file import xattrs
from indexer.atomic.swap import swap, take_away
from indexer.atomic.temporary import Temporary
from indexer.errors import Obstacle
from indexer.model import FileStamp
from indexer.ownership.mark import sha256
from indexer.reasons import ReasonCode

# Programs that compare size and mtime (rsync and most backups) must see a difference, on FAT too, which counts in twos.
_NOTICED_NS = 2_000_000_000

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
    (for the journal). Raises `CannotReplace` or
    `ChangedMeanwhile`; the file is then untouched. Returns the new file's stamp.
    """
    if old.links > 1:
        raise CannotReplace(ReasonCode.HARD_LINKS, obstacle=Obstacle.LINKS)
    with _plain_errors(), Folder(old.path.parent) as folder:
        _check_space(folder, len(new))
        with Temporary(folder, old.path.name) as copy:
            move_ns = _NOTICED_NS if len(new) == len(old.data) else 0
            attributes = partial(_copy_attributes, folder, old, move_ns=move_ns if keep_mtime else None)
            swap(folder, old, copy, _written(copy, new, attributes, before_replacing, digest))
            return stamp_of(copy.file.status)


def create_file(
    path: Path, data: bytes, *, make_folders: bool = False, before_replacing: BeforeReplacing | None = None
) -> None:
    """Writes a new file, whole or not at all. Raises `ChangedMeanwhile` where one has come to be there, or its folder
    is gone; `CannotReplace` where none can be written. `make_folders` makes what is missing of those above it."""
    with _plain_errors():
        if make_folders:
            path.parent.mkdir(parents=True, exist_ok=True)
        with Folder(path.parent) as folder:
            _check_space(folder, len(data))
            with Temporary(folder, path.name) as copy:
                _written(copy, data, partial(os.fchmod, mode=0o666 & ~_umask()), before_replacing)
                _give_name(folder, copy.name, path.name)
            folder.sync()


def _written(
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
        announced = beside.submit(lambda: before_replacing and before_replacing(digest.result()))
        copy.seal(data)
        announced.result()
        return digest.result()


def _give_name(folder: Folder, temporary: str, name: str) -> None:
    try:
        folder.rename_to_free(temporary, name)
    except FileExistsError as error:
        raise ChangedMeanwhile(ReasonCode.CAME_MEANWHILE, name=name) from error


def delete_file(old: FileRead, *, before_replacing: BeforeReplacing | None = None) -> None:
    """Removes a file that is still as it was read. Raises as `replace_file` does."""
    with _plain_errors(), Folder(old.path.parent) as folder:
        if before_replacing is not None:
            before_replacing(None)
        take_away(folder, old)
        folder.sync()


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ChangedMeanwhile(ReasonCode.MOVED) from error
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link stands where the file was
            raise ChangedMeanwhile(ReasonCode.CHANGED) from error
        raise cannot_replace(error) from error


def _check_space(folder: Folder, size: int) -> None:
    if size > folder.room_bytes():
        raise OSError(errno.ENOSPC, "no space")


def _copy_attributes(folder: Folder, old: FileRead, descriptor: int, *, move_ns: int | None) -> None:
    """`move_ns` is added to the old mtime; None leaves the new one."""
    source = os.open(
        old.path.name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder.descriptor
    )
    try:
        status = os.fstat(source)
        mine = os.fstat(descriptor)
        if (status.st_uid, status.st_gid) != (mine.st_uid, mine.st_gid):
            try:
                os.fchown(descriptor, status.st_uid, status.st_gid)
            except PermissionError as error:
                raise CannotReplace(ReasonCode.OTHER_OWNER, obstacle=Obstacle.OWNER) from error
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
        _copy_xattrs(source, descriptor)
        if move_ns is not None:
            os.utime(descriptor, ns=(status.st_atime_ns, status.st_mtime_ns + move_ns))
    finally:
        os.close(source)


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
