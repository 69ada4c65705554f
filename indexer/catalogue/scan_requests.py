"""Scans that another process asks the one that indexes for, such as `recollect index` beside `recollect serve`.

Both have the data directory: no port, no password and no socket is needed, and a request outlives neither process.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.catalogue.file_rows import ensure_root
from indexer.catalogue.rows import now
from indexer.model import JobKind
from indexer.sqlite.database import Database


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """`roots` are to be scanned. `progress` is what the scanning process last said
    of it, None before it has taken it up; `done`: the scan is over, and what it found is indexed."""

    id: int
    roots: tuple[Path, ...]
    progress: dict[str, Any] | None
    done: bool


class ScanRequests:
    """The catalogue's side of scans on request."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, roots: Sequence[Path]) -> int:
        """Returns the request's id."""
        paths = json.dumps([os.fspath(root) for root in roots])  # ASCII escapes keep names that are not UTF-8
        with self._database.transaction() as writer:
            made = writer.execute("INSERT INTO scan_request (roots, at) VALUES (?, ?) RETURNING id", (paths, now()))
            return int(made.fetchone()["id"])

    def get(self, request_id: int) -> ScanRequest | None:
        """How far it is; None where it was withdrawn, or its process began anew."""
        return next((one for one in self.pending() if one.id == request_id), None)

    def pending(self) -> list[ScanRequest]:
        """All that were asked for and not withdrawn, the oldest first."""
        rows = self._database.reader.execute("SELECT id, roots, progress, done FROM scan_request ORDER BY id")
        return [
            ScanRequest(
                id=row["id"],
                roots=tuple(map(Path, json.loads(row["roots"]))),
                progress=json.loads(row["progress"]) if row["progress"] else None,
                done=bool(row["done"]),
            )
            for row in rows
        ]

    def update(self, request_id: int, progress: dict[str, Any], *, done: bool) -> None:
        """What the scanning process says of a request; nothing happens where it was withdrawn."""
        with self._database.transaction() as writer:
            writer.execute(
                "UPDATE scan_request SET progress = ?, done = ? WHERE id = ?", (json.dumps(progress), done, request_id)
            )

    def remove(self, request_id: int) -> None:
        """Nobody waits for it any more."""
        with self._database.transaction() as writer:
            writer.execute("DELETE FROM scan_request WHERE id = ?", (request_id,))

    def remove_done(self) -> None:
        """Those whose process was killed before it could withdraw them."""
        with self._database.transaction() as writer:
            writer.execute("DELETE FROM scan_request WHERE done")

    def count_jobs(self, roots: Sequence[Path]) -> int:
        """How many jobs that a scan of these roots makes are queued or in hand."""
        with self._database.transaction() as writer:
            ids = json.dumps([ensure_root(writer, root)[0] for root in roots])
        row = self._database.reader.execute(
            """SELECT count(*) FROM job JOIN file ON file.id = job.file_id
            WHERE state IN ('queued', 'claimed') AND file.missing_since IS NULL AND kind IN (?, ?)
            AND file.root_id IN (SELECT value FROM json_each(?))""",
            (JobKind.INDEX.value, JobKind.RETRY_WRITE.value, ids),
        ).fetchone()
        return int(row[0])
