"""Makes a damaged catalogue again: what still reads of it is taken over, the rest comes from files and thumbnails.

SQLite keeps no checksums: a row that reads may be wrong all the same. So that nothing is believed of a file, every file
counts as changed and is read once more; a photo is known by its content key then, and keeps the captions, corrections
and marks that its row has. Nothing is captioned for it that has a caption in the catalogue or in a file.
"""

# ruff: noqa: S608 - the SQL is put together from this module's own constants; values are always bound

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from indexer.catalogue import Catalogue
from indexer.catalogue.people import AssignedBy
from indexer.catalogue.rows import FILE_COLUMNS, file_from_row, photo_from_row
from indexer.errors import StorageError
from indexer.model import CaptionPlace, JobKind
from indexer.recovery.finishing import sync
from indexer.recovery.page_reader import PageReader, Row, Value
from indexer.sqlite.database import NewerDatabase, read_only_connection
from indexer.sqlite.errors import damage_error, is_damage
from indexer.sqlite.file_header import header_damage

_BOX_NUMBERS = 6  # and score and size
_KEY = re.compile(r"[0-9a-f]{32}")
#: Of a photo's row, what is drawn anew, or is about the search index of before.
_DRAWN_ANEW = {"search_revision", "refused_revision", "refused_reason", "stack", "stack_due", "gone"}
#: When a row takes the place of an older form of itself.
_NEWER = {
    "root": "excluded.walk > root.walk",
    "file": "coalesce(excluded.settled_at, '') > coalesce(file.settled_at, '')",
    "job": "0",
    "person": "excluded.decided > person.decided OR (excluded.name IS NOT NULL AND person.name IS NULL)",
    "face": "excluded.person_id IS NOT NULL AND face.person_id IS NULL",
    "not_person": "0",
    "not_same": "0",
}
#: A row of which no more than this reads is worth it: what people did.
_OF_PEOPLE = ("corrected_text", "corrected_at", "added_words", "wrong_text")


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was taken over. `photos` have their captions; of `corrections_only` nothing but what people did reads.
    `unreadable` rows were found and could not be used."""

    aside: Path | None
    photos: int
    corrected: int
    corrections_only: int
    libraries: tuple[Path, ...]
    unreadable: int


def damage_of(path: Path) -> str | None:
    """What is wrong with a catalogue; None where it is sound. Raises `StorageError` where it can't be told, or where it
    is a newer recollect's: that is no damage."""
    if (damage := header_damage(path)) is not None:
        return damage
    if not path.exists():
        return "it is not there"
    try:
        _check(path)
    except NewerDatabase:
        raise
    except (sqlite3.Error, StorageError) as error:
        if is_damage(error.__cause__ if isinstance(error, StorageError) and error.__cause__ else error):
            return str(error) if isinstance(error, sqlite3.Error) else error.what
        raise StorageError(f"{path} can't be read: {error}") from error
    return None


def _check(path: Path) -> None:
    """Reads all of it. Raises an error that `is_damage`, or what else keeps it from being read. Nothing is written
    before the file is known to be a catalogue: one without tables would be given new ones."""
    with closing(read_only_connection(path)) as connection:
        problems = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
        if problems != ["ok"]:
            raise damage_error("; ".join(problems))
        connection.execute("SELECT name FROM migration").fetchone()
    with Catalogue(path) as catalogue:
        last = ""
        while ids := catalogue.photo_ids(after=last):
            catalogue.photos(ids)
            last = ids[-1]
        catalogue.probe()


def rebuild_catalogue(path: Path) -> Rebuilt:
    """Puts a catalogue of what reads in the place of the damaged one, which is kept beside it. The caller holds
    `sole_indexer`, has the search index begun anew, and has every library scanned. Raises `StorageError`; the damaged
    one is then where it was."""
    fresh = path.with_name(f"{path.name}.rebuilding")
    try:
        _remove(fresh)
        with Catalogue(fresh):
            pass
        found = _take_over(path, fresh)
        with Catalogue(fresh) as catalogue:
            catalogue.probe()
            libraries = tuple(root.path for root in catalogue.scans.roots())
        if os.geteuid() == 0:  # for the service, whose own user has to read it
            owner = path.parent.stat()
            os.chown(fresh, owner.st_uid, owner.st_gid)
        sync(fresh)
        aside = _change_places(path, fresh)
    except (sqlite3.Error, OSError) as error:
        raise StorageError(f"{path} can't be made again: {error}", hint="check free space and rights there") from error
    finally:
        _remove(fresh)
    return Rebuilt(
        aside, found["photos"], found["corrected"], found["corrections only"], libraries, found["unreadable"]
    )


def _remove(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _change_places(path: Path, fresh: Path) -> Path | None:
    """The damaged file gets another name before the log that belongs to it, and is there until the new one is. Gives
    what is kept of the damaged one: where the file was gone, its log."""
    log, aside = path.with_name(path.name + "-wal"), _free_name(path)
    kept = None
    if log.exists():  # SQLite would take it for the new one's
        kept = aside.with_name(aside.name + "-wal")
    if path.exists():
        _keep_copy(path, aside)
    if kept is not None:
        log.rename(kept)
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    fresh.replace(path)
    sync(path.parent)
    return aside if aside.exists() else kept


def _keep_copy(path: Path, aside: Path) -> None:
    try:
        os.link(path, aside)
    except OSError:  # a file system without hard links
        shutil.copy2(path, aside)
    sync(aside)


def _free_name(path: Path) -> Path:
    """What the damaged file is called from now on."""
    name = f"{path.name}.damaged-{time.strftime('%Y-%m-%dT%H-%M-%S')}"
    names = (name, *(f"{name}-{number}" for number in range(2, 100)))
    return next(
        aside
        for aside in map(path.with_name, names)
        if not aside.exists() and not aside.with_name(f"{aside.name}-wal").exists()
    )


def _take_over(path: Path, fresh: Path) -> Counter[str]:
    """Into the new catalogue, in one transaction; says how many of what."""
    counts: Counter[str] = Counter()
    with closing(sqlite3.connect(fresh, isolation_level=None)) as writer:
        writer.row_factory = sqlite3.Row
        tables = {table: _Table(writer, table) for table in ("photo", *_NEWER)}
        reader = PageReader(path)
        writer.execute("BEGIN IMMEDIATE")
        for row in reader.rows():
            _take_over_row(row, tables, counts)
        counts["unreadable"] += _drop_senseless_files(writer)
        _settle(writer)
        counts["unreadable"] += reader.unreadable_rows
        counts["photos"] -= counts["corrections only"]
        (counts["corrected"],) = writer.execute(
            "SELECT count(*) FROM photo WHERE corrected_text IS NOT NULL"
        ).fetchone()
        writer.execute("COMMIT")
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return counts


def _take_over_row(row: Row, tables: dict[str, _Table], counts: Counter[str]) -> None:
    name = _table_of(row[1])
    if name is None:
        return
    table = tables[name]
    values = table.with_columns(row)
    try:
        if name == "photo":
            _store_photo(table, values, counts)
        elif _is_sane(name, values):
            table.store(values, _NEWER[name])
    except (sqlite3.Error, OverflowError):
        counts["unreadable"] += 1


def _table_of(values: Sequence[Value]) -> str | None:
    """By what only rows of that table look like; None for every other table's."""
    match values:
        case [str(key), str(), int(), int(), *_] if _KEY.fullmatch(key):
            return "photo"
        case [None, int(), bytes(), bytes(), int(), int(), int(), *_]:
            return "file"
        case [None, int(), str(kind), int(), str(), *_] if kind == JobKind.WRITE_CAPTION:
            return "job"
        case [None, str() | None, 0 | 1, 0 | 1]:
            return "person"
        case [None, str(key), *box, str(), _, _, _, _] if _KEY.fullmatch(key) and len(box) == _BOX_NUMBERS:
            return "face"
        case [int(), int(), "not person"]:
            return "not_person"
        case [int(), int(), "not same"]:
            return "not_same"
        case [None, bytes(path), *_] if path.startswith(b"/"):
            return "root"
    return None


def _is_sane(name: str, values: dict[str, Any]) -> bool:
    """A damaged path must not lead out of its library, into whose files captions are written."""
    if name == "face":
        numbers = [values[one] for one in ("x", "y", "width", "height", "score", "size_px")]
        known = isinstance(values["person_id"], int | None) and values["origin"] in {None, *AssignedBy}
        return known and all(isinstance(one, int | float) for one in numbers)
    if name != "file":
        return True
    parts = values["folder"].split(b"/") if values["folder"] else []
    file_name = values["name"]
    return not {b"", b".", b".."} & {*parts, file_name} and b"/" not in file_name and b"\0" not in file_name


class _Table:
    """A table of the new catalogue, with its stored columns in the order of a row."""

    def __init__(self, writer: sqlite3.Connection, name: str) -> None:
        self.writer, self.name = writer, name
        columns = writer.execute(f"PRAGMA table_xinfo({name})").fetchall()
        self._columns = [one["name"] for one in columns if one["hidden"] == 0]
        self._key = ", ".join(one["name"] for one in columns if one["pk"])

    def with_columns(self, row: Row) -> dict[str, Any]:
        """The row's values by their columns; an older catalogue's has fewer."""
        row_id, values = row
        named = dict(zip(self._columns, values, strict=False))
        return named | ({self._key: row_id} if values[0] is None else {})

    def store(self, values: dict[str, Any], newer: str = "1") -> None:
        """`newer`: the SQL condition for taking the place of the same row. Raises `sqlite3.Error`."""
        columns = list(values)
        updates = ", ".join(f"{one} = excluded.{one}" for one in columns)
        self.writer.execute(
            f"""INSERT INTO {self.name} ({", ".join(columns)}) VALUES ({", ".join("?" * len(columns))})
            ON CONFLICT ({self._key}) DO UPDATE SET {updates} WHERE {newer} ON CONFLICT DO NOTHING""",
            list(values.values()),
        )


def _store_photo(table: _Table, values: dict[str, Any], counts: Counter[str]) -> None:
    """All of it, or what people did, where the rest makes no sense. The latest of several forms of a row counts."""
    values = {name: value for name, value in values.items() if name not in _DRAWN_ANEW}
    writer = table.writer
    before = writer.execute("SELECT revision FROM photo WHERE id = ?", (values["id"],)).fetchone()
    revision = values.get("revision")
    if not isinstance(revision, int) or (before is not None and before["revision"] >= revision):
        counts["unreadable"] += not isinstance(revision, int)
        return
    writer.execute("SAVEPOINT one")
    try:
        table.store(values, "excluded.revision > photo.revision")
        photo_from_row(writer.execute("SELECT * FROM photo WHERE id = ?", (values["id"],)).fetchone(), ())
    except sqlite3.Error:
        writer.execute("ROLLBACK TO one")
        if before is None and (said := _of_people(values)):
            _store_corrections(table, values["id"], revision, said)
            counts["corrections only"] += 1
            counts["photos"] += 1
        counts["unreadable"] += 1
    else:
        counts["photos"] += before is None
    writer.execute("RELEASE one")


def _of_people(values: dict[str, Any]) -> dict[str, Any]:
    found = {name: values[name] for name in _OF_PEOPLE if isinstance(values.get(name), str)}
    try:
        if "corrected_at" in found:
            datetime.fromisoformat(found["corrected_at"])
    except ValueError:
        found.pop("corrected_at")
    if not re.fullmatch(r'\["(?:[^"\\]|\\.)*"(?:, "(?:[^"\\]|\\.)*")*\]', found.get("added_words", "")):
        found.pop("added_words", None)
    if "corrected_at" not in found:
        found.pop("corrected_text", None)
    return found if found.keys() - {"corrected_at"} else {}


def _store_corrections(table: _Table, photo_id: str, revision: int, said: dict[str, Any]) -> None:
    """A photo of which nothing else is known until its file is read."""
    now = datetime.now().astimezone().isoformat(timespec="milliseconds")
    unknown = {"mime_type": "image/jpeg", "width_px": 0, "height_px": 0, "added_at": now}
    table.store({"id": photo_id, "revision": revision, **unknown, **said})


_SETTLE = (
    "DELETE FROM file WHERE root_id NOT IN (SELECT id FROM root)",
    "UPDATE file SET photo_id = NULL WHERE photo_id NOT IN (SELECT id FROM photo)",
    "UPDATE file SET settled_at = NULL, read_version = NULL WHERE photo_id IS NULL",
    # No file has these numbers: the scan finds it changed.
    "UPDATE file SET mtime_ns = 0, size = -1, inode = 0",
    "UPDATE root SET device = NULL, held_back = NULL, accept_losses = 0, passed_over = '{}'",
    "DELETE FROM job WHERE file_id NOT IN (SELECT id FROM file)",
    """UPDATE job SET state = 'queued', attempts = 0, suspect = 0, again = 0, claimed_at = NULL, reason = NULL,
    reason_kind = NULL, at = NULL, rounds = 0, retry_at = NULL""",
    "DELETE FROM face WHERE photo_id NOT IN (SELECT id FROM photo)",
    "UPDATE face SET person_id = NULL, origin = NULL WHERE person_id NOT IN (SELECT id FROM person)",
    """DELETE FROM not_person WHERE face_id NOT IN (SELECT id FROM face)
    OR person_id NOT IN (SELECT id FROM person)""",
    """DELETE FROM not_same WHERE person_id NOT IN (SELECT id FROM person)
    OR other_id NOT IN (SELECT id FROM person)""",
    "UPDATE photo SET faces_model = NULL",  # a face that was lost is found again; the others keep their ids
    """UPDATE photo SET gone = NOT EXISTS
    (SELECT 1 FROM file WHERE photo_id = photo.id AND missing_since IS NULL)""",
)


def _drop_senseless_files(writer: sqlite3.Connection) -> int:
    """Takes out the files of which a value makes no sense: the next scan finds them as new ones. Gives their number."""
    senseless = []
    for row in writer.execute(f"SELECT {FILE_COLUMNS} FROM file JOIN root ON root.id = file.root_id"):
        try:
            file_from_row(row)
        except sqlite3.DatabaseError:
            senseless.append((row["file_id"],))
    writer.executemany("DELETE FROM file WHERE id = ?", senseless)
    return len(senseless)


def _settle(writer: sqlite3.Connection) -> None:
    """Takes out what belongs to nothing, and has every file looked at again at the next scan."""
    for statement in _SETTLE:
        writer.execute(statement)
    # A correction that is in no file has a job, and jobs may be lost.
    writer.execute(
        """INSERT INTO job (file_id, kind, rank) SELECT file.id, ?, -1 FROM file JOIN photo ON photo.id = photo_id
        WHERE corrected_text IS NOT NULL AND photo.caption_place IS ? AND file.ours IS NOT 'taken out'
        ON CONFLICT (file_id, kind) DO NOTHING""",
        (JobKind.WRITE_CAPTION.value, CaptionPlace.INDEX.value),
    )
