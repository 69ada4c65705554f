"""What SQLite's errors mean for the set-up, and how to repair it."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexer.message import Message

#: https://sqlite.org/rescode.html: CORRUPT, NOTADB, and IOERR_SHORT_READ of a file that was cut off.
_CORRUPT = 11
_DAMAGED = frozenset({_CORRUPT, 26})
_SHORT_READ = 522
#: PERM, READONLY, CANTOPEN
_DENIED = frozenset({3, 8, 14})
_BUSY = frozenset({5, 6})
_IO_ERROR, _FULL = 10, 13
#: What SQLite makes beside a database to open it.
OPENING_BYTES = 100_000

_DENIED_ERRNO = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_NOT_WRITTEN = frozenset({errno.ENOSPC, errno.EDQUOT, *_DENIED_ERRNO, errno.EIO})

FREE_SPACE = Message(
    "free some space on the disk of the data directory, then start again: nothing that was done is lost"
)
GIVE_RIGHTS = Message(
    "give the user that recollect runs as the right to write into the data directory and its files, "
    "or make its disk writable again"
)
_FAILING_DISK = Message(
    "the disk reports errors: see the system's log (dmesg), and copy the data directory to another disk"
)
_HELD = Message("another program holds the file: end it, then start again")
_OTHER = Message(
    "check the free space and the rights of the data directory, then start again: nothing that was done is lost"
)


def is_damage(error: BaseException) -> bool:
    """Whether the file itself is damaged: neither full, nor denied, nor in use."""
    code = _code(error)
    return code & 0xFF in _DAMAGED or code == _SHORT_READ or _is_foreign(error)


def keeps_from_writing(error: BaseException) -> bool:
    """Whether it could be read all the same: a full disk, a read-only one, or another user's file."""
    return _code(error) & 0xFF in _DENIED | {_FULL, _IO_ERROR} and not is_damage(error)


def is_transient(error: BaseException) -> bool:
    """Whether what could not be written can be written once there is room, or a right is given."""
    cause = error if isinstance(error, (sqlite3.Error, OSError)) else error.__cause__
    if isinstance(cause, OSError):
        return cause.errno in _NOT_WRITTEN
    return cause is not None and keeps_from_writing(cause)


def waiting_message(error: BaseException, data_dir: Path) -> Message:
    """That indexing waits for the data directory's disk, and what it waits for; `error` is one that `is_transient`."""
    cause = error if isinstance(error, (sqlite3.Error, OSError)) else error.__cause__ or error
    code, number = _code(cause) & 0xFF, cause.errno if isinstance(cause, OSError) else 0
    if _is_full(cause, data_dir):
        return Message(
            "indexing waits, as the disk of the data directory %(data_dir)s is full: free some space there, "
            "and it goes on by itself",
            data_dir=str(data_dir),
        )
    if code in _DENIED or number in _DENIED_ERRNO:
        return Message(
            "indexing waits, as nothing can be written into the data directory %(data_dir)s: make its disk "
            "writable again, or give the user that recollect runs as the right to write there, and it goes "
            "on by itself",
            data_dir=str(data_dir),
        )
    return Message(
        "indexing waits, as the disk of the data directory %(data_dir)s reports errors: see the system's "
        "log (dmesg), and copy the data directory to another disk",
        data_dir=str(data_dir),
    )


def hint_for(error: BaseException, catalogue: Path) -> Message:
    """How to repair what an error of the catalogue's file says."""
    code = _code(error)
    if is_damage(error):
        return rebuild_hint(catalogue)
    if _is_full(error, catalogue.parent):
        return FREE_SPACE
    number = error.errno if isinstance(error, OSError) else 0
    if code & 0xFF in _DENIED or number in _DENIED_ERRNO:
        return GIVE_RIGHTS
    if code & 0xFF == _IO_ERROR or number == errno.EIO:
        return _FAILING_DISK
    return _HELD if code & 0xFF in _BUSY else _OTHER


def rebuild_hint(catalogue: Path) -> Message:
    """How a damaged catalogue is made anew."""
    return Message(
        "stop recollect and run `recollect doctor --rebuild`: it keeps %(catalogue)s aside and makes it again of "
        "what can still be read and of the photo files",
        catalogue=str(catalogue),
    )


def damage_message(catalogue: Path, damage: str) -> Message:
    """That the catalogue is damaged, and how it is made anew."""
    return Message(
        "the catalogue %(catalogue)s is damaged (%(damage)s): stop recollect and run `recollect doctor --rebuild`, "
        "which keeps it aside and makes it again of what can still be read and of the photo files",
        catalogue=str(catalogue),
        damage=damage,
    )


@contextmanager
def quoted_damage() -> Iterator[None]:
    """Around what SQLite is asked: its message quotes what stands in a damaged schema, which need be no text. What
    Python raises then is no `sqlite3.Error`."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise damage_error(error.object.decode("utf-8", "backslashreplace")) from error


@contextmanager
def damage_in_rows() -> Iterator[None]:
    """Around what is made of rows; a decorator, too. A value that no recollect has ever written is damage that SQLite
    can't see, as it knows nothing of JSON, dates and codes. Raises `sqlite3.DatabaseError` then."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise damage_error(f"a row makes no sense: {error}") from error


def damage_error(what: str) -> sqlite3.DatabaseError:
    """An error that `is_damage`."""
    error = sqlite3.DatabaseError(what)
    error.sqlite_errorcode = _CORRUPT
    return error


def _is_full(error: BaseException, data_dir: Path) -> bool:
    """SQLite calls it an I/O error where the files that it needs beside the database find no room."""
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    code = _code(error) & 0xFF
    return code == _FULL or (code in {_IO_ERROR, *_DENIED} and _free_bytes(data_dir) < OPENING_BYTES)


def _free_bytes(folder: Path) -> float:
    """Endless where the file system does not say."""
    try:
        room = os.statvfs(folder)
    except OSError:
        return float("inf")
    return room.f_bavail * room.f_frsize if room.f_blocks else float("inf")


def _is_foreign(error: BaseException) -> bool:
    """What only damage does to statements and columns that are always the same: a text column whose bytes are no text
    (Python's own error, without a code), a schema that lacks something."""
    return isinstance(error, sqlite3.OperationalError) and str(error).startswith(
        (
            *("Could not decode to UTF-8", "no such table", "no such column", "malformed database schema"),
            "unsupported file format",
        )
    )


def _code(error: BaseException) -> int:
    """SQLite's extended result code; 0 where the error is not SQLite's own."""
    return getattr(error, "sqlite_errorcode", 0) if isinstance(error, sqlite3.Error) else 0
