"""One run of a child process, from its start to its end. `supervisor` starts the next one.

The child sends BEGUN when it starts on a request. When it dies or hangs, the requests that were begun and not answered
are `guilty`; those queued behind them are not, and can be sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

from captioner.ipc.framing import LIMITS, Frame, FrameKind, FramingError, Json, Limits, encode_frame, read_frame_async

_BUFFER_BYTES = 1 << 20  # of the child's stdout: most replies are one read
_LINE_LENGTH = 500
_MAX_LINES = 1000  # of one child's stderr: a child that prints without end must not fill the disk with log
_TAIL_LINES = 12
_TERMINATE_S = 2.0
_STOPPED = "was stopped"

_Pipe = TypeVar("_Pipe", asyncio.StreamReader, asyncio.StreamWriter)

_log = logging.getLogger("captioner.ipc.supervisor")


@dataclass(frozen=True, slots=True)
class Command:
    """How a child is started, and its time limits."""

    argv: tuple[str, ...]
    name: str  # in logs and messages
    nice: int
    memory_mb: int | None
    start_timeout_s: float
    environment: Mapping[str, str]
    limits: Limits = LIMITS


@dataclass(frozen=True, slots=True)
class Reply:
    """The child's answer to one request."""

    header: Mapping[str, Any]
    payload: bytes = field(repr=False)


class ChildDied(Exception):
    """The child died before it answered. `guilty`: this request was the one it was working on."""

    def __init__(self, reason: str, *, guilty: bool) -> None:
        super().__init__(reason)
        self.guilty = guilty


class StartFailed(Exception):
    """The child was never ready. `kind`: the class of the error that it reported, if any."""

    def __init__(self, reason: str, *, kind: str | None = None) -> None:
        super().__init__(reason)
        self.kind = kind


class ErrorReply(Exception):
    """The child answered with an error of this `kind`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(slots=True)
class _Pending:
    """A request without an answer. One whose caller was cancelled stays: its answer still has to be read."""

    answer: asyncio.Future[Reply]
    timeout_s: float
    begun_at: float | None = None


class ChildRun:
    """A running child. Made by `ChildRun.start`; ends by `stop`, or by itself."""

    def __init__(self, command: Command, process: Process) -> None:
        self._command = command
        self._process = process
        self._pending: dict[int, _Pending] = {}
        self._numbers = count(1)
        self._timer: asyncio.TimerHandle | None = None
        self._active_at = asyncio.get_running_loop().time()
        self._reason: str | None = None  # why it was ended
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._stderr = asyncio.create_task(self._log_stderr())
        self._reader: asyncio.Task[None] | None = None
        self.hello: Mapping[str, Any] = {}
        self.any_begun = False  # at least one request
        self.any_answered = False  # at least one request

    @classmethod
    async def start(cls, command: Command) -> ChildRun:
        """Starts the child and waits until it is ready. Raises `StartFailed`."""
        _reserve_standard_fds()
        try:
            process = await asyncio.create_subprocess_exec(
                *command.argv,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                limit=_BUFFER_BYTES,
                env={**os.environ, **command.environment},
                process_group=0,  # Ctrl-C on a terminal is the parent's to handle, from the child's first instant
            )
        except OSError as error:
            raise StartFailed(f"{command.name} can't be started: {error}") from error
        run = cls(command, process)
        try:
            await run._handshake()
        except BaseException:
            await run._kill()
            raise
        run._reader = asyncio.create_task(run._read_frames())
        return run

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether a request can still be sent."""
        return self._reason is None and self._reader is not None and not self._reader.done()

    async def request(self, header: Mapping[str, Json], payload: bytes, timeout_s: float) -> Reply:
        """The child's answer.

        Raises:
            ChildDied: it died before it answered. ErrorReply: it answered with an error.
            FramingError: the request does not fit in a frame.
        """
        if not self.alive:
            raise ChildDied(f"{self._command.name} {self._reason}", guilty=False)
        number = next(self._numbers)
        data = encode_frame(Frame(FrameKind.REQUEST, number, header, payload), self._command.limits)
        loop = asyncio.get_running_loop()
        if not self._pending:
            self._active_at = loop.time()
        pending = _Pending(loop.create_future(), timeout_s)
        self._pending[number] = pending
        self._set_timer()
        stdin = _pipe(self._process.stdin)
        stdin.write(data)  # in one piece before anything is awaited: a cancelled caller leaves no half frame
        with contextlib.suppress(ConnectionError):  # `_read_frames` reports why
            await stdin.drain()
        return await pending.answer

    async def stop(self, grace_s: float) -> None:
        """Closes stdin, waits `grace_s` for the work in hand, then terminates, then kills."""
        self._reason = self._reason or _STOPPED
        try:
            _pipe(self._process.stdin).close()
            if not await self._wait_ended(grace_s):
                _log.warning("%s did not stop in %g s: terminating it", self._command.name, grace_s)
                self._signal(signal.SIGTERM)
                await self._wait_ended(_TERMINATE_S)
        finally:
            await self._kill()

    async def _handshake(self) -> None:
        command = self._command
        header = {"nice": command.nice, "memory_mb": command.memory_mb}
        _pipe(self._process.stdin).write(encode_frame(Frame(FrameKind.START, 0, header)))
        stdout = _pipe(self._process.stdout)
        try:
            async with asyncio.timeout(command.start_timeout_s):
                frame = await read_frame_async(stdout, command.limits)
        except TimeoutError as error:
            raise StartFailed(f"{command.name} was not ready in {command.start_timeout_s:g} s") from error
        except FramingError as error:
            raise StartFailed(f"{command.name} can't be understood: {error}") from error
        if frame is None:
            await self._kill(kill_at_once=False)
            raise StartFailed(f"{command.name} {self._exit_status()} before it was ready{self._stderr_tail()}")
        if frame.kind is not FrameKind.READY:
            raise StartFailed(str(frame.header.get("message")), kind=str(frame.header.get("kind")))
        self.hello = frame.header

    async def _read_frames(self) -> None:
        """Reads replies until the child ends, then fails every request that is left."""
        stdout = _pipe(self._process.stdout)
        try:
            while (frame := await read_frame_async(stdout, self._command.limits)) is not None:
                self._handle(frame)
        except FramingError as error:
            self._reason = self._reason or f"can't be understood: {error}"
        finally:
            ended_by = self._reason
            self._reason = ended_by or "closed its stdout"
            await self._kill(kill_at_once=ended_by not in (None, _STOPPED))
            self._fail_pending(ended_by)

    def _handle(self, frame: Frame) -> None:
        loop_time = asyncio.get_running_loop().time()
        self._active_at = loop_time
        pending = self._pending.get(frame.id)
        if pending is None:
            raise FramingError(f"an answer to request {frame.id}, which is not open")
        if frame.kind is FrameKind.BEGUN:
            self.any_begun = True
            pending.begun_at = loop_time
        elif frame.kind in (FrameKind.REPLY, FrameKind.ERROR):
            self.any_answered = True
            del self._pending[frame.id]
            _resolve(pending.answer, frame)
        else:
            raise FramingError(f"a frame of kind '{frame.kind}' out of turn")
        self._set_timer()

    def _set_timer(self) -> None:
        """A request's time limit runs while it is worked on; the oldest one's while none is."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if not self._pending:
            return
        due = [
            request.begun_at + request.timeout_s for request in self._pending.values() if request.begun_at is not None
        ]
        oldest = next(iter(self._pending.values()))
        self._timer = asyncio.get_running_loop().call_at(
            min(due, default=self._active_at + oldest.timeout_s), self._kill_hung
        )

    def _kill_hung(self) -> None:
        now = asyncio.get_running_loop().time()
        self._reason = self._reason or f"gave no answer in {now - self._active_at:.0f} s"
        self._signal(signal.SIGKILL)

    def _fail_pending(self, ended_by: str | None) -> None:
        """Every request without an answer fails; those that were begun are guilty."""
        self._reason = ended_by or self._exit_status()
        if self._pending or not ended_by:
            _log.warning("%s (process %d) %s%s", self._command.name, self.pid, self._reason, self._stderr_tail())
        reason = f"{self._command.name} {self._reason}"
        for pending in self._pending.values():
            if not pending.answer.done():
                guilty = pending.begun_at is not None and ended_by != _STOPPED
                pending.answer.set_exception(ChildDied(reason, guilty=guilty))
        self._pending.clear()
        self._set_timer()

    def _exit_status(self) -> str:
        code = self._process.returncode
        if code is not None and code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"exited with status {code}"

    def _stderr_tail(self) -> str:
        return f"; it said:\n  {lines}" if (lines := "\n  ".join(self._tail)) else ""

    async def _wait_ended(self, seconds: float) -> bool:
        waiting = [task for task in (self._reader, self._stderr) if task]
        _, late = await asyncio.wait(waiting, timeout=seconds)
        return not late

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    async def _kill(self, *, kill_at_once: bool = True) -> None:
        """Leaves no process and no open pipe, also where the call is cancelled."""
        _pipe(self._process.stdin).close()
        try:
            if not kill_at_once:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._process.wait(), _TERMINATE_S)
        finally:
            self._signal(signal.SIGKILL)
        await self._process.wait()
        await asyncio.wait([self._stderr], timeout=_TERMINATE_S)
        self._stderr.cancel()

    async def _log_stderr(self) -> None:
        """The child's stderr, line by line, into the log; cut, counted and without control characters.

        At DEBUG: libraries print much. When the child dies, its last lines are logged again, as a warning.
        """
        stderr = _pipe(self._process.stderr)
        logged, rest = 0, b""
        while data := await stderr.read(1 << 16):
            *lines, rest = (rest + data).split(b"\n")
            rest = rest[:_LINE_LENGTH]
            for line in lines:
                logged += self._log_line(line, logged)
        self._log_line(rest, logged)

    def _log_line(self, line: bytes, logged: int) -> bool:
        text = line[:_LINE_LENGTH].decode("utf-8", "replace")
        text = "".join(character if character.isprintable() else " " for character in text).rstrip()
        if not text:
            return False
        self._tail.append(text)
        if logged < _MAX_LINES:
            _log.debug("%s: %s", self._command.name, text)
        elif logged == _MAX_LINES:
            _log.warning("%s: more than %d lines; the rest is not logged", self._command.name, _MAX_LINES)
        return True


def _resolve(answer: asyncio.Future[Reply], frame: Frame) -> None:
    if answer.done():  # the caller was cancelled
        return
    if frame.kind is FrameKind.REPLY:
        answer.set_result(Reply(frame.header, frame.payload))
    else:
        answer.set_exception(ErrorReply(str(frame.header.get("kind")), str(frame.header.get("message"))))


def _pipe(pipe: _Pipe | None) -> _Pipe:
    """asyncio types each pipe as optional; all three were requested."""
    if pipe is None:
        raise ValueError("the child was started without its pipes")
    return pipe


def _reserve_standard_fds() -> None:
    """Without this, in a service started with stdin closed, the child's pipes could get the numbers 0 to 2."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
