"""A rescan of unchanged files against `find ROOT -type f -printf`, in the same run on the same tree.

    python tests/bench/bench_rescan.py [--files 100000] [--per-folder 200] [--rounds 5]

Both list every folder and stat every file; the rescan also compares each file with the catalogue and decides that
nothing is missing. Medians, with a warm page cache on both sides. Aim: within 4 times.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from indexer.catalogue import Catalogue
from indexer.scanning.crawler import crawl

EXTENSIONS = frozenset({".jpg"})


def make_tree(root: Path, files: int, per_folder: int) -> None:
    for first in range(0, files, per_folder):
        folder = root / f"{1990 + first // per_folder % 30}" / f"{first // per_folder:05d} holiday"
        folder.mkdir(parents=True)
        for number in range(first, min(first + per_folder, files)):
            (folder / f"IMG_{number:06d}.jpg").write_bytes(b"%d" % number)


async def rescan(catalogue: Catalogue, root: Path) -> int:
    under_way = catalogue.scans.begin_scan(root)
    seen = 0
    async for batch in crawl(root, extensions=EXTENSIONS):
        counts = await asyncio.to_thread(catalogue.scans.note, under_way, batch)
        seen += counts.unchanged
    catalogue.scans.finish_scan(under_way)
    return seen


def find(root: Path) -> None:
    subprocess.run(
        ["find", str(root), "-type", "f", "-printf", r"%p %s %T@ %i\n"], stdout=subprocess.DEVNULL, check=True
    )


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--per-folder", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, Catalogue(Path(directory) / "catalogue.db") as catalogue:
        root = Path(directory) / "library"
        make_tree(root, options.files, options.per_folder)
        first_s = timed(lambda: asyncio.run(rescan(catalogue, root)))
        assert asyncio.run(rescan(catalogue, root)) == options.files
        rescans, finds = [], []
        for _ in range(options.rounds):
            finds.append(timed(lambda: find(root)))
            rescans.append(timed(lambda: asyncio.run(rescan(catalogue, root))))
    rescan_s, find_s = statistics.median(rescans), statistics.median(finds)
    print(f"{options.files} files, {options.per_folder} a folder, medians of {options.rounds}")
    print(f"first walk {first_s:.2f} s, rescan {rescan_s:.2f} s, find {find_s:.2f} s")
    print(f"rescan / find = {rescan_s / find_s:.2f} (aim: at most 4)")


if __name__ == "__main__":
    main()
