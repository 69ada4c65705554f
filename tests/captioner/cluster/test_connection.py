"""What goes to a worker, and what its failures are taken for; the client does as it is told."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError as TaskLost
from dataclasses import asdict
from typing import Any

import pytest

from captioner import Caption, CaptionError, Tag
from captioner.cluster.captioner import WorkerFailure
from captioner.cluster.connection import _DaskWorker
from captioner.cluster.identity import CaptionerIdentity
from captioner.cluster.worker import caption_images
from captioner.inference.worker import pack_caption

CAPTION = Caption("a dog", 0.75, (Tag("dog", 0.5),), (0.6000000238418579, 0.800000011920929), "made-1")


class Future:
    def __init__(self, outcome: object) -> None:
        self._outcome = outcome
        self.released = False

    def __await__(self) -> Any:
        yield from asyncio.sleep(0).__await__()
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome

    def release(self) -> None:
        self.released = True


class Client:
    def __init__(self, outcome: object) -> None:
        self.future = Future(outcome)
        self.sent: list[tuple[Callable[..., Any], tuple[object, ...], dict[str, Any]]] = []

    def submit(self, function: Callable[..., Any], *args: object, **options: Any) -> Future:
        self.sent.append((function, args, options))
        return self.future


async def test_nothing_but_pixels_goes_out_under_a_key_of_chance() -> None:
    client = Client([pack_caption(CAPTION), "it died twice", ({"text": "?"}, b"")])
    answers: Sequence[Caption | CaptionError] = await _DaskWorker(client, "tcp://pi2:1").caption([b"1", b"2", b"3"])
    assert answers[0] == CAPTION
    assert [type(one) for one in answers[1:]] == [CaptionError, CaptionError]
    ((function, args, options),) = client.sent
    assert (function, args) == (caption_images, ([b"1", b"2", b"3"],))
    assert re.fullmatch(r"recollect-[0-9a-f]{24}", options.pop("key"))
    assert options == {"pure": False, "retries": 0, "workers": ["tcp://pi2:1"], "allow_other_workers": False}
    assert client.future.released


@pytest.mark.parametrize("error", [TaskLost("gone"), OSError("reset"), RuntimeError("no memory"), KeyError("code")])
async def test_whatever_is_raised_over_there_is_about_the_worker(error: Exception) -> None:
    client = Client(error)
    with pytest.raises(WorkerFailure):
        await _DaskWorker(client, "tcp://pi2:1").caption([b"1"])
    assert client.future.released


@pytest.mark.parametrize("answer", [None, {}, {"host": "pi2"}, {"host": "pi2", "packages": 3}])
async def test_a_worker_that_makes_no_sense_is_a_failure(answer: object) -> None:
    with pytest.raises(WorkerFailure, match="does not say what it is"):
        await _DaskWorker(Client(answer), "tcp://pi2:1").describe()


async def test_a_worker_is_called_by_its_machine() -> None:
    identity = CaptionerIdentity.of()
    worker = _DaskWorker(Client(asdict(identity) | {"host": "pi2", "machine": "aarch64"}), "tcp://192.168.1.21:4")
    assert await worker.describe() == identity
    assert worker.name == "pi2 (192.168.1.21:4)"
