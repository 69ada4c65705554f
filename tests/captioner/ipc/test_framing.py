"""Frames: what goes in comes out, and nothing else is taken for a frame."""

from __future__ import annotations

import asyncio
import io
import json
import os
import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from captioner.ipc.framing import (
    MAGIC,
    Frame,
    FrameKind,
    FramingError,
    Limits,
    encode_frame,
    read_frame,
    read_frame_async,
)

#: On a busy machine the clock says nothing about the code.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
_names = st.binary(max_size=40).map(os.fsdecode)  # file names are bytes; surrogateescape makes them text
_text = st.text() | _names
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=12,
)
frames = st.builds(
    Frame,
    kind=st.sampled_from(FrameKind),
    id=st.integers(min_value=0, max_value=2**63),
    header=st.dictionaries(_text, _values, max_size=5),
    payload=st.binary(max_size=300),
)


class Trickle(io.RawIOBase):
    """Gives one byte at a time, as a pipe may."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, 1))


async def read_all_async(data: bytes, limits: Limits | None = None) -> list[Frame]:
    stream = asyncio.StreamReader()
    stream.feed_data(data)
    stream.feed_eof()
    found = []
    while (frame := await read_frame_async(stream, limits or Limits())) is not None:
        found.append(frame)
    return found


def read_all(data: bytes, limits: Limits | None = None) -> list[Frame]:
    stream = io.BytesIO(data)
    found = []
    while (frame := read_frame(stream, limits or Limits())) is not None:
        found.append(frame)
    return found


def outcome(data: bytes) -> list[Frame] | str:
    """What both codecs make of the data; they must agree."""
    try:
        found: list[Frame] | str = read_all(data)
    except FramingError as error:
        found = str(error)
    try:
        found_async: list[Frame] | str = asyncio.run(read_all_async(data))
    except FramingError as error:
        found_async = str(error)
    assert found == found_async
    return found


@pytest.mark.slow
@unhurried
@given(st.lists(frames, max_size=4))
def test_what_is_sent_arrives(sent: list[Frame]) -> None:
    data = b"".join(encode_frame(frame) for frame in sent)
    assert outcome(data) == sent
    stream = Trickle(data)
    assert [read_frame(stream) for _ in sent] == sent
    assert read_frame(stream) is None


@pytest.mark.slow
@unhurried
@given(frames, st.data())
def test_an_end_within_a_frame_is_an_error(frame: Frame, data: st.DataObject) -> None:
    whole = encode_frame(frame)
    cut = data.draw(st.integers(min_value=1, max_value=len(whole) - 1))
    assert "ended within a frame" in outcome(whole[:cut])
    assert "ended within a frame" in outcome(whole + whole[:cut])


@unhurried
@given(st.binary(min_size=1, max_size=200))
@example(b"Hello, I am a stray print\n")
@example(MAGIC + b"\xff" * 8)
@example(MAGIC + b"\0" * 8)
def test_garbage_is_an_error_and_nothing_worse(data: bytes) -> None:
    assert isinstance(outcome(data), str)


@pytest.mark.slow
@unhurried
@given(frames, st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_flipped_byte_is_a_frame_or_an_error(frame: Frame, place: int, flip: int) -> None:
    data = bytearray(encode_frame(frame))
    data[place % len(data)] ^= flip
    outcome(bytes(data))


@pytest.mark.parametrize("lengths", [(2**20 + 1, 0), (2**32 - 1, 0), (2, 2**26 + 1), (2, 2**32 - 1)])
async def test_lengths_are_checked_before_anything_is_read(lengths: tuple[int, int]) -> None:
    prefix = struct.pack(">4sII", MAGIC, *lengths)
    stream = io.BytesIO(prefix + b"rest")
    with pytest.raises(FramingError, match="over the limit"):
        read_frame(stream)
    assert stream.read() == b"rest"
    endless = asyncio.StreamReader()  # no end is fed: a codec that waited for more would hang
    endless.feed_data(prefix)
    with pytest.raises(FramingError, match="over the limit"):
        await read_frame_async(endless)


async def test_garbage_is_told_by_its_first_bytes() -> None:
    endless = asyncio.StreamReader()
    endless.feed_data(b"Oops")
    with pytest.raises(FramingError, match="expected a frame, got b'Oops'"):
        await read_frame_async(endless)


def test_a_frame_over_a_limit_is_not_sent() -> None:
    limits = Limits(header_bytes=100, payload_bytes=10)
    assert encode_frame(Frame(FrameKind.REPLY, 1, {}, b"x" * 10), limits)
    with pytest.raises(FramingError, match="payload of 11 bytes is over the limit of 10"):
        encode_frame(Frame(FrameKind.REPLY, 1, {}, b"x" * 11), limits)
    with pytest.raises(FramingError, match=r"header of .* is over the limit of 100"):
        encode_frame(Frame(FrameKind.REPLY, 1, {"text": "x" * 100}), limits)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"bytes", object(), {1, 2}])
def test_a_header_that_is_no_json_is_not_sent(value: Any) -> None:
    with pytest.raises(FramingError, match="plain JSON"):
        encode_frame(Frame(FrameKind.REPLY, 1, {"value": value}))


def test_a_header_that_holds_itself_is_not_sent() -> None:
    header: dict[str, Any] = {}
    header["self"] = header
    with pytest.raises(FramingError, match="plain JSON"):
        encode_frame(Frame(FrameKind.REPLY, 1, header))


@pytest.mark.parametrize(
    "header",
    [
        b"", b"null", b"[]", b"{}", b"\xff", b"{", b"[" * 200_000, b'{"kind":"reply","id":-1,"header":{}}',
        b'{"kind":"unheard-of","id":1,"header":{}}', b'{"kind":"reply","id":"1","header":{}}',
        b'{"kind":"reply","id":1,"header":[]}', b'{"kind":"reply","id":1}', b'{"kind":"reply","id":1.5,"header":{}}',
        b'{"kind":"reply","id":true,"header":{}}', b'{"kind":"reply","id":1,"header":{"x":NaN}}',
        b'{"kind":"reply","id":' + b"9" * 5000 + b',"header":{}}',
    ],
    ids=lambda header: header[:40].decode("latin-1"),
)  # fmt: skip
def test_a_header_of_another_shape_is_an_error(header: bytes) -> None:
    assert isinstance(outcome(struct.pack(">4sII", MAGIC, len(header), 0) + header), str)


@unhurried
@given(_names)
def test_any_file_name_survives(name: str) -> None:
    assume(name)
    frame = read_frame(io.BytesIO(encode_frame(Frame(FrameKind.REQUEST, 1, {"path": name}))))
    assert frame is not None
    assert os.fsencode(frame.header["path"]) == os.fsencode(name)


def test_a_header_is_plain_ascii() -> None:
    data = encode_frame(Frame(FrameKind.REPLY, 1, {"caption": "Ein Hund läuft 🐕"}))
    assert json.loads(data[12:].decode("ascii"))["header"] == {"caption": "Ein Hund läuft 🐕"}
