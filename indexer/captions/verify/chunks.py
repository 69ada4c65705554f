"""Independent proof of edits in formats made of chunks: PNG and WebP. See `indexer.captions.verify.rules`."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from indexer.captions.verify.iptc import check_removed_datasets, check_removed_resources
from indexer.captions.verify.packet import check_removed, check_removed_entries
from indexer.captions.verify.rules import (
    Undo,
    VerifyError,
    check_block_edit,
    check_opens_alike,
    check_packet_edit,
    check_packet_text,
    check_undo,
    require,
)
from indexer.ownership.mark import OwnCaption

_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_CAPTION_KEYWORDS = frozenset({b"description", b"imagedescription", b"caption", b"exif:imagedescription", b"comment"})
_MAX_PROFILE_BYTES = 8 << 20
_PNG_XMP = b"XML:com.adobe.xmp\0\0\0\0\0"


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


def check_png_removal(old: bytes, new: bytes) -> None:
    """Raises `VerifyError` unless they differ in nothing but XMP, the eXIf chunk, captions of IPTC, and texts for
    captions that are gone."""
    before, after = _png(old), _png(new)
    _same_but(old, new, before, after, {b"xmp", b"eXIf", *_TEXTS})
    _check_removed_texts(_texts(old, before), _texts(new, after))
    check_removed(_all(old, before, b"xmp"), _all(new, after, b"xmp"))
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


def check_webp_removal(old: bytes, new: bytes) -> None:
    """Raises `VerifyError` unless they differ in nothing but EXIF, XMP, the header that counts them, and captions of
    IPTC."""
    before, after = list(_webp(old)), list(_webp(new))
    _same_but(old, new, before, after, {b"EXIF", b"XMP ", b"VP8X", b"PSAI"})
    resources = _all(old, before, b"PSAI"), _all(new, after, b"PSAI")
    require(len(resources[0]) == len(resources[1]), "Photoshop's resources are gone, or new")
    for was, now in zip(*resources, strict=True):
        check_removed_resources(was, now)
    check_removed(_all(old, before, b"XMP "), _all(new, after, b"XMP "))
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
    same = len(kept) == len(after_kept) and all(map(partial(_same, memoryview(old), new), kept, after_kept))
    require(same, "a chunk that is not ours to touch has changed")


def _same(old: memoryview, new: bytes, before: _Piece, after: _Piece) -> bool:
    alike = before.kind == after.kind and before.end - before.start == after.end - after.start
    return alike and new.startswith(old[before.start : before.end], after.start)
