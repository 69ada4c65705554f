"""One `Captioner` over this machine's captioner and those of others. Knows nothing of Dask.

Images wait in one queue. A worker of another machine that has room is given a batch; what no other machine has room
for is captioned here, so that without workers all of it is. What a worker had in hand when it was lost, hung or failed
goes back to the front of the queue, and after a second failure it is captioned here: an error counts against an image
only where this machine's own captioner has said so.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

from captioner import Caption, Captioner, CaptionError, ClusterState, ClusterWorker

log = logging.getLogger(__name__)

#: Images that are sent together. Sending costs the service several milliseconds of processor time, however many.
BATCH = 4
#: Batches that a worker has at once: the next one arrives while it captions the first.
BATCHES_A_WORKER = 2
#: Images that are here at once: one in the captioner's child process and one that waits in its pipe.
IMAGES_HERE = 2
#: More than so many images are not kept in hand for the workers: what is in hand when recollect is killed waits longer.
MOST_IN_HAND = 64

#: A worker that failed is left alone for so long, twice as long each time.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 300.0
#: So often an image is given to other machines.
_MOST_TRIES_ELSEWHERE = 2


class WorkerFailure(Exception):
    """A worker was lost, or could not answer: says nothing of the images."""


class RemoteCaptioner(Protocol):
    """The captioner of another machine."""

    @property
    def name(self) -> str:
        """What people call it: the machine's name and its address."""

    async def caption(self, images: Sequence[bytes]) -> list[Caption | CaptionError]:
        """A caption for each image, or why it got none. Raises `WorkerFailure`."""


@dataclass(slots=True, eq=False)
class _Image:
    pixels: bytes
    answer: asyncio.Future[Caption]
    tries_elsewhere: int = 0


@dataclass(slots=True, eq=False)
class _Member:
    """A worker, and what it has in hand."""

    remote: RemoteCaptioner
    batches: set[asyncio.Task[None]] = field(default_factory=set)
    captions: int = 0
    failures: int = 0  # one after the other
    rests_until: float = 0.0  # by the event loop's clock
    problem: str = ""


class ClusterCaptioner:
    """A `Captioner`, as an async context manager, that outlives every worker.

    Args:
        local: this machine's captioner, started and stopped by the caller.
        address: of the scheduler, for `state`.
        timeout_s: a batch may take a worker this long; then it is captioned by others.
    """

    def __init__(self, local: Captioner, *, address: str, timeout_s: float) -> None:
        self.local = local
        self._address = address
        self._timeout_s = timeout_s
        self._waiting: deque[_Image] = deque()
        self._members: dict[str, _Member] = {}
        self._here: set[asyncio.Task[None]] = set()
        self._captions_here = self._captions_of_former = 0
        self._due: asyncio.Handle | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._problem = "not connected yet"
        self._refused: Mapping[str, str] = {}
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closed = True
        for handle in filter(None, (self._due, self._rest)):
            handle.cancel()
        tasks = [*self._here, *(task for member in self._members.values() for task in member.batches)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for image in self._waiting:
            image.answer.cancel()

    @property
    def input_px(self) -> int:
        """Width and height of the model's input."""
        return self.local.input_px

    @property
    def model(self) -> str:
        """The model's name and version."""
        return self.local.model

    @property
    def images_elsewhere(self) -> int:
        """How many images the workers that answer take at once, beside those that are captioned here."""
        now = asyncio.get_running_loop().time()
        able = sum(member.rests_until <= now for member in self._members.values())
        return min(MOST_IN_HAND, able * BATCH * BATCHES_A_WORKER)

    @property
    def state(self) -> ClusterState:
        """How it stands now."""
        now = asyncio.get_running_loop().time()
        workers = [
            ClusterWorker(member.remote.name, member.captions, member.problem if member.rests_until > now else "")
            for member in self._members.values()
        ]
        workers += [ClusterWorker(name, 0, problem) for name, problem in self._refused.items()]
        elsewhere = self._captions_of_former + sum(member.captions for member in self._members.values())
        return ClusterState(self._address, self._problem, tuple(workers), self._captions_here, elsewhere)

    def set_state(
        self, workers: Mapping[str, RemoteCaptioner], *, problem: str = "", refused: Mapping[str, str] | None = None
    ) -> None:
        """What the scheduler says now: its workers by a key of their own, why it can't be asked, and which workers are
        not used and why. What workers had in hand that are gone is given to others."""
        for key in self._members.keys() - workers.keys():
            self._forget(self._members.pop(key))
        for key, remote in workers.items():
            if key not in self._members:
                self._members[key] = _Member(remote)
        self._problem, self._refused = problem, refused or {}
        self._schedule()

    async def caption(self, pixels: bytes) -> Caption:
        """The caption of RGB uint8 pixels of shape (input_px, input_px, 3) in C order, by whichever machine.

        Raises what the captioner of this machine raises.
        """
        image = _Image(pixels, asyncio.get_running_loop().create_future())
        self._waiting.append(image)
        self._schedule()
        return await image.answer

    def _forget(self, member: _Member) -> None:
        self._captions_of_former += member.captions
        for task in member.batches:
            task.cancel()

    def _schedule(self) -> None:
        """Hands out what waits in the next turn of the event loop: images that came in this one make a batch."""
        if self._due is None and not self._closed:
            self._due = asyncio.get_running_loop().call_soon(self._hand_out)

    def _hand_out(self) -> None:
        self._due = None
        here_only: list[_Image] = []
        while (batch := self._next_batch(here_only)) and (member := self._free_member()) is not None:
            images = batch[: self._share(len(batch))]
            self._waiting.extendleft(reversed(batch[len(images) :]))
            self._start(member.batches, self._caption_elsewhere(member, images), images)
        else:
            self._waiting.extendleft(reversed(batch))
        self._waiting.extendleft(reversed(here_only))
        while len(self._here) < IMAGES_HERE and (image := self._next_image()) is not None:
            self._start(self._here, self._caption_here(image), [image])
        self._wake_after_rest()

    def _next_image(self) -> _Image | None:
        """Takes the first waiting image whose caller was not cancelled; None where there is none."""
        while self._waiting:
            image = self._waiting.popleft()
            if not image.answer.done():
                return image
        return None

    def _next_batch(self, here_only: list[_Image]) -> list[_Image]:
        """The first images that other machines may have; `here_only` gets those before them that they may not."""
        batch: list[_Image] = []
        while len(batch) < BATCH and (image := self._next_image()) is not None:
            (batch if image.tries_elsewhere < _MOST_TRIES_ELSEWHERE else here_only).append(image)
        return batch

    def _free_member(self) -> _Member | None:
        """The worker with the least in hand, where one has room."""
        now = asyncio.get_running_loop().time()
        # One that has just failed is tried with one batch.
        free = [
            member
            for member in self._members.values()
            if member.rests_until <= now and len(member.batches) < (1 if member.failures else BATCHES_A_WORKER)
        ]
        return min(free, key=lambda member: len(member.batches), default=None)

    def _share(self, images: int) -> int:
        """So many of the next `images` go to one worker: few images are divided among idle ones."""
        idle = sum(not member.batches for member in self._members.values())
        waiting = images + len(self._waiting)
        return max(1, min(images, -(-waiting // max(1, idle))))

    def _wake_after_rest(self) -> None:
        """A worker that was passed over is tried again once its pause is over."""
        if self._rest is not None:
            self._rest.cancel()
        loop = asyncio.get_running_loop()
        rests = [member.rests_until for member in self._members.values() if member.rests_until > loop.time()]
        self._rest = loop.call_at(min(rests), self._schedule) if rests and self._waiting else None

    def _start(self, tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None], images: Sequence[_Image]) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)

        def finish(task: asyncio.Task[None]) -> None:
            tasks.discard(task)
            self._give_back(images)  # not in the task itself: one that is cancelled before its first step runs nothing
            self._schedule()

        task.add_done_callback(finish)

    async def _caption_here(self, image: _Image) -> None:
        captioning = asyncio.ensure_future(self.local.caption(image.pixels))
        try:
            await asyncio.wait({captioning, image.answer}, return_when=asyncio.FIRST_COMPLETED)
            if image.answer.done():  # nobody waits for it any more
                return
            caption = captioning.result()
        except Exception as error:
            image.answer.set_exception(error)
        else:
            image.answer.set_result(caption)
            self._captions_here += 1
        finally:
            captioning.cancel()

    async def _caption_elsewhere(self, member: _Member, images: Sequence[_Image]) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                answers = await member.remote.caption([image.pixels for image in images])
            if len(answers) != len(images):
                raise WorkerFailure(f"it gave {len(answers)} answers for {len(images)} images")
        except TimeoutError:
            self._pass_over(member, f"it has not answered for {self._timeout_s:g} s")
        except WorkerFailure as error:
            self._pass_over(member, str(error))
        else:
            member.failures = 0
            for image, answer in zip(images, answers, strict=True):
                self._take(member, image, answer)

    def _take(self, member: _Member, image: _Image, answer: Caption | CaptionError) -> None:
        if image.answer.done():
            return
        if isinstance(answer, Caption):
            image.answer.set_result(answer)
            member.captions += 1
        else:
            log.warning("%s could not caption an image, which is done here: %s", member.remote.name, answer)
            image.tries_elsewhere = _MOST_TRIES_ELSEWHERE

    def _give_back(self, images: Sequence[_Image]) -> None:
        """Puts the images that have no answer at the front of the queue."""
        left = [image for image in images if not image.answer.done()]
        for image in left:
            image.tries_elsewhere += 1
        self._waiting.extendleft(reversed(left))

    def _pass_over(self, member: _Member, why: str) -> None:
        """Leaves a worker alone for a while, with nothing in hand."""
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(member.failures, 16))
        member.failures += 1
        member.problem = why
        member.rests_until = asyncio.get_running_loop().time() + pause_s
        log.warning("%s is passed over for %.0f s: %s", member.remote.name, pause_s, why)
        for task in member.batches - {asyncio.current_task()}:
            task.cancel()
