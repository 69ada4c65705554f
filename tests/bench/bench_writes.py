"""What a safe write costs: caption, verify and replace against a plain copy and fsync of the same file, in one run.

    python tests/bench/bench_writes.py [--photos DIR] [--count 60] [--rounds 5] [--folder DIR]

For each photo, in turn: a copy to a new name with fsync of file and directory (what any careful program does), then
`write_caption` with a journal, then `undo_caption`. It prints the median milliseconds of each and their ratios, and how
much of a write is edit and verification in memory. Without --photos, 12-megapixel JPEGs of
noise are made. Files lie in --folder (default: the system's temporary directory): its file system is what is measured.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from captioner import Caption
from indexer.captions.caption_edit import check_edit, open_photo
from indexer.captions.caption_file import undo_caption, write_caption
from indexer.captions.journal import Journal
from indexer.captions.own_caption import OwnCaption, sha256
from indexer.captions.replace import stamp_of
from indexer.photo import CaptionPlace

CAPTION = Caption("a dog runs along the beach", 0.83, (), None, "bench-1")


def made_photos(count: int, folder: Path) -> list[Path]:
    """12-megapixel JPEGs of some 4 MB: a gradient with noise."""
    paths = []
    for number in range(count):
        noise = Image.effect_noise((1000, 750), 24).resize((4000, 3000))
        path = folder / f"{number}.jpg"
        Image.merge("RGB", [noise] * 3).save(path, "JPEG", quality=88)
        paths.append(path)
    return paths


def given_photos(source: Path, count: int, folder: Path) -> list[Path]:
    """Copies of up to `count` JPEGs below `source`, chosen at random but the same each time."""
    found = sorted(path for path in source.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    chosen = random.Random(1).sample(found, min(count, len(found)))
    return [Path(shutil.copy(path, folder / f"{number}.jpg")) for number, path in enumerate(chosen)]


def timed(what: Callable[[], object]) -> float:
    """Milliseconds."""
    start = time.perf_counter()
    what()
    return (time.perf_counter() - start) * 1000


def plain_copy(path: Path) -> None:
    """Reads the file whole, writes it to another name, and waits for the disk."""
    data = path.read_bytes()
    copy = path.with_suffix(".copy")
    with copy.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    directory = os.open(path.parent, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


def thinking(path: Path) -> None:
    """Edit and verification without a disk."""
    data = path.read_bytes()
    photo = open_photo(data)
    if photo is None:
        return
    own = OwnCaption.of(CAPTION, before=sha256(data))
    check_edit(data, photo.embed(own, CaptionPlace.EXIF), own)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        count = options.count
        paths = given_photos(options.photos, count, folder) if options.photos else made_photos(min(count, 12), folder)
        measure(paths, Journal.in_dir(folder / "data"), options.rounds)


def measure(paths: list[Path], journal: Journal, rounds: int) -> None:
    """Each photo's four times, interleaved so that what else the machine does hits all alike."""
    inside = [path for path in paths if is_written_inside(path, journal)]
    times: dict[str, list[float]] = {"copy + fsync": [], "write": [], "undo": [], "in memory": []}
    for _ in range(rounds):
        for path in inside:
            stamp = stamp_of(path.stat())
            times["copy + fsync"].append(timed(lambda path=path: plain_copy(path)))
            path.with_suffix(".copy").unlink()
            times["in memory"].append(timed(lambda path=path: thinking(path)))
            times["write"].append(
                timed(lambda path=path, stamp=stamp: write_caption(path, CAPTION, stamp=stamp, journal=journal))
            )
            times["undo"].append(timed(lambda path=path: undo_caption(path, journal=journal)))
    size = statistics.median(path.stat().st_size for path in inside)
    print(f"{len(inside)} of {len(paths)} JPEGs take a caption, median {size / 1e6:.2f} MB, {rounds} rounds")
    base = statistics.median(times["copy + fsync"])
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:>14}: {median:8.2f} ms   {median / base:5.2f} x copy + fsync")


def is_written_inside(path: Path, journal: Journal) -> bool:
    """Whether the photo takes a caption into its Exif block; it is undone again."""
    place = write_caption(path, CAPTION, stamp=stamp_of(path.stat()), journal=journal).place
    undo_caption(path, journal=journal)
    return place is CaptionPlace.EXIF


if __name__ == "__main__":
    main()
