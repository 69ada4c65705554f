"""What may follow a JPEG's EOI, and whether the bytes before it may grow."""

from __future__ import annotations

import re
import struct
from collections.abc import Collection

from indexer.errors import CaptionRefused
from indexer.formats.maker_note import may_point_at, shows_outside
from indexer.formats.tiff import ENTRY_BYTES, MAKER_NOTE, TiffError, maker_notes, read_directory, read_header, walk
from indexer.reasons import ReasonCode

_MAX_TARGETS = 256
_SECTOR_BYTES = 512  # of memory cards and disks, of which every cluster is a multiple
_MAX_BEFORE_PICTURE_BYTES = 1 << 16  # what cameras leave between the end of a picture and the next one
_MP_ENTRY_BYTES, _MP_ENTRY = 16, 0xB002  # CIPA DC-007, 5.2.3.3
#: Field types that may hold a position in the file: BYTE, LONG, UNDEFINED, SLONG, IFD.
_POSITIONS = frozenset({1, 4, 7, 9, 13})
_PADDING = re.compile(rb"[\x00\xff]*")
_JPEG = re.compile(rb"[\x00-\xff]\xd8\xff[\xc4\xdb\xe0-\xef\xfe]")  # and the marker of a segment that may come first
_PADDED_JPEG = re.compile(rb"[\x00\xff]*\xff\xd8")
_GCONTAINER = b"http://ns.google.com/photos/1.0/container/"
_MICRO_VIDEO = b"MicroVideo"


def check_trailer(
    data: bytes, trailer: int, *, tiff_start: int, block: bytes, xmp: bytes, mpf: tuple[int, int] | None
) -> None:
    """Raises `CaptionRefused` where making the header longer would leave a pointer into the trailer wrong.

    `trailer` is where it begins in `data`; `block` is the Exif block (b"" where there is none), at `tiff_start`; `mpf`
    is where MPF's TIFF header stands and its segment ends, None where there is no MPF.
    """
    if shows_outside(block, len(data) - tiff_start):
        raise CaptionRefused(ReasonCode.MAKER_NOTE_PREVIEW)
    if trailer >= len(data):
        return
    if data[-12:].startswith((b"AXS!", b"AXS*")):
        raise CaptionRefused(ReasonCode.AFCP_TRAILER)
    beginnings = _beginnings(data, trailer)
    if _points_past_picture(beginnings, tiff_start, block):
        raise CaptionRefused(ReasonCode.EXIF_TRAILER)
    if not has_maker_note(block) or _is_known(data, trailer, xmp, mpf) or _is_left_over(data, trailer):
        return
    if may_point_at(block, beginnings, trailer, len(data), file_start=tiff_start):
        raise CaptionRefused(ReasonCode.MAKER_NOTE_TRAILER)


def _is_left_over(data: bytes, trailer: int) -> bool:
    """Whether what follows is what stood on the card before: the file goes on to the end of a sector, as where it was
    brought back from a damaged card, with zeros to the next sector and then other data. A camera's own would begin
    there, and something would point at its beginning (see `_beginnings`)."""
    sector = _next_sector(trailer)
    padding = data[trailer:sector]
    return len(data) % _SECTOR_BYTES == 0 and sector > trailer and len(set(padding)) == 1 and padding[0] in (0, 0xFF)


def _next_sector(at: int) -> int:
    return at + -at % _SECTOR_BYTES


def _begins_mpf_picture(data: bytes, trailer: int, mpf: tuple[int, int]) -> bool:
    """Whether the first picture in the trailer is one that MPF tells of, whatever a camera leaves before it."""
    block = data[mpf[0] : mpf[1]]
    try:
        order, ifd0 = read_header(block)
        directory = read_directory(block, order, ifd0)
    except TiffError:
        return False
    first = _JPEG.search(data, trailer, trailer + _MAX_BEFORE_PICTURE_BYTES)
    for entry in directory.entries if first else ():
        for at in (
            range(entry.start, entry.end - _MP_ENTRY_BYTES + 1, _MP_ENTRY_BYTES) if entry.tag == _MP_ENTRY else ()
        ):
            size, start = struct.unpack_from(order + "II", block, at + 4)
            if first and start and mpf[0] + start == first.start() and first.start() + size <= len(data):
                return True
    return False


def _is_known(data: bytes, trailer: int, xmp: bytes, mpf: tuple[int, int] | None) -> bool:
    """Trailers that are found from the end, or by lengths, or by MPF, whose offsets move with its own segment."""
    return bool(
        (mpf is not None and (_PADDED_JPEG.match(data, trailer) or _begins_mpf_picture(data, trailer, mpf)))
        or _GCONTAINER in xmp
        or _MICRO_VIDEO in xmp
        or data[trailer + 4 : trailer + 8] == b"ftyp"
        or data.endswith((b"SEFT", b"cbipcbbl"))
        or b"CANON OPTIONAL DATA\0" in data[-64:]
        or not data[trailer:].strip(b"\0\xff")
    )


def _beginnings(data: bytes, trailer: int) -> set[int]:
    """Where something begins that a pointer may lead to: the trailer, what follows its padding, the next sector where
    it is left over, and every JPEG in it, were its first byte another one, as in previews of Minolta's."""
    padding = _PADDING.match(data, trailer)
    found = {trailer, padding.end() if padding else trailer}
    if _is_left_over(data, trailer):
        found.add(_next_sector(trailer))
    for match in _JPEG.finditer(data, trailer):
        found.add(match.start())
        if len(found) > _MAX_TARGETS:
            break
    return found


def _points_past_picture(beginnings: Collection[int], tiff_start: int, block: bytes) -> bool:
    """Whether any four bytes of the block are one of these positions, counted from the file or the block; bytes that
    hold none (see `_without_positions`) aside."""
    positions = {beginning - base for beginning in beginnings for base in (0, tiff_start)}
    numbers = [position.to_bytes(4, order) for position in positions for order in ("big", "little")]
    hits = [match.start() for number in numbers for match in re.finditer(b"(?=%b)" % re.escape(number), block)]
    others = _without_positions(block) if hits else []
    return any(not any(start < hit + 4 and hit < end for start, end in others) for hit in hits)


def _without_positions(block: bytes) -> list[tuple[int, int]]:
    """Bytes of the block that are known to hold something else: tags, types and counts of its directories, and values
    of types for text, fractions and small numbers. None where the block is not understood."""
    found: list[tuple[int, int]] = []
    try:
        for directory in walk(block):
            found.append((directory.offset, directory.offset + 2))
            for number, entry in enumerate(directory.entries):
                at = directory.offset + 2 + number * ENTRY_BYTES
                found.append((at, at + 8))
                if entry.kind not in _POSITIONS:
                    found.append((entry.start, entry.end))
    except TiffError:
        return []
    return found


def has_maker_note(block: bytes) -> bool:
    """Whether the block has a MakerNote; a damaged block that has the tag's two bytes anywhere is taken to."""
    try:
        return bool(block) and bool(maker_notes(block))
    except TiffError:
        return MAKER_NOTE.to_bytes(2, "big") in block or MAKER_NOTE.to_bytes(2, "little") in block
