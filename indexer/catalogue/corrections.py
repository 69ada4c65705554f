"""Captions corrected on the page: a person's words, kept until the same or another person says otherwise.

The photo keeps the words and the moment of the last decision about them: typed, taken back, or overtaken. Every
decision puts a job for each of the photo's files into the durable queue; nothing is written into files from here.

The newest word of a person counts. A correction that stands in a file carries the moment it was typed, so that one
which was taken back or replaced since is known for the older, wherever a copy of the file turns up. Words from another
program carry no date: they are newer where a file that was known gets other words than it had.
"""

# ruff: noqa: S608 - the SQL is put together from this package's own constants; values are always bound

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from indexer.catalogue.file_rows import touch
from indexer.catalogue.job_queue import RANK, RESET_JOB
from indexer.catalogue.rows import FILE_COLUMNS, file_from_row, storable
from indexer.model import CaptionPlace, EmbedState, IndexedPhoto, Job, JobKind, PhotoFile
from indexer.reasons import Reason, from_stored
from indexer.sqlite.database import Database

_FILES = f"'{EmbedState.PRESENT}', '{EmbedState.CORRECTION_ONLY}', '{EmbedState.WITHDRAWING}'"


@dataclass(frozen=True, slots=True)
class PendingCaption:
    """How far a photo's words are on their way into its files; all zero and None: they have arrived."""

    waiting: int = 0  # files whose turn is to come
    missing: int = 0  # files that are not there: their turn is when they are back
    failed: Reason | None = None  # why a file was given up


class Corrections:
    """The page's side of the catalogue."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def correct(self, photo_id: str, text: str) -> bool:
        """Puts a person's words in the place of the caption and queues their writing; False for an unknown photo.

        `text` is one line that every file can hold (`correction.corrected_text`).
        """
        return self._set_correction(photo_id, text)

    def withdraw(self, photo_id: str) -> bool:
        """Withdraws the correction and queues what was there before; False where there is none."""
        return self._set_correction(photo_id, None)

    def _set_correction(self, photo_id: str, text: str | None) -> bool:
        with self._database.transaction() as writer:
            standing = _StoredCorrection.of(writer, photo_id)
            if standing is None or (text is None and standing.text is None):
                return False
            moment = datetime.now(UTC)
            if standing.at is not None:
                moment = max(moment, standing.at + timedelta(microseconds=1))
            _store(writer, photo_id, text, moment)
            enqueue_caption_writes(writer, photo_id)
            touch(writer, {photo_id})
        return True

    def captioned_files(self, *, after: int = 0, limit: int = 1000) -> list[tuple[str, PhotoFile]]:
        """(photo id, file) of the files that words of ours stand in or beside, missing ones included, in the order of
        their ids, for walking through all of them: pass the last one as `after`."""
        rows = self._database.reader.execute(
            f"""SELECT {FILE_COLUMNS} FROM file JOIN root ON root.id = file.root_id
            WHERE file.id > ? AND ours IN ({_FILES}) ORDER BY file.id LIMIT ?""",
            (after, limit),
        )
        return [(row["photo_id"], file_from_row(row)) for row in rows]

    def record_undo(self, file_ids: Iterable[int], reason: Reason) -> None:
        """Our words were taken out of these files on purpose; once no file has any, they stand in the catalogue only.

        A correction stays what is shown, and is not written into them again unless somebody corrects it once more.
        """
        with self._database.transaction() as writer:
            photo_ids = {photo_id for file_id in file_ids if (photo_id := _mark_removed(writer, file_id, reason))}
            writer.executemany(
                f"""UPDATE photo SET caption_place = ?, caption_reason = ?, revision = revision + 1 WHERE id = ?
                AND NOT EXISTS (SELECT 1 FROM file WHERE photo_id = photo.id AND ours IN ({_FILES}))""",
                [(CaptionPlace.INDEX.value, reason.to_json(), photo_id) for photo_id in photo_ids],
            )

    def record_withdrawal(self, job: Job) -> None:
        """The model's words are about to be taken out of a job's file by us. Where the process dies before the job is
        settled, it is still known that nobody else has taken them out."""
        with self._database.transaction() as writer:
            writer.execute(
                "UPDATE file SET ours = ? WHERE id = (SELECT file_id FROM job WHERE id = ?)",
                (EmbedState.WITHDRAWING.value, job.id),
            )

    def pending_caption(self, photo_id: str) -> PendingCaption:
        """How far the words of this photo are on their way into its files."""
        rows = self._database.reader.execute(
            """SELECT state, reason, missing_since FROM job JOIN file ON file.id = job.file_id
            WHERE photo_id = ? AND kind = ? ORDER BY job.at DESC""",
            (photo_id, JobKind.WRITE_CAPTION.value),
        ).fetchall()
        there = [row for row in rows if row["missing_since"] is None]
        return PendingCaption(
            waiting=sum(row["state"] != "aside" for row in there),
            missing=len(rows) - len(there),
            failed=next((from_stored(row["reason"]) for row in there if row["state"] == "aside"), None),
        )


@dataclass(frozen=True, slots=True)
class _StoredCorrection:
    """What the catalogue has of a photo's correction: no text where it was taken back or overtaken at that moment."""

    text: str | None
    at: datetime | None

    @classmethod
    def of(cls, writer: sqlite3.Connection, photo_id: str) -> _StoredCorrection | None:
        row = writer.execute("SELECT corrected_text, corrected_at FROM photo WHERE id = ?", (photo_id,)).fetchone()
        if row is None:
            return None
        return cls(row["corrected_text"], datetime.fromisoformat(row["corrected_at"]) if row["corrected_at"] else None)


def resolve_correction(writer: sqlite3.Connection, row: sqlite3.Row, photo: IndexedPhoto) -> None:
    """What the words in a file that was read mean for the photo's correction, inside the caller's transaction.

    `row` is the file's, with its job's `kind` and `claimed_at`, before anything of this reading is stored in it.
    """
    standing = _StoredCorrection.of(writer, photo.content_key)
    if standing is None or not photo.file_read:
        return
    found = photo.metadata.correction
    carries_out = row["kind"] == JobKind.WRITE_CAPTION and row["photo_id"] == photo.content_key
    if found is not None and not carries_out and (standing.at is None or (found.at and found.at > standing.at)):
        moment = min(found.at or datetime.now(UTC), datetime.now(UTC))
        _store(writer, photo.content_key, found.text, moment)
        enqueue_caption_writes(writer, photo.content_key, but=row["id"])
    elif (
        standing.text is not None and standing.at is not None and _is_overtaken(row, photo, standing.text, standing.at)
    ):
        _store(writer, photo.content_key, None, datetime.now(UTC))
        enqueue_caption_writes(writer, photo.content_key)
    elif found is not None and not carries_out and found.text != standing.text:
        enqueue_caption_writes(writer, photo.content_key, only=row["id"])


def _is_overtaken(row: sqlite3.Row, photo: IndexedPhoto, text: str, typed_at: datetime) -> bool:
    """Whether somebody has put other words into a known file after the correction was typed."""
    theirs = storable(photo.metadata.others_words)
    if theirs is None or theirs in (text, row["person_caption"]):
        return False
    if row["photo_id"] != photo.content_key or row["settled_at"] is None:
        return False  # a file never seen before says nothing about when
    if (
        row["kind"] == JobKind.WRITE_CAPTION
    ):  # the first look since then; an edit that keeps the file's time counts as earlier
        return datetime.fromtimestamp(photo.stamp.mtime_ns / 1e9, UTC) > typed_at
    return row["claimed_at"] is None or datetime.fromisoformat(row["claimed_at"]) > typed_at


def embed_state_after(row: sqlite3.Row, photo: IndexedPhoto) -> EmbedState | None:
    """What is known of our words in a file after a settled job; `row` as `resolve_correction` takes it."""
    before = EmbedState(row["ours"]) if row["ours"] and row["photo_id"] == photo.content_key else None
    if photo.removed_on_purpose:
        return EmbedState.REMOVED
    if photo.caption_place not in {None, CaptionPlace.INDEX}:
        return (
            EmbedState.CORRECTION_ONLY
            if before in {EmbedState.REMOVED, EmbedState.CORRECTION_ONLY}
            else EmbedState.PRESENT
        )
    if photo.withdrawn:
        return None
    if not photo.file_read:
        return before
    if photo.metadata.machine_caption is not None or photo.metadata.correction is not None:
        return EmbedState.CORRECTION_ONLY if before is EmbedState.CORRECTION_ONLY else EmbedState.PRESENT
    if photo.metadata.marked and photo.metadata.others_words is not None and before is not EmbedState.REMOVED:
        return (
            before or EmbedState.PRESENT
        )  # another program changed some of the fields: an undo still has the rest to do
    return EmbedState.REMOVED if before is EmbedState.REMOVED else None


def is_in_other_file(writer: sqlite3.Connection, row: sqlite3.Row, photo_id: str) -> bool:
    """Whether another present file of the photo has our words."""
    found = writer.execute(
        f"SELECT 1 FROM file WHERE photo_id = ? AND id <> ? AND missing_since IS NULL AND ours IN ({_FILES}) LIMIT 1",
        (photo_id, row["id"]),
    ).fetchone()
    return found is not None


def enqueue_caption_writes(
    writer: sqlite3.Connection, photo_id: str, *, but: int | None = None, only: int | None = None
) -> None:
    """Queues the writing of a photo's words for its files, also for missing ones: they wait until they are back.

    A job in hand has the words of before: it is done again.
    """
    files = "SELECT id FROM file WHERE photo_id = :photo AND id IS NOT :but AND (:only IS NULL OR id = :only)"
    values = {
        "photo": photo_id,
        "but": but,
        "only": only,
        "kind": JobKind.WRITE_CAPTION.value,
        "rank": RANK[JobKind.WRITE_CAPTION],
    }
    writer.execute(
        f"""INSERT INTO job (file_id, kind, rank) SELECT id, :kind, :rank FROM file WHERE id IN ({files})
        ON CONFLICT (file_id, kind) DO UPDATE SET {RESET_JOB} WHERE job.state = 'aside'""",
        values,
    )
    writer.execute(
        f"UPDATE job SET again = 2 WHERE kind = :kind AND state = 'claimed' AND file_id IN ({files})", values
    )


def _mark_removed(writer: sqlite3.Connection, file_id: int, reason: Reason) -> str | None:
    """Those that are on their way do not go in. Returns the photo that the file shows."""
    writer.execute(
        "DELETE FROM job WHERE kind IN (?, ?) AND state <> 'claimed' AND file_id = ?",
        (JobKind.WRITE_CAPTION.value, JobKind.RETRY_WRITE.value, file_id),
    )
    row = writer.execute(
        """UPDATE file SET ours = ?, caption_place = ?, caption_reason = ?, obstacle = NULL WHERE id = ?
        RETURNING photo_id""",
        (EmbedState.REMOVED.value, CaptionPlace.INDEX.value, reason.to_json(), file_id),
    ).fetchone()
    return None if row is None else row["photo_id"]


def _store(writer: sqlite3.Connection, photo_id: str, text: str | None, moment: datetime) -> None:
    writer.execute(
        "UPDATE photo SET corrected_text = ?, corrected_at = ? WHERE id = ?",
        (storable(text), moment.isoformat(), photo_id),
    )
