"""A file as it was read: its bytes, and what shows later whether it is still the same."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from indexer.errors import CaptionRefused, Obstacle, PhotoVanished
from indexer.model import FileStamp
from indexer.ownership.mark import sha256
from indexer.reasons import Reason, ReasonCode

#: What an error of the operating system says, and what may be over later; without an obstacle it is final.
_REASONS: dict[int, tuple[ReasonCode, Obstacle | None]] = {
    errno.EACCES: (ReasonCode.FOLDER_NOT_WRITABLE, Obstacle.RIGHTS),
    errno.EPERM: (ReasonCode.CHANGE_NOT_PERMITTED, Obstacle.RIGHTS),
    errno.EROFS: (ReasonCode.READ_ONLY, Obstacle.RIGHTS),
    errno.ENOSPC: (ReasonCode.DISK_FULL, Obstacle.SPACE),
    errno.EDQUOT: (ReasonCode.QUOTA, Obstacle.SPACE),
    errno.EBUSY: (ReasonCode.MOUNTED, Obstacle.OTHERS),
    errno.ETXTBSY: (ReasonCode.BUSY, Obstacle.OTHERS),
    errno.EAGAIN: (ReasonCode.OPEN_ELSEWHERE, Obstacle.OTHERS),
    errno.ELOOP: (ReasonCode.LINKS_TO_FILE, None),
    errno.ENAMETOOLONG: (ReasonCode.NAME_TOO_LONG, None),
    errno.EIO: (ReasonCode.DISK_ERROR, Obstacle.DISK),
    errno.ESTALE: (ReasonCode.SHARE_LOST, Obstacle.DISK),
}


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

    def is_unchanged(self, status: os.stat_result) -> bool:
        """Whether a `stat` is that of the file as it was read, untouched since."""
        same = stamp_of(status) == self.stamp and status.st_ctime_ns == self.ctime_ns
        return same and stat.S_ISREG(status.st_mode)


def stamp_of(status: os.stat_result) -> FileStamp:
    """The stamp that a `stat` gives."""
    return FileStamp(status.st_mtime_ns, status.st_size, status.st_ino)


def cannot_replace(error: OSError) -> CannotReplace:
    """An error of the operating system as the reason why a file stays as it is."""
    if (known := _REASONS.get(error.errno or 0)) is not None:
        return CannotReplace(known[0], obstacle=known[1])
    reason = Reason.of(ReasonCode.SYSTEM_ERROR, error=error.strerror or str(error))
    return CannotReplace(reason, obstacle=Obstacle.DISK)


def leaves_roots(path: Path, real: Path, roots: Sequence[Path]) -> bool:
    """Whether a symbolic link below one of these library roots leads out of all of them: `real` is where `path` really
    is. Of a path that is below none of them nothing is known."""
    if not any(path.is_relative_to(root) for root in roots):
        return False
    return not any(real.is_relative_to(os.path.realpath(root)) for root in roots)


def read_file(path: Path, *, max_bytes: int) -> FileRead:
    """Reads a regular file whole. Raises `PhotoVanished` where it is not there, `ChangedMeanwhile` where it
    changes under the reading, `CannotReplace` where it is no regular file or larger than `max_bytes`."""
    try:
        real = Path(os.path.realpath(path, strict=True))
        descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise PhotoVanished(ReasonCode.PATH_GONE, path=str(path)) from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # what a photo's sidecar is called when its own name is as long as can be
            raise PhotoVanished(ReasonCode.NAME_IMPOSSIBLE, path=str(path)) from error
        raise _unreadable(error) from error
    before = os.fstat(descriptor)
    if not stat.S_ISREG(before.st_mode):
        os.close(descriptor)
        raise CannotReplace(ReasonCode.NOT_A_REGULAR_FILE)
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - the descriptor is open already
        if before.st_size > max_bytes:
            raise CannotReplace(ReasonCode.LARGER_THAN, limit=max_bytes >> 20)
        try:
            data = file.read()
        except OSError as error:
            raise _unreadable(error) from error
        if stamp_of(os.fstat(descriptor)) != stamp_of(before) or len(data) != before.st_size:
            raise ChangedMeanwhile(ReasonCode.CHANGED_WHILE_READ)
        return FileRead(real, data, stamp_of(before), before.st_ctime_ns, before.st_nlink)


def _unreadable(error: OSError) -> CannotReplace:
    if error.errno == errno.EACCES:
        return CannotReplace(ReasonCode.READ_DENIED, obstacle=Obstacle.RIGHTS)
    return cannot_replace(error)
