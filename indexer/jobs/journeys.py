"""Which kind of job is worked off by what. The journeys that bring words into files are those of `pipeline`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from indexer.jobs.context import PipelineContext
from indexer.jobs.pipeline import (
    index_photo,
    recaption_photo,
    retry_write_job,
    write_caption_job,
)
from indexer.model import IndexedPhoto, Job, JobKind, ThumbnailSize, recognise_machine_caption


async def complete_caption(job: Job, context: PipelineContext) -> None:
    """Tags and embedding for a sentence that was taken back from a file, which keeps it: from the cached screen
    thumbnail, or, where that was lost, from the file, which is only read."""
    content_key = job.content_key or ""
    known = await asyncio.to_thread(context.catalogue.known_photo, content_key)
    pixels = None
    if known is not None and known.tags_model is None:  # else it was done for another copy of the photo
        pixels = await _pixels(job, content_key, context)
    seen = await context.captioner.caption(pixels) if pixels is not None else None
    await asyncio.to_thread(context.catalogue.settle_completion, job, content_key, seen)


async def _pixels(job: Job, content_key: str, context: PipelineContext) -> bytes | None:
    """The model's input; None where the file shows another photo by now, which a scan finds."""
    webp = await asyncio.to_thread(context.thumbnails.get, content_key, ThumbnailSize.SCREEN)
    if webp is not None:
        return await context.photos.pixels_of(webp)
    reading = await context.photos.read(job.file.path)
    if reading.content_key != content_key:
        return None
    await asyncio.to_thread(context.thumbnails.put_all, content_key, reading.thumbnails.items())
    return reading.pixels


async def read_metadata_again(job: Job, context: PipelineContext) -> IndexedPhoto:
    """What the file says of itself, read once more; words, thumbnails and file stay as they are."""
    content_key, metadata, stamp = await context.photos.read_metadata(job.file.path)
    if content_key != job.content_key:
        return await index_photo(job, context)
    known = await asyncio.to_thread(context.catalogue.known_photo, content_key)
    metadata = recognise_machine_caption(metadata, known)
    photo = IndexedPhoto(content_key=content_key, metadata=metadata, stamp=stamp, caption=None)
    await asyncio.to_thread(context.catalogue.settle, job, photo)
    return photo


async def make_thumbnails_again(job: Job, context: PipelineContext) -> IndexedPhoto:
    """Decodes the file once more for its thumbnails; words and file stay as they are."""
    reading = await context.photos.read(job.file.path)
    if reading.content_key != job.content_key:
        return await index_photo(job, context)
    await asyncio.to_thread(context.thumbnails.put_all, reading.content_key, reading.thumbnails.items())
    known = await asyncio.to_thread(context.catalogue.known_photo, reading.content_key)
    metadata = recognise_machine_caption(reading.metadata, known)
    photo = IndexedPhoto(content_key=reading.content_key, metadata=metadata, stamp=reading.stamp, caption=None)
    await asyncio.to_thread(context.catalogue.settle, job, photo)
    return photo


JOURNEYS: Mapping[JobKind, Callable[[Job, PipelineContext], Awaitable[IndexedPhoto | None]]] = MappingProxyType(
    {
        JobKind.INDEX: index_photo,
        JobKind.CAPTION: recaption_photo,
        JobKind.METADATA: read_metadata_again,
        JobKind.THUMBNAILS: make_thumbnails_again,
        JobKind.WRITE_CAPTION: write_caption_job,
        JobKind.COMPLETE: complete_caption,
        JobKind.RETRY_WRITE: retry_write_job,
    }
)
