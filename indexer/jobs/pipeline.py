"""The journey of one photo, from a claimed job to a settled row: `index_photo`. `journeys` shares its steps."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from weakref import WeakValueDictionary

from captioner import Caption, Captioner
from indexer.catalogue import Catalogue
from indexer.errors import Obstacle, UnreadablePhoto
from indexer.jobs.people import PeopleWork
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
    WriteResult,
    is_unsure,
    recognise_machine_caption,
)
from indexer.reader.photo_process import PhotoProcesses
from indexer.reasons import Reason, ReasonCode
from indexer.thumbnails import ThumbnailStore

#: What `caption_reason` says where a caption stands in the index only, by our own choice.
CAPTIONS_OFF = Reason(ReasonCode.CAPTIONS_OFF)
PERSONS_WORDS = Reason(ReasonCode.PERSONS_WORDS)
UNDONE = Reason(ReasonCode.TAKEN_OUT)
WRONG = Reason(ReasonCode.MARKED_WRONG)
UNSURE = Reason(ReasonCode.UNSURE)
NOTHING_SEEN = Reason(ReasonCode.NOTHING_SEEN)

#: Captions that are kept for another try, some 10 kB each.
_MOST_UNSETTLED = 64

#: Of these, what may be over later; a setting ends it.
OBSTACLES = {CAPTIONS_OFF: Obstacle.SETTING_OFF, UNSURE: Obstacle.NOT_SURE}


@dataclass(frozen=True, slots=True)
class PipelineContext:
    """What the journeys share; one per service, so that two copies of a photo are not captioned at once."""

    photos: PhotoProcesses
    captioner: Captioner
    catalogue: Catalogue
    thumbnails: ThumbnailStore
    write_captions: bool
    write_unsure: bool = False
    people: PeopleWork | None = None
    _by_key: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    _unsettled: OrderedDict[str, Caption] = field(default_factory=OrderedDict)

    def lock_for(self, content_key: str) -> asyncio.Lock:
        """Held while a photo is captioned, so that its copies wait and then find it known."""
        return self._by_key.setdefault(content_key, asyncio.Lock())

    async def known_photo(self, content_key: str) -> Photo | None:
        """What the catalogue has of a photo."""
        return await asyncio.to_thread(self.catalogue.known_photo, content_key)

    async def store_thumbnails(self, reading: Reading) -> None:
        """Puts both sizes into the key-value store."""
        await asyncio.to_thread(self.thumbnails.put_all, reading.content_key, reading.thumbnails.items())

    async def caption(self, content_key: str, pixels: bytes) -> Caption:
        """The model's words for a photo that has none yet. Where they could not be settled, as its file was moved
        before they could be written into it, the next try has them at once. Raises `captioner.CaptionError`."""
        made = self._unsettled.get(content_key)
        if made is None:
            made = self._unsettled[content_key] = await self.captioner.caption(pixels)
            if len(self._unsettled) > _MOST_UNSETTLED:
                self._unsettled.popitem(last=False)
        return made

    async def settle(self, job: Job, photo: IndexedPhoto) -> IndexedPhoto:
        """Stores what was learnt and ends the job; returns `photo`."""
        await asyncio.to_thread(self._settle, job, photo)
        self._unsettled.pop(photo.content_key, None)
        return photo

    def _settle(self, job: Job, photo: IndexedPhoto) -> None:
        self.catalogue.settle(job, photo)
        if self.people is not None:
            self.people.enqueue_photo(photo.content_key)


async def index_photo(job: Job, context: PipelineContext) -> IndexedPhoto:
    """The whole journey of a new or changed file, and what was settled for it.

    Raises `PhotoError` or `captioner.CaptionError` where it is about this photo.
    """
    if job.content_key is not None and (photo := await _settle_without_decoding(job, context)):
        return photo
    reading = await context.photos.read(job.file.path)  # content key, metadata, thumbnails and pixels, by one decode
    async with context.lock_for(reading.content_key):
        known = await context.known_photo(reading.content_key)
        metadata = recognise_machine_caption(reading.metadata, known)
        await context.store_thumbnails(reading)
        caption, tags_model = await _caption(known, metadata, reading, context)
        photo = IndexedPhoto(
            reading.content_key, metadata, reading.stamp, caption, tags_model=tags_model, measures=reading.measures
        )
        photo = await write_caption(job, photo, known, context)
        return await context.settle(job, photo)


async def _settle_without_decoding(job: Job, context: PipelineContext) -> IndexedPhoto | None:
    """Settles a changed file that still shows the photo it showed before; None for any other.

    Nothing is written into such a file: whoever took our caption out of it, or edited it, meant to. An older sentence
    of ours is taken out where the model is not sure of what it says now.
    """
    content_key, metadata, stamp = await context.photos.read_metadata(job.file.path)
    known = await context.known_photo(content_key)
    if content_key != job.content_key or known is None or known.machine is None:
        return None
    if await asyncio.to_thread(context.thumbnails.get, content_key, ThumbnailSize.GRID) is None:
        return None
    metadata = recognise_machine_caption(metadata, known)
    photo = IndexedPhoto(content_key, metadata, stamp, caption=None)
    if _was_removed(job, photo):
        photo = replace(photo, caption_place=CaptionPlace.INDEX, caption_reason=UNDONE, removed_on_purpose=True)
    elif job.embed_state is not None and metadata.others_words is not None and metadata.correction is None:
        photo = replace(photo, caption_place=CaptionPlace.INDEX, caption_reason=PERSONS_WORDS)
    elif metadata.machine_caption is not None and known.correction is None and not known.wrong:
        reason = withhold_reason(known.machine, write_unsure=context.write_unsure)
        if reason is not None and context.write_captions and metadata.person_caption is None:
            photo = photo.with_written(await _withdraw(job, metadata, stamp, reason, context))
    return await context.settle(job, photo)


async def _caption(
    known: Photo | None, metadata: PhotoMetadata, reading: Reading, context: PipelineContext
) -> tuple[Caption, str | None]:
    """A caption and the model that its tags and embedding are by, None for nobody's.

    No photo is captioned twice: the catalogue's caption comes first, then ours from the file, where the catalogue was
    lost. A file keeps the sentence without tags and embedding: those are completed when nothing else waits.
    """
    if known is not None and known.machine is not None:
        return known.machine, known.tags_model
    ours = metadata.machine_caption
    if ours is None:
        caption = await context.caption(reading.content_key, reading.pixels)
        return caption, caption.model
    model = ours.model or ""
    return Caption(text=ours.text, confidence=ours.confidence or 0.0, tags=(), embedding=None, model=model), None


async def write_caption(job: Job, photo: IndexedPhoto, known: Photo | None, context: PipelineContext) -> IndexedPhoto:
    """Puts a person's correction, or else the model's sentence, into the file of a photo that was read just now.
    `photo.caption` None: the sentence that the catalogue has. Returns the photo with what came of it."""
    if _was_removed(job, photo):
        written = WriteResult(CaptionPlace.INDEX, photo.stamp, UNDONE)
    else:
        machine = photo.caption or (known.machine if known is not None else None)
        words = _newest_correction(known, photo.metadata) or unless_wrong(known, machine)
        replaces = photo.metadata.machine_caption is not None
        written = await write_words(job, photo.metadata, words, photo.stamp, context, replaces=replaces)
    return replace(photo.with_written(written), removed_on_purpose=written.reason == UNDONE)


def _was_removed(job: Job, photo: IndexedPhoto) -> bool:
    """Whether words of ours stood in this file and are there no more, and nobody else's in their place.

    Of a copy, which never had them, that says nothing.
    """
    had_words = job.content_key == photo.content_key and job.embed_state not in {None, EmbedState.WITHDRAWING}
    return had_words and photo.metadata.machine_caption is None and photo.metadata.person_caption is None


def _newest_correction(known: Photo | None, metadata: PhotoMetadata) -> FileCaption | None:
    """What a person typed on the page, by the catalogue or, where that was lost or is older, by the file."""
    found, decided_at = metadata.correction, known.corrected_at if known is not None else None
    if found is not None and (decided_at is None or (found.at is not None and found.at > decided_at)):
        return found
    return stored_correction(known) if known is not None else None


def stored_correction(known: Photo) -> FileCaption | None:
    """What a person typed on the page, by the catalogue."""
    if known.correction is None:
        return None
    return FileCaption(known.correction, CaptionBy.PERSON, at=known.corrected_at)


def unless_wrong(known: Photo | None, caption: Caption | None) -> Caption | None:
    """The model's words, unless a person marked just these as wrong."""
    is_wrong = known is not None and caption is not None and caption.text == known.wrong_words
    return None if is_wrong else caption


def withhold_reason(caption: Caption, *, write_unsure: bool) -> Reason | None:
    """Why a sentence of the model's stays out of files, as `caption_reason` says it; None where it may go in."""
    if not caption.text:
        return NOTHING_SEEN
    return UNSURE if is_unsure(caption) and not write_unsure else None


async def write_words(
    job: Job,
    metadata: PhotoMetadata,
    words: Caption | FileCaption | None,
    stamp: FileStamp,
    context: PipelineContext,
    *,
    replaces: bool,
) -> WriteResult:
    """Writes the words, or says why not. `replaces`: an older sentence of the model's stands in the file or beside it,
    and is taken out where the new one has to stay out of files."""
    if not context.write_captions:
        return _index_only(stamp, CAPTIONS_OFF)
    if words is None:
        return _index_only(stamp, WRONG)
    if isinstance(words, Caption):
        if metadata.person_caption is not None:
            return _index_only(stamp, PERSONS_WORDS)
        if (reason := withhold_reason(words, write_unsure=context.write_unsure)) is not None:
            return await _withdraw(job, metadata, stamp, reason, context) if replaces else _index_only(stamp, reason)
        if metadata.machine_caption is not None and not metadata.marked and metadata.machine_caption.text == words.text:
            return WriteResult(
                CaptionPlace.XMP, stamp
            )  # they stand there, without the mark that would let us change them
    return await context.photos.write_caption(job.file.path, words, stamp)


def _index_only(stamp: FileStamp, reason: Reason) -> WriteResult:
    """Kept in the index only, by our own choice."""
    return WriteResult(CaptionPlace.INDEX, stamp, reason, obstacle=OBSTACLES.get(reason))


async def _withdraw(
    job: Job, metadata: PhotoMetadata, stamp: FileStamp, reason: Reason, context: PipelineContext
) -> WriteResult:
    """Takes an older sentence of the model's out of a file, by `metadata` also one without its marks; where that can't
    be done, the reason says so, and the file keeps what it has. Raises `PhotoVanished`."""
    await asyncio.to_thread(context.catalogue.corrections.record_withdrawal, job)
    ours = metadata.machine_caption
    own_texts = [ours.text] if ours is not None else []
    try:
        undone = await context.photos.undo_caption(job.file.path, stamp=stamp, machine_only=True, own_texts=own_texts)
    except UnreadablePhoto as error:
        return WriteResult(CaptionPlace.INDEX, stamp, error.reason, obstacle=Obstacle.READER)
    stamp = undone.stamp or stamp
    if undone.restored or undone.reason == Reason(ReasonCode.NOT_OURS):
        return replace(_index_only(stamp, reason), withdrawn=True)
    return WriteResult(CaptionPlace.INDEX, stamp, undone.reason, obstacle=undone.obstacle)
