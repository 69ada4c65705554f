"""Reading the structure of a TIFF block (TIFF 6.0; EXIF 2.32, JEITA CP-3451) without interpreting its values.

A block is the payload of an Exif segment, or a whole TIFF file: nothing here copies it, and what is unpacked of it is
bounded, whatever its counts say.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice, repeat

from indexer.errors import CaptionRefused, NotUnderstood
from indexer.formats.charsets import decode_declared_utf16, decode_jis, decode_text, decode_utf16
from indexer.ownership.mark import FieldText
from indexer.reasons import ReasonCode

IMAGE_DESCRIPTION, XP_COMMENT, USER_COMMENT, MAKE = 0x010E, 0x9C9C, 0x9286, 0x010F
EXIF_IFD, GPS_IFD, INTEROP_IFD, SUB_IFDS = 0x8769, 0x8825, 0xA005, 0x014A
MAKER_NOTE = 0x927C
XMP, IPTC, PHOTOSHOP = 700, 33723, 34377  # in TIFF files (XMP specification part 3, 1.1.8; Adobe TIFF notes)
ENTRY_BYTES = 12

_HEADER_BYTES = 8
_MAX_DIRECTORIES = 4096  # pages, and what hangs below them
_MAX_ENTRIES = 1 << 17  # of all directories together
_MAX_OFFSETS = 1 << 20  # of strips and tiles, likewise
_MAX_TEXTS = 32
_MAX_TEXT_BYTES = 1 << 20
_MAX_MAKE_BYTES = 64
_MAX_VALUE_BYTES = 16 << 20  # of XMP, IPTC and image resources
_THUMBNAIL = 0x0201
#: Bytes per value of each field type: 1 BYTE .. 12 DOUBLE (TIFF 6.0), 13 IFD (TIFF Technical Note 1), 129 UTF-8
#: (EXIF 3.0, CIPA DC-008, 4.6.2).
TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
_NUMBERS = {3: "H", 4: "I", 13: "I"}
_POINTERS = frozenset({EXIF_IFD, GPS_IFD, INTEROP_IFD, SUB_IFDS})
# Tags that say where image data lies, each with the tag that says how much of it: strips, tiles, the thumbnail; and the
# tables of old-style JPEG (TIFF 6.0, 22), whose lengths no tag gives.
_DATA_TAGS = {0x0111: 0x0117, 0x0144: 0x0145, _THUMBNAIL: 0x0202, 0x0207: 0, 0x0208: 0, 0x0209: 0}
_NOT_BLANK = re.compile(rb"[^ \t\r\n\0]")


class TiffError(NotUnderstood):
    """A TIFF block of which a part is not understood."""

    def of_block(self) -> CaptionRefused:
        """The same, in words for whoever owns the photo."""
        return CaptionRefused(ReasonCode.CAMERA_DATA, detail=str(self))

    def of_file(self) -> CaptionRefused:
        """The same, said of a block that is a file of its own."""
        return NotUnderstood(str(self).replace("the Exif block", "the file"))


@dataclass(frozen=True, slots=True)
class RawEntry:
    """One entry of a directory, unchecked. `number` is its last four bytes: an offset where `size` is above 4."""

    at: int
    tag: int
    kind: int
    count: int
    number: int

    @property
    def size(self) -> int:
        """Bytes of the value; 0 where its type is unknown."""
        return self.count * TYPE_BYTES.get(self.kind, 0)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a directory. `start`..`end` is where its value lies in the block, inline values included."""

    tag: int
    kind: int
    count: int
    raw: bytes  # the 12 bytes
    start: int
    end: int

    @property
    def inline(self) -> bool:
        """Whether the value stands in the entry itself."""
        return self.end - self.start <= 4


@dataclass(frozen=True, slots=True)
class Directory:
    """An image file directory (IFD)."""

    offset: int
    entries: tuple[Entry, ...]
    next_offset: int


def read_header(block: bytes) -> tuple[str, int]:
    """The byte order, `<` or `>` as `struct` has it, and the offset of IFD0. Raises `TiffError` on anything but a
    classic TIFF header."""
    orders = {b"II*\0": "<", b"MM\0*": ">"}
    if len(block) < _HEADER_BYTES or block[:4] not in orders:
        raise TiffError("the Exif block does not begin with a TIFF header")
    order = orders[block[:4]]
    return order, struct.unpack_from(order + "I", block, 4)[0]


def raw_entries(
    block: bytes, order: str, offset: int, *, end: int | None = None, most: int = 0xFFFF, tail_bytes: int = 0
) -> Iterator[RawEntry]:
    """The entries of the directory at `offset`. Raises `TiffError` where they are more than `most`, or run past `end`
    (the block's, unless given). `tail_bytes` must follow the entries before that."""
    end = len(block) if end is None else end
    if offset + 2 > end:
        raise TiffError(f"a directory at byte {offset} lies outside the Exif block")
    (count,) = struct.unpack_from(order + "H", block, offset)
    start, stop = offset + 2, offset + 2 + count * ENTRY_BYTES
    if count > most or stop + tail_bytes > end:
        raise TiffError(f"the directory at byte {offset} runs past the end of the Exif block")
    entry = struct.Struct(order + "HHII")
    return (RawEntry(at, *entry.unpack_from(block, at)) for at in range(start, stop, ENTRY_BYTES))


def read_directory(block: bytes, order: str, offset: int, *, is_sub: bool = False) -> Directory:
    """The directory at `offset`. Raises `TiffError` where it, or a value of it, lies outside the block.

    A directory that is not in the main chain may end the block without its last four bytes (many cameras' do).
    """
    if offset < _HEADER_BYTES:
        raise TiffError(f"a directory at byte {offset} lies outside the Exif block")
    raw = raw_entries(block, order, offset, tail_bytes=0 if is_sub else 4)
    entries = tuple(_locate(block, entry) for entry in raw)
    return Directory(offset, entries, 0 if is_sub else next_directory(block, order, offset)[0])


def _locate(block: bytes, entry: RawEntry) -> Entry:
    if entry.kind not in TYPE_BYTES:
        raise TiffError(f"tag {entry.tag:#06x} of the Exif block has the unknown type {entry.kind}")
    start = entry.at + 8 if entry.size <= 4 else entry.number
    if start < _HEADER_BYTES or start + entry.size > len(block):
        raise TiffError(f"the value of tag {entry.tag:#06x} lies outside the Exif block")
    raw = block[entry.at : entry.at + ENTRY_BYTES]
    return Entry(entry.tag, entry.kind, entry.count, raw, start, start + entry.size)


def integers(block: bytes, order: str, entry: Entry) -> tuple[int, ...]:
    """The value of an entry of type SHORT, LONG or IFD. Raises `TiffError` on any other type, and on very many."""
    if entry.count > _MAX_DIRECTORIES:
        raise TiffError(f"tag {entry.tag:#06x} of the Exif block holds {entry.count} numbers")
    return tuple(numbers(block, order, entry))


def numbers(block: bytes, order: str, entry: Entry) -> Iterator[int]:
    """The same, one by one, of however many there are."""
    letter = _NUMBERS.get(entry.kind)
    if letter is None:
        raise TiffError(f"tag {entry.tag:#06x} of the Exif block should be a number, but has type {entry.kind}")
    found = struct.iter_unpack(order + letter, memoryview(block)[entry.start : entry.end])
    return (number for (number,) in found)


def read_ifd0(block: bytes) -> tuple[str, Directory]:
    """The byte order, and the first directory of the main chain. Raises `TiffError` as `read_directory` does."""
    order, ifd0 = read_header(block)
    return order, read_directory(block, order, ifd0)


def walk(block: bytes) -> Iterator[Directory]:
    """Every directory: IFD0, those chained to it, and Exif, GPS, Interop and SubIFDs below them.

    Raises `TiffError` on a loop, an unknown type, or anything that lies outside the block.
    """
    order, ifd0 = read_header(block)
    pending = [(ifd0, False)]
    seen: set[int] = set()
    entries = 0
    while pending:
        offset, is_sub = pending.pop()
        if offset in seen:
            raise TiffError(f"the directories of the Exif block lead in a circle, to byte {offset}")
        seen.add(offset)
        directory = read_directory(block, order, offset, is_sub=is_sub)
        entries += len(directory.entries)
        if len(seen) + len(pending) > _MAX_DIRECTORIES or entries > _MAX_ENTRIES:
            raise TiffError("the directories of the Exif block are too many to be checked")
        yield directory
        if directory.next_offset:
            pending.append((directory.next_offset, False))
        for entry in directory.entries:
            if entry.tag in _POINTERS:
                pending += [(pointer, True) for pointer in integers(block, order, entry)]


def maker_notes(block: bytes) -> list[Entry]:
    """Every MakerNote. Raises `TiffError` as `walk` does."""
    return [entry for directory in walk(block) for entry in directory.entries if entry.tag == MAKER_NOTE]


def check_block(block: bytes) -> None:
    """Raises `TiffError` where not every offset of the block is understood and inside it."""
    order, _ = read_header(block)
    offsets = 0
    for number, directory in enumerate(walk(block)):
        entries = {entry.tag: entry for entry in directory.entries}
        if number == 0 and len(entries) != len(directory.entries):
            raise TiffError("IFD0 of the Exif block has the same tag twice")
        for offsets_tag, sizes_tag in _DATA_TAGS.items():
            if offsets_tag in entries:
                offsets += entries[offsets_tag].count
                if offsets > _MAX_OFFSETS:
                    raise TiffError("the image data of the Exif block is in too many pieces to be checked")
                _check_data(block, order, entries[offsets_tag], entries.get(sizes_tag))


def _check_data(block: bytes, order: str, offsets: Entry, sizes: Entry | None) -> None:
    starts = numbers(block, order, offsets)
    lengths = numbers(block, order, sizes) if sizes else repeat(0)
    for start, length in zip(starts, lengths, strict=False):
        if start + length > len(block) or (length and start < _HEADER_BYTES):
            what = "a thumbnail" if offsets.tag == _THUMBNAIL else "image data"
            raise TiffError(f"{what} lies outside the Exif block")


def spans(block: bytes) -> Iterator[tuple[int, int]]:
    """Where every value that is not in its entry lies, and every piece of image data whose length is told. Raises
    `TiffError` as `walk` does."""
    order, _ = read_header(block)
    for directory in walk(block):
        entries = {entry.tag: entry for entry in directory.entries}
        yield from ((entry.start, entry.end) for entry in directory.entries if not entry.inline)
        for offsets_tag, sizes_tag in _DATA_TAGS.items():
            if offsets_tag in entries and sizes_tag in entries:
                pairs = zip(
                    numbers(block, order, entries[offsets_tag]), numbers(block, order, entries[sizes_tag]), strict=False
                )
                yield from ((start, start + size) for start, size in islice(pairs, _MAX_OFFSETS))


def pictures_outside(block: bytes) -> list[tuple[int, int]]:
    """Where image data begins and ends, counted from the block, that its directories point at and that does not lie in
    it whole: thumbnails, strips and tiles. Programs look for it in the file, behind the block. As many as can be read
    of a damaged block."""
    try:
        order, ifd0 = read_header(block)
    except TiffError:
        return []
    found: list[tuple[int, int]] = []
    for entries in readable_directories(block, order, ifd0):
        for offsets_tag, sizes_tag in _DATA_TAGS.items():
            if offsets_tag in entries and sizes_tag in entries:
                found += _spans_outside(block, order, entries[offsets_tag], entries[sizes_tag])
    return found


def readable_directories(block: bytes, order: str, ifd0: int) -> Iterator[dict[int, Entry]]:
    """The entries that can be read of every directory that `walk` would find, by their tags; never raises."""
    pending, seen = [ifd0], set[int]()
    while pending and len(seen) < _MAX_DIRECTORIES:
        offset = pending.pop()
        if offset in seen:
            continue
        seen.add(offset)
        entries = {entry.tag: entry for entry in readable_entries(block, order, offset)}
        yield entries
        for entry in entries.values():
            if entry.tag in _POINTERS and entry.kind in _NUMBERS:
                pending += islice(numbers(block, order, entry), _MAX_DIRECTORIES)
        pending += next_directory(block, order, offset)


def _spans_outside(block: bytes, order: str, offsets: Entry, sizes: Entry) -> list[tuple[int, int]]:
    if offsets.kind not in _NUMBERS or sizes.kind not in _NUMBERS:
        return []
    pairs = islice(zip(numbers(block, order, offsets), numbers(block, order, sizes), strict=False), _MAX_OFFSETS)
    return [(start, start + size) for start, size in pairs if size and start + size > len(block)]


def next_directory(block: bytes, order: str, offset: int) -> tuple[int, ...]:
    """Where the directory behind this one is, as its last four bytes say; none where they are not there."""
    if not _HEADER_BYTES <= offset <= len(block) - 2:
        return ()
    end = offset + 2 + struct.unpack_from(order + "H", block, offset)[0] * ENTRY_BYTES
    return struct.unpack_from(order + "I", block, end) if end + 4 <= len(block) else ()


def entry_text(block: bytes, order: str, entry: Entry) -> str:
    """The text of ImageDescription, XPComment or UserComment, without its padding."""
    start = entry.start
    if entry.end - start > _MAX_TEXT_BYTES and entry.tag != USER_COMMENT:  # the first words are enough
        first = _NOT_BLANK.search(block, start, entry.end)
        start += (first.start() - start) & ~1 if first else 0  # an even step: two bytes are a character of UTF-16
    raw = block[start : min(entry.end, start + _MAX_TEXT_BYTES)]
    if entry.tag == XP_COMMENT:
        return decode_utf16(raw, big_endian=False)
    if entry.tag == USER_COMMENT:
        return _user_comment(raw, order)
    return decode_text(raw, big_endian=order == ">")


def _user_comment(raw: bytes, order: str) -> str:
    """EXIF 2.32, 4.6.5: eight bytes name the character code. Some programs write the name in small letters, some
    backwards, and some none."""
    code, text = raw[:8], raw[8:]
    name = code.strip(b"\0 ").upper()
    if name in (b"UNICODE", b"EDOCINU"):
        return decode_declared_utf16(text, big_endian=order == ">")
    if name in (b"JIS", b"SIJ"):
        return decode_jis(text)
    if name in (b"ASCII", b"IICSA", b"UTF-8", b"UTF8", b""):
        return decode_text(text, big_endian=order == ">")
    return decode_text(raw, big_endian=order == ">")


def texts(block: bytes) -> list[FieldText]:
    """The captions that IFD0 and the Exif IFD hold; as many as can be read of a damaged block."""
    found: list[tuple[str, str]] = []
    make = ""
    names = {IMAGE_DESCRIPTION: "ImageDescription", XP_COMMENT: "XPComment", USER_COMMENT: "UserComment"}
    with suppress(TiffError):
        order, ifd0 = read_header(block)
        pending = [ifd0]
        for offset in pending:
            for entry in readable_entries(block, order, offset):
                if entry.tag == MAKE and not make:
                    make = decode_text(block[entry.start : min(entry.end, entry.start + _MAX_MAKE_BYTES)])
                if entry.tag in names and len(found) < _MAX_TEXTS:
                    found.append((names[entry.tag], entry_text(block, order, entry)))
                if entry.tag == EXIF_IFD and len(pending) == 1:  # the first one only
                    pending += integers(block, order, entry)[:1]
    return [FieldText(field, text, make) for field, text in found]


def values(block: bytes, tag: int) -> list[bytes]:
    """The bytes of every entry of IFD0 with this tag, whatever its type; none of what can't be read.

    Raises `TiffError` where that is more than can be looked through.
    """
    try:
        order, ifd0 = read_header(block)
    except TiffError:
        return []
    found = [entry for entry in readable_entries(block, order, ifd0) if entry.tag == tag]
    size = sum(entry.end - entry.start for entry in found)
    if len(found) > _MAX_TEXTS or size > _MAX_VALUE_BYTES:
        raise TiffError(f"tag {tag:#06x} of the Exif block holds {size} bytes, too many to be looked through")
    return [block[entry.start : entry.end] for entry in found]


def readable_entries(block: bytes, order: str, offset: int) -> Iterator[Entry]:
    """The entries of a directory that can be read, whatever its others are like."""
    if not _HEADER_BYTES <= offset <= len(block) - 2:
        return
    (count,) = struct.unpack_from(order + "H", block, offset)
    for at in range(offset + 2, min(offset + 2 + count * ENTRY_BYTES, len(block) - ENTRY_BYTES + 1), ENTRY_BYTES):
        with suppress(TiffError):
            yield _locate(block, RawEntry(at, *struct.unpack_from(order + "HHII", block, at)))
