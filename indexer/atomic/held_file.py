"""A file held still: open, locked against the sweeping of temporary files and, where the system can, leased.

A read lease (fcntl(2), "Leases") is refused while any program has the file open for writing or mapped for it, and makes
every program that opens it for writing later wait in `open` until the lease is given back. So nothing is written into
a file between the look at it and its replacement without this being known. Linux has leases on local file systems, for
files of one's own; elsewhere (network file systems, somebody else's files, macOS) a file is held without one, and
only what a comparison of bytes shows is known.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from indexer.atomic.file_systems import network_file_system

_WAITS_S = (0.01, 0.03, 0.1, 0.3)  # most programs that write a photo are done with it soon
_CHUNK_BYTES = 128 << 10  # fits the processor's cache
_NO_XATTRS = (errno.ENOTSUP, errno.ENOSYS)


class HeldFile:
    """The file that stood at `name` in a folder (a descriptor) when it was opened. A context manager.

    Raises `BlockingIOError` where another program keeps it open for writing or locked, `OSError` where it can't be
    opened; `where` is the folder's path.
    """

    def __init__(self, folder: int, name: str, *, where: Path) -> None:
        self._where = where
        self.is_leased = False
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        self.descriptor = os.open(name, flags, dir_fd=folder)
        try:
            if not stat.S_ISREG(os.fstat(self.descriptor).st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file")
            self._lock()
        except BaseException:
            os.close(self.descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.descriptor)  # which gives the lease and the lock back

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

    def is_at(self, folder: int, name: str) -> bool:
        """Whether the name is this file's. Raises `OSError`."""
        try:
            return os.path.samestat(os.stat(name, dir_fd=folder, follow_symlinks=False), self.status)
        except FileNotFoundError:
            return False

    def lease(self) -> None:
        """From now on nobody writes without `is_lease_broken` knowing. Raises `BlockingIOError` where somebody does and
        goes on doing so; where there are no leases nothing happens."""
        for wait_s in (*_WAITS_S, None):
            try:
                self.is_leased = _lease(self.descriptor)
            except BlockingIOError:
                if network_file_system(self._where) is not None:
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
        return self.is_leased and sys.platform == "linux" and fcntl.fcntl(self.descriptor, fcntl.F_GETLEASE) != _READ

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


_READ = fcntl.F_RDLCK


def _lease(descriptor: int) -> bool:
    """Whether there is a lease now. Raises `BlockingIOError` where a program has the file open for writing."""
    if sys.platform != "linux":
        return False
    try:
        # What tells of a waiting program is a signal, by default SIGIO, which ends a process. SIGURG is ignored.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, _READ)
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
