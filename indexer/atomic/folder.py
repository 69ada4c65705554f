"""A folder held open, and changes of names in it that a path could not make safely.

Everything is done by the folder's descriptor: a folder that is renamed, or a link put in its place, misleads nothing.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from indexer.atomic.file_systems import usable_bytes

_NOREPLACE, _EXCHANGE = 1, 2  # renameat2(2)
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EACCES, errno.EINVAL)


class CannotExchange(Exception):
    """The system or the file system can't let two names change places."""


class Folder:
    """One folder, open until the context is left. Raises `OSError` where it can't be opened, as all it does may."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        # Encrypted folders (eCryptfs) take 143 bytes; FAT counts characters, and says more than others take.
        self.longest_name_bytes = min(255, os.fpathconf(self.descriptor, "PC_NAME_MAX"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.descriptor)

    def names(self) -> list[str]:
        """Of all that is in it."""
        return os.listdir(self.descriptor)  # noqa: PTH208 - a descriptor

    def stat(self, name: str) -> os.stat_result:
        """What stands at a name; a link is not followed."""
        return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)

    def exchange(self, one: str, other: str) -> None:
        """Both must be there, and change places at once. Raises `CannotExchange` where that is not to be had."""
        if not self._renameat2(one, other, _EXCHANGE):
            raise CannotExchange

    def rename(self, old: str, new: str) -> None:
        """What stands at `new` is gone afterwards."""
        os.rename(old, new, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def rename_to_free(self, old: str, new: str) -> None:
        """Raises `FileExistsError` where the name is taken."""
        if self._renameat2(old, new, _NOREPLACE):
            return
        try:
            os.link(old, new, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if self._is_there(new):
                raise FileExistsError(errno.EEXIST, "it is there already", new) from error
            self.rename(old, new)
        else:
            self.unlink(old)

    def unlink(self, name: str) -> None:
        """Nothing happens where there is none."""
        try:
            os.unlink(name, dir_fd=self.descriptor)
        except FileNotFoundError:
            return

    def sync(self) -> None:
        """What names there are is on disk when it returns."""
        try:
            os.fsync(self.descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems sync no directories
                raise

    def usable_bytes(self) -> float:
        """How much may be written to its disk; endless where the file system doesn't say."""
        return usable_bytes(os.fstatvfs(self.descriptor))

    def _is_there(self, name: str) -> bool:
        try:
            self.stat(name)
        except FileNotFoundError:
            return False
        return True

    def _renameat2(self, one: str, other: str, flag: int) -> bool:
        """False where the system or the file system doesn't know it."""
        call = getattr(_LIBC, "renameat2", None)
        if call is None:
            return False
        if call(self.descriptor, os.fsencode(one), self.descriptor, os.fsencode(other), flag) == 0:
            return True
        number = ctypes.get_errno()
        if number in _UNSUPPORTED:
            return False
        raise OSError(number, os.strerror(number), one)


_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
