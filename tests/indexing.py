"""What the indexing tests share: a captioner that counts, and an index over a folder in one call."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from captioner import Caption, CaptionerGone, Tag
from indexer.model import FileStamp, Photo, PhotoMetadata, Reading
from indexer.progress import Progress
from indexer.reader.photo_process import PhotoProcesses
from indexer.search.query import parse
from indexer.service import Indexer
from indexer.settings import Settings
from indexer.storage import Storage, open_storage
from tests.photos_made import write_jpeg

COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200), "white": (240, 240, 240)}


class CountingCaptioner:
    """Sees one thing, the picture's colour, and remembers how often it was asked."""

    def __init__(
        self, *, model: str = "colours-1", input_px: int = 32, embeddings: Mapping[str, tuple[float, ...]] | None = None
    ) -> None:
        self.model = model
        self.input_px = input_px
        self.embeddings = embeddings or {}
        self.asked: list[str] = []
        self.dies_at: str | None = None
        self.gate: asyncio.Event | None = None

    async def caption(self, pixels: bytes) -> Caption:
        assert len(pixels) == self.input_px**2 * 3
        colour = colour_of(pixels)
        self.asked.append(colour)
        if self.gate is not None:
            await self.gate.wait()
        if colour == self.dies_at:
            raise CaptionerGone(f"died at {colour}")
        text = f"a {colour} wall seen by {self.model}"
        return Caption(text, 0.8, (Tag(colour, 0.9), Tag("wall", 0.6)), self.embeddings.get(colour), self.model)


class CountingPhotos(PhotoProcesses):
    """Remembers which files were opened to be looked at."""

    def __init__(self, settings: Settings, *, input_px: int) -> None:
        super().__init__(settings, input_px=input_px)
        self.opened: list[str] = []

    async def read(self, path: Path) -> Reading:
        self.opened.append(path.name)
        return await super().read(path)

    async def read_metadata(self, path: Path) -> tuple[str, PhotoMetadata, FileStamp]:
        self.opened.append(path.name)
        return await super().read_metadata(path)


def colour_of(pixels: bytes) -> str:
    mean = [sum(pixels[channel::3]) / (len(pixels) // 3) for channel in range(3)]
    return min(COLOURS, key=lambda name: sum((a - b) ** 2 for a, b in zip(mean, COLOURS[name], strict=True)))


def colour_library(folder: Path, *colours: str) -> Path:
    """A library in `folder` with a photo of each colour, named after it."""
    root = folder / "photos"
    for number, colour in enumerate(colours):
        write_jpeg(root / f"{colour}.jpg", COLOURS[colour], number)
    return root


def settings_for(tmp_path: Path, **more: object) -> Settings:
    base = Settings(data_dir=tmp_path / "data", nice=0, watch=False, rescan_s=0.0)
    return dataclasses.replace(base, **more)  # type: ignore[arg-type]


async def index(settings: Settings, captioner: CountingCaptioner, *roots: Path) -> Progress:
    with open_storage(settings) as storage:
        async with Indexer(settings, storage, captioner=captioner) as indexer:
            return await indexer.index_once(roots)


@contextmanager
def stored(settings: Settings) -> Iterator[Storage]:
    with open_storage(settings) as storage:
        yield storage


def all_photos(storage: Storage) -> list[Photo]:
    return storage.catalogue.photos(storage.catalogue.photo_ids())


def found(storage: Storage, text: str) -> list[str]:
    """The captions that a search finds, best first."""
    answer = storage.search.search(parse(text))
    return [photo.caption or "" for photo in storage.catalogue.photos([hit.id for hit in answer.hits])]


def paths_of(photo: Photo) -> set[str]:
    return {file.path.name for file in photo.files if not file.missing}


async def until(condition: Callable[[], object], *, within_s: float = 40.0) -> None:
    """Waits for something that happens by itself."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.05)
