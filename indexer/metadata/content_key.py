"""A photo's identity: a hash of what it shows, not of what is written about it.

JPEG: everything but the APPn and COM segments and what trails the EOI (motion photo videos, MPO's second picture,
maker trailers); PNG: the critical chunks; WebP: the chunks that hold pictures; TIFF and HEIF: the file without a
caption of ours; anything else, and a file too damaged to be taken apart: all bytes. Two files that differ in nothing
but their orientation tag, or their colour profile, share a key: the tag is metadata, and turning a photo upright must
not cost a second captioning.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from indexer.formats import heif_tail, png_photo, webp_photo
from indexer.formats.jpeg import APP0, COM, EOI, SOS, is_jpeg, readable_segments
from indexer.formats.tiff_edit import original_pieces

_TIFF_STARTS = (b"II*\0", b"MM\0*")
_WEBP_PICTURE = frozenset({b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"})

Span = tuple[int, int]


def content_key(data: bytes) -> str:
    """32 hexadecimal digits: BLAKE2b-128 (RFC 7693) over the kind of file and its picture data.

    Never raises: damage falls back to hashing the whole file.
    """
    for kind, applies, spans in _KINDS:
        if applies(data):
            found = spans(data)
            if found:
                view = memoryview(data)
                return _hash(kind, (view[start:end] for start, end in found))
    return _hash(b"file", _without_caption(data))


def _without_caption(data: bytes) -> Iterable[bytes | memoryview]:
    if data.startswith(_TIFF_STARTS):
        return original_pieces(data)
    return (heif_tail.original_pieces(data) if data.startswith(b"ftyp", 4) else None) or [data]


def _hash(kind: bytes, pieces: Iterable[bytes | memoryview]) -> str:
    # `person` keeps the kinds apart: a whole file never collides with a part of another.
    digest = blake2b(digest_size=16, person=kind)
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _jpeg_spans(data: bytes) -> list[Span]:
    segments = list(readable_segments(data))
    markers = {segment.marker for segment in segments}
    if SOS not in markers:
        return []
    picture = (one for one in segments if not (APP0 <= one.marker <= APP0 + 15 or one.marker == COM))
    spans = [(segment.marker_at, segment.end) for segment in picture]
    if EOI not in markers and segments[-1].end < len(data):  # cut off or damaged: whatever is left may be picture
        spans.append((segments[-1].end, len(data)))
    return spans


def _png_spans(data: bytes) -> list[Span]:
    chunks = list(png_photo.readable_chunks(data))
    if not chunks or chunks[-1].kind != b"IEND":
        return []
    # Bit 5 of the first letter tells ancillary chunks from critical ones (PNG third edition, 5.4).
    return [(chunk.start, chunk.end) for chunk in chunks if not chunk.kind[0] & 0x20]


def _webp_spans(data: bytes) -> list[Span]:
    return [(start - 8, end) for kind, start, end in webp_photo.readable_chunks(data) if kind in _WEBP_PICTURE]


_KINDS = (
    (b"jpeg", is_jpeg, _jpeg_spans),
    (b"png", png_photo.is_png, _png_spans),
    (b"webp", webp_photo.is_webp, _webp_spans),
)
