"""Paths that were reported as changed, held back until they are steady, then noted in the catalogue."""
# ruff: noqa: PTH116, PTH118, PTH119, PTH120 - paths are the file system's own bytes here, which pathlib does not take

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from indexer.catalogue import Catalogue
from indexer.catalogue.found import file_stamp
from indexer.file_errors import is_gone
from indexer.metadata.sidecar_files import is_sidecar_name, speaks_of
from indexer.model import FoundFile
from indexer.scanning.crawl_rules import NOMEDIA, CrawlRules
from indexer.scanning.crawler import Crawl

#: What a look sees of a path: mode, mtime_ns, size, inode; None where nothing is there.
_PathState = tuple[int, int, int, int] | None


@dataclass(frozen=True, slots=True)
class NotedChanges:
    """What came of looking: how many files were new, changed, moved or gone, and whether only a scan can tell more."""

    noted: int = 0
    scan_wanted: bool = False


class PathDebouncer:
    """The changed paths of one root. Not thread-safe; used by the thread that watches the root."""

    def __init__(self, root: Path, catalogue: Catalogue, rules: CrawlRules, *, steady_s: float) -> None:
        self._root = root
        self._base = os.fsencode(root)
        self._real_base = os.path.realpath(self._base)
        self._catalogue = catalogue
        self._rules = rules
        self._steady_s = steady_s
        self._seen: dict[bytes, _PathState] = {}
        self._unseen: set[bytes] = set()
        self._due = 0.0
        self._scan_wanted = False

    def add(self, paths: Iterable[str | bytes]) -> None:
        """Something happened to these absolute paths."""
        for path in paths:
            relative = os.path.relpath(os.fsencode(path), self._base)
            if relative == b"." or relative.startswith(b"../"):
                self._scan_wanted |= relative == b"." and is_gone(self._base)
            elif self._is_relevant(relative):
                self._unseen.add(relative)

    def poll(self) -> NotedChanges:
        """Looks at every pending path, at most every `steady_s`, and notes those that have not changed since."""
        if (not self._unseen and not self._seen) or time.monotonic() < self._due:
            return self._result(0)
        self._due = time.monotonic() + self._steady_s
        unseen, self._unseen = self._unseen, set()
        before, self._seen = self._seen, {}
        steady: dict[bytes, _PathState] = {}
        for relative in before.keys() | unseen:
            try:
                sight = self._path_state(relative)
            except OSError:
                self._scan_wanted = True  # it can't be looked at, which a scan records; that is not to be gone
                continue
            # A path that was reported again has changed meanwhile, also where its stamp is too coarse to say so.
            if relative in before and relative not in unseen and before[relative] == sight:
                steady[relative] = sight
            else:
                self._seen[relative] = sight
        return self._result(self._note(steady))

    def _result(self, noted: int) -> NotedChanges:
        scan_wanted, self._scan_wanted = self._scan_wanted, False
        return NotedChanges(noted, scan_wanted)

    def _is_relevant(self, relative: bytes) -> bool:
        """Photos, sidecars, `.nomedia`, and whatever may be or have been a folder."""
        folder, name = os.path.split(relative)
        if not self._rules.reaches(folder):
            return False
        if self._rules.is_photo_name(name) or name == NOMEDIA:
            return True
        return not name.startswith(b".")

    def _path_state(self, relative: bytes) -> _PathState:
        """Raises `OSError` where it can't be looked at."""
        try:
            status = os.stat(os.path.join(self._base, relative))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return status.st_mode, status.st_mtime_ns, status.st_size, status.st_ino

    def _note(self, steady: dict[bytes, _PathState]) -> int:
        if not os.path.isdir(self._base):  # noqa: PTH112 - bytes
            self._scan_wanted = True  # an unplugged disk: the scan holds its losses back
            return 0
        present: list[bytes] = []
        gone: list[bytes] = []
        for relative, sight in steady.items():
            name = os.path.basename(relative)
            if name == NOMEDIA:
                self._scan_wanted = True
            elif is_sidecar_name(name) and not (sight is not None and stat.S_ISDIR(sight[0])):
                self._unseen.update(self._photos_beside(relative))
                gone += [relative] if sight is None else []  # it may have been a folder
            elif sight is None:
                gone.append(relative)
            elif stat.S_ISDIR(sight[0]):
                self._unseen.update(self._files_in(relative))
            elif stat.S_ISREG(sight[0]) and self._is_library_photo(relative):
                present.append(relative)
        return self._note_present(present) + self._note_gone(gone)

    def _note_present(self, present: list[bytes]) -> int:
        """Before what is gone: a renamed file is then known as moved."""
        found = list(self._found(sorted(present)))
        if not found:
            return 0
        counts = self._catalogue.scans.note(self._catalogue.scans.begin_scan(self._root), found)
        return counts.new + counts.changed + counts.moved

    def _found(self, present: Iterable[bytes]) -> Iterator[FoundFile]:
        for relative in present:
            path = self._root / os.fsdecode(relative)
            try:
                yield FoundFile(self._root, path, file_stamp(path.stat()))
            except OSError:
                continue  # gone this very moment; that is reported too

    def _note_gone(self, gone: list[bytes]) -> int:
        if not gone:
            return 0
        outcome = self._catalogue.scans.note_missing(self._root, [self._root / os.fsdecode(path) for path in gone])
        self._scan_wanted |= outcome.held_back is not None
        return outcome.missing

    def _photos_beside(self, sidecar: bytes) -> Iterator[bytes]:
        folder, name = os.path.split(sidecar)
        try:
            names = os.listdir(os.path.join(self._base, folder))  # noqa: PTH208 - bytes
        except OSError:
            return  # the folder went too, which is reported by itself
        for beside in names:
            if self._rules.is_photo_name(beside) and speaks_of(name, beside):
                yield os.path.join(folder, beside)

    def _files_in(self, folder: bytes) -> Iterator[bytes]:
        """The photos of a folder that is new here; reports of what is in it may have come too early to be had."""
        if os.path.islink(os.path.join(self._base, folder)):  # noqa: PTH114 - bytes
            self._scan_wanted = True
            return
        if not self._rules.enters(folder) or self._has_nomedia(folder):
            return
        for batch in Crawl(self._root, self._rules, start=folder).batches():
            self._scan_wanted |= bool(batch.unreadable)
            for listing in batch.listings:
                yield from (os.path.join(listing.folder, name) for name in listing.names)

    def _is_library_photo(self, relative: bytes) -> bool:
        folder, name = os.path.split(relative)
        if not (self._rules.is_photo_name(name) and self._rules.takes(relative)) or self._has_nomedia(folder):
            return False
        real = os.path.realpath(os.path.join(self._base, folder))
        if real != os.path.join(self._real_base, folder).rstrip(b"/"):
            self._scan_wanted = True  # seen through a linked folder: a scan knows which of its paths counts
            return False
        return True

    def _has_nomedia(self, folder: bytes) -> bool:
        while folder:
            if os.path.lexists(os.path.join(self._base, folder, NOMEDIA)):
                return True
            folder = os.path.dirname(folder)
        return False
