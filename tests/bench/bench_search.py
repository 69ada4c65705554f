"""Search as you type in the embedded backend, against a plain FTS5 MATCH of the same words in the same file and run.

    python -m tests.bench.bench_search [--photos 10000 100000] [--queries 60] [--vectors 128] [--captions FILE.txt.gz]

Photos are made up: captions from a list of sentences (one a line; ../shared/data/text-coco.txt.gz where it is there,
else from a small grammar), tags from their words, and dates, cameras, places, people and folders drawn by chance.
Queries of one to four words of captions, a quarter with a typing mistake, a quarter with a filter, are typed letter by
letter; every keystroke is a whole `search` of 50 hits with total and reasons. On one core, in a process of its own.

For each number of photos it prints: time to index, size on disk, time to the first answer of a new process and what it
takes of the heap, once from the rows and once from the arrays that the first has stored (from 20,000 photos on); p50,
p95 and maximum (and p95 of processor time, which other work on the machine disturbs less) of a keystroke, of the
finished query and of all facets together; and, for the same finished words, of `SELECT rowid ... MATCH ... ORDER BY
rank LIMIT 50` with a count, which mends and explains nothing. Aim: p95 of a keystroke under 50 ms at 100,000 photos.

Then the same keystrokes with meaning: a text tower of 30,000 words, its numbers drawn by chance, reads the query, and
every photo has an embedding of `--vectors` numbers near that of its caption. Memory is what the tower and the matrix of
embeddings add. Aim: p95 under 30 ms. `--vectors 0` leaves it out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from captioner import TextTower
from indexer.search import Query
from indexer.search.embedded.backend import EmbeddedSearch
from indexer.search.facets import FACETS
from indexer.search.meaning import Meaning
from indexer.search.query import parse
from indexer.text import words
from tests.bench.latency import Times, heap_mb, resident_mb, shown, timed
from tests.bench.made_photos import CAPTIONS, keystrokes, made_photos, made_queries, made_tower, sentences


class Opening(NamedTuple):
    """What the first answer of a new process takes; mapped files are no part of `heap_mb`."""

    wall_ms: float
    processor_ms: float
    heap_mb: float


@dataclass(frozen=True)
class Figures:
    """What one run over one index measured."""

    opening: Opening
    memory_mb: float
    keystroke: Times
    finished: Times
    facets: Times
    fts5: Times
    by_meaning: tuple[float, float, Times, Times] | None


def measure(path: Path, queries: Sequence[tuple[str, str]], tower: TextTower | None) -> Figures:
    search, opening = opened(path)

    def plain(text: str) -> Callable[[], object]:
        match = " ".join(f'"{word}"' for word in words(text))
        reader = search._database.reader

        def ask() -> None:
            reader.execute("SELECT count(*) FROM body WHERE body MATCH ?", (match,)).fetchone()
            reader.execute("SELECT rowid FROM body WHERE body MATCH ? ORDER BY rank LIMIT 50", (match,)).fetchall()

        return ask

    finished = [text for text, _ in queries]
    typed = keystrokes(queries)
    figures = Figures(
        opening=opening,
        keystroke=timed(askers(search, typed)),
        finished=timed(askers(search, finished)),
        facets=timed([lambda text=text: search.facets(parse(text), FACETS) for text in finished]),
        fts5=timed([plain(right) for _, right in queries]),
        memory_mb=resident_mb(),
        by_meaning=measured_by_meaning(path, tower, typed, finished) if tower else None,
    )
    search.close()
    return figures


def opened(path: Path) -> tuple[EmbeddedSearch, Opening]:
    before, start, start_processor = heap_mb(), time.perf_counter(), time.process_time()
    search = EmbeddedSearch(path)
    search.search(Query())
    wall_s, processor_s = time.perf_counter() - start, time.process_time() - start_processor
    return search, Opening(1000 * wall_s, 1000 * processor_s, heap_mb() - before)


def first_opening(path: Path, tower: TextTower | None) -> Opening:
    """Reads the rows, and stores the arrays made of them."""
    search, opening = opened(path)
    search.settle()
    search.close()
    if tower:
        by_meaning = EmbeddedSearch(path, Meaning(lambda: tower))
        by_meaning.search(parse("dog "))
        by_meaning.settle()
        by_meaning.close()
    return opening


def measured_by_meaning(
    path: Path, tower: TextTower, typed: Sequence[str], finished: Sequence[str]
) -> tuple[float, float, Times, Times]:
    """MB of the embeddings, ms of the query that reads them, and the times of keystrokes and finished queries."""
    search = EmbeddedSearch(path, Meaning(lambda: tower))
    search.search(Query())
    before, start = heap_mb(), time.perf_counter()
    search.search(parse("dog "))
    first_ms, size_mb = 1000 * (time.perf_counter() - start), heap_mb() - before
    times = timed(askers(search, typed)), timed(askers(search, finished))
    search.close()
    return size_mb, first_ms, *times


def askers(search: EmbeddedSearch, texts: Sequence[str]) -> list[Callable[[], object]]:
    return [lambda text=text: search.search(parse(text)) for text in texts]


def indexed(path: Path, photos: int, captions: Sequence[str], dimensions: int) -> float:
    documents = list(made_photos(photos, captions, dimensions))
    search = EmbeddedSearch(path)
    start = time.perf_counter()
    for first in range(0, photos, 1000):
        search.put(documents[first : first + 1000])
    seconds = time.perf_counter() - start
    search.close()
    return seconds


def report(photos: int, seconds: float, size_mb: float, first: Opening, figures: Figures) -> None:
    print(f"{photos} photos")
    print(f"  indexed in {seconds:.1f} s ({photos / seconds:.0f} photos/s), {size_mb:.0f} MB on disk")
    for name, opening in (("first", first), ("second", figures.opening)):
        wall_ms, processor_ms, index_mb = opening
        print(
            f"  {name} opening: answers after {wall_ms:.0f} ms, {processor_ms:.0f} ms of them processor time; "
            f"{index_mb:.0f} MB of heap"
        )
    print(f"  resident after all queries {figures.memory_mb:.0f} MB")
    print(shown("a keystroke", figures.keystroke))
    print(shown("a finished query", figures.finished))
    print(shown("all facets of a finished query", figures.facets))
    print(shown("plain FTS5 MATCH, count and rank", figures.fts5))
    p50, p95, _, processor = (ours / plain for ours, plain in zip(figures.finished, figures.fts5, strict=True))
    if figures.by_meaning:
        size_mb, first_ms, keystroke, finished = figures.by_meaning
        print(shown("a keystroke by meaning", keystroke))
        print(shown("a finished query by meaning", finished))
        print(f"  the embeddings take {size_mb:.0f} MB of heap; the first query by meaning {first_ms:.0f} ms")
    print(f"  finished query / plain FTS5: p50 {p50:.2f}, p95 {p95:.2f}, p95 of processor time {processor:.2f}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--photos", type=int, nargs="+", default=[10_000, 100_000])
    arguments.add_argument("--queries", type=int, default=60)
    arguments.add_argument("--vectors", type=int, default=128, help="dimensions of the embeddings; 0: none")
    arguments.add_argument("--captions", type=Path, default=CAPTIONS)
    arguments.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments.add_argument("--first", action="store_true", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    captions = sentences(options.captions)
    queries = made_queries(options.queries, captions)
    if options.measure:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        tower = made_tower(captions, options.vectors) if options.vectors else None
        if options.first:
            print(json.dumps(first_opening(options.measure, tower)))
        else:
            print(json.dumps(asdict(measure(options.measure, queries, tower))))
        return
    for photos in options.photos:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "search.db"
            seconds = indexed(path, photos, captions, options.vectors)
            child = [sys.executable, "-m", "tests.bench.bench_search", *sys.argv[1:], "--measure", str(path)]
            first = subprocess.run([*child, "--first"], stdout=subprocess.PIPE, text=True, check=True)
            size_mb = sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6
            result = subprocess.run(child, stdout=subprocess.PIPE, text=True, check=True)
            figures = Figures(**json.loads(result.stdout))
            report(photos, seconds, size_mb, Opening(*json.loads(first.stdout)), figures)


if __name__ == "__main__":
    main()
