"""The stacks of the catalogue: photos that are nearly the same (see `stack_rules`), which search shows as one hit.

`photo.stack` is the id of the photo that stands for the stack, NULL for a photo that is in none. A photo that was
settled, moved, lost or found is due to be looked at again, with those around it in time and name: whatever the order
in which they came, the same photos make the same stacks. (Of a film in single pictures, more than `_MOST_TOGETHER`
without a pause, only a part is looked at together.)
"""

# ruff: noqa: S608 - the SQL is put together from this module's own constants; values are always bound

from __future__ import annotations

import json
import os
import sqlite3
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePath

from indexer.catalogue.rows import unpack_embedding
from indexer.catalogue.stack_rules import MOMENT_S, MOST_IN_MOMENT, PhotoName, Shot, covers
from indexer.formats import RAW_TYPES
from indexer.model import DatePrecision
from indexer.sqlite.database import Database

_AT_ONCE = 100  # so short a transaction keeps nobody waiting who settles photos meanwhile
_NAMES = 4  # of a photo with many copies
_MOST_NAMESAKES = 40
_MOST_TOGETHER = 600
_RAW_MIME_TYPES = frozenset(RAW_TYPES.values())

# The moment as the camera's clock had it, to the second: what `taken_at` begins with.
_MOMENT = "substr(taken_at, 1, 19)"
_COLUMNS = "id, taken_at, taken_precision, camera, mime_type, embedding, look_model, stack, gone"
_BY_ID = f"SELECT {_COLUMNS} FROM photo WHERE id = ?"
_BETWEEN = f"""SELECT {_COLUMNS} FROM photo INDEXED BY photo_moment
    WHERE {_MOMENT} BETWEEN ? AND ? AND gone = 0 AND taken_precision = 'time' LIMIT {MOST_IN_MOMENT + 1}"""
_STACKED = f"SELECT {_COLUMNS} FROM photo WHERE stack = ? LIMIT {_MOST_TOGETHER}"
_NAMES_OF = f"""SELECT root_id, folder, name FROM file WHERE photo_id = ? AND missing_since IS NULL
    ORDER BY missing_since IS NOT NULL, id LIMIT {_NAMES}"""
_NAMESAKES = f"""SELECT photo_id, name FROM file WHERE root_id = ? AND folder = ? AND name >= ? AND name < ?
    AND photo_id IS NOT NULL AND missing_since IS NULL LIMIT {_MOST_NAMESAKES}"""


class Stacks:
    """The catalogue's stacks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def update(self) -> int:
        """Looks at some of the photos that are due, in one short transaction; gives their number, 0: none is due."""
        if not self._database.reader.execute("SELECT 1 FROM photo WHERE stack_due = 1 LIMIT 1").fetchone():
            return 0
        with self._database.transaction() as writer:
            due = [row["id"] for row in writer.execute("SELECT id FROM photo WHERE stack_due = 1 LIMIT ?", (_AT_ONCE,))]
            settled: set[str] = set()
            for photo_id in due:
                if photo_id not in settled:
                    settled |= _restack(writer, photo_id)
        return len(due)

    def members(self, photo_id: str) -> list[str]:
        """The ids of all photos of this one's stack, itself among them, in time and by name; none where it is in no
        stack."""
        rows = self._database.reader.execute(
            f"""SELECT id FROM photo WHERE stack = (SELECT stack FROM photo WHERE id = ?) AND +gone = 0
            ORDER BY taken_at, (SELECT min(name) FROM file WHERE photo_id = photo.id), id LIMIT {_MOST_TOGETHER}""",
            (photo_id,),
        )
        return [row["id"] for row in rows]


def similar(reader: sqlite3.Connection, stacks: Mapping[str, str | None]) -> Mapping[str, int]:
    """How many others the stack of each photo has, of those that are in one; `stacks` names it for each."""
    wanted = sorted({stack for stack in stacks.values() if stack is not None})
    if not wanted:
        return {}
    rows = reader.execute(
        """SELECT stack, count(*) FROM photo WHERE +gone = 0 AND stack IN (SELECT value FROM json_each(?))
        GROUP BY stack""",
        (json.dumps(wanted),),
    )
    sizes: dict[str, int] = dict(tuple(row) for row in rows)
    return {one: max(0, sizes.get(stack, 0) - 1) for one, stack in stacks.items() if stack is not None}


def _restack(writer: sqlite3.Connection, photo_id: str) -> set[str]:
    """Stores the stacks of a photo and of all that may belong with it; gives their ids."""
    together = _Together(writer)
    together.gather(photo_id)
    stands = covers(together.shots.values())
    changed = [(stands.get(one), one) for one in together.rows if stands.get(one) != together.rows[one]["stack"]]
    writer.executemany("UPDATE photo SET stack = ?, revision = revision + (gone = 0) WHERE id = ?", changed)
    writer.executemany("UPDATE photo SET stack_due = 0 WHERE id = ?", [(one,) for one in together.rows])
    return set(together.rows)


@dataclass(slots=True)
class _Together:
    """All photos that a photo may belong with, and those that they may belong with."""

    writer: sqlite3.Connection
    rows: dict[str, sqlite3.Row] = field(default_factory=dict)
    shots: dict[str, Shot] = field(default_factory=dict)  # those that are there
    moments: dict[datetime, list[sqlite3.Row]] = field(default_factory=dict)  # the photos around each

    def gather(self, photo_id: str) -> None:
        """Follows moments, names and the stacks of before from one photo to the next."""
        waiting = deque(self._select(_BY_ID, photo_id))
        while waiting and len(self.rows) < _MOST_TOGETHER:
            row = waiting.popleft()
            if row["id"] in self.rows:
                continue
            self.rows[row["id"]] = row
            if row["stack"] is not None:
                waiting.extend(self._select(_STACKED, row["stack"]))
            if row["gone"]:
                continue
            files = self._select(_NAMES_OF, row["id"])
            moment = _moment(row)
            if moment is not None and len(self._around(moment)) > MOST_IN_MOMENT:
                moment = None  # it tells nothing apart
            self.shots[row["id"]] = _shot(row, moment, [os.fsdecode(file["name"]) for file in files])
            if moment is not None:
                waiting.extend(one for one in self._around(moment) if one["id"] not in self.rows)
            for file in files:
                waiting.extend(self._namesakes(file))

    def _around(self, moment: datetime) -> list[sqlite3.Row]:
        """The photos of a moment; each second is asked for once."""
        moment = moment.replace(microsecond=0)
        if moment not in self.moments:
            around = timedelta(seconds=MOMENT_S)
            self.moments[moment] = self._select(_BETWEEN, (moment - around).isoformat(), (moment + around).isoformat())
        return self.moments[moment]

    def _namesakes(self, file: sqlite3.Row) -> list[sqlite3.Row]:
        """Photos of the same folder whose names say that they are of one."""
        name = os.fsdecode(file["name"])
        key = PhotoName.of(name).key
        found: dict[str, None] = {}
        for prefix in _prefixes(PurePath(name).stem, key):
            begin = os.fsencode(prefix)
            rows = self._select(_NAMESAKES, file["root_id"], file["folder"], begin, begin + b"\xff")
            found |= {row["photo_id"]: None for row in rows if PhotoName.of(os.fsdecode(row["name"])).key == key}
        return [row for one in found if one not in self.rows for row in self._select(_BY_ID, one)]

    def _select(self, statement: str, *values: object) -> list[sqlite3.Row]:
        return self.writer.execute(statement, values).fetchall()


def _prefixes(stem: str, key: str) -> Sequence[str]:
    """How names begin that may have this key, in the letter case of one that has."""
    plain = stem[: len(key)]
    if plain.casefold() != key:  # an Apple edit: IMG_E1234
        plain = stem[:4] + stem[5:] if stem[4:5].casefold() == "e" else stem
    return plain, f"{plain[:4]}E{plain[4:]}"


def _moment(row: sqlite3.Row) -> datetime | None:
    """On the camera's clock. Midnight to the second stands for a day of which no time is known."""
    if row["taken_at"] is None or row["taken_precision"] != DatePrecision.TIME:
        return None
    moment = datetime.fromisoformat(row["taken_at"]).replace(tzinfo=None)
    is_midnight = moment == datetime.combine(moment, datetime.min.time())
    return None if is_midnight or not 1 < moment.year < 9999 else moment


def _shot(row: sqlite3.Row, moment: datetime | None, names: Sequence[str]) -> Shot:
    return Shot(
        id=row["id"],
        moment=moment,
        camera=row["camera"] or None,
        is_raw=row["mime_type"] in _RAW_MIME_TYPES,
        names=tuple({PhotoName.of(name): None for name in names}),
        look=unpack_embedding(row["embedding"]),
        model=row["look_model"],
    )
