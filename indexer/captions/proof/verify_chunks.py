"""Independent proof of edits in formats made of chunks: PNG and WebP. See `indexer.captions.proof.verify`."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from indexer.captions.own_caption import OwnCaption
from indexer.captions.proof.verify import (
    Undo,
    check_block_edit,
    check_opens_alike,
    check_packet_edit,
    check_packet_says,
    require,
)

_PNG_XMP = b"XML:com.adobe.xmp\0\0\0\0\0"
_Piece = tuple[bytes, bytes]


def check_png_edit(old: bytes, new: bytes, own: OwnCaption, *, undo: Undo) -> None:
    """Raises `VerifyError` unless `new` is `old` with `own` in its XMP and nothing else is different."""
    before, after = _png(old), _png(new)
    _same_but(before, after, {b"xmp"})
    require(undo(new) == old, "taking the caption out again does not give the old file")
    packet = _only(after, b"xmp")
    check_packet_says(packet or b"", own)
    check_packet_edit(_only(before, b"xmp"), packet or b"")
    check_opens_alike(old, new)


def check_png_removal(old: bytes, new: bytes) -> None:
    """Raises `VerifyError` unless they differ in nothing but XMP."""
    _same_but(_png(old), _png(new), {b"xmp"})
    check_opens_alike(old, new)


def _png(data: bytes) -> list[_Piece]:
    """Kind and bytes of each chunk, CRC included; XMP's kind is `xmp`, its bytes are the packet."""
    pieces, rest = [], memoryview(data)[8:]
    while len(rest) >= 12:
        (length,) = struct.unpack(">I", rest[:4])
        kind, whole = bytes(rest[4:8]), bytes(rest[: 12 + length])
        require(len(whole) == 12 + length, "a PNG chunk is cut off")
        if kind == b"iTXt" and whole[8:].startswith(_PNG_XMP):
            pieces.append((b"xmp", whole[8 + len(_PNG_XMP) : -4]))
        else:
            pieces.append((kind, whole))
        rest = rest[12 + length :]
        if kind == b"IEND":
            break
    require(bool(pieces) and pieces[-1][0] == b"IEND", "the PNG has no end")
    return [*pieces, (b"behind", bytes(rest))]


def check_webp_edit(old: bytes, new: bytes, own: OwnCaption, *, undo: Undo) -> None:
    """Raises `VerifyError` unless `new` is `old` with `own` in EXIF, XMP or both and nothing else is different."""
    before, after = list(_webp(old)), list(_webp(new))
    _same_but(before, after, {b"EXIF", b"XMP ", b"VP8X"})
    _check_vp8x(before, after)
    exif_before, exif_after = _only(before, b"EXIF"), _only(after, b"EXIF")
    if exif_before != exif_after:
        header = b"Exif\0\0" if (exif_before or b"").startswith(b"Exif\0\0") else b""
        old_block = None if exif_before is None else exif_before[len(header) :]
        check_block_edit(old_block, (exif_after or b"")[len(header) :], own)
    require(undo(new) == old, "taking the caption out again does not give the old file")
    packet_before, packet_after = _only(before, b"XMP "), _only(after, b"XMP ")
    if packet_before != packet_after:
        check_packet_edit(packet_before, packet_after or b"")
        check_packet_says(packet_after or b"", own, needs_text=exif_before == exif_after)
    check_opens_alike(old, new)


def check_webp_removal(old: bytes, new: bytes) -> None:
    """Raises `VerifyError` unless they differ in nothing but EXIF, XMP and the header that counts them."""
    _same_but(list(_webp(old)), list(_webp(new)), {b"EXIF", b"XMP ", b"VP8X"})
    check_opens_alike(old, new)


def _webp(data: bytes) -> Iterator[_Piece]:
    require(len(data) >= 12, "the RIFF header is cut off")
    end = struct.unpack("<I", data[4:8])[0] + 8
    require(end <= len(data), "the RIFF size is wrong")
    at = 12
    while at + 8 <= end:
        kind, length = struct.unpack("<4sI", data[at : at + 8])
        yield kind, data[at + 8 : at + 8 + length]
        require(not data[at + 8 + length : at + 8 + length + (length & 1)].strip(b"\0"), "a RIFF chunk is badly padded")
        at += 8 + length + (length & 1)
    require(at == end, "the last RIFF chunk is cut off")
    yield b"behind", data[end:]


def _check_vp8x(before: list[_Piece], after: list[_Piece]) -> None:
    """Nothing but the two flags of metadata may differ; they must tell the truth. A new one must say the right size,
    which opening the picture proves."""
    old, new = _only(before, b"VP8X"), _only(after, b"VP8X")
    require(new is not None and len(new) >= 10 and after[0][0] == b"VP8X", "there is no VP8X chunk")
    kinds = {kind for kind, _ in after}
    flags = (0x08 if b"EXIF" in kinds else 0) | (0x04 if b"XMP " in kinds else 0)
    telling = 0x08 if b"XMP\0" in kinds else 0x0C  # a misspelt chunk counts or not: the flag stays as it was
    require(new is not None and new[0] & telling == flags & telling, "the VP8X flags are wrong")
    if old is None and new is not None:
        require(len(new) == 10 and not new[0] & 0xE3 and not any(new[1:4]), "the new VP8X says what it should not")
    if old is not None and new is not None:
        require((old[0] ^ new[0]) & (0xFF ^ telling) == 0 and old[1:] == new[1:], "the VP8X chunk has changed")


def _only(pieces: list[_Piece], kind: bytes) -> bytes | None:
    found = [body for name, body in pieces if name == kind]
    require(len(found) <= 1, f"there is more than one {kind.decode().strip()}")
    return found[0] if found else None


def _same_but(before: list[_Piece], after: list[_Piece], changed: set[bytes]) -> None:
    kept = [[piece for piece in side if piece[0] not in changed] for side in (before, after)]
    require(kept[0] == kept[1], "a chunk that is not ours to touch has changed")
