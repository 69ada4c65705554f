"""The faces of photos as rows: found, matched to those that were there before and to regions in files, and grouped."""

# ruff: noqa: S608 - the SQL is put together from this package's own constants; values are always bound

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from captioner import Face
from indexer.catalogue.job_queue import RANK
from indexer.catalogue.people import AssignedBy, person_named
from indexer.catalogue.people_decisions import new_person, person_name, push_photos
from indexer.catalogue.rows import storable
from indexer.face_box import FaceBox, FaceRegion
from indexer.model import Job, JobKind
from indexer.sqlite.database import Database

#: Boxes that share so much of what they cover are of one face, though two programs drew them, or two models.
SAME_FACE = 0.4
_ROWS_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class GroupedFace:
    """What grouping needs to know of a face beside its vector. `photo` is the photo's row number."""

    id: int
    photo: int
    person_id: int | None
    cluster: int | None
    score: float
    size_px: float


@dataclass(frozen=True, slots=True)
class GroupingRules:
    """What people decided, for grouping."""

    decided: frozenset[int]  # persons that never become another one's part
    rejected: frozenset[tuple[int, int]]  # (face, person)
    distinct: frozenset[tuple[int, int]]  # (person, person), the lower id first
    named: frozenset[int]
    revision: int  # the last decision


class FaceRows:
    """The indexer's side of faces."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enqueue(self, model: str) -> int:
        """Queues the present photos that `model` has not looked at, one file each, behind all other work; returns how
        many. What is queued or was set aside stays as it is."""
        return self._database.write(
            """INSERT INTO job (file_id, kind, rank) SELECT min(file.id), ?, ?
            FROM photo JOIN file ON file.photo_id = photo.id AND file.missing_since IS NULL
            WHERE photo.gone = 0 AND photo.faces_model IS NOT ? AND NOT EXISTS (SELECT 1 FROM job
                JOIN file AS other ON other.id = job.file_id AND other.missing_since IS NULL
                WHERE other.photo_id = photo.id AND job.kind = 'faces')
            GROUP BY photo.id ON CONFLICT (file_id, kind) DO NOTHING""",
            (JobKind.FACES.value, RANK[JobKind.FACES], model),
        )

    def enqueue_photo(self, photo_id: str, model: str) -> bool:
        """As `enqueue`, one photo; returns whether it was queued."""
        return bool(
            self._database.write(
                """INSERT INTO job (file_id, kind, rank) SELECT min(file.id), ?, ?
                FROM photo JOIN file ON file.photo_id = photo.id AND file.missing_since IS NULL
                WHERE photo.id = ? AND photo.faces_model IS NOT ? AND NOT EXISTS (SELECT 1 FROM job
                    JOIN file AS other ON other.id = job.file_id AND other.missing_since IS NULL
                    WHERE other.photo_id = photo.id AND job.kind = 'faces')
                GROUP BY photo.id ON CONFLICT (file_id, kind) DO NOTHING""",
                (JobKind.FACES.value, RANK[JobKind.FACES], photo_id, model),
            )
        )

    def count(self) -> int:
        """How many faces there are."""
        return self._database.count("SELECT count(*) FROM face")

    def count_wanting(self, model: str) -> int:
        """How many present photos `model` has not looked at, without those at which it failed: they are set aside."""
        return self._database.count(
            """SELECT count(*) FROM photo WHERE gone = 0 AND faces_model IS NOT ? AND NOT EXISTS
            (SELECT 1 FROM job JOIN file ON file.id = job.file_id
            WHERE file.photo_id = photo.id AND kind = 'faces' AND state = 'aside')""",
            (model,),
        )

    def was_looked_at(self, photo_id: str, model: str) -> bool:
        """Whether `model` has looked for faces in a photo."""
        row = self._database.reader.execute("SELECT faces_model FROM photo WHERE id = ?", (photo_id,)).fetchone()
        return row is not None and row["faces_model"] == model

    def settle(
        self, job: Job, photo_id: str, faces: Sequence[Face], model: str, regions: Sequence[FaceRegion]
    ) -> list[tuple[int, bytes]]:
        """Ends the job and stores a photo's faces; gives their ids with their vectors, which are stored elsewhere.

        A face where one was before keeps its id, and whose it is. Nothing is stored where the job is there no more: it
        was switched off meanwhile.
        """
        with self._database.transaction() as writer:
            if not writer.execute("DELETE FROM job WHERE id = ? RETURNING id", (job.id,)).fetchall():
                return []
            stored = _store_faces(writer, photo_id, faces, model)
            writer.execute("UPDATE photo SET faces_model = ? WHERE id = ?", (storable(model), photo_id))
            apply_labels(writer, photo_id, regions)
        return stored

    def end_job(self, job: Job) -> None:
        """Ends a job that there is nothing to do for."""
        self._database.write("DELETE FROM job WHERE id = ?", (job.id,))

    def ids(self, model: str) -> Iterator[list[int]]:
        """The ids of all faces by `model`, in their order, a few thousand at a time."""
        after = 0
        while rows := self._database.reader.execute(
            "SELECT id FROM face WHERE model = ? AND id > ? ORDER BY id LIMIT ?", (model, after, _ROWS_AT_ONCE)
        ).fetchall():
            yield [row["id"] for row in rows]
            after = rows[-1]["id"]

    def look_again(self, face_ids: Sequence[int]) -> int:
        """Has the photos of these faces looked at again; returns how many photos that are."""
        return self._database.write(
            """UPDATE photo SET faces_model = NULL WHERE id IN
            (SELECT photo_id FROM face WHERE id IN (SELECT value FROM json_each(?)))""",
            (json.dumps(list(face_ids)),),
        )

    def grouped(self, model: str) -> Iterator[GroupedFace]:
        """Every face by `model`, in the order of ids; also those of photos that are not there just now."""
        after = 0
        while rows := self._database.reader.execute(
            """SELECT face.id, photo.rowid AS photo, person_id, cluster, score, size_px FROM face
            JOIN photo ON photo.id = face.photo_id
            WHERE model = ? AND face.id > ? ORDER BY face.id LIMIT ?""",
            (model, after, _ROWS_AT_ONCE),
        ).fetchall():
            yield from (GroupedFace(*row) for row in rows)
            after = rows[-1]["id"]

    def count_new(self) -> int:
        """How many faces were not compared with the others yet."""
        return self._database.count("SELECT count(*) FROM face WHERE cluster IS NULL")

    def rules(self) -> GroupingRules:
        """What people decided."""
        reader, revision = self._database.reader, self.last_decision()  # what is decided from here on is newer
        return GroupingRules(
            decided=frozenset(row[0] for row in reader.execute("SELECT id FROM person WHERE decided = 1")),
            rejected=frozenset(tuple(row) for row in reader.execute("SELECT face_id, person_id FROM not_person")),
            distinct=frozenset(tuple(row) for row in reader.execute("SELECT person_id, other_id FROM not_same")),
            named=frozenset(
                row[0] for row in reader.execute("SELECT id FROM person WHERE name IS NOT NULL AND ignored = 0")
            ),
            revision=revision,
        )

    def last_decision(self) -> int:
        """Another number after every decision of people, undone ones included."""
        return _last_decision(self._database.reader)

    def new_persons(self, number: int) -> list[int]:
        """So many persons without name or faces; their ids."""
        with self._database.transaction() as writer:
            return [new_person(writer, None, decided=False) for _ in range(number)]

    def store_groups(
        self, assigned: Iterable[tuple[int, int | None, int | None, int | None, int]], revision: int
    ) -> int:
        """Stores what grouping found: (face, person and cluster as they were read, person and cluster now). A face that
        has changed meanwhile stays as it is, and nothing more is stored once people have decided anything since the
        `revision` of the rules. Search hears of photos whose names change; returns how many faces were stored."""
        stored, rows = 0, iter(assigned)
        while batch := [row for _, row in zip(range(_ROWS_AT_ONCE), rows, strict=False)]:
            with self._database.transaction() as writer:
                if _last_decision(writer) != revision:
                    break
                stored += _store_batch(writer, batch)
        return stored

    def store_candidates(self, candidates: Iterable[tuple[int, int, float]], revision: int) -> None:
        """(person, other person, distance), in the place of those of before; see `store_groups`."""
        with self._database.transaction() as writer:
            if _last_decision(writer) != revision:
                return
            writer.execute("DELETE FROM candidate")
            writer.executemany("INSERT OR REPLACE INTO candidate VALUES (?, ?, ?)", candidates)

    def forget(self, *, keep_names: bool) -> None:
        """Switches people off and forgets every face and person, overwriting what was stored; `keep_names`: those that
        have a name stay, with the boxes of their faces, for when people is switched on again."""
        with self._database.transaction() as writer:
            # Nothing of what is deleted is left in free space (https://sqlite.org/pragma.html#pragma_secure_delete).
            writer.execute("PRAGMA secure_delete = ON")
            for statement in _FORGET_UNNAMED if keep_names else _FORGET_ALL:
                writer.execute(statement)
            writer.execute("PRAGMA secure_delete = OFF")
        with self._database.workspace() as connection:  # nor in the log, unless somebody is reading it just now
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _last_decision(reader: sqlite3.Connection) -> int:
    row = reader.execute(
        """SELECT coalesce(max(id), 0) * 2 - (SELECT coalesce(max(seq), 0) FROM sqlite_sequence
        WHERE name = 'people_decision') FROM people_decision"""
    )
    return int(row.fetchone()[0])


_FORGET_ALL = (
    f"""INSERT INTO job (file_id, kind, rank) SELECT file_id, '{JobKind.WRITE_NAMES}', {RANK[JobKind.WRITE_NAMES]}
        FROM file_names WHERE place IS NOT NULL ON CONFLICT (file_id, kind) DO NOTHING""",
    "UPDATE people_switch SET is_on = 0, deletions = deletions + 1",
    "DELETE FROM job WHERE kind = 'faces'",
    """UPDATE photo SET revision = revision + 1 WHERE id IN (SELECT photo_id FROM face WHERE person_id IN
        (SELECT id FROM person WHERE name IS NOT NULL) OR id IN (SELECT face_id FROM not_person))""",
    *(f"DELETE FROM {table}" for table in ("candidate", "not_same", "not_person", "people_decision", "face", "person")),
    "UPDATE photo SET faces_model = NULL WHERE faces_model IS NOT NULL",
)
_FORGET_UNNAMED = (
    *_FORGET_ALL[1:3],
    "DELETE FROM candidate",
    "DELETE FROM people_decision",
    "DELETE FROM not_person WHERE person_id IN (SELECT id FROM person WHERE name IS NULL)",
    "UPDATE face SET person_id = NULL, origin = NULL WHERE person_id IN (SELECT id FROM person WHERE name IS NULL)",
    "DELETE FROM face WHERE person_id IS NULL AND id NOT IN (SELECT face_id FROM not_person)",
    """DELETE FROM not_same WHERE person_id IN (SELECT id FROM person WHERE name IS NULL)
        OR other_id IN (SELECT id FROM person WHERE name IS NULL)""",
    "DELETE FROM person WHERE name IS NULL",
    "UPDATE face SET cluster = NULL",
    _FORGET_ALL[-1],
)


def _store_batch(
    writer: sqlite3.Connection, batch: Sequence[tuple[int, int | None, int | None, int | None, int]]
) -> int:
    named = {row["id"] for row in writer.execute("SELECT id FROM person WHERE name IS NOT NULL AND ignored = 0")}
    stored = writer.executemany(
        """UPDATE face SET person_id = ?4, cluster = ?5,
        origin = CASE WHEN person_id IS ?4 THEN origin WHEN ?4 IS NULL THEN NULL ELSE 'machine' END
        WHERE id = ?1 AND person_id IS ?2 AND cluster IS ?3""",
        batch,
    ).rowcount
    changed = [row[0] for row in batch if row[1] != row[3] and (row[1] in named or row[3] in named)]
    rows = writer.execute(
        "SELECT DISTINCT photo_id FROM face WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(changed),)
    ).fetchall()
    push_photos(writer, [row["photo_id"] for row in rows])
    return stored


def _store_faces(
    writer: sqlite3.Connection, photo_id: str, faces: Sequence[Face], model: str
) -> list[tuple[int, bytes]]:
    """Where a face of before is not found any more it goes, unless people have said whose it is."""
    before = _boxes(writer, photo_id)
    known = best_matches([FaceBox(one.left, one.top, one.width, one.height) for one in faces], before)
    stored = []
    for number, face in enumerate(faces):
        place = (face.left, face.top, face.width, face.height, face.score, face.size_px, storable(model))
        if (face_id := known.get(number)) is not None:
            writer.execute(
                """UPDATE face SET x = ?, y = ?, width = ?, height = ?, score = ?, size_px = ?, model = ?,
                cluster = iif(model IS ?7, cluster, NULL) WHERE id = ?""",
                (*place, face_id),
            )
        else:
            face_id = writer.execute(
                """INSERT INTO face (x, y, width, height, score, size_px, model, photo_id)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
                (*place, photo_id),
            ).lastrowid
        if face_id is None:
            raise sqlite3.DatabaseError("SQLite gave a new face no id")
        stored.append((face_id, face.vector))
    writer.execute(
        """DELETE FROM face WHERE photo_id = ? AND id NOT IN (SELECT value FROM json_each(?))
        AND origin IS NOT 'person' AND id NOT IN (SELECT face_id FROM not_person)""",
        (photo_id, json.dumps([face_id for face_id, _ in stored])),
    )
    return stored


def _boxes(reader: sqlite3.Connection, photo_id: str) -> list[tuple[int, FaceBox]]:
    rows = reader.execute("SELECT id, x, y, width, height FROM face WHERE photo_id = ? ORDER BY id", (photo_id,))
    return [(row["id"], FaceBox(row["x"], row["y"], row["width"], row["height"])) for row in rows]


def best_matches(boxes: Sequence[FaceBox], others: Sequence[tuple[int, FaceBox]]) -> dict[int, int]:
    """Number of a box -> id of the other box that is of the same face; no box is matched twice, the closest first."""
    overlaps = sorted(
        (
            (box.overlap(other), number, other_id)
            for number, box in enumerate(boxes)
            for other_id, other in others
            if box.overlap(other) >= SAME_FACE
        ),
        key=lambda one: (-one[0], one[1], one[2]),
    )
    taken: set[int] = set()
    pairs: dict[int, int] = {}
    for _, number, other_id in overlaps:
        if number not in pairs and other_id not in taken:
            pairs[number] = other_id
            taken.add(other_id)
    return pairs


def apply_labels(writer: sqlite3.Connection, photo_id: str, regions: Sequence[FaceRegion]) -> None:
    """The named regions in a photo's files say whose its faces are, unless people have said otherwise. A region that
    has said so before says nothing new: its person may have got another name since."""
    faces = _boxes(writer, photo_id)
    matched = best_matches([region.box for region in regions], faces)
    for number, face_id in matched.items():
        name = person_name(regions[number].name)
        row = writer.execute("SELECT person_id, origin, label FROM face WHERE id = ?", (face_id,)).fetchone()
        if not name or row["label"] == name:
            continue
        writer.execute("UPDATE face SET label = ? WHERE id = ?", (name, face_id))
        person_id = person_named(writer, name)
        if row["origin"] == AssignedBy.PERSON or (person_id is not None and _is_rejected(writer, face_id, person_id)):
            continue
        person_id = new_person(writer, name) if person_id is None else person_id
        writer.execute(
            "UPDATE face SET person_id = ?, origin = ?, cluster = iif(person_id IS ?1, cluster, NULL) WHERE id = ?",
            (person_id, AssignedBy.FILE.value, face_id),
        )
        push_photos(writer, [photo_id])


def _is_rejected(reader: sqlite3.Connection, face_id: int, person_id: int) -> bool:
    row = reader.execute("SELECT 1 FROM not_person WHERE face_id = ? AND person_id = ?", (face_id, person_id))
    return row.fetchone() is not None
