"""Replacing a photo by a changed copy of it: whole or not at all, and never over somebody else's change."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from indexer.captions.own_caption import sha256
from indexer.errors import CaptionRefused, PhotoVanished
from indexer.photo import FileStamp

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.captmp", re.DOTALL)
_MAX_NAME_BYTES = 255 - len("..xxxxxxxx.captmp")
_SPACE_LEFT_BYTES = 16 << 20  # what a disk must still have after the copy is written
_CHUNK_BYTES = 1 << 20

_GONE = "another program has moved or deleted the file"
_REASONS = {
    errno.EACCES: "the folder can't be written to (permission denied)",
    errno.EPERM: "the file or its folder may not be changed (operation not permitted)",
    errno.EROFS: "the file system is read-only",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EBUSY: "the file is in use",
    errno.ETXTBSY: "the file is in use",
}


#: Called with the SHA-256 of what is about to stand there; None: nothing.
BeforeReplacing = Callable[[str | None], None]


class CannotReplace(CaptionRefused):
    """The file can't be replaced where it lies; the reason is in plain words. It is as it was."""


class ChangedMeanwhile(CaptionRefused):
    """Another program changed the file after it was read; nothing was replaced."""


@dataclass(frozen=True)
class FileRead:
    """A file's bytes, the stamp that they were read at, and where it really lies (symlinks resolved)."""

    path: Path
    data: bytes
    stamp: FileStamp
    ctime_ns: int  # moves also where a program changes the bytes and puts size and mtime back
    links: int

    @cached_property
    def sha256(self) -> str:
        """Of the whole file."""
        return sha256(self.data)


def is_temporary(name: str) -> bool:
    """Whether a file name is that of a copy in the making (`.NAME.xxxxxxxx.captmp`), which nobody should look at."""
    return _TEMPORARY.fullmatch(name) is not None


def stamp_of(status: os.stat_result) -> FileStamp:
    """The stamp that a `stat` gives."""
    return FileStamp(status.st_mtime_ns, status.st_size, status.st_ino)


def read_file(path: Path, *, max_bytes: int) -> FileRead:
    """Reads a regular file whole. Raises `PhotoVanished` where it is not there, `ChangedMeanwhile` where it
    changes under the reading, `CannotReplace` where it is no regular file or larger than `max_bytes`."""
    try:
        real = Path(os.path.realpath(path, strict=True))
        descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise PhotoVanished(f"{path} is no longer there") from error
    except OSError as error:
        raise CannotReplace(plain_reason(error)) from error
    before = os.fstat(descriptor)
    if not stat.S_ISREG(before.st_mode):
        os.close(descriptor)
        raise CannotReplace("it is not a regular file")
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - the descriptor is open already
        if before.st_size > max_bytes:
            raise CannotReplace(f"the file is larger than {max_bytes >> 20} MB")
        try:
            data = file.read()
        except OSError as error:
            raise CannotReplace(plain_reason(error)) from error
        if stamp_of(os.fstat(descriptor)) != stamp_of(before) or len(data) != before.st_size:
            raise ChangedMeanwhile("the file changed while it was being read")
        return FileRead(real, data, stamp_of(before), before.st_ctime_ns, before.st_nlink)


def plain_reason(error: OSError) -> str:
    """What an error of the operating system means for whoever owns the photos."""
    return _REASONS.get(error.errno or 0, error.strerror or str(error))


def replace_file(
    old: FileRead, new: bytes, *, keep_mtime: bool, before_replacing: BeforeReplacing | None = None
) -> FileStamp:
    """Puts `new` in the place of `old.path`, keeping mode, owner, extended attributes and (unless told) mtime.

    `before_replacing` gets the copy's SHA-256 once it is safely on disk (for the journal). Raises `CannotReplace` or
    `ChangedMeanwhile`; the file is then untouched. Returns the new file's stamp.
    """
    if old.links > 1:
        raise CannotReplace("the file has several hard links, and a replacement would part them")
    try:
        _check_space(old.path, len(new))
        with _temporary(old.path) as (temporary, descriptor):
            _write(descriptor, new)
            _copy_attributes(old.path, descriptor, keep_mtime=keep_mtime)
            os.fsync(descriptor)
            digest = _check_written(temporary, new)
            if before_replacing is not None:
                before_replacing(digest)
            _check_unchanged(old)
            temporary.replace(old.path)
            status = os.fstat(descriptor)
        _sync_directory(old.path.parent)
    except FileNotFoundError as error:
        raise ChangedMeanwhile(_GONE) from error
    except OSError as error:
        raise CannotReplace(plain_reason(error)) from error
    return stamp_of(status)


def create_file(path: Path, data: bytes, *, before_replacing: BeforeReplacing | None = None) -> None:
    """Writes a new file, whole or not at all. Raises `ChangedMeanwhile` where one has come to be there,
    `CannotReplace` where none can be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_space(path, len(data))
        with _temporary(path) as (temporary, descriptor):
            _write(descriptor, data)
            os.fchmod(descriptor, 0o666 & ~_umask())
            os.fsync(descriptor)
            digest = _check_written(temporary, data)
            if before_replacing is not None:
                before_replacing(digest)
            _link_or_rename(temporary, path)
        _sync_directory(path.parent)
    except FileExistsError as error:
        raise ChangedMeanwhile(f"{path.name} has come to be there meanwhile") from error
    except OSError as error:
        raise CannotReplace(plain_reason(error)) from error


def delete_file(old: FileRead, *, before_replacing: BeforeReplacing | None = None) -> None:
    """Removes a file that is still as it was read. Raises as `replace_file` does."""
    try:
        if before_replacing is not None:
            before_replacing(None)
        _check_unchanged(old)
        old.path.unlink()
        _sync_directory(old.path.parent)
    except FileNotFoundError as error:
        raise ChangedMeanwhile(_GONE) from error
    except OSError as error:
        raise CannotReplace(plain_reason(error)) from error


def sweep(directory: Path) -> list[Path]:
    """Removes the temporary files that a killed process left in one directory, and says which.

    A copy that is still being made is locked by its maker, and left alone.
    """
    swept = []
    try:
        left = [path for path in directory.iterdir() if is_temporary(path.name)]
    except OSError:
        return []
    for path in left:
        with suppress(OSError), _locked(path):
            path.unlink()
            swept.append(path)
    return swept


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _temporary(path: Path) -> Iterator[tuple[Path, int]]:
    """A locked, empty file beside `path`; it is gone afterwards unless it was renamed."""
    name = path.name
    while len(os.fsencode(name)) > _MAX_NAME_BYTES:
        name = name[:-1]
    temporary = path.with_name(f".{name}.{secrets.token_hex(4)}.captmp")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(temporary, flags, 0o600)
    try:
        with suppress(OSError):  # a file system without locks: only `sweep` in another process would mind
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield temporary, descriptor
    finally:
        temporary.unlink(missing_ok=True)
        os.close(descriptor)


def _check_space(path: Path, size: int) -> None:
    room = os.statvfs(path.parent)
    if room.f_blocks and room.f_bavail * room.f_frsize < size + _SPACE_LEFT_BYTES:
        raise CannotReplace(_REASONS[errno.ENOSPC])


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view[:_CHUNK_BYTES]) :]


def _copy_attributes(source: Path, descriptor: int, *, keep_mtime: bool) -> None:
    status = source.stat(follow_symlinks=False)
    mine = os.fstat(descriptor)
    if (status.st_uid, status.st_gid) != (mine.st_uid, mine.st_gid):
        try:
            os.fchown(descriptor, status.st_uid, status.st_gid)
        except PermissionError as error:
            raise CannotReplace("the file belongs to somebody else, and would change hands") from error
    os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
    _copy_xattrs(source, descriptor)
    if keep_mtime:
        os.utime(descriptor, ns=(status.st_atime_ns, status.st_mtime_ns))


def _copy_xattrs(source: Path, descriptor: int) -> None:
    """Access lists and labels are extended attributes too. Raises `CannotReplace` where one would be lost."""
    if sys.platform != "linux":
        raise CannotReplace("on this system a file's extended attributes can't be copied")
    try:
        names = os.listxattr(source)
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.ENOSYS):
            return
        raise
    for name in names:
        value = os.getxattr(source, name)
        try:
            if name not in os.listxattr(descriptor) or os.getxattr(descriptor, name) != value:
                os.setxattr(descriptor, name, value)
        except OSError as error:
            raise CannotReplace(f"its extended attribute {name} can't be copied") from error


def _check_written(path: Path, data: bytes) -> str:
    """Reads the copy back from disk, past what the kernel still remembers of it where it can be told to forget;
    gives its SHA-256."""
    written = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        with suppress(OSError, AttributeError):  # not on macOS
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while chunk := file.read(_CHUNK_BYTES):
            written.update(chunk)
    if written.hexdigest() != sha256(data):
        raise CannotReplace("the disk gave back other bytes than were written to it")
    return written.hexdigest()


def _check_unchanged(old: FileRead) -> None:
    try:
        status = os.lstat(old.path)
    except FileNotFoundError as error:
        raise ChangedMeanwhile(_GONE) from error
    if stamp_of(status) != old.stamp or status.st_ctime_ns != old.ctime_ns or not stat.S_ISREG(status.st_mode):
        raise ChangedMeanwhile("another program has changed the file")


def _link_or_rename(temporary: Path, path: Path) -> None:
    """A hard link fails where the name is taken; file systems without links get a look and a rename."""
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EACCES):
            raise
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, "it is there already", str(path)) from error
        temporary.rename(path)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems sync no directories
            raise
    finally:
        os.close(descriptor)


def _umask() -> int:
    """The umask can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
