"""Persons and faces, as pages, commands and search read them; `people_decisions` has what people decide about them.

A face is a box in a photo; it belongs to a photo's content, so that it survives every move of its files. A person is a
group of faces: found by the machine, or named by people or files. Ids of persons stay: a group that becomes part of
another one keeps the older id.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from indexer.face_box import FaceBox
from indexer.sqlite.database import Database
from indexer.sqlite.errors import damage_in_rows


class AssignedBy(StrEnum):
    """Who said whose face it is."""

    MACHINE = "machine"  # it looks like the other faces of the person
    FILE = "file"  # a named region of a photo file
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Person:
    """A group of faces. `face_id` is the face that shows the person best; photos and faces are of present photos."""

    id: int
    name: str | None
    ignored: bool
    photos: int
    faces: int
    face_id: int


@dataclass(frozen=True, slots=True)
class StoredFace:
    """One face of a photo, and whose it is; `person_id` None where that is not known."""

    id: int
    photo_id: str
    box: FaceBox
    score: float
    person_id: int | None
    name: str | None
    by: AssignedBy | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person that may be the same as a named one; `distance` as between vectors, the smaller the likelier."""

    person: Person
    distance: float


@dataclass(frozen=True, slots=True)
class PeopleCounts:
    """Of present photos. `photos_waiting` are those whose faces are still to be looked for, as far as they are
    queued; `photos_looked_at` those that a model has looked at, whichever it was."""

    faces: int
    persons: int  # groups of at least two faces, and whoever has a name
    named: int
    photos_waiting: int
    photos_looked_at: int


#: A group of so few photos may be anybody who walked by.
LEAST_PHOTOS = 3

_FACE = """SELECT face.id, face.photo_id, face.x, face.y, face.width, face.height, face.score, face.person_id,
    face.origin, person.name FROM face LEFT JOIN person ON person.id = face.person_id"""

# Of all present photos with a face of a person: how many, and which face shows the person best. SQLite takes the bare
# columns of a query with one max() from the row that has it (https://sqlite.org/lang_select.html#bareagg).
_PERSONS = """SELECT person.id, person.name, person.ignored, count(DISTINCT face.photo_id) AS photos,
    count(*) AS faces, face.id AS face_id,
    max((face.origin IS 'person') + face.score * min(1.0, 5.0 * min(face.width, face.height))) AS clearest
    FROM face JOIN person ON person.id = face.person_id JOIN photo ON photo.id = face.photo_id AND photo.gone = 0"""

#: Names of persons by photo, and those that people said are not in it.
_NAMES = """SELECT face.photo_id, person.name, 1 AS seen FROM face JOIN person ON person.id = face.person_id
    WHERE face.photo_id IN (SELECT value FROM json_each(:ids)) AND person.name IS NOT NULL AND person.ignored = 0
    UNION SELECT face.photo_id, person.name, 0 FROM not_person JOIN face ON face.id = not_person.face_id
    JOIN person ON person.id = not_person.person_id
    WHERE face.photo_id IN (SELECT value FROM json_each(:ids)) AND person.name IS NOT NULL
    ORDER BY face.photo_id, seen DESC, person.name"""


class People:
    """What is known of persons and faces. Every method is one short read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def persons(
        self,
        *,
        named: bool | None = None,
        ignored: bool = False,
        least_photos: int = LEAST_PHOTOS,
        limit: int = 100,
        offset: int = 0,
    ) -> list[Person]:
        """Those in the most photos first. `named` None: with and without a name. `least_photos` counts for those
        without a name only; `ignored` gives those that nobody wants to see, and no others."""
        chosen = "" if named is None else f"AND person.name IS {'NOT NULL' if named else 'NULL'}"
        rows = self._database.reader.execute(
            f"""{_PERSONS} WHERE person.ignored = ? {chosen} GROUP BY person.id
            HAVING person.name IS NOT NULL OR photos >= ? ORDER BY photos DESC, person.id LIMIT ? OFFSET ?""",
            (ignored, least_photos, limit, offset),
        )
        return [_person(row) for row in rows]

    def person(self, person_id: int) -> Person | None:
        """One person, or None where no present photo has a face of theirs."""
        row = self._database.reader.execute(f"{_PERSONS} WHERE person.id = ? GROUP BY person.id", (person_id,))
        found = row.fetchone()
        return None if found is None else _person(found)

    def names(self) -> list[str]:
        """All names of persons, in the order of the alphabet, for suggesting them."""
        rows = self._database.reader.execute(
            """SELECT DISTINCT name FROM person WHERE name IS NOT NULL AND ignored = 0
            AND EXISTS (SELECT 1 FROM face WHERE person_id = person.id) ORDER BY name COLLATE NOCASE"""
        )
        return [row["name"] for row in rows]

    def person_named(self, name: str) -> int | None:
        """The id of the person of this name, letter case aside; None where there is none."""
        return person_named(self._database.reader, name)

    def photos_of(self, person_id: int, *, limit: int = 100, offset: int = 0) -> list[str]:
        """Ids of the present photos that show a person, the newest first."""
        rows = self._database.reader.execute(
            """SELECT DISTINCT photo.id, photo.taken_at FROM face JOIN photo ON photo.id = face.photo_id
            WHERE face.person_id = ? AND photo.gone = 0 ORDER BY photo.taken_at DESC, photo.id LIMIT ? OFFSET ?""",
            (person_id, limit, offset),
        )
        return [row["id"] for row in rows]

    def faces_of_person(self, person_id: int, *, limit: int = 100, offset: int = 0) -> list[StoredFace]:
        """The faces of a person in present photos, the largest first."""
        return self._faces(
            f"""{_FACE} JOIN photo ON photo.id = face.photo_id AND photo.gone = 0 WHERE face.person_id = ?
            ORDER BY face.width * face.height DESC, face.id LIMIT ? OFFSET ?""",
            (person_id, limit, offset),
        )

    def faces_of(self, photo_id: str) -> list[StoredFace]:
        """The faces of a photo, from left to right."""
        return self._faces(f"{_FACE} WHERE face.photo_id = ? ORDER BY face.x, face.id", (photo_id,))

    def face(self, face_id: int) -> StoredFace | None:
        """One face, or None."""
        found = self._faces(f"{_FACE} WHERE face.id = ?", (face_id,))
        return found[0] if found else None

    def _faces(self, query: str, values: Sequence[object]) -> list[StoredFace]:
        return [_face(row) for row in self._database.reader.execute(query, values)]

    def candidates(self, person_id: int, *, limit: int = 12) -> list[Candidate]:
        """Persons without a name that look like this named one, the nearest first, without those of whom people said
        that they are another. As of the last grouping."""
        rows = self._database.reader.execute(
            """SELECT other_id, distance FROM candidate JOIN person ON person.id = other_id
            WHERE person_id = :id AND name IS NULL AND ignored = 0 AND NOT EXISTS (SELECT 1 FROM not_same
                WHERE person_id = min(:id, candidate.other_id) AND other_id = max(:id, candidate.other_id))
            ORDER BY distance, other_id LIMIT :limit""",
            {"id": person_id, "limit": limit},
        ).fetchall()
        found = ((self.person(row["other_id"]), row["distance"]) for row in rows)
        return [Candidate(person, distance) for person, distance in found if person is not None]

    def counts(self) -> PeopleCounts:
        """In numbers. Takes some milliseconds for each 10,000 faces."""
        row = self._database.reader.execute(
            """SELECT (SELECT count(*) FROM face JOIN photo ON photo.id = photo_id WHERE gone = 0) AS faces,
            (SELECT count(*) FROM (SELECT 1 FROM face JOIN person ON person.id = person_id WHERE ignored = 0
                GROUP BY person.id HAVING count(*) > 1 OR name IS NOT NULL)) AS persons,
            (SELECT count(DISTINCT person.id) FROM person JOIN face ON face.person_id = person.id
                WHERE name IS NOT NULL AND ignored = 0) AS named,
            (SELECT count(*) FROM job JOIN file ON file.id = job.file_id WHERE kind = 'faces'
                AND +state IN ('queued', 'claimed') AND missing_since IS NULL) AS photos_waiting,
            (SELECT count(*) FROM photo WHERE gone = 0 AND faces_model IS NOT NULL) AS photos_looked_at"""
        ).fetchone()
        return PeopleCounts(**dict(row))

    def switched(self) -> bool | None:
        """What people last said of whether faces are looked for; None where nobody has, and the setting counts."""
        (is_on,) = self._database.reader.execute("SELECT is_on FROM people_switch").fetchone()
        return None if is_on is None else bool(is_on)

    def deletions(self) -> int:
        """How often everything was deleted."""
        return self._database.count("SELECT deletions FROM people_switch")

    def is_on(self, setting: bool) -> bool:
        """Whether faces are looked for: what people last said, else what the setting says."""
        switched = self.switched()
        return setting if switched is None else switched

    def switch(self, *, on: bool) -> None:
        """Has faces looked for from now on, or no longer. What was found stays. The indexer notices within seconds,
        whichever process it is."""
        with self._database.transaction() as writer:
            switch(writer, on=on)

    def drop_work(self) -> None:
        """Takes what is to be looked at out of the queue."""
        self._database.write("DELETE FROM job WHERE kind = 'faces'")


def switch(writer: sqlite3.Connection, *, on: bool) -> None:
    """As `People.switch`, inside the caller's transaction."""
    writer.execute("UPDATE people_switch SET is_on = ?", (on,))
    if not on:
        writer.execute("DELETE FROM job WHERE kind = 'faces'")


def person_named(reader: sqlite3.Connection, name: str) -> int | None:
    """See `People.person_named`; compared by Python's casefold, as SQLite knows ASCII letters only."""
    wanted = name.casefold()
    rows = reader.execute("SELECT id, name FROM person WHERE name IS NOT NULL ORDER BY id")
    return next((row["id"] for row in rows if row["name"].casefold() == wanted), None)


def names_by_photo(reader: sqlite3.Connection, ids: Sequence[str]) -> Mapping[str, tuple[list[str], list[str]]]:
    """Photo id -> the names of the persons that it shows, and of those whom people said it does not show."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for row in reader.execute(_NAMES, {"ids": json.dumps(list(ids))}):
        shown, denied = found.setdefault(row["photo_id"], ([], []))
        if row["seen"]:
            shown.append(row["name"])
        elif row["name"] not in shown:
            denied.append(row["name"])
    return found


@damage_in_rows()
def _person(row: sqlite3.Row) -> Person:
    return Person(row["id"], row["name"], bool(row["ignored"]), row["photos"], row["faces"], row["face_id"])


@damage_in_rows()
def _face(row: sqlite3.Row) -> StoredFace:
    return StoredFace(
        id=row["id"],
        photo_id=row["photo_id"],
        box=FaceBox(row["x"], row["y"], row["width"], row["height"]),
        score=row["score"],
        person_id=row["person_id"],
        name=row["name"],
        by=AssignedBy(row["origin"]) if row["origin"] else None,
    )
