"""The whole pipeline on 12-megapixel photos: processor time, rate, memory, and the wait for the first photo.

    python -m tests.bench.bench_pipeline [--photos 12] [--rounds 3] [--bundle DIR] [--only time|rate|memory]

Processor time: of a JPEG, a progressive JPEG, a HEIC and a PNG step by step, ours beside what the bare libraries take
for the same work (`photo_parts`), and below that the whole: user and system time of `recollect index` with all its
children (getrusage(2)) for all photos less that for one, for each further photo; the least of all rounds. The
difference is what processes, pipes, threads and the event loop cost. Aim for a JPEG: 0.11 s.

Rate: photos per second of the whole pipeline (walk, read, thumbnails, caption, caption into the file, catalogue,
search) against what its parts would give one after the other (read with decode and thumbnails, caption, write), each
measured alone in the same round on photos of the same kind. Aim: 0.8 or better on two cores; above 1 the parts overlap.

Memory: the greatest PSS of `recollect serve` with all its children while it indexes the photos; aim: 200 MB.

First photo: from the start of `recollect serve` on an unknown library until /api/search finds a photo.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import resource
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import pillow_heif
from PIL import Image

from captioner import DEFAULT_BUNDLE
from indexer.jobs.captioners import started_captioner
from indexer.model import FileStamp
from indexer.reader.photo_process import PhotoProcesses
from indexer.service import Indexer
from indexer.settings import Settings
from indexer.storage import open_storage
from tests.bench.photo_parts import STEPS, measure_parts
from tests.memory import PeakMemory, Sample

SIZE = (4000, 3000)


#: name -> suffix, Pillow's name and options
KINDS: dict[str, tuple[str, str, dict[str, int | bool]]] = {
    "JPEG": (".jpg", "JPEG", {"quality": 92}),
    "progressive": (".jpg", "JPEG", {"quality": 92, "progressive": True}),
    "HEIC": (".heic", "", {}),  # see `write_heic`
    "PNG": (".png", "PNG", {"compress_level": 1}),
}


def write_photos(root: Path, photos: int, seed: int, kind: str = "JPEG") -> list[Path]:
    """Photos of a camera's size and weight (3 to 4 MB as JPEG): soft shapes under fine noise, no two alike."""
    root.mkdir(parents=True)
    if kind == "HEIC":
        return [write_heic(root / f"IMG_{seed}_{number:04}.heic", seed * 10_000 + number) for number in range(photos)]
    suffix, name, options = KINDS[kind]
    grain = Image.effect_noise(SIZE, 24).convert("RGB")
    chance = random.Random(seed)
    paths = []
    for number in range(photos):
        shapes = Image.new("RGB", (8, 6))
        shapes.putdata([tuple(chance.randrange(256) for _ in range(3)) for _ in range(48)])
        path = root / f"IMG_{seed}_{number:04}{suffix}"
        Image.blend(shapes.resize(SIZE, Image.Resampling.BICUBIC), grain, 0.3).save(path, name, **options)
        paths.append(path)
    return paths


def write_heic(path: Path, number: int) -> Path:
    """One picture, as encoding it takes half a minute; an empty box of the container tells the photos apart."""
    path.write_bytes(_heic() + struct.pack(">L4sL", 12, b"free", number))
    return path


@lru_cache(maxsize=1)
def _heic() -> bytes:
    shapes = Image.effect_noise((250, 188), 60).convert("RGB").resize(SIZE, Image.Resampling.BICUBIC)
    buffer = BytesIO()
    pillow_heif.from_pillow(shapes).save(buffer, quality=60, enc_params={"preset": "ultrafast"})
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Steps:
    """Seconds per photo of each part, alone."""

    read_s: float
    caption_s: float
    write_s: float

    @property
    def together_s(self) -> float:
        return self.read_s + self.caption_s + self.write_s


def index_processor_s(root: Path, data_dir: Path, bundle: Path) -> float:
    """User and system time of `recollect index` and all its children."""
    command = [sys.executable, "-m", "web.cli", "index", str(root), "--data-dir", str(data_dir), "--write-unsure"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Niceness changes no processor time, and lets a busy machine keep the children waiting.
    environment = {**os.environ, "RECOLLECT_NICE": "0"}
    subprocess.run([*command, "--bundle", str(bundle)], check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def whole_processor_s(folder: Path, kind: str, bundle: Path, photos: int, rounds: int) -> tuple[float, float]:
    """Seconds of processor time for each further photo, and for the first with the start of every process."""
    firsts, further = [], []
    for number in range(rounds):
        one, all_ = folder / f"one-{kind}-{number}", folder / f"all-{kind}-{number}"
        write_photos(one, 1, 2000 + number, kind)
        write_photos(all_, photos, 3000 + number, kind)
        firsts.append(index_processor_s(one, folder / f"{one.name}-data", bundle))
        further.append((index_processor_s(all_, folder / f"{all_.name}-data", bundle) - firsts[-1]) / (photos - 1))
        shutil.rmtree(all_)
    return min(further), min(firsts)


def processor_time(folder: Path, bundle: Path, photos: int, rounds: int) -> None:
    parts, wholes = {}, {}
    for kind in KINDS:
        root, number = folder / f"parts-{kind}", photos if kind == "JPEG" else max(photos // 3, 4)
        (folder / f"stored-{kind}").mkdir()
        parts[kind] = measure_parts(folder / f"stored-{kind}", write_photos(root, min(number, 6), 7, kind), bundle)
        wholes[kind] = whole_processor_s(folder, kind, bundle, number, rounds)
    print("processor time of a 12-megapixel photo, ms: ours / bare libraries")
    print(" " * 28 + "".join(f"{kind:>15s}" for kind in KINDS))
    for step in STEPS:
        pairs = ((parts[kind].ours[step], parts[kind].bare.get(step)) for kind in KINDS)
        print(f"{step:28s}" + "".join(_pair(*pair) for pair in pairs))
    sums = {kind: (sum(one.ours.values()), sum(one.bare.values())) for kind, one in parts.items()}
    print(f"{'sum':28s}" + "".join(_pair(*sums[kind]) for kind in KINDS))
    print(f"{'whole process tree':28s}" + "".join(_pair(wholes[kind][0], sums[kind][1]) for kind in KINDS))
    print(f"{'times the bare libraries':28s}" + "".join(f"{wholes[kind][0] / sums[kind][1]:15.2f}" for kind in KINDS))
    print(f"the start of all processes with one JPEG: {wholes['JPEG'][1]:.2f} s of processor time")


def _pair(ours: float, bare: float | None) -> str:
    return f"{ours * 1e3:7.1f} / " + (f"{bare * 1e3:5.1f}" if bare is not None else "    -")


async def measure_steps(settings: Settings, paths: list[Path]) -> Steps:
    async with (
        started_captioner(settings) as captioner,
        PhotoProcesses(settings, input_px=captioner.input_px, count=1) as photos,
    ):
        begun = time.perf_counter()
        readings = [await photos.read(path) for path in paths]
        read = time.perf_counter()
        captions = [await captioner.caption(reading.pixels) for reading in readings]
        captioned = time.perf_counter()
        for path, caption in zip(paths, captions, strict=True):
            status = path.stat()
            await photos.write_caption(path, caption, FileStamp(status.st_mtime_ns, status.st_size, status.st_ino))
        written = time.perf_counter()
    number = len(paths)
    return Steps((read - begun) / number, (captioned - read) / number, (written - captioned) / number)


async def measure_pipeline(settings: Settings, root: Path, photos: int) -> float:
    """Seconds per photo, the starting of the child processes left out."""
    with open_storage(settings) as storage:
        async with Indexer(settings, storage) as indexer:
            begun = time.perf_counter()
            outcome = await indexer.index_once((root,))
            took_s = time.perf_counter() - begun
    if outcome.done != photos or outcome.set_aside:
        raise SystemExit(f"the pipeline did {outcome.done} of {photos} photos, {outcome.set_aside} set aside")
    return took_s / photos


def rate(folder: Path, bundle: Path, photos: int, rounds: int) -> None:
    ratios = []
    for number in range(rounds):
        settings = Settings(data_dir=folder / f"data-{number}", bundle=bundle, watch=False, write_unsure=True)
        parts = asyncio.run(measure_steps(settings, write_photos(folder / f"parts-{number}", photos, number)))
        root = folder / f"whole-{number}"
        write_photos(root, photos, 1000 + number)
        whole_s = asyncio.run(measure_pipeline(settings, root, photos))
        ratios.append(parts.together_s / whole_s)
        print(
            f"round {number + 1}: read {parts.read_s * 1e3:.0f} ms, caption {parts.caption_s * 1e3:.0f} ms, "
            f"write {parts.write_s * 1e3:.0f} ms: {1 / parts.together_s:.2f} photos/s one after the other; "
            f"pipeline {1 / whole_s:.2f} photos/s; ratio {ratios[-1]:.2f}"
        )
    print(f"pipeline / sum of its parts: median {statistics.median(ratios):.2f} (aim: 0.8)")


@contextmanager
def serving(root: Path, data_dir: Path, bundle: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "web.cli", "serve", str(root), "--port", "0", "--bundle", str(bundle)]
    environment = {**os.environ, "RECOLLECT_DATA_DIR": str(data_dir)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        try:
            yield process, next(found[0] for line in process.stderr if (found := re.search(r"http://\S+", line)))
        finally:
            process.terminate()
            process.stderr.read()
            process.wait()


def ask(address: str) -> dict[str, object]:
    with urllib.request.urlopen(address) as answer:
        return dict(json.loads(answer.read()))


def memory_and_first_photo(folder: Path, bundle: Path, photos: int) -> None:
    root = folder / "served"
    write_photos(root, photos, 5000)
    begun = time.perf_counter()
    with serving(root, folder / "served-data", bundle) as (process, address), PeakMemory(process.pid) as memory:
        answering_s = time.perf_counter() - begun
        while not ask(f"{address}/api/search?q=")["total"]:
            time.sleep(0.02)
        first_s = time.perf_counter() - begun
        while ask(f"{address}/api/search?q=")["total"] != photos:
            time.sleep(0.1)
    report_memory(memory.peak)
    print(f"page answering after {answering_s:.1f} s, first photo searchable after {first_s:.1f} s")
    begun = time.perf_counter()
    with serving(root, folder / "served-data", bundle) as (_, address):
        total = ask(f"{address}/api/search?q=")["total"]
        took_s = time.perf_counter() - begun
    print(f"second start: {total} photos searchable after {took_s:.1f} s")


def report_memory(peak: Sample) -> None:
    each = " + ".join(f"{mb:.0f}" for mb in peak.each_pss_mb)
    print(
        f"peak memory while indexing 12-megapixel photos: PSS {peak.pss_mb:.0f} MB ({each}), RSS {peak.rss_mb:.0f} MB; "
        f"PSS / 200 MB: {peak.pss_mb / 200:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE)
    parser.add_argument("--only", choices=("time", "rate", "memory"))
    arguments = parser.parse_args()
    wanted = {arguments.only} if arguments.only else {"time", "rate", "memory"}
    with tempfile.TemporaryDirectory(prefix="recollect-bench-") as name:
        if "time" in wanted:
            processor_time(Path(name), arguments.bundle, arguments.photos, arguments.rounds)
        if "rate" in wanted:
            rate(Path(name), arguments.bundle, arguments.photos, arguments.rounds)
        if "memory" in wanted:
            memory_and_first_photo(Path(name), arguments.bundle, arguments.photos)


if __name__ == "__main__":
    main()
