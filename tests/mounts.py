"""Small file systems of a test's own, where whoever runs the tests may mount some."""

from __future__ import annotations

import codecs
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534


def mount(*arguments: str | Path) -> None:
    """Skips the test where that is not allowed."""
    program = shutil.which("mount")
    if program is None or os.geteuid() != 0:
        pytest.skip("only root may mount file systems")
    done = subprocess.run([program, *map(str, arguments)], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")


def unmount(place: Path) -> None:
    """Also where somebody is still in it."""
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextmanager
def tmpfs(place: Path, *, megabytes: int) -> Iterator[Path]:
    """A file system of this size at `place`."""
    place.mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", place)
    try:
        yield place
    finally:
        unmount(place)


@contextmanager
def bound(source: Path, place: Path) -> Iterator[Path]:
    """What is at `source` stands at `place`, too."""
    place.mkdir(parents=True, exist_ok=True)
    mount("--bind", source, place)
    try:
        yield place
    finally:
        unmount(place)


def in_own_mounts(module: str, scenario: str, folder: Path, *, repository: Path) -> subprocess.CompletedProcess[str]:
    """Runs `python -m module scenario folder` as root of a mount namespace of its own, whoever runs the tests. Skips
    the test where this machine lets nobody mount a file system of his own."""
    unshare = shutil.which("unshare")
    alone = [unshare or "", "--map-root-user", "--mount"]
    if unshare is None or subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a file system of his own")
    done = subprocess.run(
        [*alone, sys.executable, "-m", module, scenario, str(folder)],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository)},
        check=False,
        capture_output=True,
        text=True,
    )
    if "'mount'" in done.stderr and "CalledProcessError" in done.stderr:
        pytest.skip("this machine lets nobody mount a file system of his own")
    return done


@contextmanager
def as_nobody(*folders: Path) -> Iterator[None]:
    """Root works as nobody meanwhile, and so do its child processes; what is in `folders` is nobody's, and the way to
    them is open. Rights of the folders above are only added to: one of them is /tmp."""
    if os.geteuid() != 0:
        yield
        return
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        for above in folder.parents:
            mode = stat.S_IMODE(above.stat().st_mode)
            if mode | 0o055 != mode:
                above.chmod(mode | 0o055)
    codecs.lookup("utf-16-le")  # a module that is imported late: Python may lie where only root may read
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
