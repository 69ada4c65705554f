"""Folders and files that the last scan could not look at. What is in them is neither seen nor missing."""

# ruff: noqa: S608 - the SQL is put together from this package's own constants; values are always bound

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from indexer.catalogue.rows import now
from indexer.file_errors import unreadable_reason
from indexer.reasons import Reason
from indexer.sqlite.database import Database
from indexer.sqlite.errors import damage_in_rows


@dataclass(frozen=True, slots=True)
class UnreadablePlace:
    """A folder, or a file, that can't be looked at: `code` is the errno's name, `since` when a scan first met it so."""

    path: Path
    code: str
    since: datetime
    files: int  # known photo files in it, which are kept as they are

    @property
    def reason(self) -> Reason:
        """What the code says to people."""
        return unreadable_reason(self.code)


class UnreadablePlaces:
    """The catalogue's list of what can't be looked at."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @damage_in_rows()
    def first(self, limit: int = 100) -> list[UnreadablePlace]:
        """By path, `limit` at most."""
        rows = self._database.reader.execute(
            f"""SELECT root.path AS root, unreadable.path AS path, code, at,
            (SELECT count(*) FROM file WHERE file.root_id = unreadable.root_id AND missing_since IS NULL
                AND {_INSIDE}) AS files
            FROM unreadable JOIN root ON root.id = unreadable.root_id ORDER BY root.path, unreadable.path LIMIT ?""",
            (limit,),
        )
        return [
            UnreadablePlace(
                Path(os.fsdecode(row["root"])) / os.fsdecode(row["path"]),
                row["code"],
                datetime.fromisoformat(row["at"]),
                row["files"],
            )
            for row in rows
        ]


# "/" is x'2f', and x'30' follows it.
_INSIDE = """(folder = unreadable.path
    OR (folder > CAST(unreadable.path || x'2f' AS BLOB) AND folder < CAST(unreadable.path || x'30' AS BLOB)))"""


def replace_unreadable(writer: sqlite3.Connection, root_id: int, below: bytes, places: Mapping[bytes, str]) -> None:
    """What a complete scan of the folder `below` of a root could not look at takes the place of what is known of it,
    inside the caller's transaction; what was known before keeps its time."""
    scanned = [
        row["path"]
        for row in writer.execute("SELECT path FROM unreadable WHERE root_id = ?", (root_id,))
        if not below or row["path"] == below or row["path"].startswith(below + b"/")
    ]
    writer.executemany(
        "DELETE FROM unreadable WHERE root_id = ? AND path = ?",
        [(root_id, path) for path in scanned if path not in places],
    )
    writer.executemany(
        """INSERT INTO unreadable (root_id, path, code, at) VALUES (?, ?, ?, ?)
        ON CONFLICT (root_id, path) DO UPDATE SET code = excluded.code""",
        [(root_id, path, code, now()) for path, code in places.items()],
    )
