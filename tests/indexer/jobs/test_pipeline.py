"""The way of one photo, step by step, on a real catalogue; who opens files and who captions are plain objects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from captioner import Caption
from indexer.captions.undo import UndoResult
from indexer.errors import PhotoVanished
from indexer.jobs.journeys import read_metadata_again, recaption_photo, write_caption_job
from indexer.jobs.pipeline import (
    CAPTIONS_OFF,
    PERSONS_WORDS,
    UNDONE,
    PipelineContext,
    index_photo,
)
from indexer.model import (
    CaptionBy,
    CaptionPlace,
    FileCaption,
    FileStamp,
    FoundFile,
    IndexedPhoto,
    Job,
    JobKind,
    PhotoMetadata,
    Reading,
    ThumbnailSize,
    WriteResult,
)
from indexer.reasons import Reason
from indexer.storage import Storage
from tests.indexing import COLOURS, CountingCaptioner, settings_for, stored
from tests.reasons_made import reason_saying

Journey = Callable[[Job, PipelineContext], Awaitable[IndexedPhoto]]
KEY, OTHER_KEY = "a" * 32, "b" * 32
BEFORE, AFTER = FileStamp(1, 100, 7), FileStamp(1, 150, 8)
PLAIN = PhotoMetadata(mime_type="image/jpeg", width_px=4, height_px=3)
OURS = FileCaption("a wall of old", CaptionBy.MODEL, "colours-0", 0.5)


class Opener:
    """Gives what a test wants a file to be, and writes down what it was asked for."""

    def __init__(self, steps: list[str], *, key: str = KEY, metadata: PhotoMetadata = PLAIN) -> None:
        self.steps, self.key, self.metadata = steps, key, metadata
        self.vanished = False
        self.place = CaptionPlace.EXIF
        self.reason: Reason | None = None

    async def read(self, path: Path) -> Reading:
        self.steps.append("read")
        thumbnails = {size: b"webp " + size.value.encode() for size in ThumbnailSize}
        return Reading(self.key, self.metadata, BEFORE, thumbnails, bytes(COLOURS["red"]) * 32 * 32)

    async def read_metadata(self, path: Path) -> tuple[str, PhotoMetadata, FileStamp]:
        self.steps.append("read metadata")
        return self.key, self.metadata, BEFORE

    async def pixels_of(self, webp: bytes) -> bytes:
        self.steps.append(f"pixels of {webp.decode()}")
        return bytes(COLOURS["blue"]) * 32 * 32

    async def write_caption(
        self, path: Path, words: Caption | FileCaption, stamp: FileStamp, *, over_correction: bool = False
    ) -> WriteResult:
        self.steps.append(f"write: {words.text}")
        if self.vanished:
            raise PhotoVanished(reason_saying("the file is no longer there"))
        return WriteResult(self.place, AFTER, self.reason)

    async def undo_caption(
        self,
        path: Path,
        *,
        stamp: FileStamp | None = None,
        machine_only: bool = False,
        own_texts: Collection[str] = (),
    ) -> UndoResult:
        self.steps.append("undo")
        return UndoResult(path, CaptionPlace.EXIF, restored=True, exact=True, stamp=BEFORE)


class Steps(CountingCaptioner):
    def __init__(self, steps: list[str], *, model: str = "colours-1") -> None:
        super().__init__(model=model)
        self._steps = steps

    async def caption(self, pixels: bytes) -> Caption:
        self._steps.append("caption")
        return await super().caption(pixels)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    with stored(settings_for(tmp_path)) as opened:
        yield opened


@pytest.fixture
def steps() -> list[str]:
    return []


@pytest.fixture
def context(storage: Storage, steps: list[str]) -> PipelineContext:
    return PipelineContext(Opener(steps), Steps(steps), storage.catalogue, storage.thumbnails, write_captions=True)


def claimed(storage: Storage, name: str = "a.jpg", stamp: FileStamp = BEFORE) -> Job:
    """A job as the queue hands it out, for a file with this stamp."""
    root = Path("/photos")
    storage.catalogue.scans.note(storage.catalogue.scans.begin_scan(root), [FoundFile(root, root / name, stamp)])
    (job,) = storage.catalogue.queue.claim(1)
    return job


async def test_a_new_photo_goes_through_every_step_in_order(
    context: PipelineContext, storage: Storage, steps: list[str]
) -> None:
    settled = await index_photo(claimed(storage), context)
    assert steps == ["read", "caption", "write: a red wall seen by colours-1"]
    assert (settled.stamp, settled.caption_place) == (AFTER, CaptionPlace.EXIF)
    assert storage.thumbnails.get(KEY, ThumbnailSize.SCREEN) == b"webp screen"
    photo = storage.catalogue.known_photo(KEY)
    assert photo is not None
    assert (photo.caption, photo.caption_by) == ("a red wall seen by colours-1", CaptionBy.MODEL)
    assert photo.files[0].stamp == AFTER
    assert storage.catalogue.counts().queued == 0


async def test_our_own_write_makes_no_new_job(context: PipelineContext, storage: Storage) -> None:
    await index_photo(claimed(storage), context)
    root = Path("/photos")
    counts = storage.catalogue.scans.note(
        storage.catalogue.scans.begin_scan(root), [FoundFile(root, root / "a.jpg", AFTER)]
    )
    assert (counts.unchanged, storage.catalogue.queue.claim(1)) == (1, [])


async def test_a_changed_file_of_the_same_photo_is_not_decoded(
    context: PipelineContext, storage: Storage, steps: list[str]
) -> None:
    await index_photo(claimed(storage), context)
    steps.clear()
    await index_photo(claimed(storage, stamp=FileStamp(9, 170, 9)), context)
    assert steps == ["read metadata"]


async def test_a_changed_file_of_another_photo_is_a_new_photo(
    context: PipelineContext, storage: Storage, steps: list[str]
) -> None:
    await index_photo(claimed(storage), context)
    steps.clear()
    other = replace(context, photos=Opener(steps, key=OTHER_KEY))
    await index_photo(claimed(storage, stamp=FileStamp(9, 170, 9)), other)
    assert steps == ["read metadata", "read", "caption", "write: a red wall seen by colours-1"]
    assert storage.catalogue.photo_ids() == [OTHER_KEY]


async def test_a_copy_gets_the_words_we_have(context: PipelineContext, storage: Storage, steps: list[str]) -> None:
    await index_photo(claimed(storage), context)
    steps.clear()
    await index_photo(claimed(storage, "copy.jpg", FileStamp(3, 100, 20)), context)
    assert steps == ["read", "write: a red wall seen by colours-1"]


async def test_words_of_ours_in_the_file_are_taken_back(
    context: PipelineContext, storage: Storage, steps: list[str]
) -> None:
    ours = replace(context, photos=Opener(steps, metadata=replace(PLAIN, machine_caption=OURS)))
    await index_photo(claimed(storage), ours)
    assert "caption" not in steps
    photo = storage.catalogue.known_photo(KEY)
    assert photo is not None
    assert photo.machine == Caption("a wall of old", 0.5, (), None, "colours-0")


async def test_a_person_s_words_are_never_written_over(
    context: PipelineContext, storage: Storage, steps: list[str]
) -> None:
    described = replace(context, photos=Opener(steps, metadata=replace(PLAIN, person_caption="Our first wall")))
    settled = await index_photo(claimed(storage), described)
    assert steps == ["read", "caption"]
    assert (settled.caption_place, settled.caption_reason) == (CaptionPlace.INDEX, PERSONS_WORDS)


async def test_nothing_is_written_where_that_is_switched_off(
    context: PipelineContext, storage: Storage, steps: list[str]
) -> None:
    settled = await index_photo(claimed(storage), replace(context, write_captions=False))
    assert steps == ["read", "caption"]
    assert (settled.stamp, settled.caption_reason) == (BEFORE, CAPTIONS_OFF)


async def test_captioning_again_starts_from_the_cached_picture(
    context: PipelineContext, storage: Storage, steps: list[str]
) -> None:
    job = claimed(storage)
    await index_photo(job, context)
    steps.clear()
    newer = replace(context, captioner=Steps(steps, model="colours-2"))
    await recaption_photo(replace(job, content_key=KEY), newer)
    assert steps == ["pixels of webp screen", "caption", "write: a blue wall seen by colours-2"]


async def test_captioning_again_needs_no_file(context: PipelineContext, storage: Storage, steps: list[str]) -> None:
    job = claimed(storage)
    await index_photo(job, context)
    opener = Opener(steps)
    opener.vanished = True
    newer = replace(context, photos=opener, captioner=Steps(steps, model="colours-2"))
    settled = await recaption_photo(replace(job, content_key=KEY), newer)
    assert (settled.caption_place, settled.caption_reason) == (
        CaptionPlace.INDEX,
        reason_saying("the file is no longer there"),
    )


async def test_metadata_read_again_leaves_words_alone(
    context: PipelineContext, storage: Storage, steps: list[str]
) -> None:
    job = claimed(storage)
    await index_photo(job, context)
    steps.clear()
    settled = await read_metadata_again(replace(job, content_key=KEY), context)
    assert (steps, settled.caption) == (["read metadata"], None)


@pytest.mark.parametrize("journey", [read_metadata_again, index_photo])
async def test_our_sentence_without_its_mark_stays_ours(
    journey: Journey, context: PipelineContext, storage: Storage, steps: list[str]
) -> None:
    await index_photo(claimed(storage), context)
    sentence = storage.catalogue.known_photo(KEY).machine.text  # type: ignore[union-attr]
    stripped = replace(context, photos=Opener(steps, metadata=replace(PLAIN, person_caption=sentence)))
    storage.catalogue.queue.enqueue_all(JobKind.METADATA if journey is read_metadata_again else JobKind.INDEX)
    (job,) = storage.catalogue.queue.claim(1)
    await journey(job, stripped)
    photo = storage.catalogue.known_photo(KEY)
    assert photo is not None
    assert (photo.caption, photo.caption_by) == (sentence, CaptionBy.MODEL)
    assert photo.metadata.person_caption is None


async def test_other_words_beside_our_sentence_without_its_mark_are_a_person_s(
    context: PipelineContext, storage: Storage, steps: list[str]
) -> None:
    await index_photo(claimed(storage), context)
    sentence = storage.catalogue.known_photo(KEY).machine.text  # type: ignore[union-attr]
    said = replace(PLAIN, person_caption=sentence, comments=("Our first wall",))
    storage.catalogue.queue.enqueue_all(JobKind.METADATA)
    (job,) = storage.catalogue.queue.claim(1)
    await read_metadata_again(job, replace(context, photos=Opener(steps, metadata=said)))
    photo = storage.catalogue.known_photo(KEY)
    assert photo is not None
    assert (photo.caption, photo.caption_by, photo.metadata.comments) == ("Our first wall", CaptionBy.PERSON, ())


def corrected(storage: Storage, text: str | None) -> Job:
    """The job that a correction of the photo on the page makes, or its taking back."""
    assert (
        storage.catalogue.corrections.withdraw(KEY)
        if text is None
        else storage.catalogue.corrections.correct(KEY, text)
    )
    (job,) = storage.catalogue.queue.claim(1)
    assert job.kind is JobKind.WRITE_CAPTION
    return job


async def test_a_correction_is_written_without_decoding_or_captioning(
    context: PipelineContext, storage: Storage, steps: list[str]
) -> None:
    await index_photo(claimed(storage), context)
    steps.clear()
    settled = await write_caption_job(corrected(storage, "our wall"), context)
    assert steps == ["read metadata", "write: our wall"]
    assert (settled.stamp, settled.caption_place) == (AFTER, CaptionPlace.EXIF)
    steps.clear()
    found = FileCaption("our wall", CaptionBy.PERSON)
    held = Opener(steps, metadata=replace(PLAIN, person_caption="our wall", correction=found))
    await write_caption_job(corrected(storage, None), replace(context, photos=held))
    assert steps == ["read metadata", "write: a red wall seen by colours-1"]


async def test_what_can_t_be_replaced_by_the_model_s_words_is_taken_out(
    context: PipelineContext, storage: Storage, steps: list[str]
) -> None:
    await index_photo(claimed(storage), context)
    await write_caption_job(corrected(storage, "our wall"), context)
    steps.clear()
    found = FileCaption("our wall", CaptionBy.PERSON)
    held = Opener(steps, metadata=replace(PLAIN, person_caption="our wall", correction=found))
    held.place, held.reason = CaptionPlace.INDEX, reason_saying("the disk is full")
    settled = await write_caption_job(corrected(storage, None), replace(context, photos=held))
    assert steps == ["read metadata", "write: a red wall seen by colours-1", "undo"]
    assert (settled.stamp, settled.caption_place, settled.caption_reason) == (
        BEFORE,
        CaptionPlace.INDEX,
        reason_saying("the disk is full"),
    )


async def test_a_correction_of_a_file_that_shows_another_photo_now_is_not_written_into_it(
    context: PipelineContext, storage: Storage, steps: list[str]
) -> None:
    await index_photo(claimed(storage), context)
    steps.clear()
    other = replace(context, photos=Opener(steps, key=OTHER_KEY))
    await write_caption_job(corrected(storage, "our wall"), other)
    assert "write: our wall" not in steps
    photo = storage.catalogue.known_photo(KEY)
    assert photo is not None
    assert photo.caption == "our wall", "the words belong to the photo, not to the file"


async def test_a_new_copy_gets_the_correction(context: PipelineContext, storage: Storage, steps: list[str]) -> None:
    await index_photo(claimed(storage), context)
    await write_caption_job(corrected(storage, "our wall"), context)
    steps.clear()
    await index_photo(claimed(storage, "copy.jpg", FileStamp(3, 100, 20)), context)
    assert steps == ["read", "write: our wall"]


async def test_words_that_were_taken_out_are_not_put_back_although_the_thumbnails_were_lost(
    context: PipelineContext, storage: Storage, steps: list[str], tmp_path: Path
) -> None:
    await index_photo(claimed(storage), context)
    (tmp_path / "data" / "emptied").mkdir()
    steps.clear()
    with stored(settings_for(tmp_path / "data" / "emptied")) as emptied:
        job = claimed(storage, stamp=FileStamp(9, 120, 9))
        settled = await index_photo(job, replace(context, thumbnails=emptied.thumbnails))
    assert steps == ["read metadata", "read"]
    assert (settled.caption_place, settled.caption_reason, settled.removed_on_purpose) == (
        CaptionPlace.INDEX,
        UNDONE,
        True,
    )


async def test_a_photo_that_is_moved_before_its_words_are_written_is_captioned_once(
    storage: Storage, steps: list[str]
) -> None:
    opener = Opener(steps)
    opener.vanished = True
    context = PipelineContext(opener, Steps(steps), storage.catalogue, storage.thumbnails, write_captions=True)
    job = claimed(storage)
    for _ in range(2):
        with pytest.raises(PhotoVanished):
            await index_photo(job, context)
    opener.vanished = False
    photo = await index_photo(job, context)
    assert photo.caption is not None
    assert steps.count("caption") == 1
    assert len(context._unsettled) == 0
