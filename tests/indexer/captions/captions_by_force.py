"""A program for `test_caption_crash`: for each line it reads, a child of it captions and undoes the photos of a folder
in no order, until it is killed; its process id is printed, and then how it ended."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterable
from pathlib import Path

from indexer.atomic.file_read import stamp_of
from indexer.captions.caption_file import write_caption
from indexer.captions.journal import Journal
from indexer.captions.undo import undo_caption
from tests.indexer.formats import jpegs_made as made


def photos_of(folder: Path) -> list[Path]:
    """Its files, but for sidecars."""
    return sorted(path for path in folder.iterdir() if path.is_file() and path.suffix not in (".xmp", ".captmp"))


def caption_and_undo(folder: Path, photos: Iterable[Path]) -> None:
    """What has a caption loses it, what has none gets one."""
    journal = Journal.in_dir(folder / "data")
    for path in photos:
        if not undo_caption(path, journal=journal).restored:
            write_caption(path, made.CAPTION, stamp=stamp_of(path.stat()), journal=journal)


def say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def main(folder: Path) -> None:
    photos = photos_of(folder)
    caption_and_undo(folder, photos)  # what is imported late is imported now: children start at once
    for number, _ in enumerate(sys.stdin):
        child = os.fork()
        if child == 0:
            chance = random.Random(number)
            while True:
                caption_and_undo(folder, chance.sample(photos, len(photos)))
        say(child)
        say(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
