"""The captioner's child process with the shipped bundle, against the machine's own limit, in one run.

    python tests/bench/bench_captioner.py [--bundle DIR] [--captions 60] [--threads 1 2] [--rounds 3]

For each number of threads it prints

- latency (median, p95) of one caption through the child process, one request at a time, and the first one's;
- the same without a child process, straight from LiteRTCaptioner, turn by turn: what the pipes and the parent cost;
- of that the encoder alone, and what remains for each word: one step of the decoder for every sentence of the beam;
- the time of all captions with one request open at a time against four: what overlapping saves;
- arithmetic per second (two operations for each multiply-add in the encoder's and decoder's convolutions and matrix
  products) against numpy's sgemm of 1024 x 1024 matrices on as many threads: the share of the machine's float32 limit
  that is used. int8 kernels have a higher limit, so a share near 1 is no proof that nothing is left;
- memory of the child: the most that was resident, and its proportional share (PSS) at the end, in which pages that it
  has in common with other processes count in part;

and once, where the bundle has a text tower, the time to open it and to turn a query into a vector, with its memory.

Pictures are noise, of which the bundle would say nothing, so a copy is measured that takes every picture for a photo.
The time of a caption depends on its length, so compare runs of the same bundle only.
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

import numpy as np
import psutil

from captioner import DEFAULT_BUNDLE, CaptionerProcess, TextTower
from captioner.inference.litert import LiteRTCaptioner
from captioner.inference.manifest import DECODER, ENCODER
from tests.bundles_made import copy_that_takes_all_for_photos

QUERIES = 200
WORDS = ("dog", "brown", "beach", "two", "children", "playing", "in", "the", "snow", "red", "car", "birthday")

SGEMM = """
import time, numpy as np
a, b = np.random.default_rng(0).random((2, 1024, 1024), np.float32)
best = 1e9
for _ in range(20):
    start = time.perf_counter(); a @ b; best = min(best, time.perf_counter() - start)
print(2 * 1024**3 / best / 1e9)
"""


@dataclass(frozen=True)
class Latency:
    """Milliseconds."""

    first: float
    median: float
    p95: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        rest = sorted(seconds[1:])
        return cls(seconds[0] * 1e3, statistics.median(rest) * 1e3, rest[int(0.95 * (len(rest) - 1))] * 1e3)

    def __str__(self) -> str:
        return f"median {self.median:.1f} ms, p95 {self.p95:.1f} ms, first {self.first:.1f} ms"


def sgemm_gflops(threads: int) -> float:
    """In a process of its own: OpenBLAS reads its number of threads once."""
    variables = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads)}
    done = subprocess.run([sys.executable, "-c", SGEMM], env=variables, capture_output=True, text=True, check=True)
    return float(done.stdout)


def model_gflop(path: Path) -> float:
    """Operations of one run of a TFLite model: two for each multiply-add of its convolutions and products."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_path=str(path), experimental_op_resolver_type=plain)
    shapes = {tensor["index"]: tensor["shape"] for tensor in interpreter.get_tensor_details()}
    total = 0.0
    for operation in interpreter._get_ops_details():
        inputs = [shapes.get(index, np.ones(1)) for index in operation["inputs"]]
        total += 2.0 * np.prod(shapes[operation["outputs"][0]]) * depth(operation["op_name"], inputs)
    return total / 1e9


def depth(name: str, inputs: Sequence[np.ndarray]) -> float:
    """Multiply-adds for each element that the operation gives."""
    match name:
        case "CONV_2D":
            return float(np.prod(inputs[1][1:]))
        case "DEPTHWISE_CONV_2D":
            return float(np.prod(inputs[1][1:3]))
        case "FULLY_CONNECTED" | "BATCH_MATMUL":
            return float(inputs[0][-1])
    return 0.0


def pictures(input_px: int, count: int) -> list[bytes]:
    noise = np.random.default_rng(1)
    coarse = noise.integers(0, 256, (count, 8, 8, 3), np.uint8)
    scale = -(-input_px // 8)
    return [np.kron(one, np.ones((scale, scale, 1), np.uint8))[:input_px, :input_px].tobytes() for one in coarse]


def memory_mb(pid: int | str, file: str, field: str) -> float:
    lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def sought() -> list[str]:
    """Queries of two to nine words."""
    chance = np.random.default_rng(2)
    return [" ".join(chance.choice(WORDS, chance.integers(2, 10))) for _ in range(QUERIES)]


def report_text_tower(bundle: Path) -> None:
    before, start = memory_mb("self", "status", "VmRSS"), time.perf_counter()
    tower = TextTower.open(bundle)
    opened = time.perf_counter() - start
    if tower is None:
        print("\nno text tower in this bundle")
        return
    seconds = []
    for query in sought():
        start = time.perf_counter()
        tower.embed(query)
        seconds.append(time.perf_counter() - start)
    memory = memory_mb("self", "status", "VmRSS") - before
    print(f"\ntext tower, {tower.dimension} dimensions: opened in {opened * 1e3:.0f} ms, {memory:.1f} MB")
    print(f"  a query                {Latency.of(seconds)}")


@dataclass(frozen=True)
class Measured:
    """The same pictures through one child process and straight, turn by turn."""

    child: Latency
    straight: Latency
    encoder: Latency
    overlapping: float  # seconds with one request open at a time against four
    cpu_ms: float  # of the child, for each caption
    words: float
    peak_mb: float
    pss_mb: float

    @property
    def word_ms(self) -> float:
        """Of the decoder, for each word and for the step that ends the sentence."""
        return (self.straight.median - self.encoder.median) / (self.words + 1)


async def measure(bundle: Path, threads: int, count: int) -> Measured:
    direct = LiteRTCaptioner(bundle, threads=threads)
    shape = (direct.input_px, direct.input_px, 3)
    photos = pictures(direct.input_px, count)
    child: list[float] = []
    straight: list[float] = []
    encoder: list[float] = []
    words = 0
    async with CaptionerProcess(bundle, threads=threads, nice=0) as captioner:
        process = psutil.Process(captioner.pid)
        idle = sum(process.cpu_times()[:2])
        for photo in photos:
            start = time.perf_counter()
            words += len((await captioner.caption(photo)).text.split())
            child.append(time.perf_counter() - start)
            start = time.perf_counter()
            direct.caption(np.frombuffer(photo, np.uint8).reshape(shape))
            straight.append(time.perf_counter() - start)
            encoder.append(encoding_s(direct, np.frombuffer(photo, np.uint8).reshape(shape)))
        cpu_ms = (sum(process.cpu_times()[:2]) - idle) / count * 1e3
        overlapping = await seconds_at_once(captioner, photos, 1) / await seconds_at_once(captioner, photos, 4)
        peak = memory_mb(process.pid, "status", "VmHWM")
        pss = memory_mb(process.pid, "smaps_rollup", "Pss:")
    latencies = Latency.of(child), Latency.of(straight), Latency.of(encoder)
    return Measured(*latencies, overlapping, cpu_ms, words / count, peak, pss)


def encoding_s(captioner: LiteRTCaptioner, pixels: np.ndarray) -> float:
    start = time.perf_counter()
    captioner.encode(pixels)
    return time.perf_counter() - start


async def seconds_at_once(captioner: CaptionerProcess, photos: Sequence[bytes], open_requests: int) -> float:
    start = time.perf_counter()
    for first in range(0, len(photos), open_requests):
        await asyncio.gather(*(captioner.caption(photo) for photo in photos[first : first + open_requests]))
    return time.perf_counter() - start


def report(bundle: Path, threads: int, count: int) -> None:
    limit = sgemm_gflops(threads)
    found = asyncio.run(measure(bundle, threads, count))
    encoder, decoder = model_gflop(bundle / ENCODER), model_gflop(bundle / DECODER)
    gflop = encoder + decoder * (found.words + 1)  # and the step that ends the sentence
    reached = gflop / (found.child.median / 1e3)
    print(f"\n{threads} thread(s)")
    print(f"  through the child      {found.child}; processor time {found.cpu_ms:.1f} ms")
    print(f"  straight               {found.straight}")
    print(f"  encoder alone          {found.encoder}: {encoder / found.encoder.median * 1e3:.1f} GFLOP/s")
    print(f"  decoder for each word  {found.word_ms:.2f} ms: {decoder / found.word_ms * 1e3:.1f} GFLOP/s")
    print(f"  child / straight       {found.child.median / found.straight.median:.2f}")
    print(f"  one open / four open   {found.overlapping:.2f}")
    print(f"  arithmetic             {gflop:.2f} GFLOP for {found.words:.1f} words: {reached:.1f} GFLOP/s")
    print(f"  numpy sgemm            {limit:.1f} GFLOP/s")
    print(f"  caption / sgemm        {reached / limit:.2f}")
    print(f"  child's memory         peak {found.peak_mb:.0f} MB resident; {found.pss_mb:.0f} MB its share (PSS)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE)
    parser.add_argument("--captions", type=int, default=60)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        bundle = copy_that_takes_all_for_photos(Path(directory) / "bundle", args.bundle)
        for _ in range(args.rounds):
            for threads in args.threads:
                report(bundle, threads, args.captions)
    report_text_tower(args.bundle)


if __name__ == "__main__":
    main()
