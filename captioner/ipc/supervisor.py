"""The parent's side of a child process that answers requests: started once, restarted when it dies.

The child calls `captioner.ipc.serve.serve`; the protocol is `captioner.ipc.framing`.

    ChildError               the child answered this request with an error and goes on
    ChildGone                the child died, hung or was stopped before it answered
    └── ChildNotStarted      it could not be started
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from captioner.ipc.child_run import ChildDied, ChildRun, Command, ErrorReply, Reply, StartFailed
from captioner.ipc.framing import LIMITS, Json, Limits

__all__ = ["ChildError", "ChildGone", "ChildNotStarted", "ChildProcess", "Reply", "python_module"]

_log = logging.getLogger(__name__)

#: So often a request is sent when the child dies each time without having begun any request.
_MAX_RESENDS = 3
_FIRST_DELAY_S, _MAX_DELAY_S = 0.25, 5.0


class ChildError(Exception):
    """The child answered the request with an error: `kind` is the name of its class in the child."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class ChildGone(Exception):
    """The child died, hung or was stopped. `guilty`: while it was working on this request."""

    def __init__(self, message: str, *, guilty: bool = False) -> None:
        super().__init__(message)
        self.guilty = guilty


class ChildNotStarted(ChildGone):
    """The child was never ready. `kind`: the class of the error that it reported, if any."""

    def __init__(self, message: str, *, kind: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind


def python_module(module: str, *arguments: str) -> list[str]:
    """The command that runs a module in a new interpreter; -P keeps the working directory out of its imports.

    People start recollect in their photo library, and a `numpy.py` in it must not be run.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


class ChildProcess:
    """A child process with keyed requests, as an async context manager.

    The child takes one request after the other. When it dies or hangs, only the request that it was working on fails;
    those waiting behind it are sent again to the next child, which is started when it is needed. (A child that goes on
    after it sent an invalid frame may have begun some of them: requests must be safe to repeat.) A child that dies
    before it has answered anything is restarted with growing delays.

    Args:
        argv: the command, e.g. `python_module("captioner.inference.worker", "--bundle", ...)`; it must call `serve`.
        name: what logs and messages call it, e.g. "the captioner".
        timeout_s: a request may be worked on this long; waiting behind others does not count.
        nice: added to the child's niceness.
        memory_mb: the child's address space may grow by so many MiB once it is ready; None: without limit.
        start_timeout_s: the child must be ready after this time.
        grace_s: when it is stopped, it may work so long on what it has in hand.
        idle_s: without work for so long it is stopped, and started again for the next request; None: never.
        environment: variables added to those of this process.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        name: str,
        timeout_s: float,
        nice: int = 0,
        memory_mb: int | None = None,
        start_timeout_s: float = 60.0,
        grace_s: float = 5.0,
        idle_s: float | None = None,
        environment: Mapping[str, str] | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        variables = {**_python_path(), **(environment or {})}
        self._command = Command(tuple(argv), name, nice, memory_mb, start_timeout_s, variables, limits)
        self._timeout_s = timeout_s
        self._grace_s = grace_s
        self._idle_s = idle_s
        self._open = 0  # requests without an answer
        self._idle: asyncio.TimerHandle | None = None
        self._unloading: asyncio.Task[None] | None = None
        self._hello: Mapping[str, Any] = {}
        self._run: ChildRun | None = None
        self._starting: asyncio.Task[ChildRun] | None = None
        self._closed = False
        self._failed_runs = 0
        self._started_at = 0.0

    async def __aenter__(self) -> Self:
        """Starts the child. Raises `ChildNotStarted`."""
        self._closed = False
        try:
            await self._ensure_running()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def hello(self) -> Mapping[str, Any]:
        """`Service.hello` of the running child, or of the last one."""
        return self._hello

    @property
    def pid(self) -> int | None:
        """The process id of the running child; None while there is none."""
        return self._run.pid if self._run and self._run.alive else None

    async def request(
        self,
        header: Mapping[str, Json],
        payload: bytes = b"",
        *,
        timeout_s: float | None = None,
        is_work: bool = True,
    ) -> Reply:
        """The child's answer. Any number of requests may be open at once; a cancelled one disturbs no other. `is_work`
        False: it keeps no child from being stopped for want of work.

        Raises:
            ChildError: the child answered with an error.
            ChildGone: the child died or hung over this request (`guilty`), or could not be had.
            captioner.ipc.framing.WireError: the request does not fit in a frame; nothing was sent.
        """
        self._open += 1
        try:
            return await self._request(header, payload, self._timeout_s if timeout_s is None else timeout_s)
        finally:
            self._open -= 1
            if is_work:
                self._wait_for_work()

    async def _request(self, header: Mapping[str, Json], payload: bytes, timeout_s: float) -> Reply:
        lost_unbegun = 0
        while True:
            run = await self._ensure_running()
            try:
                return await run.request(header, payload, timeout_s)
            except ErrorReply as error:
                raise ChildError(error.kind, str(error)) from None
            except ChildDied as death:
                lost_unbegun += not run.any_begun
                if death.guilty or lost_unbegun == _MAX_RESENDS:
                    raise ChildGone(str(death), guilty=death.guilty) from None

    async def close(self) -> None:
        """Stops the child: stdin is closed, after `grace_s` it is terminated, then killed. Closing twice is fine."""
        self._closed = True
        if self._idle:
            self._idle.cancel()
        if self._starting:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        if self._run:
            await self._run.stop(self._grace_s)
        if self._unloading:
            await asyncio.wait([self._unloading])

    async def unload(self) -> None:
        """Stops the child where it has nothing in hand, and returns once it has ended; what is asked from now on waits
        for the next one."""
        if not (self._open or self._starting or self._closed) and self._run and self._run.alive:
            _log.info("%s is stopped: its memory is wanted", self._command.name)
            self._unloading = asyncio.create_task(self._run.stop(self._grace_s))
        if self._unloading:
            await asyncio.wait([self._unloading])

    def _wait_for_work(self) -> None:
        """From now on `idle_s`."""
        if self._idle:
            self._idle.cancel()
        if self._idle_s is not None and not self._closed:
            self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._unload)

    def _unload(self) -> None:
        """Gives the child's memory back; what is asked from now on waits for the next one."""
        if self._open or self._starting or self._closed:
            self._wait_for_work()
        elif self._run and self._run.alive:
            _log.info("%s is stopped after %g s without work", self._command.name, self._idle_s)
            self._unloading = asyncio.create_task(self._run.stop(self._grace_s))

    async def _ensure_running(self) -> ChildRun:
        """The running child, or a new one; concurrent calls share one start."""
        if self._closed:
            raise ChildGone(f"{self._command.name} was stopped")
        if self._run and self._run.alive:
            return self._run
        if not self._starting:
            self._starting = asyncio.create_task(self._start())
            self._starting.add_done_callback(self._forget_start)
        starting = self._starting
        try:
            return await asyncio.shield(starting)
        except StartFailed as error:
            raise ChildNotStarted(str(error), kind=error.kind) from None
        except asyncio.CancelledError:
            if self._closed and starting.done():
                raise ChildGone(f"{self._command.name} was stopped") from None
            raise

    async def _start(self) -> ChildRun:
        if self._run:
            self._failed_runs = 0 if self._run.any_answered else self._failed_runs + 1
            await self._run.stop(self._grace_s)
            self._run = None
        await self._wait_before_restart()
        self._started_at = asyncio.get_running_loop().time()
        try:
            self._run = await ChildRun.start(self._command)
        except StartFailed:
            self._failed_runs += 1
            raise
        self._hello = self._run.hello
        self._wait_for_work()
        return self._run

    async def _wait_before_restart(self) -> None:
        """Starts of a child that dies at once are 0, 0.25, 0.5, 1 ... 5 s apart."""
        if self._failed_runs:
            delay_s = min(_MAX_DELAY_S, _FIRST_DELAY_S * 2.0 ** min(self._failed_runs - 1, 16))
            _log.info("%s is started again in %g s at the earliest", self._command.name, delay_s)
            await asyncio.sleep(self._started_at + delay_s - asyncio.get_running_loop().time())

    def _forget_start(self, start: asyncio.Task[ChildRun]) -> None:
        self._starting = None
        if not start.cancelled():
            start.exception()  # retrieved, or asyncio warns where every waiter was cancelled


def _python_path() -> Mapping[str, str]:
    """Lets the child import this package where it runs from a checkout that is not installed."""
    root = Path(__file__).resolve().parents[2]
    if root.name in {"site-packages", "dist-packages"}:
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))}
