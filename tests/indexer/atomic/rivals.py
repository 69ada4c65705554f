"""Other programs that work on a photo at the same time, for `test_rivals`: each writes numbered records into it,
as fast as it can, until its standard input is closed; then it prints how many it has completed.

What they write stands behind the picture: `append` and `late` add a line, `rename` copies the file with a line more and
renames the copy over it as editors do, `patch` and `mapped` overwrite the number in the last line in place.
"""

from __future__ import annotations

import mmap
import os
import random
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path

FIRST = b"\nRECORD %08d" % 0


def record(number: int) -> bytes:
    """What is written the n-th time."""
    return b"\nRECORD %08d" % number


def append(path: Path, number: int) -> None:
    with path.open("r+b", buffering=0) as file:
        file.seek(0, os.SEEK_END)
        file.write(record(number))


def late(path: Path, number: int) -> None:
    """Keeps the file open, and writes at last."""
    with path.open("r+b", buffering=0) as file:
        time.sleep(random.uniform(0, 0.02))
        file.seek(0, os.SEEK_END)
        file.write(record(number))
    time.sleep(random.uniform(0, 0.02))


def rename(path: Path, number: int) -> None:
    copy = path.with_name("editor.part")
    copy.write_bytes(path.read_bytes() + record(number))
    copy.rename(path)


def patch(path: Path, number: int) -> None:
    with path.open("r+b", buffering=0) as file:
        file.seek(-8, os.SEEK_END)
        file.write(b"%08d" % number)


def mapped(path: Path, number: int) -> None:
    """The file is closed before the map is written to; the map alone keeps it open."""
    with path.open("r+b") as file:
        view = mmap.mmap(file.fileno(), 0)
    with view:
        view[-8:] = b"%08d" % number


RIVALS: dict[str, Callable[[Path, int], None]] = {
    "append": append,
    "late": late,
    "rename": rename,
    "patch": patch,
    "mapped": mapped,
}


def main(how: str, path: Path, pause_s: float) -> None:
    number = 0
    while not select.select([sys.stdin], [], [], pause_s)[0]:
        RIVALS[how](path, number + 1)
        number += 1
    sys.stdout.write(f"{number}\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))
