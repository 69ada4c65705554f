"""A real catalogue, thumbnail store and search index over pictures made here: what the page is tested on."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from PIL import Image, ImageDraw

from captioner import Caption, Tag
from indexer.atomic.file_read import stamp_of
from indexer.model import CaptionPlace, FoundFile, IndexedPhoto, Job, PhotoMetadata, ThumbnailSize
from indexer.reasons import Reason
from indexer.search.documents import document
from indexer.settings import Settings
from indexer.storage import Storage, open_storage

TAKEN = datetime(2021, 7, 14, 15, 42, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class MadePhoto:
    """One photo to put into the library; `name` is its path relative to the root."""

    name: str
    caption: str | None = "a dog runs along the beach"
    confidence: float = 0.8
    tags: tuple[tuple[str, float], ...] = (("dog", 0.93), ("beach", 0.71))
    metadata: PhotoMetadata = field(
        default_factory=lambda: PhotoMetadata(mime_type="image/jpeg", width_px=400, height_px=300, taken_at=TAKEN)
    )
    embedding: tuple[float, ...] | None = None
    model: str = "test-1"
    data: bytes | None = None  # the file's bytes, where they are not to be a picture
    words: tuple[tuple[str, float], ...] = ()
    sure: bool = True
    place: CaptionPlace | None = None
    reason: Reason | None = None


def picture(seed: str, size: tuple[int, int]) -> Image.Image:
    """A picture of sky, land and a sun, different for every `seed`."""
    digest = hashlib.blake2b(seed.encode("utf-8", "surrogateescape")).digest()
    width, height = size
    image = Image.new("RGB", size, (digest[0] // 2 + 90, digest[1] // 3 + 130, 200 + digest[2] // 6))
    draw = ImageDraw.Draw(image)
    horizon = height * (80 + digest[3] // 3) // 255
    draw.rectangle((0, horizon, width, height), fill=(digest[4] // 2, 70 + digest[5] // 2, digest[6] // 3))
    radius = max(4, width // 12)
    left, top = digest[7] * width // 255, digest[8] * horizon // 400
    draw.ellipse((left - radius, top, left + radius, top + 2 * radius), fill=(250, 225, 150))
    return image


#: What thumbnails are stored as.
KINDS = {ThumbnailSize.GRID: "WEBP", ThumbnailSize.SCREEN: "JPEG"}


def thumbnail(image: Image.Image, longest_px: int, kind: str) -> bytes:
    """`image` made small, of a kind of Pillow's."""
    small = image.copy()
    small.thumbnail((longest_px, longest_px))
    out = io.BytesIO()
    small.save(out, kind, quality=75)
    return out.getvalue()


def content_key(name: str) -> str:
    """The id of the photo of that name."""
    return hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


@contextmanager
def made_library(settings: Settings, photos: Sequence[MadePhoto]) -> Iterator[Storage]:
    """The stores that `make_app` is given, filled with `photos`; files are written below the first root."""
    with open_storage(settings) as storage:
        add_photos(storage, settings, photos)
        yield storage


def add_photos(storage: Storage, settings: Settings, photos: Sequence[MadePhoto]) -> None:
    """Goes the way of the pipeline: noted, claimed, settled, pushed to search."""
    root = settings.photos[0]
    wanted = {photo.name: photo for photo in photos}
    for photo in photos:
        path = root / photo.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo.data if photo.data is not None else _jpeg(photo))
    walk = storage.catalogue.scans.begin_scan(root)
    storage.catalogue.scans.note(
        walk, [FoundFile(root, root / name, stamp_of((root / name).stat())) for name in wanted]
    )
    while jobs := storage.catalogue.queue.claim(100):
        for job in jobs:
            _settle(storage, settings, job, wanted[str(job.file.path.relative_to(root))])
    push(storage)


def _jpeg(photo: MadePhoto) -> bytes:
    out = io.BytesIO()
    picture(photo.name, (photo.metadata.width_px, photo.metadata.height_px)).save(out, "JPEG")
    return out.getvalue()


def _settle(storage: Storage, settings: Settings, job: Job, photo: MadePhoto) -> None:
    key = content_key(photo.name)
    try:
        image = Image.open(io.BytesIO(job.file.path.read_bytes())).convert("RGB")
    except OSError:
        image = picture(photo.name, (photo.metadata.width_px, photo.metadata.height_px))
    longest = {ThumbnailSize.GRID: settings.grid_px, ThumbnailSize.SCREEN: settings.screen_px}
    storage.thumbnails.put_all(key, [(size, thumbnail(image, px, KINDS[size])) for size, px in longest.items()])
    tags = tuple(Tag(word, probability) for word, probability in photo.tags)
    caption = None
    if photo.caption is not None:
        words = tuple(Tag(word, probability) for word, probability in photo.words)
        caption = Caption(photo.caption, photo.confidence, tags, photo.embedding, photo.model, words, photo.sure)
    settled = IndexedPhoto(key, photo.metadata, job.file.stamp, caption, photo.place, photo.reason)
    storage.catalogue.settle(job, settled)


def push(storage: Storage) -> None:
    """What the pipeline does after settling: search learns of it."""
    while storage.catalogue.stacks.update():
        pass
    while photos := storage.catalogue.unpushed(500):
        storage.search.put([document(photo) for photo in photos])
        storage.catalogue.outbox.mark_pushed([(photo.id, photo.revision) for photo in photos])


def many(count: int) -> Iterable[MadePhoto]:
    """Small photos over several years, shapes and cameras."""
    shapes = ((400, 300), (300, 400), (480, 320), (300, 300), (480, 270))
    sights = ("a dog on a beach", "a cat on a red sofa", "two children eating cake", "mountains under snow")
    for number in range(count):
        width, height = shapes[number % len(shapes)]
        taken_at = TAKEN.replace(year=2024 - number % 6, month=number % 12 + 1)
        metadata = PhotoMetadata(
            mime_type="image/jpeg",
            width_px=width,
            height_px=height,
            taken_at=taken_at,
            camera=("Google Pixel 7", "Canon EOS 80D", None)[number % 3],
            people=(("Anna",), (), ("Ben", "Anna"))[number % 3],
        )
        sight = sights[number % len(sights)]
        yield MadePhoto(f"{taken_at:%Y}/photo {number:04}.jpg", sight, tags=(), metadata=metadata)


def titled(photo: MadePhoto, **changes: object) -> MadePhoto:
    """`photo` with other metadata."""
    return replace(photo, metadata=replace(photo.metadata, **changes))
