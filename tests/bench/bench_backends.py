"""The embedded search against Meilisearch: the same made-up photos into both, then the same keystrokes to both in turn.

    python -m tests.bench.bench_backends [--photos 10000] [--queries 60] [--vectors 128] [--backend NAME] [--batch N]
                                         [--server URL] [--keep FOLDER] [--captions FILE.txt.gz] [--json]

Photos and queries are those of `bench_search`. They are indexed a block at a time into one backend, then the other,
through `put` with as many documents as the backend says it best takes (or `--batch`), as the feed does. Making the
photos does not count. Then one process, as `recollect serve` is one, asks both in turn; every keystroke is a whole
`search` of 50 hits with total and reasons.

It prints for both, and as a ratio: seconds to index; size on disk; p50, p95 and maximum of a keystroke, of the finished
query and of all facets together, by words and by meaning (`--vectors` is the length of an embedding; 0: words alone);
processor time a keystroke, Meilisearch's own included; and memory. Resident memory of a process that searches is that
of one with one backend in it. A server's is what it has in its heap, and with the mapped pages of its files, which the
kernel takes back at need. Aim: p95 of a keystroke under 30 ms at 100,000 photos with either backend. And in how many of
the finished queries Meilisearch finds what the embedded search finds: the same total, the same ten best hits in their
order, how many of the ten, the same facets.

The server is one of our own, started afresh from a `meilisearch` on PATH with the memory for indexing that
`deploy/meilisearch.service` gives it. `--server` names another, whose master key RECOLLECT_TEST_MEILISEARCH_KEY has;
its memory, disk and processor time stay unknown, and the index is deleted afterwards. `--keep` leaves the indexes in a
folder and measures those that are there already, without making them again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from indexer.errors import SearchError
from indexer.search import SearchBackend, SearchDocument
from indexer.search.facets import FACETS
from indexer.search.meaning import NO_MEANING, Meaning
from indexer.search.query import parse
from tests.bench.latency import Times, alternated, resident_mb
from tests.bench.made_photos import CAPTIONS, keystrokes, made_photos, made_queries, made_tower, sentences
from tests.bench.sites import BACKENDS, Site, memory_of, processor_s, served

_DONE = "indexed.json"
_LOAD_S, _TELL_S = 2.0, 30.0
_BUSY_PERCENT = 25.0
_FIRST_HITS = 10

#: way of searching -> what is asked -> backend -> times
Asked = dict[str, dict[str, dict[str, Times]]]


@dataclass(frozen=True, slots=True)
class Indexed:
    """What indexing took. Megabytes of the server: its peak with mapped pages, and what it held at the end."""

    photos: int
    batch: int
    seconds: float
    processor_s: float  # our own and our own server's
    disk_mb: float | None
    server_peak_mb: float | None = None
    server_mb: float | None = None
    server_heap_mb: float | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """What one backend took of a process that searches, and of our own server while it answered."""

    first_ms: float
    resident_mb: float
    server_mb: float | None
    server_heap_mb: float | None


@dataclass(frozen=True, slots=True)
class Work:
    """What a process of its own is to measure; without `timed` only memory."""

    sites: tuple[Site, ...]
    queries: tuple[tuple[str, str], ...]
    vectors: int
    captions: str
    timed: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """All that was measured of so many photos; by backend where there is a mapping."""

    photos: int
    vectors: int
    busy_percent: float
    indexed: Mapping[str, Indexed]
    served: Mapping[str, Served]
    asked: Asked
    processor_ms: Mapping[str, Mapping[str, float]]  # way -> process -> mean of a keystroke
    agreement: Mapping[
        str, Mapping[str, float]
    ]  # way -> what is compared -> share of the queries; empty for one backend


def index_all(
    sites: Sequence[Site], photos: int, options: argparse.Namespace, captions: Sequence[str]
) -> list[Indexed]:
    """Every block into each site in turn, none while another is at work."""
    tower = made_tower(captions, options.vectors) if options.vectors else None
    opened = [site.opened(Meaning(lambda: tower)) for site in sites]
    for search in opened:
        search.prepare()
    batches = [options.batch or search.batch for search in opened]
    seconds, processor = [0.0] * len(sites), [0.0] * len(sites)
    made, documents = 0, made_photos(photos, captions, options.vectors)
    told_at = time.monotonic()
    while block := list(islice(documents, max(batches))):
        for at, search in enumerate(opened):
            start, start_processor = time.perf_counter(), spent_s(sites[at])
            put_all(search, block, batches[at])
            seconds[at] += time.perf_counter() - start
            processor[at] += spent_s(sites[at]) - start_processor
        made += len(block)
        if time.monotonic() > told_at + _TELL_S:
            told_at = time.monotonic()
            print(f"  {made} photos after {', '.join(f'{s:.0f} s' for s in seconds)}", file=sys.stderr, flush=True)
    for search in opened:
        if search.count() != photos:
            raise RuntimeError(f"{search.name} has {search.count()} photos of {photos}")
        search.close()
    return [
        measured_index(site, Indexed(photos, *spent, disk_mb=None))
        for site, *spent in zip(sites, batches, seconds, processor, strict=True)
    ]


def put_all(search: SearchBackend, documents: Sequence[SearchDocument], batch: int) -> None:
    for first in range(0, len(documents), batch):
        if refused := search.put(documents[first : first + batch]):
            raise RuntimeError(f"{search.name} refuses {next(iter(refused.values()))}")


def spent_s(site: Site) -> float:
    """Processor time so far: of this process, and of the site's server where it is our own."""
    return time.process_time() + (processor_s(site.process) if site.process is not None else 0.0)


def measured_index(site: Site, indexed: Indexed) -> Indexed:
    """With its size, and what the server that made it holds."""
    files = Path(site.path).parent.glob("search.db*") if site.backend == "embedded" else Path(site.path).rglob("*")
    disk_mb = sum(file.stat().st_blocks * 512 for file in files if file.is_file()) / 1e6 if site.path else None
    taken = memory_of(site.process)
    return replace(
        indexed,
        disk_mb=disk_mb,
        server_peak_mb=taken.get("VmHWM"),
        server_mb=taken.get("VmRSS"),
        server_heap_mb=taken.get("RssAnon"),
    )


def measure(work: Work) -> dict[str, object]:
    """In the process that serves."""
    captions = sentences(Path(work.captions))
    tower = made_tower(captions, work.vectors) if work.vectors else None
    if not work.timed:
        return asdict(measured_memory(work, Meaning(lambda: tower)))
    ways = {"by words": NO_MEANING} | ({"by meaning": Meaning(lambda: tower)} if tower else {})
    asked, processor, agreement = {}, {}, {}
    for way, meaning in ways.items():
        opened = {site.backend: site.opened(meaning) for site in work.sites}
        for search in opened.values():
            search.search(parse("dog "))
        agreement[way] = compared_answers(list(opened.values()), [text for text, _ in work.queries])
        asked[way], processor[way] = measured_times(opened, work)
        for search in opened.values():
            search.close()
    return {"asked": asked, "processor_ms": processor, "agreement": agreement}


def compared_answers(backends: Sequence[SearchBackend], texts: Sequence[str]) -> dict[str, float]:
    """What of the answers is the same, as shares of the queries; of the ten best hits, how many are."""
    if len(backends) < 2:
        return {}
    same: Counter[str] = Counter()
    for text in texts:
        one, other = (search.search(parse(text), limit=_FIRST_HITS) for search in backends)
        ids, others = ([hit.id for hit in answer.hits] for answer in (one, other))
        facets, other_facets = (search.facets(parse(text), FACETS) for search in backends)
        same["total"] += one.total == other.total
        same["ten hits and their order"] += ids == others
        same["of ten hits"] += len(set(ids) & set(others)) / (max(len(ids), len(others)) or 1) if ids or others else 1
        same["facets"] += facets == other_facets
    return {name: number / len(texts) for name, number in same.items()}


def measured_memory(work: Work, meaning: Meaning) -> Served:
    (site,) = work.sites
    search, start = site.opened(meaning), time.perf_counter()
    search.search(parse("dog "))
    first_ms = 1000 * (time.perf_counter() - start)
    for text, _ in work.queries:
        search.search(parse(text))
        search.facets(parse(text), FACETS)
    taken = memory_of(site.process)
    return Served(first_ms, resident_mb(), taken.get("VmRSS"), taken.get("RssAnon"))


def measured_times(
    opened: Mapping[str, SearchBackend], work: Work
) -> tuple[dict[str, dict[str, Times]], dict[str, float]]:
    """What is asked -> backend -> times; and processor time of a keystroke."""
    finished = [text for text, _ in work.queries]
    typed = keystrokes(work.queries)
    kinds: dict[str, tuple[list[str], Callable[[SearchBackend, str], object]]] = {
        "a keystroke": (typed, lambda search, text: search.search(parse(text))),
        "a finished query": (finished, lambda search, text: search.search(parse(text))),
        "all facets of it": (finished, lambda search, text: search.facets(parse(text), FACETS)),
    }
    servers = [site.process for site in work.sites if site.process is not None]
    found, processor = {}, {}
    for kind, (texts, ask) in kinds.items():
        before = [processor_s(process) for process in servers]
        times = alternated([[partial(ask, search, text) for text in texts] for search in opened.values()])
        found[kind] = dict(zip(opened, times, strict=True))
        for process, start in zip(servers, before, strict=True):
            processor[kind] = 1000 * (processor_s(process) - start) / len(texts)
    return found, processor


def in_a_process(work: Work) -> dict[str, object]:
    """`measure` in a process of its own; the keys go through a pipe, a command line is for everybody to read."""
    child = [sys.executable, "-m", "tests.bench.bench_backends", "--measure"]
    result = subprocess.run(child, input=json.dumps(asdict(work)), capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(result.stderr)
    answer: dict[str, object] = json.loads(result.stdout)
    return answer


def compared(photos: int, sites: Sequence[Site], keep: Path, options: argparse.Namespace) -> Compared:
    """Indexes where that is not done, then measures."""
    captions = sentences(options.captions)
    done = keep / _DONE
    if done.exists():
        indexed = [Indexed(**each) for each in json.loads(done.read_text(encoding="ascii"))]
    else:
        indexed = index_all(sites, photos, options, captions)
        done.write_text(json.dumps([asdict(each) for each in indexed]), encoding="ascii")
    work = Work(
        tuple(sites),
        tuple(made_queries(options.queries, captions)),
        options.vectors,
        str(options.captions),
        timed=False,
    )
    alone = {site.backend: Served(**in_a_process(replace(work, sites=(site,)))) for site in sites}
    busy_percent = psutil.cpu_percent(interval=_LOAD_S)
    measured = in_a_process(replace(work, timed=True))
    by_backend = dict(zip((site.backend for site in sites), indexed, strict=True))
    return Compared(photos, options.vectors, busy_percent, by_backend, alone, **measured)


def run(photos: int, options: argparse.Namespace) -> Compared:
    """Both backends, or the one that was asked for, with so many photos."""
    with ExitStack() as stack:
        keep = options.keep / f"{photos}-{options.vectors}" if options.keep else None
        folder = keep or Path(stack.enter_context(TemporaryDirectory(prefix="bench-")))
        folder.mkdir(parents=True, exist_ok=True)
        sites = []
        if "embedded" in options.backend:
            sites.append(Site("embedded", path=str(folder / "search.db")))
        if "meilisearch" in options.backend:
            sites.append(stack.enter_context(served(options.server, folder / "server")))
        return compared(photos, sites, folder, options)


def report(found: Compared) -> None:
    """As people read it; Meilisearch's figure by the embedded one's is the last column."""
    print(
        f"{found.photos} photos, embeddings of {found.vectors} numbers" if found.vectors else f"{found.photos} photos"
    )
    if found.busy_percent > _BUSY_PERCENT:
        print(f"  warning: {found.busy_percent:.0f}% of the processors were busy before a search was timed")
    print(f"  {'':50}{''.join(f'{name:>12}' for name in found.indexed)}   ratio")
    indexed, served = found.indexed.values(), found.served.values()
    row("documents a put", [each.batch for each in indexed])
    row("seconds to index", [each.seconds for each in indexed])
    row("processor seconds to index", [each.processor_s for each in indexed])
    row("disk, MB", [each.disk_mb for each in indexed])
    row("a process that searches, resident MB", [each.resident_mb for each in served])
    row("server: peak while indexing, MB", [each.server_peak_mb for each in indexed])
    row("server: after searching, with files, MB", [each.server_mb for each in served])
    row("server: after searching, heap, MB", [each.server_heap_mb for each in served])
    row("first answer of a new process, ms", [each.first_ms for each in served])
    for way, kinds in found.asked.items():
        for name, share in found.agreement[way].items():
            row(f"the same {name} {way}, %", [None, 100 * share])
        for kind, times in kinds.items():
            for at, name in enumerate(("p50", "p95", "max", "p95 of own processor time")):
                row(f"{kind} {way}, {name}", [each[at] for each in times.values()])
            if kind in found.processor_ms[way]:
                row(f"{kind} {way}, server's processor", [None, found.processor_ms[way][kind]][-len(times) :])


def row(name: str, figures: Sequence[float | None]) -> None:
    """One figure of each backend; their ratio where there are two."""
    shown = "".join(f"{'' if figure is None else f'{figure:.1f}':>12}" for figure in figures)
    first, last = figures[0], figures[-1]
    ratio = f"   1 : {last / first:.1f}" if len(figures) == 2 and first and last else ""
    print(f"  {name:50}{shown}{ratio}")


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, nargs="+", default=[10_000])
    parser.add_argument("--queries", type=int, default=60)
    parser.add_argument("--vectors", type=int, default=128, help="length of the embeddings; 0: none")
    parser.add_argument("--backend", nargs="+", choices=BACKENDS, default=list(BACKENDS))
    parser.add_argument("--batch", type=int, default=0, help="documents a put; 0: as many as the backend best takes")
    parser.add_argument("--server", default="", help="address of a Meilisearch")
    parser.add_argument("--keep", type=Path, help="folder that keeps the indexes")
    parser.add_argument("--captions", type=Path, default=CAPTIONS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    options = arguments().parse_args(argv)
    if options.measure:
        answer = json.load(sys.stdin)
        sites = tuple(Site(**site) for site in answer.pop("sites"))
        print(json.dumps(measure(Work(sites=sites, **answer))))
        return
    for photos in options.photos:
        try:
            found = run(photos, options)
        except SearchError as error:
            raise SystemExit(f"{error}; {error.hint}") from error
        if options.json:
            print(json.dumps(asdict(found)), flush=True)
        else:
            report(found)


if __name__ == "__main__":
    main()
