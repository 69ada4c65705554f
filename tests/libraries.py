"""What the catalogue's tests share: small libraries on disk, walked and settled for real, without any decoding."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path

from captioner import Caption, Tag
from indexer.atomic.file_read import stamp_of
from indexer.catalogue import Catalogue
from indexer.catalogue.found import FoundBatch, stored_stamp
from indexer.catalogue.scans import NoteCounts, ScanOutcome
from indexer.model import CaptionPlace, FoundFile, IndexedPhoto, Job, PhotoMetadata
from indexer.scanning.crawl_rules import CrawlRules
from indexer.scanning.crawler import Crawl

EXTENSIONS = frozenset({".jpg", ".png"})
WORDS = Caption("a dog on a beach", 0.5, (Tag("dog", 0.9), Tag("beach", 0.7)), (0.6, 0.8), "model-1")


def write(path: Path, content: str = "") -> Path:
    """A file that stands for a photo; its content stands for its picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() or os.fsencode(path.name))
    return path


def found(root: Path, path: Path) -> FoundFile:
    return FoundFile(root, path, stamp_of(path.stat()))


def files_in(batch: FoundBatch) -> list[FoundFile]:
    """The files of a batch, in its order."""
    return [
        FoundFile(batch.root, batch.root / os.fsdecode(listing.folder) / os.fsdecode(name), stored_stamp(*stamp[:3]))
        for listing in batch.listings
        for name, stamp in zip(listing.names, listing.stamps, strict=True)
    ]


def note_one(catalogue: Catalogue, file: FoundFile) -> NoteCounts:
    """What is noted of one file between scans."""
    return catalogue.scans.note(catalogue.scans.begin_scan(file.root), [file])


def names(root: Path, **rules: tuple[str, ...]) -> list[str]:
    """The relative paths that a walk finds, in its order."""
    crawl = Crawl(root, CrawlRules(extensions=EXTENSIONS, **rules))
    return [str(file.path.relative_to(root)) for batch in crawl.batches() for file in files_in(batch)]


def rescan(catalogue: Catalogue, root: Path, **rules: tuple[str, ...]) -> tuple[NoteCounts, ScanOutcome]:
    walk, counts = catalogue.scans.begin_scan(root), NoteCounts()
    for batch in Crawl(root, CrawlRules(extensions=EXTENSIONS, **rules)).batches():
        counts += catalogue.scans.note(walk, batch)
    return counts, catalogue.scans.finish_scan(walk)


def key_of(path: Path) -> str:
    return blake2b(path.read_bytes(), digest_size=16).hexdigest()


def indexed(job: Job, *, caption: Caption | None = WORDS, person: str | None = None) -> IndexedPhoto:
    """What the pipeline would settle for a job: the file is its own picture and nothing is written into it."""
    metadata = PhotoMetadata("image/jpeg", 4, 3, person_caption=person)
    stamp = stamp_of(job.file.path.stat())
    place = CaptionPlace.INDEX if caption else None
    return IndexedPhoto(key_of(job.file.path), metadata, stamp, caption, place)


def settle_all(catalogue: Catalogue, *, caption: Caption | None = WORDS) -> list[Job]:
    """Works the queue off; returns the jobs in the order they were claimed."""
    done = []
    while jobs := catalogue.queue.claim(10):
        for job in jobs:
            catalogue.settle(job, indexed(job, caption=caption))
        done += jobs
    return done


def shown_files(catalogue: Catalogue) -> dict[str, list[str]]:
    """Content key -> the relative paths of its present files."""
    photos = catalogue.photos(catalogue.photo_ids())
    return {photo.id: [file.relative for file in photo.files if not file.missing] for photo in photos}
