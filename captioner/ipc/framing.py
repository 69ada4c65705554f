"""Frames between a parent and its child process: a length-prefixed JSON header and a raw payload.

    4 bytes  MAGIC
    4 bytes  length of the header, big-endian
    4 bytes  length of the payload, big-endian
    header   JSON object, ASCII: {"kind": ..., "id": ..., "header": {...}}
    payload  raw bytes

The parent sends START and the child answers READY, or ERROR with the reason why it can't start. After that the child
answers every REQUEST with BEGUN when it starts on it, and with REPLY or ERROR when it is done; these carry the
request's id. BEGUN tells the parent which request the child was working on when it died.

Header strings may hold lone surrogates, so that any file name (`os.fsdecode`) can be sent.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from asyncio import StreamReader

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

#: No printable text begins so: printed text differs from a frame in its first byte.
MAGIC = b"\x8fRC1"
_LENGTHS = struct.Struct(">II")


class FramingError(Exception):
    """The bytes read are no frame, or a message does not fit in one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The longest header and payload that are read or sent, in bytes."""

    header_bytes: int = 1 << 20
    payload_bytes: int = 64 << 20

    def check(self, header_bytes: int, payload_bytes: int) -> None:
        """Raises `FramingError` where a length is over its limit."""
        if header_bytes > self.header_bytes:
            raise FramingError(f"a header of {header_bytes} bytes is over the limit of {self.header_bytes}")
        if payload_bytes > self.payload_bytes:
            raise FramingError(f"a payload of {payload_bytes} bytes is over the limit of {self.payload_bytes}")


LIMITS = Limits()


class FrameKind(StrEnum):
    """What a frame is for; the module's docstring gives the order."""

    START = "start"
    READY = "ready"
    REQUEST = "request"
    BEGUN = "begun"
    REPLY = "reply"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. `id` is the request's number; 0 before the first request."""

    kind: FrameKind
    id: int
    header: Mapping[str, Any] = field(default_factory=dict)
    payload: bytes = field(default=b"", repr=False)


class ByteSource(Protocol):
    """A blocking stream such as `open(..., "rb")`."""

    def read(self, size: int, /) -> bytes | None:
        """At most `size` bytes; none at the end."""


def encode_frame(frame: Frame, limits: Limits = LIMITS) -> bytes:
    """The frame as bytes. Raises `FramingError` where it is over a limit or its header is no JSON (NaN is none)."""
    head = {"kind": frame.kind, "id": frame.id, "header": dict(frame.header)}
    try:
        header = json.dumps(head, allow_nan=False, separators=(",", ":")).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise FramingError(f"a header must be plain JSON: {error}") from error
    limits.check(len(header), len(frame.payload))
    return b"".join((MAGIC, _LENGTHS.pack(len(header), len(frame.payload)), header, frame.payload))


def read_frame(stream: ByteSource, limits: Limits = LIMITS) -> Frame | None:
    """The next frame, or None where the stream ended after a whole one.

    Raises:
        WireError: the stream ended within a frame, or holds something that is no frame.
    """
    if not _frame_follows(_read(stream, len(MAGIC))):
        return None
    header_bytes, payload_bytes = _lengths(_read(stream, _LENGTHS.size), limits)
    return _parse_frame(
        _require_length(_read(stream, header_bytes), header_bytes), _read(stream, payload_bytes), payload_bytes
    )


async def read_frame_async(stream: StreamReader, limits: Limits = LIMITS) -> Frame | None:
    """As `read_frame`, from an asyncio stream. A cancelled call may have read a part: the stream is lost then."""
    if not _frame_follows(await _read_async(stream, len(MAGIC))):
        return None
    header_bytes, payload_bytes = _lengths(await _read_async(stream, _LENGTHS.size), limits)
    header = _require_length(await _read_async(stream, header_bytes), header_bytes)
    return _parse_frame(header, await _read_async(stream, payload_bytes), payload_bytes)


def _read(stream: ByteSource, size: int) -> bytes:
    """`size` bytes, fewer only at the end of the stream; a pipe may give less at a time."""
    parts: list[bytes] = []
    while size and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _read_async(stream: StreamReader, size: int) -> bytes:
    try:
        return await stream.readexactly(size)
    except EOFError as error:  # asyncio.IncompleteReadError, without importing asyncio in the child
        return bytes(getattr(error, "partial", b""))


def _frame_follows(magic: bytes) -> bool:
    """Whether a frame follows; False at the end. Anything else fails at its first bytes, without waiting for more."""
    if magic != MAGIC[: len(magic)]:
        raise FramingError(f"expected a frame, got {magic!r}")
    return bool(magic and _require_length(magic, len(MAGIC)))


def _lengths(data: bytes, limits: Limits) -> tuple[int, int]:
    header_bytes, payload_bytes = _LENGTHS.unpack(_require_length(data, _LENGTHS.size))
    limits.check(header_bytes, payload_bytes)
    return header_bytes, payload_bytes


def _require_length(data: bytes, size: int) -> bytes:
    if len(data) < size:
        raise FramingError(f"the stream ended within a frame: {len(data)} of {size} bytes")
    return data


def _parse_frame(header: bytes, payload: bytes, payload_bytes: int) -> Frame:
    _require_length(payload, payload_bytes)
    try:
        head = json.loads(header, parse_constant=_reject_constant)
    except (ValueError, RecursionError) as error:
        raise FramingError(f"a header is no JSON: {error}") from error
    match head:
        case {"kind": str(kind), "id": int(number), "header": dict(content)}:
            if kind in _FRAME_KINDS and type(number) is int and number >= 0:  # True is an int, too
                return Frame(FrameKind(kind), number, content, payload)
    raise FramingError(f"a header lacks kind, id or content: {header[:200]!r}")


_FRAME_KINDS = frozenset(FrameKind)


def _reject_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON number")
