"""Arrays derived from the search file, kept in files beside it that are mapped into memory.

What is mapped takes no memory until somebody looks at it, and the kernel may drop it again. Such a file is derived from
the search file as that is from the catalogue: one that is damaged, of another version, or of another search file than
the one that is there now is deleted, and made again from the rows.

In a file the arrays lie one after another, each from a multiple of 64 bytes on. After them come what they are of and
where each lies, as JSON, and the footer: its length, the CRC-32 of everything before, and the kind of file.
"""

from __future__ import annotations

import errno
import json
import logging
import mmap
import os
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from indexer.atomic.file_systems import usable_bytes
from indexer.atomic.replace import write_private
from indexer.search.embedded.schema import KEPT_FORGOTTEN, State

log = logging.getLogger(__name__)

#: Fewer photos are read from the rows within a fifth of a second.
LEAST_PHOTOS = 20_000
# What has changed since is read from the rows at the next start, for half a second at most; every state of the search
# file that has so few changes behind it is still in its history.
_SHARE_CHANGED = 16
_MOST_CHANGED = KEPT_FORGOTTEN // 2
_AGAIN_AFTER_S = 600.0
_ALIGNED_BYTES = 64
_CHUNK_BYTES = 1 << 20
_FOOTER = struct.Struct("<II8s")
_KIND = b"arrays-1"

#: An array in parts: of one kind, and of one length in every dimension but the first. There is at least one.
Blocks = Iterable[NDArray[Any]]
About = Mapping[str, str | int]


class _Stopped(Exception):
    """The index is being closed: what was written so far is of no use."""


class ArrayStore:
    """Reads and writes one such file; thread-safe.

    `layout` is another number whenever the arrays mean something else than before. `writable` False leaves the file as
    it is, whatever is wrong with it. No more is written than `usable_bytes` of its folder.
    """

    def __init__(
        self,
        path: Path,
        layout: int,
        *,
        writable: bool = True,
        least_photos: int = LEAST_PHOTOS,
        usable_bytes: Callable[[Path], float] = lambda folder: usable_bytes(os.statvfs(folder)),
    ) -> None:
        self._usable_bytes = usable_bytes
        self._path = path
        self._layout = layout
        self._writable = writable
        self._least_photos = least_photos
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failed_at = -_AGAIN_AFTER_S

    def load(self, is_known: Callable[[State], bool]) -> tuple[State, dict[str, Any], dict[str, NDArray[Any]]] | None:
        """The state of the search file that the arrays belong to, what else was stored with them, and the arrays; None
        where there are none that can be used, or their state is not known as an earlier one of the search file."""
        try:
            about, arrays = map_arrays(self._path)
            if about.pop("layout") != self._layout:
                raise ValueError("it is another version's")
            state = State(about.pop("generation"), about.pop("epoch"), about.pop("position"))
            if not is_known(state):
                raise ValueError("it is of another search index")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log.warning("%s is not used, and made again: %s", self._path, error)
            self._discard()
            return None
        return state, about, arrays

    def is_due(self, photos: int, changed: int) -> bool:
        """Whether to write the arrays of so many photos, so many of which have changed since they were written."""
        return (
            self._writable and photos >= self._least_photos and changed > min(photos // _SHARE_CHANGED, _MOST_CHANGED)
        )

    def write(self, state: State, about: About, arrays: Mapping[str, Blocks], then: Callable[[], None]) -> None:
        """Writes them in a thread, and calls `then` in it once they are there; does nothing while it is at it already,
        or shortly after it failed. Arrays are asked for their parts in their order, one at a time."""
        with self._lock:
            is_busy = self._thread is not None and self._thread.is_alive()
            if is_busy or self._stop.is_set() or time.monotonic() - self._failed_at < _AGAIN_AFTER_S:
                return
            description = {"layout": self._layout, **state._asdict(), **about}
            self._thread = threading.Thread(target=self._write, args=(description, arrays, then), name="search arrays")
            self._thread.start()

    def settle(self) -> None:
        """Waits for the write that is under way."""
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Ends the writing; closing twice is fine."""
        with self._lock:
            self._stop.set()
        self.settle()

    def _write(self, about: About, arrays: Mapping[str, Blocks], then: Callable[[], None]) -> None:
        try:
            write_arrays(self._path, about, {name: self._until_stopped(blocks) for name, blocks in arrays.items()})
        except _Stopped:
            return
        except OSError as error:
            self._failed_at = time.monotonic()
            log.warning("%s can't be written, so the next start takes longer: %s", self._path, error)
            return
        then()

    def _until_stopped(self, blocks: Blocks) -> Iterator[NDArray[Any]]:
        for block in blocks:
            if self._stop.is_set():
                raise _Stopped
            # The rest of the disk is left to the catalogue: without these files only the start is slower.
            if block.nbytes > self._usable_bytes(self._path.parent):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            yield block

    def _discard(self) -> None:
        if not self._writable:
            return
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s can't be deleted: %s", self._path, error)


def write_arrays(path: Path, about: About, arrays: Mapping[str, Blocks]) -> None:
    """Replaces the file as `write_private` does. Arrays are asked for their parts in their order, one at a time."""
    write_private(path, _with_footer(_content(about, arrays)))


def map_arrays(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What `write_arrays` was given; the arrays can't be written to. Raises `OSError`, and `ValueError` for a file that
    is damaged or of another kind.

    The file is read once for its checksum: a page that the disk can't read would end the process if it were met later.
    """
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size - _FOOTER.size
        if end < 0:
            raise ValueError("it is cut off")
        file.seek(end)
        length, checksum, kind = _FOOTER.unpack(file.read(_FOOTER.size))
        if kind != _KIND or length > end:
            raise ValueError("it is cut off, or another version's")
        if _checksum(file, end) != checksum:
            raise ValueError("its checksum is wrong")
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    description = json.loads(mapped[end - length : end])
    return description["about"], {
        name: np.ndarray(shape, np.dtype(kind), mapped, start)
        for name, (start, kind, shape) in description["arrays"].items()
    }


def _checksum(file: BinaryIO, end: int) -> int:
    file.seek(0)
    checksum, left, chunk = 0, end, bytearray(_CHUNK_BYTES)
    while left:
        count = file.readinto(memoryview(chunk)[:left])  # type: ignore[attr-defined]
        if not count:
            raise ValueError("it was cut off meanwhile")
        checksum = zlib.crc32(memoryview(chunk)[:count], checksum)
        left -= count
    return checksum


def _content(about: About, arrays: Mapping[str, Blocks]) -> Iterator[bytes | memoryview]:
    places: dict[str, tuple[int, str, list[int]]] = {}
    at = 0
    for name, blocks in arrays.items():
        start, rows = at, 0
        for block in blocks:
            rows, at = rows + len(block), at + block.nbytes
            places[name] = (start, block.dtype.str, [rows, *block.shape[1:]])
            yield np.ascontiguousarray(block).reshape(-1).view(np.uint8).data
        yield bytes(-at % _ALIGNED_BYTES)
        at += -at % _ALIGNED_BYTES
    yield json.dumps({"about": about, "arrays": places}).encode("ascii")


def _with_footer(parts: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    checksum = 0
    part: bytes | memoryview = b""
    for part in parts:
        checksum = zlib.crc32(part, checksum)
        yield part
    yield _FOOTER.pack(len(part), checksum, _KIND)
