"""Images shared between this machine's captioner and workers that do as they are told: no Dask, no model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from captioner import Caption, CaptionError, CaptionerUnavailable, ClusterCaptioner
from captioner.cluster import captioner as module
from captioner.cluster.captioner import BATCH, BATCHES_A_WORKER, IMAGES_HERE, WorkerFailure


def caption_of(pixels: bytes, model: str) -> Caption:
    return Caption(pixels.decode(), 0.5, (), None, model)


class Local:
    """Fails at what it is told to, and waits at its gate."""

    input_px, model = 4, "here"

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def caption(self, pixels: bytes) -> Caption:
        self.asked.append(pixels)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return caption_of(pixels, "here")


class Remote:
    """A worker that answers, hangs, fails, or has no answer for single images."""

    def __init__(self, name: str = "elsewhere") -> None:
        self.name = name
        self.batches: list[list[bytes]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None
        self.unanswered: set[bytes] = set()
        self.left_out = 0

    async def caption(self, images: Sequence[bytes]) -> list[Caption | CaptionError]:
        self.batches.append(list(images))
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        answers: list[Caption | CaptionError] = [
            CaptionError("it died twice") if image in self.unanswered else caption_of(image, self.name)
            for image in images
        ]
        return answers[self.left_out :]


IMAGES = [b"%d" % number for number in range(40)]


@pytest.fixture
def local() -> Local:
    return Local()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.05)


def sharing(local: Local, timeout_s: float = 5.0) -> ClusterCaptioner:
    return ClusterCaptioner(local, address="tcp://nowhere:1", timeout_s=timeout_s)


async def caption_all(captioner: ClusterCaptioner, images: Sequence[bytes] = IMAGES) -> list[str]:
    """The machines that did it; each image has its own caption."""
    async with asyncio.timeout(20):
        captions = await asyncio.gather(*map(captioner.caption, images))
    assert [caption.text.encode() for caption in captions] == list(images)
    return [caption.model for caption in captions]


async def test_without_workers_all_is_captioned_here(local: Local) -> None:
    async with sharing(local) as captioner:
        assert set(await caption_all(captioner)) == {"here"}
        assert (captioner.state.captions_here, captioner.state.captions_elsewhere) == (40, 0)
        assert captioner.images_elsewhere == 0


async def test_workers_get_batches_and_this_machine_what_they_have_no_room_for(local: Local) -> None:
    one, other = Remote("one"), Remote("other")
    async with sharing(local) as captioner:
        captioner.set_state({"1": one, "2": other})
        done = await caption_all(captioner)
        assert set(done) == {"one", "other", "here"}
        state = captioner.state
        assert state.captions_here + state.captions_elsewhere == 40 == len(done)
        assert sum(worker.captions for worker in state.workers) == state.captions_elsewhere
        assert captioner.images_elsewhere == 2 * BATCH * BATCHES_A_WORKER
    assert max(map(len, one.batches)) == BATCH
    asked = [*local.asked, *(image for batch in (*one.batches, *other.batches) for image in batch)]
    assert sorted(asked) == sorted(IMAGES), "each image was captioned once"


async def test_no_more_is_given_away_than_there_is_room_for(local: Local) -> None:
    remote = Remote()
    remote.gate.clear()
    local.gate.clear()
    async with sharing(local) as captioner:
        captioner.set_state({"1": remote})
        asking = asyncio.create_task(caption_all(captioner))
        await asyncio.sleep(0.05)
        assert [len(batch) for batch in remote.batches] == [BATCH] * BATCHES_A_WORKER
        assert len(local.asked) == IMAGES_HERE
        remote.gate.set()
        local.gate.set()
        await asking


async def test_few_images_are_divided_among_idle_workers(local: Local) -> None:
    remotes = [Remote("one"), Remote("other")]
    async with sharing(local) as captioner:
        captioner.set_state(dict(enumerate_as_text(remotes)))
        await caption_all(captioner, IMAGES[:4])
    assert [[len(batch) for batch in remote.batches] for remote in remotes] == [[2], [2]]


def enumerate_as_text(remotes: Sequence[Remote]) -> list[tuple[str, Remote]]:
    return [(str(number), remote) for number, remote in enumerate(remotes)]


async def test_what_a_lost_worker_had_in_hand_is_done_by_others(local: Local) -> None:
    lost = Remote("lost")
    lost.gate.clear()
    async with sharing(local) as captioner:
        captioner.set_state({"1": lost})
        asking = asyncio.create_task(caption_all(captioner))
        await asyncio.sleep(0.05)
        assert lost.batches
        captioner.set_state({"2": Remote("other")})
        done = await asking
        assert "lost" not in done
        assert "other" in done


async def test_a_hung_worker_is_passed_over_and_used_again_once_it_answers(local: Local) -> None:
    hung = Remote("hung")
    hung.gate.clear()
    async with sharing(local, timeout_s=0.1) as captioner:
        captioner.set_state({"1": hung})
        assert set(await caption_all(captioner)) == {"here"}
        (worker,) = captioner.state.workers
        assert "not answered for 0.1 s" in worker.problem
        assert captioner.state.used == captioner.images_elsewhere == 0
        hung.gate.set()
        await asyncio.sleep(0.5)
        assert captioner.state.used == 1
        assert "hung" in await caption_all(captioner)
        assert captioner.state.workers[0].problem == ""


async def test_a_worker_that_fails_waits_longer_each_time(local: Local) -> None:
    failing = Remote("failing")
    failing.failure = WorkerFailure("no memory")
    async with sharing(local) as captioner:
        captioner.set_state({"1": failing})
        for _ in range(3):
            await caption_all(captioner, IMAGES[:8])
            await asyncio.sleep(0.06)
        assert len(failing.batches) <= 4, "it is not asked again and again"


async def test_an_image_that_fails_elsewhere_is_captioned_here(local: Local) -> None:
    remote = Remote()
    remote.unanswered = {b"3"}
    async with sharing(local) as captioner:
        captioner.set_state({"1": remote})
        done = await caption_all(captioner, IMAGES[:8])
    assert done[3] == "here"
    assert sum(b"3" in batch for batch in remote.batches) == 1, "one error is enough to have it done here"


async def test_a_worker_with_too_few_answers_gives_none(local: Local) -> None:
    remote = Remote()
    remote.left_out = 1
    async with sharing(local) as captioner:
        captioner.set_state({"1": remote})
        assert set(await caption_all(captioner, IMAGES[:8])) == {"here"}
        assert captioner.state.captions_elsewhere == 0


async def test_an_error_of_this_machine_s_captioner_is_the_image_s(local: Local) -> None:
    local.error = CaptionerUnavailable("no memory")
    async with sharing(local) as captioner:
        with pytest.raises(CaptionerUnavailable):
            await captioner.caption(b"1")


async def test_nobody_captions_for_a_caller_that_has_gone(local: Local) -> None:
    local.gate.clear()
    async with sharing(local) as captioner:
        tasks = [asyncio.create_task(captioner.caption(image)) for image in IMAGES]
        await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        local.gate.set()
        assert await caption_all(captioner, [b"next"]) == ["here"]
    assert len(local.asked) == IMAGES_HERE + 1


async def test_closing_ends_whoever_waits(local: Local) -> None:
    local.gate.clear()
    async with sharing(local) as captioner:
        captioner.set_state({"1": (remote := Remote())})
        remote.gate.clear()
        tasks = [asyncio.create_task(captioner.caption(image)) for image in IMAGES]
        await asyncio.sleep(0.05)
    async with asyncio.timeout(5):
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in outcomes)


async def test_the_state_tells_why_workers_are_not_used(local: Local) -> None:
    async with sharing(local) as captioner:
        assert captioner.state.problem == "not connected yet"
        captioner.set_state({"1": Remote("one")}, refused={"two": "it has another model"})
        assert [(worker.name, worker.problem) for worker in captioner.state.workers] == [
            ("one", ""),
            ("two", "it has another model"),
        ]
        captioner.set_state({}, problem="the scheduler can't be reached")
        assert (captioner.state.used, captioner.state.problem) == (0, "the scheduler can't be reached")
