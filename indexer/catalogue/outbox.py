"""What search has yet to hear of, and what it was last known to hold.

Every photo remembers the revision that search holds of it: 0 where it holds none, `UNCLEAR` where it holds one that is
not to be relied on, `REFILL` where only the index has it that answers until another one is filled. With them goes the
checkpoint (`SearchBackend.checkpoint`) at which that was true. A server that was killed in the middle of a batch,
wiped, or put back to an older state has another checkpoint: then what it holds is compared with the catalogue, and the
difference becomes work for the outbox. The work is to push again; nothing is read or captioned for it.
"""

# ruff: noqa: S608 - the SQL is put together from this module's own constants; values are always bound

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from indexer.catalogue.rows import storable
from indexer.model import IN_ANSWERING_INDEX, Photo
from indexer.reasons import Reason
from indexer.sqlite.database import Database

#: The `search_revision` of a photo that search holds in a form which is not to be relied on.
UNCLEAR = -1
#: As `SearchBackend.held` says it.
REFILL = IN_ANSWERING_INDEX

_AT_ONCE = 1000  # so short a transaction keeps nobody waiting who settles photos meanwhile


@dataclass(frozen=True, slots=True)
class Differences:
    """How what search holds differs from the catalogue, in photos."""

    missing: int = 0
    outdated: int = 0  # held in another revision
    surplus: int = 0  # held, though no present file shows it, or though the catalogue never heard of it

    def __bool__(self) -> bool:
        return bool(self.missing or self.outdated or self.surplus)

    def __str__(self) -> str:
        return f"{self.missing:,} missing, {self.outdated:,} outdated, {self.surplus:,} too many"


@dataclass(frozen=True, slots=True)
class Refused:
    """A photo that search will not have as it is, and why."""

    photo: Photo
    reason: Reason


class Outbox:
    """The search feed's side of the catalogue. One process at a time feeds search."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def removed_ids(self, limit: int) -> list[str]:
        """Ids that search still holds although no present file shows them."""
        rows = self._database.reader.execute(
            "SELECT id FROM photo WHERE gone = 1 AND search_revision <> 0 LIMIT ?", (limit,)
        )
        return [row["id"] for row in rows]

    def mark_pushed(
        self,
        pushed: Iterable[tuple[str, int]],
        *,
        refused: Iterable[tuple[str, int, Reason]] = (),
        checkpoint: str | None = None,
    ) -> None:
        """(id, revision) pairs that search holds now, and (id, revision, reason) of those that it will not have.

        What was refused is not pushed again until it changes. `checkpoint` is where search stands since, None where
        that is unknown.
        """
        with self._database.transaction() as writer:
            writer.executemany(
                """UPDATE photo SET search_revision = ?, refused_revision = 0, refused_reason = NULL
                WHERE id = ? AND search_revision < ?""",
                [(revision, photo_id, revision) for photo_id, revision in pushed],
            )
            writer.executemany(
                """UPDATE photo SET refused_revision = ?, refused_reason = ?,
                search_revision = iif(search_revision = ?, 0, search_revision) WHERE id = ?""",
                [(revision, reason.to_json(), REFILL, photo_id) for photo_id, revision, reason in refused],
            )
            _store_checkpoint(writer, checkpoint)

    def forget_removed(self, ids: Iterable[str], *, checkpoint: str | None = None) -> None:
        """Search has deleted these; one that came back in the meantime is pushed again."""
        with self._database.transaction() as writer:
            writer.executemany("UPDATE photo SET search_revision = 0 WHERE id = ?", [(photo_id,) for photo_id in ids])
            _store_checkpoint(writer, checkpoint)

    def mark_all_unpushed(self) -> int:
        """Every present photo has to be pushed again, also what was refused; returns how many there are.

        What search holds beyond them is found and deleted at the next comparison, which this asks for.
        """
        with self._database.transaction() as writer:
            writer.execute("UPDATE photo SET search_revision = ? WHERE search_revision > 0", (UNCLEAR,))
            _clear_refusals(writer)
            _store_checkpoint(writer, "")
            return int(writer.execute("SELECT count(*) FROM photo WHERE gone = 0").fetchone()[0])

    def forget_search(self) -> None:
        """Search holds nothing any more: every photo has to be pushed."""
        with self._database.transaction() as writer:
            writer.execute("UPDATE photo SET search_revision = 0 WHERE search_revision <> 0")
            _clear_refusals(writer)

    def count_pushed(self) -> int:
        """How many documents search should have."""
        return self._database.count("SELECT count(*) FROM photo WHERE search_revision <> 0")

    def checkpoint(self) -> str:
        """Where search stood when it last was known to hold what is remembered of it; "" where that is unknown."""
        return str(self._database.reader.execute("SELECT position FROM search").fetchone()[0])

    def store_checkpoint(self, checkpoint: str) -> None:
        """Search was found to hold what is remembered of it; "" asks for the next comparison."""
        with self._database.transaction() as writer:
            _store_checkpoint(writer, checkpoint)

    def differences(self, held: Iterable[tuple[str, int]]) -> Differences:
        """How (id, revision) of what search holds differ from the catalogue, leaving out what waits to be pushed."""
        with self._with_held_table(held) as connection:
            missing, outdated, surplus = connection.execute(_DIFFERENCES).fetchone()
            (unknown,) = connection.execute(f"SELECT count(*) {_UNKNOWN}").fetchone()
        return Differences(missing, outdated, surplus + unknown)

    def reconcile(self, held: Iterable[tuple[str, int]], delete: Callable[[Sequence[str]], None]) -> Differences:
        """Makes a difference between the catalogue and (id, revision) of what search holds into work for the outbox.

        `delete` is given, in portions, the ids that no photo ever had. Memory is bounded, whatever the number of
        photos: `held` goes into a temporary table on the disk. Nothing changes where `held` raises.
        """
        with self._with_held_table(held) as connection:
            connection.execute(_NOTE_DIFFERING)
            missing, outdated, surplus = connection.execute(_COUNT_DIFFERING).fetchone()
            for rows in _batches(connection.execute("SELECT * FROM differing ORDER BY row")):
                with self._database.transaction() as writer:
                    writer.executemany(
                        "UPDATE photo SET search_revision = :unclear WHERE rowid = :row AND search_revision = :noted",
                        map(dict, rows),
                    )
            for rows in _batches(connection.execute(f"SELECT held.id AS id {_UNKNOWN}")):
                delete([row["id"] for row in rows])
                surplus += len(rows)
            if connection.execute("SELECT 1 FROM held LIMIT 1").fetchone() is None:
                with self._database.transaction() as writer:
                    _clear_refusals(writer)  # a search that begins with nothing may be another one, with other limits
        return Differences(missing, outdated, surplus)

    @contextmanager
    def _with_held_table(self, held: Iterable[tuple[str, int]]) -> Iterator[sqlite3.Connection]:
        """A connection on which the temporary table `held` stands beside the catalogue's."""
        with self._database.workspace() as connection:
            connection.execute("CREATE TEMPORARY TABLE held (id TEXT, revision INTEGER)")
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO held VALUES (?, ?)", held)
            connection.execute("CREATE INDEX temp.held_id ON held (id, revision)")  # half the time of a primary key
            connection.execute("COMMIT")
            yield connection


# What is noted differs from what is held; that a photo's state in search is unclear is no news while it is held. In a
# table of its own, and by row: marking a library in the order of its ids, beside an open read, took 10 GB of journal.
_NOTE_DIFFERING = f"""CREATE TEMPORARY TABLE differing AS
    SELECT photo.rowid AS row, search_revision AS noted, gone,
        CASE WHEN held.id IS NULL THEN 0 WHEN held.revision = {REFILL} THEN {REFILL} ELSE {UNCLEAR} END AS unclear
    FROM photo LEFT JOIN held ON held.id = photo.id
    WHERE search_revision IS NOT coalesce(held.revision, 0)
    AND NOT (search_revision < 0 AND held.id IS NOT NULL)"""

_COUNT_DIFFERING = f"""SELECT count(*) FILTER (WHERE gone = 0 AND unclear IN (0, {REFILL})),
    count(*) FILTER (WHERE gone = 0 AND unclear = {UNCLEAR}),
    count(*) FILTER (WHERE gone = 1 AND unclear <> 0) FROM differing"""

# The plus signs keep to `photo_search`, which has all that is asked for.
_DIFFERENCES = """SELECT count(*) FILTER (WHERE gone = 0 AND held.id IS NULL),
    count(*) FILTER (WHERE gone = 0 AND held.id IS NOT NULL), count(*) FILTER (WHERE gone = 1)
    FROM photo LEFT JOIN held ON held.id = photo.id
    WHERE (+gone = 0 AND search_revision = photo.revision AND held.revision IS NOT photo.revision)
    OR (+gone = 1 AND search_revision = 0 AND held.id IS NOT NULL)"""

_UNKNOWN = "FROM held INDEXED BY held_id WHERE NOT EXISTS (SELECT 1 FROM photo WHERE photo.id = held.id)"


def _batches(rows: sqlite3.Cursor) -> Iterator[list[sqlite3.Row]]:
    while some := rows.fetchmany(_AT_ONCE):
        yield some


def _clear_refusals(writer: sqlite3.Connection) -> None:
    writer.execute("UPDATE photo SET refused_revision = 0, refused_reason = NULL WHERE refused_revision > 0")


def _store_checkpoint(writer: sqlite3.Connection, checkpoint: str | None) -> None:
    if checkpoint is not None:
        writer.execute("UPDATE search SET position = ?", (storable(checkpoint),))
