"""The names of faces that stand in photo files, and those that are to stand there."""

# ruff: noqa: S608 - the SQL is put together from this module's own constants; values are always bound

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from indexer.catalogue.job_queue import RANK
from indexer.catalogue.retries import from_now
from indexer.catalogue.rows import FILE_COLUMNS, file_from_row
from indexer.face_box import FaceBox, FaceRegion
from indexer.model import CaptionPlace, Job, JobKind, PhotoFile, WriteResult
from indexer.reasons import Reason, stored
from indexer.sqlite.database import Database

#: What could not be written for a passing reason is tried after an hour, then after twice as long each time.
_FIRST_WAIT, _LONGEST_WAIT = timedelta(hours=1), timedelta(days=7)
_ROWS_AT_ONCE = 1000

# A line for each named face of a photo: places with four digits, so that the same face gives the same line.
_LINES = """SELECT face.photo_id, face.x, face.y, face.width, face.height, person.name,
    printf('%.4f %.4f %.4f %.4f %s', face.x, face.y, face.width, face.height, person.name) AS line
    FROM face JOIN person ON person.id = face.person_id WHERE person.name IS NOT NULL AND person.ignored = 0"""
_WANTED = f"SELECT photo_id, group_concat(line, char(10)) AS wanted FROM ({_LINES} ORDER BY photo_id, face.x, face.id)"


@dataclass(frozen=True, slots=True)
class WantedNames:
    """The named faces of a photo as they are to stand in its files; `key` tells them from others."""

    key: str
    regions: tuple[FaceRegion, ...]


@dataclass(frozen=True, slots=True)
class NamesCounts:
    """Present files: with names in them or in their sidecars, and those that could not take any."""

    written: int
    refused: int


class NamesInFiles:
    """The catalogue's side of writing names into files."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enqueue(self) -> int:
        """Queues the present files in which other names stand than their faces have, unless people have taken them out
        on purpose; returns how many. Takes a second for some 100,000 faces."""
        # Found by a reader: nobody who writes waits for it.
        rows = self._database.reader.execute(
            f"""SELECT file.id FROM file LEFT JOIN ({_WANTED} GROUP BY photo_id) AS named
                ON named.photo_id = file.photo_id
            LEFT JOIN file_names ON file_names.file_id = file.id
            WHERE file.missing_since IS NULL AND coalesce(named.wanted, '') <> coalesce(file_names.names, '')
            AND file.ours IS NOT 'taken out' AND coalesce(file_names.removed, 0) = 0
            AND (file_names.retry_at IS NULL OR file_names.retry_at NOT BETWEEN ? AND ?) ORDER BY file.id""",
            from_now(_LONGEST_WAIT),
        ).fetchall()
        return self._database.write(
            """INSERT INTO job (file_id, kind, rank) SELECT id, ?, ? FROM file
            WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id ON CONFLICT (file_id, kind) DO NOTHING""",
            (JobKind.WRITE_NAMES.value, RANK[JobKind.WRITE_NAMES], json.dumps([row["id"] for row in rows])),
        )

    def wanted(self, photo_id: str) -> WantedNames:
        """What is to stand in the files of a photo."""
        rows = self._database.reader.execute(f"{_LINES} AND photo_id = ? ORDER BY face.x, face.id", (photo_id,))
        found = rows.fetchall()
        regions = (FaceRegion(row["name"], FaceBox(row["x"], row["y"], row["width"], row["height"])) for row in found)
        return WantedNames("\n".join(row["line"] for row in found), tuple(regions))

    def record(self, job: Job, wanted: WantedNames, written: WriteResult) -> None:
        """What came of writing: where the names stand, or why not. What may be over later is tried again."""
        place = None if written.place is CaptionPlace.INDEX else written.place.value
        with self._database.transaction() as writer:
            row = writer.execute(
                """SELECT job.file_id, file.photo_id, names, tries FROM job JOIN file ON file.id = job.file_id
                LEFT JOIN file_names ON file_names.file_id = file.id WHERE job.id = ?""",
                (job.id,),
            ).fetchone()
            if row is None:  # its library was given up meanwhile
                return
            names, tries, retry_at = wanted.key, 0, None
            if place is None and written.obstacle is not None:
                names, tries = row["names"] or "", (row["tries"] or 0) + 1
                wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(tries - 1, 16))
                retry_at = (datetime.now(UTC) + wait).isoformat(timespec="milliseconds")
            writer.execute(
                """INSERT INTO file_names (file_id, names, place, reason, tries, retry_at) VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (file_id) DO UPDATE SET names = excluded.names, place = excluded.place,
                reason = excluded.reason, tries = excluded.tries, retry_at = excluded.retry_at""",
                (row["file_id"], names, place, stored(written.reason), tries, retry_at),
            )
            if place is not None:  # read from the file again they say nothing new
                writer.execute(
                    """UPDATE face SET label = person.name FROM person WHERE person.id = face.person_id
                    AND face.photo_id = ? AND person.name IS NOT NULL AND person.ignored = 0""",
                    (row["photo_id"],),
                )

    def record_undo(self, file_ids: Collection[int]) -> None:
        """Names were taken out of these files on purpose, and are not put in again."""
        with self._database.transaction() as writer:
            writer.executemany(
                """UPDATE file_names SET names = '', place = NULL, reason = NULL, removed = 1, retry_at = NULL
                WHERE file_id = ?""",
                [(one,) for one in file_ids],
            )
            writer.executemany(
                "DELETE FROM job WHERE kind = ? AND state <> 'claimed' AND file_id = ?",
                [(JobKind.WRITE_NAMES.value, one) for one in file_ids],
            )

    def files(self) -> Iterator[PhotoFile]:
        """The files in or beside which names of ours stand, missing ones included, in the order of their ids."""
        after = 0
        while rows := self._database.reader.execute(
            f"""SELECT {FILE_COLUMNS} FROM file JOIN root ON root.id = file.root_id
            JOIN file_names ON file_names.file_id = file.id WHERE file.id > ? AND place IS NOT NULL
            ORDER BY file.id LIMIT ?""",
            (after, _ROWS_AT_ONCE),
        ).fetchall():
            files = [file_from_row(row) for row in rows]
            yield from files
            after = files[-1].id

    def refused_reasons(self, photo_id: str) -> list[Reason]:
        """Why the names of a photo stand in some of its present files nowhere, each reason once."""
        rows = self._database.reader.execute(
            """SELECT DISTINCT reason FROM file_names JOIN file ON file.id = file_id
            WHERE file.photo_id = ? AND missing_since IS NULL AND place IS NULL AND reason IS NOT NULL""",
            (photo_id,),
        )
        return [Reason.from_json(row["reason"]) for row in rows]

    def counts(self) -> NamesCounts:
        """In numbers."""
        row = self._database.reader.execute(
            """SELECT coalesce(sum(place IS NOT NULL), 0) AS written,
            coalesce(sum(place IS NULL AND file_names.reason IS NOT NULL), 0) AS refused
            FROM file_names JOIN file ON file.id = file_id AND missing_since IS NULL"""
        ).fetchone()
        return NamesCounts(**dict(row))
