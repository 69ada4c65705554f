"""Scans a library root and yields what it finds, in batches. Nothing is opened but folders.

Symbolic links to files are followed. Linked folders are scanned last, once each, and only where they do not lead
back above the root; every folder is known by (st_dev, st_ino), so that no loop is scanned twice and a photo keeps its
real path rather than a link's.
"""
# ruff: noqa: PTH116, PTH118, PTH120 - paths are the file system's own bytes here, which pathlib does not take

from __future__ import annotations

import asyncio
import errno
import os
import stat
import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter
from pathlib import Path

from indexer.atomic.temporary import is_temporary
from indexer.catalogue.found import (
    FolderListing,
    FoundBatch,
    SidecarStamps,
    StampRow,
    sidecar_fingerprint,
    signed_inode,
)
from indexer.catalogue.roots import error_code
from indexer.metadata.sidecar_files import is_sidecar_name
from indexer.scanning.crawl_rules import NOMEDIA, CrawlRules

#: A batch is handed over when it has so many files, or after so long.
BATCH_FILES = 2000
BATCH_S = 0.25

_name = attrgetter("name")


async def crawl(
    root: Path, *, include: Sequence[str] = (), exclude: Sequence[str] = (), extensions: Collection[str]
) -> AsyncGenerator[FoundBatch, None]:
    """Every photo file below `root`, an absolute folder, in batches; folders that can't be listed are named in them.

    `extensions` are lower-case and begin with a dot. The scan runs in a thread of its own, so that a disk that does not
    answer holds up nothing else, and stops within `BATCH_S` when the generator is closed. Never raises for what
    it finds on disk; `SettingsError` for a bad pattern.
    """
    crawl = Crawl(root, CrawlRules(include=include, exclude=exclude, extensions=extensions))
    batches = crawl.batches()
    thread = ThreadPoolExecutor(1, thread_name_prefix="scan")
    try:
        while (batch := await asyncio.get_running_loop().run_in_executor(thread, next, batches, None)) is not None:
            yield batch
    finally:
        crawl.stop()
        thread.shutdown(wait=False)


def outermost(roots: Sequence[Path]) -> tuple[Path, ...]:
    """The roots that lie in no other one, links resolved, each once: so no file is found twice."""
    real: dict[Path, Path] = {}
    for root in roots:
        real.setdefault(root.resolve(), root)
    return tuple(root for resolved, root in real.items() if not any(parent in real for parent in resolved.parents))


class Crawl:
    """One scan of one root, or of `start`, a folder below it; synchronous. `stop` may be called from any thread."""

    def __init__(self, root: Path, rules: CrawlRules, *, start: bytes = b"") -> None:
        self._root = root
        self._base = os.fsencode(root)
        self._rules = rules
        self._stopped = False
        self._folders: list[bytes] = [start]  # a stack: depth first, in the order of names
        self._linked: deque[bytes] = deque()
        self._visited: set[tuple[int, int]] = set()
        self._above = _folders_above(self._base)
        self._unreadable: dict[bytes, str] = {}
        self._unswept: set[bytes] = set()
        self._passed_over: Counter[str] = Counter()

    def stop(self) -> None:
        """The scan ends at the next file."""
        self._stopped = True

    def batches(self) -> Iterator[FoundBatch]:
        """What is found; the last batch may hold nothing but unreadable and unswept folders."""
        listings: list[FolderListing] = []
        count, due = 0, time.monotonic() + BATCH_S
        while not self._stopped and (self._folders or self._linked):
            for listing in self._list_next():
                listings.append(listing)
                count += len(listing.names)
                if count >= BATCH_FILES or time.monotonic() > due:
                    yield self._batch(listings)
                    listings, count, due = [], 0, time.monotonic() + BATCH_S
        if listings or self._unreadable or self._unswept or self._passed_over:
            yield self._batch(listings)

    def _batch(self, listings: Sequence[FolderListing]) -> FoundBatch:
        unreadable, self._unreadable = self._unreadable, {}
        unswept, self._unswept = self._unswept, set()
        passed_over, self._passed_over = self._passed_over, Counter()
        return FoundBatch(self._root, listings, unreadable, unswept, passed_over)

    def _list_next(self) -> Iterator[FolderListing]:
        folder = self._folders.pop() if self._folders else self._linked.popleft()
        path = os.path.join(self._base, folder) if folder else self._base
        try:
            status = os.stat(path)
            identity = (status.st_dev, status.st_ino)
            if identity in self._visited:
                return
            self._visited.add(identity)
            with os.scandir(path) as entries:
                inside = sorted(entries, key=_name)
        except OSError as error:
            self._unreadable[folder] = error_code(error)
            return
        if folder and _contains(inside, NOMEDIA):
            return
        yield from self._listings(folder, inside)

    def _listings(self, folder: bytes, inside: Sequence[os.DirEntry[bytes]]) -> Iterator[FolderListing]:
        photos, sidecars, folders = self._classify(folder, inside)
        self._folders += reversed(folders)
        names: list[bytes] = []
        stamps: list[StampRow] = []
        for entry in photos:
            if self._stopped:
                return
            stamp = self._stamp(folder, entry)
            if stamp is None:
                continue
            names.append(entry.name)
            stamps.append((*stamp, sidecar_fingerprint(entry.name, sidecars)) if sidecars else (*stamp, 0))
            if len(names) == BATCH_FILES:
                yield FolderListing(folder, names, stamps)
                names, stamps = [], []
        if names:
            yield FolderListing(folder, names, stamps)

    def _classify(
        self, folder: bytes, inside: Sequence[os.DirEntry[bytes]]
    ) -> tuple[list[os.DirEntry[bytes]], SidecarStamps, list[bytes]]:
        """What may be photos, the stamps of sidecars, and the folders to scan."""
        photos: list[os.DirEntry[bytes]] = []
        folders: list[bytes] = []
        sidecars = SidecarStamps()
        prefix = folder + b"/" if folder else b""
        is_photo_name, takes = self._rules.is_photo_name, self._rules.takes
        for entry in inside:
            name = entry.name
            if is_photo_name(name) and not self._is_folder(folder, entry):
                if takes(prefix + name):
                    photos.append(entry)
            elif is_sidecar_name(name) and not self._is_folder(folder, entry):
                stamp = self._stamp(folder, entry)
                if stamp is not None:
                    sidecars.add(name, stamp)
            elif is_temporary(name):
                self._unswept.add(folder)
            elif (kind := self._rules.unsupported_suffix(name)) is not None and not self._is_folder(folder, entry):
                self._passed_over[os.fsdecode(kind)] += takes(prefix + name)
            elif self._is_folder(folder, entry) and self._rules.enters(prefix + name):
                self._add_folder(prefix + name, entry, folders)
        return photos, sidecars, folders

    def _add_folder(self, relative: bytes, entry: os.DirEntry[bytes], folders: list[bytes]) -> None:
        if not entry.is_symlink():
            folders.append(relative)
        elif os.path.realpath(entry.path) not in self._above:
            self._linked.append(relative)

    def _is_folder(self, folder: bytes, entry: os.DirEntry[bytes]) -> bool:
        try:
            return entry.is_dir()
        except OSError as error:
            if error.errno == errno.ELOOP:
                return False  # a link to nothing
            self._unreadable[os.path.join(folder, entry.name)] = error_code(error)
            return False

    def _stamp(self, folder: bytes, entry: os.DirEntry[bytes]) -> tuple[int, int, int] | None:
        """mtime_ns, size, inode of a regular file; None for anything else, and for what went away."""
        try:
            status = entry.stat()
        except FileNotFoundError:
            return None  # gone since the folder was listed, or a link to nothing
        except OSError as error:
            if error.errno == errno.ELOOP:
                return None
            # Without the right to enter a folder none of its files can be looked at: the folder is named, not each.
            is_folder_s = isinstance(error, PermissionError) and not entry.is_symlink()
            self._unreadable[folder if is_folder_s else os.path.join(folder, entry.name)] = error_code(error)
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        return status.st_mtime_ns, status.st_size, signed_inode(status.st_ino)


def _contains(inside: Sequence[os.DirEntry[bytes]], name: bytes) -> bool:
    place = bisect_left(inside, name, key=_name)
    return place < len(inside) and inside[place].name == name


def _folders_above(base: bytes) -> frozenset[bytes]:
    """The real paths of the root and of every folder above it."""
    path, above = os.path.realpath(base), []
    while True:
        above.append(path)
        parent = os.path.dirname(path)
        if parent == path:
            return frozenset(above)
        path = parent
