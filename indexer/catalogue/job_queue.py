"""The durable queue: one row per file and kind of work, kept until the work is settled.

A job is `queued`, `claimed` or set `aside`. Attempts are counted when a job is claimed, so that a photo which takes
the whole process down has been counted. After a death, what was claimed becomes *suspect*: it waits until the
other jobs are done and is then handed out alone: only the photo that brings the process down again is set aside, not
those that were being worked on beside it.
"""

# ruff: noqa: S608 - the SQL is put together from this package's own constants; values are always bound

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from indexer.catalogue.rows import FILE_COLUMNS, file_from_row, found_from_row, now, storable
from indexer.errors import FailureKind, next_wait
from indexer.model import METADATA_VERSION, EmbedState, Job, JobKind, PhotoFile
from indexer.reasons import Reason, ReasonCode
from indexer.sqlite.database import Database
from indexer.sqlite.errors import damage_in_rows

MAX_ATTEMPTS = 3
DEATH_REASON = Reason(ReasonCode.DIED_WITH_IT)
DEATH_KIND = FailureKind.DEATH.value

#: What somebody on the page waits for comes first, what can wait last.
RANK = {
    JobKind.WRITE_CAPTION: -1,
    JobKind.INDEX: 0,
    JobKind.CAPTION: 1,
    JobKind.METADATA: 2,
    JobKind.THUMBNAILS: 3,
    JobKind.COMPLETE: 4,
    JobKind.RETRY_WRITE: 5,
    JobKind.FACES: 6,
    JobKind.WRITE_NAMES: 6,
}
#: Captions by another model that nobody has asked for wait for everything that somebody has.
RECAPTION_RANK = 4
_RETRY_RANK = 10  # a job that failed waits for those that have not been tried
_ANY_RANK = 1000  # no rank is as high

_JOB = f"""SELECT job.id, job.kind, job.attempts, {FILE_COLUMNS}
    FROM job JOIN file ON file.id = job.file_id JOIN root ON root.id = file.root_id """

#: What `set_aside_from_row` takes, of present files.
SET_ASIDE = f"""SELECT job.id, job.kind, job.attempts, job.reason, job.reason_kind, job.at, {FILE_COLUMNS}
    FROM job JOIN file ON file.id = job.file_id JOIN root ON root.id = file.root_id
    WHERE job.state = 'aside' AND file.missing_since IS NULL"""

_CLAIMABLE = """job.state = 'queued' AND file.missing_since IS NULL AND NOT EXISTS
    (SELECT 1 FROM job AS other WHERE other.file_id = job.file_id AND other.state = 'claimed')"""

# CAPTION: no words at all yet, words by another model, or words taken back from a file, which keeps the sentence
# only, neither tags nor embedding; a model that saw nothing may have given neither. WRITE_CAPTION: corrections that
# stand in the catalogue only, unless they were taken out on purpose. COMPLETE and THUMBNAILS: one file per photo.
_WORK_WANTED = {
    JobKind.INDEX: "1",
    JobKind.WRITE_CAPTION: """photo.corrected_text IS NOT NULL AND photo.caption_place = 'index'
        AND file.ours IS NOT 'taken out'""",
    JobKind.CAPTION: """((photo.machine_model IS NULL AND photo.person_caption IS NULL AND photo.corrected_text IS NULL)
        OR (photo.machine_model IS NOT NULL AND photo.machine_model IS NOT :model)
        OR (photo.machine_model IS :model AND photo.machine_text <> '' AND photo.tags = '[]'
            AND photo.embedding IS NULL))""",
    JobKind.RETRY_WRITE: "file.obstacle IS NOT NULL AND photo.corrected_at IS NULL",
    JobKind.METADATA: "photo.id IS NOT NULL",
    # By the index of such photos, which are few: every start asks.
    JobKind.COMPLETE: """file.photo_id IN (SELECT id FROM photo WHERE look_model IS NULL AND machine_model IS NOT NULL)
        AND file.id = (SELECT min(id) FROM file AS first
        WHERE first.photo_id = photo.id AND first.missing_since IS NULL)""",
    JobKind.FACES: """photo.faces_model IS NOT :model AND file.id =
        (SELECT min(id) FROM file AS first WHERE first.photo_id = photo.id AND first.missing_since IS NULL)""",
    JobKind.THUMBNAILS: """file.id = (SELECT min(id) FROM file AS first
        WHERE first.photo_id = photo.id AND first.missing_since IS NULL)""",
}

#: Photos whose sentence was taken back from a file, without tags and embedding, and which no model has looked at since.
#: The plus sign keeps to their own index.
INCOMPLETE = "look_model IS NULL AND machine_model IS NOT NULL AND +gone = 0"

# Photos that another model has described. The first two terms are those that index photo_model is chosen by.
_BY_ANOTHER_MODEL = "photo.gone = 0 AND photo.machine_model >= '' AND photo.machine_model IS NOT :model"
# A photo that is queued already, in hand, or was set aside: that is tried again when somebody says so.
_HAS_CAPTION_JOB = f"""EXISTS (SELECT 1 FROM file JOIN job ON job.file_id = file.id
    WHERE file.photo_id = photo.id AND file.missing_since IS NULL AND job.kind = '{JobKind.CAPTION}')"""


@dataclass(frozen=True, slots=True)
class SetAside:
    """A file that was given up, and why; `id` is what `retry_set_aside` takes."""

    id: int
    file: PhotoFile
    job: JobKind
    reason: Reason
    kind: str
    attempts: int
    at: datetime


class JobQueue:
    """The queue's side of the catalogue. One indexing process at a time claims from it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, limit: int, *, only_urgent: bool = False) -> list[Job]:
        """Takes up to `limit` jobs of present files, never two for one file; each claim counts as an attempt. Where
        `only_urgent`, only what somebody on the page waits for.

        A suspect (see the module) comes alone, and only when nothing else is claimed: an empty answer means "finished"
        only where no claimed job is still in hand, so ask again after each batch has been settled.
        """
        with self._database.transaction() as writer:
            rows = writer.execute(
                f"""{_JOB} WHERE {_CLAIMABLE} AND job.suspect = 0 AND job.rank < ?
                ORDER BY job.rank, job.id LIMIT ?""",
                (RANK[JobKind.INDEX] if only_urgent else _ANY_RANK, limit),
            ).fetchall()
            if not rows and limit > 0 and not only_urgent:
                rows = self._claimable_suspect(writer)
            jobs = list({row["file_id"]: _job(row) for row in reversed(rows)}.values())[::-1]
            writer.executemany(
                "UPDATE job SET state = 'claimed', attempts = attempts + 1, claimed_at = ?, again = 0 WHERE id = ?",
                [(now(), job.id) for job in jobs],
            )
        return jobs

    def _claimable_suspect(self, writer: sqlite3.Connection) -> list[sqlite3.Row]:
        if writer.execute("SELECT 1 FROM job WHERE state = 'claimed' LIMIT 1").fetchone():
            return []
        return writer.execute(
            f"{_JOB} WHERE {_CLAIMABLE} AND job.suspect = 1 ORDER BY job.attempts, job.rank, job.id LIMIT 1"
        ).fetchall()

    def fail(self, job: Job, reason: Reason, *, kind: str, final: bool) -> None:
        """Records why a job failed: set aside where `final` or after three attempts, else queued behind the others.

        A file that changed or moved while the job was in hand is simply looked at again.
        """
        with self._database.transaction() as writer:
            row = writer.execute(f"{_JOB} WHERE job.id = ? AND job.state = 'claimed'", (job.id,)).fetchone()
            if row is None:
                return
            if _has_changed(writer, row, job):
                requeue(writer, job.id)
                return
            aside = final or row["attempts"] >= MAX_ATTEMPTS
            writer.execute(
                f"""UPDATE job SET state = ?, reason = ?, reason_kind = ?, at = ?, rank = {_RANK_AFTER_FAILURE}
                WHERE id = ?""",
                ("aside" if aside else "queued", reason.to_json(), storable(kind), now(), job.id),
            )
            if aside:
                _schedule_retry(writer, job.id, kind)

    def release(self, jobs: Iterable[Job]) -> None:
        """Gives claimed jobs back untried (a clean stop): the attempt is taken back too."""
        with self._database.transaction() as writer:
            writer.executemany(
                """UPDATE job SET state = 'queued', attempts = max(attempts - 1, 0), claimed_at = NULL
                WHERE id = ? AND state = 'claimed'""",
                [(job.id,) for job in jobs],
            )

    def claimed(self) -> list[Job]:
        """The claimed jobs; before `recover`, those that a dead process left."""
        rows = self._database.reader.execute(f"{_JOB} WHERE job.state = 'claimed' ORDER BY job.id").fetchall()
        return [_job(row) for row in rows]

    def recover(self) -> int:
        """Takes back what a dead process had claimed; returns how many are queued again. Attempts stay counted.

        Called once at the start, before the first claim, by the one process that indexes: the jobs of a living process
        can't be told from those of a dead one.
        """
        with self._database.transaction() as writer:
            dead = writer.execute(
                """UPDATE job SET state = 'aside', reason = ?, reason_kind = ?, at = ?
                WHERE state = 'claimed' AND attempts >= ? RETURNING id""",
                (DEATH_REASON.to_json(), DEATH_KIND, now(), MAX_ATTEMPTS),
            ).fetchall()
            for row in dead:
                _schedule_retry(writer, row["id"], DEATH_KIND)
            return writer.execute("UPDATE job SET state = 'queued', suspect = 1 WHERE state = 'claimed'").rowcount

    def enqueue_all(self, kind: JobKind, *, model: str | None = None, only_wrong: bool = False) -> int:
        """Queues work on every present file that needs it (see `_WORK_WANTED`); returns how many jobs are new.

        What is queued already stays queued, what was set aside is tried again. Captions that a person marked as wrong
        come first, or, where `only_wrong`, alone.
        """
        return self._database.write(
            f"""INSERT INTO job (file_id, kind, rank)
            SELECT file.id, :kind, :rank FROM file LEFT JOIN photo ON photo.id = file.photo_id
            WHERE file.missing_since IS NULL AND ({_WORK_WANTED[kind]})
            AND (photo.id IS NOT NULL OR :kind = 'index')
            AND (NOT :only_wrong OR (photo.wrong = 1 AND photo.machine_model IS NOT :model))
            ORDER BY photo.wrong IS 1 DESC, file.id
            ON CONFLICT (file_id, kind) DO UPDATE SET {RESET_JOB} WHERE job.state = 'aside'""",
            {"kind": kind.value, "rank": RANK[kind], "model": model, "only_wrong": only_wrong},
        )

    def enqueue_outdated_metadata(self) -> int:
        """Queues the present files whose metadata an older version of the reader has read, behind all other work;
        returns how many. Nothing is decoded or written for it. What was set aside stays aside."""
        return self._database.write(
            """INSERT INTO job (file_id, kind, rank) SELECT id, ?, ? FROM file
            WHERE missing_since IS NULL AND photo_id IS NOT NULL AND coalesce(read_version, 0) < ?
            AND NOT EXISTS (SELECT 1 FROM job AS other WHERE other.file_id = file.id AND other.kind = 'index')
            ORDER BY id ON CONFLICT (file_id, kind) DO NOTHING""",
            (JobKind.METADATA.value, RECAPTION_RANK, METADATA_VERSION),
        )

    def enqueue_thumbnails(self, photo_ids: Sequence[str]) -> int:
        """Queues new thumbnails for these photos, one present file each; returns how many jobs are new. What is queued
        stays as it is, also for other work that makes thumbnails on its way, and what was set aside stays aside."""
        return self._database.write(
            """INSERT INTO job (file_id, kind, rank) SELECT min(id), ?, ? FROM file
            WHERE photo_id IN (SELECT value FROM json_each(?)) AND missing_since IS NULL
            AND NOT EXISTS (SELECT 1 FROM file AS other JOIN job ON job.file_id = other.id
                WHERE other.photo_id = file.photo_id AND other.missing_since IS NULL AND job.state <> 'aside'
                AND job.kind IN ('index', 'caption', 'complete'))
            GROUP BY photo_id
            ON CONFLICT (file_id, kind) DO NOTHING""",
            (JobKind.THUMBNAILS.value, RANK[JobKind.THUMBNAILS], json.dumps(list(photo_ids))),
        )

    def enqueue_other_models(self, model: str, *, limit: int) -> int:
        """Queues captions by `model`, behind all other work, for up to `limit` photos that another model has described;
        returns how many jobs that are.

        A photo with several files has a job for each, in the same portion: once one is done, the photo's caption is no
        longer another model's. Their corrections that stand in the catalogue only are queued, too, as `enqueue_all`
        would. What is queued stays as it is, and what was set aside stays aside.
        """
        with self._database.transaction() as writer:
            chosen = writer.execute(
                f"""SELECT photo.id FROM photo WHERE {_BY_ANOTHER_MODEL} AND NOT {_HAS_CAPTION_JOB} LIMIT :limit""",
                {"model": model, "limit": limit},
            ).fetchall()
            photos = json.dumps([row["id"] for row in chosen])
            return sum(
                writer.execute(
                    f"""INSERT INTO job (file_id, kind, rank) SELECT file.id, :kind, :rank
                    FROM file JOIN photo ON photo.id = file.photo_id
                    WHERE photo.id IN (SELECT value FROM json_each(:photos)) AND file.missing_since IS NULL
                    AND ({_WORK_WANTED[kind]}) ORDER BY file.id ON CONFLICT (file_id, kind) DO NOTHING""",
                    {"kind": kind.value, "rank": RECAPTION_RANK, "photos": photos, "model": model},
                ).rowcount
                for kind in (JobKind.CAPTION, JobKind.WRITE_CAPTION)
            )

    def count_by_other_models(self, model: str) -> int:
        """How many photos `enqueue_other_models` would still find; meant for a queue that is nearly empty."""
        with_job = f"""SELECT count(DISTINCT photo.id) FROM job JOIN file ON file.id = job.file_id
            JOIN photo ON photo.id = file.photo_id
            WHERE job.kind = '{JobKind.CAPTION}' AND file.missing_since IS NULL AND {_BY_ANOTHER_MODEL}"""
        return self._database.count(
            f"SELECT (SELECT count(*) FROM photo WHERE {_BY_ANOTHER_MODEL}) - ({with_job})", {"model": model}
        )

    def count_missing_work(self, kind: JobKind, *, model: str | None = None) -> int:
        """How many photos `enqueue_all` would find work on."""
        return self._database.count(
            f"""SELECT count(DISTINCT photo.id) FROM file JOIN photo ON photo.id = file.photo_id
            WHERE file.missing_since IS NULL AND ({_WORK_WANTED[kind]})""",
            {"model": model},
        )

    def queued(self, kind: JobKind | None = None) -> int:
        """How many jobs of present files are queued or in hand."""
        chosen, values = ("AND kind = ?", (kind.value,)) if kind else ("", ())
        # Counted apart, each by an index: this is asked every second, and few files are missing.
        return self._database.count(
            f"SELECT count(*) FROM job WHERE state IN ('queued', 'claimed') {chosen}", values
        ) - self._database.count(
            f"""SELECT count(*) FROM file CROSS JOIN job ON job.file_id = file.id
            WHERE file.missing_since IS NOT NULL AND state IN ('queued', 'claimed') {chosen}""",
            values,
        )

    def set_aside(self, limit: int = 100, offset: int = 0) -> list[SetAside]:
        """What was given up, the latest first; files that are missing are left out."""
        rows = self._database.reader.execute(
            f"{SET_ASIDE} ORDER BY job.at DESC, job.id DESC LIMIT ? OFFSET ?", (limit, offset)
        )
        return [set_aside_from_row(row) for row in rows]

    def retry_set_aside(self, ids: Sequence[int] | None = None) -> int:
        """Queues what was set aside again, all of it or the `SetAside.id`s given; returns how many."""
        chosen = "" if ids is None else " AND id = ?"
        with self._database.transaction() as writer:
            return writer.executemany(
                f"UPDATE job SET {RESET_JOB} WHERE state = 'aside'{chosen}",
                [()] if ids is None else [(i,) for i in ids],
            ).rowcount


#: Makes a job what it was when it was new: `rank` without what failing has added to it.
RESET_JOB = f"""state = 'queued', attempts = 0, suspect = 0, again = 0, rank = (rank + 1) % {_RETRY_RANK} - 1,
    claimed_at = NULL, reason = NULL, reason_kind = NULL, at = NULL, rounds = 0, retry_at = NULL"""
# A job that is tried again after a wait is behind the others already.
_RANK_AFTER_FAILURE = f"CASE WHEN rounds THEN rank ELSE rank + {_RETRY_RANK} END"


def enqueue_changed(writer: sqlite3.Connection, file_id: int) -> None:
    """Queues a new or changed file, inside the caller's transaction.

    Attempts survive in a job that is still queued: a file that our own half-finished write changed is no new file.
    """
    writer.execute(
        f"""INSERT INTO job (file_id, kind, rank) VALUES (?, 'index', 0)
        ON CONFLICT (file_id, kind) DO UPDATE SET {RESET_JOB} WHERE job.state = 'aside'""",
        (file_id,),
    )
    writer.execute("UPDATE job SET again = max(again, 1) WHERE file_id = ? AND state = 'claimed'", (file_id,))


def requeue_vanished(writer: sqlite3.Connection, file_id: int) -> None:
    """Queues again, inside the caller's transaction, what failed because the file was not where it was known: it has
    been found. Three attempts are over in milliseconds, a move is noticed after seconds."""
    writer.execute(
        f"""UPDATE job SET {RESET_JOB} WHERE file_id = ? AND reason_kind = ?
        AND (state = 'aside' OR (state = 'queued' AND suspect = 0))""",
        (file_id, FailureKind.VANISHED.value),
    )


def enqueue_completion(writer: sqlite3.Connection, file_id: int) -> None:
    """Queues tags and an embedding for the sentence of a file's photo, inside the caller's transaction."""
    writer.execute(
        "INSERT INTO job (file_id, kind, rank) VALUES (?, ?, ?) ON CONFLICT (file_id, kind) DO NOTHING",
        (file_id, JobKind.COMPLETE.value, RANK[JobKind.COMPLETE]),
    )


def _schedule_retry(writer: sqlite3.Connection, job_id: int, kind: str) -> None:
    """Says when a job that was set aside is tried again, where its reason may be over then."""
    (rounds,) = writer.execute("SELECT rounds FROM job WHERE id = ?", (job_id,)).fetchone()
    wait = next_wait(FailureKind(kind), rounds) if kind in set(FailureKind) else None
    at = None if wait is None else (datetime.now(UTC) + wait).isoformat(timespec="milliseconds")
    writer.execute("UPDATE job SET rounds = rounds + 1, retry_at = ? WHERE id = ?", (at, job_id))


def requeue(writer: sqlite3.Connection, job_id: int) -> None:
    """Makes a claimed job wait for its turn as if it were new."""
    writer.execute(f"UPDATE job SET {RESET_JOB} WHERE id = ?", (job_id,))


def _has_changed(writer: sqlite3.Connection, row: sqlite3.Row, job: Job) -> bool:
    again = writer.execute("SELECT again FROM job WHERE id = ?", (job.id,)).fetchone()["again"]
    return bool(again) or os.fsencode(found_from_row(row).path) != os.fsencode(job.file.path)


@damage_in_rows()
def _job(row: sqlite3.Row) -> Job:
    ours = EmbedState(row["ours"]) if row["ours"] else None
    return Job(row["id"], JobKind(row["kind"]), found_from_row(row), row["attempts"] + 1, row["photo_id"], ours)


@damage_in_rows()
def set_aside_from_row(row: sqlite3.Row) -> SetAside:
    """A row of a job and `FILE_COLUMNS`."""
    return SetAside(
        id=row["id"],
        file=file_from_row(row),
        job=JobKind(row["kind"]),
        reason=Reason.from_json(row["reason"]),
        kind=row["reason_kind"],
        attempts=row["attempts"],
        at=datetime.fromisoformat(row["at"]),
    )
