"""The key-value store of thumbnails: (content key, size) -> the bytes of a picture, whose format its first bytes say.

All were WebP once, and those stay as they are; now the screen's are JPEG (`images/pictures.py`).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TypeVar

from indexer.model import ThumbnailSize
from indexer.sqlite.derived import DerivedDatabase
from indexer.sqlite.errors import is_damage
from indexer.sqlite.migrating import Migration

# An ordinary rowid table: WITHOUT ROWID keeps the blobs in the index tree and reads 20 kB values four times slower.
THUMBNAIL_MIGRATIONS: tuple[Migration, ...] = (
    (
        "2026-01 thumbnails",
        """
        CREATE TABLE thumbnail (
            id INTEGER PRIMARY KEY,
            content_key TEXT NOT NULL,
            size TEXT NOT NULL,
            webp BLOB NOT NULL,
            UNIQUE (content_key, size)
        );
        """,
    ),
)

_Result = TypeVar("_Result")

_KEYS_AT_ONCE = 500  # well under SQLite's limit of 32,766 variables


def picture_type(thumbnail: bytes) -> str:
    """The media type of a stored picture."""
    return "image/jpeg" if thumbnail.startswith(b"\xff\xd8") else "image/webp"


class ThumbnailStore:
    """Thumbnails in a database opened with `THUMBNAIL_MIGRATIONS`; blocking, usable from any thread.

    Where its file turns out to be damaged, it is begun anew, and what was asked of it is done on the new one.
    """

    def __init__(self, database: DerivedDatabase) -> None:
        self._database = database

    def recreate_if_lost(self) -> bool:
        """Begins anew where the file was deleted or replaced; returns whether it was."""
        return self._database.recreate_if_lost()

    def check(self, *, most_bytes: int | None = None) -> str | None:
        """What SQLite's check of the whole file says where it is damaged, which is then begun anew; None where it is
        sound, or larger than `most_bytes`. Takes as long as reading the file."""
        return self._database.check(most_bytes=most_bytes)

    def data_version(self) -> int:
        """Another number after every change, whichever process made it."""
        return self._database.data_version()

    def lacking(self, keys: Sequence[str]) -> list[str]:
        """Those of `keys` that have not every size."""
        there = self._attempt(
            lambda: self._database.reader.execute(
                """SELECT content_key FROM thumbnail WHERE content_key IN (SELECT value FROM json_each(?))
                GROUP BY content_key HAVING count(*) >= ?""",
                (json.dumps(list(keys)), len(ThumbnailSize)),
            ).fetchall()
        )
        complete = {row["content_key"] for row in there}
        return [key for key in keys if key not in complete]

    def _attempt(self, action: Callable[[], _Result]) -> _Result:
        try:
            with self._database.recreating_if_damaged():
                return action()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            return action()

    def put(self, key: str, size: ThumbnailSize, picture: bytes) -> None:
        """Adds or replaces one thumbnail; durable against a crash of this process when it returns."""
        self.put_all(key, [(size, picture)])

    def put_all(self, key: str, thumbnails: Iterable[tuple[ThumbnailSize, bytes]]) -> None:
        """Every size of one photo in one transaction."""
        rows = [(key, size.value, picture) for size, picture in thumbnails]
        self._attempt(lambda: self._put(rows))

    def _put(self, rows: Sequence[tuple[str, str, bytes]]) -> None:
        with self._database.transaction() as writer:
            writer.executemany(
                "INSERT INTO thumbnail (content_key, size, webp) VALUES (?, ?, ?)"
                " ON CONFLICT (content_key, size) DO UPDATE SET webp = excluded.webp",
                rows,
            )

    def get(self, key: str, size: ThumbnailSize) -> bytes | None:
        """The bytes of the picture, or None where there are none; `picture_type` says their format."""
        row = self._attempt(
            lambda: self._database.reader.execute(
                "SELECT webp FROM thumbnail WHERE content_key = ? AND size = ?", (key, size.value)
            ).fetchone()
        )
        return None if row is None else bytes(row["webp"])

    def delete(self, keys: Iterable[str]) -> None:
        """Forgets every size of these photos; unknown keys are no error."""
        remaining = iter(keys)
        while batch := list(islice(remaining, _KEYS_AT_ONCE)):
            self._attempt(partial(self._delete, batch))

    def _delete(self, keys: Sequence[str]) -> None:
        with self._database.transaction() as writer:
            writer.executemany("DELETE FROM thumbnail WHERE content_key = ?", [(key,) for key in keys])

    def keys(self) -> Iterator[str]:
        """Every content key that has a thumbnail, in order."""
        rows = self._database.reader.execute("SELECT DISTINCT content_key FROM thumbnail ORDER BY content_key")
        return (row["content_key"] for row in rows)

    def sizes(self) -> dict[ThumbnailSize, int]:
        """How many thumbnails there are of each size."""
        rows = self._attempt(
            lambda: self._database.reader.execute(
                "SELECT size, count(*) AS number FROM thumbnail GROUP BY size"
            ).fetchall()
        )
        counts = {row["size"]: int(row["number"]) for row in rows}
        return {size: counts.get(size.value, 0) for size in ThumbnailSize}
