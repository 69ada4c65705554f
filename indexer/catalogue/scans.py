"""What a scan finds in the library, compared with what the catalogue has.

New, changed, moved, copied and missing files are told apart by path and stamp alone; no file is opened. Nothing is
ever deleted: a file that is gone is marked missing, and coming back unchanged costs nothing.

A scan marks nothing as missing, and says so, where the root can't be listed, where it is empty but was not, where it
lost more than a tenth of its files and more than twenty at once, or where another file system stands in its place
(st_dev changed) and more than a tenth is lost. Files that left only because the settings now pass them over do not
count as lost. `accept_losses` has the next complete scan's losses accepted.
"""

# ruff: noqa: S608 - the SQL is put together from this package's own constants; values are always bound
# ruff: noqa: PTH118 - paths are the file system's own bytes here, which pathlib does not take

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from indexer.catalogue import file_rows, roots
from indexer.catalogue.found import FolderListing, FoundBatch, StampRow, as_batch
from indexer.catalogue.rows import now, storable
from indexer.model import FoundFile
from indexer.reasons import Reason, ReasonCode, from_stored, stored
from indexer.sqlite.database import Database
from indexer.sqlite.errors import damage_in_rows

#: Losing this many files at once is always accepted, as long as some are left.
SMALL_LOSS = 20
#: Of a root's files; losing more at once is not accepted.
LOSS_SHARE = 0.1

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class NoteCounts:
    """How the files of a batch compare with what was known. `moved` are renamed files; `new` includes copies."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    moved: int = 0

    def __add__(self, other: NoteCounts) -> NoteCounts:
        return NoteCounts(
            self.new + other.new,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.moved + other.moved,
        )


@dataclass(frozen=True, slots=True)
class ScanOutcome:
    """How many files a finished scan marked as missing; `held_back` says why none were.

    `unreadable` are the outermost folders, and files, below the scanned root that could not be read, by the
    errno's name; paths are relative to that root.
    """

    missing: int
    held_back: Reason | None = None
    unreadable: Mapping[bytes, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RootState:
    """What the catalogue knows of one library root."""

    path: Path
    files: int
    missing: int
    walked_at: str | None
    held_back: Reason | None
    passed_over: Mapping[str, int] = field(default_factory=dict)  # how many files of which suffix are not read


@dataclass(slots=True)
class ScanState:
    """A scan that is under way; made by `begin_scan`, used by one task at a time."""

    root: Path
    root_id: int
    below: bytes  # the scan covers this folder of the known root only; b"" for all of it
    number: int
    seen: bytearray  # one byte per file id
    unreadable: dict[bytes, str] = field(default_factory=dict)
    passed_over: Counter[str] = field(default_factory=Counter)
    absent: tuple[int, ...] = ()  # roots that are not there: what was in them may be here now

    def mark(self, file_id: int) -> None:
        """Remembers that the file was found."""
        if file_id >= len(self.seen):
            self.seen.extend(bytes(file_id + 1 - len(self.seen) + 1024))
        self.seen[file_id] = 1

    def folder(self, folder: bytes) -> bytes:
        """A scanned folder, relative to the known root."""
        return file_rows.join(self.below, folder)


class Scans:
    """The catalogue's side of scans."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin_scan(self, root: Path) -> ScanState:
        """Starts a scan of `root`, an absolute folder.

        Known roots never overlap: a root inside a known one is scanned as that one's folder, and known roots inside a
        new one become folders of it, files and all.
        """
        with self._database.transaction() as writer:
            root_id, below = roots.ensure_root(writer, root)
            writer.execute("UPDATE root SET walk = walk + 1, forgotten = 0 WHERE id = ?", (root_id,))
            number = writer.execute("SELECT walk FROM root WHERE id = ?", (root_id,)).fetchone()["walk"]
            last = writer.execute("SELECT coalesce(max(id), 0) FROM file").fetchone()[0]
        absent = roots.absent_roots(self._database.reader, root_id)
        return ScanState(root, root_id, below, number, bytearray(last + 1), absent=absent)

    def note(self, scan: ScanState, files: FoundBatch | Sequence[FoundFile]) -> NoteCounts:
        """Compares a batch with the catalogue: new and changed files become jobs in the same transaction.

        Cheapest with a `FoundBatch` as the crawler yields it: one SELECT per folder, no write where nothing changed.
        """
        batch = files if isinstance(files, FoundBatch) else as_batch(scan.root, files)
        scan.unreadable.update({scan.folder(folder): why for folder, why in batch.unreadable.items()})
        scan.passed_over.update(batch.passed_over)
        unchanged, changed = 0, []
        for listing in batch.listings:
            rest = self._new_or_changed(scan, listing)
            unchanged += len(listing.names) - len(rest)
            changed += [file_rows.FileAt(scan.root_id, scan.folder(listing.folder), *file) for file in rest]
        counts = NoteCounts(unchanged=unchanged)
        for start in range(0, len(changed), _CHUNK):
            counts += self._note_changed(scan, changed[start : start + _CHUNK])
        return counts

    def _new_or_changed(self, scan: ScanState, listing: FolderListing) -> list[tuple[bytes, StampRow]]:
        """The files of a listing that are not known, present and unchanged; the others are marked as seen."""
        if not listing.names:
            return []
        cursor = self._database.reader.cursor()
        cursor.row_factory = None  # plain tuples: this is the loop that a rescan spends its time in
        cursor.execute(
            """SELECT name, id, mtime_ns, size, inode, sidecar FROM file
            WHERE root_id = ? AND folder = ? AND name BETWEEN ? AND ? AND missing_since IS NULL""",
            (scan.root_id, scan.folder(listing.folder), min(listing.names), max(listing.names)),
        )
        known = {row[0]: row for row in cursor}
        rest, seen = [], scan.seen
        for name, stamp in zip(listing.names, listing.stamps, strict=True):
            row = known.get(name)
            if row is not None and row[2:] == stamp and row[1] < len(seen):
                seen[row[1]] = 1
            else:
                rest.append((name, stamp))
        return rest

    def _note_changed(self, scan: ScanState, files: Iterable[file_rows.FileAt]) -> NoteCounts:
        outcomes: list[str] = []
        with self._database.transaction() as writer:
            touched: set[str] = set()
            for file in files:
                file_id, outcome = file_rows.note_file(writer, file, touched, scan.absent)
                scan.mark(file_id)
                outcomes.append(outcome)
            file_rows.touch(writer, touched)
        numbers = Counter(outcomes)
        return NoteCounts(numbers["new"], numbers["changed"], numbers["unchanged"], numbers["moved"])

    def finish_scan(self, scan: ScanState) -> ScanOutcome:
        """Marks what a scan of a root, or of a folder of it, did not see as missing, unless that looks like a lost disk
        (see the module). Files below folders that could not be listed are neither seen nor missing."""
        accepted, emptied = self._root_flags(scan)
        if accepted and roots.is_gone(os.fsencode(scan.root)):
            scan.unreadable.pop(scan.below, None)  # it is gone, and somebody has accepted that
        unseen = self._unseen(scan)
        held_back = None if accepted else self._why_not_accepted(scan, unseen, self._count_known(scan))
        if (code := scan.unreadable.get(scan.below)) is not None and not emptied:
            why = roots.unreadable_reason(code)
            held_back = Reason.of(ReasonCode.ROOT_UNREADABLE, root=_printable(scan.root), why=why, hint=_hint(code))
        passed_over = json.dumps({storable(kind): count for kind, count in scan.passed_over.most_common() if count})
        with self._database.transaction() as writer:
            if held_back is None:
                superseded = file_rows.superseded_files(writer, scan.absent, scan.root_id)
                file_rows.mark_missing(writer, [*(file_id for file_id, _, _ in unseen), *superseded])
                roots.clear_reason_of_emptied_roots(writer, scan.absent)
                writer.execute(  # "x''" is no folder: only after a scan of the whole root
                    "UPDATE root SET device = coalesce(?, device), walked_at = ? WHERE id = ? AND ? = x''",
                    (roots.device_of(scan.root), now(), scan.root_id, scan.below),
                )
                writer.execute("UPDATE root SET accept_losses = 0 WHERE id = ?", (scan.root_id,))
            writer.execute("UPDATE root SET held_back = ? WHERE id = ?", (stored(held_back), scan.root_id))
            unreadable = roots.outermost_only(scan.unreadable) if code is None else {}
            if code is None:
                roots.replace_unreadable(writer, scan.root_id, scan.below, unreadable)
                writer.execute(
                    "UPDATE root SET passed_over = ? WHERE id = ? AND ? = x''", (passed_over, scan.root_id, scan.below)
                )
        start = len(scan.below) + 1 if scan.below else 0
        below = {place[start:]: code for place, code in unreadable.items()}
        return ScanOutcome(0 if held_back else len(unseen), held_back, below)

    def accept_losses(self, root: Path) -> None:
        """The losses of the next complete scan of `root` are accepted, however many they are."""
        with self._database.transaction() as writer:
            root_id, _ = roots.ensure_root(writer, root)
            writer.execute("UPDATE root SET accept_losses = 1 WHERE id = ?", (root_id,))

    def note_missing(self, root: Path, paths: Sequence[Path]) -> ScanOutcome:
        """Marks files, and every file below folders, as missing between scans.

        Losing more at once than a scan would believe is held back: the next scan decides.
        """
        with self._database.transaction() as writer:
            root_id, below = roots.ensure_root(writer, root)
            ids: set[int] = set()
            for path in paths:
                gone = file_rows.join(below, os.fsencode(path.relative_to(root)) if path != root else b"")
                ids.update(file_rows.files_at(writer, root_id, gone))
            known = file_rows.count_present(writer, root_id)
            if len(ids) > 1 and (len(ids) == known or len(ids) > max(SMALL_LOSS, LOSS_SHARE * known)):
                held_back = Reason.of(ReasonCode.GONE_AT_ONCE, root=_printable(root), lost=len(ids), photos=known)
                return ScanOutcome(0, held_back)
            file_rows.mark_missing(writer, sorted(ids))
        return ScanOutcome(len(ids))

    def present_below(self, root: Path, folder: bytes) -> list[bytes]:
        """The paths, relative to `root`, of the files below one of its folders that are not known to be missing."""
        with self._database.transaction() as writer:
            root_id, below = roots.ensure_root(writer, root)
        where, values = file_rows.below_condition(file_rows.join(below, folder))
        rows = self._database.reader.execute(
            f"SELECT folder, name FROM file WHERE root_id = ? AND {where} AND missing_since IS NULL", (root_id, *values)
        )
        start = len(below) + 1 if below else 0
        return [file_rows.join(row["folder"], row["name"])[start:] for row in rows]

    def present_paths(self) -> frozenset[bytes]:
        """The paths of all files that are not known to be missing."""
        rows = self._database.reader.execute(
            """SELECT root.path AS root, folder, name FROM file JOIN root ON root.id = root_id
            WHERE missing_since IS NULL"""
        )
        return frozenset(os.path.join(row["root"], row["folder"], row["name"]) for row in rows)

    @damage_in_rows()
    def roots(self) -> list[RootState]:
        """Every root that was ever scanned and not forgotten."""
        rows = self._database.reader.execute(
            """SELECT path, walked_at, held_back, passed_over,
            (SELECT count(*) FROM file WHERE root_id = root.id) AS files,
            (SELECT count(*) FROM file WHERE root_id = root.id AND missing_since IS NOT NULL) AS missing
            FROM root WHERE NOT forgotten ORDER BY path"""
        )
        return [
            RootState(
                path=Path(os.fsdecode(row["path"])),
                files=row["files"] - row["missing"],
                missing=row["missing"],
                walked_at=row["walked_at"],
                held_back=from_stored(row["held_back"]),
                passed_over=json.loads(row["passed_over"]),
            )
            for row in rows
        ]

    def forget_root(self, root: Path) -> int:
        """Marks every file of a root as missing, for a root that is no longer wanted; returns how many."""
        with self._database.transaction() as writer:
            rows = writer.execute(
                """SELECT file.id FROM file JOIN root ON root.id = file.root_id
                WHERE root.path = ? AND missing_since IS NULL""",
                (os.fsencode(root),),
            ).fetchall()
            file_rows.mark_missing(writer, [row["id"] for row in rows])
            writer.execute(
                "UPDATE root SET forgotten = 1, held_back = NULL, accept_losses = 0 WHERE path = ?",
                (os.fsencode(root),),
            )
            writer.execute(
                "DELETE FROM unreadable WHERE root_id IN (SELECT id FROM root WHERE path = ?)", (os.fsencode(root),)
            )
        return len(rows)

    def forget_old_reasons(self, scanned: Sequence[Path]) -> None:
        """Removes the reasons of roots that are not scanned any more: they may be long out of date."""
        paths = {os.fsencode(root) for root in scanned}
        with self._database.transaction() as writer:
            rows = writer.execute("SELECT id, path FROM root WHERE held_back IS NOT NULL").fetchall()
            old = [(row["id"],) for row in rows if row["path"] not in paths]
            writer.executemany("UPDATE root SET held_back = NULL WHERE id = ?", old)

    def _unseen(self, scan: ScanState) -> list[tuple[int, bytes, bytes]]:
        """(id, folder, name) of the present files that the scan should have found and did not."""
        where, values = file_rows.below_condition(scan.below)
        cursor = self._database.reader.cursor()
        cursor.row_factory = None
        count = cursor.execute(
            f"SELECT count(*) FROM file WHERE root_id = ? AND ({where}) AND missing_since IS NULL",
            (scan.root_id, *values),
        ).fetchone()[0]
        if count == scan.seen.count(1):
            return []
        cursor.execute(
            f"""SELECT id, folder, name FROM file
            WHERE root_id = ? AND ({where}) AND missing_since IS NULL AND seen_walk < ?""",
            (scan.root_id, *values, scan.number),
        )
        seen = scan.seen
        unseen = [row for row in cursor if row[0] >= len(seen) or not seen[row[0]]]
        return [row for row in unseen if not file_rows.is_below_any(file_rows.join(row[1], row[2]), scan.unreadable)]

    def _root_flags(self, scan: ScanState) -> tuple[bool, bool]:
        """Whether the next losses are accepted, and whether the root was scanned before and has no present file any
        more: it has moved, or was given up."""
        row = self._database.reader.execute(
            """SELECT accept_losses, walked_at IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM file WHERE root_id = root.id AND missing_since IS NULL)
            FROM root WHERE id = ?""",
            (scan.root_id,),
        ).fetchone()
        return bool(row[0]), bool(row[1])

    def _count_known(self, scan: ScanState) -> int:
        where, values = file_rows.below_condition(scan.below)
        return self._database.count(
            f"""SELECT count(*) FROM file
            WHERE root_id = ? AND ({where}) AND missing_since IS NULL AND seen_walk < ?""",
            (scan.root_id, *values, scan.number),
        )

    def _why_not_accepted(
        self, scan: ScanState, unseen: Sequence[tuple[int, bytes, bytes]], known: int
    ) -> Reason | None:
        """Why the losses of a scan are not accepted, or None."""
        if not unseen:
            return None
        base = os.fsencode(scan.root)
        start = len(scan.below) + 1 if scan.below else 0
        paths = (file_rows.join(folder, name)[start:] for _, folder, name in unseen)
        lost = sum(roots.is_gone(os.path.join(base, path)) for path in paths)
        where = _printable(scan.root)
        if lost and lost == known and not any(scan.seen):
            return Reason.of(ReasonCode.ROOT_EMPTY, root=where, photos=known, hint=_HINT)
        device = self._database.reader.execute("SELECT device FROM root WHERE id = ?", (scan.root_id,)).fetchone()[0]
        replaced = not scan.below and device is not None and device != roots.device_of(scan.root)
        if lost > LOSS_SHARE * known and (replaced or lost > SMALL_LOSS):
            code = ReasonCode.ROOT_REPLACED if replaced else ReasonCode.ROOT_LOST_PHOTOS
            return Reason.of(code, root=where, lost=lost, photos=known, hint=_HINT)
        return None


def _printable(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


_HINT = Reason(ReasonCode.HINT_MOUNT)


def _hint(code: str) -> Reason:
    """What mends a root that can't be read; `code` is the errno's name."""
    if code in {"EACCES", "EPERM"}:
        return Reason(ReasonCode.HINT_RIGHTS)
    return Reason(ReasonCode.HINT_DISK) if code in {"EIO", "EUCLEAN"} else _HINT
