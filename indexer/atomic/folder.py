"""A folder and a file held open, for what a path could not do safely.

Names are changed by the folder's descriptor: a folder that is renamed, or a link put in its place, misleads nothing.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
import stat
import sys
import time
from pathlib import Path
from typing import Self

from indexer.atomic.file_systems import network_file_system, usable_bytes

_NOREPLACE, _EXCHANGE = 1, 2  # renameat2(2)
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EACCES, errno.EINVAL)
_WAITS_S = (0.01, 0.03, 0.1, 0.3)  # most programs that write a photo are done with it soon
_CHUNK_BYTES = 128 << 10  # fits the processor's cache
_NO_XATTRS = (errno.ENOTSUP, errno.ENOSYS)
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class CannotExchange(Exception):
    """The system or the file system can't let two names change places."""


class _Held:
    """A descriptor, open until the context is left."""

    descriptor: int

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)  # which gives a lease and a lock back


class Folder(_Held):
    """One folder, open until the context is left. Raises `OSError` where it can't be opened, as all it does may."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        # Encrypted folders (eCryptfs) take 143 bytes; FAT counts characters, and says more than others take.
        self.longest_name_bytes = min(255, os.fpathconf(self.descriptor, "PC_NAME_MAX"))

    def names(self) -> list[str]:
        """Of all that is in it."""
        return os.listdir(self.descriptor)  # noqa: PTH208 - a descriptor

    def stat(self, name: str) -> os.stat_result:
        """What stands at a name; a link is not followed."""
        return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)

    def exchange(self, one: str, other: str) -> None:
        """Lets two files change places at once. Raises `CannotExchange` where the system can't do that."""
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


class HeldFile(_Held):
    """The file that stood at `name` in a folder when it was opened: locked against `sweep`, and leased by `lease`.

    A read lease (fcntl(2), "Leases") is refused while any program has the file open for writing or mapped for it, and
    makes every program that opens it for writing later wait in `open` until the lease is given back. So nothing is
    written into a file between the check of it and its replacement without this being known. Linux has leases on local
    file systems, for files of one's own; elsewhere (network file systems, somebody else's files, macOS) there is none,
    and only a comparison of bytes tells.

    Raises `BlockingIOError` where another program keeps it open for writing or locked, `OSError` where it can't be
    opened.
    """

    def __init__(self, folder: Folder, name: str) -> None:
        self._folder = folder
        self.is_leased = False
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        self.descriptor = os.open(name, flags, dir_fd=folder.descriptor)
        try:
            if not stat.S_ISREG(os.fstat(self.descriptor).st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file")
            self._lock()
        except BaseException:
            os.close(self.descriptor)
            raise

    @property
    def status(self) -> os.stat_result:
        """Of the file itself, wherever it stands now."""
        return os.fstat(self.descriptor)

    @property
    def attributes(self) -> tuple[object, ...]:
        """What a program may change without opening the file for writing; not the ctime, which a rename moves too."""
        status = self.status
        kept = (status.st_mode, status.st_uid, status.st_gid, status.st_nlink, status.st_mtime_ns, status.st_size)
        return (*kept, xattrs(self.descriptor))

    def is_at(self, name: str) -> bool:
        """Whether the name is this file's. Raises `OSError`."""
        try:
            return os.path.samestat(self._folder.stat(name), self.status)
        except FileNotFoundError:
            return False

    def lease(self) -> None:
        """From now on `is_lease_broken` shows whether a program writes. Raises `BlockingIOError` where one has the file
        open for writing and keeps it so; where there are no leases nothing happens."""
        for wait_s in (*_WAITS_S, None):
            try:
                self.is_leased = _lease(self.descriptor)
            except BlockingIOError:
                if network_file_system(self._folder.path) is not None:
                    return  # the client was promised nothing by the server: that says nothing about writers
                if wait_s is None:
                    raise
                time.sleep(wait_s)
            else:
                return

    @property
    def is_lease_broken(self) -> bool:
        """Whether, since it was leased, some program has opened it for writing, or is waiting to. Never true where
        there are no leases."""
        return (
            self.is_leased
            and sys.platform == "linux"
            and fcntl.fcntl(self.descriptor, fcntl.F_GETLEASE) != fcntl.F_RDLCK
        )

    def has_content(self, data: bytes) -> bool:
        """Whether its bytes are these, all of them."""
        room, at = memoryview(bytearray(_CHUNK_BYTES)), 0
        while count := os.preadv(self.descriptor, [room], at):
            if not data.startswith(room[:count], at):
                return False
            at += count
        return at == len(data)

    def _lock(self) -> None:
        """Shared, for an exclusive one needs a file open for writing on some network file systems."""
        for wait_s in (*_WAITS_S, None):
            try:
                fcntl.flock(self.descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                if wait_s is None:
                    raise
                time.sleep(wait_s)
            except OSError:
                return  # a file system without locks: only `sweep` in another process would mind
            else:
                return


def _lease(descriptor: int) -> bool:
    """Whether there is a lease now. Raises `BlockingIOError` where a program has the file open for writing."""
    if sys.platform != "linux":
        return False
    try:
        # The kernel signals a waiting program, by default with SIGIO, which ends a process. SIGURG is ignored.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def xattrs(descriptor: int) -> dict[str, bytes]:
    """The extended attributes of an open file, access lists and labels among them; none where there are no such.

    Raises `OSError` where one can't be read.
    """
    if sys.platform != "linux":
        return {}
    try:
        names = os.listxattr(descriptor)
    except OSError as error:
        if error.errno in _NO_XATTRS:
            return {}
        raise
    return {name: os.getxattr(descriptor, name) for name in names}
