"""What may follow a JPEG's EOI, and whether the bytes before it may grow."""

from __future__ import annotations

import re
from collections.abc import Collection

from indexer.errors import CaptionRefused
from indexer.formats.maker_note import may_point_at, shows_outside
from indexer.formats.tiff import MAKER_NOTE, TiffError, walk

_MAX_TARGETS = 256
_PADDING = re.compile(rb"[\x00\xff]*")
_JPEG = re.compile(rb"[\x00-\xff]\xd8\xff[\xc4\xdb\xe0-\xef\xfe]")  # and the marker of a segment that may come first
_PADDED_JPEG = re.compile(rb"[\x00\xff]*\xff\xd8")
_GCONTAINER = b"http://ns.google.com/photos/1.0/container/"
_MICRO_VIDEO = b"MicroVideo"


def check_trailer(data: bytes, trailer: int, *, tiff_start: int, block: bytes, xmp: bytes, has_mpf: bool) -> None:
    """Raises `CaptionRefused` where making the header longer would leave a pointer into the trailer wrong.

    `trailer` is where it begins in `data`; `block` is the Exif block (b"" where there is none), at `tiff_start`.
    """
    if shows_outside(block, len(data) - tiff_start):
        raise CaptionRefused(
            "a preview that the camera keeps in this file could be lost (its MakerNote points outside the Exif block)"
        )
    if trailer >= len(data):
        return
    if data[-12:].startswith((b"AXS!", b"AXS*")):
        raise CaptionRefused(
            "what another program keeps behind the picture could be lost "
            "(an AFCP trailer holds absolute positions in the file)"
        )
    beginnings = _beginnings(data, trailer)
    if _points_past_picture(beginnings, tiff_start, block):
        raise CaptionRefused("what the camera keeps behind the picture could be lost (the Exif block points there)")
    if not has_maker_note(block) or _is_known(data, trailer, xmp, has_mpf=has_mpf):
        return
    if may_point_at(block, beginnings, trailer, len(data), file_start=tiff_start):
        raise CaptionRefused(
            "what the camera keeps behind the picture could be lost "
            "(its MakerNote may point there, and the data is of no known kind)"
        )


def _is_known(data: bytes, trailer: int, xmp: bytes, *, has_mpf: bool) -> bool:
    """Trailers that are found from the end, or by lengths, or by MPF, whose offsets move with its own segment."""
    return (
        (has_mpf and _PADDED_JPEG.match(data, trailer) is not None)
        or _GCONTAINER in xmp
        or _MICRO_VIDEO in xmp
        or data[trailer + 4 : trailer + 8] == b"ftyp"
        or data.endswith((b"SEFT", b"cbipcbbl"))
        or b"CANON OPTIONAL DATA\0" in data[-64:]
        or not data[trailer:].strip(b"\0\xff")
    )


def _beginnings(data: bytes, trailer: int) -> set[int]:
    """Where something begins that a pointer may lead to: the trailer, what follows its padding, and every JPEG in it,
    were its first byte another one, as in previews of Minolta's."""
    padding = _PADDING.match(data, trailer)
    found = {trailer, padding.end() if padding else trailer}
    for match in _JPEG.finditer(data, trailer):
        found.add(match.start())
        if len(found) > _MAX_TARGETS:
            break
    return found


def _points_past_picture(beginnings: Collection[int], tiff_start: int, block: bytes) -> bool:
    """Whether any four bytes of the block are one of these positions, counted from the file or the block."""
    positions = {beginning - base for beginning in beginnings for base in (0, tiff_start)}
    return bool(block) and any(
        position.to_bytes(4, order) in block for position in positions for order in ("big", "little")
    )


def has_maker_note(block: bytes) -> bool:
    """Whether the block has a MakerNote; a damaged block that has the tag's two bytes anywhere is taken to."""
    try:
        return bool(block) and any(entry.tag == MAKER_NOTE for ifd in walk(block) for entry in ifd.entries)
    except TiffError:
        return MAKER_NOTE.to_bytes(2, "big") in block or MAKER_NOTE.to_bytes(2, "little") in block
