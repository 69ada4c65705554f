"""The child's side of `captioner.ipc.supervisor`: answers requests until stdin closes.

Imports neither asyncio nor numpy: what is heavy is imported by the service that `serve` is given.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from captioner.ipc.framing import LIMITS, Frame, FrameKind, FramingError, Json, Limits, encode_frame, read_frame

#: Takes a request's header and payload and gives the reply's.
Handler = Callable[[Mapping[str, Any], bytes], tuple[Mapping[str, Json], bytes]]

_PR_SET_PDEATHSIG = 1  # prctl(2)
#: The kernel should take the child, not the service, where memory runs out: proc(5), -1000..1000.
_OOM_SCORE = "500"
_MESSAGE_LENGTH = 2000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Service:
    """What a child does. `hello` is sent to the parent once, when the child is ready."""

    handler: Handler
    hello: Mapping[str, Json] = field(default_factory=dict)


def serve(
    open_service: Callable[[], Service],
    *,
    about_request: tuple[type[Exception], ...] = (),
    describe: Callable[[Exception], str] | None = None,
    limits: Limits = LIMITS,
) -> None:
    """Answers the parent's requests one after the other; returns when stdin closes.

    Call it first in the child's `main`, and import what is heavy in `open_service`: it runs after fd 1 was redirected,
    so nothing that is printed reaches the parent as a frame. An exception that it raises is sent to the parent as the
    reason why the child can't start. An exception of `about_request` (or a subclass) becomes an error reply with the
    class's name as its kind and what `describe` makes of it (the beginning of its text, if None) as its message; any
    other ends the child, and the parent starts a new one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, sink = _take_pipes()
    with source, sink:
        start = read_frame(source, limits)
        if start is None:
            return
        _configure_process(start.header)
        try:
            service = open_service()
        except Exception as error:
            _send(sink, _error_frame(start.id, error, _beginning), limits)
            raise
        _limit_memory(start.header.get("memory_mb"))
        _send(sink, Frame(FrameKind.READY, start.id, service.hello), limits)
        while (request := read_frame(source, limits)) is not None:
            _handle_request(request, service.handler, sink, about_request, describe or _beginning, limits)


def _handle_request(
    request: Frame,
    handler: Handler,
    sink: BinaryIO,
    about_request: tuple[type[Exception], ...],
    describe: Callable[[Exception], str],
    limits: Limits,
) -> None:
    if request.kind is not FrameKind.REQUEST:
        raise FramingError(f"expected a request, got {request.kind}")
    _send(sink, Frame(FrameKind.BEGUN, request.id), limits)
    try:
        header, payload = handler(request.header, request.payload)
    except about_request as error:
        _send(sink, _error_frame(request.id, error, describe), limits)
    else:
        _send(sink, Frame(FrameKind.REPLY, request.id, header, payload), limits)


def _beginning(error: Exception) -> str:
    return str(error)[:_MESSAGE_LENGTH]


def _error_frame(number: int, error: Exception, describe: Callable[[Exception], str]) -> Frame:
    header = {"kind": type(error).__name__, "message": describe(error)}
    return Frame(FrameKind.ERROR, number, header)


def _send(sink: BinaryIO, frame: Frame, limits: Limits) -> None:
    sink.write(encode_frame(frame, limits))
    sink.flush()


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Moves the parent's pipes to other file numbers, so that what a library reads or prints can't touch them."""
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return os.fdopen(source, "rb"), os.fdopen(sink, "wb")


def _configure_process(start: Mapping[str, Any]) -> None:
    os.nice(max(0, int(start.get("nice", 0))))
    _die_with_parent()
    try:
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    except OSError as error:  # not on Linux, or forbidden in a container
        _log.debug("the child keeps its place among those that the kernel kills first: %s", error)


def _die_with_parent() -> None:
    """The kernel kills the child when the parent dies: a busy child would see the end of stdin too late.

    If the parent died before this call, the child finds the end of stdin at its first read.
    """
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit_memory(memory_mb: object) -> None:
    """Lets the address space grow by `memory_mb` MiB beyond what it is now (setrlimit(2), RLIMIT_AS)."""
    statm = Path("/proc/self/statm")
    if not isinstance(memory_mb, int) or not statm.exists():
        return
    import resource

    now_bytes = int(statm.read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = now_bytes + (memory_mb << 20)
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
