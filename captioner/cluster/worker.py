"""The other machine's side: a Dask worker that holds one captioner, and the scheduler that all sides connect to.

`caption_images` and `describe_worker` are what the service has a worker run, by name: nothing but pixels goes to it,
and nothing but captions comes back.
"""

from __future__ import annotations

import asyncio
import logging
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from captioner import BundleError, CaptionerProcess, CaptionError, CaptionerUnavailable, ClusterError
from captioner.cluster.dask_setup import import_distributed, security
from captioner.cluster.identity import CaptionerIdentity
from captioner.inference.worker import pack_caption

log = logging.getLogger(__name__)

#: The attribute of a Dask worker that holds what serves its captions.
_ATTRIBUTE = "recollect"
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 10.0
#: A scheduler that does not answer is asked again.
_CONNECT_S = 15.0
#: Images in hand when a worker is stopped have this long.
_CLOSE_S = 5.0

#: Header and payload of a caption (`captioner.inference.worker`), or why there is none.
Answer = tuple[dict[str, Any], bytes] | str


class _Serving:
    """One captioner behind a Dask worker."""

    def __init__(self, captioner: CaptionerProcess, identity: CaptionerIdentity) -> None:
        self._captioner = captioner
        self.description = asdict(identity) | {"host": platform.node(), "machine": platform.machine()}

    async def caption(self, images: Sequence[bytes]) -> list[Answer]:
        return [await self._answer(image) for image in images]

    async def _answer(self, image: bytes) -> Answer:
        """Raises `CaptionerUnavailable` and `BundleError`, which are about this machine."""
        try:
            return pack_caption(await self._captioner.caption(image))
        except (BundleError, CaptionerUnavailable):
            raise
        except CaptionError as error:
            return str(error)


def _serving() -> _Serving:
    worker = import_distributed().get_worker()
    serving = getattr(worker, _ATTRIBUTE, None)
    if not isinstance(serving, _Serving):
        raise ClusterError("this worker was not started by `recollect worker`")
    return serving


async def caption_images(images: Sequence[bytes]) -> list[Answer]:
    """Runs in a worker: the caption of each image, as `Captioner.caption` takes it."""
    return await _serving().caption(images)


async def describe_worker() -> dict[str, Any]:
    """Runs in a worker: the fields of `CaptionerIdentity`, the machine's name (`host`) and architecture (`machine`)."""
    return _serving().description


async def run_worker(
    address: str,
    stop: asyncio.Event,
    *,
    bundle: Path,
    threads: int = 1,
    timeout_s: float = 60.0,
    nice: int = 10,
    idle_s: float | None = None,
    tls: Path | None = None,
    host: str | None = None,
    say: Callable[[str], None] = log.info,
) -> None:
    """Captions for whoever asks through the scheduler at `address`, until `stop` is set. A scheduler that is not there,
    or goes away, is connected to again.

    Args:
        address: ``tcp://HOST:PORT`` or ``tls://HOST:PORT``.
        bundle, threads, timeout_s, nice, idle_s: of the captioner, as `CaptionerProcess` takes them.
        tls: the directory of the certificates.
        host: the address to listen on; None: the one that leads to the scheduler.
        say: is given a line where something changes.

    Raises `BundleError`, and `ClusterError` where Dask or a certificate is missing.
    """
    distributed = import_distributed()
    secure, identity = security(distributed, tls), CaptionerIdentity.of(bundle)
    captioner = CaptionerProcess(bundle, threads=threads, timeout_s=timeout_s, nice=nice, idle_s=idle_s)
    stopping = asyncio.create_task(stop.wait())
    try:
        async with captioner:
            serving, pause_s, problem = _Serving(captioner, identity), _FIRST_PAUSE_S, ""
            while not stop.is_set():
                connecting = asyncio.create_task(
                    _serve_once(distributed, address, serving, secure, host, say, stopping)
                )
                try:
                    await connecting
                    pause_s, problem = _FIRST_PAUSE_S, ""
                except (OSError, TimeoutError, RuntimeError) as error:
                    if problem != (problem := f"{address} can't be reached: {error or type(error).__name__}"):
                        say(problem)
                    pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)
                await asyncio.wait({stopping}, timeout=pause_s)
    finally:
        stopping.cancel()


async def _serve_once(
    distributed: ModuleType,
    address: str,
    serving: _Serving,
    secure: Any,
    host: str | None,
    say: Callable[[str], None],
    stopping: asyncio.Task[Any],
) -> None:
    """One connection, from its beginning to its end. Raises `OSError` or `TimeoutError` where there is none."""
    with TemporaryDirectory(prefix="recollect-worker-") as scratch:
        worker = distributed.Worker(
            address,
            nthreads=1,
            security=secure,
            host=host,
            memory_limit=0,
            local_directory=scratch,
            dashboard=False,
            dashboard_address="127.0.0.1:0",
            death_timeout=_CONNECT_S,
        )
        setattr(worker, _ATTRIBUTE, serving)
        starting = asyncio.ensure_future(worker)
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                return
            await starting
            say(f"connected to {address}: captions by {serving.description['model']}")
            ended = asyncio.create_task(worker.finished())
            await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            if not stopping.done():
                say(f"the connection to {address} has ended; it is made again")
        finally:
            starting.cancel()
            await asyncio.wait_for(worker.close(timeout=_CLOSE_S, nanny=False), 2 * _CLOSE_S)


async def run_scheduler(
    stop: asyncio.Event,
    *,
    host: str,
    port: int,
    tls: Path | None = None,
    say: Callable[[str], None] = log.info,
) -> None:
    """The scheduler that the service and the workers connect to, until `stop` is set; it keeps nothing. Raises
    `ClusterError` where Dask or a certificate is missing, or the port can't be had."""
    distributed = import_distributed()
    scheduler = distributed.Scheduler(
        host=host,
        port=port,
        protocol="tls" if tls else "tcp",
        security=security(distributed, tls),
        dashboard=False,
        dashboard_address="127.0.0.1:0",
    )
    try:
        await scheduler
    except (OSError, RuntimeError) as error:
        await scheduler.close()
        raise ClusterError(f"the scheduler can't listen on {host} port {port}: {error}") from error
    try:
        say(f"the scheduler is at {scheduler.address}")
        await stop.wait()
    finally:
        await scheduler.close()
