"""After a scan: what failed for a reason that may be over becomes work again. Nothing is opened but to ask whether it
can be, and a folder is asked once for all its files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from indexer.atomic.file_systems import room_bytes
from indexer.catalogue import Catalogue
from indexer.catalogue.retries import BlockedFile
from indexer.errors import FailureKind, Obstacle
from indexer.model import CaptionPlace
from indexer.settings import Settings

_PORTION = 1000

#: Obstacles that the file system tells of, without a try.
_VISIBLE_OBSTACLES = frozenset({Obstacle.RIGHTS, Obstacle.SPACE, Obstacle.OWNER, Obstacle.LINKS})


def retryable_obstacles(settings: Settings) -> frozenset[Obstacle]:
    """The obstacles that these settings do not keep up."""
    if settings.captions == "off":
        return frozenset()
    kept = set() if settings.write_unsure else {Obstacle.NOT_SURE}
    if settings.captions != "embed":
        kept.add(Obstacle.SIDECAR_WANTED)
    return frozenset(Obstacle) - kept


def retry_below(catalogue: Catalogue, settings: Settings, root: Path) -> int:
    """Queues what may be done now below a root that was scanned; returns how many jobs that are."""
    # A disk that was pulled out while its photos were being read is back: they are not to blame.
    vanished = catalogue.retries.set_aside_below(FailureKind.VANISHED, root)
    number = catalogue.retries.retry([one.id for one in vanished])
    return number + _retry(catalogue, settings, root, retryable_obstacles(settings))


def retry_between_scans(catalogue: Catalogue, settings: Settings, root: Path) -> int:
    """As `retry_below`, of what the file system tells without a try: rights, room, owner, links. Where none of that has
    changed nothing is queued, however often it is called."""
    return _retry(catalogue, settings, root, retryable_obstacles(settings) & _VISIBLE_OBSTACLES)


def _retry(catalogue: Catalogue, settings: Settings, root: Path, obstacles: frozenset[Obstacle]) -> int:
    denied = [
        one for one in catalogue.retries.set_aside_below(FailureKind.DENIED, root) if _can_be_opened(one.file.path)
    ]
    number = catalogue.retries.retry([one.id for one in denied])
    probe = _Probe(settings.sidecar_dir)
    for blocked in _pages(catalogue, root, obstacles):
        number += catalogue.retries.enqueue_writes([one.id for one in blocked if probe.may_have_ended(one)])
    return number


def _pages(catalogue: Catalogue, root: Path, obstacles: frozenset[Obstacle]) -> Iterator[list[BlockedFile]]:
    after = 0
    while obstacles and (page := catalogue.retries.blocked_files(root, obstacles, after=after, limit=_PORTION)):
        yield page
        after = page[-1].id


class _Probe:
    """Asks the file system, not the files, whether an obstacle may be gone; lives for one scan."""

    def __init__(self, sidecar_dir: Path | None) -> None:
        self._tree = None if sidecar_dir is None else os.fsencode(sidecar_dir)
        self._writable = cache(_is_writable)
        self._room_bytes = cache(_room_bytes)

    def may_have_ended(self, blocked: BlockedFile) -> bool:
        """True, too, where only a try can tell."""
        folder = os.path.dirname(blocked.path)  # noqa: PTH120 - bytes
        if blocked.obstacle is Obstacle.RIGHTS:
            return any(map(self._writable, self._places(blocked, folder))) and _has_access(blocked.path, os.R_OK)
        if blocked.obstacle is Obstacle.SPACE:
            return any(self._room_bytes(place) > blocked.size for place in self._places(blocked, folder))
        if blocked.obstacle is Obstacle.OWNER:
            return _is_ours(blocked.path, folder)
        return blocked.obstacle is not Obstacle.LINKS or _links(blocked.path) == 1

    def _places(self, blocked: BlockedFile, folder: bytes) -> list[bytes]:
        """Where something could be written: beside the photo; where it stands nowhere yet, in the sidecars' tree."""
        return [folder, self._tree] if self._tree and blocked.place is CaptionPlace.INDEX else [folder]


def _can_be_opened(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _is_writable(folder: bytes) -> bool:
    """Of a folder that is not there yet, the one above it counts."""
    while not os.path.lexists(folder) and folder != b"/":
        folder = os.path.dirname(folder)  # noqa: PTH120 - bytes
    return _has_access(folder, os.W_OK | os.X_OK)


def _has_access(path: bytes, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _room_bytes(folder: bytes) -> float:
    try:
        return room_bytes(os.statvfs(folder))
    except OSError:
        return 0.0


def _is_ours(path: bytes, folder: bytes) -> bool:
    """Whether a file keeps owner and group where we replace it."""
    try:
        status, above = os.stat(path), os.stat(folder)  # noqa: PTH116 - bytes
    except OSError:
        return False
    groups = {os.getegid(), *os.getgroups(), above.st_gid}
    return os.geteuid() == 0 or (status.st_uid == os.geteuid() and status.st_gid in groups)


def _links(path: bytes) -> int:
    try:
        return os.stat(path).st_nlink  # noqa: PTH116 - bytes
    except OSError:
        return 0
