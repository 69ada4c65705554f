"""What the service's unit lets it ask of the kernel is what it asks: traced, and compared with the unit's filter."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.indexing import COLOURS
from tests.photos_made import write_jpeg

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed"),
    pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed"),
]


#: Reads a photo, writes a caption and a name into it and takes both out, in the child process that does so.
_PROGRAM = """
import asyncio, sys
from pathlib import Path
from captioner import Caption
from indexer.face_box import FaceBox, FaceRegion
from indexer.reader.photo_process import PhotoProcesses
from indexer.settings import Settings

async def main(path, data_dir):
    settings = Settings(photos=(path.parent,), data_dir=data_dir)
    async with PhotoProcesses(settings, input_px=224, count=1) as photos:
        reading = await photos.read(path)
        caption = Caption(text="a red wall", confidence=0.9, tags=(), embedding=None, model="m")
        written = await photos.write_caption(path, caption, reading.stamp)
        named = await photos.write_names(path, [FaceRegion("Anna", FaceBox(0.1, 0.1, 0.2, 0.2))], written.stamp)
        undone = await photos.undo_caption(path, names=True)
        print(written.place, named.place, undone.exact)

asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
"""


@cache
def calls_of(group: str) -> frozenset[str]:
    """The system calls of a group, and of those that it names."""
    if not group.startswith("@"):
        return frozenset([group])
    command = ["systemd-analyze", "syscall-filter", "--no-pager", group]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    names = [line.strip() for line in said.splitlines()[1:] if line.strip() and not line.strip().startswith("#")]
    return frozenset().union(*map(calls_of, names))


def allowed(unit: Path) -> set[str]:
    """By its lines of SystemCallFilter, in their order (systemd.exec(5))."""
    found: set[str] = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE):
        groups = frozenset().union(*map(calls_of, line.lstrip("~").split()))
        found = found - groups if line.startswith("~") else found | groups
    # systemd allows what starts a program and ends it, whatever a filter says.
    return found | calls_of("@default") | {"execve"}


def test_the_unit_allows_what_writing_into_photos_takes(repository: Path, tmp_path: Path) -> None:
    """A call that the filter refuses would end the photo reader at every photo."""
    path, log = write_jpeg(tmp_path / "photos" / "red.jpg", COLOURS["red"]), tmp_path / "trace"
    if os.geteuid() == 0:
        os.chown(path, -1, 65534)  # a copy of it has to be given its group
    program = [sys.executable, "-c", _PROGRAM, str(path), str(tmp_path / "data")]
    command = ["strace", "-f", "-qq", "-o", str(log), *program]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=repository, timeout=300)
    if "ptrace" in ran.stderr:
        pytest.skip(f"nothing can be traced here: {ran.stderr[:200]}")
    assert ran.stdout.split() == ["exif", "xmp", "True"], ran.stderr
    trace = log.read_text(encoding="utf-8", errors="replace")
    calls = set(re.findall(r"^\d+ +(\w+)\(", trace, re.MULTILINE))
    assert "renameat2" in calls
    assert calls - allowed(repository / "deploy" / "recollect.service") == set()
