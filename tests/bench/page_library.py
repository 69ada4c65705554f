"""A library of made-up photos behind a real page: filled as the pipeline fills it, served as `serve` serves it.

The photos are those of `bench_search`, with embeddings of the shipped model's own space, so that searches by meaning
cost what they cost at home. No photo file exists; the photos that are looked at have thumbnails.
"""

from __future__ import annotations

import asyncio
import gc
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from captioner import Caption, Tag, TextTower
from indexer.model import FileStamp, FoundFile, IndexedPhoto, PhotoMetadata, ThumbnailSize
from indexer.progress import Phase, Progress
from indexer.search import SearchDocument
from indexer.search.documents import document
from indexer.search.query import parse
from indexer.settings import Settings
from indexer.storage import Storage, open_storage
from tests.bench.made_photos import made_photos

_BLOCK = 5000
_LOOKED_AT = 60


@dataclass(frozen=True, slots=True)
class RunningPage:
    """A page in a process of its own."""

    address: str
    process: int


def fill(settings: Settings, photos: int, captions: Sequence[str]) -> None:
    """Puts so many photos into catalogue and search; tells on standard error how far it is."""
    tower = TextTower.open(settings.bundle)
    noise = np.random.default_rng(11)
    started, made = time.monotonic(), 0
    documents = made_photos(photos, captions, 0)
    with open_storage(settings) as storage:
        storage.search.prepare()
        while block := list(islice(documents, _BLOCK)):
            _into_catalogue(storage, settings.photos[0], made, block, tower, noise)
            _into_search(storage)
            made += len(block)
            print(f"  {made} photos after {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
        storage.search.complete()


def give_thumbnails(settings: Settings, queries: Iterable[str]) -> None:
    """The photos on the first page of each query get a thumbnail of an ordinary size."""
    with open_storage(settings) as storage:
        found = {hit.id for text in queries for hit in storage.search.search(parse(text), limit=_LOOKED_AT).hits}
        for number, key in enumerate(sorted(found)):
            storage.thumbnails.put_all(key, [(ThumbnailSize.GRID, _webp(number, settings.grid_px))])


@contextmanager
def running_page(settings: Settings) -> Iterator[RunningPage]:
    """The page over what `settings` name, in a process of its own."""
    values = {"photos": [str(path) for path in settings.photos], "data_dir": str(settings.data_dir)}
    values |= {
        name: getattr(settings, name) for name in ("search", "meilisearch_url", "meilisearch_index", "trusted_proxies")
    }
    secrets = {"RECOLLECT_MEILISEARCH_KEY": settings.meilisearch_key, "RECOLLECT_MEILISEARCH_SEARCH_KEY": ""}
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.page_library", json.dumps(values)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **secrets, "OPENBLAS_NUM_THREADS": "1"},  # as `recollect serve` has it
    )
    with child:
        if child.stdin is None or child.stdout is None:
            raise RuntimeError("the page's process has no pipes")
        address = child.stdout.readline().strip()
        try:
            yield RunningPage(address, child.pid)
        finally:
            child.stdin.close()


def _into_catalogue(
    storage: Storage,
    root: Path,
    first: int,
    block: Sequence[SearchDocument],
    tower: TextTower | None,
    noise: np.random.Generator,
) -> None:
    named = {f"{one.folders[0]}/{first + at:06} {one.file_names[0]}": one for at, one in enumerate(block)}
    stamps = {name: FileStamp(1, 3_000_000, first + at + 1) for at, name in enumerate(named)}
    walk = storage.catalogue.scans.begin_scan(root)
    storage.catalogue.scans.note(walk, [FoundFile(root, root / name, stamp) for name, stamp in stamps.items()])
    while jobs := storage.catalogue.queue.claim(500):
        for job in jobs:
            one = named[str(job.file.path.relative_to(root))]
            photo = IndexedPhoto(one.id, _metadata(one), job.file.stamp, _caption(one, tower, noise))
            storage.catalogue.settle(job, photo)


def _metadata(one: SearchDocument) -> PhotoMetadata:
    return PhotoMetadata(
        mime_type=one.mime_type,
        width_px=4000,
        height_px=3000,
        taken_at=one.taken_at,
        camera=one.camera,
        lens=one.lens,
        people=one.people,
        keywords=one.keywords,
        rating=one.rating,
        position=one.position,
        person_caption=one.person_caption or None,
    )


def _caption(one: SearchDocument, tower: TextTower | None, noise: np.random.Generator) -> Caption:
    looks, model = None, "made-1"
    if tower is not None and (meant := tower.embed(one.machine_caption)) is not None:
        near = meant + noise.normal(0, tower.dimension**-0.5, tower.dimension)
        looks, model = tuple((near / np.linalg.norm(near)).tolist()), tower.model
    tags = tuple(Tag(word, probability) for word, probability in one.tags)
    return Caption(one.machine_caption, 0.7, tags, looks, model)


def _into_search(storage: Storage) -> None:
    while photos := storage.catalogue.unpushed(storage.search.batch):
        storage.search.put([document(photo) for photo in photos])
        storage.catalogue.outbox.mark_pushed([(photo.id, photo.revision) for photo in photos])


def _webp(seed: int, longest_px: int) -> bytes:
    size = (longest_px, longest_px * 3 // 4)
    grain = Image.effect_noise(size, 60 + seed % 30)
    image = Image.merge("RGB", (grain, grain.rotate(90).resize(size), grain.rotate(180)))
    out = io.BytesIO()
    image.resize((size[0] // 3, size[1] // 3)).resize(size).save(out, "WEBP", quality=75)
    return out.getvalue()


async def _serve(settings: Settings) -> None:
    from web.app import make_app
    from web.server import listening

    with open_storage(settings) as storage:
        app = make_app(
            settings,
            catalogue=storage.catalogue,
            thumbnails=storage.thumbnails,
            search=storage.search,
            progress=lambda: Progress(phase=Phase.IDLE),
        )
        gc.collect()
        gc.freeze()  # as `recollect serve` does
        async with listening(app, settings) as address:
            print(address, flush=True)
            await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    """Serves what the first argument says until standard input ends."""
    answer = json.loads(sys.argv[1])
    photos = tuple(map(Path, answer.pop("photos")))
    key = os.environ.get("RECOLLECT_MEILISEARCH_KEY", "")
    settings = Settings(
        **answer | {"photos": photos, "data_dir": Path(answer["data_dir"])}, meilisearch_key=key, port=0
    )
    asyncio.run(_serve(settings))


if __name__ == "__main__":
    main()
