"""Who is to blame when work stops: no photo for the set-up, for a process that could not start, or for a cancel."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from captioner import BundleError, Caption, CaptionerGone, CaptionerUnavailable
from indexer.catalogue.job_queue import JobQueue
from indexer.errors import ProcessUnavailable, SetupError
from indexer.jobs.pipeline import PipelineContext
from indexer.jobs.runner import CAPTIONER_FAILURES, JobRunner
from indexer.model import Job, Reading
from indexer.reader.photo_process import PhotoProcesses
from indexer.service import Indexer
from indexer.settings import Settings
from indexer.storage import Storage
from tests.indexing import (
    COLOURS,
    CountingCaptioner,
    CountingPhotos,
    all_photos,
    colour_library,
    index,
    stored,
)
from tests.libraries import found
from tests.photos_made import write_jpeg

LONG_S = 30.0


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return colour_library(tmp_path, "red", "green", "blue")


@pytest.fixture
def storage(settings: Settings) -> Iterator[Storage]:
    with stored(settings) as opened:
        yield opened


class Unavailable(CountingCaptioner):
    """Can't be started so many times, then works."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    async def caption(self, pixels: bytes) -> Caption:
        if self.times:
            self.times -= 1
            raise CaptionerUnavailable("the captioner was killed by SIGKILL before it was ready")
        return await super().caption(pixels)


class UnusableBundle(CountingCaptioner):
    async def caption(self, pixels: bytes) -> Caption:
        raise BundleError("the model file is cut short")


def runner_for(
    context: PipelineContext, *, in_flight: int = 2, first_pause_s: float = 0.01, give_up: bool = True
) -> JobRunner:
    return JobRunner(
        context,
        in_flight=lambda: in_flight,
        settled=lambda _: None,
        drained=lambda: None,
        first_pause_s=first_pause_s,
        give_up=give_up,
    )


def queue(storage: Storage, library: Path) -> None:
    walk = storage.catalogue.scans.begin_scan(library)
    storage.catalogue.scans.note(walk, [found(library, path) for path in sorted(library.glob("*.jpg"))])


@pytest.mark.slow
async def test_a_set_up_error_takes_its_claims_back_however_often_it_happens(library: Path, settings: Settings) -> None:
    for _ in range(4):
        with stored(settings) as storage:
            async with Indexer(settings, storage, captioner=UnusableBundle()) as indexer:
                with pytest.raises(SetupError, match="cut short"):
                    await indexer.index_once((library,))
            assert storage.catalogue.queue.claimed() == []
            assert storage.catalogue.queue.set_aside() == []
    with stored(settings) as storage:
        assert {job.attempt for job in storage.catalogue.queue.claim(10)} == {1}
        storage.catalogue.queue.recover()
    assert (await index(settings, CountingCaptioner(), library)).done == 3


class SlowClaims:
    """A queue whose claim waits, in its thread, until the test releases it."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self.claiming, self.released = threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> object:
        return getattr(self._queue, name)

    def claim(self, limit: int, *, only_urgent: bool = False) -> list[Job]:
        self.claiming.set()
        assert self.released.wait(LONG_S)
        return self._queue.claim(limit, only_urgent=only_urgent)


async def test_a_claim_that_is_made_in_a_thread_is_given_back_when_the_runner_is_cancelled(
    library: Path, settings: Settings, storage: Storage
) -> None:
    queue(storage, library)
    slow = SlowClaims(storage.catalogue.queue)
    storage.catalogue.queue = slow  # type: ignore[assignment]
    async with PhotoProcesses(settings, input_px=32) as photos:
        context = PipelineContext(
            photos, CountingCaptioner(), storage.catalogue, storage.thumbnails, write_captions=False
        )
        running = asyncio.create_task(runner_for(context).run())
        await asyncio.to_thread(slow.claiming.wait, LONG_S)
        running.cancel()
        await asyncio.sleep(0.05)
        slow.released.set()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert storage.catalogue.queue.claimed() == []
    assert {job.attempt for job in storage.catalogue.queue.claim(10)} == {1}


@pytest.mark.slow
async def test_a_captioner_that_was_killed_while_it_started_costs_no_photo(
    library: Path, settings: Settings, storage: Storage
) -> None:
    queue(storage, library)
    async with PhotoProcesses(settings, input_px=32) as photos:
        context = PipelineContext(photos, Unavailable(6), storage.catalogue, storage.thumbnails, write_captions=False)
        runner = runner_for(context)
        runner.finish()
        await runner.run()
    assert storage.catalogue.queue.set_aside() == []
    assert len(all_photos(storage)) == 3
    assert runner.problem is None


@pytest.mark.slow
async def test_a_captioner_that_never_starts_is_about_the_set_up_and_no_photo_s_fault(
    library: Path, settings: Settings, storage: Storage
) -> None:
    queue(storage, library)
    async with PhotoProcesses(settings, input_px=32) as photos:
        context = PipelineContext(
            photos, Unavailable(1000), storage.catalogue, storage.thumbnails, write_captions=False
        )
        with pytest.raises(SetupError, match="before it was ready"):
            await runner_for(context).run()
    assert (storage.catalogue.queue.set_aside(), storage.catalogue.queue.claimed()) == ([], [])
    assert {job.attempt for job in storage.catalogue.queue.claim(10)} == {1}


@pytest.mark.slow
async def test_a_service_goes_on_trying_says_so_and_can_be_stopped(
    library: Path, settings: Settings, storage: Storage
) -> None:
    queue(storage, library)
    captioner = Unavailable(10**6)
    async with PhotoProcesses(settings, input_px=32) as photos:
        context = PipelineContext(photos, captioner, storage.catalogue, storage.thumbnails, write_captions=False)
        runner = runner_for(context, first_pause_s=0.001, give_up=False)
        running = asyncio.create_task(runner.run())
        while captioner.times > 10**6 - 20:
            await asyncio.sleep(0.01)
        assert runner.problem is not None
        assert "before it was ready" in str(runner.problem)
        runner.stop()
        await asyncio.wait_for(running, LONG_S)
    assert (storage.catalogue.queue.set_aside(), storage.catalogue.queue.claimed()) == ([], [])


@pytest.mark.slow
async def test_a_reader_that_was_killed_while_it_started_costs_no_photo(
    library: Path, settings: Settings, storage: Storage
) -> None:
    class Killed(CountingPhotos):
        times = 4

        async def read(self, path: Path) -> Reading:
            if self.times:
                self.times -= 1
                raise ProcessUnavailable("the photo reader was killed by SIGKILL before it was ready")
            return await super().read(path)

    queue(storage, library)
    async with Killed(settings, input_px=32) as photos:
        context = PipelineContext(
            photos, CountingCaptioner(), storage.catalogue, storage.thumbnails, write_captions=False
        )
        runner = runner_for(context)
        runner.finish()
        await runner.run()
    assert storage.catalogue.queue.set_aside() == []
    assert len(all_photos(storage)) == 3


@pytest.mark.slow
async def test_photos_at_which_a_captioner_failed_in_a_row_are_not_to_blame(tmp_path: Path, settings: Settings) -> None:
    root = tmp_path / "photos"
    for number in range(8):
        write_jpeg(root / f"{number}.jpg", COLOURS["red"], number)
    captioner = CountingCaptioner()
    captioner.dies_at = "red"
    with pytest.raises(SetupError, match="in a row"):
        await index(settings, captioner, root)
    with stored(settings) as storage:
        assert storage.catalogue.queue.set_aside() == []
        assert storage.catalogue.queue.claimed() == []
    outcome = await index(settings, CountingCaptioner(), root)
    assert (outcome.done, outcome.set_aside) == (8, 0)


@pytest.mark.slow
async def test_nor_is_a_photo_that_fails_while_the_captioner_is_given_up(
    tmp_path: Path, settings: Settings, storage: Storage
) -> None:
    together = CAPTIONER_FAILURES + 1

    class DiesAtAll(CountingCaptioner):
        async def caption(self, pixels: bytes) -> Caption:
            self.asked.append("")
            while len(self.asked) < together:
                await asyncio.sleep(0.01)
            raise CaptionerGone("died")

    root = tmp_path / "photos"
    for number in range(together):
        write_jpeg(root / f"{number}.jpg", COLOURS["red"], number)
    queue(storage, root)
    async with CountingPhotos(settings, input_px=32) as photos:
        context = PipelineContext(photos, DiesAtAll(), storage.catalogue, storage.thumbnails, write_captions=False)
        runner = runner_for(context, in_flight=together)
        runner.finish()
        with pytest.raises(SetupError, match="in a row"):
            await runner.run()
    assert storage.catalogue.queue.set_aside() == []
