"""What people enter on the page: corrected captions, words to find a photo by, and that the model is wrong about it.

A correction is kept until the same or another person corrects it again.

The photo keeps the words and the moment of the last decision about them: typed, taken back, or overtaken. Every
decision puts a job for each of the photo's files into the durable queue; nothing is written into files from here.

The newest word of a person counts. A correction that stands in a file carries the moment it was typed, so that one
which was taken back or replaced since is known for the older, wherever a copy of the file turns up. Words from another
program carry no date: they are newer where a file that was known gets other words than it had.
"""

# ruff: noqa: S608 - the SQL is put together from this package's own constants; values are always bound

from __future__ import annotations

import json
import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from indexer.catalogue.file_rows import touch
from indexer.catalogue.job_queue import RANK, RESET_JOB
from indexer.catalogue.rows import FILE_COLUMNS, file_from_row, storable
from indexer.formats.charsets import clean_text
from indexer.message import Message
from indexer.model import CaptionPlace, EmbedState, Job, JobKind, PhotoFile
from indexer.ownership.mark import clean
from indexer.reasons import Reason, from_stored
from indexer.sqlite.database import Database

#: Of files that words of ours stand in or beside.
HAS_OUR_WORDS = f"ours IN ('{EmbedState.PRESENT}', '{EmbedState.CORRECTION_ONLY}', '{EmbedState.WITHDRAWING}')"


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

        `text` is one line that every file can hold (`corrected_text`).
        """
        return self._set_correction(photo_id, text)

    def withdraw(self, photo_id: str) -> bool:
        """Withdraws the correction and queues what was there before; False where there is none."""
        return self._set_correction(photo_id, None)

    def _set_correction(self, photo_id: str, text: str | None) -> bool:
        with self._database.transaction(durable=True) as writer:
            known = StoredCorrection.of(writer, photo_id)
            if known is None or (text is None and known.text is None):
                return False
            moment = datetime.now(UTC)
            if known.at is not None:
                moment = max(moment, known.at + timedelta(microseconds=1))
            store_correction(writer, photo_id, text, moment)
            enqueue_caption_writes(writer, photo_id)
            touch(writer, {photo_id})
        return True

    def captioned_files(self, *, after: int = 0, limit: int = 1000) -> list[tuple[str, PhotoFile]]:
        """(photo id, file) of the files that words of ours stand in or beside, missing ones included, in the order of
        their ids, for walking through all of them: pass the last one as `after`."""
        rows = self._database.reader.execute(
            f"""SELECT {FILE_COLUMNS} FROM file JOIN root ON root.id = file.root_id
            WHERE file.id > ? AND {HAS_OUR_WORDS} ORDER BY file.id LIMIT ?""",
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
                AND NOT EXISTS (SELECT 1 FROM file WHERE photo_id = photo.id AND {HAS_OUR_WORDS})""",
                [(CaptionPlace.INDEX.value, reason.to_json(), photo_id) for photo_id in photo_ids],
            )

    def record_withdrawal(self, job: Job) -> None:
        """The model's words are about to be taken out of a job's file by us. Where the process dies before the job is
        settled, it is still known that nobody else has taken them out."""
        self._database.write(
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
class StoredCorrection:
    """What the catalogue has of a photo's correction: no text where it was taken back or overtaken at that moment."""

    text: str | None
    at: datetime | None

    @classmethod
    def of(cls, writer: sqlite3.Connection, photo_id: str) -> StoredCorrection | None:
        """None for an unknown photo."""
        row = writer.execute("SELECT corrected_text, corrected_at FROM photo WHERE id = ?", (photo_id,)).fetchone()
        if row is None:
            return None
        return cls(row["corrected_text"], datetime.fromisoformat(row["corrected_at"]) if row["corrected_at"] else None)


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


def store_correction(writer: sqlite3.Connection, photo_id: str, text: str | None, moment: datetime) -> None:
    """`text` None: withdrawn, or overtaken, at that moment."""
    writer.execute(
        "UPDATE photo SET corrected_text = ?, corrected_at = ? WHERE id = ?",
        (storable(text), moment.isoformat(), photo_id),
    )


#: Characters; what the fields of a photo file are given at most.
LONGEST_CORRECTION = 2000
#: Characters of one added word, which may be several: "Oma's garden".
LONGEST_ADDED_WORD = 100
MOST_ADDED_WORDS = 64
_NO_WORDS = Message("There are no words in this. Nothing was changed.")
_SEPARATORS = re.compile("[,;\n\u060c\u3001\uff0c\uff1b]")


class UnusableCorrection(ValueError):
    """What was typed can't be kept; the `message` is for whoever typed it."""

    def __init__(self, message: Message) -> None:
        super().__init__(str(message))
        self.message = message


def corrected_text(typed: str) -> str:
    """One line (NFC, no control characters) that every field of every format holds unchanged.

    Raises `UnusableCorrection` where nothing is left of it, or more than `LONGEST_CORRECTION` characters.
    """
    most = 4 * LONGEST_CORRECTION
    text = clean_text(typed, most) or ""
    if len(text) > LONGEST_CORRECTION or len(typed) > 8 * most:
        raise UnusableCorrection(
            Message(
                "These are %(length)s characters; a caption has at most %(most)s. Nothing was changed.",
                length=len(text),
                most=LONGEST_CORRECTION,
            )
        )
    text = clean(text)
    if not says_something(text):
        raise UnusableCorrection(_NO_WORDS)
    return text


def added_words(typed: Iterable[str]) -> tuple[str, ...]:
    """The words in what was typed, each once: a comma, a semicolon or a line break lies between two (NFC, one line).

    Raises `UnusableCorrection` where there are none, too many, or one is too long.
    """
    parts = [part for text in typed for part in _SEPARATORS.split(text)]
    if len(parts) > 8 * MOST_ADDED_WORDS or any(len(part) > 8 * LONGEST_ADDED_WORD for part in parts):
        raise UnusableCorrection(Message("These are too many words at once. Nothing was changed."))
    found: dict[str, str] = {}
    for part in parts:
        text = clean(clean_text(part, 2 * LONGEST_ADDED_WORD) or "")
        if len(text) > LONGEST_ADDED_WORD:
            raise UnusableCorrection(
                Message(
                    "At most %(most)s characters make one word; put commas between words. Nothing was changed.",
                    most=LONGEST_ADDED_WORD,
                )
            )
        if says_something(text):
            found.setdefault(text.casefold(), text)
    if not found:
        raise UnusableCorrection(_NO_WORDS)
    return tuple(found.values())


def says_something(text: str) -> bool:
    """A zero width space is not a word."""
    return any(unicodedata.category(letter)[0] in "LNPS" for letter in text)


class PhotoFeedback:
    """The page's side of the catalogue, but for captions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def mark_wrong(self, photo_id: str) -> bool:
        """Marks what the model says of a photo now as wrong; False where it says nothing, or for an unknown photo."""
        return self._update_mark(photo_id, _MARK)

    def unmark_wrong(self, photo_id: str) -> bool:
        """The model's words count again; False where they were not marked."""
        return self._update_mark(photo_id, _UNMARK)

    def _update_mark(self, photo_id: str, update: str) -> bool:
        with self._database.transaction(durable=True) as writer:
            if not writer.execute(update, (photo_id,)).rowcount:
                return False
            corrected = writer.execute("SELECT corrected_text FROM photo WHERE id = ?", (photo_id,)).fetchone()[0]
            if corrected is None:
                enqueue_caption_writes(writer, photo_id)
            touch(writer, {photo_id})
        return True

    def change_words(self, photo_id: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> bool:
        """Adds words that the photo is found by, after the others, and takes some away; False for an unknown photo.

        Letter case makes no other word. `add` are what `correction.added_words` gives. Raises `UnusableCorrection`
        where they become more than `MOST_ADDED_WORDS`.
        """
        with self._database.transaction(durable=True) as writer:
            row = writer.execute("SELECT added_words FROM photo WHERE id = ?", (photo_id,)).fetchone()
            if row is None:
                return False
            before: list[str] = json.loads(row["added_words"])
            after = _edit_words(before, add, remove)
            if len(after) > MOST_ADDED_WORDS:
                raise UnusableCorrection(
                    Message("A photo takes at most %(most)s words. Nothing was changed.", most=MOST_ADDED_WORDS)
                )
            if after != before:
                writer.execute("UPDATE photo SET added_words = ? WHERE id = ?", (json.dumps(after), photo_id))
                touch(writer, {photo_id})
        return True

    def models(self) -> Mapping[str, int]:
        """How many present photos each caption model has described, the latest one's own included."""
        rows = self._database.reader.execute(
            """SELECT machine_model, count(*) AS photos FROM photo WHERE gone = 0 AND machine_model IS NOT NULL
            GROUP BY machine_model ORDER BY photos DESC, machine_model"""
        )
        return {row["machine_model"]: row["photos"] for row in rows}

    def count_marked_wrong(self) -> int:
        """How many present photos wait for a better model, because a person marked their words as wrong."""
        return self._database.count(
            "SELECT count(*) FROM photo WHERE wrong_text IS NOT NULL AND wrong = 1 AND +gone = 0"
        )


_MARK = "UPDATE photo SET wrong_text = machine_text WHERE id = ? AND machine_text <> '' AND wrong = 0"
_UNMARK = "UPDATE photo SET wrong_text = NULL WHERE id = ? AND wrong = 1"


def _edit_words(words: Iterable[str], add: Iterable[str], remove: Iterable[str]) -> list[str]:
    gone = {(storable(word) or "").casefold() for word in remove}
    kept = {word.casefold(): word for word in words if word.casefold() not in gone}
    for word in map(storable, add):
        if word:
            kept.setdefault(word.casefold(), word)
    return list(kept.values())
