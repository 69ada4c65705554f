"""A JPEG as a photo that a caption can be written into, and whether the bytes before its trailer may grow."""

from __future__ import annotations

import re
import struct
from collections.abc import Collection
from functools import cached_property, partial
from itertools import repeat

from indexer.errors import CaptionRefused
from indexer.formats import iptc, jpeg, photo, tiff, tiff_edit, xmp_people
from indexer.formats.charsets import decode_text
from indexer.formats.jpeg import Segment
from indexer.formats.maker_note import may_point_at, shows_outside
from indexer.formats.tiff import TiffError
from indexer.formats.xmp_people import NamedFaces
from indexer.model import CaptionPlace
from indexer.ownership.mark import FieldText, OwnCaption, digest, sha256
from indexer.reasons import ReasonCode

# The segments of thermal cameras. ExifTool counts positions in them from their own beginning, those of XMP from the
# file's, and passes over a part of theirs that has the position of an XMP packet. Exif will do for the caption.
_FLIR_HEADER = b"FLIR\0"
_MAX_TARGETS = 256
_SECTOR_BYTES = 512  # of memory cards and disks, of which every cluster is a multiple
_MAX_BEFORE_PICTURE_BYTES = 1 << 16  # what cameras leave between the end of a picture and the next one
_MP_ENTRY_BYTES, _MP_ENTRY = 16, 0xB002  # CIPA DC-007, 5.2.3.3
#: Field types that may hold a position in the file: BYTE, LONG, UNDEFINED, SLONG, IFD.
_POSITIONS = frozenset({1, 4, 7, 9, 13})
_PADDING = re.compile(rb"[\x00\xff]*")
_JPEG = re.compile(rb"[\x00-\xff]\xd8\xff[\xc4\xdb\xe0-\xef\xfe]")  # and the marker of a segment that may come first
_PADDED_JPEG = re.compile(rb"[\x00\xff]*\xff\xd8")
_GCONTAINER = b"http://ns.google.com/photos/1.0/container/"
_MICRO_VIDEO = b"MicroVideo"


class JpegPhoto(photo.EditablePhoto):
    """One JPEG's bytes, split once. Raises `JpegError` where they are not a JPEG of sound structure."""

    places = (CaptionPlace.EXIF, CaptionPlace.XMP)

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._header = jpeg.header_segments(data)
        self._exif = [s for s in self._header if jpeg.is_kind(data, s, jpeg.APP1, jpeg.EXIF_HEADER)]
        self._xmp = [s for s in self._header if jpeg.is_kind(data, s, jpeg.APP1, jpeg.XMP_HEADER)]
        self._mpf = [s for s in self._header if jpeg.is_kind(data, s, jpeg.APP2, jpeg.MPF_HEADER)]

    @property
    def _has_junk(self) -> bool:
        return any(segment.junk for segment in self._header)

    @cached_property
    def _end(self) -> Segment:
        """The EOI; where there is none, the last scan. Finding it means reading through the whole picture."""
        return jpeg.segments(self.data)[-1]

    # -- what it says

    @cached_property
    def texts(self) -> list[FieldText]:
        """Every text that stands where a caption stands. Raises `CaptionRefused` where one may be hidden."""
        found = [text for block in self._blocks for text in tiff.texts(block)]
        packets = [*self._packets, *self._odd_packets, *self._extended_packets]
        found += photo.captions_of_packets(packets, understood=not self._has_junk)  # a packet may go on behind junk
        found += photo.iptc_captions(iptc.captions(self._payloads(jpeg.APP13)))
        return found + [FieldText("JPEG Comment", decode_text(body)) for body in self._payloads(jpeg.COM)]

    def _payloads(self, marker: int) -> list[bytes]:
        return [jpeg.payload(self.data, s) for s in self._header if s.marker == marker]

    @cached_property
    def _blocks(self) -> list[bytes]:
        return [jpeg.payload(self.data, s)[len(jpeg.EXIF_HEADER) :] for s in self._exif]

    @cached_property
    def _packets(self) -> list[bytes]:
        return [jpeg.payload(self.data, s)[len(jpeg.XMP_HEADER) :] for s in self._xmp]

    @cached_property
    def _odd_packets(self) -> list[bytes]:
        """Those behind a header that is misspelt, or missing: other programs read them, and none is edited."""
        return [packet for body in self._payloads(jpeg.APP1) if (packet := jpeg.odd_xmp(body)) is not None]

    @cached_property
    def _extended_packets(self) -> list[bytes]:
        """Extended XMP put together (XMP specification part 3, 1.1.3.1): GUID, full length, offset, portion."""
        portions: dict[bytes, list[tuple[int, bytes]]] = {}
        for segment in self._header:
            if jpeg.is_kind(self.data, segment, jpeg.APP1, jpeg.EXTENDED_XMP_HEADER):
                body = jpeg.payload(self.data, segment)[len(jpeg.EXTENDED_XMP_HEADER) :]
                offset = int.from_bytes(body[36:40], "big")
                portions.setdefault(body[:32], []).append((offset, body[40:]))
        return [b"".join(portion for _, portion in sorted(found)) for found in portions.values()]

    @property
    def picture_digest(self) -> str:
        """SHA-256 of everything from the first scan on: tells whether a file still shows the same photo."""
        return sha256(memoryview(self.data)[self._header[-1].end :])

    # -- writing

    def embed(self, own: OwnCaption, place: CaptionPlace) -> bytes:
        """The file with the caption at `place` (Exif with XMP where it can be, or XMP only).

        Raises `CaptionRefused` with the reason where that can't be done without risk.
        """
        self._check_whole()
        changes: list[photo.Change] = []
        if place is not CaptionPlace.XMP:
            changes += self._exif_change(own)
            if self._is_thermal_without_xmp:
                return b"".join(photo.replace_bytes(self.data, changes))
        try:
            changes += self._xmp_change(partial(photo.add_to_packet, own=own, needs_text=place is CaptionPlace.XMP))
        except CaptionRefused:
            if place is CaptionPlace.XMP:
                raise  # else the Exif block alone carries caption, mark and undo record
        return b"".join(photo.replace_bytes(self.data, changes))

    def embed_names(self, faces: NamedFaces) -> bytes:
        """The file with names of faces in its XMP. Raises `CaptionRefused`."""
        self._check_whole()
        if self._is_thermal_without_xmp:
            raise CaptionRefused(ReasonCode.FORMAT_NOT_CHANGED)
        changes = self._xmp_change(partial(xmp_people.add_names, faces=faces))
        return b"".join(photo.replace_bytes(self.data, changes))

    @property
    def _is_thermal_without_xmp(self) -> bool:
        return not self._xmp and any(jpeg.is_kind(self.data, s, jpeg.APP1, _FLIR_HEADER) for s in self._header)

    def _check_whole(self) -> None:
        """What forbids any edit of the file, whichever the place."""
        if len(self._xmp) > 1:
            raise CaptionRefused(ReasonCode.XMP_SEVERAL)
        if any(b"jumb" in body and (b"c2pa" in body or b"cai." in body) for body in self._payloads(jpeg.APP11)):
            raise CaptionRefused(ReasonCode.C2PA)
        if any(b"dcterms:provenance" in packet for packet in self._packets):
            raise CaptionRefused(ReasonCode.C2PA_ELSEWHERE)
        _check_trailer(
            self.data,
            self._end.end,
            tiff_start=self._exif[0].body + len(jpeg.EXIF_HEADER) if self._exif else 0,
            block=self._blocks[0] if self._exif else b"",
            xmp=b"".join(self._packets),
            mpf=(self._mpf[0].body + len(jpeg.MPF_HEADER), self._mpf[0].end) if self._mpf else None,
        )

    def _exif_change(self, own: OwnCaption) -> list[photo.Change]:
        if self._end.marker != jpeg.EOI:
            raise CaptionRefused(ReasonCode.CUT_OFF)
        if len(self._exif) > 1:
            raise CaptionRefused(ReasonCode.EXIF_SEGMENTS)
        if self._has_junk:
            raise CaptionRefused(ReasonCode.JUNK_IN_HEADER)
        if not self._exif:
            at = self._after_app0
            self._check_mpf(at)
            return [(at, at, jpeg.compose(jpeg.APP1, jpeg.EXIF_HEADER + tiff_edit.compose_block(own)))]
        segment = self._exif[0]
        self._check_mpf(segment.start)
        try:
            block = photo.add_to_block(self._blocks[0], own)
        except tiff.TiffError as error:
            raise error.of_block() from error
        return [(segment.marker_at, segment.end, jpeg.compose(jpeg.APP1, jpeg.EXIF_HEADER + block))]

    def _xmp_change(self, add: photo.AddToPacket) -> list[photo.Change]:
        if not self._xmp and self._odd_packets:
            raise CaptionRefused(ReasonCode.XMP_MISSPELT)
        if not self._xmp:
            at = self._behind_pictures(self._exif[0].end if len(self._exif) == 1 else self._after_app0)
            self._check_mpf(at)
            self._check_junk(at)
            return [(at, at, jpeg.compose(jpeg.APP1, jpeg.XMP_HEADER + add(None)))]
        segment = self._xmp[0]
        self._behind_pictures(segment.start, only=True)
        self._check_mpf(segment.start)
        self._check_junk(segment.end)
        packet = jpeg.compose(jpeg.APP1, jpeg.XMP_HEADER + add(self._packets[0]))
        return [(segment.marker_at, segment.end, packet)]

    def _behind_pictures(self, at: int, *, only: bool = False) -> int:
        """`at`, or the next place behind the last byte that the Exif block points at past its own end: a thumbnail
        that is cut off there goes on in the next segment to those who read it, and what is put between would become a
        part of it. `only`: no other place will do."""
        last = max((end for _, end in self._pictures_outside), default=0)
        ends = [segment.end for segment in self._header if segment.end >= max(last, at)]
        if last <= at:
            return at
        if only or not ends:
            raise CaptionRefused(ReasonCode.THUMBNAIL_OUTSIDE)
        return ends[0]

    @cached_property
    def _pictures_outside(self) -> list[tuple[int, int]]:
        """In bytes of the file. What lies so far behind its end that no caption makes it reach there doesn't count."""
        starts = [segment.body + len(jpeg.EXIF_HEADER) for segment in self._exif]
        found = (
            (base + start, base + end)
            for base, block in zip(starts, self._blocks, strict=True)
            for start, end in tiff.pictures_outside(block)
        )
        return [(start, end) for start, end in found if start < len(self.data) + 2 * jpeg.MAX_PAYLOAD_BYTES]

    @property
    def _after_app0(self) -> int:
        """After SOI and all leading APP0 (JFIF and its extensions come first: JFIF 1.02)."""
        end = self._header[0].end
        for segment in self._header[1:]:
            if segment.marker != jpeg.APP0:
                break
            end = segment.end
        return end

    def _check_mpf(self, at: int) -> None:
        """MPF's offsets count from its own segment: it may move together with what it points at, not apart from it."""
        if any(segment.start < at for segment in self._mpf):
            raise CaptionRefused(ReasonCode.MPF)

    def _check_junk(self, end: int) -> None:
        """What programs make of junk differs: what stands behind it may not be seen by all, and some tell what it
        follows."""
        if any(segment.junk and segment.start <= end for segment in self._header):
            raise CaptionRefused(ReasonCode.JUNK_AT_PLACE)

    # -- undoing

    def without_caption(self, own_digests: frozenset[str] = frozenset()) -> list[bytes | memoryview]:
        """The file without our caption, and copies of it, in pieces. `own_digests`: see `EditablePhoto`. What another
        program has changed in a way that is not understood stays. Raises `CaptionRefused` where nothing else is there.
        """
        digests = own_digests | {mark.digest for mark in self.marks}
        changes: list[photo.Change] = []
        refused: list[CaptionRefused] = []
        parts = [
            *zip(self._exif, repeat(jpeg.EXIF_HEADER), self._blocks, repeat(photo.remove_from_block)),
            *zip(self._xmp, repeat(jpeg.XMP_HEADER), self._packets, repeat(photo.remove_from_packet)),
        ]
        for segment, header, body, remove in parts:
            try:
                if (stripped := remove(body, digests)) is not None:
                    new = b"" if stripped.data is None else jpeg.compose(jpeg.APP1, header + stripped.data)
                    changes.append((segment.marker_at, segment.end, new))
            except CaptionRefused as error:
                refused.append(error)
        changes += self._iptc_changes(digests)
        changes += self._comment_changes(digests)
        if refused and not changes:
            raise refused[0]
        return photo.replace_bytes(self.data, changes)

    def without_names(self) -> list[bytes | memoryview]:
        """The file without our names of faces, in pieces. Raises `CaptionRefused`."""
        changes: list[photo.Change] = []
        for segment, packet in zip(self._xmp, self._packets, strict=True):
            if (stripped := xmp_people.remove_names(packet)) is not None:
                new = b"" if stripped.data is None else jpeg.compose(jpeg.APP1, jpeg.XMP_HEADER + stripped.data)
                changes.append((segment.marker_at, segment.end, new))
        return photo.replace_bytes(self.data, changes)

    def _iptc_changes(self, digests: frozenset[str]) -> list[photo.Change]:
        """IPTC's caption where it is ours and stands in a segment of its own; one that goes on in the next stays."""
        found = [s for s in self._header if jpeg.is_kind(self.data, s, jpeg.APP13, iptc.PHOTOSHOP_HEADER)]
        new = iptc.remove_from_app13(jpeg.payload(self.data, found[0]), digests) if len(found) == 1 else None
        if new is None or self._is_behind_mpf(found[0]):
            return []
        return [(found[0].marker_at, found[0].end, jpeg.compose(jpeg.APP13, new))]

    def _comment_changes(self, digests: frozenset[str]) -> list[photo.Change]:
        found = (s for s in self._header if s.marker == jpeg.COM and not self._is_behind_mpf(s))
        return [(s.marker_at, s.end, b"") for s in found if digest(decode_text(jpeg.payload(self.data, s))) in digests]

    def _is_behind_mpf(self, segment: Segment) -> bool:
        """Whether an MPF segment stands before this one: its offsets would no longer be true without it."""
        return any(mpf.start < segment.start for mpf in self._mpf)


def _check_trailer(
    data: bytes, trailer: int, *, tiff_start: int, block: bytes, xmp: bytes, mpf: tuple[int, int] | None
) -> None:
    """Raises `CaptionRefused` where making the header longer would leave a pointer into the trailer wrong.

    `trailer` is where it begins in `data`; `block` is the Exif block (b"" where there is none), at `tiff_start`; `mpf`
    is where MPF's TIFF header stands and its segment ends, None where there is no MPF.
    """
    if shows_outside(block, len(data) - tiff_start):
        raise CaptionRefused(ReasonCode.MAKER_NOTE_PREVIEW)
    if trailer >= len(data):
        return
    if data[-12:].startswith((b"AXS!", b"AXS*")):
        raise CaptionRefused(ReasonCode.AFCP_TRAILER)
    beginnings = _beginnings(data, trailer)
    if _points_past_picture(beginnings, tiff_start, block):
        raise CaptionRefused(ReasonCode.EXIF_TRAILER)
    if not _has_maker_note(block) or _is_known(data, trailer, xmp, mpf) or _is_left_over(data, trailer):
        return
    if may_point_at(block, beginnings, trailer, len(data), file_start=tiff_start):
        raise CaptionRefused(ReasonCode.MAKER_NOTE_TRAILER)


def _is_left_over(data: bytes, trailer: int) -> bool:
    """Whether what follows is what stood on the card before: the file goes on to the end of a sector, as where it was
    brought back from a damaged card, with zeros to the next sector and then other data. A camera's own would begin
    there, and something would point at its beginning (see `_beginnings`)."""
    sector = _next_sector(trailer)
    padding = data[trailer:sector]
    return len(data) % _SECTOR_BYTES == 0 and sector > trailer and len(set(padding)) == 1 and padding[0] in (0, 0xFF)


def _next_sector(at: int) -> int:
    return at + -at % _SECTOR_BYTES


def _begins_mpf_picture(data: bytes, trailer: int, mpf: tuple[int, int]) -> bool:
    """Whether the first picture in the trailer is one that MPF tells of, whatever a camera leaves before it."""
    block = data[mpf[0] : mpf[1]]
    try:
        order, directory = tiff.read_ifd0(block)
    except TiffError:
        return False
    first = _JPEG.search(data, trailer, trailer + _MAX_BEFORE_PICTURE_BYTES)
    for entry in directory.entries if first else ():
        for at in (
            range(entry.start, entry.end - _MP_ENTRY_BYTES + 1, _MP_ENTRY_BYTES) if entry.tag == _MP_ENTRY else ()
        ):
            size, start = struct.unpack_from(order + "II", block, at + 4)
            if first and start and mpf[0] + start == first.start() and first.start() + size <= len(data):
                return True
    return False


def _is_known(data: bytes, trailer: int, xmp: bytes, mpf: tuple[int, int] | None) -> bool:
    """Trailers that are found from the end, or by lengths, or by MPF, whose offsets move with its own segment."""
    return bool(
        (mpf is not None and (_PADDED_JPEG.match(data, trailer) or _begins_mpf_picture(data, trailer, mpf)))
        or _GCONTAINER in xmp
        or _MICRO_VIDEO in xmp
        or data[trailer + 4 : trailer + 8] == b"ftyp"
        or data.endswith((b"SEFT", b"cbipcbbl"))
        or b"CANON OPTIONAL DATA\0" in data[-64:]
        or not data[trailer:].strip(b"\0\xff")
    )


def _beginnings(data: bytes, trailer: int) -> set[int]:
    """Where something begins that a pointer may lead to: the trailer, what follows its padding, the next sector where
    it is left over, and every JPEG in it, were its first byte another one, as in previews of Minolta's."""
    padding = _PADDING.match(data, trailer)
    found = {trailer, padding.end() if padding else trailer}
    if _is_left_over(data, trailer):
        found.add(_next_sector(trailer))
    for match in _JPEG.finditer(data, trailer):
        found.add(match.start())
        if len(found) > _MAX_TARGETS:
            break
    return found


def _points_past_picture(beginnings: Collection[int], tiff_start: int, block: bytes) -> bool:
    """Whether any four bytes of the block are one of these positions, counted from the file or the block; bytes that
    hold none (see `_without_positions`) aside."""
    positions = {beginning - base for beginning in beginnings for base in (0, tiff_start)}
    numbers = [position.to_bytes(4, order) for position in positions for order in ("big", "little")]
    hits = [match.start() for number in numbers for match in re.finditer(b"(?=%b)" % re.escape(number), block)]
    others = _without_positions(block) if hits else []
    return any(not any(start < hit + 4 and hit < end for start, end in others) for hit in hits)


def _without_positions(block: bytes) -> list[tuple[int, int]]:
    """Bytes of the block that are known to hold something else: tags, types and counts of its directories, and values
    of types for text, fractions and small numbers. None where the block is not understood."""
    found: list[tuple[int, int]] = []
    try:
        for directory in tiff.walk(block):
            found.append((directory.offset, directory.offset + 2))
            for number, entry in enumerate(directory.entries):
                at = directory.offset + 2 + number * tiff.ENTRY_BYTES
                found.append((at, at + 8))
                if entry.kind not in _POSITIONS:
                    found.append((entry.start, entry.end))
    except TiffError:
        return []
    return found


def _has_maker_note(block: bytes) -> bool:
    """Whether the block has a MakerNote; a damaged block that has the tag's two bytes anywhere is taken to."""
    try:
        return bool(block) and bool(tiff.maker_notes(block))
    except TiffError:
        return tiff.MAKER_NOTE.to_bytes(2, "big") in block or tiff.MAKER_NOTE.to_bytes(2, "little") in block
