"""Reading mountinfo."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.atomic.file_systems import network_file_system

MOUNTINFO = r"""
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/nas rw shared:5 master:2 - cifs //nas/photos rw
31 22 0:41 / /mnt/my\040photos rw - nfs4 nas:/photos rw
32 30 8:2 / /mnt/nas/local rw - xfs /dev/sdb1 rw
33 22 0:42 / /mnt/phone rw - fuse.sshfs phone: rw
a line that means nothing
"""


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/home/photos", None),
        ("/mnt/nas", "cifs"),
        ("/mnt/nas/2019", "cifs"),
        ("/mnt/nasty", None),
        ("/mnt/nas/local/2019", None),
        ("/mnt/my photos/a", "nfs4"),
        ("/mnt/phone", "fuse.sshfs"),
    ],
)
def test_network_file_systems_are_told_apart(tmp_path: Path, folder: str, expected: str | None) -> None:
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(MOUNTINFO)
    assert network_file_system(Path(folder), mountinfo) == expected


def test_a_system_without_mountinfo_says_nothing(tmp_path: Path) -> None:
    assert network_file_system(tmp_path, tmp_path / "absent") is None


def test_the_real_one_can_be_read(tmp_path: Path) -> None:
    assert network_file_system(tmp_path) in {None, "9p", "nfs", "nfs4", "virtiofs"}
