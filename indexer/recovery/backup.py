"""Copies what can't be made again of a data directory into one file, also while recollect runs."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from indexer.errors import SetupError, StorageError
from indexer.recovery.backup_file import (
    CATALOGUE,
    JOURNAL,
    SETTINGS_FILE,
    SMALL_FILES,
    THUMBNAILS,
    is_backup_file,
    private_file,
    write_backup_file,
)
from indexer.recovery.finishing import sync
from indexer.settings import Settings
from indexer.sqlite.database import read_only_connection
from indexer.sqlite.errors import damage_message, is_damage


@dataclass(frozen=True, slots=True)
class Backup:
    """What was written."""

    path: Path
    size_bytes: int
    photos: int
    members: tuple[str, ...]


def make_backup(settings: Settings, target: Path, *, settings_file: Path | None, thumbnails: bool) -> Backup:
    """Writes catalogue, journal, keys and the settings file into `target`: whole or not at all, readable for its owner
    alone. An older backup of that name is replaced, any other file is not. `thumbnails` adds them, which can be made
    again from the photos.

    SQLite's online backup copies one moment of each database, while others write (https://sqlite.org/backup.html).
    Beside `target` there has to be room for it and for a copy of the databases. Raises `SetupError`.
    """
    target = target.absolute()
    if target.is_dir():
        raise SetupError(f"{target} is a folder", hint="name a file in it, such as recollect.zip")
    if target.exists() and not is_backup_file(target):
        raise SetupError(f"{target} is there and is no backup of recollect", hint="choose another name, or delete it")
    try:
        with _workplace(target) as folder:
            return _make_backup(settings, target, folder, settings_file, thumbnails=thumbnails)
    except OSError as error:
        hint = "free some space there, or choose another disk" if error.errno in {errno.ENOSPC, errno.EDQUOT} else ""
        raise SetupError(f"the backup {target} can't be written: {error.strerror or error}", hint=hint) from error


def _make_backup(
    settings: Settings, target: Path, folder: Path, settings_file: Path | None, *, thumbnails: bool
) -> Backup:
    members: dict[str, Path | bytes] = {CATALOGUE: folder / CATALOGUE}
    _copy_database(settings.catalogue_path, folder / CATALOGUE)
    with closing(sqlite3.connect(folder / CATALOGUE)) as copied:
        libraries = [os.fsdecode(path) for (path,) in copied.execute("SELECT path FROM root ORDER BY path")]
        (photos,) = copied.execute("SELECT count(*) FROM photo WHERE gone = 0").fetchone()
    if thumbnails and settings.thumbnails_path.exists():
        _copy_database(settings.thumbnails_path, folder / THUMBNAILS)
        members[THUMBNAILS] = folder / THUMBNAILS
    for name in (JOURNAL, *SMALL_FILES):
        if (settings.data_dir / name).exists():
            members[name] = settings.data_dir / name
    if settings_file is not None and settings_file.exists():
        members[SETTINGS_FILE] = settings_file
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    fresh = folder / "backup.zip"
    size = write_backup_file(fresh, members, made_at=made_at, libraries=libraries)
    sync(fresh)
    fresh.replace(target)
    sync(target.parent)
    return Backup(target, size, photos, tuple(members))


def _copy_database(source: Path, copy: Path) -> None:
    """Raises `StorageError` where the source is damaged: a backup of it would take a good one's place."""
    private_file(copy).close()
    try:
        with closing(read_only_connection(source)) as reading, closing(sqlite3.connect(copy)) as writing:
            reading.backup(writing)
            writing.execute("PRAGMA journal_mode = DELETE")
            problems = [str(row[0]) for row in writing.execute("PRAGMA quick_check(3)")]
    except sqlite3.Error as error:
        if is_damage(error):
            raise StorageError(damage_message(source, str(error))) from error
        raise StorageError(f"{source} can't be copied: {error}") from error
    if problems != ["ok"]:
        raise StorageError(damage_message(source, "; ".join(problems)))


@contextmanager
def _workplace(target: Path) -> Iterator[Path]:
    """A folder beside `target`, for its owner alone, which is gone afterwards; what a killed backup left in it goes,
    too. Raises `SetupError` where another backup to `target` is under way."""
    folder = target.with_name(f".{target.name}.unfinished")
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SetupError(f"another backup to {target} is under way", hint="wait for it") from None
        for left in list(folder.iterdir()):
            left.unlink()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
