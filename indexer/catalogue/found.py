"""What a scan finds, in batches, and the stamps of files and of their sidecars."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from indexer.metadata.sidecar_files import XMP, Listing, sidecars_in, sidecars_named_after, takeout_names, xmp_names
from indexer.model import FileStamp, FoundFile

#: mtime_ns, size, inode, sidecar fingerprint: a file's row in a listing and, in this order, in the catalogue.
StampRow = tuple[int, int, int, int]

_INODE_WRAP = 1 << 64
_INODE_LIMIT = 1 << 63


def signed_inode(inode: int) -> int:
    """SQLite's numbers are signed; some network and union file systems use the highest bit."""
    return inode - _INODE_WRAP if inode >= _INODE_LIMIT else inode


def stored_stamp(mtime_ns: int, size: int, inode: int) -> FileStamp:
    """The stamp behind stored numbers."""
    return FileStamp(mtime_ns, size, inode + _INODE_WRAP if inode < 0 else inode)


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
class FoundBatch:
    """Some folders of one root, as bytes and numbers: path objects would cost more than the rest of a scan."""

    root: Path
    listings: Sequence[FolderListing]
    unreadable: Mapping[bytes, str] = field(default_factory=dict)  # folder or file -> why, an errno's name
    unswept: Collection[bytes] = ()  # folders that hold unfinished copies of photos, also those of a killed process
    passed_over: Mapping[str, int] = field(default_factory=dict)  # how many files of which suffix are not read


def as_batch(root: Path, files: Iterable[FoundFile]) -> FoundBatch:
    """Files below `root` as a batch; their sidecars are looked for on disk. Raises `ValueError` for any other."""
    folders: dict[bytes, list[tuple[bytes, StampRow]]] = {}
    sidecars: dict[bytes, Listing] = {}
    for found in files:
        folder, name = os.path.split(os.fsencode(found.path.relative_to(root)))
        if folder not in sidecars:
            sidecars[folder] = sidecars_in(os.fsencode(found.path.parent))
        fingerprint = sidecar_fingerprint(name, sidecars_beside(os.fsencode(found.path), sidecars[folder]))
        stamp = (found.stamp.mtime_ns, found.stamp.size, signed_inode(found.stamp.inode), fingerprint)
        folders.setdefault(folder, []).append((name, stamp))
    listings = []
    for folder, entries in folders.items():
        names, stamps = zip(*sorted(entries), strict=True)
        listings.append(FolderListing(folder, names, stamps))
    return FoundBatch(root, listings)
