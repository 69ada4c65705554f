"""What a safe write costs: caption, verify and replace against a plain copy and fsync of the same file, in one run.

    python tests/bench/bench_writes.py [--photos DIR] [--formats jpeg,tiff,heic,png,webp] [--count 12] [--rounds 5]
                                       [--folder DIR]

For each photo, in turn: a copy to a new name with fsync of file and directory (what any careful program does), then
`write_caption` with a journal, then `undo_caption`. For each format it prints the median milliseconds of each and their
ratios to the copy, and of a write how much is edit and verification in memory. Without --photos, 12-megapixel pictures
of noise are made (HEIC: 3 megapixels, for its encoder is slow). Files lie in --folder (default: the system's temporary
directory): its file system is what is measured.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pillow_heif
from PIL import Image

from captioner import Caption
from indexer.atomic.file_read import stamp_of
from indexer.captions.caption_file import write_caption
from indexer.captions.checks import check_edit
from indexer.captions.journal import Journal
from indexer.captions.undo import undo_caption
from indexer.errors import CaptionRefused
from indexer.formats.editable import open_photo
from indexer.model import CaptionPlace
from indexer.ownership.mark import OwnCaption, sha256

CAPTION = Caption("a dog runs along the beach", 0.83, (), None, "bench-1")

SUFFIXES = {
    "jpeg": (".jpg", ".jpeg"),
    "tiff": (".tif", ".tiff"),
    "heic": (".heic", ".heif"),
    "png": (".png",),
    "webp": (".webp",),
}
SAVED: dict[str, dict[str, object]] = {
    "jpeg": {"quality": 88},
    "tiff": {"compression": "tiff_adobe_deflate"},
    "heic": {"quality": 70},
    "png": {"compress_level": 1},
    "webp": {"quality": 80, "method": 0},
}
MEASURED = ("copy + fsync", "write", "undo", "in memory")


def made_photos(kind: str, count: int, folder: Path) -> list[Path]:
    """A few megabytes each: a gradient with noise."""
    paths, exif = [], Image.Exif()
    exif[0x010F] = "recollect"  # Make: what a caption is written beside in a HEIC
    size = (2000, 1500) if kind == "heic" else (4000, 3000)
    for number in range(count):
        noise = Image.effect_noise((size[0] // 4, size[1] // 4), 24).resize(size)
        path = folder / f"{number}{SUFFIXES[kind][0]}"
        more = {**SAVED[kind], **({"exif": exif} if kind == "heic" else {})}
        Image.merge("RGB", [noise] * 3).save(path, "HEIF" if kind == "heic" else kind.upper(), **more)
        paths.append(path)
    return paths


def given_photos(kind: str, source: Path, count: int, folder: Path) -> list[Path]:
    """Copies of up to `count` photos below `source`, chosen at random but the same each time."""
    found = sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES[kind])
    chosen = random.Random(1).sample(found, min(count, len(found)))
    return [Path(shutil.copy(path, folder / f"{number}{path.suffix}")) for number, path in enumerate(chosen)]


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
    photo = open_photo(data, path.suffix)
    if photo is None:
        return
    own = OwnCaption.of(CAPTION, before=sha256(data))
    for place in photo.places:
        try:
            check_edit(data, photo.embed(own, place), own)
        except CaptionRefused:
            continue
        return


def measured(paths: Sequence[Path], journal: Journal, rounds: int) -> dict[str, float]:
    """Medians. Each photo's four times are taken in turn, so that what else the machine does hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in MEASURED}
    for _ in range(rounds):
        for path in paths:
            times["copy + fsync"].append(timed(partial(plain_copy, path)))
            path.with_suffix(".copy").unlink()
            times["in memory"].append(timed(partial(thinking, path)))
            times["write"].append(timed(partial(write, path, journal)))
            times["undo"].append(timed(partial(undo_caption, path, journal=journal)))
    return {name: statistics.median(values) for name, values in times.items()}


def write(path: Path, journal: Journal) -> CaptionPlace:
    """Where the caption went."""
    return write_caption(path, CAPTION, stamp=stamp_of(path.stat()), journal=journal).place


def is_written_inside(path: Path, journal: Journal) -> bool:
    """Whether the photo takes a caption; it is undone again."""
    place = write(path, journal)
    undo_caption(path, journal=journal)
    return place in (CaptionPlace.EXIF, CaptionPlace.XMP)


def lines(kinds: Sequence[str], options: argparse.Namespace) -> Iterator[str]:
    """The table."""
    yield f"{'format':>6} {'files':>9} {'MB':>6}" + "".join(f"{name + ', ms':>18}" for name in MEASURED)
    for kind in kinds:
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            folder = Path(name)
            made = given_photos(kind, options.photos, options.count, folder) if options.photos else None
            paths = made_photos(kind, options.count, folder) if made is None else made
            journal = Journal.in_dir(folder / "data")
            inside = [path for path in paths if is_written_inside(path, journal)]
            if not inside:
                yield f"{kind:>6} {f'0 of {len(paths)}':>9}"
                continue
            size = statistics.median(path.stat().st_size for path in inside)
            medians = measured(inside, journal, options.rounds)
        cells = [f"{median:.1f} ({median / medians[MEASURED[0]]:.2f} x)" for median in medians.values()]
        files = f"{len(inside)} of {len(paths)}"
        yield f"{kind:>6} {files:>9} {size / 1e6:6.2f}" + "".join(f"{cell:>18}" for cell in cells)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--formats", default=",".join(SUFFIXES))
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    pillow_heif.register_heif_opener()
    for line in lines(options.formats.split(","), options):
        print(line, flush=True)


if __name__ == "__main__":
    main()
