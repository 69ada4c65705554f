"""What tells, without a scan, that another file system or folder stands where a library root is.

A mount over a watched folder, or its end, is reported by no watch: inotify(7) goes on watching what lies beneath.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from indexer.atomic.file_systems import MOUNTINFO, Mount, mounts


@dataclass(frozen=True, slots=True)
class Presence:
    """Equal for as long as the root is the same folder of the same file system, with the same mounts in it.

    `identity` is (st_dev, st_ino), None where nothing is there. `shown` says whether it has anything in it, or why it
    can't be listed.
    """

    identity: tuple[int, int] | None
    shown: str
    mounts: tuple[Mount, ...]


def presence_of(root: Path, mountinfo: Path = MOUNTINFO) -> Presence:
    """Looks now; may take as long as the disk does. Never raises."""
    real = root.resolve()
    at = tuple(
        mount
        for mount in mounts(mountinfo)
        if mount.point == real or mount.point in real.parents or real in mount.point.parents
    )
    try:
        status = root.stat()
        with os.scandir(root) as entries:
            shown = "something" if next(entries, None) is not None else "nothing"
    except OSError as error:
        return Presence(None, error.strerror or str(error), at)
    return Presence((status.st_dev, status.st_ino), shown, at)
