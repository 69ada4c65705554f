"""What the system says of the file system that a folder is on (proc_pid_mountinfo(5))."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "davfs", "virtiofs", "vboxsf", "drvfs"}
    | {"fuse.sshfs", "fuse.rclone", "fuse.gvfsd-fuse", "fuse.glusterfs", "fuse.davfs2", "fuse.smbnetfs", "fuse.s3fs"}
)

MOUNTINFO = Path("/proc/self/mountinfo")

#: What a disk must still have after a photo was written: so much, of a small disk so great a part of it.
_SPACE_LEFT_BYTES, _SPACE_LEFT_PART = 16 << 20, 16


def usable_bytes(disk: os.statvfs_result) -> float:
    """How much may be written without filling the disk up; endless where the file system doesn't say."""
    if not disk.f_blocks:
        return float("inf")
    reserved_bytes = min(_SPACE_LEFT_BYTES, disk.f_blocks * disk.f_frsize // _SPACE_LEFT_PART)
    return disk.f_bavail * disk.f_frsize - reserved_bytes


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount: `id` changes when it is mounted again. `options` say whether it may be written, too."""

    id: str
    point: Path
    file_system: str
    options: str


def mounts(mountinfo: Path = MOUNTINFO) -> list[Mount]:
    """Every mount that this process sees, the later ones of a place last; none where the system doesn't say."""
    try:
        lines = mountinfo.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    return [mount for mount in map(_parse_mount, lines) if mount is not None]


def network_file_system(folder: Path, mountinfo: Path = MOUNTINFO) -> str | None:
    """The type of the network file system that `folder` is on, else None; None too where the system doesn't say."""
    path, best, kind = folder.resolve(), -1, ""
    for mount in mounts(mountinfo):
        point = mount.point
        if len(point.parts) >= best and (point == path or point in path.parents):
            best, kind = len(point.parts), mount.file_system
    return kind if kind in _NETWORK else None


def _parse_mount(line: str) -> Mount | None:
    """One line; blanks in the mount point are written as octal escapes."""
    before, _, after = line.partition(" - ")
    fields, described = before.split(" "), after.split(" ")
    if len(fields) < 5 or not described[0]:
        return None
    point = fields[4]
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(escape, character)
    return Mount(fields[0], Path(point), described[0], " ".join((*fields[5:6], *described[2:])))
