"""MakerNotes whose pointers lead out of the Exif block: other programs have moved them, or cut the block short.

Nobody documents MakerNotes; most are a directory after a short header, with offsets that count from the TIFF header or
from the note itself (https://exiftool.org/makernote_types.html).
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, pairwise

from indexer.formats.tiff import TYPE_BYTES, RawEntry, TiffError, maker_notes, raw_entries, read_header

_HEADER_LENGTHS = (0, 6, 8, 10, 12, 14, 16, 18)
_MAX_HEADER_BYTES = 24
_MAX_ENTRIES = 400
_MIN_DATA_BYTES = 64  # no picture is smaller
_LONGS, _UNDEFINED = frozenset({4, 13}), 7
# Tags that say where a preview begins and how long it is: in an IFD of its own (Nikon), Minolta's and Olympus's,
# Olympus's camera settings.
_PREVIEWS = ((0x0201, 0x0202), (0x0088, 0x0089), (0x0101, 0x0102))


def reads_beyond(block: bytes, length: int) -> bool:
    """Whether a MakerNote of `block` points at bytes past the block's end that would be there were it `length` long:
    what is appended would then be taken for values of the camera's."""
    return any(len(block) < end <= length for note in _notes(block) for _, end in note.values())


def shows_outside(block: bytes, length: int) -> bool:
    """Whether a preview picture that a MakerNote of `block` points at lies past the block's end, be it in part, where
    the file has `length` bytes from the block's start on: nothing before it may then become longer."""
    previews = (preview for note in _notes(block) for preview in note.previews())
    return any(len(block) < end and start < length for start, end in previews)


def may_point_at(block: bytes, beginnings: Collection[int], start: int, end: int, *, file_start: int) -> bool:
    """Whether a MakerNote of `block` may tell where data lies between the bytes `start` and `end` of the file; all
    positions are the file's, in which the block stands at `file_start`. True where the block is not understood.

    Whoever finds data by a pointer knows either how it begins, or how long it is. So a note does not point there in
    which no number is one of `beginnings` (of the pictures there, and of the whole), and no two numbers that stand in
    one directory, or beside each other where numbers may stand, could be a position and a length there. Positions may
    be counted from the file, from the block, or from the note or its header, in either byte order.
    """
    try:
        (order, _), entries = read_header(block), maker_notes(block)
    except TiffError:
        return True
    for entry in entries:
        headers = (file_start + entry.start + skipped for skipped in range(0, _MAX_HEADER_BYTES + 1, 2))
        bases = (0, file_start, *headers)
        raw = block[entry.start : entry.end]
        numbers = set(chain.from_iterable(_words(raw)))
        if any(beginning - base in numbers for beginning in beginnings for base in bases):
            return True
        note = _note(block, entry.start, entry.end, order)
        pairs = _adjacent(raw) if note is None else note.pairs()
        if any(_may_lie_between(pair, bases, start, end) for pair in pairs):
            return True
    return False


def _may_lie_between(pair: tuple[int, int], bases: Sequence[int], start: int, end: int) -> bool:
    """Whether one number is a position from `start` on, and the other the length of what ends before `end`."""
    for position, length in (pair, pair[::-1]):
        may_be = length >= _MIN_DATA_BYTES and start <= position + max(bases) and position + length <= end
        if may_be and any(start <= base + position and base + position + length <= end for base in bases):
            return True
    return False


def _words(note: bytes) -> Iterator[array[int]]:
    """Every four bytes that begin at an even byte, one after the other, in either byte order."""
    for skipped in (0, 2):
        for swapped in (False, True):
            words = array("I", note[skipped : skipped + max(len(note) - skipped, 0) // 4 * 4])
            if swapped:
                words.byteswap()
            yield words


def _adjacent(data: bytes) -> Iterator[tuple[int, int]]:
    """Every two numbers that stand beside each other."""
    for words in _words(data):
        yield from pairwise(words)


@dataclass(frozen=True, slots=True)
class _Note:
    """The directories of one MakerNote, and where in the block their offsets count from."""

    block: bytes
    order: str
    base: int
    directories: tuple[list[RawEntry], ...]

    def values(self) -> Iterator[tuple[int, int]]:
        """Where every value that is not inline begins and ends."""
        for value in chain.from_iterable(self.directories):
            if value.size > 4:
                yield self.base + value.number, self.base + value.number + value.size

    def previews(self) -> Iterator[tuple[int, int]]:
        """Where the pictures begin and end that a directory tells position and length of."""
        for directory in self.directories:
            numbers = {value.tag: value.number for value in directory if _is_number(value)}
            for start, length in _PREVIEWS:
                if numbers.get(start) and numbers.get(length):
                    yield self.base + numbers[start], self.base + numbers[start] + numbers[length]

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Every two numbers of one directory, and every two beside each other in values that may hold numbers."""
        for directory in self.directories:
            yield from combinations([value.number for value in directory if _is_number(value)], 2)
        for value in chain.from_iterable(self.directories):
            if value.size > 4 and (value.kind in _LONGS or value.kind == _UNDEFINED):
                start = max(self.base + value.number, 0)
                yield from _adjacent(self.block[start : start + value.size])


def _notes(block: bytes) -> list[_Note]:
    try:
        (order, _), entries = read_header(block), maker_notes(block)
    except TiffError:
        return []
    found = (_note(block, entry.start, entry.end, order) for entry in entries)
    return [note for note in found if note is not None]


def _note(block: bytes, start: int, end: int, order: str) -> _Note | None:
    near = min(start + _MAX_HEADER_BYTES, end)
    inner = block.find(b"II*\0", start, near), block.find(b"MM\0*", start, near)
    header = max(inner)
    if header >= 0:  # Nikon's and others' have a TIFF header of their own
        own_order = "<" if inner[0] >= 0 else ">"
        first = header + int.from_bytes(block[header + 4 : header + 8], "little" if own_order == "<" else "big")
        return _with_subs(block, own_order, header, plausible_entries(block, first, end, own_order))
    for at in (start + skipped for skipped in _HEADER_LENGTHS):
        for candidate in (order, "<" if order == ">" else ">"):
            found = plausible_entries(block, at, end, candidate)
            if found:
                return max((_with_subs(block, candidate, base, found) for base in (0, start, at)), key=_likelihood)
    return None


def _likelihood(note: _Note) -> tuple[int, int]:
    """Of where the offsets may count from: how many values lie in the block then, and how many directories."""
    far = (value for value in note.directories[0] if value.size > 4)
    inside = sum(note.base + value.number + value.size <= len(note.block) for value in far)
    return inside, len(note.directories)


def _with_subs(block: bytes, order: str, base: int, found: list[RawEntry]) -> _Note:
    """The directory and those one step below it, such as Nikon's of the preview, or Olympus's camera settings."""
    pointers = (base + value.number for value in found if _may_be_directory(value))
    subs = (plausible_entries(block, pointer, len(block), order) for pointer in pointers)
    return _Note(block, order, base, (found, *(sub for sub in subs if sub)))


def _may_be_directory(value: RawEntry) -> bool:
    """Whether its number may be a directory's offset."""
    return value.number > 0 and (_is_number(value) or (value.kind == _UNDEFINED and value.size > 4))


def _is_number(value: RawEntry) -> bool:
    """Whether its number is the value itself, of type LONG or IFD."""
    return value.kind in _LONGS and value.size == 4


def plausible_entries(block: bytes, at: int, end: int, order: str) -> list[RawEntry]:
    """The entries of what may be a directory of a MakerNote; none where it runs past `end`, or any of them makes no
    sense."""
    try:
        entries = list(raw_entries(block, order, at, end=end, most=_MAX_ENTRIES))
    except TiffError:
        return []
    return entries if all(entry.kind in TYPE_BYTES for entry in entries) else []
