"""MakerNotes whose pointers lead out of the Exif block: other programs have moved them, or cut the block short.

Nobody documents MakerNotes; most are a directory after a short header, with offsets that count from the TIFF header or
from the note itself (https://exiftool.org/makernote_types.html).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from indexer.captions.tiff import ENTRY_BYTES, MAKER_NOTE, TYPE_BYTES, TiffError, byte_order, walk

_HEADER_LENGTHS = (0, 6, 8, 10, 12, 14, 16, 18)
_MAX_ENTRIES = 400


def reads_beyond(block: bytes, length: int) -> bool:
    """Whether a MakerNote of `block` points at bytes past the block's end that would be there were it `length` long:
    what is appended would then be taken for values of the camera's."""
    try:
        notes = [entry for directory in walk(block) for entry in directory.entries if entry.tag == MAKER_NOTE]
        return any(_reaches(block, length, note.start, note.end, byte_order(block)) for note in notes)
    except TiffError:
        return False


def _reaches(block: bytes, length: int, start: int, end: int, order: str) -> bool:
    values, bases = _values(block, start, end, order)
    if not values:
        return False
    inside = {base: sum(base + offset + size <= len(block) for offset, size in values) for base in bases}
    base = max(bases, key=lambda candidate: inside[candidate])
    return any(len(block) < base + offset + size <= length for offset, size in values)


def _values(block: bytes, start: int, end: int, order: str) -> tuple[list[tuple[int, int]], tuple[int, ...]]:
    """(offset, size) of every value that is not inline, and what the offsets may count from, likeliest first."""
    inner = block.find(b"II*\0", start, min(start + 24, end)), block.find(b"MM\0*", start, min(start + 24, end))
    header = max(inner)
    if header >= 0:  # Nikon's and others' have a TIFF header of their own
        own_order = "<" if inner[0] >= 0 else ">"
        first = header + int.from_bytes(block[header + 4 : header + 8], "little" if own_order == "<" else "big")
        return list(_directory(block, first, end, own_order)), (header,)
    for at in (start + skipped for skipped in _HEADER_LENGTHS):
        for candidate in (order, "<" if order == ">" else ">"):
            found = list(_directory(block, at, end, candidate))
            if found:
                return found, (0, start, at)
    return [], (0,)


def _directory(block: bytes, at: int, end: int, order: str) -> Iterator[tuple[int, int]]:
    """The values of what may be a directory; none where any entry of it makes no sense."""
    if at + 2 > end:
        return
    (count,) = struct.unpack_from(order + "H", block, at)
    if not 0 < count <= _MAX_ENTRIES or at + 2 + count * ENTRY_BYTES > end:
        return
    entries = [struct.unpack_from(order + "HHII", block, at + 2 + i * ENTRY_BYTES) for i in range(count)]
    if all(kind in TYPE_BYTES for _, kind, _, _ in entries):
        yield from ((offset, n * TYPE_BYTES[kind]) for _, kind, n, offset in entries if n * TYPE_BYTES[kind] > 4)
