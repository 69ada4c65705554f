"""Library roots: which are known, what could not be read in them, and the scans of them that another process asks for.

A request goes through the catalogue, as both processes have the data directory: no port, no password and no socket is
needed, and a request outlives neither process.
"""

# ruff: noqa: S608 - the SQL is put together from this package's own constants; values are always bound
# ruff: noqa: PTH116 - paths are the file system's own bytes here, which pathlib does not take

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from indexer.catalogue.rows import now
from indexer.model import JobKind
from indexer.reasons import Reason, ReasonCode
from indexer.sqlite.database import Database
from indexer.sqlite.errors import damage_in_rows


def ensure_root(writer: sqlite3.Connection, root: Path) -> tuple[int, bytes]:
    """(id, folder): the known root that `root` is or lies in, and which folder of that it is. Makes it where new."""
    path = os.fsencode(root)
    row = writer.execute("SELECT id FROM root WHERE path = ?", (path,)).fetchone()
    if row is not None:
        return row["id"], b""
    for parent in root.parents:
        row = writer.execute("SELECT id FROM root WHERE path = ?", (os.fsencode(parent),)).fetchone()
        if row is not None:
            return row["id"], os.fsencode(root.relative_to(parent))
    root_id = writer.execute("INSERT INTO root (path) VALUES (?)", (path,)).lastrowid
    if root_id is None:
        raise sqlite3.DatabaseError("SQLite gave a new root no id")
    _adopt_roots_below(writer, root_id, path)
    return root_id, b""


def _adopt_roots_below(writer: sqlite3.Connection, root_id: int, path: bytes) -> None:
    start = path.rstrip(b"/") + b"/"
    rows = writer.execute("SELECT id, path FROM root WHERE id <> ?", (root_id,)).fetchall()
    for row in rows:
        if row["path"].startswith(start):
            folder = row["path"][len(start) :]
            writer.execute(
                """UPDATE file SET root_id = ?, folder = CAST(? || CASE WHEN folder = x'' THEN x'' ELSE x'2f' END
                || folder AS BLOB) WHERE root_id = ?""",
                (root_id, folder, row["id"]),
            )
            writer.execute("DELETE FROM root WHERE id = ?", (row["id"],))


def device_of(root: Path) -> int | None:
    """st_dev of a root as SQLite can hold it, or None where it is not there."""
    try:
        return os.stat(root).st_dev & 0x7FFF_FFFF_FFFF_FFFF
    except OSError:
        return None


def absent_roots(reader: sqlite3.Connection, root_id: int) -> tuple[int, ...]:
    """The ids of the other roots that are not there now, or hold nothing. May take as long as their disks do."""
    rows = reader.execute("SELECT id, path FROM root WHERE id <> ?", (root_id,)).fetchall()
    return tuple(row["id"] for row in rows if not _holds_anything(row["path"]))


def _holds_anything(path: bytes) -> bool:
    try:
        with os.scandir(path) as entries:
            return next(entries, None) is not None
    except OSError:
        return False


def clear_reason_of_emptied_roots(writer: sqlite3.Connection, absent: Sequence[int]) -> None:
    """A root that is not there and has no present file left has lost nothing."""
    writer.execute(
        """UPDATE root SET held_back = NULL WHERE id IN (SELECT value FROM json_each(?))
        AND NOT EXISTS (SELECT 1 FROM file WHERE root_id = root.id AND missing_since IS NULL)""",
        (json.dumps(absent),),
    )


#: By the errno's name (errno(3)); any other is shown in the system's words.
_REASONS = MappingProxyType(
    {
        "EACCES": ReasonCode.NOT_ALLOWED,
        "EPERM": ReasonCode.NOT_ALLOWED,
        "ENOENT": ReasonCode.NOT_THERE,
        "ENOTDIR": ReasonCode.NO_FOLDER,
        "EIO": ReasonCode.DISK_UNREADABLE,
        "ENAMETOOLONG": ReasonCode.PATH_TOO_LONG,
        "ELOOP": ReasonCode.LINKS_IN_CIRCLES,
        "ESTALE": ReasonCode.SERVER_LOST_IT,
        "ENOTCONN": ReasonCode.SERVER_SILENT,
        "EHOSTDOWN": ReasonCode.SERVER_SILENT,
        "ETIMEDOUT": ReasonCode.SERVER_SILENT,
    }
)


def error_code(error: OSError) -> str:
    """The errno's name, such as EACCES; EIO where the system gave none."""
    return errno.errorcode.get(error.errno or errno.EIO, "EIO")


def unreadable_reason(code: str) -> Reason:
    """The reason for an errno's name."""
    if (known := _REASONS.get(code)) is not None:
        return Reason(known)
    return Reason.of(ReasonCode.SYSTEM_ERROR, error=os.strerror(getattr(errno, code, errno.EIO)))


def is_gone(path: bytes) -> bool:
    """Whether nothing is there; False where that is not known, for want of rights or on a broken disk."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def is_readable(path: bytes) -> bool:
    """Whether a folder can be listed and its first entry be inspected; of a file, whether it is there."""
    try:
        with os.scandir(path) as entries:
            first = next(entries, None)
            return first is None or first.stat(follow_symlinks=False) is not None
    except NotADirectoryError:
        return not is_gone(path)
    except OSError:
        return False


def outermost_only(places: dict[bytes, str]) -> dict[bytes, str]:
    """Without those that lie below another one; paths are relative, "/"-separated."""
    return {place: code for place, code in places.items() if not _has_parent_in(place, places)}


def _has_parent_in(place: bytes, places: dict[bytes, str]) -> bool:
    while place:
        place = place.rpartition(b"/")[0]
        if place in places:
            return True
    return False


@dataclass(frozen=True, slots=True)
class UnreadablePlace:
    """A folder, or a file, that can't be read: `code` is the errno's name, `since` when a scan first found it so."""

    path: Path
    code: str
    since: datetime
    files: int  # known photo files in it, which are kept as they are

    @property
    def reason(self) -> Reason:
        """The reason for the code."""
        return unreadable_reason(self.code)


class UnreadablePlaces:
    """The folders and files that the last scan could not read; what is in them is neither seen nor missing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @damage_in_rows()
    def first(self, limit: int = 100) -> list[UnreadablePlace]:
        """By path, `limit` at most."""
        rows = self._database.reader.execute(
            f"""SELECT root.path AS root, unreadable.path AS path, code, at,
            (SELECT count(*) FROM file WHERE file.root_id = unreadable.root_id AND missing_since IS NULL
                AND {_INSIDE}) AS files
            FROM unreadable JOIN root ON root.id = unreadable.root_id ORDER BY root.path, unreadable.path LIMIT ?""",
            (limit,),
        )
        return [
            UnreadablePlace(
                Path(os.fsdecode(row["root"])) / os.fsdecode(row["path"]),
                row["code"],
                datetime.fromisoformat(row["at"]),
                row["files"],
            )
            for row in rows
        ]


# "/" is x'2f', and x'30' follows it.
_INSIDE = """(folder = unreadable.path
    OR (folder > CAST(unreadable.path || x'2f' AS BLOB) AND folder < CAST(unreadable.path || x'30' AS BLOB)))"""


def replace_unreadable(writer: sqlite3.Connection, root_id: int, below: bytes, places: Mapping[bytes, str]) -> None:
    """Stores what a scan of the folder `below` of a root could not read, in place of what was stored of it, inside the
    caller's transaction; what was stored before keeps its time."""
    scanned = [
        row["path"]
        for row in writer.execute("SELECT path FROM unreadable WHERE root_id = ?", (root_id,))
        if not below or row["path"] == below or row["path"].startswith(below + b"/")
    ]
    writer.executemany(
        "DELETE FROM unreadable WHERE root_id = ? AND path = ?",
        [(root_id, path) for path in scanned if path not in places],
    )
    writer.executemany(
        """INSERT INTO unreadable (root_id, path, code, at) VALUES (?, ?, ?, ?)
        ON CONFLICT (root_id, path) DO UPDATE SET code = excluded.code""",
        [(root_id, path, code, now()) for path, code in places.items()],
    )


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """`roots` are to be scanned. `progress` is the scanning process's latest, None before it has taken the request up;
    `done`: the scan is over, and what it found is indexed."""

    id: int
    roots: tuple[Path, ...]
    progress: dict[str, Any] | None
    done: bool


class ScanRequests:
    """The catalogue's side of scans on request."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, roots: Sequence[Path]) -> int:
        """Returns the request's id."""
        paths = json.dumps([os.fspath(root) for root in roots])  # ASCII escapes keep names that are not UTF-8
        with self._database.transaction() as writer:
            made = writer.execute("INSERT INTO scan_request (roots, at) VALUES (?, ?) RETURNING id", (paths, now()))
            return int(made.fetchone()["id"])

    def get(self, request_id: int) -> ScanRequest | None:
        """How far it is; None where it was withdrawn, or its process began anew."""
        return next((one for one in self.pending() if one.id == request_id), None)

    def pending(self) -> list[ScanRequest]:
        """All that are not withdrawn, the oldest first."""
        rows = self._database.reader.execute("SELECT id, roots, progress, done FROM scan_request ORDER BY id")
        return [
            ScanRequest(
                id=row["id"],
                roots=tuple(map(Path, json.loads(row["roots"]))),
                progress=json.loads(row["progress"]) if row["progress"] else None,
                done=bool(row["done"]),
            )
            for row in rows
        ]

    def update(self, request_id: int, progress: dict[str, Any], *, done: bool) -> None:
        """Stores the scanning process's progress; nothing happens where the request was withdrawn."""
        self._database.write(
            "UPDATE scan_request SET progress = ?, done = ? WHERE id = ?", (json.dumps(progress), done, request_id)
        )

    def remove(self, request_id: int) -> None:
        """Nobody waits for it any more."""
        self._database.write("DELETE FROM scan_request WHERE id = ?", (request_id,))

    def remove_done(self) -> None:
        """Those whose process was killed before it could withdraw them."""
        self._database.write("DELETE FROM scan_request WHERE done")

    def count_jobs(self, roots: Sequence[Path]) -> int:
        """How many jobs that a scan of these roots makes are queued or in hand."""
        with self._database.transaction() as writer:
            ids = json.dumps([ensure_root(writer, root)[0] for root in roots])
        return self._database.count(
            """SELECT count(*) FROM job JOIN file ON file.id = job.file_id
            WHERE state IN ('queued', 'claimed') AND file.missing_since IS NULL AND kind IN (?, ?)
            AND file.root_id IN (SELECT value FROM json_each(?))""",
            (JobKind.INDEX.value, JobKind.RETRY_WRITE.value, ids),
        )
