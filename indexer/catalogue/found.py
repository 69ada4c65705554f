"""What a walk finds, in the shape that costs least for a hundred thousand unchanged files.

A `FoundBatch` is a sequence of `FoundFile`, but makes them only when asked: comparing with the catalogue needs bytes
and numbers, not path objects.
"""

# ruff: noqa: PTH118, PTH119 - paths are the file system's own bytes here, which pathlib does not take

from __future__ import annotations

import os
import stat
import struct
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import accumulate
from pathlib import Path
from typing import overload

from indexer.metadata.sidecar_files import XMP, Listing, sidecars_in, sidecars_named_after, takeout_names, xmp_names
from indexer.model import FileStamp, FoundFile

#: mtime_ns, size, inode, sidecar fingerprint: a file's row in a listing and, in this order, in the catalogue.
StampRow = tuple[int, int, int, int]

_INODE_WRAP = 1 << 64
_INODE_LIMIT = 1 << 63


def signed_inode(inode: int) -> int:
    """SQLite's numbers are signed; some network and union file systems use the highest bit."""
    return inode - _INODE_WRAP if inode >= _INODE_LIMIT else inode


def stamp_of(mtime_ns: int, size: int, inode: int) -> FileStamp:
    """The stamp behind stored numbers."""
    return FileStamp(mtime_ns, size, inode + _INODE_WRAP if inode < 0 else inode)


def file_stamp(status: os.stat_result) -> FileStamp:
    """The stamp that a `stat` result gives."""
    return FileStamp(status.st_mtime_ns, status.st_size, status.st_ino)


@dataclass(frozen=True, slots=True)
class SidecarStamps:
    """The stamps of a folder's sidecars, or of one photo's, by their names in lower case."""

    xmp: dict[bytes, tuple[int, int, int]] = field(default_factory=dict)
    takeout: dict[bytes, tuple[int, int, int]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.xmp or self.takeout)

    def add(self, name: bytes, stamp: tuple[int, int, int]) -> None:
        """Of names that differ in their case alone the first counts."""
        lower = name.lower()
        (self.xmp if lower.endswith(XMP) else self.takeout).setdefault(lower, stamp)


def sidecar_fingerprint(name: bytes, sidecars: SidecarStamps) -> int:
    """One number for the stamps of a photo's sidecars, 0 where it has none."""
    stamps = [sidecars.xmp[candidate] for candidate in xmp_names(name) if candidate in sidecars.xmp]
    if sidecars.takeout:
        stamps += [sidecars.takeout[other] for other in takeout_names(name) if other in sidecars.takeout]
    if not stamps:
        return 0
    digest = blake2b(digest_size=8)
    for stamp in stamps:
        digest.update(struct.pack("<qqq", *stamp))
    return int.from_bytes(digest.digest(), "little", signed=True) or 1


def sidecars_beside(path: bytes, inside: Listing | None = None) -> SidecarStamps:
    """The stamps of one photo's sidecars; `inside` is the listing of its folder, where that is known."""
    found = SidecarStamps()
    for place in sidecars_named_after(Path(os.fsdecode(path)), inside):
        try:
            status = place.stat()
        except OSError:
            continue  # gone this very moment, or none that can be read
        if stat.S_ISREG(status.st_mode):
            found.add(os.fsencode(place.name), (status.st_mtime_ns, status.st_size, signed_inode(status.st_ino)))
    return found


@dataclass(frozen=True, slots=True)
class FolderListing:
    """The photo files of one folder, or a part of them in the order of their names."""

    folder: bytes  # relative to the root, "/"-separated, b"" for the root itself
    names: Sequence[bytes]
    stamps: Sequence[StampRow]


@dataclass(frozen=True, slots=True)
class FoundBatch(Sequence[FoundFile]):
    """Some folders of one root; `unreadable` maps folders (as in `FolderListing`), and files that
    can't be looked at, to why: an errno's name.

    `unswept` are folders that hold copies in the making, or what a killed process left of them.
    """

    root: Path
    listings: Sequence[FolderListing]
    unreadable: Mapping[bytes, str] = field(default_factory=dict)
    unswept: Collection[bytes] = ()
    passed_over: Mapping[str, int] = field(default_factory=dict)  # how many files of which suffix are not read
    _ends: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ends = tuple(accumulate(len(listing.names) for listing in self.listings))
        object.__setattr__(self, "_ends", ends)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> FoundFile: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[FoundFile]: ...
    def __getitem__(self, index: int | slice) -> FoundFile | Sequence[FoundFile]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        which = bisect_right(self._ends, index)
        listing = self.listings[which]
        place = index - (self._ends[which - 1] if which else 0)
        relative = os.path.join(listing.folder, listing.names[place])
        return FoundFile(self.root, self.root / os.fsdecode(relative), stamp_of(*listing.stamps[place][:3]))


def as_batch(root: Path, files: Sequence[FoundFile]) -> FoundBatch:
    """Any sequence of files below `root` as a batch; their sidecars are looked for on disk."""
    if isinstance(files, FoundBatch):
        return files
    folders: dict[bytes, list[tuple[bytes, StampRow]]] = {}
    inside: dict[bytes, Listing] = {}
    for found in files:
        folder, name = split_relative(root, found.path)
        if folder not in inside:
            inside[folder] = sidecars_in(os.fsencode(found.path.parent))
        folders.setdefault(folder, []).append((name, stamp_row(found, inside[folder])))
    return FoundBatch(root, [_listing(folder, entries) for folder, entries in folders.items()])


def _listing(folder: bytes, entries: Iterable[tuple[bytes, StampRow]]) -> FolderListing:
    ordered = sorted(entries)
    return FolderListing(folder, [name for name, _ in ordered], [stamp for _, stamp in ordered])


def stamp_row(found: FoundFile, inside: Listing | None = None) -> StampRow:
    """The stored numbers of one file, its sidecars looked for on disk; `inside` as in `sidecars_beside`."""
    path = os.fsencode(found.path)
    sidecar = sidecar_fingerprint(os.path.basename(path), sidecars_beside(path, inside))
    return found.stamp.mtime_ns, found.stamp.size, signed_inode(found.stamp.inode), sidecar


def split_relative(root: Path, path: Path) -> tuple[bytes, bytes]:
    """Folder and name of `path` relative to `root`. Raises `ValueError` where it does not lie below."""
    return os.path.split(os.fsencode(path.relative_to(root)))
