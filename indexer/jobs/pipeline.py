"""The way of one photo, from a claimed job to a settled row. `index_photo` is the journey; read it first."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from captioner import Caption
from indexer.catalogue.found import file_stamp
from indexer.errors import PhotoVanished, UnreadablePhoto
from indexer.failures import Obstacle
from indexer.jobs.context import PipelineContext
from indexer.model import (
    CaptionBy,
    CaptionPlace,
    EmbedState,
    FileCaption,
    FileStamp,
    IndexedPhoto,
    Job,
    Photo,
    PhotoMetadata,
    Reading,
    ThumbnailSize,
    Written,
    is_unsure,
    recognise_machine_caption,
)
from indexer.reasons import Reason, ReasonCode

#: What `caption_reason` says where a caption stands in the index only, by our own choice.
CAPTIONS_OFF = Reason(ReasonCode.CAPTIONS_OFF)
PERSONS_WORDS = Reason(ReasonCode.PERSONS_WORDS)
UNDONE = Reason(ReasonCode.TAKEN_OUT)
WRONG = Reason(ReasonCode.MARKED_WRONG)
UNSURE = Reason(ReasonCode.UNSURE)
NOTHING_SEEN = Reason(ReasonCode.NOTHING_SEEN)

#: Of these, what may be over later; a setting ends it.
_OBSTACLES = {CAPTIONS_OFF: Obstacle.SETTING_OFF, UNSURE: Obstacle.NOT_SURE}


async def index_photo(job: Job, context: PipelineContext) -> IndexedPhoto:
    """The whole journey of a new or changed file, and what was settled for it.

    Raises `PhotoError` or `captioner.CaptionError` where it is about this photo.
    """
    if job.content_key is not None and (seen := await _only_metadata_changed(job, context)):
        return seen
    reading = await context.photos.read(job.file.path)
    async with context.lock_for(reading.content_key):
        known = await asyncio.to_thread(context.catalogue.known_photo, reading.content_key)
        reading = replace(reading, metadata=recognise_machine_caption(reading.metadata, known))
        await asyncio.to_thread(_keep_thumbnails, reading, context)
        caption, tags_model = _words_we_have(known, reading.metadata) or await _new_words(reading.pixels, context)
        if _was_taken_out(job, reading.content_key, reading.metadata):
            written = Written(CaptionPlace.INDEX, reading.stamp, UNDONE)
        else:
            words = _correction(known, reading.metadata) or _believed(known, caption)
            held = reading.metadata.machine_caption is not None
            written = await _into_the_file(job, reading.metadata, words, reading.stamp, context, held=held)
        return await _settle(
            job, reading.content_key, reading.metadata, caption, written, context, tags_model=tags_model
        )


def _words_we_have(known: Photo | None, metadata: PhotoMetadata) -> tuple[Caption, str | None] | None:
    """Captioning is never paid for twice: the catalogue's caption, or ours from the file where the catalogue was lost;
    and whose tags and embedding it has, None for nobody's.

    What a file keeps is the sentence, not the tags and the embedding: those are completed when nothing else waits.
    """
    if known is not None and known.machine is not None:
        return known.machine, known.tags_model
    ours = metadata.machine_caption
    if ours is None:
        return None
    model = ours.model or ""
    return Caption(text=ours.text, confidence=ours.confidence or 0.0, tags=(), embedding=None, model=model), None


async def _new_words(pixels: bytes, context: PipelineContext) -> tuple[Caption, str | None]:
    caption = await context.captioner.caption(pixels)
    return caption, caption.model


async def _only_metadata_changed(job: Job, context: PipelineContext) -> IndexedPhoto | None:
    """Settles a changed file that still shows the photo it showed before, without decoding it; None for any other.

    Nothing is written into such a file: whoever took our caption out of it, or edited it, meant to. An older sentence
    of ours is taken out where the model is not sure of what it says now.
    """
    content_key, metadata, stamp = await context.photos.read_metadata(job.file.path)
    known = await asyncio.to_thread(context.catalogue.known_photo, content_key)
    if content_key != job.content_key or known is None or known.machine is None:
        return None
    metadata = recognise_machine_caption(metadata, known)
    if await asyncio.to_thread(context.thumbnails.get, content_key, ThumbnailSize.GRID) is None:
        return None
    photo = IndexedPhoto(content_key=content_key, metadata=metadata, stamp=stamp, caption=None)
    if _was_taken_out(job, content_key, metadata):
        photo = replace(photo, caption_place=CaptionPlace.INDEX, caption_reason=UNDONE, removed_on_purpose=True)
    elif job.embed_state is not None and metadata.others_words is not None and metadata.correction is None:
        photo = replace(photo, caption_place=CaptionPlace.INDEX, caption_reason=PERSONS_WORDS)
    elif metadata.machine_caption is not None and known.correction is None and not known.wrong:
        photo = await _without_unsure_words(job, photo, known.machine, context)
    await asyncio.to_thread(context.catalogue.settle, job, photo)
    return photo


async def _without_unsure_words(
    job: Job, photo: IndexedPhoto, caption: Caption, context: PipelineContext
) -> IndexedPhoto:
    """What a file has that holds words of the model's: the same, unless `caption` has to stay out of files."""
    reason = withhold_reason(caption, write_unsure=context.write_unsure)
    if reason is None or not context.write_captions or photo.metadata.person_caption is not None:
        return photo
    written = await _withdraw(job, photo.metadata, photo.stamp, reason, context)
    metadata = _left_of(photo.metadata, written)
    return replace(
        photo,
        metadata=metadata,
        stamp=written.stamp,
        caption_place=written.place,
        caption_reason=written.reason,
        withdrawn=written.withdrawn,
        obstacle=written.obstacle,
    )


def withhold_reason(caption: Caption, *, write_unsure: bool) -> Reason | None:
    """Why a sentence of the model's stays out of files, as `caption_reason` says it; None where it may go in."""
    if not caption.text:
        return NOTHING_SEEN
    return UNSURE if is_unsure(caption) and not write_unsure else None


def _was_taken_out(job: Job, content_key: str, metadata: PhotoMetadata) -> bool:
    """Whether words of ours stood in this file and are there no more, and nobody's else in their place.

    Of a copy, which never had them, that says nothing.
    """
    left = (metadata.machine_caption, metadata.person_caption)
    held = job.embed_state not in {None, EmbedState.WITHDRAWING}
    return job.content_key == content_key and held and left == (None, None)


def _correction(known: Photo | None, metadata: PhotoMetadata) -> FileCaption | None:
    """What a person typed on the page, by the catalogue or, where that was lost or is older, by the file."""
    found, decided_at = metadata.correction, known.corrected_at if known is not None else None
    if found is not None and (decided_at is None or (found.at is not None and found.at > decided_at)):
        return found
    return _typed(known) if known is not None else None


def _typed(known: Photo) -> FileCaption | None:
    if known.correction is None:
        return None
    return FileCaption(known.correction, CaptionBy.PERSON, at=known.corrected_at)


def _believed(known: Photo | None, caption: Caption) -> Caption | None:
    """The model's words, unless a person marked just these as wrong."""
    return None if known is not None and caption.text == known.wrong_words else caption


def _keep_thumbnails(reading: Reading, context: PipelineContext) -> None:
    context.thumbnails.put_all(reading.content_key, reading.thumbnails.items())


async def _settle(
    job: Job,
    content_key: str,
    metadata: PhotoMetadata,
    caption: Caption | None,
    written: Written,
    context: PipelineContext,
    *,
    tags_model: str | None = "",
) -> IndexedPhoto:
    metadata = _left_of(metadata, written)
    photo = IndexedPhoto(content_key, metadata, written.stamp, caption, written.place, written.reason)
    photo = replace(
        photo,
        removed_on_purpose=written.reason == UNDONE,
        withdrawn=written.withdrawn,
        tags_model=tags_model,
        obstacle=written.obstacle,
    )
    await asyncio.to_thread(context.catalogue.settle, job, photo)
    return photo


async def _into_the_file(
    job: Job,
    metadata: PhotoMetadata,
    words: Caption | FileCaption | None,
    stamp: FileStamp,
    context: PipelineContext,
    *,
    held: bool,
) -> Written:
    """Writes the words, or says why not. `held`: an older sentence of the model's stands in the file or beside it, and
    is taken out where the new one has to stay out of files."""
    if not context.write_captions:
        return _left_out(stamp, CAPTIONS_OFF)
    if words is None:
        return Written(CaptionPlace.INDEX, stamp, WRONG)
    if isinstance(words, Caption):
        if metadata.person_caption is not None:
            return Written(CaptionPlace.INDEX, stamp, PERSONS_WORDS)
        if (reason := withhold_reason(words, write_unsure=context.write_unsure)) is not None:
            return await _withdraw(job, metadata, stamp, reason, context) if held else _left_out(stamp, reason)
        if metadata.machine_caption is not None and not metadata.marked and metadata.machine_caption.text == words.text:
            return Written(CaptionPlace.XMP, stamp)  # they stand there, without the mark that would let us change them
    return await context.photos.write_caption(job.file.path, words, stamp)


def _left_out(stamp: FileStamp, reason: Reason) -> Written:
    """Kept in the index only, by our own choice."""
    return Written(CaptionPlace.INDEX, stamp, reason, obstacle=_OBSTACLES.get(reason))


async def _withdraw(
    job: Job, metadata: PhotoMetadata, stamp: FileStamp, reason: Reason, context: PipelineContext
) -> Written:
    """Takes an older sentence of the model's out of a file, by `metadata` also one without its marks; where that can't
    be done, the reason says so, and the file keeps what it has. Raises `PhotoVanished`."""
    await asyncio.to_thread(context.catalogue.corrections.record_withdrawal, job)
    ours = metadata.machine_caption
    vouched = [ours.text] if ours is not None else []
    try:
        undone = await context.photos.undo_caption(job.file.path, stamp=stamp, machine_only=True, vouched=vouched)
    except UnreadablePhoto as error:
        return Written(CaptionPlace.INDEX, stamp, error.reason, obstacle=Obstacle.READER)
    withdrawn = undone.restored or undone.reason == Reason(ReasonCode.NOT_OURS)
    if not withdrawn:
        return Written(CaptionPlace.INDEX, undone.stamp or stamp, undone.reason, obstacle=undone.obstacle)
    return replace(_left_out(undone.stamp or stamp, reason), withdrawn=True)


def _left_of(metadata: PhotoMetadata, written: Written) -> PhotoMetadata:
    """What a file says after its caption was written or withdrawn."""
    return replace(metadata, machine_caption=None, marked=False) if written.withdrawn else metadata


async def recaption_photo(job: Job, context: PipelineContext) -> IndexedPhoto:
    """A newer model's words, from the cached screen thumbnail; the file is opened only to write them into it."""
    known, webp = await asyncio.to_thread(_stored, job, context)
    if known is None or webp is None:
        return await _caption_from_the_file(job, context)
    async with context.lock_for(known.id):
        caption = await _newest_caption(known.id, webp, context)
        written = await _into_the_file_again(job, known, caption, context)
        photo = IndexedPhoto(
            content_key=known.id,
            metadata=_left_of(known.metadata, written),
            stamp=written.stamp,
            caption=caption,
            caption_place=written.place,
            caption_reason=written.reason,
            seen=False,
            withdrawn=written.withdrawn,
            obstacle=written.obstacle,
        )
        await asyncio.to_thread(context.catalogue.settle, job, photo)
        return photo


async def _into_the_file_again(job: Job, known: Photo, caption: Caption, context: PipelineContext) -> Written:
    if known.correction is not None:
        file = await asyncio.to_thread(context.catalogue.file_of_job, job)
        place, why = (file or known).caption_place, (file or known).caption_reason
        obstacle = file.obstacle if file is not None else None
        return Written(place or CaptionPlace.INDEX, job.file.stamp, why, obstacle=obstacle)
    if known.caption_reason == UNDONE or job.embed_state is EmbedState.REMOVED:
        return Written(CaptionPlace.INDEX, job.file.stamp, UNDONE)
    words, held = _believed(known, caption), job.embed_state in {EmbedState.PRESENT, EmbedState.WITHDRAWING}
    try:
        return await _into_the_file(job, known.metadata, words, job.file.stamp, context, held=held)
    except PhotoVanished as vanished:  # an unplugged disk: the index has the words all the same
        return Written(CaptionPlace.INDEX, job.file.stamp, vanished.reason, obstacle=Obstacle.OTHERS)


def _stored(job: Job, context: PipelineContext) -> tuple[Photo | None, bytes | None]:
    if job.content_key is None:
        return None, None
    return context.catalogue.known_photo(job.content_key), context.thumbnails.get(job.content_key, ThumbnailSize.SCREEN)


async def _newest_caption(content_key: str, webp: bytes, context: PipelineContext) -> Caption:
    """A photo of several files has a job for each; the model looks at it once."""
    known = await asyncio.to_thread(context.catalogue.known_photo, content_key)
    machine, model = (known.machine, context.captioner.model) if known is not None else (None, "")
    if known is not None and machine is not None and machine.model == known.tags_model == model:
        return machine
    return await context.captioner.caption(await context.photos.pixels_of(webp))


async def _caption_from_the_file(job: Job, context: PipelineContext) -> IndexedPhoto:
    reading = await context.photos.read(job.file.path)
    async with context.lock_for(reading.content_key):
        await asyncio.to_thread(_keep_thumbnails, reading, context)
        caption = await context.captioner.caption(reading.pixels)
        known = await asyncio.to_thread(context.catalogue.known_photo, reading.content_key)
        reading = replace(reading, metadata=recognise_machine_caption(reading.metadata, known))
        words = _correction(known, reading.metadata) or _believed(known, caption)
        held = reading.metadata.machine_caption is not None
        written = await _into_the_file(job, reading.metadata, words, reading.stamp, context, held=held)
        return await _settle(job, reading.content_key, reading.metadata, caption, written, context)


async def write_caption_job(job: Job, context: PipelineContext) -> IndexedPhoto:
    """Puts the words that the catalogue has for a photo into one of its files: the correction that somebody typed on
    the page, or, where that was taken back, what was there before it. What was marked as wrong is taken out.

    The file is read first: what it says may be younger than what was typed
    (see `catalogue.corrections.resolve_correction`).
    """
    content_key, metadata, stamp = await context.photos.read_metadata(job.file.path)
    async with context.lock_for(content_key):
        known = await asyncio.to_thread(context.catalogue.known_photo, content_key)
        if known is not None and content_key == job.content_key:
            metadata = recognise_machine_caption(metadata, known)
            correction = _typed(known)
            if correction is None:
                photo = await _without_the_correction(job, known, metadata, stamp, context)
            else:
                written = await _into_the_file(job, metadata, correction, stamp, context, held=False)
                photo = IndexedPhoto(content_key, metadata, written.stamp, None, written.place, written.reason)
                photo = replace(photo, obstacle=written.obstacle)
            if photo.caption_place is CaptionPlace.INDEX:
                await asyncio.to_thread(_require_unchanged, job.file.path, photo.stamp)
            await asyncio.to_thread(context.catalogue.settle, job, photo)
            return photo
    return await index_photo(job, context)


def _require_unchanged(path: Path, stamp: FileStamp) -> None:
    """Raises `PhotoVanished` where another program was faster: it is tried again with what that made of the file."""
    try:
        changed = file_stamp(path.stat()) != stamp
    except OSError:
        return  # whoever writes or walks next says that it is gone
    if changed:
        raise PhotoVanished(ReasonCode.CHANGED_WHILE_WRITTEN)


async def _without_the_correction(
    job: Job, known: Photo, metadata: PhotoMetadata, stamp: FileStamp, context: PipelineContext
) -> IndexedPhoto:
    """The model's words again where they stood before, else the file as it was before any words of ours."""
    photo = IndexedPhoto(known.id, metadata, stamp, None, CaptionPlace.INDEX, CAPTIONS_OFF)
    if not context.write_captions:
        photo = replace(photo, obstacle=Obstacle.SETTING_OFF)
    if job.embed_state in {EmbedState.CORRECTION_ONLY, EmbedState.REMOVED}:
        photo = replace(photo, caption_reason=UNDONE, removed_on_purpose=True, obstacle=None)
    elif metadata.others_words is not None:
        photo = replace(photo, caption_reason=PERSONS_WORDS, obstacle=None)
    elif context.write_captions and known.wrong:
        photo = replace(photo, caption_reason=WRONG)
        if metadata.machine_caption is not None:
            return await _undone(job, photo, context)
    elif context.write_captions and (reason := _withheld_words(known, context)) is not None:
        photo = replace(photo, caption_reason=reason, obstacle=_OBSTACLES.get(reason))
        if metadata.machine_caption is not None:
            return await _undone(job, photo, context)
    elif context.write_captions and known.machine is not None:
        written = await context.photos.write_caption(job.file.path, known.machine, stamp, over_correction=True)
        photo = replace(photo, stamp=written.stamp, caption_place=written.place, caption_reason=written.reason)
        photo = replace(photo, obstacle=written.obstacle)
    if photo.caption_place is CaptionPlace.INDEX and (metadata.correction is not None or metadata.overtaken):
        return await _undone(job, photo, context)
    return photo


def _withheld_words(known: Photo, context: PipelineContext) -> Reason | None:
    return withhold_reason(known.machine, write_unsure=context.write_unsure) if known.machine is not None else None


async def _undone(job: Job, photo: IndexedPhoto, context: PipelineContext) -> IndexedPhoto:
    """The file without words of ours; where they can't be taken out, the reason says so."""
    undone = await context.photos.undo_caption(job.file.path)
    if not undone.restored:
        return replace(photo, caption_reason=undone.reason, removed_on_purpose=False, obstacle=undone.obstacle)
    words = photo.metadata.others_words
    bare = replace(photo.metadata, person_caption=words, machine_caption=None, correction=None, overruled=None)
    return replace(photo, metadata=bare, stamp=undone.stamp or photo.stamp)


async def retry_write_job(job: Job, context: PipelineContext) -> IndexedPhoto:
    """Puts the words that the catalogue has into a file that an obstacle kept them out of. Nothing is decoded, nothing
    is captioned, unless the file shows another photo by now."""
    content_key, metadata, stamp = await context.photos.read_metadata(job.file.path)
    async with context.lock_for(content_key):
        known = await asyncio.to_thread(context.catalogue.known_photo, content_key)
        if known is not None and content_key == job.content_key and (known.machine or known.correction):
            if _was_taken_out(job, content_key, metadata):
                written = Written(CaptionPlace.INDEX, stamp, UNDONE)
            else:
                words = _correction(known, metadata) or (known.machine and _believed(known, known.machine))
                held = metadata.machine_caption is not None
                written = await _into_the_file(job, metadata, words, stamp, context, held=held)
            return await _settle(job, content_key, metadata, None, written, context)
    return await index_photo(job, context)
