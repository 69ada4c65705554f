"""Reading a file once, whole, and knowing that it stayed the same meanwhile."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from indexer.errors import PhotoDenied, PhotoNotGiven, PhotoVanished, UnreadablePhoto
from indexer.model import FileStamp
from indexer.reasons import ReasonCode

_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENODEV, errno.ELOOP})


def read_photo_file(path: Path, *, max_file_mb: float) -> tuple[bytes, FileStamp]:
    """The bytes and the stamp of a regular file.

    Raises `PhotoVanished` where it is gone or changed while it was read, `PhotoDenied` and `PhotoNotGiven` where the
    system does not let us read it now, and `UnreadablePhoto` where it is no regular file (a pipe or a device is never
    waited for) or larger than the limit.
    """
    try:
        data, before, after = _read(path, max_file_mb)
    except OSError as error:
        if error.errno in _GONE:
            raise PhotoVanished(ReasonCode.GONE) from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise PhotoDenied(ReasonCode.NOT_ALLOWED) from error
        raise PhotoNotGiven(ReasonCode.READ_FAILED, detail=error.strerror or str(error)) from error
    except ValueError as error:  # a NUL in the name
        raise PhotoVanished(ReasonCode.NO_SUCH_FILE, detail=str(error)) from error
    if after != before or len(data) != before.size:
        raise PhotoVanished(ReasonCode.CHANGED_WHILE_READ)
    return data, before


def _read(path: Path, max_file_mb: float) -> tuple[bytes, FileStamp, FileStamp]:
    # O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        before = _checked(os.fstat(descriptor), max_file_mb)
        with os.fdopen(descriptor, "rb", buffering=0, closefd=False) as file:
            data = file.readall()
        return data, before, stamp_of(os.fstat(descriptor))
    finally:
        os.close(descriptor)


def stamp_of(status: os.stat_result) -> FileStamp:
    """A stamp from what `stat` says."""
    return FileStamp(status.st_mtime_ns, status.st_size, status.st_ino)


def _checked(status: os.stat_result, max_file_mb: float) -> FileStamp:
    if not stat.S_ISREG(status.st_mode):
        raise UnreadablePhoto(ReasonCode.NOT_REGULAR)
    if status.st_size > max_file_mb * 1e6:
        raise UnreadablePhoto(ReasonCode.FILE_TOO_LARGE, size=f"{status.st_size / 1e6:.0f}", limit=f"{max_file_mb:g}")
    return stamp_of(status)
