"""A telephone is synchronised while somebody types: a keystroke while photos are indexed, against a quiet machine.

    python -m tests.bench.bench_sync [--photos 10000] [--arriving 5000] [--slices 40]

A real `recollect serve`, with its child processes, knows `--photos` made-up photos. Then `--arriving` JPEGs come into
one folder, as a program that synchronises renames them into it, and somebody types, a key each tenth of a second.
Slices of 25 keystrokes take turns: while it indexes, and while its children are stopped (SIGSTOP) and nothing arrives.
What other programs do to the machine meets both. Aim: p95 at most 2 times that of the quiet slices.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import tempfile
import threading
from pathlib import Path

from indexer.settings import Settings
from tests.bench.made_photos import keystrokes, made_queries, sentences
from tests.bench.page_library import fill
from tests.bench.typists import percentiles, typed_alone
from tests.indexing import COLOURS
from tests.photos_made import write_jpeg
from tests.soak.program import Program

_KEYS = 25
_PAUSE_S = 0.1


def make_arriving(folder: Path, count: int) -> list[Path]:
    """JPEGs of a telephone's thumbnail size: what is measured is the page, not the decoder."""
    colours = list(COLOURS.values())
    return [
        write_jpeg(folder / f"IMG_{number:05}.jpg", colours[number % 4], number, (640, 480)) for number in range(count)
    ]


class Arrival:
    """Renames files into the library while it is let to, 40 a second."""

    def __init__(self, files: list[Path], folder: Path) -> None:
        self.arrived = 0
        self._files, self._folder = files, folder
        self._going, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._arrive, daemon=True)
        self._thread.start()

    def go(self, on: bool) -> None:
        (self._going.set if on else self._going.clear)()

    def close(self) -> None:
        self._over.set()
        self._going.set()
        self._thread.join()

    def _arrive(self) -> None:
        for path in self._files:
            self._going.wait()
            if self._over.wait(0.025):
                break
            path.rename(self._folder / path.name)
            self.arrived += 1


def signal_children(program: Program, what: signal.Signals) -> None:
    for process in program.tree()[1:]:
        process.send_signal(what)


async def measure(program: Program, arrival: Arrival, texts: list[str], slices: int) -> dict[bool, list[float]]:
    """ms of the keystrokes, by whether it indexed."""
    times: dict[bool, list[float]] = {True: [], False: []}
    for number in range(slices):
        indexing = number % 2 == 0
        arrival.go(indexing)
        signal_children(program, signal.SIGCONT if indexing else signal.SIGSTOP)
        await asyncio.sleep(0.5)
        chosen = texts[number * _KEYS : (number + 1) * _KEYS]
        times[indexing] += await typed_alone(program.address, chosen, "results", pause_s=_PAUSE_S)
    signal_children(program, signal.SIGCONT)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--arriving", type=int, default=5000)
    parser.add_argument("--slices", type=int, default=40)
    args = parser.parse_args()
    captions = sentences(None)
    texts = list(dict.fromkeys(keystrokes(made_queries(args.slices * _KEYS, captions))))
    random.Random(1).shuffle(texts)  # each side has as many short ones
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        fill(Settings(data_dir=folder / "data", photos=(folder / "filled",)), args.photos, captions)
        (folder / "photos").mkdir()
        write_jpeg(folder / "photos/first.jpg", COLOURS["red"], 2**16 - 1)
        arriving = make_arriving(folder / "telephone", args.arriving)
        with Program(folder, folder / "photos") as program:
            program.start()
            arrival = Arrival(arriving, folder / "photos")
            try:
                times = asyncio.run(measure(program, arrival, texts, args.slices))
                done = len(program.caption_log.read_text().splitlines())
            finally:
                arrival.close()
    for indexing, name in ((False, "quiet"), (True, "indexing")):
        p50, p95, most = percentiles(times[indexing])
        print(f"{name:10} {len(times[indexing])} keystrokes: p50 {p50:.1f}, p95 {p95:.1f}, max {most:.1f} ms")
    ratio = percentiles(times[True])[1] / percentiles(times[False])[1]
    print(f"{arrival.arrived} photos arrived, {done} were captioned; p95 indexing / quiet: {ratio:.2f} (aim: 2)")


if __name__ == "__main__":
    main()
