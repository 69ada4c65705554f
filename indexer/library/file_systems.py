"""What the system says of the file system that a folder is on (proc_pid_mountinfo(5))."""

from __future__ import annotations

from pathlib import Path

_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "davfs", "virtiofs", "vboxsf", "drvfs"}
    | {"fuse.sshfs", "fuse.rclone", "fuse.gvfsd-fuse", "fuse.glusterfs", "fuse.davfs2", "fuse.smbnetfs", "fuse.s3fs"}
)

_MOUNTINFO = Path("/proc/self/mountinfo")


def network_file_system(folder: Path, mountinfo: Path = _MOUNTINFO) -> str | None:
    """The type of the network file system that `folder` is on, else None; None too where the system doesn't say."""
    try:
        lines = mountinfo.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    path, best, kind = folder.resolve(), -1, ""
    for line in lines:
        point, file_system = _mount(line)
        if point is not None and len(point.parts) >= best and (point == path or point in path.parents):
            best, kind = len(point.parts), file_system
    return kind if kind in _NETWORK else None


def _mount(line: str) -> tuple[Path | None, str]:
    """(mount point, file system type) of one line; blanks in the point are written as octal escapes."""
    before, _, after = line.partition(" - ")
    fields, described = before.split(" "), after.split(" ")
    if len(fields) < 5 or not described[0]:
        return None, ""
    point = fields[4]
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(escape, character)
    return Path(point), described[0]
