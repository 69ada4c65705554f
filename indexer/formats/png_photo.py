"""A PNG: its chunks and texts, and the photo that a caption can be written into.

XMP stands in an iTXt chunk (PNG 3rd edition, 11.3.3.4; XMP specification part 3, 1.1.5). Where the file keeps its XMP
in another form, the caption stands in the eXIf chunk (11.3.4.4) alone. Texts (tEXt, zTXt, iTXt: 11.3.3) hold
descriptions, XMP, and the "Raw profile" chunks of ImageMagick, in which Exif, XMP and IPTC stand as hexadecimal digits
after their name and length.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial

from indexer.errors import CaptionRefused, NotUnderstood
from indexer.formats import iptc, jpeg, photo, tiff, tiff_edit, xmp_packet, xmp_people, xmp_tree
from indexer.formats.charsets import decode_text
from indexer.formats.xmp_people import NamedFaces
from indexer.model import CaptionPlace
from indexer.ownership.mark import FieldText, Mark, OwnCaption, digest, sha256
from indexer.reasons import ReasonCode

SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Chunks of text.
TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_XMP_KEYWORD = b"XML:com.adobe.xmp"
# Keyword, no compression, method 0, no language, no translated keyword: what XMP asks for.
_XMP_HEADER = _XMP_KEYWORD + b"\0\0\0\0\0"
_MAX_BLOCK_BYTES = 1 << 24
_MAX_TEXT_BYTES = 4 << 20
_PROFILE = b"raw profile type "
_DIGITS_A_LINE = 72  # as ImageMagick has it
_TITLE, _COMMENT = b"title", b"comment"
#: PNG third edition, 11.3.3.2, and what ImageMagick makes of EXIF's.
_CREATION_TIMES = frozenset(
    {b"creation time", b"creationtime", b"create-date", b"exif:datetimeoriginal", b"exif:datetimedigitized"}
)
_CREATORS = frozenset({b"author", b"artist", b"copyright", b"exif:artist", b"exif:copyright"})
_DESCRIPTIONS = frozenset({b"description", b"imagedescription", b"caption", b"exif:imagedescription"})


class PngError(NotUnderstood):
    """The bytes are not a PNG whose structure is fully understood."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes `start`..`end`: length, type, data, CRC."""

    kind: bytes
    start: int
    end: int

    def body(self, data: bytes) -> bytes:
        """The chunk's data in the file's."""
        return data[self.start + 8 : self.end - 4]


def is_png(data: bytes) -> bool:
    """Whether the first bytes are those of a PNG."""
    return data.startswith(SIGNATURE)


def readable_chunks(data: bytes) -> Iterator[Chunk]:
    """The chunks up to and with IEND (PNG third edition, 5.3), or to the first that is cut off."""
    at, kind = len(SIGNATURE), b""
    while at + 12 <= len(data) and kind != b"IEND":
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if end > len(data):
            return
        yield Chunk(kind, at, end)
        at = end


def chunks(data: bytes) -> list[Chunk]:
    """The chunks from IHDR to IEND, without gaps. Raises `PngError` on anything else."""
    if not is_png(data):
        raise PngError("this is not a PNG")
    found = list(readable_chunks(data))
    odd = [chunk.start for chunk in found if not chunk.kind.isalpha()]
    if odd or not found or found[-1].kind != b"IEND":
        at = odd[0] if odd else found[-1].end if found else len(SIGNATURE)
        raise PngError(f"the PNG's chunk at byte {at} is cut off")
    if found[0].kind != b"IHDR":
        raise PngError("the PNG does not begin with IHDR")
    return found


def compose(kind: bytes, body: bytes) -> bytes:
    """A chunk of its own."""
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class PngText:
    """A text chunk: its keyword, and its text, unpacked."""

    keyword: bytes
    text: bytes

    @property
    def descriptions(self) -> list[FieldText]:
        """The text where it is a caption, and the captions of a profile's Exif or IPTC."""
        if self.keyword.lower() in _DESCRIPTIONS:
            return [FieldText("PNG Description", decode_text(self.text))]
        if self.keyword.lower() == _COMMENT:
            return [FieldText("PNG Comment", decode_text(self.text))]
        block, resources = self.exif, self.iptc
        if block is not None:
            return tiff.texts(block)
        if resources is None:
            return []
        whole = resources.startswith(b"8BIM")
        found = iptc.captions_of_resources(resources) if whole else iptc.captions_of_iim(resources)
        return photo.iptc_captions(found)

    @property
    def title(self) -> str | None:
        """The text where it is the photo's title."""
        return decode_text(self.text) if self.keyword.lower() == _TITLE else None

    @property
    def creation_time(self) -> str | None:
        """The text where it tells when the picture was made."""
        return decode_text(self.text) if self.keyword.lower() in _CREATION_TIMES else None

    @property
    def creator(self) -> str | None:
        """The text where it names who made the picture, or has the rights to it."""
        return decode_text(self.text) if self.keyword.lower() in _CREATORS else None

    @property
    def exif(self) -> bytes | None:
        """A TIFF block. Raises `CaptionRefused` where it is damaged, as `iptc` and `packet` do."""
        if self._profile_name not in (b"exif", b"app1"):
            return None
        body = self._profile()
        return None if body.startswith(jpeg.XMP_HEADER) else body.removeprefix(photo.EXIF_HEADER)

    @property
    def iptc(self) -> bytes | None:
        """Photoshop's image resources, or bare IPTC-IIM."""
        return self._profile() if self._profile_name in (b"iptc", b"8bim") else None

    @property
    def packet(self) -> bytes | None:
        """An XMP packet, however it is kept here."""
        if self.keyword == _XMP_KEYWORD:
            return self.text
        if self._profile_name == b"xmp":
            return self._profile()
        if self._profile_name == b"app1" and (body := self._profile()).startswith(jpeg.XMP_HEADER):
            return body.removeprefix(jpeg.XMP_HEADER)
        return None

    @property
    def _profile_name(self) -> bytes:
        name = self.keyword.lower()
        return name.removeprefix(_PROFILE) if name.startswith(_PROFILE) else b""

    def _profile(self) -> bytes:
        """The bytes that the digits stand for. Raises `CaptionRefused` where they are not all there."""
        # A name, how many bytes, digits; the two more lines are for texts that lack them.
        _, length, *digits = [*self.text.strip().split(b"\n"), b"", b""]
        try:
            profile = bytes.fromhex(b"".join(digits).decode("ascii"))
        except ValueError:
            profile = None
        if profile is None or not length.strip().isdigit() or len(profile) < int(length.strip()[:12]):
            raise CaptionRefused(ReasonCode.MAGICK_DAMAGED)
        return profile


def read_text(kind: bytes, body: bytes) -> PngText:
    """The text of a chunk of this kind. Raises `CaptionRefused` on damage where a caption may be hidden in it."""
    keyword, _, rest = body.partition(b"\0")
    if kind == b"tEXt":
        return PngText(keyword, rest)
    packed = rest[1:]
    compressed = True
    if kind == b"iTXt":
        compressed, packed = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
    return PngText(keyword, _unpack(keyword, packed) if compressed else packed)


def _unpack(keyword: bytes, packed: bytes) -> bytes:
    name = keyword.lower()
    is_used = name in _DESCRIPTIONS | _CREATION_TIMES | _CREATORS | {_TITLE, _COMMENT} or keyword == _XMP_KEYWORD
    if not is_used and not name.startswith(_PROFILE):
        return b""  # nobody asks for it
    try:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(packed, _MAX_TEXT_BYTES)
    except zlib.error as error:
        raise CaptionRefused(ReasonCode.TEXT_DAMAGED) from error
    if unpacker.unconsumed_tail:
        raise CaptionRefused(ReasonCode.TEXT_TOO_LONG)
    return text


def remove_from_text(kind: bytes, body: bytes, digests: Collection[str]) -> bytes | None:
    """A text chunk's data without copies of the captions of these digests: b"" where it was nothing else, None where it
    has none, or one that can't be taken out. Raises `CaptionRefused` as `read_text` does."""
    text = read_text(kind, body)
    if text.keyword.lower() in _DESCRIPTIONS | {_COMMENT}:
        return b"" if digest(decode_text(text.text)) in digests else None
    profile = text.iptc
    if profile is None:
        return None
    remove = iptc.remove_from_resources if profile.startswith(b"8BIM") else iptc.remove_from_iim
    remaining = remove(profile, digests)
    if remaining is None or not remaining.strip(b"\0"):
        return remaining and b""
    name = text.text.strip().split(b"\n")[0]
    digits = remaining.hex().encode()
    lines = [digits[at : at + _DIGITS_A_LINE] for at in range(0, len(digits), _DIGITS_A_LINE)]
    return _pack(kind, body, b"\n".join([b"", name, b"%8d" % len(remaining), *lines, b""]))


def _pack(kind: bytes, body: bytes, text: bytes) -> bytes:
    """The data of a chunk like this one, with another text."""
    keyword, _, rest = body.partition(b"\0")
    if kind == b"tEXt":
        return keyword + b"\0" + text
    if kind == b"zTXt":
        return keyword + b"\0\0" + zlib.compress(text, 9)
    language, translated = rest[2:].split(b"\0", 2)[:2]
    packed = zlib.compress(text, 9) if rest[:1] == b"\1" else text
    return b"\0".join([keyword, rest[:2] + language, translated, packed])


class PngPhoto(photo.EditablePhoto):
    """One PNG's bytes, split once. Raises `PngError` where they are not a PNG of sound structure."""

    places = (CaptionPlace.XMP, CaptionPlace.EXIF)

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._chunks = chunks(data)
        self._xmp = [c for c in self._chunks if c.kind == b"iTXt" and c.body(data).startswith(_XMP_HEADER)]
        self._exif = [c for c in self._chunks if c.kind == b"eXIf"]

    def _block(self, chunk: Chunk) -> bytes:
        return chunk.body(self.data).removeprefix(photo.EXIF_HEADER)

    @cached_property
    def _blocks(self) -> list[bytes]:
        return [self._block(chunk) for chunk in self._exif]

    @cached_property
    def _packets(self) -> list[bytes]:
        """Of XMP that stands as it should, in iTXt and uncompressed: the only ones that are ever edited."""
        return [chunk.body(self.data)[len(_XMP_HEADER) :] for chunk in self._xmp]

    @property
    def _text_chunks(self) -> list[Chunk]:
        return [chunk for chunk in self._chunks if chunk.kind in TEXTS and chunk not in self._xmp]

    @cached_property
    def _texts(self) -> list[PngText]:
        """Raises `CaptionRefused` where one that is damaged may hold a caption."""
        return [read_text(chunk.kind, chunk.body(self.data)) for chunk in self._text_chunks]

    @cached_property
    def marks(self) -> list[Mark]:
        """Ours, also in a packet that another program has moved into another kind of chunk since."""
        packets = self._packets
        with suppress(CaptionRefused):
            packets = self._all_packets
        parsed = filter(None, map(xmp_tree.parse_or_none, packets))
        records = (tiff_edit.undo_record(block) for block in self._blocks)
        marks = [*map(xmp_packet.read_mark, parsed), *(record.mark for record in records if record is not None)]
        return [mark for mark in marks if mark is not None]

    @cached_property
    def texts(self) -> list[FieldText]:
        """Every text that stands where a caption stands. Raises `CaptionRefused` where one may be hidden."""
        found = photo.captions_of_packets(self._all_packets)
        found += [text for block in self._blocks for text in tiff.texts(block)]
        return found + [description for text in self._texts for description in text.descriptions]

    @property
    def own_place(self) -> CaptionPlace | None:
        """The place that our caption stands in; None where there is no mark of ours."""
        if any(map(tiff_edit.undo_record, self._blocks)):
            return CaptionPlace.EXIF
        return CaptionPlace.XMP if self.marks else None

    @property
    def picture_digest(self) -> str:
        """SHA-256 of the header and the image data."""
        view, kinds = memoryview(self.data), (b"IHDR", b"PLTE", b"IDAT")
        return sha256(*(view[chunk.start : chunk.end] for chunk in self._chunks if chunk.kind in kinds))

    def embed(self, own: OwnCaption, place: CaptionPlace) -> bytes:
        """The file with the caption in its XMP, or in its eXIf chunk alone. Raises `CaptionRefused`."""
        self._check_whole()
        if place is CaptionPlace.EXIF:
            change = self._exif_change(own)
        else:
            change = self._xmp_change(partial(photo.add_to_packet, own=own))
        return b"".join(photo.replace_bytes(self.data, [change]))

    def embed_names(self, faces: NamedFaces) -> bytes:
        """The file with names of faces in its XMP. Raises `CaptionRefused`."""
        self._check_whole()
        change = self._xmp_change(partial(xmp_people.add_names, faces=faces))
        return b"".join(photo.replace_bytes(self.data, [change]))

    def _check_whole(self) -> None:
        """Raises `CaptionRefused` on a file that must not be edited at all."""
        kinds = {chunk.kind for chunk in self._chunks}
        if b"caBX" in kinds or any(b"dcterms:provenance" in packet for packet in self._all_packets):
            raise CaptionRefused(ReasonCode.C2PA)
        if b"dSIG" in kinds:
            raise CaptionRefused(ReasonCode.SIGNED)

    @property
    def _all_packets(self) -> list[bytes]:
        return [*self._packets, *(packet for text in self._texts if (packet := text.packet) is not None)]

    def _xmp_change(self, add: photo.AddToPacket) -> photo.Change:
        if len(self._xmp) > 1:
            raise CaptionRefused(ReasonCode.XMP_SEVERAL)
        if any(text.packet is not None for text in self._texts):
            raise CaptionRefused(ReasonCode.XMP_FORM)
        if not self._xmp:
            at = self._chunks[0].end
            return at, at, compose(b"iTXt", _XMP_HEADER + add(None))
        chunk = self._xmp[0]
        self._check_moves(chunk.start)
        return chunk.start, chunk.end, compose(b"iTXt", _XMP_HEADER + add(self._packets[0]))

    def _exif_change(self, own: OwnCaption) -> photo.Change:
        if any(text.exif is not None for text in self._texts):
            raise CaptionRefused(ReasonCode.EXIF_FORM)
        if len(self._exif) > 1:
            raise CaptionRefused(ReasonCode.EXIF_BLOCKS)
        if not self._exif:
            at = self._chunks[0].end
            return at, at, compose(b"eXIf", tiff_edit.compose_block(own))
        chunk = self._exif[0]
        self._check_moves(chunk.start)
        block = photo.add_to_block(self._blocks[0], own, limit=_MAX_BLOCK_BYTES)
        return chunk.start, chunk.end, compose(b"eXIf", self._header(chunk) + block)

    def _header(self, chunk: Chunk) -> bytes:
        """What some programs write before the block, as in a JPEG."""
        return photo.EXIF_HEADER if chunk.body(self.data).startswith(photo.EXIF_HEADER) else b""

    def _check_moves(self, start: int) -> None:
        """Raises `CaptionRefused` where something before a chunk points behind it, which must not move then."""
        if any(other.kind == b"iDOT" and other.start < start for other in self._chunks):
            raise CaptionRefused(ReasonCode.IDOT)
        blocks = (self._block(other) for other in self._exif if other.start < start)
        if any(tiff.pictures_outside(block) for block in blocks):
            raise CaptionRefused(ReasonCode.THUMBNAIL_OUTSIDE)

    def without_caption(self, own_digests: frozenset[str] = frozenset()) -> Sequence[bytes | memoryview]:
        """The file without our caption, and copies of it, in pieces. `own_digests`: see `EditablePhoto`. Raises
        `CaptionRefused`."""
        digests = own_digests | {mark.digest for mark in self.marks}
        packets = zip(self._xmp, self._packets, strict=True)
        parts = [(chunk, _XMP_HEADER, photo.remove_from_packet(packet, digests)) for chunk, packet in packets]
        parts += [(c, self._header(c), photo.remove_from_block(self._block(c), digests)) for c in self._exif]
        bodies = [(chunk, None if part.data is None else header + part.data) for chunk, header, part in parts if part]
        for chunk in self._text_chunks:
            with suppress(CaptionRefused):  # what is damaged is no copy that is known for one
                remaining = remove_from_text(chunk.kind, chunk.body(self.data), digests)
                if remaining is not None:
                    bodies.append((chunk, remaining or None))
        changes = [(c.start, c.end, b"" if body is None else compose(c.kind, body)) for c, body in bodies]
        return photo.replace_bytes(self.data, changes)

    def without_names(self) -> Sequence[bytes | memoryview]:
        """The file without our names of faces, in pieces. Raises `CaptionRefused`."""
        changes: list[photo.Change] = []
        for chunk, packet in zip(self._xmp, self._packets, strict=True):
            if (stripped := xmp_people.remove_names(packet)) is not None:
                new = b"" if stripped.data is None else compose(chunk.kind, _XMP_HEADER + stripped.data)
                changes.append((chunk.start, chunk.end, new))
        return photo.replace_bytes(self.data, changes)
