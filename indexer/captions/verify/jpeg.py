"""Independent proof of edits in JPEGs. See `indexer.captions.verify.rules`."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from indexer.captions.verify.iptc import PREFIX as _PHOTOSHOP
from indexer.captions.verify.iptc import check_removed_iptc
from indexer.captions.verify.packet import check_removed, check_removed_entries
from indexer.captions.verify.rules import (
    Undo,
    check_block_edit,
    check_opens_alike,
    check_packet_edit,
    check_packet_text,
    check_undo,
    require,
)
from indexer.ownership.mark import OwnCaption

_MAX_GAP_BYTES = 1 << 16
_EXIF, _XMP = b"\xff\xe1Exif\0\0", b"\xff\xe1http://ns.adobe.com/xap/1.0/\0"


@dataclass(frozen=True, slots=True)
class _Jpeg:
    others: list[bytes]  # every segment before the first scan but Exif and XMP, in order, headers included
    exif: list[bytes]
    xmp: list[bytes]
    mpf_to_end: list[int]  # bytes from each MPF segment to the end of the file: what its offsets count on
    rest: memoryview  # from SOS to the end of the file


def check_jpeg_edit(old: bytes, new: bytes, own: OwnCaption, *, undo: Undo) -> None:
    """Raises `VerifyError` unless `new` is `old` with `own` in it and nothing else is different.

    `undo` takes our caption out of a file. Checked in order: all other segments and everything from the first scan
    on; the Exif block and what it says; that undo gives the old file; the XMP packet and what it says; that the
    picture opens the same.
    """
    before, after = _split(old), _split(new)
    _same(before, after, new)
    in_exif = before.exif != after.exif
    if in_exif:
        require(len(before.exif) <= 1 and len(after.exif) == 1, "the number of Exif segments is wrong")
        check_block_edit(before.exif[0] if before.exif else None, after.exif[0], own)
    check_undo(old, new, undo)
    if before.xmp != after.xmp:
        require(len(before.xmp) <= 1 and len(after.xmp) == 1, "the number of XMP packets is wrong")
        check_packet_edit(before.xmp[0] if before.xmp else None, after.xmp[0])
        check_packet_text(after.xmp[0], own, needs_text=not in_exif)
    require(in_exif or before.xmp != after.xmp, "the caption is nowhere")
    check_opens_alike(old, new)


def check_jpeg_removal(old: bytes, new: bytes) -> None:
    """Raises `VerifyError` unless `new` differs from `old` in nothing but Exif, XMP, captions of IPTC and comments that
    are gone, as after an undo that could not be exact."""
    before, after = _split(old), _split(new)
    photoshop = [
        [raw[raw.index(_PHOTOSHOP) :] for raw in side.others if _is_photoshop(raw)] for side in (before, after)
    ]
    check_removed_iptc(photoshop[0], photoshop[1])
    comments = iter([raw for raw in before.others if _is_comment(raw)])
    require(all(raw in comments for raw in after.others if _is_comment(raw)), "a comment has changed, or is new")
    kept = [
        replace(side, others=[raw for raw in side.others if not _is_photoshop(raw) and not _is_comment(raw)])
        for side in (before, after)
    ]
    _same(kept[0], kept[1], new)
    check_removed_entries(before.exif, after.exif)
    check_removed(before.xmp, after.xmp)
    check_opens_alike(old, new)


def _is_photoshop(raw: bytes) -> bool:
    marker_free = raw.lstrip(b"\xff")
    return marker_free[:1] == b"\xed" and marker_free[3:].startswith(_PHOTOSHOP)


def _is_comment(raw: bytes) -> bool:
    return raw.lstrip(b"\xff")[:1] == b"\xfe"


def _split(data: bytes) -> _Jpeg:
    """One pass over the markers: `FF`, code, two bytes of length, until the first SOS."""
    require(data[:2] == b"\xff\xd8", "the file does not begin with SOI")
    position, jpeg = 2, _Jpeg([], [], [], [], memoryview(b""))
    while True:
        here = position
        while data[position : position + 1] != b"\xff" or data[position + 1 : position + 2] in (b"\xff", b"\0"):
            position += 1  # junk and fill bytes are part of what follows them
            require(position < here + _MAX_GAP_BYTES, f"no segment at byte {here}")
        require(len(data) >= position + 4, f"no segment at byte {here}")
        code = data[position + 1]
        if code == 0xDA:
            return replace(jpeg, rest=memoryview(data)[here:])
        bare = code == 0x01 or 0xD0 <= code <= 0xD7
        position += 2 if bare else 2 + struct.unpack_from(">H", data, position + 2)[0]
        require(position <= len(data), f"the segment at byte {here} runs past the end")
        raw = data[here:position]
        marker_free = raw.lstrip(b"\xff")
        name = marker_free[:1] + marker_free[3:]
        if name.startswith(_EXIF[1:]):
            jpeg.exif.append(name[len(_EXIF) - 1 :])
        elif name.startswith(_XMP[1:]):
            jpeg.xmp.append(name[len(_XMP) - 1 :])
        else:
            jpeg.others.append(raw)
            if name.startswith(b"\xe2MPF\0"):
                jpeg.mpf_to_end.append(len(data) - here)


def _same(before: _Jpeg, after: _Jpeg, new: bytes) -> None:
    require(before.others == after.others, "a segment that is not ours to touch has changed")
    # endswith compares in place: a large picture is not copied.
    same_rest = len(before.rest) == len(after.rest) and new.endswith(before.rest)
    require(same_rest, "the picture's own data has changed")
    require(before.mpf_to_end == after.mpf_to_end, "an MPF segment has moved apart from what it points at")
