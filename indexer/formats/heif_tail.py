"""What we append to a HEIF file: one `mdat` box with an item's new bytes, and a footer that says how to go back.

In what was there before only two numbers of `iloc` change: where the item lies, and how long it is. So nothing in the
file moves, and the file as it was comes out of the new one by cutting it and putting the two numbers back.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from indexer.formats.heif import MDAT, Box, HeifError, Location, Number, boxes
from indexer.ownership.mark import Mark

_MAGIC = b"RECOLLHF"
_BOX_HEADER = struct.Struct(">I4s")
# Length of the mark, length of the file before, crc32 of the box's body up to here. Then the two patches, the crc32 of
# all these numbers, and the magic, which ends the box.
_NUMBERS = struct.Struct(">IQI")
_PATCH = struct.Struct(">QBQQ")
_FOOTER_BYTES = _NUMBERS.size + 2 * _PATCH.size + 4 + len(_MAGIC)
_MAX_MARK_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Patch:
    """A number of `iloc`: where it stands, its width in bytes, what it was and what we made of it."""

    at: int
    width: int
    before: int
    after: int

    def after_bytes(self) -> tuple[int, bytes]:
        """Where the number stands, and what we made of it."""
        return self.at, self.after.to_bytes(self.width, "big")

    def before_bytes(self) -> tuple[int, bytes]:
        """Where the number stands, and what it was."""
        return self.at, self.before.to_bytes(self.width, "big")

    def stands_in(self, data: bytes) -> bool:
        """Whether the number is what we made of it."""
        return int.from_bytes(data[self.at : self.at + self.width], "big") == self.after


@dataclass(frozen=True, slots=True)
class Tail:
    """A footer of ours, the mark before it (both in `start`..`end`), and what they say."""

    start: int
    end: int
    mark: Mark
    old_bytes: int
    body_crc: int
    position: Patch
    length: Patch


def append_item(data: bytes, location: Location, new: bytes, mark: Mark) -> bytes:
    """The file with an item's `new` bytes behind its end; `location` has one extent.

    Our magic stands before the item, too, so that it is not the first in its box: exiftool 12.57, when it edits an
    item that is, forgets the base offset. Raises `HeifError` where a number of `iloc` is too narrow.
    """
    start = len(data) + _BOX_HEADER.size + len(_MAGIC)
    ((old_start, _),) = location.spans()
    moved, length = _position(location), location.extents[0].length
    position = Patch(moved.at, moved.width, moved.value, moved.value + start - old_start)
    size = Patch(length.at, length.width, length.value, len(new))
    if not moved.holds(position.after) or not length.holds(size.after):
        raise HeifError("the numbers of the file's iloc box are too narrow for what would have to be written")
    mark_bytes = mark.to_json()
    body = _MAGIC + new + mark_bytes
    numbers = _NUMBERS.pack(len(mark_bytes), len(data), zlib.crc32(body)) + _pack(position) + _pack(size)
    body += numbers + zlib.crc32(numbers).to_bytes(4, "big") + _MAGIC
    header = _BOX_HEADER.pack(_BOX_HEADER.size + len(body), MDAT)
    return b"".join([*_patch(data, len(data), position.after_bytes(), size.after_bytes()), header, body])


def _patch(data: bytes, end: int, *numbers: tuple[int, bytes]) -> list[bytes | memoryview]:
    """The pieces of the file up to `end`, with other bytes at some places: a large file is not copied."""
    pieces: list[bytes | memoryview] = []
    view, at = memoryview(data), 0
    for place, new in sorted(numbers):
        pieces += [view[at:place], new]
        at = place + len(new)
    return [*pieces, view[at:end]]


def _position(location: Location) -> Number:
    """The number to change so that the item lies elsewhere: the greater of base offset and extent's offset, as
    exiftool does, since either may be 0 by a writer's habit and 0 bytes wide."""
    offset = location.extents[0].offset
    return location.base if location.base.value > offset.value else offset


def _pack(patch: Patch) -> bytes:
    return _PATCH.pack(patch.at, patch.width, patch.before, patch.after)


def find_tail(data: bytes, end: int | None = None) -> Tail | None:
    """The footer of ours that ends at `end` (the file's end, unless told), or None where there is none. Never raises.

    Only the footer itself is sure to be whole; see `restore`.
    """
    end = len(data) if end is None else end
    start = end - _FOOTER_BYTES
    if start < 0 or not data.endswith(_MAGIC, start, end):
        return None
    numbers = data[start : end - 4 - len(_MAGIC)]
    mark_bytes, old_bytes, body_crc = _NUMBERS.unpack_from(numbers)
    if not data.startswith(zlib.crc32(numbers).to_bytes(4, "big"), end - 4 - len(_MAGIC)) or mark_bytes > start:
        return None
    mark = Mark.from_json(data[start - mark_bytes : start]) if mark_bytes <= _MAX_MARK_BYTES else None
    position, length = (Patch(*_PATCH.unpack_from(numbers, _NUMBERS.size + i * _PATCH.size)) for i in (0, 1))
    return None if mark is None else Tail(start - mark_bytes, end, mark, old_bytes, body_crc, position, length)


def tails(data: bytes, inside: Iterable[Box]) -> list[Tail]:
    """Every footer of ours at the end of an `mdat`: other programs keep them there when they move boxes about."""
    found = [find_tail(data, box.end) for box in inside if box.kind == MDAT]
    return [tail for tail in found if tail is not None]


def marks(data: bytes) -> list[Mark]:
    """The marks in every footer of ours in a file. Never raises: of what is damaged there are none."""
    try:
        return [tail.mark for tail in tails(data, boxes(data, 0, len(data)))]
    except HeifError:
        return []


def restore(data: bytes) -> bytes | None:
    """The file without our box, the two numbers as they were; None where our box is not the file's last, or it or the
    two numbers are not as we left them.

    Byte for byte the file as it was, unless another program has changed a byte elsewhere since. Never raises.
    """
    pieces = original_pieces(data)
    return None if pieces is None else b"".join(pieces)


def original_pieces(data: bytes) -> list[bytes | memoryview] | None:
    """What `restore` puts together, without a copy of it."""
    tail = find_tail(data)
    if tail is None or not _is_intact(data, tail):
        return None
    return _patch(data, tail.old_bytes, tail.position.before_bytes(), tail.length.before_bytes())


def _is_intact(data: bytes, tail: Tail) -> bool:
    header = (len(data) - tail.old_bytes).to_bytes(8, "big", signed=True)[4:] + MDAT
    if tail.old_bytes >= tail.start or not data.startswith(header, tail.old_bytes):
        return False
    for patch in (tail.position, tail.length):
        inside = patch.at + patch.width <= tail.old_bytes and patch.width <= 8
        if not inside or patch.before >> 8 * patch.width or not patch.stands_in(data):
            return False
    body = memoryview(data)[tail.old_bytes + _BOX_HEADER.size : tail.end - _FOOTER_BYTES]
    return zlib.crc32(body) == tail.body_crc


def erase(data: bytearray, tail: Tail) -> None:
    """Overwrites a footer of ours, and the mark before it, by zeros: no byte moves."""
    data[tail.start : tail.end] = bytes(tail.end - tail.start)
