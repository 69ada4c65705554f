"""A library that stands at another path now: its files are known there, and the old path fades.

Only roots that are not there, or have nothing in them, are taken for moved; a disk that comes back is scanned again.
"""

# ruff: noqa: S608 - the SQL is put together from this package's own constants; values are always bound

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence

from indexer.catalogue.found import StampRow

_FILE = """SELECT file.*, root.path AS root FROM file JOIN root ON root.id = file.root_id"""


def absent_roots(reader: sqlite3.Connection, root_id: int) -> tuple[int, ...]:
    """The ids of the other roots that are not there now, or hold nothing. May take as long as their disks do."""
    rows = reader.execute("SELECT id, path FROM root WHERE id <> ?", (root_id,)).fetchall()
    return tuple(row["id"] for row in rows if not _holds_anything(row["path"]))


def _holds_anything(path: bytes) -> bool:
    try:
        with os.scandir(path) as entries:
            return next(entries, None) is not None
    except OSError:
        return False


def find_in_absent_roots(
    writer: sqlite3.Connection, absent: Sequence[int], folder: bytes, name: bytes, stamp: StampRow
) -> sqlite3.Row | None:
    """The row of a file that is met at a new path, in a root that is absent.

    It is the same file at the same place below the root, with the same size and time (a copied library has other
    inodes); or, where a root begins further up or down, by its name and inode, too.
    """
    mtime_ns, size, inode, _ = stamp
    for root_id in absent:
        row: sqlite3.Row | None = writer.execute(
            f"{_FILE} WHERE root_id = ? AND folder = ? AND name = ? AND size = ? AND mtime_ns = ?",
            (root_id, folder, name, size, mtime_ns),
        ).fetchone()
        if row is not None:
            return row
    if not absent or not inode:
        return None
    found: sqlite3.Row | None = writer.execute(
        f"""{_FILE} WHERE inode = ? AND size = ? AND mtime_ns = ? AND name = ?
        AND root_id IN (SELECT value FROM json_each(?)) LIMIT 1""",
        (inode, size, mtime_ns, name, json.dumps(absent)),
    ).fetchone()
    return found


def superseded_files(reader: sqlite3.Connection, absent: Sequence[int], root_id: int) -> list[int]:
    """The ids of the files of absent roots whose photos have a present file in this root."""
    rows = reader.execute(
        """SELECT id FROM file WHERE root_id IN (SELECT value FROM json_each(?)) AND missing_since IS NULL
        AND EXISTS (SELECT 1 FROM file AS other WHERE other.photo_id = file.photo_id AND other.root_id = ?
            AND other.missing_since IS NULL)""",
        (json.dumps(absent), root_id),
    )
    return [row["id"] for row in rows]


def clear_reason_of_emptied_roots(writer: sqlite3.Connection, absent: Sequence[int]) -> None:
    """A root that is not there and has no present file left has lost nothing."""
    writer.execute(
        """UPDATE root SET held_back = NULL WHERE id IN (SELECT value FROM json_each(?))
        AND NOT EXISTS (SELECT 1 FROM file WHERE root_id = root.id AND missing_since IS NULL)""",
        (json.dumps(absent),),
    )
