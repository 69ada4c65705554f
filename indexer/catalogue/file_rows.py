"""Writes to the file table, each inside a transaction of the caller's: a file that is found, moved or missing."""

# ruff: noqa: S608 - the SQL is put together from this package's own constants; values are always bound
# ruff: noqa: PTH118 - paths are the file system's own bytes here, which pathlib does not take

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from indexer.catalogue.found import StampRow
from indexer.catalogue.job_queue import enqueue_changed, requeue_vanished
from indexer.catalogue.roots import is_gone
from indexer.catalogue.rows import now
from indexer.metadata.dates import PhotoDate, date_in_name


def join(folder: bytes, name: bytes) -> bytes:
    """A relative path; either side may be empty."""
    return folder + b"/" + name if folder and name else folder or name


def below_condition(folder: bytes) -> tuple[str, tuple[bytes, ...]]:
    """An SQL condition, and its values, for files anywhere below `folder` of a root."""
    if not folder:
        return "1", ()
    return "(folder = ? OR (folder > ? AND folder < ?))", (folder, folder + b"/", folder + b"0")  # "0" follows "/"


def is_below_any(folder: bytes, others: Iterable[bytes]) -> bool:
    """Whether a folder is one of `others` or below one."""
    return any(not other or folder == other or folder.startswith(other + b"/") for other in others)


class FileAt(NamedTuple):
    """A file as a scan found it; `folder` and `name` are relative to the root."""

    root_id: int
    folder: bytes
    name: bytes
    stamp: StampRow


def note_file(
    writer: sqlite3.Connection, file: FileAt, touched: set[str], absent: Sequence[int] = ()
) -> tuple[int, str]:
    """Stores a file that was found; returns its id and "new", "changed", "unchanged" or "moved".

    Photos whose files changed place or came back are added to `touched`, for `touch`. `absent` are roots that are not
    there, whose library may have moved here.
    """
    row = writer.execute(
        """SELECT id, mtime_ns, size, inode, sidecar, missing_since, photo_id FROM file
        WHERE root_id = ? AND folder = ? AND name = ?""",
        file[:3],
    ).fetchone()
    if row is None:
        return _note_new(writer, file, touched, absent)
    same = (row["mtime_ns"], row["size"], row["inode"], row["sidecar"]) == file.stamp
    if same and row["missing_since"] is None:
        return row["id"], "unchanged"
    _update_path(writer, row["id"], file)
    if row["photo_id"] is not None and row["missing_since"] is not None:
        touched.add(row["photo_id"])
    if not same:
        enqueue_changed(writer, row["id"])
    return row["id"], "unchanged" if same else "changed"


def _note_new(writer: sqlite3.Connection, file: FileAt, touched: set[str], absent: Sequence[int]) -> tuple[int, str]:
    moved = _find_in_absent_roots(writer, absent, file)
    if moved is not None:
        return _move(writer, moved, file, touched)
    for twin in _files_of_same_stamp(writer, file):
        if twin["missing_since"] is not None or is_gone(join_root(twin)):
            return _move(writer, twin, file, touched)
        if twin["photo_id"] is not None and not twin["busy"] and twin["sidecar"] == file.stamp[3]:
            touched.add(twin["photo_id"])
            return _insert(writer, file, twin), "new"
    file_id = _insert(writer, file, None)
    enqueue_changed(writer, file_id)
    return file_id, "new"


def _move(writer: sqlite3.Connection, row: sqlite3.Row, file: FileAt, touched: set[str]) -> tuple[int, str]:
    _update_path(writer, row["id"], file)
    if row["sidecar"] != file.stamp[3] or _date_of_name(row["name"]) != _date_of_name(file.name):
        enqueue_changed(writer, row["id"])
    if row["photo_id"] is not None:
        touched.add(row["photo_id"])
    return row["id"], "moved"


def _date_of_name(name: bytes) -> PhotoDate | None:
    return date_in_name(os.fsdecode(name))


def _files_of_same_stamp(writer: sqlite3.Connection, file: FileAt) -> Sequence[sqlite3.Row]:
    """Known files of the root with the same stamp: the same file before it was moved, or a link to it."""
    mtime_ns, size, inode, _ = file.stamp
    if inode == 0:  # a file system that does not number its files
        return ()
    return writer.execute(
        """SELECT file.*, root.path AS root, EXISTS (SELECT 1 FROM job WHERE job.file_id = file.id) AS busy
        FROM file JOIN root ON root.id = file.root_id
        WHERE inode = ? AND size = ? AND mtime_ns = ? AND root_id = ? LIMIT 8""",
        (inode, size, mtime_ns, file.root_id),
    ).fetchall()


def _find_in_absent_roots(writer: sqlite3.Connection, absent: Sequence[int], file: FileAt) -> sqlite3.Row | None:
    """The row of a file that is found at a new path, in a root that is absent: a library that has moved.

    It is the same file at the same place below the root, with the same size and time (a copied library has other
    inodes); or, where a root begins further up or down, by its name and inode, too.
    """
    select = "SELECT file.*, root.path AS root FROM file JOIN root ON root.id = file.root_id"
    mtime_ns, size, inode, _ = file.stamp
    for root_id in absent:
        row: sqlite3.Row | None = writer.execute(
            f"{select} WHERE root_id = ? AND folder = ? AND name = ? AND size = ? AND mtime_ns = ?",
            (root_id, file.folder, file.name, size, mtime_ns),
        ).fetchone()
        if row is not None:
            return row
    if not absent or not inode:
        return None
    found: sqlite3.Row | None = writer.execute(
        f"""{select} WHERE inode = ? AND size = ? AND mtime_ns = ? AND name = ?
        AND root_id IN (SELECT value FROM json_each(?)) LIMIT 1""",
        (inode, size, mtime_ns, file.name, json.dumps(absent)),
    ).fetchone()
    return found


def join_root(row: sqlite3.Row) -> bytes:
    """The absolute path of a file row that was joined with its root."""
    path: bytes = os.path.join(row["root"], row["folder"], row["name"])
    return path


def _update_path(writer: sqlite3.Connection, file_id: int, file: FileAt) -> None:
    writer.execute(
        """UPDATE file SET root_id = ?, folder = ?, name = ?, mtime_ns = ?, size = ?, inode = ?, sidecar = ?,
        missing_since = NULL, seen_walk = (SELECT walk FROM root WHERE id = ?) WHERE id = ?""",
        (*file[:3], *file.stamp, file.root_id, file_id),
    )
    requeue_vanished(writer, file_id)


_COPIED_COLUMNS = (
    *("photo_id", "person_caption", "settled_at", "ours"),
    *("caption_place", "caption_reason", "obstacle", "read_version"),
)


def _insert(writer: sqlite3.Connection, file: FileAt, twin: sqlite3.Row | None) -> int:
    known = [twin[column] if twin is not None else None for column in _COPIED_COLUMNS]
    file_id = writer.execute(
        f"""INSERT INTO file (root_id, folder, name, mtime_ns, size, inode, sidecar, {", ".join(_COPIED_COLUMNS)},
        seen_walk)
        VALUES (?, ?, ?, ?, ?, ?, ?, {", ".join("?" * len(_COPIED_COLUMNS))}, (SELECT walk FROM root WHERE id = ?))""",
        (*file[:3], *file.stamp, *known, file.root_id),
    ).lastrowid
    if file_id is None:
        raise sqlite3.DatabaseError("SQLite gave a new file no id")
    return file_id


def files_at(writer: sqlite3.Connection, root_id: int, path: bytes) -> list[int]:
    """The ids of the present files that `path` names, as a file or as a folder."""
    condition, values = below_condition(path)
    folder, name = os.path.split(path)
    rows = writer.execute(
        f"""SELECT id FROM file WHERE root_id = ? AND missing_since IS NULL AND folder = ? AND name = ?
        UNION SELECT id FROM file WHERE root_id = ? AND missing_since IS NULL AND {condition}""",
        (root_id, folder, name, root_id, *values),
    )
    return [row["id"] for row in rows]


def count_present(connection: sqlite3.Connection, root_id: int) -> int:
    """How many files of a root are not missing."""
    row = connection.execute(
        "SELECT count(*) FROM file WHERE root_id = ? AND missing_since IS NULL", (root_id,)
    ).fetchone()
    return int(row[0])


def mark_missing(writer: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Marks files as missing and touches their photos."""
    chosen = json.dumps(list(ids))
    rows = writer.execute(
        """SELECT DISTINCT photo_id FROM file
        WHERE id IN (SELECT value FROM json_each(?)) AND photo_id IS NOT NULL""",
        (chosen,),
    ).fetchall()
    writer.execute(
        """UPDATE file SET missing_since = ?
        WHERE missing_since IS NULL AND id IN (SELECT value FROM json_each(?))""",
        (now(), chosen),
    )
    touch(writer, {row["photo_id"] for row in rows})


def touch(writer: sqlite3.Connection, photo_ids: Iterable[str]) -> None:
    """A photo's files or words changed: search has to hear of it, and its stack is looked at again.

    Draws the person's caption from the photo's files: the latest settled one that has any, a present one before a
    missing one.
    """
    writer.executemany(
        """UPDATE photo SET revision = revision + 1, stack_due = 1,
        gone = NOT EXISTS (SELECT 1 FROM file WHERE photo_id = photo.id AND missing_since IS NULL),
        person_caption = (SELECT person_caption FROM file WHERE photo_id = photo.id AND person_caption IS NOT NULL
            ORDER BY missing_since IS NOT NULL, settled_at DESC, id DESC LIMIT 1)
        WHERE id = ?""",
        [(photo_id,) for photo_id in photo_ids],
    )


def superseded_files(reader: sqlite3.Connection, absent: Sequence[int], root_id: int) -> list[int]:
    """The ids of the files of absent roots whose photos have a present file in this root."""
    rows = reader.execute(
        """SELECT id FROM file WHERE root_id IN (SELECT value FROM json_each(?)) AND missing_since IS NULL
        AND EXISTS (SELECT 1 FROM file AS other WHERE other.photo_id = file.photo_id AND other.root_id = ?
            AND other.missing_since IS NULL)""",
        (json.dumps(absent), root_id),
    )
    return [row["id"] for row in rows]
