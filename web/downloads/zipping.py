"""A zip of files as they are, made while it is sent (PKWARE's APPNOTE.TXT 6.3.10, with ZIP64 where it is needed).

Stored, not deflated: photos do not shrink. So its length is known before its first byte, and is kept to whatever
becomes of the files meanwhile. A file that can't be read as announced leaves its room free: a text that names what is
missing goes there, and the rest is filled with zero bytes that no entry of the directory points to.

It is the standard library's writer on a stream that can't be sought, and not zipstream-ng, which knows the length too
but can only raise where a file has gone: half a zip is none.
"""

from __future__ import annotations

import io
import os
import struct
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from zipfile import ZipFile, ZipInfo

BLOCK_BYTES = 256 * 1024
_FILE_MODE = 0o100644 << 16
#: Info-ZIP's "UT" field: the time in UTC seconds. A zip's own is local and of two seconds; readers of both take this.
_TIME_FIELD = struct.Struct("<HHBi")
_EARLIEST, _LATEST = (1980, 1, 1, 0, 0, 0), (2107, 12, 31, 23, 59, 58)
#: Beyond 4 GB, where the directory is at its longest.
_FAR = 1 << 40


@dataclass(frozen=True, slots=True)
class Entry:
    """A file to go in. `open` gives a descriptor of it when its turn has come, None where it is there no more."""

    name: str
    size: int  # bytes
    modified_s: float  # seconds since 1970
    open: Callable[[], int | None]


@dataclass(frozen=True, slots=True)
class Note:
    """The file in the zip that tells which others are missing: `text` makes its content of their names."""

    name: str
    text: Callable[[Sequence[str]], str]


class Zip:
    """A zip of `length` bytes. `missing` are the names of what is not in it: those known from the start, and after
    `blocks` those that were lost on the way."""

    def __init__(self, entries: Sequence[Entry], missing: Sequence[str], note: Note) -> None:
        self._entries = entries
        self._note = note
        self._now_s = time.time()
        self.missing = list(missing)
        self.length = self._measure(entries, self._text() if missing else None)
        self._note_frame = self._measure((), b"", at=_FAR) - self._measure((), None, at=_FAR)

    def blocks(self) -> Generator[bytes, None, None]:
        """The zip, `BLOCK_BYTES` of it at a time or fewer; `length` bytes in all. Blocks while it reads."""
        output = _Output()
        archive = ZipFile(output, "w")
        missing_at_first = len(self.missing)
        for entry in self._entries:
            if not (yield from _store(archive, output, entry)):
                self.missing.append(entry.name)
        if len(self.missing) > missing_at_first:
            yield from self._pad(archive, output)
        elif self.missing:
            archive.writestr(self._note_info(), self._text())
        archive.close()
        yield output.take()

    def _pad(self, archive: ZipFile, output: _Output) -> Iterator[bytes]:
        """The note, and zero bytes up to the offset at which the directory has to begin."""
        room = self.length - output.tell() - self._note_frame - _directory_bytes(archive, self.length)
        if room >= 0:
            archive.writestr(self._note_info(), self._text()[:room].decode(errors="ignore").encode())
        begin = self.length - _directory_bytes(archive, self.length)
        begin = self.length - _directory_bytes(archive, begin)
        while output.tell() < begin:
            output.write(bytes(min(BLOCK_BYTES, begin - output.tell())))
            yield output.take()
        archive.start_dir = begin

    def _measure(self, entries: Sequence[Entry], note: bytes | None, *, at: int = 0) -> int:
        """The end of the zip that begins at `at`, measured by writing it without the files' content."""
        output = _Output(at)
        archive = ZipFile(output, "w")
        for entry in entries:
            info = _info(entry.name, entry.size, entry.modified_s)
            with archive.open(info, "w"):
                output.skip(entry.size)
            info.file_size = info.compress_size = entry.size
            output.take()
        if note is not None:
            archive.writestr(self._note_info(), note)
        archive.close()
        return output.tell()

    def _note_info(self) -> ZipInfo:
        return _info(self._note.name, 0, self._now_s)

    def _text(self) -> bytes:
        return self._note.text(self.missing).encode()


class _Output:
    """The stream that zipfile writes to: it tells its position, can't be sought, and keeps nothing that was taken."""

    def __init__(self, at: int = 0) -> None:
        self._at = at
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._written.append(bytes(data))
        self._at += len(data)
        return len(data)

    def skip(self, count: int) -> None:
        self._at += count

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""

    def take(self) -> bytes:
        """What was written since the last time."""
        data = b"".join(self._written)
        self._written.clear()
        return data


def _store(archive: ZipFile, output: _Output, entry: Entry) -> Generator[bytes, None, bool]:
    """The file's part of the zip; returns whether the whole file is in it."""
    opened = entry.open()
    if opened is None:
        return False
    with open(opened, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor, not a path
        if os.fstat(opened).st_size != entry.size:
            return False
        remaining = entry.size
        with archive.open(_info(entry.name, entry.size, entry.modified_s), "w") as member:
            while remaining and (data := _read(file, remaining)):
                member.write(data)
                remaining -= len(data)
                yield output.take()
    if remaining:
        archive.filelist.pop()
    return not remaining


def _read(file: io.FileIO, most: int) -> bytes:
    """Nothing where the disk has gone."""
    try:
        return file.read(min(BLOCK_BYTES, most))
    except OSError:
        return b""


def _directory_bytes(archive: ZipFile, at: int) -> int:
    """How long the end of the zip is that begins at `at`."""
    output = _Output(at)
    ending = ZipFile(output, "w")
    ending.filelist.extend(archive.filelist)
    ending.close()
    return output.tell() - at


def _info(name: str, size: int, modified_s: float) -> ZipInfo:
    try:
        local = time.localtime(modified_s)[:6]
    except (OverflowError, OSError, ValueError):
        local = _EARLIEST
    info = ZipInfo(name, min(max(local, _EARLIEST), _LATEST))
    info.file_size = size
    info.external_attr = _FILE_MODE
    if 0 <= modified_s < 1 << 31:
        info.extra = _TIME_FIELD.pack(0x5455, 5, 1, int(modified_s))
    return info
