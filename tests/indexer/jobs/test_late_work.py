"""Work that is queued while the runner is looking for some is done before a run ends."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from indexer.jobs.pipeline import PipelineContext
from indexer.jobs.runner import JobRunner
from indexer.model import FileStamp, FoundFile, Job, JobKind

pytestmark = pytest.mark.slow  # a whole run

JOB = Job(1, JobKind.THUMBNAILS, FoundFile(Path("/p"), Path("/p/a.jpg"), FileStamp(1, 2, 3)), 1)


class LateQueue:
    """Its first claim has looked already when the last job is queued and the end is called."""

    def __init__(self) -> None:
        self.waiting: list[Job] = []
        self.claims = 0
        self.looked = False

    def claim(self, _: int, *, only_urgent: bool = False) -> list[Job]:
        self.claims += 1
        found, self.waiting = self.waiting, []
        self.looked = True
        time.sleep(0.2 if self.claims == 1 else 0)
        return found

    def release(self, _: list[Job]) -> None:
        raise AssertionError("nothing is given back")


class Recording(JobRunner):
    done: list[Job]

    async def _attempt(self, job: Job) -> bool:
        self.done.append(job)
        return True


async def test_what_was_queued_during_the_last_claim_is_done() -> None:
    queue = LateQueue()
    context = cast("PipelineContext", SimpleNamespace(catalogue=SimpleNamespace(queue=queue)))
    ignored: Any = lambda *_: None  # noqa: E731
    runner = Recording(context, in_flight=lambda: 1, settled=ignored, drained=ignored)
    runner.done = []
    running = asyncio.create_task(runner.run())
    async with asyncio.timeout(10):
        while not queue.looked:
            await asyncio.sleep(0.01)
    queue.waiting.append(JOB)
    runner.wake()
    runner.finish()
    async with asyncio.timeout(10):
        await running
    assert runner.done == [JOB]
