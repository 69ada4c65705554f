"""A program for `test_caption_crash`: for each line it reads, a child of it captions and undoes the photos of a folder
for ever, until it is killed; its process id is printed, and then how it ended."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from indexer.captions.caption_file import undo_caption, write_caption
from indexer.captions.journal import Journal
from indexer.captions.replace import stamp_of
from tests.indexer import jpegs_made as made


def caption_and_undo(folder: Path) -> None:
    journal = Journal.in_dir(folder / "data")
    for path in folder.glob("*.jpg"):
        write_caption(path, made.CAPTION, stamp=stamp_of(path.stat()), journal=journal)
        undo_caption(path, journal=journal)


def say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    caption_and_undo(Path(sys.argv[1]))  # what is imported late is imported now: children start at once
    for _ in sys.stdin:
        child = os.fork()
        while child == 0:
            caption_and_undo(Path(sys.argv[1]))
        say(child)
        say(os.waitpid(child, 0)[1])
