"""A program for `test_caption_crash`: for each line it reads, a child of it captions and undoes the photos of a folder
in no order, with names of faces where it is told `names`, until it is killed; its process id is printed, and then how
it ended."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterable
from pathlib import Path

from indexer.atomic.file_read import stamp_of
from indexer.captions.caption_file import write_caption
from indexer.captions.journal import Journal
from indexer.captions.names_file import write_names
from indexer.captions.undo import undo_caption
from indexer.face_box import FaceBox, FaceRegion
from tests.indexer.formats import jpegs_made as made

REGIONS = (FaceRegion("Anna", FaceBox(0.1, 0.2, 0.25, 0.3)), FaceRegion("Ben", FaceBox(0.5, 0.5, 0.2, 0.3)))


def photos_of(folder: Path) -> list[Path]:
    """Its files, but for sidecars."""
    return sorted(path for path in folder.iterdir() if path.is_file() and path.suffix not in (".xmp", ".captmp"))


def caption_and_undo(folder: Path, photos: Iterable[Path]) -> None:
    """What has a caption loses it, what has none gets one."""
    journal = Journal.in_dir(folder / "data")
    for path in photos:
        if not undo_caption(path, journal=journal).restored:
            write_caption(path, made.CAPTION, stamp=stamp_of(path.stat()), journal=journal)


def name_caption_and_undo(folder: Path, photos: Iterable[Path]) -> None:
    """The same with names of faces: before the caption, then others below it."""
    journal = Journal.in_dir(folder / "data")
    for path in photos:
        if not undo_caption(path, journal=journal, names=True).restored:
            for region in REGIONS:
                write_names(path, [region], stamp=stamp_of(path.stat()), journal=journal)
                write_caption(path, made.CAPTION, stamp=stamp_of(path.stat()), journal=journal)


def say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def main(folder: Path, *, names: bool) -> None:
    photos, work = photos_of(folder), name_caption_and_undo if names else caption_and_undo
    work(folder, photos)  # what is imported late is imported now: children start at once
    for number, _ in enumerate(sys.stdin):
        child = os.fork()
        if child == 0:
            chance = random.Random(number)
            while True:
                work(folder, chance.sample(photos, len(photos)))
        say(child)
        say(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]), names="names" in sys.argv[2:])
