"""Two names change places: the moment in which a photo is replaced, and the way back out of it.

`os.replace` forgets what it replaces: what another program wrote after the last look is gone with it. So the old file
is leased (`held_file`), the names change places at once (renameat2 with RENAME_EXCHANGE), and then the old file is
looked at once more, under its temporary name. Only if nobody had a hand in it is it deleted; else the names change
back. What is deleted is always either our own copy or the file exactly as it was read.

Killed in between, a process leaves the old file, or its own copy, under the temporary name: see `temporary`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from indexer.atomic.file_read import ChangedMeanwhile, FileRead
from indexer.atomic.folder import CannotExchange, Folder
from indexer.atomic.held_file import HeldFile
from indexer.atomic.temporary import Temporary, deletion_name, keep_other_version
from indexer.reasons import ReasonCode

# A program may have looked the name up before the exchange and be inside `open`, not yet where the lease stops it.
# Measured with a loop of nothing but `open`: 1 of 9,000 exchanges met one without a pause, none of 45,000 with 0.5 ms.
_GRACE_S = 0.001


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


def remove(folder: Folder, old: FileRead) -> None:
    """Deletes the file. Raises as `swap` does."""
    name = old.path.name
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


@contextmanager
def _open_leased(folder: Folder, old: FileRead) -> Iterator[HeldFile]:
    try:
        with HeldFile(folder.descriptor, old.path.name, where=folder.path) as current:
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
    if not same or not current.is_at(folder.descriptor, old.path.name):
        raise ChangedMeanwhile(ReasonCode.CHANGED)


def _check_untouched(folder: Folder, old: FileRead, current: HeldFile, aside: str, before: tuple[object, ...]) -> None:
    """What now stands `aside` is the file that was read, and nobody writes or has written to it.

    First of all it must be that file: another one, which an editor renamed over the old one in the last microseconds,
    has to be back before that editor looks.
    """
    if not current.is_at(folder.descriptor, aside):
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
    """Where names can't change places (NFS, SMB, exFAT, FUSE mostly; macOS): one last look, and a plain rename. What
    another program writes in the microseconds between is lost; nothing better is to be had there."""
    if not old.is_unchanged(folder.stat(old.path.name)):
        raise ChangedMeanwhile(ReasonCode.CHANGED)
    folder.rename(copy.name, old.path.name)
    folder.sync()
