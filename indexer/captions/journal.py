"""What was ever written into photo files: an append-only file of JSON lines, on disk before a file is replaced."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from indexer.errors import StorageError
from indexer.ownership.mark import OwnCaption

NAME = "captions.jsonl"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One replacement that was about to happen. `before` and `after` are SHA-256 of the whole file, None where there
    was or is none; a file whose digest is `after` was replaced, one whose digest is `before` was not."""

    action: str  # "write" or "undo"
    path: str  # of the file that is replaced: the photo, or its sidecar
    before: str | None
    after: str | None
    model: str
    at: str  # ISO 8601, UTC
    by: str | None = None  # whose words were written
    original: str | None = None  # SHA-256 of what an undo gives back: `before` may hold an older caption of ours
    digest: str | None = None  # of the text, see `indexer.ownership.mark.digest`


class Journal:
    """The journal in a data directory. Several processes may write it at once: each line is one locked append.

    Raises `StorageError` where the file can't be written or read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._originals: dict[str, str] = {}
        self._digests: dict[str, set[str]] = {}
        self._read_to = 0

    @classmethod
    def in_dir(cls, data_dir: Path) -> Journal:
        """The journal of this data directory."""
        return cls(data_dir / NAME)

    def record(self, entry: JournalEntry) -> None:
        """On disk when it returns."""
        # ASCII: a file name that is not UTF-8 comes as lone surrogates, which JSON can escape and UTF-8 can't hold.
        line = json.dumps(asdict(entry), separators=(",", ":"), ensure_ascii=True).encode() + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self._append(descriptor, line)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StorageError(
                f"the journal {self.path} can't be written: {error}",
                hint="no photo is changed without it: check that the data directory is writable and has space",
            ) from error

    @staticmethod
    def _append(descriptor: int, line: bytes) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line  # a crash or a full disk left half a line: it must not swallow this one
        while line:
            line = line[os.write(descriptor, line) :]
        os.fsync(descriptor)

    def original(self, digest: str) -> str | None:
        """The SHA-256 that a file of this SHA-256 had before it was captioned; None where no such write is known.

        Reads on from where it stopped last, so that asking about every file of a library reads the journal once.
        """
        self._read_on()
        return self._originals.get(digest)

    def digests(self, path: Path) -> frozenset[str]:
        """Of the texts that were written into this file and not taken out again. Reads on as `original` does."""
        self._read_on()
        return frozenset(self._digests.get(os.fspath(path), ()))

    def _read_on(self) -> None:
        for entry, end in self._entries_from(self._read_to):
            self._read_to = end
            if entry.action == "write" and entry.after and entry.original:
                self._originals[entry.after] = entry.original
            if entry.action == "undo":
                self._digests.pop(entry.path, None)
            elif entry.digest:
                self._digests.setdefault(entry.path, set()).add(entry.digest)

    def entries(self) -> Iterator[JournalEntry]:
        """Oldest first. Lines that a crash cut off are passed over."""
        return (entry for entry, _ in self._entries_from(0))

    def _entries_from(self, start: int) -> Iterator[tuple[JournalEntry, int]]:
        """Each whole line's entry, and the byte behind it."""
        try:
            with self.path.open("rb") as lines:
                at = lines.seek(start)
                for line in lines:
                    at += len(line)
                    entry = _parse(line)
                    if entry is not None:
                        yield entry, at
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError(f"the journal {self.path} can't be read: {error}") from error


def recorder(
    journal: Journal | None, action: str, path: Path, before: str | None, *, own: OwnCaption | None = None
) -> Callable[[str | None], None] | None:
    """What makes the entry once the digest of what is about to stand there is known; None where no journal is kept.
    `own` is the caption that is written."""
    if journal is None:
        return None

    def record(after: str | None) -> None:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        mark = own.mark if own is not None else None
        journal.record(
            JournalEntry(
                *(action, os.fspath(path), before, after),
                model=mark.model if mark else "",
                at=at,
                by=mark.by.value if mark else None,
                original=(mark.before or None) if mark else None,
                digest=mark.digest if mark else None,
            )
        )

    return record


def _parse(line: bytes) -> JournalEntry | None:
    try:
        return JournalEntry(**json.loads(line))
    except (ValueError, TypeError):
        return None
