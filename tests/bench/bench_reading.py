"""What one 12-megapixel JPEG costs, part by part, and what the photo process adds and holds.

    python -m tests.bench.bench_reading [PHOTO...] [--rounds 7] [--screen-px 1280] [--input-px 256]

Without a PHOTO, one of 4000 x 3000 pixels is made: gradients and noise at quality 92, about 3 MB. Parts are CPU time,
the best of all rounds, each as a share of the whole look; the whole through the child process is elapsed time beside
it. Memory is the child's (VmHWM, VmRSS). Aim: under 80 MB. Filters and formats are compared by `bench_pictures`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from indexer.images.decode import decode, open_image
from indexer.images.measuring import measure
from indexer.images.pictures import encode_grid, encode_screen, make_grid, model_input
from indexer.metadata.content_key import content_key
from indexer.metadata.read_metadata import read_metadata
from indexer.reader.photo_process import PhotoProcesses
from indexer.reader.photo_reader import read_photo_file
from indexer.settings import Settings
from tests.photos_made import detailed, encoded, exif_bytes


def best_ms(work: Callable[[], object], rounds: int) -> float:
    """CPU milliseconds of the fastest round."""
    times = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return 1000 * min(times)


def parts(path: Path, screen_px: int, input_px: int, rounds: int) -> dict[str, float]:
    """CPU milliseconds of each step of one look, as `photo_reader` takes them."""
    data, _ = read_photo_file(path, max_file_mb=500)
    screen = decode(open_image(data, suffix=path.suffix, max_pixels_mp=500), screen_px, 1)

    def look() -> None:
        decode(open_image(data, suffix=path.suffix, max_pixels_mp=500), screen_px, 1)

    steps: dict[str, Callable[[], object]] = {
        "read the file": lambda: read_photo_file(path, max_file_mb=500),
        "content key": lambda: content_key(data),
        "metadata": lambda: read_metadata(data, path),
        "decode and scale": look,
        "grid thumbnail": lambda: encode_grid(make_grid(screen, 320)),
        "screen thumbnail": lambda: encode_screen(screen),
        "measures": lambda: measure(make_grid(screen, 320)),
        "model's input": lambda: model_input(screen, input_px),
    }
    return {name: best_ms(step, rounds) for name, step in steps.items()}


async def whole(path: Path, settings: Settings, input_px: int, rounds: int) -> tuple[float, str]:
    """Elapsed milliseconds of the fastest look through the child, and the child's memory."""
    async with PhotoProcesses(settings, input_px=input_px, count=1) as photos:
        times = []
        for _ in range(rounds):
            begun = time.perf_counter()
            await photos.read(path)
            times.append(time.perf_counter() - begun)
        return 1000 * min(times), memory(photos.pids[0])


def memory(pid: int | None) -> str:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return "unknown on this system"
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    peak, now = (int(lines[name].split()[0]) / 1024 for name in ("VmHWM", "VmRSS"))
    return f"{peak:.0f} MB at its peak, {now:.0f} MB afterwards"


def report(path: Path, settings: Settings, input_px: int, rounds: int) -> None:
    print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
    measured = parts(path, settings.screen_px, input_px, rounds)
    total = sum(measured.values())
    for name, milliseconds in measured.items():
        print(f"  {name:18s} {milliseconds:7.1f} ms  {milliseconds / total:5.0%}")
    print(f"  {'sum':18s} {total:7.1f} ms")
    elapsed, held = asyncio.run(whole(path, settings, input_px, rounds))
    print(f"  through the child {elapsed:8.1f} ms elapsed: {elapsed / total:.2f} times the sum; it holds {held}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--screen-px", type=int, default=1280)
    parser.add_argument("--input-px", type=int, default=256)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made-12mp.jpg"
        if not options.photos:
            made.write_bytes(encoded(detailed((4000, 3000)), "JPEG", quality=92, exif=exif_bytes({0x010F: b"Canon"})))
        settings = Settings(data_dir=Path(folder), screen_px=options.screen_px, nice=0, reader_timeout_s=600)
        for path in options.photos or [made]:
            report(path, settings, options.input_px, options.rounds)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
