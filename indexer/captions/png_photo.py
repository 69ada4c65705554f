"""A PNG as a photo that a caption can be written into.

XMP stands in an iTXt chunk (PNG 3rd edition, 11.3.3.4; XMP specification part 3, 1.1.5).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property

from indexer.captions import tiff, xmp_edit, xmp_packet
from indexer.captions.own_caption import FieldText, Mark, OwnCaption, sha256
from indexer.errors import CaptionRefused
from indexer.photo import CaptionPlace

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Keyword, no compression, method 0, no language, no translated keyword: what XMP asks for.
_XMP_HEADER = b"XML:com.adobe.xmp\0\0\0\0\0"
_MAX_TEXT_BYTES = 1 << 20
_DESCRIPTIONS = frozenset({b"description", b"imagedescription", b"caption"})


class PngError(CaptionRefused):
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

    places = (CaptionPlace.XMP,)

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._chunks = chunks(data)
        self._xmp = [c for c in self._chunks if c.kind == b"iTXt" and self._body(c).startswith(b"XML:com.adobe.xmp\0")]

    def _body(self, chunk: Chunk) -> bytes:
        return self.data[chunk.start + 8 : chunk.end - 4]

    @cached_property
    def _packets(self) -> list[bytes]:
        """Of XMP that stands uncompressed, as it should."""
        bodies = [self._body(chunk) for chunk in self._xmp]
        return [body[len(_XMP_HEADER) :] for body in bodies if body.startswith(_XMP_HEADER)]

    @cached_property
    def marks(self) -> list[Mark]:
        """Ours."""
        found = [xmp_packet.read_mark(packet) for packet in map(_parsed, self._packets) if packet is not None]
        return [mark for mark in found if mark is not None]

    @cached_property
    def texts(self) -> list[FieldText]:
        """Every text that stands where a caption stands. Raises `CaptionRefused` where one may be hidden."""
        if len(self._packets) != len(self._xmp):
            raise CaptionRefused("the XMP packet is compressed, and may hold a person's caption")
        found: list[FieldText] = []
        for packet in self._packets:
            parsed = _parsed(packet)
            if parsed is None and b"description" in packet:
                raise CaptionRefused("the XMP packet can't be parsed, and may hold a person's caption")
            found += xmp_packet.captions(parsed) if parsed is not None else []
        for chunk in self._chunks:
            if chunk.kind == b"eXIf":
                found += tiff.texts(self._body(chunk).removeprefix(b"Exif\0\0"))
            elif chunk.kind in (b"tEXt", b"zTXt", b"iTXt"):
                found += _described(chunk.kind, self._body(chunk))
        return found

    @property
    def own_place(self) -> CaptionPlace | None:
        """The rung that our caption stands on; None where there is no mark of ours."""
        return CaptionPlace.XMP if self.marks else None

    @property
    def picture(self) -> str:
        """SHA-256 of the header and the image data."""
        return sha256(
            b"".join(self.data[c.start : c.end] for c in self._chunks if c.kind in (b"IHDR", b"PLTE", b"IDAT"))
        )

    def embed(self, own: OwnCaption, place: CaptionPlace) -> bytes:
        """The file with the caption in its XMP. Raises `CaptionRefused`."""
        kinds = {chunk.kind for chunk in self._chunks}
        if b"caBX" in kinds or any(b"dcterms:provenance" in packet for packet in self._packets):
            raise CaptionRefused("the file carries a C2PA manifest, which any edit would break")
        if b"dSIG" in kinds:
            raise CaptionRefused("the file is signed, and any edit would break the signature")
        if len(self._xmp) > 1 or len(self._packets) != len(self._xmp):
            raise CaptionRefused("the file has several XMP packets, or a compressed one")
        if not self._xmp:
            at = self._chunks[0].end
            return self._with(at, at, compose(b"iTXt", _XMP_HEADER + xmp_edit.compose_packet(own)))
        chunk, packet = self._xmp[0], self._packets[0]
        if any(other.kind == b"iDOT" and other.start < chunk.start for other in self._chunks):
            raise CaptionRefused("an iDOT chunk stands before the XMP, and its offsets would break")
        if not xmp_edit.can_describe(packet):
            raise CaptionRefused("the XMP packet has a dc:description already, be it an empty one")
        return self._with(chunk.start, chunk.end, compose(b"iTXt", _XMP_HEADER + xmp_edit.splice(packet, own)))

    def bare(self) -> bytes:
        """The file without our caption. Raises `CaptionRefused`."""
        digests = frozenset(mark.digest for mark in self.marks)
        for chunk, packet in zip(self._xmp, self._packets, strict=False):
            parsed = _parsed(packet)
            if parsed is not None and xmp_packet.own_fields(parsed):
                left = xmp_edit.strip_caption(packet, digests).data
                return self._with(chunk.start, chunk.end, b"" if left is None else compose(b"iTXt", _XMP_HEADER + left))
        return self.data

    def _with(self, start: int, end: int, new: bytes) -> bytes:
        return b"".join((self.data[:start], new, self.data[end:]))


def _parsed(packet: bytes) -> xmp_packet.Packet | None:
    try:
        return xmp_packet.parse(packet)
    except xmp_packet.XmpError:
        return None


def _described(kind: bytes, body: bytes) -> list[FieldText]:
    """The text of a PNG's own Description. ImageMagick's "Raw profile" chunks may hold anything."""
    keyword, _, rest = body.partition(b"\0")
    name = keyword.lower()
    if name.startswith(b"raw profile type") and not name.endswith((b"icc", b"icm")):
        raise CaptionRefused("the file keeps its metadata in a form of ImageMagick's, and may hold a person's caption")
    if name not in _DESCRIPTIONS:
        return []
    compressed = kind == b"zTXt" or (kind == b"iTXt" and rest[:1] == b"\1")
    text = rest if kind == b"tEXt" else rest[1:] if kind == b"zTXt" else rest[2:].split(b"\0", 2)[-1]
    if compressed:
        try:
            text = zlib.decompressobj().decompress(text, _MAX_TEXT_BYTES)
        except zlib.error as error:
            raise CaptionRefused("the file's Description is damaged, and may be a person's caption") from error
    return [FieldText("PNG Description", text.decode("utf-8" if kind == b"iTXt" else "latin-1", "replace").strip())]
