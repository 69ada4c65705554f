"""Which photos were measured (`images.measures.PictureMeasures`), and what came of it."""

from __future__ import annotations

from collections.abc import Iterable

from indexer.images.measures import MEASURES_VERSION
from indexer.sqlite.database import Database


class Measured:
    """The measures of photos that are known already; those of new ones are settled with the photo."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def lacking(self, *, after: str = "", limit: int = 100) -> list[str]:
        """Ids of present photos that were not measured, in their order; pass the last one as `after`."""
        rows = self._database.reader.execute(
            "SELECT id FROM photo WHERE measures IS NULL AND gone = 0 AND id > ? ORDER BY id LIMIT ?", (after, limit)
        )
        return [row["id"] for row in rows]

    def store(self, measured: Iterable[tuple[str, bytes]]) -> None:
        """(id, measures) of photos, empty where one can't be measured; search hears of them."""
        with self._database.transaction() as writer:
            writer.executemany(
                "UPDATE photo SET measures = ?, revision = revision + 1 WHERE id = ?",
                [(measures, photo_id) for photo_id, measures in measured],
            )

    def forget_outdated(self) -> int:
        """Has photos measured again that another version measured, or could not; returns how many there are."""
        with self._database.transaction() as writer:
            return writer.execute(
                "UPDATE photo SET measures = NULL WHERE measures IS NOT NULL AND substr(measures, 1, 1) IS NOT ?",
                (bytes([MEASURES_VERSION]),),
            ).rowcount
