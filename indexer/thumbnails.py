"""The key-value store of thumbnails: (content key, size) -> WebP bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from indexer.database import Database, Migration
from indexer.photo import ThumbnailSize

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

_KEYS_AT_ONCE = 500  # well under SQLite's limit of 32,766 variables


class ThumbnailStore:
    """Thumbnails in a `Database` opened with `THUMBNAIL_MIGRATIONS`; blocking, usable from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, key: str, size: ThumbnailSize, webp: bytes) -> None:
        """Adds or replaces one thumbnail; durable against a crash of this process when it returns."""
        self.put_all(key, [(size, webp)])

    def put_all(self, key: str, thumbnails: Iterable[tuple[ThumbnailSize, bytes]]) -> None:
        """Every size of one photo in one transaction."""
        with self._database.transaction() as writer:
            writer.executemany(
                "INSERT INTO thumbnail (content_key, size, webp) VALUES (?, ?, ?)"
                " ON CONFLICT (content_key, size) DO UPDATE SET webp = excluded.webp",
                [(key, size.value, webp) for size, webp in thumbnails],
            )

    def get(self, key: str, size: ThumbnailSize) -> bytes | None:
        """The WebP bytes, or None where there are none."""
        row = self._database.reader.execute(
            "SELECT webp FROM thumbnail WHERE content_key = ? AND size = ?", (key, size.value)
        ).fetchone()
        return None if row is None else bytes(row["webp"])

    def delete(self, keys: Iterable[str]) -> None:
        """Forgets every size of these photos; unknown keys are no error."""
        remaining = iter(keys)
        while batch := list(islice(remaining, _KEYS_AT_ONCE)):
            with self._database.transaction() as writer:
                writer.executemany("DELETE FROM thumbnail WHERE content_key = ?", [(key,) for key in batch])

    def keys(self) -> Iterator[str]:
        """Every content key that has a thumbnail, in order."""
        rows = self._database.reader.execute("SELECT DISTINCT content_key FROM thumbnail ORDER BY content_key")
        return (row["content_key"] for row in rows)

    def sizes(self) -> dict[ThumbnailSize, int]:
        """How many thumbnails there are of each size."""
        rows = self._database.reader.execute("SELECT size, count(*) AS number FROM thumbnail GROUP BY size")
        counts = {row["size"]: int(row["number"]) for row in rows}
        return {size: counts.get(size.value, 0) for size in ThumbnailSize}
