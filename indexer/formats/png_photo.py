"""A PNG as a photo that a caption can be written into.

XMP stands in an iTXt chunk (PNG 3rd edition, 11.3.3.4; XMP specification part 3, 1.1.5). Where the file keeps its XMP
in another form, the caption stands in the eXIf chunk (11.3.4.4) alone.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from indexer.errors import CaptionRefused, NotUnderstood
from indexer.formats import tiff, tiff_edit, xmp_edit, xmp_packet
from indexer.formats.maker_note import reads_beyond
from indexer.formats.png_text import XMP_KEYWORD, PngText, packets_of, read_text, remove_from_text
from indexer.model import CaptionPlace
from indexer.ownership.mark import FieldText, Mark, OwnCaption
from indexer.reasons import ReasonCode

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Keyword, no compression, method 0, no language, no translated keyword: what XMP asks for.
_XMP_HEADER = b"XML:com.adobe.xmp\0\0\0\0\0"
_EXIF_HEADER = b"Exif\0\0"
_MAX_BLOCK_BYTES = 1 << 24
_Change = tuple[int, int, bytes]  # from which byte to which, and what stands there then
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})


class PngError(NotUnderstood):
    """The bytes are not a PNG whose structure is fully understood."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes `start`..`end`: length, type, data, CRC."""

    kind: bytes
    start: int
    end: int


def chunks(data: bytes) -> list[Chunk]:
    """The chunks from IHDR to IEND, without gaps. Raises `PngError` on anything else."""
    if not data.startswith(SIGNATURE):
        raise PngError("this is not a PNG")
    found: list[Chunk] = []
    at = len(SIGNATURE)
    while not found or found[-1].kind != b"IEND":
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if end > len(data) or not kind.isalpha():
            raise PngError(f"the PNG's chunk at byte {at} is cut off")
        found.append(Chunk(kind, at, end))
        at = end
    if found[0].kind != b"IHDR":
        raise PngError("the PNG does not begin with IHDR")
    return found


def compose(kind: bytes, body: bytes) -> bytes:
    """A chunk of its own."""
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


class PngPhoto:
    """One PNG's bytes, split once. Raises `PngError` where they are not a PNG of sound structure."""

    places = (CaptionPlace.XMP, CaptionPlace.EXIF)

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._chunks = chunks(data)
        self._xmp = [c for c in self._chunks if c.kind == b"iTXt" and self._body(c).startswith(_XMP_HEADER)]
        self._exif = [c for c in self._chunks if c.kind == b"eXIf"]

    def _body(self, chunk: Chunk) -> bytes:
        return self.data[chunk.start + 8 : chunk.end - 4]

    def _block(self, chunk: Chunk) -> bytes:
        return self._body(chunk).removeprefix(_EXIF_HEADER)

    @cached_property
    def _packets(self) -> list[bytes]:
        """Of XMP that stands as it should, in iTXt and uncompressed: the only ones that are ever edited."""
        return [self._body(chunk)[len(_XMP_HEADER) :] for chunk in self._xmp]

    @cached_property
    def _texts(self) -> list[PngText]:
        """Raises `CaptionRefused` where one that is damaged may hold a caption."""
        return [read_text(c.kind, self._body(c)) for c in self._chunks if c.kind in _TEXTS and c not in self._xmp]

    @cached_property
    def marks(self) -> list[Mark]:
        """Ours, also in a packet that another program has put into another form since."""
        found = [packet for packet in map(_parse_or_none, self._packets) if packet is not None]
        with suppress(CaptionRefused):
            found += [packet for text in self._texts for packet in packets_of(text)]
        records = (tiff_edit.undo_record(self._block(chunk)) for chunk in self._exif)
        marks = [*map(xmp_packet.read_mark, found), *(record.mark for record in records if record is not None)]
        return [mark for mark in marks if mark is not None]

    @cached_property
    def texts(self) -> list[FieldText]:
        """Every text that stands where a caption stands. Raises `CaptionRefused` where one may be hidden."""
        found: list[FieldText] = []
        for packet in (*(PngText(XMP_KEYWORD, packet) for packet in self._packets), *self._texts):
            found += [text for parsed in packets_of(packet) for text in xmp_packet.captions(parsed)]
        for chunk in self._exif:
            found += tiff.texts(self._block(chunk))
        return found + [description for text in self._texts for description in text.descriptions]

    @property
    def own_place(self) -> CaptionPlace | None:
        """The place that our caption stands in; None where there is no mark of ours."""
        if any(tiff_edit.undo_record(self._block(chunk)) for chunk in self._exif):
            return CaptionPlace.EXIF
        return CaptionPlace.XMP if self.marks else None

    @property
    def picture_digest(self) -> str:
        """SHA-256 of the header and the image data."""
        digest, view = hashlib.sha256(), memoryview(self.data)
        for chunk in self._chunks:
            if chunk.kind in (b"IHDR", b"PLTE", b"IDAT"):
                digest.update(view[chunk.start : chunk.end])
        return digest.hexdigest()

    def embed(self, own: OwnCaption, place: CaptionPlace) -> bytes:
        """The file with the caption in its XMP, or in its eXIf chunk alone. Raises `CaptionRefused`."""
        kinds = {chunk.kind for chunk in self._chunks}
        if b"caBX" in kinds or any(b"dcterms:provenance" in packet for packet in self._all_packets):
            raise CaptionRefused(ReasonCode.C2PA)
        if b"dSIG" in kinds:
            raise CaptionRefused(ReasonCode.SIGNED)
        change = self._exif_change(own) if place is CaptionPlace.EXIF else self._xmp_change(own)
        return b"".join(self._pieces([change]))

    @property
    def _all_packets(self) -> list[bytes]:
        return [*self._packets, *(packet for text in self._texts if (packet := text.packet) is not None)]

    def _xmp_change(self, own: OwnCaption) -> _Change:
        if len(self._xmp) > 1:
            raise CaptionRefused(ReasonCode.XMP_SEVERAL)
        if any(text.packet is not None for text in self._texts):
            raise CaptionRefused(ReasonCode.XMP_FORM)
        if not self._xmp:
            at = self._chunks[0].end
            return at, at, compose(b"iTXt", _XMP_HEADER + xmp_edit.compose_packet(own))
        chunk, packet = self._xmp[0], self._packets[0]
        self._check_moves(chunk.start)
        if not xmp_edit.can_describe(packet):
            raise CaptionRefused(ReasonCode.XMP_DESCRIBES)
        return chunk.start, chunk.end, compose(b"iTXt", _XMP_HEADER + xmp_edit.splice(packet, own))

    def _exif_change(self, own: OwnCaption) -> _Change:
        if any(text.exif is not None for text in self._texts):
            raise CaptionRefused(ReasonCode.EXIF_FORM)
        if len(self._exif) > 1:
            raise CaptionRefused(ReasonCode.EXIF_BLOCKS)
        if not self._exif:
            at = self._chunks[0].end
            return at, at, compose(b"eXIf", tiff_edit.compose_block(own))
        chunk, body = self._exif[0], self._body(self._exif[0])
        self._check_moves(chunk.start)
        block = tiff_edit.append_caption(body.removeprefix(_EXIF_HEADER), own, limit=_MAX_BLOCK_BYTES)
        if reads_beyond(body.removeprefix(_EXIF_HEADER), len(block)):
            raise CaptionRefused(ReasonCode.MAKER_NOTE_BEYOND_EXIF)
        return chunk.start, chunk.end, compose(b"eXIf", _header_of(body) + block)

    def _check_moves(self, start: int) -> None:
        """What forbids that a chunk here becomes longer: something before it that points behind it."""
        if any(other.kind == b"iDOT" and other.start < start for other in self._chunks):
            raise CaptionRefused(ReasonCode.IDOT)
        blocks = (self._block(other) for other in self._exif if other.start < start)
        if any(tiff.pictures_outside(block) for block in blocks):
            raise CaptionRefused(ReasonCode.THUMBNAIL_OUTSIDE)

    def without_caption(self, vouched: frozenset[str] = frozenset()) -> Sequence[bytes | memoryview]:
        """The file without our caption, and copies of it, in pieces. `vouched`: see `EditablePhoto`. Raises
        `CaptionRefused`."""
        digests = vouched | {mark.digest for mark in self.marks}
        changes: list[_Change] = []
        for chunk, packet in zip(self._xmp, self._packets, strict=False):
            parsed = _parse_or_none(packet)
            if parsed is not None and xmp_edit.holds(parsed, digests):
                remaining = xmp_edit.strip_caption(packet, digests).data
                new = b"" if remaining is None else compose(b"iTXt", _XMP_HEADER + remaining)
                changes.append((chunk.start, chunk.end, new))
        for chunk in self._exif:
            block = self._block(chunk)
            if tiff_edit.holds(block, digests):
                remaining = tiff_edit.strip_caption(block, digests).data
                new = b"" if remaining is None else compose(b"eXIf", _header_of(self._body(chunk)) + remaining)
                changes.append((chunk.start, chunk.end, new))
        for chunk in self._chunks:
            if chunk.kind in _TEXTS and chunk not in self._xmp:
                with suppress(CaptionRefused):  # what is damaged is no copy that is known for one
                    remaining = remove_from_text(chunk.kind, self._body(chunk), digests)
                    if remaining is not None:
                        changes.append((chunk.start, chunk.end, compose(chunk.kind, remaining) if remaining else b""))
        return self._pieces(changes)

    def _pieces(self, changes: Sequence[_Change]) -> Sequence[bytes | memoryview]:
        """The file with bytes start..end replaced, for each change."""
        parts: list[bytes | memoryview] = []
        view, at = memoryview(self.data), 0
        for start, end, new in sorted(changes):
            parts += [view[at:start], new]
            at = end
        return [*parts, view[at:]]


def _header_of(body: bytes) -> bytes:
    """What some programs write before the block, as in a JPEG."""
    return _EXIF_HEADER if body.startswith(_EXIF_HEADER) else b""


def _parse_or_none(packet: bytes) -> xmp_packet.Packet | None:
    try:
        return xmp_packet.parse(packet)
    except xmp_packet.XmpError:
        return None
