"""What people decide about faces and persons: names, merges, splits, who is ignored. The machine never undoes it.

Every decision is kept with what was before, so that the last one can be undone. Search hears of every photo whose names
change.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from indexer.catalogue.corrections import says_something
from indexer.catalogue.people import AssignedBy, person_named
from indexer.catalogue.rows import now, storable
from indexer.formats.charsets import clean_text
from indexer.ownership.mark import clean
from indexer.sqlite.database import Database
from indexer.sqlite.errors import damage_in_rows

#: Characters of a name.
LONGEST_NAME = 100


class DecisionKind(StrEnum):
    """What was decided."""

    NAME = "name"
    UNNAME = "unname"
    MERGE = "merge"
    SPLIT = "split"  # "not this person"
    ASSIGN = "assign"  # "this face is NAME"
    IGNORE = "ignore"
    SHOW = "show"  # no longer ignored
    DISTINCT = "distinct"  # "no, these are two"


@dataclass(frozen=True, slots=True)
class Decision:
    """Something that people decided; `person_id` is whom it was about, and `name` what they are called now."""

    id: int
    kind: DecisionKind
    at: datetime
    person_id: int | None
    name: str | None


def person_name(typed: str) -> str | None:
    """One line that every file can hold (NFC, no control characters); None where it is blank or longer than
    `LONGEST_NAME` characters."""
    text = clean(clean_text(typed, 4 * LONGEST_NAME) or "").strip()
    return text if len(text) <= LONGEST_NAME and says_something(text) else None


class PeopleDecisions:
    """Every method is one transaction; what is unknown is answered with None or False, and nothing is changed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def name(self, person_id: int, name: str | None) -> int | None:
        """Gives a person a name, or takes it away; `name` is what `person_name` gives. Where another person has that
        name, letter case aside, both become one: gives the id of the person who has the name then."""
        with self._database.transaction() as writer:
            if not _exists(writer, person_id):
                return None
            name = storable(name)
            other = person_named(writer, name) if name is not None else None
            if other is not None and other != person_id:
                change = _Change(writer, DecisionKind.MERGE, other)
                _merge(change, other, person_id)
                change.store()
                return other
            change = _Change(writer, DecisionKind.NAME if name is not None else DecisionKind.UNNAME, person_id)
            change.decide([person_id])
            writer.execute("UPDATE person SET name = ? WHERE id = ?", (name, person_id))
            push_photos_of(writer, [person_id])
            change.store()
            return person_id

    def merge(self, person_id: int, other_id: int) -> bool:
        """Both are one person: the faces of `other_id` become those of `person_id`, who takes the other's name where
        there is no own one."""
        with self._database.transaction() as writer:
            if person_id == other_id or not (_exists(writer, person_id) and _exists(writer, other_id)):
                return False
            change = _Change(writer, DecisionKind.MERGE, person_id)
            _merge(change, person_id, other_id)
            change.store()
        return True

    def mark_distinct(self, person_id: int, other_id: int) -> bool:
        """These are two persons: never merged by the machine, and not asked about again."""
        with self._database.transaction() as writer:
            if person_id == other_id or not (_exists(writer, person_id) and _exists(writer, other_id)):
                return False
            change = _Change(writer, DecisionKind.DISTINCT, person_id)
            change.decide([person_id, other_id])
            change.keep_apart(person_id, other_id)
            change.store()
        return True

    def not_this_person(self, face_ids: Sequence[int]) -> bool:
        """These faces are not of the persons that they are said to be of, and never become theirs again by the machine.
        False where none of them is anybody's."""
        with self._database.transaction() as writer:
            faces = _faces(writer, face_ids)
            assigned = [row for row in faces if row["person_id"] is not None]
            if not assigned:
                return False
            change = _Change(writer, DecisionKind.SPLIT, assigned[0]["person_id"])
            _detach(change, assigned)
            change.store()
        return True

    def assign(self, face_id: int, name: str) -> int | None:
        """This face is the person of that name, new or known, whomever it was said to be before; gives their id."""
        with self._database.transaction() as writer:
            faces = _faces(writer, [face_id])
            if not faces:
                return None
            person_id = person_named(writer, name) or new_person(writer, name)
            change = _Change(writer, DecisionKind.ASSIGN, person_id)
            before = faces[0]["person_id"]
            if before is not None and before != person_id:
                _detach(change, faces)
            else:
                change.note_faces(faces)
            if writer.execute(
                "DELETE FROM not_person WHERE face_id = ? AND person_id = ?", (face_id, person_id)
            ).rowcount:
                change.lifted.append((face_id, person_id))
            writer.execute(
                "UPDATE face SET person_id = ?, origin = ?, cluster = NULL WHERE id = ?",
                (person_id, AssignedBy.PERSON.value, face_id),
            )
            change.decide([person_id])
            push_photos(writer, [faces[0]["photo_id"]])
            change.store()
        return person_id

    def ignore(self, person_id: int, *, ignored: bool = True) -> bool:
        """Nobody wants to see this person, or somebody does again."""
        with self._database.transaction() as writer:
            if not _exists(writer, person_id):
                return False
            change = _Change(writer, DecisionKind.IGNORE if ignored else DecisionKind.SHOW, person_id)
            change.decide([person_id])
            writer.execute("UPDATE person SET ignored = ? WHERE id = ?", (ignored, person_id))
            push_photos_of(writer, [person_id])
            change.store()
        return True

    def last(self) -> Decision | None:
        """The decision that `undo` would undo; None where there is none."""
        row = self._database.reader.execute(_LAST).fetchone()
        return None if row is None else _decision(row)

    def undo(self) -> Decision | None:
        """Makes the last decision undone, and the one before it the last one; None where there is none."""
        with self._database.transaction() as writer:
            row = writer.execute(_LAST).fetchone()
            if row is None:
                return None
            _restore(writer, json.loads(row["before"]))
            writer.execute("DELETE FROM people_decision WHERE id = ?", (row["id"],))
            return _decision(row)


_LAST = """SELECT people_decision.*, name FROM people_decision
    LEFT JOIN person ON person.id = json_extract(before, '$.person') ORDER BY people_decision.id DESC LIMIT 1"""


@damage_in_rows()
def _decision(row: sqlite3.Row) -> Decision:
    person_id = json.loads(row["before"])["person"]
    return Decision(row["id"], DecisionKind(row["kind"]), datetime.fromisoformat(row["at"]), person_id, row["name"])


class _Change:
    """A decision on its way, and what was before it."""

    def __init__(self, writer: sqlite3.Connection, kind: DecisionKind, person_id: int) -> None:
        self.writer, self.kind, self.person_id = writer, kind, person_id
        self.faces: list[tuple[int, int | None, str | None, int | None]] = []
        self.persons: list[tuple[int, str | None, int, int]] = []
        self.rejected: list[tuple[int, int]] = []  # (face, person) that are new
        self.lifted: list[tuple[int, int]] = []  # (face, person) that are gone
        self.distinct: list[tuple[int, int]] = []  # pairs of persons that are new in `not_same`
        self.same: list[tuple[int, int]] = []  # and that are gone from it

    def note_faces(self, rows: Iterable[sqlite3.Row]) -> None:
        """Whose they are before the decision."""
        self.faces += [(row["id"], row["person_id"], row["origin"], row["cluster"]) for row in rows]

    def note_persons(self, ids: Sequence[int]) -> None:
        """What they are before the decision."""
        rows = self.writer.execute(
            "SELECT id, name, ignored, decided FROM person WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(ids)),),
        )
        self.persons += [tuple(row) for row in rows]

    def decide(self, ids: Sequence[int]) -> None:
        """People have said something of these persons: the machine never makes them another one's part, of whom that
        need not be true."""
        self.note_persons(ids)
        self.writer.execute(
            "UPDATE person SET decided = 1 WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)
        )

    def reject(self, face_id: int, person_id: int) -> None:
        """This face is not that person's."""
        if self.writer.execute(
            "INSERT OR IGNORE INTO not_person (face_id, person_id) VALUES (?, ?)", (face_id, person_id)
        ).rowcount:
            self.rejected.append((face_id, person_id))

    def keep_apart(self, one: int, other: int) -> None:
        """These are two persons."""
        pair = (min(one, other), max(one, other))
        if self.writer.execute("INSERT OR IGNORE INTO not_same (person_id, other_id) VALUES (?, ?)", pair).rowcount:
            self.distinct.append(pair)

    def store(self) -> None:
        """Keeps what was before."""
        before = {
            "person": self.person_id,
            "faces": self.faces,
            "persons": self.persons,
            "rejected": self.rejected,
            "lifted": self.lifted,
            "distinct": self.distinct,
            "same": self.same,
        }
        self.writer.execute(
            "INSERT INTO people_decision (at, kind, before) VALUES (?, ?, ?)",
            (now(), self.kind.value, json.dumps(before, separators=(",", ":"))),
        )


def _restore(writer: sqlite3.Connection, before: dict[str, Any]) -> None:
    """What `_Change` kept. Faces that were found since stay whose they are."""
    persons = [row[0] for row in before["persons"]]
    push_photos_of(writer, persons)
    ids = json.dumps([row[0] for row in before["faces"]])
    push_photos(writer, _photo_ids(writer, ids))
    writer.executemany(
        "UPDATE face SET person_id = ?2, origin = ?3, cluster = ?4 WHERE id = ?1",
        [tuple(row) for row in before["faces"]],
    )
    writer.executemany(
        "UPDATE person SET name = ?2, ignored = ?3, decided = ?4 WHERE id = ?1",
        [tuple(row) for row in before["persons"]],
    )
    writer.executemany("DELETE FROM not_person WHERE face_id = ? AND person_id = ?", before["rejected"])
    writer.executemany(
        "INSERT OR IGNORE INTO not_person (face_id, person_id) SELECT id, ?2 FROM face WHERE id = ?1",
        [tuple(row) for row in before["lifted"]],
    )
    writer.executemany("DELETE FROM not_same WHERE person_id = ? AND other_id = ?", before["distinct"])
    writer.executemany("INSERT OR IGNORE INTO not_same (person_id, other_id) VALUES (?, ?)", before["same"])
    push_photos_of(writer, persons)


def _photo_ids(reader: sqlite3.Connection, face_ids: str) -> list[str]:
    rows = reader.execute(
        "SELECT DISTINCT photo_id FROM face WHERE id IN (SELECT value FROM json_each(?))", (face_ids,)
    )
    return [row["photo_id"] for row in rows]


def _exists(reader: sqlite3.Connection, person_id: int) -> bool:
    return reader.execute("SELECT 1 FROM person WHERE id = ?", (person_id,)).fetchone() is not None


def _faces(reader: sqlite3.Connection, ids: Sequence[int]) -> list[sqlite3.Row]:
    return reader.execute(
        "SELECT id, photo_id, person_id, origin, cluster FROM face WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(ids)),),
    ).fetchall()


def _merge(change: _Change, person_id: int, other_id: int) -> None:
    """Clusters stay what they are: faces of a child and of the same person grown up need not be alike."""
    writer = change.writer
    change.note_persons([person_id, other_id])
    change.note_faces(
        writer.execute("SELECT id, person_id, origin, cluster FROM face WHERE person_id = ?", (other_id,)).fetchall()
    )
    push_photos_of(writer, [person_id, other_id])
    # Faces of which people said that they are not this person's stay whose they are.
    writer.execute(
        """UPDATE face SET person_id = :person, origin = :origin WHERE person_id = :other AND NOT EXISTS
        (SELECT 1 FROM not_person WHERE face_id = face.id AND not_person.person_id = :person)""",
        {"person": person_id, "other": other_id, "origin": AssignedBy.PERSON.value},
    )
    writer.execute(
        """UPDATE person SET decided = 1, name = coalesce(person.name, other.name),
        ignored = min(person.ignored, other.ignored) FROM person AS other
        WHERE person.id = :person AND other.id = :other""",
        {"person": person_id, "other": other_id},
    )
    writer.execute("UPDATE person SET name = NULL WHERE id = ?", (other_id,))
    pair = (min(person_id, other_id), max(person_id, other_id))
    if writer.execute("DELETE FROM not_same WHERE person_id = ? AND other_id = ?", pair).rowcount:
        change.same.append(pair)
    _take_over_rules(change, person_id, other_id)


def _take_over_rules(change: _Change, person_id: int, other_id: int) -> None:
    """Who is not the one is not the other either, now that both are one person."""
    rejected = change.writer.execute(
        """SELECT face_id FROM not_person JOIN face ON face.id = face_id
        WHERE not_person.person_id = ? AND face.person_id IS NOT ?""",
        (other_id, person_id),
    ).fetchall()
    for row in rejected:
        change.reject(row["face_id"], person_id)
    apart = change.writer.execute(
        "SELECT iif(person_id = :id, other_id, person_id) AS id FROM not_same WHERE :id IN (person_id, other_id)",
        {"id": other_id},
    ).fetchall()
    for row in apart:
        change.keep_apart(person_id, row["id"])


def _detach(change: _Change, faces: Sequence[sqlite3.Row]) -> None:
    """The faces belong to nobody, and not to whom they belonged."""
    writer = change.writer
    change.note_faces(faces)
    change.decide(sorted({row["person_id"] for row in faces}))
    for row in faces:
        change.reject(row["id"], row["person_id"])
    writer.executemany(
        "UPDATE face SET person_id = NULL, origin = NULL, cluster = NULL WHERE id = ?", [(row["id"],) for row in faces]
    )
    push_photos(writer, [row["photo_id"] for row in faces])


def new_person(writer: sqlite3.Connection, name: str | None, *, decided: bool = True) -> int:
    """A person without faces; gives their id."""
    row_id = writer.execute("INSERT INTO person (name, decided) VALUES (?, ?)", (storable(name), decided)).lastrowid
    if row_id is None:
        raise sqlite3.DatabaseError("SQLite gave a new person no id")
    return row_id


def push_photos(writer: sqlite3.Connection, photo_ids: Iterable[str]) -> None:
    """Search has to hear of these photos."""
    writer.executemany("UPDATE photo SET revision = revision + 1 WHERE id = ?", [(one,) for one in set(photo_ids)])


def push_photos_of(writer: sqlite3.Connection, person_ids: Iterable[int]) -> None:
    """Search has to hear of the photos with faces of these persons, and of those that are not theirs."""
    writer.execute(
        """UPDATE photo SET revision = revision + 1 WHERE id IN (SELECT photo_id FROM face
            WHERE person_id IN (SELECT value FROM json_each(:ids))
            UNION SELECT photo_id FROM not_person JOIN face ON face.id = face_id
            WHERE not_person.person_id IN (SELECT value FROM json_each(:ids)))""",
        {"ids": json.dumps(list(person_ids))},
    )
