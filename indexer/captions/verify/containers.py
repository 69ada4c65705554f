"""Independent proof of edits in files made of segments or chunks: JPEG, PNG and WebP. See
`indexer.captions.verify`."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from indexer.captions.verify import Undo, VerifyError, check_opens_alike, check_undo, require
from indexer.captions.verify.metadata import (
    PHOTOSHOP_HEADER,
    check_packet_edit,
    check_packet_text,
    check_removed_datasets,
    check_removed_iptc,
    check_removed_packets,
    check_removed_resources,
)
from indexer.captions.verify.tiff import check_block_edit, check_removed_entries
from indexer.ownership.mark import OwnCaption

_MAX_GAP_BYTES = 1 << 16
_EXIF, _XMP = b"\xff\xe1Exif\0\0", b"\xff\xe1http://ns.adobe.com/xap/1.0/\0"
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_CAPTION_KEYWORDS = frozenset({b"description", b"imagedescription", b"caption", b"exif:imagedescription", b"comment"})
_MAX_PROFILE_BYTES = 8 << 20
_PNG_XMP = b"XML:com.adobe.xmp\0\0\0\0\0"


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
    _check_segments(before, after, new)
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


def compare_jpegs(old: bytes, new: bytes) -> tuple[bytes | None, bytes | None]:
    """The XMP packets of both. Raises `VerifyError` unless they differ in nothing else."""
    before, after = _split(old), _split(new)
    _check_segments(before, after, new)
    require(before.exif == after.exif, "the Exif block has changed")
    require(max(len(before.xmp), len(after.xmp)) <= 1, "the number of XMP packets is wrong")
    return next(iter(before.xmp), None), next(iter(after.xmp), None)


def check_jpeg_removal(old: bytes, new: bytes) -> None:
    """Raises `VerifyError` unless `new` differs from `old` in nothing but Exif, XMP, captions of IPTC and comments that
    are gone, as after an undo that could not be exact."""
    before, after = _split(old), _split(new)
    photoshop = [
        [raw[raw.index(PHOTOSHOP_HEADER) :] for raw in side.others if _is_photoshop(raw)] for side in (before, after)
    ]
    check_removed_iptc(photoshop[0], photoshop[1])
    comments = iter([raw for raw in before.others if _is_comment(raw)])
    require(all(raw in comments for raw in after.others if _is_comment(raw)), "a comment has changed, or is new")
    kept = [
        replace(side, others=[raw for raw in side.others if not _is_photoshop(raw) and not _is_comment(raw)])
        for side in (before, after)
    ]
    _check_segments(kept[0], kept[1], new)
    check_removed_entries(before.exif, after.exif)
    check_removed_packets(before.xmp, after.xmp)
    check_opens_alike(old, new)


def _is_photoshop(raw: bytes) -> bool:
    marker_free = raw.lstrip(b"\xff")
    return marker_free[:1] == b"\xed" and marker_free[3:].startswith(PHOTOSHOP_HEADER)


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


def _check_segments(before: _Jpeg, after: _Jpeg, new: bytes) -> None:
    require(before.others == after.others, "a segment that is not ours to touch has changed")
    # endswith compares in place: a large picture is not copied.
    same_rest = len(before.rest) == len(after.rest) and new.endswith(before.rest)
    require(same_rest, "the picture's own data has changed")
    require(before.mpf_to_end == after.mpf_to_end, "an MPF segment has moved apart from what it points at")


@dataclass(frozen=True, slots=True)
class _Piece:
    """Bytes `start`..`end` of a file. They are compared where they lie: a large picture is not copied."""

    kind: bytes
    start: int
    end: int


def check_png_edit(old: bytes, new: bytes, own: OwnCaption, *, undo: Undo) -> None:
    """Raises `VerifyError` unless `new` is `old` with `own` in its XMP or its eXIf chunk and nothing else is
    different."""
    before, after = _png(old), _png(new)
    in_exif = _all(old, before, b"eXIf") != _all(new, after, b"eXIf")
    _same_but(old, new, before, after, {b"eXIf" if in_exif else b"xmp"})
    check_undo(old, new, undo)
    if in_exif:
        _check_exif(_only(old, before, b"eXIf"), _only(new, after, b"eXIf"), own)
    else:
        packet = _only(new, after, b"xmp")
        check_packet_text(packet or b"", own)
        check_packet_edit(_only(old, before, b"xmp"), packet or b"")
    check_opens_alike(old, new)


def compare_pngs(old: bytes, new: bytes) -> tuple[bytes | None, bytes | None]:
    """The XMP packets of both. Raises `VerifyError` unless they differ in nothing else."""
    before, after = _png(old), _png(new)
    _same_but(old, new, before, after, {b"xmp"})
    return _only(old, before, b"xmp"), _only(new, after, b"xmp")


def check_png_removal(old: bytes, new: bytes) -> None:
    """Raises `VerifyError` unless they differ in nothing but XMP, the eXIf chunk, captions of IPTC, and texts for
    captions that are gone."""
    before, after = _png(old), _png(new)
    _same_but(old, new, before, after, {b"xmp", b"eXIf", *_TEXTS})
    _check_removed_texts(_texts(old, before), _texts(new, after))
    check_removed_packets(_all(old, before, b"xmp"), _all(new, after, b"xmp"))
    _check_removed_exif(_all(old, before, b"eXIf"), _all(new, after, b"eXIf"))
    check_opens_alike(old, new)


def _texts(data: bytes, pieces: list[_Piece]) -> list[tuple[bytes, bytes]]:
    return [(piece.kind, data[piece.start : piece.end]) for piece in pieces if piece.kind in _TEXTS]


def _check_removed_texts(before: list[tuple[bytes, bytes]], after: list[tuple[bytes, bytes]]) -> None:
    """Chunks of text, each as kind and bytes."""
    after_kept = list(after)
    for kind, raw in before:
        if after_kept[:1] == [(kind, raw)]:
            del after_kept[0]
            continue
        name = raw[8:].partition(b"\0")[0].lower()
        if name in _CAPTION_KEYWORDS:
            continue
        require(name in (b"raw profile type iptc", b"raw profile type 8bim"), "a text of the PNG has changed")
        was, now = _profile(kind, raw), b""
        if after_kept and after_kept[0][0] == kind and after_kept[0][1][8:].partition(b"\0")[0].lower() == name:
            now = _profile(*after_kept.pop(0))
        (check_removed_resources if was[:4] == b"8BIM" else check_removed_datasets)(was, now)
    require(not after_kept, "a text of the PNG is new")


def _profile(kind: bytes, raw: bytes) -> bytes:
    """What the digits of an ImageMagick profile stand for."""
    text = raw[8:-4].partition(b"\0")[2]
    try:
        if kind == b"iTXt":
            packed, text = text[0] == 1, text[2:].split(b"\0", 2)[2]
        else:
            packed, text = kind == b"zTXt", text[kind == b"zTXt" :]
        if packed:
            text = zlib.decompressobj().decompress(text, _MAX_PROFILE_BYTES)
        return bytes.fromhex(b"".join(text.strip().splitlines()[2:]).decode("ascii"))
    except (IndexError, ValueError, zlib.error) as error:
        raise VerifyError("verification: a profile of ImageMagick's can't be read") from error


def _png(data: bytes) -> list[_Piece]:
    """Each chunk, CRC included; XMP's kind is `xmp`, its bytes are the packet, and eXIf's bytes the block."""
    pieces, at = list[_Piece](), 8
    while len(data) - at >= 12:
        length, kind = struct.unpack_from(">I4s", data, at)
        start, at = at, at + 12 + length
        require(at <= len(data), "a PNG chunk is cut off")
        if kind == b"iTXt" and data.startswith(_PNG_XMP, start + 8, at):
            pieces.append(_Piece(b"xmp", start + 8 + len(_PNG_XMP), at - 4))
        elif kind == b"eXIf":
            pieces.append(_Piece(kind, start + 8, at - 4))
        else:
            pieces.append(_Piece(kind, start, at))
        if kind == b"IEND":
            break
    require(bool(pieces) and pieces[-1].kind == b"IEND", "the PNG has no end")
    return [*pieces, _Piece(b"behind", at, len(data))]


def check_webp_edit(old: bytes, new: bytes, own: OwnCaption, *, undo: Undo) -> None:
    """Raises `VerifyError` unless `new` is `old` with `own` in EXIF, XMP or both and nothing else is different."""
    before, after = list(_webp(old)), list(_webp(new))
    _same_but(old, new, before, after, {b"EXIF", b"XMP ", b"VP8X"})
    _check_vp8x(_only(old, before, b"VP8X"), _only(new, after, b"VP8X"), after)
    exif_before, exif_after = _only(old, before, b"EXIF"), _only(new, after, b"EXIF")
    if exif_before != exif_after:
        _check_exif(exif_before, exif_after, own)
    check_undo(old, new, undo)
    packet_before, packet_after = _only(old, before, b"XMP "), _only(new, after, b"XMP ")
    if packet_before != packet_after:
        check_packet_edit(packet_before, packet_after or b"")
        check_packet_text(packet_after or b"", own, needs_text=exif_before == exif_after)
    check_opens_alike(old, new)


def compare_webps(old: bytes, new: bytes) -> tuple[bytes | None, bytes | None]:
    """The XMP packets of both. Raises `VerifyError` unless they differ in nothing else but the header that counts
    them."""
    before, after = list(_webp(old)), list(_webp(new))
    _same_but(old, new, before, after, {b"XMP ", b"VP8X"})
    _check_vp8x(_only(old, before, b"VP8X"), _only(new, after, b"VP8X"), after)
    return _only(old, before, b"XMP "), _only(new, after, b"XMP ")


def check_webp_removal(old: bytes, new: bytes) -> None:
    """Raises `VerifyError` unless they differ in nothing but EXIF, XMP, the header that counts them, and captions of
    IPTC."""
    before, after = list(_webp(old)), list(_webp(new))
    _same_but(old, new, before, after, {b"EXIF", b"XMP ", b"VP8X", b"PSAI"})
    resources = _all(old, before, b"PSAI"), _all(new, after, b"PSAI")
    require(len(resources[0]) == len(resources[1]), "Photoshop's resources are gone, or new")
    for was, now in zip(*resources, strict=True):
        check_removed_resources(was, now)
    check_removed_packets(_all(old, before, b"XMP "), _all(new, after, b"XMP "))
    _check_removed_exif(_all(old, before, b"EXIF"), _all(new, after, b"EXIF"))
    check_opens_alike(old, new)


def _check_exif(before: bytes | None, after: bytes | None, own: OwnCaption) -> None:
    header = b"Exif\0\0" if (before or b"").startswith(b"Exif\0\0") else b""
    require((after or b"").startswith(header), "the header of the Exif block is gone")
    check_block_edit(None if before is None else before[len(header) :], (after or b"")[len(header) :], own)


def _check_removed_exif(before: list[bytes], after: list[bytes]) -> None:
    check_removed_entries(*([body.removeprefix(b"Exif\0\0") for body in side] for side in (before, after)))


def _webp(data: bytes) -> Iterator[_Piece]:
    require(len(data) >= 12, "the RIFF header is cut off")
    end = struct.unpack("<I", data[4:8])[0] + 8
    require(end <= len(data), "the RIFF size is wrong")
    at = 12
    while at + 8 <= end:
        kind, length = struct.unpack("<4sI", data[at : at + 8])
        yield _Piece(kind, at + 8, at + 8 + length)
        require(not data[at + 8 + length : at + 8 + length + (length & 1)].strip(b"\0"), "a RIFF chunk is badly padded")
        at += 8 + length + (length & 1)
    require(at == end, "the last RIFF chunk is cut off")
    yield _Piece(b"behind", end, len(data))


def _check_vp8x(old: bytes | None, new: bytes | None, after: list[_Piece]) -> None:
    """Nothing but the two flags of metadata may differ; they must tell the truth. A new one must say the right size,
    which opening the picture proves."""
    require(new is not None and len(new) >= 10 and after[0].kind == b"VP8X", "there is no VP8X chunk")
    kinds = {piece.kind for piece in after}
    flags = (0x08 if b"EXIF" in kinds else 0) | (0x04 if b"XMP " in kinds else 0)
    telling = 0x08 if b"XMP\0" in kinds else 0x0C  # a misspelt chunk counts or not: the flag stays as it was
    require(new is not None and new[0] & telling == flags & telling, "the VP8X flags are wrong")
    if old is None and new is not None:
        require(len(new) == 10 and not new[0] & 0xE3 and not any(new[1:4]), "the new VP8X says what it should not")
    if old is not None and new is not None:
        require((old[0] ^ new[0]) & (0xFF ^ telling) == 0 and old[1:] == new[1:], "the VP8X chunk has changed")


def _all(data: bytes, pieces: list[_Piece], kind: bytes) -> list[bytes]:
    return [data[piece.start : piece.end] for piece in pieces if piece.kind == kind]


def _only(data: bytes, pieces: list[_Piece], kind: bytes) -> bytes | None:
    found = _all(data, pieces, kind)
    require(len(found) <= 1, f"there is more than one {kind.decode().strip()}")
    return found[0] if found else None


def _same_but(old: bytes, new: bytes, before: list[_Piece], after: list[_Piece], changed: set[bytes]) -> None:
    kept, after_kept = ([piece for piece in side if piece.kind not in changed] for side in (before, after))
    require(len(kept) == len(after_kept), "a chunk that is not ours to touch has changed")
    for was, now in zip(kept, after_kept, strict=True):
        alike = was.kind == now.kind and was.end - was.start == now.end - now.start
        same = alike and new.startswith(memoryview(old)[was.start : was.end], now.start)
        require(same, "a chunk that is not ours to touch has changed")
