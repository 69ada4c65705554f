"""A WebP as a photo that a caption can be written into (RFC 9649: RIFF chunks, VP8X and its flags)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property

from indexer.errors import CaptionRefused, NotUnderstood
from indexer.formats import iptc, photo, tiff, tiff_edit, xmp_packet, xmp_people, xmp_tree
from indexer.formats.xmp_people import NamedFaces
from indexer.model import CaptionPlace
from indexer.ownership.mark import FieldText, OwnCaption, sha256
from indexer.reasons import ReasonCode

_EXIF_FLAG, _XMP_FLAG, _ALPHA_FLAG = 0x08, 0x04, 0x10
_MAX_BLOCK_BYTES = 1 << 24
_KIND = re.compile(rb"[\x20-\x7e]{4}|XMP\0")
_MISSPELT_XMP = b"XMP\0"  # by some programs; exiftool and others read it all the same
XMP_KINDS = (b"XMP ", _MISSPELT_XMP)
_PHOTOSHOP = b"PSAI"
_BESIDES_PICTURE = frozenset({b"VP8X", b"EXIF", *XMP_KINDS})

_Chunk = tuple[bytes, bytes]  # its kind in four letters, and the payload without its padding byte


class WebpError(NotUnderstood):
    """The bytes are not a WebP whose structure is fully understood."""


def is_webp(data: bytes) -> bool:
    """Whether the first bytes are those of a WebP."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def readable_chunks(data: bytes, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the payload of each chunk up to `end` (of the data, unless given), or to the first that is
    cut off; the padding byte is left out (RFC 9649, 2.3)."""
    end, at = len(data) if end is None else end, 12
    while at + 8 <= end:
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + size > end:
            return
        yield data[at : at + 4], at + 8, at + 8 + size
        at += 8 + size + size % 2


def chunks(data: bytes) -> tuple[list[_Chunk], bytes]:
    """All chunks of the file, those of unknown kinds too (RFC 9649, 2.7.1.4: to be kept, in their order), and what
    stands behind the end. Raises `WebpError` on gaps, odd padding, or a wrong size."""
    end_of_file = int.from_bytes(data[4:8], "little") + 8
    if not is_webp(data) or end_of_file > len(data):
        raise WebpError("the WebP's size is not what its header says")
    at, found = 12, list[_Chunk]()
    for kind, start, end in readable_chunks(data, end_of_file):
        padded = end + (end - start) % 2
        if padded > end_of_file or not _KIND.fullmatch(kind):
            break
        if data[end:padded].strip(b"\0"):
            raise WebpError(f"the WebP's chunk at byte {at} is padded with something else than a zero")
        found.append((kind, data[start:end]))
        at = padded
    if at < end_of_file:
        raise WebpError(f"the WebP's chunk at byte {at} is cut off, or none")
    if not found:
        raise WebpError("the WebP has no chunks")
    return found, data[end_of_file:]


def assemble(found: Iterable[_Chunk], behind: bytes = b"") -> list[bytes]:
    """The file of these chunks and what stands behind them, in pieces."""
    parts = [b"WEBP"]
    for kind, body in found:
        parts += [kind, len(body).to_bytes(4, "little"), body, b"\0" * (len(body) % 2)]
    return [b"RIFF", sum(map(len, parts)).to_bytes(4, "little"), *parts, behind]


class WebpPhoto(photo.EditablePhoto):
    """One WebP's bytes, split once. Raises `WebpError` where they are not a WebP of sound structure."""

    places = (CaptionPlace.EXIF, CaptionPlace.XMP)

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._chunks, self._behind = chunks(data)
        for kinds in ((b"EXIF",), XMP_KINDS, (b"VP8X",)):
            if sum(kind in kinds for kind, _ in self._chunks) > 1:
                raise WebpError(f"the WebP has several {kinds[0].decode().strip()} chunks")
        if self._chunks[0][0] not in (b"VP8X", b"VP8 ", b"VP8L"):
            raise WebpError("the WebP begins with no chunk that it may begin with")

    def _body(self, kind: bytes) -> bytes | None:
        return next((body for other, body in self._chunks if other == kind), None)

    @cached_property
    def _blocks(self) -> list[bytes]:
        body = self._body(b"EXIF")
        return [] if body is None else [body.removeprefix(photo.EXIF_HEADER)]

    @cached_property
    def _packets(self) -> list[bytes]:
        body = self._body(b"XMP ") or self._body(_MISSPELT_XMP)
        return [] if body is None else [body]

    @cached_property
    def texts(self) -> list[FieldText]:
        """Every text that stands where a caption stands. Raises `CaptionRefused` where one may be hidden."""
        self._check_packet()
        found = [text for block in self._blocks for text in tiff.texts(block)]
        found += photo.captions_of_packets(self._packets)
        return found + photo.iptc_captions(iptc.captions_of_resources(self._body(_PHOTOSHOP) or b""))

    def _check_packet(self) -> None:
        """Raises `CaptionRefused` where the XMP can't be parsed, and may hold a caption."""
        for packet in self._packets:
            try:
                xmp_tree.parse(packet)
            except xmp_tree.XmpError as error:
                if xmp_packet.may_describe(packet):
                    raise CaptionRefused(ReasonCode.XMP_MAY_DESCRIBE, reason=error.reason) from error

    @property
    def picture_digest(self) -> str:
        """SHA-256 of the image chunks."""
        return sha256(*(body for kind, body in self._chunks if kind not in _BESIDES_PICTURE))

    def embed(self, own: OwnCaption, place: CaptionPlace) -> bytes:
        """The file with the caption at `place`. Raises `CaptionRefused`."""
        self._check_whole()
        bodies: dict[bytes, bytes | None] = {}
        if place is CaptionPlace.EXIF:
            bodies[b"EXIF"] = self._exif(own)
        try:
            needs_text = place is CaptionPlace.XMP
            bodies[b"XMP "] = photo.add_to_packet(self._editable_packet, own, needs_text=needs_text)
        except CaptionRefused:
            if place is CaptionPlace.XMP:
                raise
        return self._with(bodies)

    def embed_names(self, faces: NamedFaces) -> bytes:
        """The file with names of faces in its XMP. Raises `CaptionRefused`."""
        self._check_whole()
        return self._with({b"XMP ": xmp_people.add_names(self._editable_packet, faces)})

    def _with(self, bodies: dict[bytes, bytes | None]) -> bytes:
        return b"".join(assemble(_update_flags(_replace_bodies(self._chunks, bodies)), self._behind))

    @property
    def _editable_packet(self) -> bytes | None:
        """Raises `CaptionRefused`."""
        if self._body(_MISSPELT_XMP) is not None:
            raise CaptionRefused(ReasonCode.XMP_CHUNK_MISSPELT)
        return self._body(b"XMP ")

    def _check_whole(self) -> None:
        """Raises `CaptionRefused` on a file that must not be edited at all."""
        if self._body(b"C2PA") is not None:
            raise CaptionRefused(ReasonCode.C2PA)
        if any(b"dcterms:provenance" in (self._body(kind) or b"") for kind in XMP_KINDS):
            raise CaptionRefused(ReasonCode.C2PA_BOUND)
        if any(map(tiff.pictures_outside, self._blocks)):
            raise CaptionRefused(ReasonCode.THUMBNAIL_OUTSIDE)

    @property
    def _exif_header(self) -> bytes:
        return photo.EXIF_HEADER if (self._body(b"EXIF") or b"").startswith(photo.EXIF_HEADER) else b""

    def _exif(self, own: OwnCaption) -> bytes:
        if not self._blocks:
            return tiff_edit.compose_block(own)
        return self._exif_header + tiff_edit.append_caption(self._blocks[0], own, limit=_MAX_BLOCK_BYTES)

    def without_caption(self, own_digests: frozenset[str] = frozenset()) -> list[bytes]:
        """The file without our caption, in pieces. `own_digests`: see `EditablePhoto`. Raises `CaptionRefused`."""
        digests = own_digests | {mark.digest for mark in self.marks}
        bodies: dict[bytes, bytes | None] = {}
        for block in self._blocks:
            if (stripped := photo.remove_from_block(block, digests)) is not None:
                bodies[b"EXIF"] = None if stripped.data is None else self._exif_header + stripped.data
        if (body := self._body(b"XMP ")) is not None:
            self._check_packet()
            if (stripped := photo.remove_from_packet(body, digests)) is not None:
                bodies[b"XMP "] = stripped.data
        resources = iptc.remove_from_resources(self._body(_PHOTOSHOP) or b"", digests)
        if resources is not None:
            bodies[_PHOTOSHOP] = resources
        return self._restore(bodies, {mark.before for mark in self.marks})

    def without_names(self) -> list[bytes]:
        """The file without our names of faces, in pieces. Raises `CaptionRefused`."""
        stripped = xmp_people.remove_names(self._body(b"XMP ") or b"") if self.names is not None else None
        bodies = {} if stripped is None else {b"XMP ": stripped.data}
        return self._restore(bodies, {self.names.before} if self.names is not None else set())

    def _restore(self, bodies: dict[bytes, bytes | None], originals: Collection[str]) -> list[bytes]:
        """The file with these payloads. A VP8X of our own making goes too: `originals` are SHA-256 of what it was."""
        if not bodies:
            return [self.data]
        remaining = _replace_bodies(self._chunks, bodies)
        simple = assemble((chunk for chunk in remaining if chunk[0] != b"VP8X"), self._behind)
        if sha256(*simple) in originals:
            return simple
        return assemble(_update_flags(remaining), self._behind)


def _replace_bodies(found: Sequence[_Chunk], bodies: dict[bytes, bytes | None]) -> list[_Chunk]:
    """The chunks with these payloads in place of theirs; None removes one; new ones go to the end, EXIF before XMP."""
    changed = [(kind, body) for kind, old in found if (body := bodies.get(kind, old)) is not None]
    present = {kind for kind, _ in changed}
    new = [(kind, body) for kind, body in sorted(bodies.items()) if body is not None and kind not in present]
    at = next((i for i, (kind, _) in enumerate(changed) if new and new[0][0] < kind == b"XMP "), len(changed))
    return [*changed[:at], *new, *changed[at:]]


def _update_flags(found: list[_Chunk]) -> list[_Chunk]:
    """VP8X says which metadata there is; a simple file that gets some gets a VP8X (RFC 9649, 2.7)."""
    kinds = {kind for kind, _ in found}
    flags = (_EXIF_FLAG if b"EXIF" in kinds else 0) | (_XMP_FLAG if b"XMP " in kinds else 0)
    first, body = found[0]
    if first != b"VP8X":
        return [(b"VP8X", _compose_vp8x(first, body, flags)), *found] if flags else found
    old = body[0] if body else 0
    if _MISSPELT_XMP in kinds:
        flags |= old & _XMP_FLAG
    return [(b"VP8X", bytes((old & ~(_EXIF_FLAG | _XMP_FLAG) | flags,)) + body[1:]), *found[1:]]


def _compose_vp8x(kind: bytes, image: bytes, flags: int) -> bytes:
    """The payload of a VP8X for a simple image: flags, 24 bits reserved, width and height less one."""
    if kind == b"VP8L":  # RFC 9649, 3.4: signature, 14 bits each, then one bit that tells of alpha
        bits = int.from_bytes(image[1:5], "little")
        width, height, alpha = bits & 0x3FFF, bits >> 14 & 0x3FFF, bits >> 28 & 1
        flags |= _ALPHA_FLAG * alpha
    else:  # RFC 6386, 9.1: frame tag, start code, 14 bits each below 2 bits of scale
        if image[3:6] != b"\x9d\x01\x2a":
            raise WebpError("the WebP's image does not begin as it should")
        width = (int.from_bytes(image[6:8], "little") & 0x3FFF) - 1
        height = (int.from_bytes(image[8:10], "little") & 0x3FFF) - 1
        if width < 0 or height < 0:
            raise WebpError("the WebP's image has no width or no height")
    return bytes((flags, 0, 0, 0)) + width.to_bytes(3, "little") + height.to_bytes(3, "little")
