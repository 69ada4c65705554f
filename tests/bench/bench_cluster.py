"""Captioning with workers against without, in one run on one machine: what it costs the service, and what it gains.

    python -m tests.bench.bench_cluster [--images 120] [--rounds 3]

The scheduler and up to two workers run on this machine, so that on two cores three captioners have two cores: what
scales here is only what is left idle otherwise. Real workers bring cores of their own. For each number of workers:
processor time in the service, in the scheduler, and of all processes for each image; images a second; who made them.
Then the memory of the service's process (PSS) without the cluster, with it, and with it after the images.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from captioner import CaptionerProcess, ClusterCaptioner, connected_captioner, read_model_name, squash
from tests.bundles_made import copy_that_takes_all_for_photos
from tests.cluster_processes import cluster_processes, until
from tests.photos_made import detailed


@dataclass(frozen=True, slots=True)
class Round:
    """Milliseconds of processor time an image; images a second; the share that workers made."""

    service_ms: float
    scheduler_ms: float
    all_ms: float
    per_second: float
    elsewhere: float


def processor_s(pid: int) -> float:
    """User and system time of a process with its children."""
    process = psutil.Process(pid)
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(one.user + one.system for one in times)


async def measure(
    captioner: CaptionerProcess | ClusterCaptioner, images: Sequence[bytes], scheduler: int | None
) -> Round:
    elsewhere = captioner.state.captions_elsewhere if isinstance(captioner, ClusterCaptioner) else 0
    began, own = time.perf_counter(), time.process_time()
    planning = processor_s(scheduler) if scheduler else 0.0
    total = processor_s(os.getpid())  # the scheduler and the workers are among its children
    gate = asyncio.Semaphore(24)

    async def caption(image: bytes) -> None:
        async with gate:  # about as many as the indexer has in hand with two workers
            await captioner.caption(image)

    await asyncio.gather(*map(caption, images))
    n = len(images)
    own, took = time.process_time() - own, time.perf_counter() - began
    planning = processor_s(scheduler) - planning if scheduler else 0.0
    total = processor_s(os.getpid()) - total
    made = (captioner.state.captions_elsewhere - elsewhere) if isinstance(captioner, ClusterCaptioner) else 0
    return Round(own / n * 1000, planning / n * 1000, total / n * 1000, n / took, made / n)


async def measure_all(images: Sequence[bytes], bundle: Path, folder: Path, rounds: int) -> None:
    found: dict[int, list[Round]] = {0: [], 1: [], 2: []}
    with cluster_processes(folder, bundle=bundle) as cluster:
        scheduler, _ = cluster.scheduler().pid, cluster.worker()
        async with (
            CaptionerProcess(bundle, nice=0) as local,
            connected_captioner(local, cluster.address, bundle=bundle, timeout_s=60) as captioner,
        ):
            for number in (1, 2):
                if number == 2:
                    cluster.worker()
                await until(lambda number=number: captioner.state.used == number)  # type: ignore[misc]
                await asyncio.gather(*map(captioner.caption, images[:16]))
                for _ in range(rounds):
                    found[0].append(await measure(local, images, None))
                    found[number].append(await measure(captioner, images, scheduler))
    load = os.getloadavg()[0]
    print(f"{len(images)} images, medians of {rounds} rounds in turn; {os.cpu_count()} cores, load {load:.1f}")
    for number, taken in found.items():
        middle = {name: statistics.median(getattr(one, name) for one in taken) for name in Round.__slots__}
        print(
            f"{number} workers: service {middle['service_ms']:.2f} ms an image, scheduler {middle['scheduler_ms']:.2f},"
        )
        print(f"  all processes {middle['all_ms']:.0f}; ", end="")
        print(f"{middle['per_second']:.1f} images a second, ", end="")
        print(f"{middle['elsewhere']:.0%} by workers")
    ratios = [statistics.median(one.per_second for one in found[number]) for number in (0, 1, 2)]
    one, two = ratios[1] / ratios[0], ratios[2] / ratios[0]
    print(f"images a second against none: {one:.2f} with one worker, {two:.2f} with two")


_SERVICE = """
import asyncio, sys, tempfile
from pathlib import Path
import web.app, web.server, indexer.service
from indexer.jobs.captioners import indexing_captioner
from indexer.settings import Settings
def pss():
    with open("/proc/self/smaps_rollup") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000
async def main():
    settings = Settings(data_dir=Path(tempfile.mkdtemp()), cluster=sys.argv[1], nice=0)
    import numpy  # which search has in any case
    async with indexing_captioner(settings) as captioner:
        await asyncio.sleep(3)
        print(f"{pss():.1f}", flush=True)
        image = bytes(captioner.input_px ** 2 * 3)
        for _ in range(10):
            await asyncio.gather(*(captioner.caption(image) for _ in range(24)))
        print(f"{pss():.1f}", flush=True)
asyncio.run(main())
"""


def measure_memory(folder: Path) -> None:
    with cluster_processes(folder) as cluster:
        cluster.scheduler()
        cluster.worker()
        for text, address in (("without the cluster", ""), ("with it", cluster.address)):
            command = [sys.executable, "-c", _SERVICE, address]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            before, after = done.stdout.split()
            print(f"memory of the service's process {text}: {before} MB, {after} MB after 240 images (PSS)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        bundle = copy_that_takes_all_for_photos(folder / "bundle")
        _, input_px = read_model_name(bundle)
        images = [squash(detailed((160, 120), seed % 40), input_px).tobytes() for seed in range(options.images)]
        asyncio.run(measure_all(images, bundle, folder, options.rounds))
        measure_memory(folder)


if __name__ == "__main__":
    main()
