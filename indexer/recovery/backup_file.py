"""The one file of a backup: a ZIP archive of known members, with a manifest that holds their sizes and SHA-256.

ZIP and not tar: its directory stands at the end, so that a file which was cut off is known before anything is read, and
every program can open one. A backup that is read is somebody's file: no member's name ever becomes a path, and no more
is written than was announced and there is room for.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Self

from indexer.errors import SetupError

#: What a backup may hold, in the order that it is written: the files of a data directory that can't be derived,
#: thumbnails, and the settings file.
CATALOGUE, THUMBNAILS, JOURNAL, SETTINGS_FILE = "catalogue.db", "thumbnails.db", "captions.jsonl", "recollect.toml"
REMEMBERED = "remembered.json"
SMALL_FILES = (REMEMBERED, "session.key", "sessions.json", "meilisearch-keys.json")
MEMBERS = (CATALOGUE, THUMBNAILS, JOURNAL, *SMALL_FILES, SETTINGS_FILE)

_MANIFEST = "manifest.json"
_FORMAT, _VERSION = "recollect-backup", 1
_MOST_SMALL_BYTES = 8 << 20
#: Catalogues shrink to a quarter. Beyond this it is a file that was made to fill a disk.
_MOST_RATIO = 100
_CHUNK_BYTES = 1 << 20
_EARLIEST = (1980, 1, 1, 0, 0, 0)


class UnusableBackup(SetupError):
    """The file is no backup, is damaged, or is a newer recollect's."""

    def __init__(self, path: Path, why: object, *, hint: str = "take another backup; nothing was restored") -> None:
        super().__init__(f"{path} can't be restored: {why}", hint=hint)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself. `members`: name -> (size in bytes, SHA-256 in hexadecimal)."""

    made_at: str  # ISO 8601, UTC
    libraries: tuple[str, ...]  # paths, as Python decodes the file system's names
    members: Mapping[str, tuple[int, str]]


def write_backup_file(
    path: Path, members: Mapping[str, Path | bytes], *, made_at: str, libraries: Sequence[str]
) -> int:
    """Writes a backup to `path`, which must not be there yet; returns its size in bytes. Raises `OSError`."""
    described: dict[str, tuple[int, str]] = {}
    with private_file(path) as file:
        with zipfile.ZipFile(file, "w", compression=zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for name, source in members.items():
                described[name] = _add(archive, name, source)
            manifest = {
                "format": _FORMAT,
                "version": _VERSION,
                "made_at": made_at,
                "libraries": list(libraries),
                "members": {name: {"bytes": size, "sha256": digest} for name, (size, digest) in described.items()},
            }
            archive.writestr(_entry(_MANIFEST), json.dumps(manifest, indent=1))
        return file.tell()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=_EARLIEST)
    entry.external_attr = 0o600 << 16
    # Thumbnails are compressed already.
    entry.compress_type = zipfile.ZIP_STORED if name == THUMBNAILS else zipfile.ZIP_DEFLATED
    return entry


def _add(archive: zipfile.ZipFile, name: str, source: Path | bytes) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    with archive.open(_entry(name), "w", force_zip64=True) as member:
        for chunk in _chunks(source):
            member.write(chunk)
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def _chunks(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def is_backup_file(path: Path) -> bool:
    """Whether it is a file that `write_backup_file` made, of whatever version."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_json(archive).get("format") == _FORMAT
    except (OSError, *_DAMAGE):
        return False


class BackupFile:
    """A backup, opened for reading, as a context manager. Raises `UnusableBackup` on entry where its directory or
    manifest is not what `write_backup_file` writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = Manifest("", (), MappingProxyType({}))

    def __enter__(self) -> Self:
        try:
            self._archive = zipfile.ZipFile(self.path)
        except OSError as error:
            raise UnusableBackup(self.path, error.strerror or error, hint="check the path and its rights") from error
        except _DAMAGE as error:
            raise UnusableBackup(self.path, f"it is no backup of recollect, or was cut off ({error})") from error
        try:
            with self._damage_named():
                self.manifest = self._read_manifest()
        except BaseException:
            self._archive.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    @property
    def total_bytes(self) -> int:
        """What its members need on a disk."""
        return sum(size for size, _ in self.manifest.members.values())

    def read_small(self, name: str) -> bytes | None:
        """A member that is no database, whole; None where the backup has none. Raises `UnusableBackup`."""
        if name not in self.manifest.members:
            return None
        return b"".join(self._verify(name))

    def extract(self, name: str, target: Path) -> bool:
        """Writes a member to the new file `target`, for its owner alone; returns whether the backup has it. Raises
        `UnusableBackup` where it is not what the manifest says, `OSError` where it can't be written."""
        if name not in self.manifest.members:
            return False
        with private_file(target) as file:
            for chunk in self._verify(name):
                file.write(chunk)
        return True

    def _verify(self, name: str) -> Iterator[bytes]:
        wanted_size, wanted = self.manifest.members[name]
        size, digest = 0, hashlib.sha256()
        with self._damage_named(), self._archive.open(name) as member:
            while chunk := member.read(_CHUNK_BYTES):
                size += len(chunk)
                if size > wanted_size:
                    break
                digest.update(chunk)
                yield chunk
        if (size, digest.hexdigest()) != (wanted_size, wanted):
            raise UnusableBackup(self.path, f"{name} in it is damaged")

    def _read_manifest(self) -> Manifest:
        found = _read_json(self._archive)
        if found.get("format") != _FORMAT:
            raise UnusableBackup(self.path, "it is no backup of recollect")
        if found["version"] != _VERSION:
            raise UnusableBackup(
                self.path,
                f"it is a backup of format {found['version']}; this recollect reads {_VERSION}",
                hint="upgrade recollect",
            )
        manifest = Manifest(
            str(found["made_at"]),
            tuple(str(one) for one in found["libraries"]),
            {str(name): (int(one["bytes"]), str(one["sha256"])) for name, one in found["members"].items()},
        )
        self._check_members(manifest)
        return manifest

    def _check_members(self, manifest: Manifest) -> None:
        entries = self._archive.infolist()
        names = [entry.filename for entry in entries]
        odd = {name for name in names if name not in {*MEMBERS, _MANIFEST}}
        if odd or len(names) != len(set(names)) or {*names} != {*manifest.members, _MANIFEST}:
            what = ", ".join(map(ascii, sorted(odd))) or "members twice, or not all that it names"
            raise UnusableBackup(self.path, f"it holds what no backup of recollect holds: {what[:200]}")
        if CATALOGUE not in manifest.members:
            raise UnusableBackup(self.path, "it holds no catalogue")
        for entry in entries:
            is_small = entry.filename in {*SMALL_FILES, SETTINGS_FILE, _MANIFEST}
            is_bomb = entry.file_size > _MOST_RATIO * (entry.compress_size + _CHUNK_BYTES)
            size, _ = manifest.members.get(entry.filename, (entry.file_size, ""))
            if is_bomb or entry.file_size != size or (is_small and size > _MOST_SMALL_BYTES):
                raise UnusableBackup(self.path, f"{entry.filename} in it is not of a size that it can have")

    @contextmanager
    def _damage_named(self) -> Iterator[None]:
        try:
            yield
        except _DAMAGE as error:
            raise UnusableBackup(self.path, f"it is damaged ({type(error).__name__}: {error})") from error


#: What zipfile, zlib and json raise over a damaged or hostile archive; RuntimeError for an encrypted member.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, NotImplementedError),
    *(ValueError, TypeError, LookupError, AttributeError),
)


def _read_json(archive: zipfile.ZipFile) -> dict[str, Any]:
    """The manifest. Raises one of `_DAMAGE`."""
    if archive.getinfo(_MANIFEST).file_size > _MOST_SMALL_BYTES:
        raise ValueError("the manifest is too long")
    found = json.loads(archive.read(_MANIFEST))
    if not isinstance(found, dict):
        raise TypeError("the manifest is no object")
    return found


def private_file(path: Path) -> IO[bytes]:
    """A new file for its owner alone, to be written. Raises `OSError`."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "wb")
