"""What a very large library costs, part by part: processor time and memory, each part in a process of its own.

    python -m tests.bench.bench_scale DATA_DIR [--make 1000000]

`--make` fills an empty data directory first: 100,000 made-up photos through the product's own code, and copies of
their rows with other ids, dates and folders, which are then put into search as ever. Without it the directory is
measured as it is, and only read; `DATA_DIR.copy` is made for what writes, and deleted. No photo files are needed;
scans have a program of their own, `bench_rescan`. Times are of the processor: the machine may run much else.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from indexer.model import JobKind
from indexer.search.documents import document
from indexer.search.query import parse
from indexer.settings import Settings
from indexer.storage import open_storage
from tests.bench.made_photos import CAPTIONS, keystrokes, made_queries, sentences
from tests.bench.page_library import fill

_BASE = 100_000
_AT_ONCE = 2000
_QUERIES = 60
MODEL = "recollect-lite-3"


def make(data_dir: Path, photos: int) -> None:
    """Fills catalogue and search."""
    settings = Settings(photos=(data_dir / "Pictures",), data_dir=data_dir)
    fill(settings, min(photos, _BASE), sentences(CAPTIONS))
    with closing(sqlite3.connect(settings.catalogue_path)) as connection, connection:
        for copy in range(1, -(-photos // _BASE)):
            _copy_rows(connection, copy)
    with open_storage(settings) as storage:
        while found := storage.catalogue.unpushed(_AT_ONCE):
            storage.search.put([document(photo) for photo in found])
            storage.catalogue.outbox.mark_pushed([(photo.id, photo.revision) for photo in found])
        storage.search.complete()


def _copy_rows(connection: sqlite3.Connection, copy: int) -> None:
    """The first `_BASE` photos and files once more, as others: taken at other times, in other folders."""
    taken = f"strftime('%Y-%m-%dT%H:%M:%S', taken_at, '+{copy * 311} minutes', '+{copy} seconds')"
    photo = {"id": f"'{copy}' || substr(id, 2)", "taken_at": taken, "stack": "NULL", "search_revision": "0"}
    file = {
        "id": f"id + {copy * _BASE}",
        "photo_id": f"'{copy}' || substr(photo_id, 2)",
        "inode": f"inode + {copy * _BASE}",
        "folder": f"CAST('{copy} ' || CAST(folder AS TEXT) AS BLOB)",
    }
    for table, changed, where in (("photo", photo, f"rowid <= {_BASE}"), ("file", file, f"id <= {_BASE}")):
        names = [row[1] for row in connection.execute(f"PRAGMA table_xinfo({table})") if row[6] == 0]
        values = ", ".join(changed.get(name, name) for name in names)
        connection.execute(f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table} WHERE {where}")


def memory_mb() -> float:
    """What the process holds beside files that are mapped: anonymous memory."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("Anonymous:"))


def peak_mb() -> float:
    """The most that was resident; getrusage would count what the parent had when it forked, too."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM:"))


@contextmanager
def measured(what: str) -> Iterator[None]:
    before, began, wall = memory_mb(), time.process_time(), time.perf_counter()
    yield
    took, wall = time.process_time() - began, time.perf_counter() - wall
    print(
        f"{what}: {1000 * took:.1f} ms ({1000 * wall:.0f} by the clock), memory {before:.0f} -> {memory_mb():.0f} MB, "
        f"peak RSS {peak_mb():.0f}",
        flush=True,
    )


def first_answer(settings: Settings) -> None:
    with open_storage(settings) as storage:
        with measured("first answer"):
            storage.search.search(parse("dog"))
        with measured("the same once more"):
            storage.search.search(parse("dog"))
        storage.search.settle()  # type: ignore[attr-defined]


def typing(settings: Settings) -> None:
    typed = keystrokes(made_queries(_QUERIES, sentences(CAPTIONS)))
    with open_storage(settings) as storage:
        storage.search.search(parse("dog"))
        times = []
        with measured(f"{len(typed)} keystrokes"):
            for text in typed:
                began = time.thread_time()
                storage.search.search(parse(text))
                times.append(1000 * (time.thread_time() - began))
        times.sort()
        print(f"a keystroke: p50 {times[len(times) // 2]:.1f} ms, p95 {times[len(times) * 95 // 100]:.1f} ms")
        with measured("facets of one word"):
            storage.search.facets(parse("dog"), ("camera", "year", "person", "place"))


def numbers(settings: Settings) -> None:
    with open_storage(settings) as storage:
        catalogue = storage.catalogue
        with measured("counts"):
            catalogue.counts()
        with measured("libraries"):
            catalogue.scans.roots()
        with measured("by model"):
            catalogue.feedback.models()
        with measured("60 photos of a page"):
            catalogue.photos(catalogue.photo_ids()[:60])


def comparing(settings: Settings) -> None:
    with open_storage(settings) as storage, measured("search compared with the catalogue"):
        print(storage.catalogue.outbox.differences(storage.search.held()))


def starting(settings: Settings) -> None:
    from indexer.jobs.starting import queue_for_model, recover

    with open_storage(settings) as storage:
        with measured("start: recover"):
            recover(storage.catalogue)
        with measured("start: queue for the model"):
            queue_for_model(storage.catalogue, MODEL, settings)
        with measured("every file queued to be read again"):
            storage.catalogue.queue.enqueue_all(JobKind.METADATA)
        with measured("one job claimed"):
            storage.catalogue.queue.claim(1)


def saving(settings: Settings) -> None:
    out = settings.data_dir.with_suffix(".zip")
    command = [sys.executable, "-m", "web.cli", "backup", str(out), "--data-dir", str(settings.data_dir)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"backup: {took:.1f} s, {out.stat().st_size / 1e6:.0f} MB, peak RSS {after.ru_maxrss / 1000:.0f} MB")
    out.unlink()


PARTS: dict[str, Callable[[Settings], None]] = {
    part.__name__: part for part in (first_answer, typing, numbers, comparing, saving, starting)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--make", type=int, metavar="PHOTOS")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        PARTS[options.part](Settings(data_dir=options.data_dir))
        return
    if options.make:
        make(options.data_dir, options.make)
    copy = options.data_dir.with_suffix(".copy")
    print(json.dumps({path.name: path.stat().st_size for path in sorted(options.data_dir.iterdir()) if path.is_file()}))
    for part in ("first_answer", *PARTS):  # the first one stores what the second one maps
        where = options.data_dir
        if part == "starting":
            where = copy
            copy.mkdir()
            shutil.copy(options.data_dir / "catalogue.db", copy)
        print(f"-- {part}", flush=True)
        subprocess.run([sys.executable, "-m", "tests.bench.bench_scale", str(where), "--part", part], check=False)
    shutil.rmtree(copy)


if __name__ == "__main__":
    main()
