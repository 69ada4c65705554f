"""Makes a data directory of a backup: whole, or not at all.

Everything is unpacked and checked in a folder inside the data directory. From the rename of that folder on, the restore
counts: what has to be moved then is moved, at the next start where this process was killed.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from indexer.catalogue import Catalogue
from indexer.catalogue.schema import CATALOGUE_MIGRATIONS
from indexer.errors import SetupError, StorageError
from indexer.recovery.backup_file import (
    CATALOGUE,
    JOURNAL,
    REMEMBERED,
    SETTINGS_FILE,
    SMALL_FILES,
    THUMBNAILS,
    BackupFile,
    UnusableBackup,
    private_file,
)
from indexer.recovery.finishing import KEPT_SETTINGS, LOCK, READY, finish_restore, sync
from indexer.recovery.library_moves import (
    LibraryMoves,
    move_in_catalogue,
    move_in_journal,
    move_in_remembered,
    move_in_settings_file,
)
from indexer.settings import Settings
from indexer.sqlite.database import Database, NewerDatabase
from indexer.sqlite.migrating import Migration
from indexer.thumbnails import THUMBNAIL_MIGRATIONS

_UNPACKING = "restore.unpacking"
_SPARE_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored. `settings` is the text of the backup's settings file, with libraries moved."""

    made_at: str
    photos: int
    libraries: tuple[Path, ...]
    thumbnails: bool
    settings: str | None


def check_target(data_dir: Path, *, replace: bool) -> None:
    """Raises `SetupError` where there is something in the data directory that `replace` does not allow to replace."""
    if replace or not data_dir.is_dir():
        return
    ours = {LOCK, _UNPACKING}
    if there := sorted(path.name for path in data_dir.iterdir() if path.name not in ours):
        raise SetupError(
            f"the data directory {data_dir} is not empty: {', '.join(there[:5])}",
            hint="choose another with --data-dir; with --replace what is there is set aside in a folder in it",
        )


def restore(settings: Settings, backup: BackupFile, moves: LibraryMoves, *, replace: bool) -> Restored:
    """The caller holds `sole_indexer`. Raises `SetupError`; nothing is changed then."""
    data_dir = settings.data_dir
    check_target(data_dir, replace=replace)
    moves.check(backup.manifest.libraries, settings)
    _check_space(data_dir, backup)
    folder = data_dir / _UNPACKING
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(mode=0o700)
        restored = _unpack(backup, folder, moves)
        _give_to_owner(folder, data_dir)
        _sync_all(folder)
        folder.rename(data_dir / READY)
    except OSError as error:
        raise StorageError(f"{data_dir} can't be restored into: {error.strerror or error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    finish_restore(data_dir)
    return restored


def _check_space(data_dir: Path, backup: BackupFile) -> None:
    needed, free = backup.total_bytes + _SPARE_BYTES, shutil.disk_usage(data_dir).free
    if needed > free:
        raise SetupError(
            f"{data_dir} has no room: the backup needs {needed // 1_000_000:,} MB, {free // 1_000_000:,} are free",
            hint="free some space, or choose another --data-dir",
        )


def _unpack(backup: BackupFile, folder: Path, moves: LibraryMoves) -> Restored:
    backup.extract(CATALOGUE, folder / CATALOGUE)
    photos, libraries = _check_catalogue(backup, folder / CATALOGUE, moves)
    has_thumbnails = backup.extract(THUMBNAILS, folder / THUMBNAILS)
    if has_thumbnails:
        with _open_database(backup, folder / THUMBNAILS, THUMBNAIL_MIGRATIONS):
            pass
    if backup.extract(JOURNAL, folder / f"{JOURNAL}.old"):
        with (folder / f"{JOURNAL}.old").open("rb") as lines, private_file(folder / JOURNAL) as journal:
            journal.writelines(move_in_journal(lines, moves))
        (folder / f"{JOURNAL}.old").unlink()
    for name in SMALL_FILES:
        if (stored := backup.read_small(name)) is None:
            continue
        with private_file(folder / name) as file:
            file.write(_move_remembered(backup, stored, moves) if name == REMEMBERED else stored)
    text = _settings_text(backup, moves)
    if text is not None:
        with private_file(folder / KEPT_SETTINGS) as file:
            file.write(text.encode())
    return Restored(backup.manifest.made_at, photos, libraries, has_thumbnails, text)


def _check_catalogue(backup: BackupFile, path: Path, moves: LibraryMoves) -> tuple[int, tuple[Path, ...]]:
    """Brings it up to date, too; returns its photos and its libraries, moved."""
    with _open_database(backup, path, CATALOGUE_MIGRATIONS):
        pass
    try:
        move_in_catalogue(path, moves)
        with Catalogue(path) as catalogue:
            catalogue.probe()
            return catalogue.counts().photos, tuple(root.path for root in catalogue.scans.roots())
    except (sqlite3.Error, StorageError) as error:
        raise UnusableBackup(backup.path, f"the catalogue in it can't be used: {error}") from error


@contextmanager
def _open_database(backup: BackupFile, path: Path, migrations: tuple[Migration, ...]) -> Iterator[Database]:
    """A database out of a backup, migrated and checked. A trigger or a view that is not ours would be somebody else's
    program, and is not run."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            odd = _programs(connection) - _our_programs(path, migrations)
            problems = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
        if odd or problems != ["ok"]:
            why = (
                f"{path.name} in it is damaged: {'; '.join(problems)}" if not odd else f"{path.name} in it is not ours"
            )
            raise UnusableBackup(backup.path, why)
        with Database(path, migrations) as database:
            yield database
    except NewerDatabase as error:
        raise UnusableBackup(backup.path, error.what, hint="upgrade recollect") from error
    except (sqlite3.Error, StorageError) as error:
        raise UnusableBackup(backup.path, f"{path.name} in it can't be used: {error}") from error


def _programs(connection: sqlite3.Connection) -> set[str]:
    """The SQL of a file's triggers and views."""
    found = connection.execute("SELECT sql FROM sqlite_master WHERE type NOT IN ('table', 'index')")
    return {str(row[0]) for row in found}


def _our_programs(path: Path, migrations: tuple[Migration, ...]) -> set[str]:
    """Those that a file of any version has: each migration may make some, and a later one take them out."""
    ours: set[str] = set()
    fresh = path.with_name(f"{path.name}.fresh")
    for number in range(len(migrations)):
        with Database(fresh, migrations[: number + 1]), closing(sqlite3.connect(fresh)) as connection:
            ours |= _programs(connection)
    fresh.unlink()
    return ours


def _move_remembered(backup: BackupFile, stored: bytes, moves: LibraryMoves) -> bytes:
    try:
        return move_in_remembered(stored, moves)
    except (ValueError, TypeError, LookupError) as error:
        raise UnusableBackup(backup.path, f"{REMEMBERED} in it can't be read: {error}") from error


def _settings_text(backup: BackupFile, moves: LibraryMoves) -> str | None:
    stored = backup.read_small(SETTINGS_FILE)
    try:
        return None if stored is None else move_in_settings_file(stored.decode(), moves)
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are
        raise UnusableBackup(backup.path, f"{SETTINGS_FILE} in it can't be read: {error}") from error


def _give_to_owner(folder: Path, data_dir: Path) -> None:
    """Root restores for the service, whose own user has to read it."""
    if os.geteuid() == 0:
        owner = data_dir.stat()
        for path in (folder, *folder.iterdir()):
            os.chown(path, owner.st_uid, owner.st_gid)


def _sync_all(folder: Path) -> None:
    for path in (*folder.iterdir(), folder):
        sync(path)
