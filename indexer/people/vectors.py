"""The vectors of faces, in a file of their own that is made at the first face.

They are derived from the screen pictures and can be made again. What people decided stands in the catalogue; so that no
backup holds how anybody looks, and that one deletion takes all of it out.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from indexer.catalogue import Catalogue
from indexer.sqlite.derived import DerivedDatabase
from indexer.sqlite.migrating import Migration

VECTOR_MIGRATIONS: tuple[Migration, ...] = (
    (
        "faces: vectors",
        "CREATE TABLE vector (face_id INTEGER PRIMARY KEY, model TEXT NOT NULL, numbers BLOB NOT NULL);",
    ),
)
_FILES = "faces.db*"  # with what SQLite puts beside it, and what was set aside
_ROWS_AT_ONCE = 4096


class FaceVectors:
    """Vectors by the ids of faces; thread-safe. Nothing is opened or made before there is something to store."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._database: DerivedDatabase | None = None

    def close(self) -> None:
        """Closing twice is fine; what is asked afterwards opens it again."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    def store(self, vectors: Iterable[tuple[int, bytes]], model: str) -> None:
        """(face id, vector) in the place of what was stored of these faces."""
        rows = [(face_id, model, numbers) for face_id, numbers in vectors]
        if rows:
            with self._opened().transaction() as writer:
                writer.executemany("INSERT OR REPLACE INTO vector VALUES (?, ?, ?)", rows)

    def blocks(self, model: str) -> Iterator[list[tuple[int, bytes]]]:
        """(face id, vector) of all faces by `model`, in the order of ids, some thousands at a time."""
        after, database = 0, self._existing()
        while database is not None and (
            rows := database.reader.execute(
                "SELECT face_id, numbers FROM vector WHERE face_id > ? AND model = ? ORDER BY face_id LIMIT ?",
                (after, model, _ROWS_AT_ONCE),
            ).fetchall()
        ):
            yield [(row["face_id"], row["numbers"]) for row in rows]
            after = rows[-1]["face_id"]

    def lacking(self, face_ids: Sequence[int], model: str) -> list[int]:
        """Those of these faces, ids in their order, that have no vector by `model`."""
        if not face_ids or (database := self._existing()) is None:
            return list(face_ids)
        rows = database.reader.execute(
            "SELECT face_id FROM vector WHERE face_id BETWEEN ? AND ? AND model = ?", (face_ids[0], face_ids[-1], model)
        )
        there = {row["face_id"] for row in rows}
        return [one for one in face_ids if one not in there]

    def delete(self) -> int:
        """Deletes every file that holds vectors; returns how many files that were. Another process that has one open
        finds it gone, and begins a new one where it has something to store. Raises `OSError`."""
        self.close()
        files = vector_files(self._path.parent)
        for path in files:
            path.unlink(missing_ok=True)
        return len(files)

    def _existing(self) -> DerivedDatabase | None:
        """None where there is no file: reading makes none."""
        return self._opened() if self._path.exists() else None

    def _opened(self) -> DerivedDatabase:
        with self._lock:
            if self._database is not None and self._database.is_lost:  # deleted, perhaps by another process
                self._database.close()
                self._database = None
            if self._database is None:
                self._database = DerivedDatabase(self._path, VECTOR_MIGRATIONS)
            return self._database


def vector_files(data_dir: Path) -> list[Path]:
    """Every file of a data directory that may hold vectors: also what a restore, or damage, has set aside."""
    return sorted({*data_dir.glob(_FILES), *data_dir.glob(f"*/{_FILES}")})


def delete_people(catalogue: Catalogue, vectors: FaceVectors, *, keep_names: bool) -> int:
    """Switches people off and forgets every face: no vector is left in any file of the data directory. `keep_names`:
    persons with a name stay, with the boxes of their faces, and photos are found by them; else the names go, too.
    Returns how many files were deleted. Also while another process is indexing. Raises `OSError`, `sqlite3.Error`."""
    catalogue.faces.forget(keep_names=keep_names)
    return vectors.delete()
