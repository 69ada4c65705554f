"""A database that the catalogue and the photos can make again: what is wrong with its file is no reason to stop.

A file that is damaged, or a newer recollect's, is set aside under its name with the date, and made again; so is one
that was deleted or replaced while it was open. Of several that were set aside the latest is kept: they may be large.

The file is renamed before its connections are closed: SQLite then leaves the files beside the new one alone, also in
another process (https://sqlite.org/howtocorrupt.html, 1.5, and `databaseIsUnmoved` in its pager.c).
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from indexer.errors import StorageError
from indexer.sqlite.database import Database, NewerDatabase
from indexer.sqlite.errors import is_damage
from indexer.sqlite.migrating import Migration

log = logging.getLogger(__name__)

_MARK = ".set-aside-"


class DerivedDatabase(Database):
    """`Database` on a file that can be made again. `on_recreate` is called after it was made anew, or for the first
    time; `repair` False leaves a damaged or newer file as it is, and raises `StorageError`.
    """

    def __init__(
        self,
        path: Path,
        migrations: Sequence[Migration],
        *,
        on_recreate: Callable[[], None] = lambda: None,
        repair: bool = True,
        read_only: bool = False,
    ) -> None:
        self._on_recreate = on_recreate
        self._repairs = repair and not read_only
        try:
            super().__init__(path, migrations, read_only=read_only)
        except StorageError as error:
            is_newer = isinstance(error, NewerDatabase)
            if not self._repairs or not (is_newer or is_damage(error.__cause__ or error)):
                raise
            set_aside(path, "is a newer recollect's" if is_newer else f"is damaged ({error.__cause__})")
            super().__init__(path, migrations)
        if self._began_empty:
            on_recreate()

    @property
    def reader(self) -> sqlite3.Connection:
        """As `Database.reader`; where this thread needs another connection, a lost file is made again first."""
        if getattr(self._local, "of", None) != self._times_opened:
            self.recreate_if_lost()
        return super().reader

    @property
    def times_opened(self) -> int:
        """Another number after the file was made again."""
        return self._times_opened

    def recreate_if_lost(self) -> bool:
        """Makes the file again where it was deleted or replaced; returns whether it was."""
        if not self._repairs or not self.is_lost or not self._has_its_folder():
            return False
        return self._recreate(self._times_opened, "was deleted or replaced")

    def check(self, *, most_bytes: int | None = None) -> str | None:
        """Checks the whole file, unless it is larger than `most_bytes`, and makes it again where it is damaged; returns
        what was wrong."""
        opened, damage = self._times_opened, self.damage(most_bytes=most_bytes)
        if damage is not None and self._repairs:
            self._recreate(opened, f"is damaged ({damage})")
        return damage

    @contextmanager
    def recreating_if_damaged(self) -> Iterator[None]:
        """Inside, an error that says that the file is damaged has it made again, and is raised all the same."""
        opened = self._times_opened
        try:
            yield
        except sqlite3.DatabaseError as error:
            if self._repairs and is_damage(error):
                self._recreate(opened, f"is damaged ({error})")
            raise

    def _has_its_folder(self) -> bool:
        """Whether the data directory is there, and on the disk that it was on: a disk may be away."""
        try:
            return self._opened is not None and self.path.parent.stat().st_dev == self._opened[0]
        except OSError:
            return False

    def _recreate(self, opened: int, why: str) -> bool:
        """Once for each opening: the first thread does it. Raises `StorageError` where it can't be made again."""
        with self._watch_lock, self._write_lock:
            if self._closed or opened != self._times_opened:
                return False
            set_aside(self.path, why)
            for connection in (self._watcher, self._writer):
                if connection in self._connections:
                    self._connections.remove(connection)
                with suppress(sqlite3.Error):  # what can't be closed in order is of no use to anybody
                    connection.close()
            try:
                self._open()
            except (sqlite3.Error, OSError) as error:
                raise self._unusable(error) from error
        self._on_recreate()
        return True


def set_aside(path: Path, why: str) -> Path | None:
    """Renames a database file, and what belongs to it, to its name with the date; None where there was nothing."""
    aside = path.with_name(f"{path.name}{_MARK}{time.strftime('%Y-%m-%dT%H-%M-%S')}")
    for number in range(2, 100):
        if not aside.exists():
            break
        aside = path.with_name(f"{path.name}{_MARK}{time.strftime('%Y-%m-%dT%H-%M-%S')}-{number}")
    before = set_aside_files(path)
    moved = _move(path, aside)
    for ending in ("-wal", "-shm"):  # also where the file itself is gone: they would be taken for the new one's
        _move(path.with_name(path.name + ending), aside.with_name(aside.name + ending))
    if moved:
        log.warning("%s %s; it was set aside as %s, and is made again", path, why, aside.name)
        for older in before:
            for ending in ("", "-wal", "-shm"):
                older.with_name(older.name + ending).unlink(missing_ok=True)
    else:
        log.warning("%s %s; it is made again", path, why)
    return aside if moved else None


def set_aside_files(path: Path) -> list[Path]:
    """What was set aside of a database, without what belongs to it."""
    return sorted(
        found for found in path.parent.glob(f"{path.name}{_MARK}*") if not found.name.endswith(("-wal", "-shm"))
    )


def _move(path: Path, target: Path) -> bool:
    try:
        path.rename(target)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StorageError(
            f"{path} can't be set aside: {error.strerror}", hint="stop recollect and delete the file: it is made again"
        ) from error
    return True
