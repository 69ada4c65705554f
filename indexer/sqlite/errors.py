"""What SQLite's errors mean for the set-up, and how to mend it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from indexer.message import noted

#: https://sqlite.org/rescode.html: CORRUPT, NOTADB, and IOERR_SHORT_READ of a file that was cut off.
_DAMAGED = frozenset({11, 26})
_SHORT_READ = 522
#: PERM, READONLY, CANTOPEN
_DENIED = frozenset({3, 8, 14})
_BUSY = frozenset({5, 6})
_IO_ERROR, _FULL = 10, 13

FREE_SPACE = noted("free some space on the disk of the data directory, then start again: nothing that was done is lost")
GIVE_RIGHTS = noted(
    "give the user that recollect runs as the right to write into the data directory and its files, or make its disk "
    "writable again"
)
_FAILING_DISK = noted(
    "the disk reports errors: see the system's log (dmesg), and copy the data directory to another disk"
)
_HELD = noted("another program holds the file: end it, then start again")
_OTHER = noted(
    "check the free space and the rights of the data directory, then start again: nothing that was done is lost"
)


def is_damage(error: BaseException) -> bool:
    """Whether the file itself is damaged: neither full, nor denied, nor in use."""
    code = _code(error)
    return code & 0xFF in _DAMAGED or code == _SHORT_READ


def keeps_from_writing(error: BaseException) -> bool:
    """Whether it could be read all the same: a full disk, a read-only one, or a file of somebody else's."""
    return _code(error) & 0xFF in _DENIED | {_FULL, _IO_ERROR} and not is_damage(error)


def hint_for(error: BaseException, catalogue: Path) -> str:
    """How to mend what an error of the catalogue's file says."""
    code = _code(error)
    if is_damage(error):
        return rebuild_hint(catalogue)
    if code & 0xFF == _FULL:
        return FREE_SPACE
    if code & 0xFF in _DENIED:
        return GIVE_RIGHTS
    if code & 0xFF == _IO_ERROR:
        return _FAILING_DISK
    return _HELD if code & 0xFF in _BUSY else _OTHER


def rebuild_hint(catalogue: Path) -> str:
    """How a damaged catalogue is made anew."""
    return noted(
        f"stop recollect, move {catalogue.name} and {catalogue.name}-wal out of {catalogue.parent}, and start again: "
        "captions are taken back from the photo files, and the rest is made again"
    )


def damage_told(catalogue: Path, damage: str) -> str:
    """That the catalogue is damaged, and how it is made anew."""
    return noted(
        f"the catalogue {catalogue} is damaged ({damage}): stop recollect, move {catalogue.name} and "
        f"{catalogue.name}-wal out of its folder, and start again: captions are taken back from the photo files, and "
        "the rest is made again"
    )


def _code(error: BaseException) -> int:
    """SQLite's extended result code; 0 where the error is not SQLite's own."""
    return getattr(error, "sqlite_errorcode", 0) if isinstance(error, sqlite3.Error) else 0
