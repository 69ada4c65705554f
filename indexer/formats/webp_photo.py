"""A WebP as a photo that a caption can be written into (RFC 9649: RIFF chunks, VP8X and its flags)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from indexer.errors import CaptionRefused, NotUnderstood
from indexer.formats import iptc, tiff, tiff_edit, xmp_edit, xmp_packet
from indexer.model import CaptionPlace
from indexer.ownership.mark import FieldText, Mark, OwnCaption, digest
from indexer.reasons import ReasonCode

_EXIF_FLAG, _XMP_FLAG, _ALPHA_FLAG = 0x08, 0x04, 0x10
_EXIF_HEADER = b"Exif\0\0"  # not called for in WebP, but written by some programs
_MAX_BLOCK_BYTES = 1 << 24
_KIND = re.compile(rb"[\x20-\x7e]{4}|XMP\0")
_MISSPELT_XMP = b"XMP\0"  # by some programs; exiftool and others read it all the same
_PHOTOSHOP = b"PSAI"
_BESIDES_PICTURE = frozenset({b"VP8X", b"EXIF", b"XMP ", _MISSPELT_XMP})


class WebpError(NotUnderstood):
    """The bytes are not a WebP whose structure is fully understood."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A RIFF chunk: four letters and the payload without its padding byte."""

    kind: bytes
    body: bytes


def chunks(data: bytes) -> tuple[list[Chunk], bytes]:
    """All chunks of the file, those of unknown kinds too (RFC 9649, 2.7.1.4: to be kept, in their order), and what
    stands behind the end. Raises `WebpError` on gaps, odd padding, or a wrong size."""
    end_of_file = int.from_bytes(data[4:8], "little") + 8
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or end_of_file > len(data):
        raise WebpError("the WebP's size is not what its header says")
    found, at = [], 12
    while at < end_of_file:
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + size
        if end + size % 2 > end_of_file or not _KIND.fullmatch(data[at : at + 4]):
            raise WebpError(f"the WebP's chunk at byte {at} is cut off, or none")
        if size % 2 and data[end : end + 1] != b"\0":
            raise WebpError(f"the WebP's chunk at byte {at} is padded with something else than a zero")
        found.append(Chunk(data[at : at + 4], data[at + 8 : end]))
        at = end + size % 2
    if not found:
        raise WebpError("the WebP has no chunks")
    return found, data[end_of_file:]


def assemble(found: Sequence[Chunk], behind: bytes = b"") -> list[bytes]:
    """The file of these chunks and what stands behind them, in pieces."""
    parts = [b"WEBP"]
    for chunk in found:
        parts += [chunk.kind, len(chunk.body).to_bytes(4, "little"), chunk.body, b"\0" * (len(chunk.body) % 2)]
    size = sum(map(len, parts))
    return [b"RIFF", size.to_bytes(4, "little"), *parts, behind]


class WebpPhoto:
    """One WebP's bytes, split once. Raises `WebpError` where they are not a WebP of sound structure."""

    places = (CaptionPlace.EXIF, CaptionPlace.XMP)

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._chunks, self._behind = chunks(data)
        for kinds in ((b"EXIF",), (b"XMP ", _MISSPELT_XMP), (b"VP8X",)):
            if sum(chunk.kind in kinds for chunk in self._chunks) > 1:
                raise WebpError(f"the WebP has several {kinds[0].decode().strip()} chunks")
        if self._chunks[0].kind not in (b"VP8X", b"VP8 ", b"VP8L"):
            raise WebpError("the WebP begins with no chunk that it may begin with")

    def _body(self, kind: bytes) -> bytes | None:
        return next((chunk.body for chunk in self._chunks if chunk.kind == kind), None)

    @property
    def _block(self) -> bytes | None:
        body = self._body(b"EXIF")
        return None if body is None else body.removeprefix(_EXIF_HEADER)

    @cached_property
    def _packet(self) -> xmp_packet.Packet | None:
        body = self._body(b"XMP ") or self._body(_MISSPELT_XMP)
        try:
            return None if body is None else xmp_packet.parse(body)
        except xmp_packet.XmpError as error:
            if xmp_packet.may_describe(body or b""):
                raise CaptionRefused(ReasonCode.XMP_MAY_DESCRIBE, reason=error.reason) from error
            return None

    @cached_property
    def marks(self) -> list[Mark]:
        """Ours: of the EXIF chunk's undo record and of the XMP packet."""
        record = tiff_edit.undo_record(self._block or b"")
        try:
            mark = xmp_packet.read_mark(self._packet) if self._packet else None
        except CaptionRefused:
            mark = None
        return [found for found in (record.mark if record else None, mark) if found is not None]

    @cached_property
    def texts(self) -> list[FieldText]:
        """Every text that stands where a caption stands. Raises `CaptionRefused` where one may be hidden."""
        found = tiff.texts(self._block or b"") + (xmp_packet.captions(self._packet) if self._packet else [])
        captions = iptc.captions_of_resources(self._body(_PHOTOSHOP) or b"")
        return found + [FieldText("IPTC Caption-Abstract", text) for text in captions]

    @property
    def own_place(self) -> CaptionPlace | None:
        """The place that our caption stands in; None where there is no mark of ours."""
        digests = {mark.digest for mark in self.marks}
        if any(digest(text.text) in digests for text in tiff.texts(self._block or b"")):
            return CaptionPlace.EXIF
        return CaptionPlace.XMP if digests else None

    @property
    def picture_digest(self) -> str:
        """SHA-256 of the image chunks."""
        return _digest(chunk.body for chunk in self._chunks if chunk.kind not in _BESIDES_PICTURE)

    def embed(self, own: OwnCaption, place: CaptionPlace) -> bytes:
        """The file with the caption at `place`. Raises `CaptionRefused`."""
        body = self._body(b"XMP ")
        if self._body(b"C2PA") is not None:
            raise CaptionRefused(ReasonCode.C2PA)
        if any(b"dcterms:provenance" in (self._body(kind) or b"") for kind in (b"XMP ", _MISSPELT_XMP)):
            raise CaptionRefused(ReasonCode.C2PA_BOUND)
        if tiff.pictures_outside(self._block or b""):
            raise CaptionRefused(ReasonCode.THUMBNAIL_OUTSIDE)
        bodies: dict[bytes, bytes | None] = {}
        if place is CaptionPlace.EXIF:
            bodies[b"EXIF"] = self._exif(own)
        try:
            if self._body(_MISSPELT_XMP) is not None:
                raise CaptionRefused(ReasonCode.XMP_CHUNK_MISSPELT)
            bodies[b"XMP "] = self._xmp(body, own, needs_text=place is CaptionPlace.XMP)
        except CaptionRefused:
            if place is CaptionPlace.XMP:
                raise
        return b"".join(assemble(_update_flags(_replace_bodies(self._chunks, bodies)), self._behind))

    def _exif(self, own: OwnCaption) -> bytes:
        body = self._body(b"EXIF")
        if body is None:
            return tiff_edit.compose_block(own)
        header = _EXIF_HEADER if body.startswith(_EXIF_HEADER) else b""
        return header + tiff_edit.append_caption(body.removeprefix(header), own, limit=_MAX_BLOCK_BYTES)

    @staticmethod
    def _xmp(body: bytes | None, own: OwnCaption, *, needs_text: bool) -> bytes:
        if body is None:
            return xmp_edit.compose_packet(own)
        if needs_text and not xmp_edit.can_describe(body):
            raise CaptionRefused(ReasonCode.XMP_DESCRIBES)
        return xmp_edit.splice(body, own)

    def without_caption(self, vouched: frozenset[str] = frozenset()) -> list[bytes]:
        """The file without our caption, in pieces. `vouched`: see `EditablePhoto`. Raises `CaptionRefused`."""
        digests = vouched | {mark.digest for mark in self.marks}
        bodies: dict[bytes, bytes | None] = {}
        exif, body = self._body(b"EXIF"), self._body(b"XMP ")
        if exif is not None and tiff_edit.holds(self._block or b"", digests):
            header = _EXIF_HEADER if exif.startswith(_EXIF_HEADER) else b""
            remaining = tiff_edit.strip_caption(exif.removeprefix(header), digests).data
            bodies[b"EXIF"] = None if remaining is None else header + remaining
        if body is not None and self._packet is not None and xmp_edit.holds(self._packet, digests):
            bodies[b"XMP "] = xmp_edit.strip_caption(body, digests).data
        resources = iptc.remove_from_resources(self._body(_PHOTOSHOP) or b"", digests)
        if resources is not None:
            bodies[_PHOTOSHOP] = resources
        return self._restore(_replace_bodies(self._chunks, bodies)) if bodies else [self.data]

    def _restore(self, remaining: list[Chunk]) -> list[bytes]:
        """A VP8X of our own making goes too; the mark's SHA-256 tells whose it was."""
        simple = assemble([chunk for chunk in remaining if chunk.kind != b"VP8X"], self._behind)
        if _digest(simple) in {mark.before for mark in self.marks}:
            return simple
        return assemble(_update_flags(remaining), self._behind)


def _digest(pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _replace_bodies(found: Sequence[Chunk], bodies: dict[bytes, bytes | None]) -> list[Chunk]:
    """The chunks with these payloads in place of theirs; None removes one; new ones go to the end, EXIF before XMP."""
    changed = [Chunk(chunk.kind, bodies.get(chunk.kind, chunk.body) or b"") for chunk in found]
    changed = [chunk for chunk in changed if bodies.get(chunk.kind, b"") is not None]
    present = {chunk.kind for chunk in changed}
    new = [Chunk(kind, body) for kind, body in sorted(bodies.items()) if body is not None and kind not in present]
    at = next((i for i, chunk in enumerate(changed) if new and new[0].kind < chunk.kind == b"XMP "), len(changed))
    return [*changed[:at], *new, *changed[at:]]


def _update_flags(found: list[Chunk]) -> list[Chunk]:
    """VP8X says which metadata there is; a simple file that gets some gets a VP8X (RFC 9649, 2.7)."""
    kinds = {chunk.kind for chunk in found}
    flags = (_EXIF_FLAG if b"EXIF" in kinds else 0) | (_XMP_FLAG if b"XMP " in kinds else 0)
    first = found[0]
    if first.kind != b"VP8X":
        return [Chunk(b"VP8X", _compose_vp8x(first, flags)), *found] if flags else found
    old = first.body[0] if first.body else 0
    if _MISSPELT_XMP in kinds:
        flags |= old & _XMP_FLAG
    return [Chunk(b"VP8X", bytes((old & ~(_EXIF_FLAG | _XMP_FLAG) | flags,)) + first.body[1:]), *found[1:]]


def _compose_vp8x(image: Chunk, flags: int) -> bytes:
    """The payload of a VP8X for a simple image: flags, 24 bits reserved, width and height less one."""
    if image.kind == b"VP8L":  # RFC 9649, 3.4: signature, 14 bits each, then one bit that tells of alpha
        bits = int.from_bytes(image.body[1:5], "little")
        width, height, alpha = bits & 0x3FFF, bits >> 14 & 0x3FFF, bits >> 28 & 1
        flags |= _ALPHA_FLAG * alpha
    else:  # RFC 6386, 9.1: frame tag, start code, 14 bits each below 2 bits of scale
        if image.body[3:6] != b"\x9d\x01\x2a":
            raise WebpError("the WebP's image does not begin as it should")
        width = (int.from_bytes(image.body[6:8], "little") & 0x3FFF) - 1
        height = (int.from_bytes(image.body[8:10], "little") & 0x3FFF) - 1
        if width < 0 or height < 0:
            raise WebpError("the WebP's image has no width or no height")
    return bytes((flags, 0, 0, 0)) + width.to_bytes(3, "little") + height.to_bytes(3, "little")
