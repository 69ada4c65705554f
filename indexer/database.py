"""One SQLite file: WAL, a single writer, short explicit transactions, named migrations."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from indexer.errors import StorageError

Migration = tuple[str, str]  # a name that never changes, and the SQL script it stands for

_BUSY_TIMEOUT_S = 30.0


class Database:
    """A thread-safe handle on one SQLite file.

    Every thread reads through a connection of its own; writes go through one connection behind a lock, so that a
    transaction never fails for want of the write lock and a reader never waits for a writer (WAL,
    https://sqlite.org/wal.html). Raises `StorageError` where the file can't be opened or is not a database.
    """

    def __init__(self, path: Path, migrations: Sequence[Migration]) -> None:
        self.path = path
        self._write_lock = threading.RLock()
        self._local = threading.local()
        self._watch_lock = threading.Lock()
        self._watcher: sqlite3.Connection | None = None
        self._connections: list[sqlite3.Connection] = []
        self._closed = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._connect()
            self._migrate(migrations)
        except (sqlite3.Error, OSError) as error:
            raise StorageError(
                f"the database {path} can't be opened: {error}",
                hint="check that the data directory is writable and has space; a damaged file can be moved away: "
                "it is rebuilt from the photos",
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def reader(self) -> sqlite3.Connection:
        """This thread's own connection; only ever read through it. Raises `StorageError` once closed."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            with self._write_lock:  # close() must not miss it
                if self._closed:
                    raise StorageError(f"the database {self.path} was closed")
                connection = self._connect()
            connection.execute("PRAGMA query_only = ON")
            self._local.connection = connection
        return connection

    def edition(self) -> int:
        """Another number after every change of the file, whichever thread or process made it, for as long as this
        object lives. Takes microseconds. Raises `StorageError` once closed."""
        with self._watch_lock:
            if self._closed or self._watcher is None:
                with self._write_lock:  # close() must not miss it
                    if self._closed:
                        raise StorageError(f"the database {self.path} was closed")
                    self._watcher = self._connect()
            # https://sqlite.org/pragma.html#pragma_data_version: what other connections than this one have written.
            (edition,) = self._watcher.execute("PRAGMA data_version").fetchone()
            return int(edition)

    @contextmanager
    def workspace(self) -> Iterator[sqlite3.Connection]:
        """A connection of one's own, to lay temporary tables beside the file's: on the disk, gone with it.

        The file is only read through it; writes go through `transaction`. Raises `StorageError` once closed.
        """
        with self._write_lock:  # close() must not miss it
            if self._closed:
                raise StorageError(f"the database {self.path} was closed")
            connection = self._connect()
        try:
            connection.execute("PRAGMA temp_store = FILE")
            yield connection
        finally:
            with self._write_lock:
                self._connections.remove(connection)
                connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The writer's connection inside ``BEGIN IMMEDIATE``: committed at the end, rolled back on an exception."""
        with self._write_lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                if self._writer.in_transaction:  # a full disk ends it before we can
                    self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    def close(self) -> None:
        """Closes every connection; closing twice is fine."""
        with self._write_lock:
            if self._closed:
                return
            self._closed = True
            for connection in self._connections:
                connection.close()

    def _connect(self) -> sqlite3.Connection:
        # check_same_thread is off so that close() may close what other threads opened.
        connection = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -8000")  # 8 MB a connection: part of the memory budget
        self._connections.append(connection)
        return connection

    def _migrate(self, migrations: Sequence[Migration]) -> None:
        with self.transaction() as writer:
            writer.execute("CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY, at TEXT NOT NULL)")
            done = {row["name"] for row in writer.execute("SELECT name FROM migration")}
            unknown = done - {name for name, _ in migrations}
            if unknown:
                raise StorageError(
                    f"{self.path} was written by a newer recollect (unknown: {', '.join(sorted(unknown))})",
                    hint="upgrade recollect, or point data_dir at another directory",
                )
            for name, script in migrations:
                if name not in done:
                    for statement in _statements(script):
                        writer.execute(statement)
                    writer.execute("INSERT INTO migration VALUES (?, datetime('now'))", (name,))


def _statements(script: str) -> Iterator[str]:
    """One complete statement at a time: `executescript` would commit the transaction it runs in."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        raise ValueError(f"an unfinished statement in a migration: {statement.strip()[:80]}")
