"""The service's side: keeps a connection to a scheduler, and learns from it which workers there are."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import CancelledError as TaskLost
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from captioner import Caption, Captioner, CaptionError, ClusterState, ClusterWorker
from captioner.cluster.captioner import ClusterCaptioner, RemoteCaptioner, WorkerFailure
from captioner.cluster.dask_setup import import_distributed, security
from captioner.cluster.identity import CaptionerIdentity
from captioner.cluster.worker import Answer, caption_images, describe_worker
from captioner.inference.worker import unpack_caption

log = logging.getLogger(__name__)

#: So often the scheduler is asked which workers there are; it must answer, and a worker say what it is, in time.
LOOK_S, ANSWER_S = 1.0, 10.0
_CONNECT_S, _CLOSE_S = 10.0, 3.0
#: A worker that could not say what it is.
_ASK_AGAIN_S = 10.0
#: A scheduler that is not there is looked for again, after twice the time each time.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 10.0


class SchedulerLost(Exception):
    """The scheduler is not there any more, or hangs."""


class _DaskWorker:
    """One worker, reached through the scheduler."""

    def __init__(self, client: Any, address: str) -> None:
        self._client = client
        self._address = address
        self.name = address

    async def describe(self) -> CaptionerIdentity:
        """What it captions with. Raises `WorkerFailure`."""
        answer = await self._run(describe_worker)
        try:
            host = self._address.partition("://")[2]
            self.name = f"{answer['host']} ({host})"
            return CaptionerIdentity.from_json(answer)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise WorkerFailure(f"it does not say what it is: {error!r}") from error

    async def caption(self, images: Sequence[bytes]) -> list[Caption | CaptionError]:
        """A caption for each image, or why it got none. Raises `WorkerFailure`."""
        return [_caption_of(answer) for answer in await self._run(caption_images, list(images))]

    async def _run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Has exactly this worker run it. The key says nothing of the photo."""
        future = self._client.submit(
            function,
            *args,
            key=f"recollect-{secrets.token_hex(12)}",
            pure=False,
            retries=0,
            workers=[self._address],
            allow_other_workers=False,
        )
        try:
            return await future
        except TaskLost as error:
            raise WorkerFailure("the connection to it, or to the scheduler, was lost") from error
        except Exception as error:  # whatever was raised over there
            raise WorkerFailure(f"{type(error).__name__}: {error}") from error
        finally:
            future.release()


def _caption_of(answer: Answer) -> Caption | CaptionError:
    if isinstance(answer, str):
        return CaptionError(answer)
    header, payload = answer
    try:
        return unpack_caption(header, payload)
    except CaptionError as error:
        return error


@dataclass(slots=True)
class _Workers:
    """The workers of one connection: those that are used, and why others are not."""

    identity: CaptionerIdentity
    is_quiet: bool = False  # the caller reports what is refused
    used: dict[str, RemoteCaptioner] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)  # by address
    names: dict[str, str] = field(default_factory=dict)
    asking: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    ask_again: dict[str, float] = field(default_factory=dict)  # by the event loop's clock

    def look(self, client: Any, addresses: Sequence[str]) -> None:
        """Drops workers that have gone, and asks new ones what they caption with."""
        for gone in {*self.used, *self.refused, *self.asking} - {*addresses}:
            for known in (self.used, self.refused, self.names, self.ask_again):
                known.pop(gone, None)
            if (asking := self.asking.pop(gone, None)) is not None:
                asking.cancel()
        now = asyncio.get_running_loop().time()
        for address in addresses:
            is_due = address not in self.refused or self.ask_again.get(address, now + 1) <= now
            if is_due and address not in self.used and address not in self.asking:
                self.asking[address] = asyncio.create_task(self._ask(client, address))

    async def _ask(self, client: Any, address: str) -> None:
        worker, why = _DaskWorker(client, address), ""
        self.ask_again.pop(address, None)
        try:
            async with asyncio.timeout(ANSWER_S):
                why = self.identity.difference(await worker.describe())
        except (TimeoutError, WorkerFailure) as error:
            why = str(error) or f"it has not answered for {ANSWER_S:g} s"
            self.ask_again[address] = asyncio.get_running_loop().time() + _ASK_AGAIN_S
        if not why:
            log.log(logging.DEBUG if self.is_quiet else logging.INFO, "%s captions photos, too", worker.name)
            self.used[address] = worker
            self.refused.pop(address, None)
        elif self.refused.get(address) != why:
            log.log(logging.DEBUG if self.is_quiet else logging.WARNING, "%s is not used: %s", worker.name, why)
            self.refused[address], self.names[address] = why, worker.name
        self.asking.pop(address, None)

    async def close(self) -> None:
        """Stops asking workers."""
        asking = list(self.asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


class SchedulerConnection:
    """Tells a `ClusterCaptioner` which workers there are, for as long as `run` runs."""

    def __init__(self, distributed: ModuleType, address: str, identity: CaptionerIdentity, secure: Any) -> None:
        self._distributed = distributed
        self._address = address
        self._identity = identity
        self._secure = secure

    async def run(self, captioner: ClusterCaptioner) -> None:
        """Until cancelled."""
        pause_s, last_problem = _FIRST_PAUSE_S, ""
        while True:
            try:
                async with self._connected() as client:
                    log.info("connected to the scheduler at %s", self._address)
                    pause_s, last_problem = _FIRST_PAUSE_S, ""
                    await self._follow(client, captioner)
            except Exception as error:  # whatever Dask raises: photos are captioned here, and it is tried again
                log.debug("the connection to %s ended", self._address, exc_info=True)
                problem = _problem(error)
                captioner.set_state({}, problem=problem)
                if last_problem != (last_problem := problem):
                    log.warning("%s; photos are captioned here meanwhile", problem)
            await asyncio.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)

    async def look(self) -> ClusterState:
        """Connects, asks every worker, and leaves."""
        workers = _Workers(self._identity, is_quiet=True)
        try:
            async with self._connected() as client:
                workers.look(client, await scheduler_workers(client))
                await asyncio.gather(*workers.asking.values())
        except (OSError, TimeoutError, SchedulerLost) as error:
            return ClusterState(self._address, _problem(error))
        used = [ClusterWorker(worker.name, 0) for worker in workers.used.values()]
        refused = [ClusterWorker(workers.names[address], 0, why) for address, why in workers.refused.items()]
        return ClusterState(self._address, "", (*used, *refused))

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        client = self._distributed.Client(
            self._address, asynchronous=True, timeout=_CONNECT_S, security=self._secure, set_as_default=False
        )
        try:
            async with asyncio.timeout(2 * _CONNECT_S):
                await client
            yield client
        finally:
            with suppress(TimeoutError, OSError):
                async with asyncio.timeout(_CLOSE_S):
                    await client.close(timeout=1)

    async def _follow(self, client: Any, captioner: ClusterCaptioner) -> None:
        """Raises `SchedulerLost` or `OSError` at the end of the connection."""
        workers = _Workers(self._identity)
        try:
            while True:
                workers.look(client, await scheduler_workers(client))
                await asyncio.sleep(0)
                refused = {workers.names[address]: why for address, why in workers.refused.items()}
                captioner.set_state(workers.used, refused=refused)
                await asyncio.sleep(LOOK_S)
        finally:
            await workers.close()


def _problem(error: Exception) -> str:
    return f"the scheduler can't be reached: {error}" if str(error) else "the scheduler can't be reached"


async def scheduler_workers(client: Any) -> list[str]:
    """The addresses of all workers. Raises `SchedulerLost` or `OSError`."""
    if client.status != "running" or client.scheduler is None:
        raise SchedulerLost("the connection has ended")
    try:
        async with asyncio.timeout(ANSWER_S):
            scheduler = await client.scheduler.identity(n_workers=-1)
    except TimeoutError as error:
        raise SchedulerLost(f"it has not answered for {ANSWER_S:g} s") from error
    return list(scheduler["workers"])


@asynccontextmanager
async def connected_captioner(
    local: Captioner, address: str, *, bundle: Path, timeout_s: float, tls: Path | None = None
) -> AsyncIterator[ClusterCaptioner]:
    """`local` and the workers of the scheduler at `address` as one captioner; a scheduler that is not there is looked
    for again and again. Raises `ClusterError` where Dask or a certificate is missing, and `BundleError`."""
    distributed = import_distributed()
    identity = CaptionerIdentity.of(bundle)
    connection = SchedulerConnection(distributed, address, identity, security(distributed, tls))
    async with ClusterCaptioner(local, address=address, timeout_s=timeout_s) as captioner:
        following = asyncio.create_task(connection.run(captioner))
        try:
            yield captioner
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def look_at_cluster(address: str, *, bundle: Path, tls: Path | None = None) -> ClusterState:
    """Which workers there are now, and which of them can be used. Raises `ClusterError` where Dask or a certificate is
    missing, and `BundleError`."""
    distributed = import_distributed()
    connection = SchedulerConnection(distributed, address, CaptionerIdentity.of(bundle), security(distributed, tls))
    return await connection.look()
