"""Photos that another model has described are described again by themselves, at the hours of the setting."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from captioner import Caption
from indexer.catalogue import Catalogue
from indexer.catalogue.job_queue import _BY_ANOTHER_MODEL
from indexer.hours import DailyHours
from indexer.jobs.progress_tracker import ProgressTracker
from indexer.jobs.reindex import RecaptionScheduler
from indexer.model import JobKind
from indexer.progress import Phase
from indexer.service import Indexer
from indexer.settings import Settings
from indexer.storage import Storage
from tests.indexer.captions.own_captions import read_own_caption
from tests.indexing import (
    COLOURS,
    CountingCaptioner,
    CountingPhotos,
    all_photos,
    colour_library,
    index,
    settings_for,
    stored,
)
from tests.libraries import indexed, rescan, settle_all, write
from tests.photos_made import write_jpeg
from tests.reasons_made import reason_saying

pytestmark = pytest.mark.slow  # each test indexes with real child processes

NEWER = "colours-2"


class Clock:
    """The local time, which stands still until a test moves it."""

    def __init__(self, hour: int) -> None:
        self.now = datetime(2024, 5, 1, hour, 30)

    def __call__(self) -> datetime:
        return self.now


def ticking(begin: datetime) -> Callable[[], datetime]:
    """A clock that goes on from `begin`."""
    began_s = time.monotonic()
    return lambda: begin + timedelta(seconds=time.monotonic() - began_s)


async def until(reached: Callable[[], bool]) -> None:
    while not reached():
        await asyncio.sleep(0.02)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_for(tmp_path, recaption_hours="22-6")


@pytest.fixture
async def library(tmp_path: Path, settings: Settings) -> Path:
    """Three photos, described by an older model."""
    root = colour_library(tmp_path, "red", "green", "blue")
    await index(settings, CountingCaptioner(), root)
    return root


@asynccontextmanager
async def serving(
    settings: Settings,
    storage: Storage,
    library: Path,
    captioner: CountingCaptioner,
    clock: Callable[[], datetime],
    photos: CountingPhotos | None = None,
) -> AsyncIterator[Indexer]:
    """The indexer as `recollect serve` runs it; stopped in order at the end."""
    stop = asyncio.Event()
    async with Indexer(settings, storage, captioner=captioner, photos=photos, clock=clock, stop_s=600) as indexer:
        running = asyncio.create_task(indexer.run_forever((library,), stop))
        try:
            yield indexer
        finally:
            stop.set()
            await running


def models(storage: Storage) -> set[str]:
    return {photo.machine.model for photo in all_photos(storage) if photo.machine}


async def test_within_the_hours_the_newer_model_looks_at_thumbnails_by_itself(
    library: Path, settings: Settings
) -> None:
    newer = CountingCaptioner(model=NEWER)
    with stored(settings) as storage:
        async with (
            CountingPhotos(settings, input_px=newer.input_px) as photos,
            serving(settings, storage, library, newer, Clock(23), photos),
        ):
            await until(lambda: models(storage) == {NEWER})
    assert photos.opened == []
    assert sorted(newer.asked) == ["blue", "green", "red"]
    ours = read_own_caption((library / "red.jpg").read_bytes())
    assert ours is not None
    assert (ours.text, ours.model) == ("a red wall seen by colours-2", NEWER)


async def test_outside_of_the_hours_it_waits_until_they_begin(library: Path, settings: Settings) -> None:
    newer, clock = CountingCaptioner(model=NEWER), Clock(12)
    with stored(settings) as storage:
        async with serving(settings, storage, library, newer, clock) as indexer:
            await until(lambda: indexer.progress().phase == Phase.IDLE)
            assert (newer.asked, indexer.progress().queued, storage.catalogue.queue.queued()) == ([], 0, 0)
            clock.now = clock.now.replace(hour=5)
            indexer.wake()
            await until(lambda: models(storage) == {NEWER})
            assert sorted(newer.asked) == ["blue", "green", "red"]


async def test_it_wakes_by_itself_when_the_hours_begin(library: Path, settings: Settings) -> None:
    newer = CountingCaptioner(model=NEWER)
    with stored(settings) as storage:
        async with serving(settings, storage, library, newer, ticking(datetime(2024, 5, 1, 21, 59, 58))):
            await until(lambda: models(storage) == {NEWER})
    assert len(newer.asked) == 3


async def test_a_run_that_ends_describes_nothing_again(library: Path, settings: Settings) -> None:
    """`recollect index` at night does what it was asked for."""
    newer = CountingCaptioner(model=NEWER)
    with stored(settings) as storage:
        async with Indexer(settings, storage, captioner=newer, clock=Clock(23)) as indexer:
            await indexer.index_once((library,))
    assert newer.asked == []


async def test_without_the_setting_nothing_happens_by_itself(tmp_path: Path, library: Path) -> None:
    newer, settings = CountingCaptioner(model=NEWER), settings_for(tmp_path)
    with stored(settings) as storage:
        async with serving(settings, storage, library, newer, Clock(23)) as indexer:
            await until(lambda: indexer.progress().phase == Phase.IDLE)
            indexer.wake()
            await until(lambda: indexer.progress().phase == Phase.IDLE)
    assert newer.asked == []


async def test_a_restart_goes_on_where_it_was_and_does_nothing_twice(tmp_path: Path, settings: Settings) -> None:
    root = tmp_path / "photos"
    for number in range(12):
        write_jpeg(root / f"{number}.jpg", COLOURS["red"], number)
    await index(settings, CountingCaptioner(), root)
    first, second = CountingCaptioner(model=NEWER), CountingCaptioner(model=NEWER)
    first.gate = asyncio.Event()
    with stored(settings) as storage:
        assert len(all_photos(storage)) == 12
        async with serving(settings, storage, root, first, Clock(23)):
            await until(lambda: bool(first.asked))
            asyncio.get_running_loop().call_soon(first.gate.set)
        assert 0 < len(first.asked) < 12
        async with serving(settings, storage, root, second, Clock(23)):
            await until(lambda: models(storage) == {NEWER})
    assert len(first.asked) + len(second.asked) == 12


async def test_a_person_s_correction_stays_and_what_was_marked_wrong_is_tried_again(
    library: Path, settings: Settings
) -> None:
    with stored(settings) as storage:
        by_name = {photo.files[0].path.name: photo.id for photo in all_photos(storage)}
        storage.catalogue.corrections.correct(by_name["red.jpg"], "grandmother's wall")
        storage.catalogue.feedback.mark_wrong(by_name["blue.jpg"])
        async with Indexer(settings, storage, captioner=CountingCaptioner()) as indexer:
            await indexer.work_off()
        corrected = (library / "red.jpg").read_bytes()
        async with serving(settings, storage, library, CountingCaptioner(model=NEWER), Clock(2)) as indexer:
            await until(lambda: models(storage) == {NEWER} and not indexer.progress().queued)
        photos = {photo.id: photo for photo in all_photos(storage)}
        assert photos[by_name["red.jpg"]].caption == "grandmother's wall"
        assert photos[by_name["blue.jpg"]].caption == "a blue wall seen by colours-2"
        assert not photos[by_name["blue.jpg"]].wrong
    assert (library / "red.jpg").read_bytes() == corrected


async def test_every_copy_of_a_photo_gets_the_newer_caption(library: Path, settings: Settings) -> None:
    shutil.copyfile(library / "red.jpg", library / "copy.jpg")
    await index(settings, CountingCaptioner(), library)
    newer = CountingCaptioner(model=NEWER)
    with stored(settings) as storage:
        async with serving(settings, storage, library, newer, Clock(23)) as indexer:
            await until(lambda: models(storage) == {NEWER} and not storage.catalogue.queue.queued())
            assert indexer.progress().problem is None
    assert Counter(newer.asked)["red"] == 1
    for name in ("red.jpg", "copy.jpg"):
        ours = read_own_caption((library / name).read_bytes())
        assert ours is not None
        assert ours.model == NEWER


# ---------------------------------------------------------------- portions, on a catalogue alone


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "walked"
    for number in range(6):
        write(folder / f"{number}.jpg")
    return folder


@pytest.fixture
def catalogue(tmp_path: Path, root: Path) -> Iterator[Catalogue]:
    """Six photos that model-1 has described."""
    with Catalogue(tmp_path / "catalogue.db") as opened:
        rescan(opened, root)
        settle_all(opened)
        yield opened


CAPTION = Caption("a cat", 0.9, (), (1.0,), "model-2")


def recaptioning_of(catalogue: Catalogue, clock: Clock, told: list[int]) -> RecaptionScheduler:
    """In portions of two; `told` gets how many jobs are queued after each."""
    return RecaptionScheduler(
        catalogue,
        DailyHours.parse("22-6"),
        model=CAPTION.model,
        queued=lambda: told.append(catalogue.queue.queued()),
        clock=clock,
        portion=2,
    )


async def test_the_rest_waits_for_the_next_night(catalogue: Catalogue) -> None:
    clock, told = Clock(23), list[int]()
    recaptioning = recaptioning_of(catalogue, clock, told)
    for remaining in (4, 2):
        await recaptioning.enqueue_next()
        assert (told.pop(), recaptioning.remaining) == (2, remaining)
        await recaptioning.enqueue_next()
        assert (told, catalogue.queue.queued()) == ([], 2), "what is queued is done first"
        settle_all(catalogue, caption=CAPTION)
    clock.now = clock.now.replace(hour=6, minute=0)
    await recaptioning.enqueue_next()
    assert (told, recaptioning.remaining, catalogue.queue.queued()) == ([], 0, 0)
    assert catalogue.feedback.models() == {"model-1": 2, "model-2": 4}
    clock.now = clock.now.replace(hour=22)
    await recaptioning.enqueue_next()
    assert (told, recaptioning.remaining) == ([2], 0)
    settle_all(catalogue, caption=CAPTION)
    await recaptioning.enqueue_next()
    assert (told, catalogue.queue.queued(), catalogue.feedback.models()) == ([2], 0, {"model-2": 6})


async def test_nothing_is_queued_while_other_work_waits(catalogue: Catalogue, root: Path) -> None:
    write(root / "new.jpg")
    rescan(catalogue, root)
    told: list[int] = []
    recaptioning = recaptioning_of(catalogue, Clock(23), told)
    await recaptioning.enqueue_next()
    assert (told, catalogue.queue.queued(), recaptioning.remaining) == ([], 1, 0)
    settle_all(catalogue, caption=CAPTION)
    await recaptioning.enqueue_next()
    assert told == [2]


async def test_progress_tells_of_all_that_remains(catalogue: Catalogue) -> None:
    recaptioning = recaptioning_of(catalogue, Clock(23), [])
    tracker = ProgressTracker(
        catalogue, scanning=lambda: False, problems=lambda: (), upcoming=lambda: recaptioning.remaining
    )
    await recaptioning.enqueue_next()
    await tracker.count()
    assert (tracker.progress().queued, tracker.progress().phase) == (6, Phase.INDEXING)
    settle_all(catalogue, caption=CAPTION)
    await tracker.count()
    assert (tracker.progress().queued, tracker.progress().phase) == (4, Phase.INDEXING)


def test_new_photos_go_before_what_is_queued_by_itself(catalogue: Catalogue, root: Path) -> None:
    assert catalogue.queue.enqueue_other_models("model-2", limit=3) == 3
    write(root / "new.jpg")
    rescan(catalogue, root)
    catalogue.queue.enqueue_all(JobKind.THUMBNAILS)
    before = catalogue.queue.claim(99)
    assert [job.kind for job in before] == [JobKind.INDEX, *[JobKind.THUMBNAILS] * 6]
    for job in before:
        catalogue.settle(job, indexed(job))
    assert [job.kind for job in catalogue.queue.claim(99)] == [JobKind.CAPTION] * 3


def test_a_portion_is_of_photos_and_takes_all_their_files(catalogue: Catalogue, root: Path) -> None:
    for number in range(6):
        write(root / "copies" / f"{number}.jpg", f"{number}.jpg")
    rescan(catalogue, root)
    settle_all(catalogue)
    assert catalogue.queue.enqueue_other_models("model-2", limit=2) == 4
    assert catalogue.queue.count_by_other_models("model-2") == 4
    assert catalogue.queue.enqueue_other_models("model-2", limit=9) == 8
    assert catalogue.queue.enqueue_other_models("model-2", limit=9) == 0
    assert catalogue.queue.enqueue_other_models("model-1", limit=9) == 0


def test_what_was_set_aside_is_not_tried_every_night(catalogue: Catalogue) -> None:
    assert catalogue.queue.enqueue_other_models("model-2", limit=1) == 1
    (job,) = catalogue.queue.claim(1)
    catalogue.queue.fail(job, reason_saying("it could not be captioned"), kind="captioner", final=True)
    assert catalogue.queue.count_by_other_models("model-2") == 5
    assert catalogue.queue.enqueue_other_models("model-2", limit=9) == 5
    assert catalogue.feedback.models() == {"model-1": 6}
    assert catalogue.queue.enqueue_all(JobKind.CAPTION, model="model-2") == 1, "whoever asks for it has it tried again"


def test_a_correction_that_could_not_be_written_is_tried_as_reindex_tries_it(catalogue: Catalogue) -> None:
    (photo, *_) = catalogue.photos(catalogue.photo_ids())
    catalogue.corrections.correct(photo.id, "grandmother's garden")
    settle_all(catalogue)
    catalogue.queue.enqueue_other_models("model-2", limit=9)
    assert catalogue.queue.queued(JobKind.WRITE_CAPTION) == 1
    assert catalogue.queue.queued(JobKind.CAPTION) == 6


def test_the_next_portion_is_found_through_the_index(catalogue: Catalogue) -> None:
    """A hundred thousand photos are looked through for every portion."""
    plan = catalogue._database.reader.execute(
        f"EXPLAIN QUERY PLAN SELECT count(*) FROM photo WHERE {_BY_ANOTHER_MODEL}", {"model": CAPTION.model}
    )
    assert [row["detail"] for row in plan] == [
        "SEARCH photo USING COVERING INDEX photo_model (gone=? AND machine_model>?)"
    ]
