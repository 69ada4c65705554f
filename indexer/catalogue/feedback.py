"""What people say of a photo beside its caption: words of their own, and that the model is wrong about it.

Both stay in the catalogue alone. The model's words that were marked as wrong are neither shown nor searched, and are
taken out of the photo's files; the next model tries again.
"""

from __future__ import annotations

import json
import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Mapping

from indexer.catalogue.corrections import enqueue_caption_writes
from indexer.catalogue.file_rows import touch
from indexer.catalogue.rows import storable
from indexer.formats.clean_text import clean_text
from indexer.message import Message
from indexer.ownership.mark import clean
from indexer.sqlite.database import Database

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
    if not _says_something(text):
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
        if _says_something(text):
            found.setdefault(text.casefold(), text)
    if not found:
        raise UnusableCorrection(_NO_WORDS)
    return tuple(found.values())


def _says_something(text: str) -> bool:
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
        with self._database.transaction() as writer:
            if not writer.execute(update, (photo_id,)).rowcount:
                return False
            if _has_no_correction(writer, photo_id):
                enqueue_caption_writes(writer, photo_id)
            touch(writer, {photo_id})
        return True

    def change_words(self, photo_id: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> bool:
        """Adds words that the photo is found by, after the others, and takes some away; False for an unknown photo.

        Letter case makes no other word. `add` are what `correction.added_words` gives. Raises `UnusableCorrection`
        where they become more than `MOST_ADDED_WORDS`.
        """
        with self._database.transaction() as writer:
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

    def marked_wrong(self) -> int:
        """How many present photos wait for a better model, because a person marked their words as wrong."""
        row = self._database.reader.execute(
            "SELECT count(*) FROM photo WHERE wrong_text IS NOT NULL AND wrong = 1 AND +gone = 0"
        ).fetchone()
        return int(row[0])


_MARK = "UPDATE photo SET wrong_text = machine_text WHERE id = ? AND machine_text <> '' AND wrong = 0"
_UNMARK = "UPDATE photo SET wrong_text = NULL WHERE id = ? AND wrong = 1"


def _has_no_correction(writer: sqlite3.Connection, photo_id: str) -> bool:
    row = writer.execute("SELECT corrected_text IS NULL FROM photo WHERE id = ?", (photo_id,)).fetchone()
    return bool(row[0])


def _edit_words(words: Iterable[str], add: Iterable[str], remove: Iterable[str]) -> list[str]:
    gone = {(storable(word) or "").casefold() for word in remove}
    kept = {word.casefold(): word for word in words if word.casefold() not in gone}
    for word in map(storable, add):
        if word:
            kept.setdefault(word.casefold(), word)
    return list(kept.values())
