"""The copies that a replacement makes: their names, and what becomes of those that a killed process left.

A copy in the making is `.NAME.xxxxxxxx.captmp`: no other program ever had it, and it may be deleted. Before it changes
places with the old file the SHA-256 of both goes into the name (`.NAME.xxxxxxxx-OLD-NEW.captmp`, 16 digits each), for
from then on the name may be the old photo's. Where the process is killed just then, `sweep` decides:

- Its SHA-256 is OLD or NEW: it may be deleted. The names change only after the new one was read back from disk, was
  proved to be the old one and our caption, and stands in the journal: the one that is left gives the other.
- It is another: another program wrote it in that very moment. It is never deleted, but gets a name beside the photo
  that people see.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import secrets
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from indexer.atomic.file_read import CannotReplace
from indexer.atomic.folder import Folder, HeldFile
from indexer.errors import Obstacle
from indexer.reasons import ReasonCode

log = logging.getLogger(__name__)

_NAME = re.compile(r"\.(.+)\.[0-9a-f]{8}(?:-([0-9a-f]{16})-([0-9a-f]{16}))?\.captmp", re.DOTALL)
_ADDED_BYTES = len("..xxxxxxxx-xxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx.captmp")
_CHUNK_BYTES = 1 << 20

#: After so long no program is still making a copy, be it on another machine.
STALE_S = 3600.0


def is_temporary(name: str | bytes) -> bool:
    """Whether a file name is that of a copy in the making, which is no photo."""
    if isinstance(name, bytes):  # called for every name of a walk
        return name.endswith(b".captmp") and is_temporary(os.fsdecode(name))
    return _NAME.fullmatch(name) is not None


class Temporary:
    """An empty file of ours beside `name`, locked against `sweep`. A context manager that removes it at the end, and
    only it: what another program has put in its place or written into it is kept under a name that people see.

    Raises `OSError` where it can't be made.
    """

    def __init__(self, folder: Folder, name: str) -> None:
        self._folder = folder
        self._stem = _stem(folder, name)
        self.name = self._stem + ".captmp"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._writer: int | None = os.open(self.name, flags, 0o600, dir_fd=folder.descriptor)
        try:
            self.file = HeldFile(folder, self.name)
        except BaseException:
            folder.unlink(self.name)
            os.close(self._writer)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._close_writer()
            self._remove()
        finally:
            self.file.__exit__(*error)

    @property
    def writer(self) -> int:
        """A descriptor to write by, until `seal`."""
        if self._writer is None:
            raise ValueError("the copy is complete")
        return self._writer

    def write(self, data: bytes) -> None:
        """Appends."""
        view = memoryview(data)
        while view:
            view = view[os.write(self.writer, view[:_CHUNK_BYTES]) :]

    def seal(self, data: bytes) -> None:
        """Ends the writing: what was written is on disk, was read back from there and is `data`. Raises
        `CannotReplace` where it is not."""
        os.fsync(self.writer)
        self._close_writer()
        with suppress(OSError, AttributeError):  # the kernel is asked to forget the bytes; not on macOS
            os.posix_fadvise(self.file.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        if not self.file.has_content(data):
            raise CannotReplace(ReasonCode.OTHER_BYTES, obstacle=Obstacle.DISK)

    def rename_with_digests(self, old: str, new: str) -> None:
        """From now on the name may be the old file's; the arguments are SHA-256 digests."""
        name = _with_digests(self._stem, old, new)
        self._folder.rename(self.name, name)
        self.name = name

    def _close_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            os.close(writer)

    def _remove(self) -> None:
        with suppress(FileNotFoundError):
            there = self._folder.stat(self.name)
            if os.path.samestat(there, self.file.status) and not self.file.is_lease_broken:
                self._folder.unlink(self.name)
            else:
                keep_other_version(self._folder, self.name)


def deletion_name(folder: Folder, name: str, digest: str) -> str:
    """A temporary name for a file that is about to be deleted, whose SHA-256 is `digest`."""
    return _with_digests(_stem(folder, name), digest, digest)


def _stem(folder: Folder, name: str) -> str:
    return f".{shorten(name, folder.longest_name_bytes - _ADDED_BYTES)}.{secrets.token_hex(4)}"


def _with_digests(stem: str, old: str, new: str) -> str:
    return f"{stem}-{old[:16]}-{new[:16]}.captmp"


def shorten(name: str, most_bytes: int) -> str:
    """As much of a file name's beginning as fits."""
    while len(os.fsencode(name)) > most_bytes:
        name = name[:-1]
    return name


def keep_other_version(folder: Folder, temporary: str) -> None:
    """Gives what another program wrote a name beside the photo that people see. Raises `OSError`."""
    found = _NAME.fullmatch(temporary)
    photo = Path(found[1] if found else temporary)
    addition = f" (other version {secrets.token_hex(4)}){photo.suffix}"
    name = shorten(photo.stem, folder.longest_name_bytes - len(os.fsencode(addition))) + addition
    folder.rename_to_free(temporary, name)
    log.warning("two programs wrote %s at once: what the other one wrote is kept as %s", folder.path / photo, name)


def sweep(directory: Path, *, older_than_s: float = 0.0) -> list[Path]:
    """Removes the temporary files that a killed process left in one directory, and says which.

    Left alone: one that its maker, or another program, still holds; one that was made, renamed or written in the last
    `older_than_s` seconds, for locks do not reach another machine that writes on the same network share.
    """
    try:
        with Folder(directory) as folder:
            left = [name for name in folder.names() if is_temporary(name)]
            return [directory / name for name in left if _remove_stale(folder, name, older_than_s)]
    except OSError:
        return []


def _remove_stale(folder: Folder, name: str, older_than_s: float) -> bool:
    """Whether it is gone now."""
    with suppress(OSError):
        there = folder.stat(name)
        # A copy bears its photo's mtime, which may lie ahead; its ctime says when it got its name.
        is_young = any(abs(time.time() - at) < older_than_s for at in (there.st_ctime, there.st_mtime))
        if is_young or not stat.S_ISREG(there.st_mode):
            return False
        with HeldFile(folder, name) as file:
            fcntl.flock(file.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.lease()
            if not _is_removable(name, file):
                keep_other_version(folder, name)
            elif not file.is_lease_broken:
                folder.unlink(name)
                return True
    return False


def _is_removable(name: str, file: HeldFile) -> bool:
    found = _NAME.fullmatch(name)
    if found is None or found[2] is None:
        return found is not None
    digest, at = hashlib.sha256(), 0
    while chunk := os.pread(file.descriptor, _CHUNK_BYTES, at):
        digest.update(chunk)
        at += len(chunk)
    return digest.hexdigest()[:16] in found.groups()[1:]
