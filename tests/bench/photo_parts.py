"""Processor time of a photo, step by step as the pipeline takes them, beside the bare libraries doing the same.

Everything runs in this process, one photo after the other, so that nothing overlaps. What a step costs is the least of
all photos, as other programs on the machine only ever add to it. The bare steps are what Pillow, LiteRT, SQLite and the
operating system take for the same work, without anything of ours around them.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from io import BytesIO
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image

from captioner.inference.litert import LiteRTCaptioner
from captioner.inference.manifest import DECODER, ENCODER
from indexer.formats import EXTENSIONS
from indexer.images.decode import decode, open_image
from indexer.images.measuring import measure
from indexer.images.pictures import encode_grid, encode_screen, make_grid, model_input
from indexer.jobs.search_feed import FeedSteps
from indexer.model import FileCaption, IndexedPhoto, Job, ThumbnailSize
from indexer.reader.photo_reader import PhotoReader
from indexer.reader.photo_requests import ReaderOptions, to_json
from indexer.scanning.crawl_rules import CrawlRules
from indexer.scanning.crawler import Crawl
from indexer.settings import Settings
from indexer.storage import Storage, open_storage

READ, DECODE, SCREEN, GRID = (
    "read, content key, metadata",
    "decode, make small",
    "screen picture",
    "grid picture, measures",
)
INPUT, ENCODE, BEAM, EVIDENCE = "model's input", "model: encoder", "model: beam search", "tags, evidence"
WRITE, STORE, CATALOGUE, SEARCH = "caption written, proved", "thumbnails stored", "catalogue", "search feed"
STEPS = (READ, DECODE, SCREEN, GRID, INPUT, ENCODE, BEAM, EVIDENCE, WRITE, STORE, CATALOGUE, SEARCH)


@dataclass(slots=True)
class Watch:
    """The least processor time of each step, in seconds."""

    least: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str, photos: int = 1) -> Iterator[None]:
        """Around what one step does of so many photos."""
        begun = time.process_time()
        yield
        took = (time.process_time() - begun) / photos
        self.least[name] = min(took, self.least.get(name, took))


@dataclass(frozen=True, slots=True)
class PhotoParts:
    """Seconds of each of `STEPS` for a photo: `ours`, and of those that a library alone can do, `bare`."""

    ours: dict[str, float]
    bare: dict[str, float]


def measure_parts(folder: Path, paths: Sequence[Path], bundle: Path) -> PhotoParts:
    """Measures the photos at `paths`, into which captions are written. `folder` is for what is stored."""
    pillow_heif.register_heif_opener(decode_threads=1)
    settings = Settings(data_dir=folder / "data", bundle=bundle, watch=False, write_unsure=True)
    captioner = LiteRTCaptioner(bundle)
    ours, bare = Watch(), Watch()
    with (
        open_storage(settings) as storage,
        closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as database,
    ):
        database.execute("PRAGMA journal_mode=wal")
        database.execute("CREATE TABLE stored (id INTEGER PRIMARY KEY, one, other)")
        database.execute("CREATE VIRTUAL TABLE words USING fts5(text)")
        library = _Bare(bundle, settings, database)
        reader = PhotoReader(ReaderOptions.of(settings, captioner.input_px))
        for job in _jobs(storage, paths[0].parent):
            words = _take(ours, job, settings, reader, captioner, storage)
            library.take(bare, job.file.path, words + 1)
        with ours.step(SEARCH, len(paths)):
            steps = FeedSteps(storage.catalogue, storage.search)
            while steps.step():
                pass
    return PhotoParts(ours.least, bare.least)


def _jobs(storage: Storage, root: Path) -> list[Job]:
    walk = storage.catalogue.scans.begin_scan(root)
    for batch in Crawl(root, CrawlRules(extensions=EXTENSIONS)).batches():
        storage.catalogue.scans.note(walk, batch)
    storage.catalogue.scans.finish_scan(walk)
    return storage.catalogue.queue.claim(1000)


def _take(
    watch: Watch, job: Job, settings: Settings, reader: PhotoReader, captioner: LiteRTCaptioner, storage: Storage
) -> int:
    """Every step of `index_photo`, in its order. Returns the number of words of the sentence."""
    path, input_px = job.file.path, captioner.input_px
    with watch.step(READ):
        key, metadata, stamp = reader.read_metadata(path)
    data = path.read_bytes()
    with watch.step(DECODE):
        opened = open_image(data, suffix=path.suffix, max_pixels_mp=settings.max_pixels_mp)
        image = decode(opened, settings.screen_px, metadata.orientation)
    with watch.step(SCREEN):
        screen = encode_screen(image)
    with watch.step(INPUT):
        pixels = model_input(image, input_px)
    with watch.step(GRID):
        small = make_grid(image, settings.grid_px)
        grid, measures = encode_grid(small), measure(small).to_bytes()
    with watch.step(ENCODE):
        outputs = captioner.encode(np.frombuffer(pixels, np.uint8).reshape(input_px, input_px, 3))
    with watch.step(BEAM):
        best = captioner.decode(outputs)
    with watch.step(EVIDENCE):
        caption = captioner.describe(best, outputs)
    with watch.step(STORE):
        storage.thumbnails.put_all(key, [(ThumbnailSize.GRID, grid), (ThumbnailSize.SCREEN, screen)])
    header = {
        "do": "write_caption",
        "path": str(path),
        "caption": to_json(FileCaption.of(caption)),
        "stamp": to_json(stamp),
        "over_correction": False,
        "roots": [str(path.parent)],
    }
    with watch.step(WRITE):
        reader.answer(header, b"")
    with watch.step(CATALOGUE):
        storage.catalogue.known_photo(key)
        photo = IndexedPhoto(key, metadata, stamp, caption, tags_model=captioner.model, measures=measures)
        storage.catalogue.settle(job, photo)
    return len(best.tokens)


class _Bare:
    """The same work by the libraries alone."""

    def __init__(self, bundle: Path, settings: Settings, database: sqlite3.Connection) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._settings, self._database = settings, database
        self._encoder, self._decoder = (Interpreter(str(bundle / name), num_threads=1) for name in (ENCODER, DECODER))
        self._encoder.allocate_tensors()
        self._decoder.allocate_tensors()
        for tensor in self._decoder.get_input_details():
            self._decoder.set_tensor(tensor["index"], np.zeros(tensor["shape"], tensor["dtype"]))

    def take(self, watch: Watch, path: Path, decoder_steps: int) -> None:
        with watch.step(READ):
            data = path.read_bytes()
            blake2b(data).digest()
        with watch.step(DECODE):
            image = self._decoded(data)
        with watch.step(SCREEN):
            screen = _saved(image, "JPEG", quality=75)
        with watch.step(GRID):
            grid = _saved(image.resize((320, 240), Image.Resampling.HAMMING, reducing_gap=1.0), "WEBP", method=0)
        with watch.step(INPUT):
            image.resize((256, 256), Image.Resampling.BICUBIC, reducing_gap=2.0).tobytes()
        with watch.step(ENCODE):
            self._encoder.invoke()
        with watch.step(BEAM):
            for _ in range(decoder_steps):
                self._decoder.invoke()
        with watch.step(WRITE):
            _copied(path)
        with watch.step(STORE):
            self._database.execute("INSERT INTO stored (one, other) VALUES (?, ?)", (screen, grid))
        with watch.step(CATALOGUE):
            self._database.execute("INSERT INTO stored (one, other) VALUES (?, ?)", (path.name, "a dog on a beach"))
        with watch.step(SEARCH):
            self._database.execute("INSERT INTO words VALUES ('a brown dog runs on the beach')")

    def _decoded(self, data: bytes) -> Image.Image:
        width = self._settings.screen_px
        image = Image.open(BytesIO(data))
        size = (width, round(width * image.height / image.width))
        image.draft(None, size)
        return image.convert("RGB").resize(size, Image.Resampling.HAMMING)


def _saved(image: Image.Image, kind: str, **options: int) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _copied(path: Path) -> None:
    """A copy that lasts a power cut, as any safe writing of a file needs it."""
    copy = path.with_name(f".{path.name}.copy")
    with copy.open("wb") as file:
        shutil.copyfileobj(path.open("rb"), file)
        file.flush()
        os.fsync(file.fileno())
    copy.unlink()
