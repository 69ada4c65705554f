"""The other journeys: photos captioned, written, completed or read again. `JOURNEYS` has one for each kind of job."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from captioner import Caption
from indexer.atomic.file_read import stamp_of
from indexer.errors import Obstacle, PhotoVanished
from indexer.jobs.pipeline import (
    CAPTIONS_OFF,
    OBSTACLES,
    PERSONS_WORDS,
    UNDONE,
    WRONG,
    PipelineContext,
    index_photo,
    stored_correction,
    unless_wrong,
    withhold_reason,
    write_caption,
    write_words,
)
from indexer.model import (
    CaptionPlace,
    EmbedState,
    FileStamp,
    IndexedPhoto,
    Job,
    JobKind,
    Photo,
    PhotoMetadata,
    ThumbnailSize,
    WriteResult,
    recognise_machine_caption,
)
from indexer.reasons import Reason, ReasonCode


async def recaption_photo(job: Job, context: PipelineContext) -> IndexedPhoto:
    """A newer model's words, from the cached screen thumbnail; the file is opened only to write them into it."""
    known = await context.known_photo(job.content_key) if job.content_key is not None else None
    thumbnail = await asyncio.to_thread(context.thumbnails.get, known.id, ThumbnailSize.SCREEN) if known else None
    if known is None or thumbnail is None:
        return await _recaption_from_file(job, context)
    async with context.lock_for(known.id):
        caption = await _current_caption(known.id, thumbnail, context)
        written = await _rewrite_caption(job, known, caption, context)
        photo = IndexedPhoto(known.id, known.metadata, written.stamp, caption, file_read=False)
        return await context.settle(job, photo.with_written(written))


async def _current_caption(content_key: str, thumbnail: bytes, context: PipelineContext) -> Caption:
    """A photo of several files has a job for each; the model captions it once."""
    known = await context.known_photo(content_key)
    machine = known.machine if known is not None else None
    if known is not None and machine is not None and machine.model == known.tags_model == context.captioner.model:
        return machine
    return await context.captioner.caption(await context.photos.pixels_of(thumbnail))


async def _rewrite_caption(job: Job, known: Photo, caption: Caption, context: PipelineContext) -> WriteResult:
    """Puts a newer model's words into a file that was not read for it, unless a person's come before them."""
    stamp = job.file.stamp
    if known.correction is not None:
        file = await asyncio.to_thread(context.catalogue.file_of_job, job)
        current, obstacle = file or known, file.obstacle if file is not None else None
        return WriteResult(
            current.caption_place or CaptionPlace.INDEX, stamp, current.caption_reason, obstacle=obstacle
        )
    if known.caption_reason == UNDONE or job.embed_state is EmbedState.REMOVED:
        return WriteResult(CaptionPlace.INDEX, stamp, UNDONE)
    words = unless_wrong(known, caption)
    replaces = job.embed_state in {EmbedState.PRESENT, EmbedState.WITHDRAWING}
    try:
        return await write_words(job, known.metadata, words, stamp, context, replaces=replaces)
    except PhotoVanished as vanished:  # an unplugged disk: the index has the words all the same
        return WriteResult(CaptionPlace.INDEX, stamp, vanished.reason, obstacle=Obstacle.OTHERS)


async def _recaption_from_file(job: Job, context: PipelineContext) -> IndexedPhoto:
    reading = await context.photos.read(job.file.path)
    async with context.lock_for(reading.content_key):
        await context.store_thumbnails(reading)
        caption = await context.captioner.caption(reading.pixels)
        known = await context.known_photo(reading.content_key)
        metadata = recognise_machine_caption(reading.metadata, known)
        photo = IndexedPhoto(reading.content_key, metadata, reading.stamp, caption)
        return await context.settle(job, await write_caption(job, photo, known, context))


async def complete_caption(job: Job, context: PipelineContext) -> None:
    """Tags and embedding for a sentence that was taken back from a file, which keeps it: from the cached screen
    thumbnail, or, where that was lost, from the file, which is only read."""
    content_key = job.content_key or ""
    known = await context.known_photo(content_key)
    pixels = None
    if known is not None and known.tags_model is None:  # else it was done for another copy of the photo
        pixels = await _pixels(job, content_key, context)
    caption = await context.captioner.caption(pixels) if pixels is not None else None
    await asyncio.to_thread(context.catalogue.settle_completion, job, content_key, caption)


async def _pixels(job: Job, content_key: str, context: PipelineContext) -> bytes | None:
    """The model's input; None where the file shows another photo by now, which a scan finds."""
    thumbnail = await asyncio.to_thread(context.thumbnails.get, content_key, ThumbnailSize.SCREEN)
    if thumbnail is not None:
        return await context.photos.pixels_of(thumbnail)
    reading = await context.photos.read(job.file.path)
    if reading.content_key != content_key:
        return None
    await context.store_thumbnails(reading)
    return reading.pixels


async def read_metadata_again(job: Job, context: PipelineContext) -> IndexedPhoto:
    """What the file says of itself, read once more; words, thumbnails and file stay as they are."""
    content_key, metadata, stamp = await context.photos.read_metadata(job.file.path)
    if content_key != job.content_key:
        return await index_photo(job, context)
    return await _settle_metadata(job, content_key, metadata, stamp, context)


async def make_thumbnails_again(job: Job, context: PipelineContext) -> IndexedPhoto:
    """Decodes the file once more for its thumbnails; words and file stay as they are."""
    reading = await context.photos.read(job.file.path)
    if reading.content_key != job.content_key:
        return await index_photo(job, context)
    await context.store_thumbnails(reading)
    return await _settle_metadata(job, reading.content_key, reading.metadata, reading.stamp, context)


async def _settle_metadata(
    job: Job, content_key: str, metadata: PhotoMetadata, stamp: FileStamp, context: PipelineContext
) -> IndexedPhoto:
    metadata = recognise_machine_caption(metadata, await context.known_photo(content_key))
    return await context.settle(job, IndexedPhoto(content_key, metadata, stamp, caption=None))


async def write_caption_job(job: Job, context: PipelineContext) -> IndexedPhoto:
    """Puts the words that the catalogue has for a photo into one of its files: the correction that somebody typed on
    the page, or, where that was withdrawn, what was there before it. What was marked as wrong is taken out.

    The file is read first: what it says may be younger than what was typed
    (see `catalogue.settling`).
    """
    content_key, metadata, stamp = await context.photos.read_metadata(job.file.path)
    async with context.lock_for(content_key):
        known = await context.known_photo(content_key)
        if known is not None and content_key == job.content_key:
            metadata = recognise_machine_caption(metadata, known)
            photo = IndexedPhoto(content_key, metadata, stamp, caption=None)
            if (correction := stored_correction(known)) is not None:
                written = await write_words(job, metadata, correction, stamp, context, replaces=False)
                photo = photo.with_written(written)
            else:
                photo = await _restore_machine_caption(job, known, photo, context)
            if photo.caption_place is CaptionPlace.INDEX:
                await asyncio.to_thread(_require_unchanged, job.file.path, photo.stamp)
            return await context.settle(job, photo)
    return await index_photo(job, context)


def _require_unchanged(path: Path, stamp: FileStamp) -> None:
    """Raises `PhotoVanished` where another program was faster: it is tried again with what that made of the file."""
    try:
        changed = stamp_of(path.stat()) != stamp
    except OSError:
        return  # the next write or scan finds that it is gone
    if changed:
        raise PhotoVanished(ReasonCode.CHANGED_WHILE_WRITTEN)


async def _restore_machine_caption(
    job: Job, known: Photo, photo: IndexedPhoto, context: PipelineContext
) -> IndexedPhoto:
    """The model's words again where they stood before, else the file as it was before any words of ours."""
    metadata = photo.metadata
    reason, undo = CAPTIONS_OFF, metadata.correction is not None or metadata.overtaken
    if job.embed_state in {EmbedState.CORRECTION_ONLY, EmbedState.REMOVED}:
        reason = UNDONE
    elif metadata.others_words is not None:
        reason = PERSONS_WORDS
    elif context.write_captions and (withheld := _withhold_reason(known, context)) is not None:
        reason, undo = withheld, undo or metadata.machine_caption is not None
    elif context.write_captions and known.machine is not None:
        written = await context.photos.write_caption(job.file.path, known.machine, photo.stamp, over_correction=True)
        photo = photo.with_written(written)
        return await _undo(job, photo, context) if undo and written.place is CaptionPlace.INDEX else photo
    obstacle = None if reason == CAPTIONS_OFF and context.write_captions else OBSTACLES.get(reason)
    photo = replace(photo, caption_place=CaptionPlace.INDEX, caption_reason=reason, obstacle=obstacle)
    photo = replace(photo, removed_on_purpose=reason == UNDONE)
    return await _undo(job, photo, context) if undo else photo


def _withhold_reason(known: Photo, context: PipelineContext) -> Reason | None:
    """Why the model's sentence that the catalogue has does not go into files."""
    if known.wrong:
        return WRONG
    return withhold_reason(known.machine, write_unsure=context.write_unsure) if known.machine is not None else None


async def _undo(job: Job, photo: IndexedPhoto, context: PipelineContext) -> IndexedPhoto:
    """The file without words of ours; where they can't be taken out, the reason says so."""
    undone = await context.photos.undo_caption(job.file.path)
    if not undone.restored:
        return replace(photo, caption_reason=undone.reason, removed_on_purpose=False, obstacle=undone.obstacle)
    words = photo.metadata.others_words
    metadata = replace(photo.metadata, person_caption=words, machine_caption=None, correction=None, overruled=None)
    return replace(photo, metadata=metadata, stamp=undone.stamp or photo.stamp)


async def retry_write_job(job: Job, context: PipelineContext) -> IndexedPhoto:
    """Puts the words that the catalogue has into a file that an obstacle kept them out of. Nothing is decoded, nothing
    is captioned, unless the file shows another photo by now."""
    content_key, metadata, stamp = await context.photos.read_metadata(job.file.path)
    async with context.lock_for(content_key):
        known = await context.known_photo(content_key)
        if known is not None and content_key == job.content_key and (known.machine or known.correction):
            photo = IndexedPhoto(content_key, metadata, stamp, caption=None)
            return await context.settle(job, await write_caption(job, photo, known, context))
    return await index_photo(job, context)


async def find_faces_job(job: Job, context: PipelineContext) -> None:
    """Looks for faces in the cached screen picture, or, where that was lost, in the file, which is only read."""
    people, content_key = context.people, job.content_key or ""
    known = await context.known_photo(content_key)
    picture = None
    if people is not None and people.model is not None and known is not None:
        picture = await _screen_picture(job, content_key, context)
    if people is None or known is None or picture is None:
        await asyncio.to_thread(context.catalogue.faces.end_job, job)
        return
    await people.settle(job, content_key, await people.find_faces(picture), known.metadata.regions)


async def write_names_job(job: Job, context: PipelineContext) -> IndexedPhoto:
    """Makes the names that the photo's faces have those that stand in one of its files; without any it takes ours out.
    Where nothing is to be written into files any more, what stands there stays."""
    content_key, metadata, stamp = await context.photos.read_metadata(job.file.path)
    if content_key != job.content_key:
        return await index_photo(job, context)
    wanted = await asyncio.to_thread(context.catalogue.names_in_files.wanted, content_key)
    if wanted.regions and not context.write_captions:
        return await _settle_metadata(job, content_key, metadata, stamp, context)
    written = await context.photos.write_names(job.file.path, wanted.regions, stamp)
    await asyncio.to_thread(context.catalogue.names_in_files.record, job, wanted, written)
    # What it says now: names of before would be taken for what another program says.
    return await _settle_metadata(job, *await context.photos.read_metadata(job.file.path), context)


async def _screen_picture(job: Job, content_key: str, context: PipelineContext) -> bytes | None:
    """None where the file shows another photo by now, which a scan finds."""
    picture = await asyncio.to_thread(context.thumbnails.get, content_key, ThumbnailSize.SCREEN)
    if picture is not None:
        return picture
    reading = await context.photos.read(job.file.path)
    if reading.content_key != content_key:
        return None
    await context.store_thumbnails(reading)
    return reading.thumbnails[ThumbnailSize.SCREEN]


JOURNEYS: Mapping[JobKind, Callable[[Job, PipelineContext], Awaitable[IndexedPhoto | None]]] = MappingProxyType(
    {
        JobKind.INDEX: index_photo,
        JobKind.CAPTION: recaption_photo,
        JobKind.METADATA: read_metadata_again,
        JobKind.THUMBNAILS: make_thumbnails_again,
        JobKind.WRITE_CAPTION: write_caption_job,
        JobKind.COMPLETE: complete_caption,
        JobKind.FACES: find_faces_job,
        JobKind.RETRY_WRITE: retry_write_job,
        JobKind.WRITE_NAMES: write_names_job,
    }
)
