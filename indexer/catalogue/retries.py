"""What could not be done for a reason that may be over later, and when it becomes work again.

Set aside: a job waits until `retry_at`, a file without rights until it can be opened. A caption that an obstacle keeps
out of a file is written by a job of its own once the obstacle may be gone; what fails again waits longer each time.
Nothing is opened but to ask whether it can be, and a folder is asked once for all its files.
"""

# ruff: noqa: S608 - the SQL is put together from this package's own constants; values are always bound

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from indexer.atomic.file_systems import usable_bytes
from indexer.catalogue.file_rows import below_condition
from indexer.catalogue.job_queue import RANK, SET_ASIDE, SetAside, set_aside_from_row
from indexer.catalogue.roots import ensure_root
from indexer.errors import LONGEST_WAIT, RETRIED_AT_START, FailureKind, Obstacle
from indexer.model import CaptionPlace, JobKind
from indexer.settings import Settings
from indexer.sqlite.database import Database
from indexer.sqlite.errors import damage_in_rows

#: A caption that could not be written again is tried after an hour, then after twice as long each time.
_FIRST_WRITE_WAIT, _LONGEST_WRITE_WAIT = timedelta(hours=1), timedelta(days=7)

#: What was set aside more often than so is not tried again at each start, which may be every few minutes.
MOST_STARTS = 3

# Attempts begin anew; `rounds` and the rank that failing has added stay: it comes behind what has not failed.
_RETRY = "state = 'queued', attempts = 0, suspect = 0, again = 0, claimed_at = NULL, retry_at = NULL"


@dataclass(frozen=True, slots=True)
class BlockedFile:
    """A file whose caption stands at `place`, and not further up, for an obstacle."""

    id: int
    path: bytes
    size: int
    obstacle: Obstacle
    place: CaptionPlace | None


class Retries:
    """The catalogue's side of trying again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def can_be_written(self) -> bool:
        """Whether the catalogue's disk has room and lets us write, by trying it."""
        return self._database.can_be_written()

    def set_aside_below(self, kind: FailureKind, root: Path) -> list[SetAside]:
        """The present files below `root` that were set aside for this kind of reason."""
        with self._database.transaction() as writer:
            root_id, below = ensure_root(writer, root)
        where, values = below_condition(below)
        rows = self._database.reader.execute(
            f"{SET_ASIDE} AND job.reason_kind = ? AND file.root_id = ? AND {where} ORDER BY job.id",
            (kind.value, root_id, *values),
        )
        return [set_aside_from_row(row) for row in rows]

    def retry(self, ids: Collection[int]) -> int:
        """Queues what was set aside, behind what has not failed; returns how many. The next wait is a longer one."""
        with self._database.transaction() as writer:
            return writer.executemany(
                f"UPDATE job SET {_RETRY} WHERE state = 'aside' AND id = ?", [(one,) for one in ids]
            ).rowcount

    def retry_due(self) -> int:
        """Queues what was set aside and whose wait is over; returns how many."""
        return self._database.write(
            f"UPDATE job SET {_RETRY} WHERE state = 'aside' AND retry_at NOT BETWEEN ? AND ?", from_now(LONGEST_WAIT)
        )

    def retry_at_start(self) -> int:
        """Queues what was set aside for a reason that a start may have ended, and lets writes be tried at once."""
        kinds = json.dumps([kind.value for kind in RETRIED_AT_START])
        with self._database.transaction() as writer:
            writer.execute("UPDATE file SET write_at = NULL WHERE obstacle IS NOT NULL AND write_at IS NOT NULL")
            return writer.execute(
                f"""UPDATE job SET {_RETRY} WHERE state = 'aside'
                AND reason_kind IN (SELECT value FROM json_each(?)) AND rounds <= ?""",
                (kinds, MOST_STARTS),
            ).rowcount

    def blocked_files(
        self, root: Path, obstacles: Collection[Obstacle], *, after: int = 0, limit: int = 1000
    ) -> list[BlockedFile]:
        """The present files below `root` whose caption one of these obstacles keeps out, whose time has come and that
        no job waits for, in the order of their ids, for scanning through all of them: pass the last one as `after`."""
        with self._database.transaction() as writer:
            root_id, below = ensure_root(writer, root)
        where, values = below_condition(below)
        span = from_now(_LONGEST_WRITE_WAIT)
        rows = self._database.reader.execute(
            f"""SELECT file.id, root.path AS root, folder, name, size, obstacle, caption_place
            FROM file JOIN root ON root.id = file.root_id
            WHERE file.obstacle IN (SELECT value FROM json_each(?)) AND file.root_id = ? AND {where} AND file.id > ?
            AND missing_since IS NULL AND (write_at IS NULL OR write_at NOT BETWEEN ? AND ?)
            AND NOT EXISTS (SELECT 1 FROM job WHERE job.file_id = file.id) ORDER BY file.id LIMIT ?""",
            (json.dumps([one.value for one in obstacles]), root_id, *values, after, *span, limit),
        )
        return [_blocked_file(row) for row in rows]

    def count_without_space(self) -> int:
        """How many present files could not get their caption because the library's disk has no room."""
        query = "SELECT count(*) FROM file WHERE obstacle = ? AND missing_since IS NULL"
        return self._database.count(query, (Obstacle.SPACE.value,))

    def enqueue_writes(self, file_ids: Iterable[int]) -> int:
        """Queues the writing of what the catalogue says of these files' photos; returns how many jobs are new."""
        chosen = json.dumps(list(file_ids))
        with self._database.transaction() as writer:
            return _enqueue_writes(writer, "file.id IN (SELECT value FROM json_each(:values))", chosen)

    def enqueue_all_writes(self, obstacles: Collection[Obstacle]) -> int:
        """Queues the writing of every caption that one of these obstacles kept out of a file, whether or not its time
        has come; returns how many jobs are new."""
        chosen = json.dumps([one.value for one in obstacles])
        with self._database.transaction() as writer:
            return _enqueue_writes(writer, "file.obstacle IN (SELECT value FROM json_each(:values))", chosen)

    def retry_below(self, root: Path, settings: Settings) -> int:
        """Queues what may be done now below a root that was scanned; returns how many jobs that are."""
        # A disk that was pulled out while its photos were being read is back: they are not to blame.
        number = self.retry([one.id for one in self.set_aside_below(FailureKind.VANISHED, root)])
        return number + self._retry_unblocked(root, settings, retryable_obstacles(settings))

    def retry_between_scans(self, root: Path, settings: Settings) -> int:
        """As `retry_below`, of what the file system tells without a try: rights, room, owner, links. Where none of that
        has changed nothing is queued, however often it is called."""
        return self._retry_unblocked(root, settings, retryable_obstacles(settings) & _VISIBLE_OBSTACLES)

    def _retry_unblocked(self, root: Path, settings: Settings, obstacles: frozenset[Obstacle]) -> int:
        denied = [one for one in self.set_aside_below(FailureKind.DENIED, root) if _can_be_opened(one.file.path)]
        number, after, probe = self.retry([one.id for one in denied]), 0, _Probe(settings.sidecar_dir)
        while obstacles and (page := self.blocked_files(root, obstacles, after=after)):
            number += self.enqueue_writes([one.id for one in page if probe.may_have_ended(one)])
            after = page[-1].id
        return number


def from_now(longest: timedelta) -> tuple[str, str]:
    """From now to the end of the longest wait. What waits for a later moment began to while the clock was ahead, as
    that of a machine without a battery may be until it is set: it would wait for years."""
    moment = datetime.now(UTC)
    return moment.isoformat(timespec="milliseconds"), (moment + longest).isoformat(timespec="milliseconds")


def _enqueue_writes(writer: sqlite3.Connection, condition: str, values: str) -> int:
    # Where a person has decided on the page, what they decided is carried out; see `journeys.write_caption_job`.
    return writer.execute(
        f"""INSERT INTO job (file_id, kind, rank)
        SELECT file.id, CASE WHEN photo.corrected_at IS NULL THEN :write ELSE :words END, :rank
        FROM file JOIN photo ON photo.id = file.photo_id
        WHERE {condition} AND file.obstacle IS NOT NULL AND file.missing_since IS NULL
        AND NOT EXISTS (SELECT 1 FROM job WHERE job.file_id = file.id AND job.state <> 'aside')
        ORDER BY file.id ON CONFLICT (file_id, kind) DO NOTHING""",
        {
            "write": JobKind.RETRY_WRITE.value,
            "words": JobKind.WRITE_CAPTION.value,
            "rank": RANK[JobKind.RETRY_WRITE],
            "values": values,
        },
    ).rowcount


def next_write_try(row: sqlite3.Row, obstacle: Obstacle | None) -> tuple[int, str | None]:
    """How often a file's caption was tried in vain, and when it may be tried again, after a settled job.

    `row` is the file's, with its job's `rank`. The first time in vain counts for nothing: the next scan looks.
    """
    if obstacle is None or row["rank"] != RANK[JobKind.RETRY_WRITE]:
        return 0, None
    wait = min(_LONGEST_WRITE_WAIT, _FIRST_WRITE_WAIT * 2 ** min(row["write_tries"], 16))
    return row["write_tries"] + 1, (datetime.now(UTC) + wait).isoformat(timespec="milliseconds")


@damage_in_rows()
def _blocked_file(row: sqlite3.Row) -> BlockedFile:
    place = CaptionPlace(row["caption_place"]) if row["caption_place"] else None
    path = os.path.join(row["root"], row["folder"], row["name"])  # noqa: PTH118 - bytes
    return BlockedFile(row["id"], path, row["size"], Obstacle(row["obstacle"]), place)


#: Obstacles that the file system tells of, without a try.
_VISIBLE_OBSTACLES = frozenset({Obstacle.RIGHTS, Obstacle.SPACE, Obstacle.OWNER, Obstacle.LINKS})


def retryable_obstacles(settings: Settings) -> frozenset[Obstacle]:
    """The obstacles that these settings do not keep up."""
    if settings.captions == "off":
        return frozenset()
    kept = set() if settings.write_unsure else {Obstacle.NOT_SURE}
    if settings.captions != "embed":
        kept.add(Obstacle.SIDECAR_WANTED)
    return frozenset(Obstacle) - kept


class _Probe:
    """Asks the file system, not the files, whether an obstacle may be gone; lives for one scan."""

    def __init__(self, sidecar_dir: Path | None) -> None:
        self._tree = None if sidecar_dir is None else os.fsencode(sidecar_dir)
        self._writable = cache(_is_writable)
        self._room_bytes = cache(_room_bytes)

    def may_have_ended(self, blocked: BlockedFile) -> bool:
        """True, too, where only a try can tell."""
        folder = os.path.dirname(blocked.path)  # noqa: PTH120 - bytes
        if blocked.obstacle is Obstacle.RIGHTS:
            return any(map(self._writable, self._places(blocked, folder))) and _has_access(blocked.path, os.R_OK)
        if blocked.obstacle is Obstacle.SPACE:
            return any(self._room_bytes(place) > blocked.size for place in self._places(blocked, folder))
        if blocked.obstacle is Obstacle.OWNER:
            return _is_ours(blocked.path, folder)
        return blocked.obstacle is not Obstacle.LINKS or _links(blocked.path) == 1

    def _places(self, blocked: BlockedFile, folder: bytes) -> list[bytes]:
        """Where something could be written: beside the photo; where it stands nowhere yet, in the sidecars' tree."""
        return [folder, self._tree] if self._tree and blocked.place is CaptionPlace.INDEX else [folder]


def _can_be_opened(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _is_writable(folder: bytes) -> bool:
    """Of a folder that is not there yet, the one above it counts."""
    while not os.path.lexists(folder) and folder != b"/":
        folder = os.path.dirname(folder)  # noqa: PTH120 - bytes
    return _has_access(folder, os.W_OK | os.X_OK)


def _has_access(path: bytes, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _room_bytes(folder: bytes) -> float:
    try:
        return usable_bytes(os.statvfs(folder))
    except OSError:
        return 0.0


def _is_ours(path: bytes, folder: bytes) -> bool:
    """Whether a file keeps owner and group where we replace it."""
    try:
        status, above = os.stat(path), os.stat(folder)  # noqa: PTH116 - bytes
    except OSError:
        return False
    groups = {os.getegid(), *os.getgroups(), above.st_gid}
    return os.geteuid() == 0 or (status.st_uid == os.geteuid() and status.st_gid in groups)


def _links(path: bytes) -> int:
    try:
        return os.stat(path).st_nlink  # noqa: PTH116 - bytes
    except OSError:
        return 0
