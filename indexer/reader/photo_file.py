"""Reading a file once, whole, and knowing that it stayed the same meanwhile."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from indexer.errors import PhotoDenied, PhotoNotGiven, PhotoVanished, UnreadablePhoto
from indexer.message import noted
from indexer.model import FileStamp

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
            raise PhotoVanished("the file is no longer there") from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise PhotoDenied(noted("recollect may not read it")) from error
        raise PhotoNotGiven(noted(f"the file can't be read ({error.strerror or error})")) from error
    except ValueError as error:  # a NUL in the name
        raise PhotoVanished(f"there can be no such file ({error})") from error
    if after != before or len(data) != before.size:
        raise PhotoVanished("the file changed while it was being read")
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
        raise UnreadablePhoto("this is not a regular file")
    if status.st_size > max_file_mb * 1e6:
        raise UnreadablePhoto(
            f"the file is too large: {status.st_size / 1e6:.0f} MB, the limit is {max_file_mb:g} (setting max_file_mb)"
        )
    return stamp_of(status)
