"""A photo's identity: a hash of what it shows, not of what is written about it.

JPEG: everything but the APPn and COM segments and what trails the EOI (motion photo videos, MPO's second picture,
maker trailers); PNG: the critical chunks; WebP: the chunks that hold pictures; TIFF and HEIF: the file without a
caption of ours; anything else, and a file too damaged to be taken apart: all bytes. Two files that differ in nothing
but their orientation tag, or their colour profile, share a key: the tag is metadata, and turning a photo upright must
not cost a second captioning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b

from indexer.formats import heif_tail
from indexer.formats.segments import APP0, COM, EOI, SOS, is_jpeg, is_png, is_webp, jpeg_parts, png_parts, riff_parts
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
    parts = list(jpeg_parts(data))
    kinds = {part.kind for part in parts}
    if SOS not in kinds:
        return []
    spans = [(part.start, part.end) for part in parts if not _is_jpeg_metadata(part.kind)]
    if EOI not in kinds and parts[-1].end < len(data):  # cut off or damaged: whatever is left may be picture
        spans.append((parts[-1].end, len(data)))
    return list(_joined(iter(spans)))


def _is_jpeg_metadata(kind: int | bytes) -> bool:
    return isinstance(kind, int) and (APP0 <= kind <= APP0 + 15 or kind == COM)


def _png_spans(data: bytes) -> list[Span]:
    parts = list(png_parts(data))
    if not parts or parts[-1].kind != b"IEND":
        return []
    # Bit 5 of the first letter tells ancillary chunks from critical ones (PNG third edition, 5.4).
    return list(_joined((p.start, p.end) for p in parts if isinstance(p.kind, bytes) and not p.kind[0] & 0x20))


def _webp_spans(data: bytes) -> list[Span]:
    return [(part.start, part.end) for part in riff_parts(data) if part.kind in _WEBP_PICTURE]


def _joined(spans: Iterator[Span]) -> Iterator[Span]:
    """Neighbours as one span: a PNG may have thousands of small IDAT chunks."""
    current: Span | None = None
    for start, end in spans:
        if current and current[1] == start:
            current = (current[0], end)
        else:
            if current:
                yield current
            current = (start, end)
    if current:
        yield current


_KINDS = (
    (b"jpeg", is_jpeg, _jpeg_spans),
    (b"png", is_png, _png_spans),
    (b"webp", is_webp, _webp_spans),
)
