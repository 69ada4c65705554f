"""One SQLite file: WAL, a single writer, short explicit transactions, named migrations."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from indexer.errors import StorageError
from indexer.message import Message
from indexer.sqlite.errors import (
    GIVE_RIGHTS,
    damage_error,
    hint_for,
    is_damage,
    keeps_from_writing,
    quoted_damage,
    rebuild_hint,
)
from indexer.sqlite.file_header import check_header
from indexer.sqlite.migrating import Migration, apply

#: What stands for the parameters of a statement, in their order or by their names.
Values = Sequence[object] | Mapping[str, object]

_BUSY_TIMEOUT_S = 30.0
_ROWS_AT_ONCE = 256
#: What a connection keeps of its file (https://sqlite.org/pragma.html#pragma_cache_size). Some thirty are open while
#: the page is served, and they share nothing. What one keeps no longer, the system mostly has in memory.
_READER_CACHE_KB, _WRITER_CACHE_KB = 1000, 4000
_LOST = Message("the file was deleted or replaced while it was in use: start recollect again")


class NewerDatabase(StorageError):
    """The file has migrations that this version does not know."""


class _Connection(sqlite3.Connection):
    """Closing it waits for other threads that read through it: SQLite would free a statement that is run."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.in_use = threading.RLock()

    def cursor(self, factory: Callable[[sqlite3.Connection], Any] | None = None) -> Any:
        return super().cursor(factory or _Cursor)  # type: ignore[arg-type]

    def execute(self, *args: Any) -> Any:
        return self.cursor().execute(*args)

    def executemany(self, *args: Any) -> Any:
        return self.cursor().executemany(*args)

    def close(self) -> None:
        with self.in_use:
            super().close()


class _Cursor(sqlite3.Cursor):
    def __init__(self, connection: _Connection) -> None:
        super().__init__(connection)
        self._in_use = connection.in_use

    def execute(self, *args: Any) -> Self:
        with self._in_use, quoted_damage():
            return super().execute(*args)

    def executemany(self, *args: Any) -> Self:
        with self._in_use, quoted_damage():
            return super().executemany(*args)

    def fetchone(self) -> Any:
        with self._in_use:
            return super().fetchone()

    def fetchmany(self, size: int | None = 1) -> list[Any]:
        with self._in_use:
            return super().fetchmany(size)

    def fetchall(self) -> list[Any]:
        with self._in_use:
            return super().fetchall()

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        while rows := self.fetchmany(_ROWS_AT_ONCE):
            yield from rows


class Database:
    """A thread-safe handle on one SQLite file.

    Every thread reads through a connection of its own; writes go through one connection behind a lock, so that a
    transaction never fails for want of the write lock and a reader never waits for a writer (WAL,
    https://sqlite.org/wal.html). Raises `StorageError` where the file can't be opened or is not a database.

    `read_only` makes nothing and changes nothing: for a disk that is full or can't be written.
    """

    def __init__(self, path: Path, migrations: Sequence[Migration], *, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self._migrations = tuple(migrations)
        self._opened: tuple[int, int] | None = None
        self._times_opened = 0
        self._damage: str | None = None
        self._began_empty = False
        self._write_lock = threading.RLock()
        self._local = threading.local()
        self._watch_lock = threading.Lock()
        self._connections: list[sqlite3.Connection] = []
        self._readers: dict[threading.Thread, sqlite3.Connection] = {}
        self._closed = False
        try:
            self._open()
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise self._unusable(error) from error
        except StorageError:
            self.close()
            raise

    def _unusable(self, error: Exception) -> StorageError:
        hint = rebuild_hint(self.path) if is_damage(error) else hint_for(error, self.path)
        return StorageError(f"the database {self.path} can't be opened: {error}", hint=hint)

    def _open(self) -> None:
        """Raises `sqlite3.Error`, `OSError`, or `StorageError` for the file of a newer recollect."""
        if not self.read_only:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self._times_opened += 1
        self._opened = None
        check_header(self.path)
        self._writer = self._connect(_WRITER_CACHE_KB)
        self._opened = _identity(self.path)
        self._watcher = self._connect()
        if self.read_only:
            self._check_migrations()
        else:
            self._migrate(self._migrations)

    @property
    def is_lost(self) -> bool:
        """Whether the file that was opened is no longer there under its name: deleted, or another in its place."""
        return self._opened is not None and _identity(self.path) != self._opened

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def reader(self) -> sqlite3.Connection:
        """This thread's own connection; only ever read through it. Raises `StorageError` once closed."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None or self._local.of != self._times_opened:
            with self._write_lock:  # close() must not miss it
                self._check_open()
                if connection is not None and connection in self._connections:  # of a file that was set aside
                    self._connections.remove(connection)
                    connection.close()
                self._close_readers_of_ended_threads()
                connection = self._connect()
                connection.execute("PRAGMA query_only = ON")
                self._local.connection, self._local.of = connection, self._times_opened
                self._readers[threading.current_thread()] = connection
        return connection

    def _close_readers_of_ended_threads(self) -> None:
        for thread in [thread for thread in self._readers if not thread.is_alive()]:
            connection = self._readers.pop(thread)
            self._connections.remove(connection)
            connection.close()

    def data_version(self) -> int:
        """Another number after every change of the file, whichever thread or process made it, for as long as this
        object lives. Takes microseconds. Raises `StorageError` once closed."""
        with self._watch_lock:
            self._check_open()
            # https://sqlite.org/pragma.html#pragma_data_version: what other connections than this one have written.
            (data_version,) = self._watcher.execute("PRAGMA data_version").fetchone()
            return self._times_opened << 32 | int(data_version)

    def damage(self, *, most_bytes: int | None = None) -> str | None:
        """What SQLite's check of the whole file says (https://sqlite.org/pragma.html#pragma_quick_check); None where it
        is sound, or larger than `most_bytes`. Takes as long as reading the file."""
        try:
            if most_bytes is not None and self.path.stat().st_size > most_bytes:
                return None
        except OSError:
            return None  # it is lost, which `is_lost` says
        try:
            with self.workspace() as connection:
                problems = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            return str(error)
        return None if problems == ["ok"] else "; ".join(problems)

    def note_damage(self, damage: str) -> None:
        """From now on nothing is written: what a damaged file takes in may be lost, and may damage more of it."""
        self._damage = damage

    @property
    def noted_damage(self) -> str | None:
        """What was noted last; None where the file is not known to be damaged."""
        return self._damage

    @contextmanager
    def workspace(self) -> Iterator[sqlite3.Connection]:
        """A connection of one's own, to lay temporary tables beside the file's: on the disk, gone with it.

        The file is only read through it; writes go through `transaction`. Raises `StorageError` once closed.
        """
        with self._write_lock:  # close() must not miss it
            self._check_open()
            connection = self._connect(_WRITER_CACHE_KB)
        try:
            connection.execute("PRAGMA temp_store = FILE")
            yield connection
        finally:
            with self._write_lock:
                self._connections.remove(connection)
                connection.close()

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """The writer's connection inside ``BEGIN IMMEDIATE``: committed at the end, rolled back on an exception.

        A power cut may take the latest transactions with it, but none that was `durable`, nor one before that: that
        costs an fsync, some 10 ms. Raises `sqlite3.DatabaseError` once damage was noted.
        """
        with self._write_lock, self._synchronous(durable):
            if self._damage is not None:
                raise damage_error(self._damage)
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                if self._writer.in_transaction:  # a full disk ends it before we can
                    self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    @contextmanager
    def _synchronous(self, full: bool) -> Iterator[None]:
        """Whether the log is synced at the commit (https://sqlite.org/pragma.html#pragma_synchronous)."""
        if not full or self._writer.in_transaction:
            yield
            return
        self._writer.execute("PRAGMA synchronous = FULL")
        try:
            yield
        finally:
            self._writer.execute("PRAGMA synchronous = NORMAL")

    def sync(self) -> None:
        """Makes every transaction durable that was committed until now. Raises `OSError`."""
        try:
            descriptor = os.open(self.path.with_name(f"{self.path.name}-wal"), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return  # no transaction since the file was opened
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def count(self, query: str, values: Values = ()) -> int:
        """The number that a query gives."""
        return int(self.reader.execute(query, values).fetchone()[0])

    def write(self, statement: str, values: Values = ()) -> int:
        """One statement, as a `transaction` of its own; returns how many rows it changed."""
        with self.transaction() as writer:
            return int(writer.execute(statement, values).rowcount)

    def can_be_written(self) -> bool:
        """Tries it, with a write that changes nothing. Raises `sqlite3.Error` where it is not room or rights that
        are wanting."""
        try:
            with self.transaction() as writer:
                (version,) = writer.execute("PRAGMA user_version").fetchone()
                writer.execute(f"PRAGMA user_version = {version}")  # SQLite writes it though it is the same
        except sqlite3.Error as error:
            if not keeps_from_writing(error):
                raise
            return False
        return True

    def close(self) -> None:
        """Closes every connection, once it is not read through any more; closing twice is fine."""
        with self._watch_lock, self._write_lock:
            if self._closed:
                return
            self._closed = True
            for connection in self._connections:
                connection.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StorageError(f"the database {self.path} was closed")

    def _connect(self, cache_kb: int = _READER_CACHE_KB) -> sqlite3.Connection:
        if self.is_lost:  # what is there now, if anything, is another database
            raise StorageError(f"the database {self.path} was deleted or replaced while it was in use", hint=_LOST)
        if self.read_only:
            connection = read_only_connection(self.path)
        else:
            connection = _open_connection(self.path, f"mode={'rwc' if self._opened is None else 'rw'}")
        self._connections.append(connection)
        connection.row_factory = sqlite3.Row
        if not self.read_only:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA cache_size = -{cache_kb}")
        return connection

    def _check_migrations(self) -> None:
        """Raises `StorageError` where the file is of another version of recollect, which only writing could change."""
        done = {row["name"] for row in self._writer.execute("SELECT name FROM migration")}
        if done != {name for name, _ in self._migrations}:
            raise StorageError(
                f"{self.path} was written by another version of recollect, and can't be written to now",
                hint=GIVE_RIGHTS,
            )

    def _migrate(self, migrations: Sequence[Migration]) -> None:
        with self.transaction() as writer:
            writer.execute("CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY, at TEXT NOT NULL)")
            done = {row["name"] for row in writer.execute("SELECT name FROM migration")}
            self._began_empty = not done
            unknown = done - {name for name, _ in migrations}
            if unknown:
                raise NewerDatabase(
                    f"{self.path} was written by a newer recollect (unknown: {', '.join(sorted(unknown))})",
                    hint="upgrade recollect, or point data_dir at another directory",
                )
            for name, script in migrations:
                if name not in done:
                    apply(writer, script)
                    writer.execute("INSERT INTO migration VALUES (?, datetime('now'))", (name,))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _open_connection(path: Path, options: str) -> sqlite3.Connection:
    # check_same_thread is off so that close() may close what other threads opened.
    return sqlite3.connect(
        f"file:{quote(os.fsencode(path))}?{options}",
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        uri=True,
        factory=_Connection,
    )


def read_only_connection(path: Path) -> sqlite3.Connection:
    """A connection that makes and changes nothing. Raises `sqlite3.Error`.

    Where the files that WAL needs beside the database can't be made, what stands in the database itself is read: all
    but what came after the last checkpoint (https://sqlite.org/wal.html#readonly)."""
    check_header(path)
    for mode in ("mode=ro", "mode=ro&immutable=1"):
        connection = _open_connection(path, mode)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            connection.close()
            if "immutable" in mode or not keeps_from_writing(error):
                raise
        else:
            return connection
    raise AssertionError("the last mode returns or raises")
