"""Search as you type in the embedded backend, against a plain FTS5 MATCH of the same words in the same file and run.

    python tests/bench/bench_search.py [--photos 10000 100000] [--queries 60] [--vectors 128] [--captions FILE.txt.gz]

Photos are made up: captions from a list of sentences (one a line; ../shared/data/text-coco.txt.gz where it is there,
else from a small grammar), tags from their words, and dates, cameras, places, people and folders drawn by chance.
Queries of one to four words of captions, a quarter with a typing mistake, a quarter with a filter, are typed letter by
letter; every keystroke is a whole `search` of 50 hits with total and reasons. On one core, in a process of its own.

For each number of photos it prints: time to index, size on disk, time to the first answer of a new process, memory,
p50, p95 and maximum (and p95 of processor time, which other work on the machine disturbs less) of a keystroke, of the
finished query and of all facets together; and, for the same finished words, of `SELECT rowid ... MATCH ... ORDER BY
rank LIMIT 50` with a count, which mends and explains nothing. Aim: p95 of a keystroke under 50 ms at 100,000 photos.

Then the same keystrokes with meaning: a text tower of 30,000 words, its numbers drawn by chance, reads the query, and
every photo has an embedding of `--vectors` numbers near that of its caption. Memory is what the tower and the matrix of
embeddings add. Aim: p95 under 30 ms. `--vectors 0` leaves it out.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from captioner import TextTower
from captioner.meaning import TowerWeights
from indexer.photo import Position
from indexer.search import Query, SearchDocument
from indexer.search.embedded import EmbeddedSearch
from indexer.search.meaning import Meaning
from indexer.search.query import parse
from indexer.search.words import words

CAPTIONS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "text-coco.txt.gz"
PLACES = (
    "Lyon",
    "Paris",
    "Zürich",
    "München",
    "Rome",
    "Oslo",
    "Wien",
    "Lisboa",
    "Kraków",
    "København",
    "Dublin",
    "Nice",
)
PEOPLE = ("Anna", "Zoë", "Oma", "Opa", "Paul Smith", "Mia", "Jonas", "Lea", "Noah", "Emma")
CAMERAS = ("Apple iPhone 12", "Google Pixel 6", "Canon EOS 80D", "SONY ILCE-7M3", "Panasonic DMC-TZ101", "NIKON D90")
EVENTS = ("Summer", "Birthday", "Ski trip", "Garden", "Wedding", "Holiday", "Christmas", "Weekend", "School")
FACETS = ("year", "month", "camera", "lens", "place", "folder", "person", "tag", "type", "rating")
FILTERS = ("year:2019", "camera:canon", "place:lyon", "after:2015", "-person:anna", "rating:>=4", "tag:dog")


Times = tuple[float, float, float, float]  # ms: p50, p95, maximum, p95 of processor time


@dataclass(frozen=True)
class Figures:
    """What one run over one index measured."""

    open_ms: float
    memory_mb: float
    picture_mb: float
    keystroke: Times
    finished: Times
    facets: Times
    fts5: Times
    by_meaning: tuple[float, float, Times, Times] | None


def sentences(path: Path | None) -> list[str]:
    if path and path.exists():
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            return [line.strip() for line in lines if line.strip()]
    who = "a man|a woman|two children|a dog|a brown horse|a group of people|an old man|a little girl|a cat|three birds"
    does = "standing|sitting|running|playing|sleeping|walking|eating|jumping|swimming|riding a bike|holding a red kite"
    where = "on the beach|in a park|near a lake|on a couch|in the snow|on a street|in a kitchen|under a tree|in a field"
    return [f"{a} {b} {c}" for a in who.split("|") for b in does.split("|") for c in where.split("|")]


def made_tower(captions: Sequence[str], dimensions: int) -> TextTower:
    """As large as a real one: 30,000 words of 96 numbers, 4 heads, 256 hidden units."""
    counted = Counter(word for caption in captions for word in words(caption))
    known = [word for word, _ in counted.most_common(30_000)]
    known += [f"word{number}" for number in range(30_000 - len(known))]
    chance = np.random.default_rng(5)

    def drawn(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return chance.normal(0, 1 / np.sqrt(shape[0]), shape).astype(np.float32)

    weights = TowerWeights(
        table=chance.integers(-127, 128, (len(known), 96)).astype(np.int8),
        scale=np.full(len(known), 0.01, np.float32),
        attend=drawn(96, 4),
        hidden=drawn(4 * 96, 256),
        hidden_bias=np.zeros(256, np.float32),
        out=drawn(256, dimensions),
        skip=drawn(4 * 96, dimensions),
        out_bias=np.zeros(dimensions, np.float32),
    )
    return TextTower("made-1", known, weights)


def made_photos(count: int, captions: Sequence[str], dimensions: int) -> Iterator[SearchDocument]:
    chance = random.Random(7)
    noise = np.random.default_rng(7)
    tower = made_tower(captions, dimensions) if dimensions else None
    start = datetime(2004, 1, 1)
    for number in range(count):
        caption = chance.choice(captions)
        nouns = [word for word in dict.fromkeys(words(caption)) if len(word) > 3]
        taken = start + timedelta(minutes=chance.randrange(20 * 365 * 24 * 60))
        camera = chance.choice(CAMERAS)
        meant = tower.embed(caption) if tower else None
        looks = None if meant is None else meant + noise.normal(0, dimensions**-0.5, dimensions)
        yield SearchDocument(
            id=f"{number:032x}",
            revision=1,
            person_caption=chance.choice(captions) if chance.random() < 0.03 else "",
            machine_caption=caption,
            tags=tuple((word, chance.random()) for word in nouns[:6]),
            keywords=("family",) if chance.random() < 0.05 else (),
            people=tuple(chance.sample(PEOPLE, chance.randrange(3))),
            title="",
            places=(chance.choice(PLACES), "Europe") if chance.random() < 0.6 else (),
            folders=(f"{taken.year}/{taken.month:02} {chance.choice(EVENTS)} {chance.randrange(9)}",),
            file_names=(f"IMG_{taken:%Y%m%d_%H%M%S}.jpg" if number % 2 else f"DSC{number % 10000:04}.JPG",),
            camera=camera,
            lens=f"{camera} lens",
            mime_type="image/jpeg" if chance.random() < 0.9 else "image/heic",
            taken_at=taken,
            rating=chance.randrange(6) if chance.random() < 0.2 else None,
            position=Position(chance.uniform(40, 55), chance.uniform(-5, 20)),
            embedding=None if looks is None else tuple((looks / np.linalg.norm(looks)).tolist()),
            model="made-1",
        )


def made_queries(count: int, captions: Sequence[str]) -> list[tuple[str, str]]:
    """What is typed, and the words in it that plain FTS5 gets (without the mistake)."""
    chance = random.Random(3)
    queries = []
    for number in range(count):
        chosen = [word for word in words(chance.choice(captions)) if len(word) > 2]
        right = chance.sample(chosen, min(len(chosen), 1 + number % 4)) or ["dog"]
        typed = list(right)
        if number % 4 == 1:
            at = chance.randrange(len(typed))
            typed[at] = mistaken(typed[at], chance)
        front = f"{chance.choice(FILTERS)} " if number % 4 == 2 else ""
        queries.append((front + " ".join(typed), " ".join(right)))
    return queries


def mistaken(word: str, chance: random.Random) -> str:
    at = chance.randrange(1, max(2, len(word) - 1))
    return word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :]


def timed(calls: Sequence[Callable[[], object]]) -> Times:
    wall, processor = [], []
    for call in calls:
        start, start_processor = time.perf_counter(), time.process_time()
        call()
        wall.append(1000 * (time.perf_counter() - start))
        processor.append(1000 * (time.process_time() - start_processor))
    p95, processor_p95 = (statistics.quantiles(times, n=20)[-1] for times in (wall, processor))
    return statistics.median(wall), p95, max(wall), processor_p95


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def measure(path: Path, queries: Sequence[tuple[str, str]], tower: TextTower | None) -> Figures:
    before = resident_mb()
    start = time.perf_counter()
    search = EmbeddedSearch(path)
    search.search(Query())
    open_ms = 1000 * (time.perf_counter() - start)
    picture_mb = resident_mb() - before

    def plain(text: str) -> Callable[[], object]:
        match = " ".join(f'"{word}"' for word in words(text))
        reader = search._database.reader

        def ask() -> None:
            reader.execute("SELECT count(*) FROM body WHERE body MATCH ?", (match,)).fetchone()
            reader.execute("SELECT rowid FROM body WHERE body MATCH ? ORDER BY rank LIMIT 50", (match,)).fetchall()

        return ask

    finished = [text for text, _ in queries]
    typed = [text[:end] for text in finished for end in range(1, len(text) + 1) if typable(text[:end])]
    figures = Figures(
        open_ms=open_ms,
        picture_mb=picture_mb,
        keystroke=timed(askers(search, typed)),
        finished=timed(askers(search, finished)),
        facets=timed([lambda text=text: search.facets(parse(text), FACETS) for text in finished]),
        fts5=timed([plain(right) for _, right in queries]),
        memory_mb=resident_mb(),
        by_meaning=measured_by_meaning(path, tower, typed, finished) if tower else None,
    )
    search.close()
    return figures


def measured_by_meaning(
    path: Path, tower: TextTower, typed: Sequence[str], finished: Sequence[str]
) -> tuple[float, float, Times, Times]:
    """MB of the embeddings, ms of the query that reads them, and the times of keystrokes and finished queries."""
    search = EmbeddedSearch(path, Meaning(lambda: tower))
    search.search(Query())
    before, start = resident_mb(), time.perf_counter()
    search.search(parse("dog "))
    first_ms, size_mb = 1000 * (time.perf_counter() - start), resident_mb() - before
    times = timed(askers(search, typed)), timed(askers(search, finished))
    search.close()
    return size_mb, first_ms, *times


def askers(search: EmbeddedSearch, texts: Sequence[str]) -> list[Callable[[], object]]:
    return [lambda text=text: search.search(parse(text)) for text in texts]


def typable(text: str) -> bool:
    """Whether a half-typed filter is a query already; where it is not, the page keeps the last answer."""
    try:
        parse(text)
    except ValueError:
        return False
    return True


def indexed(path: Path, photos: int, captions: Sequence[str], dimensions: int) -> float:
    documents = list(made_photos(photos, captions, dimensions))
    search = EmbeddedSearch(path)
    start = time.perf_counter()
    for first in range(0, photos, 1000):
        search.put(documents[first : first + 1000])
    seconds = time.perf_counter() - start
    search.close()
    return seconds


def shown(name: str, times: Times) -> str:
    p50, p95, most, processor = times
    return f"  {name:34} p50 {p50:6.2f}   p95 {p95:6.2f}   max {most:6.1f}   p95 of processor time {processor:6.2f} ms"


def report(photos: int, seconds: float, size_mb: float, figures: Figures) -> None:
    print(f"{photos} photos")
    print(f"  indexed in {seconds:.1f} s ({photos / seconds:.0f} photos/s), {size_mb:.0f} MB on disk")
    print(f"  first answer of a new process after {figures.open_ms:.0f} ms; {figures.picture_mb:.0f} MB for the index")
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
        print(f"  the embeddings take {size_mb:.0f} MB; the first query by meaning {first_ms:.0f} ms")
    print(f"  finished query / plain FTS5: p50 {p50:.2f}, p95 {p95:.2f}, p95 of processor time {processor:.2f}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--photos", type=int, nargs="+", default=[10_000, 100_000])
    arguments.add_argument("--queries", type=int, default=60)
    arguments.add_argument("--vectors", type=int, default=128, help="dimensions of the embeddings; 0: none")
    arguments.add_argument("--captions", type=Path, default=CAPTIONS)
    arguments.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    captions = sentences(options.captions)
    queries = made_queries(options.queries, captions)
    if options.measure:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        tower = made_tower(captions, options.vectors) if options.vectors else None
        print(json.dumps(asdict(measure(options.measure, queries, tower))))
        return
    for photos in options.photos:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "search.db"
            seconds = indexed(path, photos, captions, options.vectors)
            size_mb = sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6
            child = [sys.executable, __file__, *sys.argv[1:], "--measure", str(path)]
            result = subprocess.run(child, capture_output=True, text=True, check=True)
            report(photos, seconds, size_mb, Figures(**json.loads(result.stdout)))


if __name__ == "__main__":
    main()
