"""A JPEG as a photo that a caption can be written into."""

from __future__ import annotations

from functools import cached_property
from itertools import repeat

from indexer.errors import CaptionRefused
from indexer.formats import iptc, tiff, tiff_edit, xmp_packet
from indexer.formats.charsets import decode_text
from indexer.formats.jpeg import (
    APP0,
    APP1,
    APP2,
    APP11,
    APP13,
    COM,
    EOI,
    EXIF_HEADER,
    EXTENDED_XMP_HEADER,
    MAX_PAYLOAD_BYTES,
    MPF_HEADER,
    XMP_HEADER,
    Segment,
    compose,
    header_segments,
    is_kind,
    odd_xmp,
    payload,
    segments,
)
from indexer.formats.jpeg_trailer import check_trailer
from indexer.formats.photo import (
    Change,
    EditablePhoto,
    add_to_block,
    add_to_packet,
    captions_of_packets,
    iptc_captions,
    remove_from_block,
    remove_from_packet,
    replace_bytes,
)
from indexer.model import CaptionPlace
from indexer.ownership.mark import FieldText, OwnCaption, digest, sha256
from indexer.reasons import ReasonCode

# The segments of thermal cameras. ExifTool counts positions in them from their own beginning, those of XMP from the
# file's, and passes over a part of theirs that has the position of an XMP packet. Exif will do for the caption.
_FLIR_HEADER = b"FLIR\0"


class JpegPhoto(EditablePhoto):
    """One JPEG's bytes, split once. Raises `JpegError` where they are not a JPEG of sound structure."""

    places = (CaptionPlace.EXIF, CaptionPlace.XMP)

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._header = header_segments(data)
        self._exif = [s for s in self._header if is_kind(data, s, APP1, EXIF_HEADER)]
        self._xmp = [s for s in self._header if is_kind(data, s, APP1, XMP_HEADER)]
        self._mpf = [s for s in self._header if is_kind(data, s, APP2, MPF_HEADER)]

    @property
    def _has_junk(self) -> bool:
        return any(segment.junk for segment in self._header)

    @cached_property
    def _end(self) -> Segment:
        """The EOI; where there is none, the last scan. Finding it means reading through the whole picture."""
        return segments(self.data)[-1]

    # -- what it says

    @cached_property
    def texts(self) -> list[FieldText]:
        """Every text that stands where a caption stands. Raises `CaptionRefused` where one may be hidden."""
        found = [text for block in self._blocks for text in tiff.texts(block)]
        packets = [*self._packets, *self._odd_packets, *self._extended_packets]
        found += captions_of_packets(packets, understood=not self._has_junk)  # a packet may go on behind junk
        found += iptc_captions(iptc.captions([payload(self.data, s) for s in self._header if s.marker == APP13]))
        comments = [decode_text(payload(self.data, s)) for s in self._header if s.marker == COM]
        return found + [FieldText("JPEG Comment", text) for text in comments]

    @cached_property
    def _blocks(self) -> list[bytes]:
        return [payload(self.data, s)[len(EXIF_HEADER) :] for s in self._exif]

    @cached_property
    def _packets(self) -> list[bytes]:
        return [payload(self.data, s)[len(XMP_HEADER) :] for s in self._xmp]

    @cached_property
    def _odd_packets(self) -> list[bytes]:
        """Those behind a header that is misspelt, or missing: other programs read them, and none is edited."""
        found = [odd_xmp(payload(self.data, s)) for s in self._header if s.marker == APP1]
        return [packet for packet in found if packet is not None]

    @cached_property
    def _extended_packets(self) -> list[bytes]:
        """Extended XMP put together (XMP specification part 3, 1.1.3.1): GUID, full length, offset, portion."""
        portions: dict[bytes, list[tuple[int, bytes]]] = {}
        for segment in self._header:
            if is_kind(self.data, segment, APP1, EXTENDED_XMP_HEADER):
                body = payload(self.data, segment)[len(EXTENDED_XMP_HEADER) :]
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
        if len(self._xmp) > 1:
            raise CaptionRefused(ReasonCode.XMP_SEVERAL)
        changes: list[Change] = []
        if place is not CaptionPlace.XMP:
            changes += self._exif_change(own)
            if not self._xmp and any(is_kind(self.data, s, APP1, _FLIR_HEADER) for s in self._header):
                return b"".join(replace_bytes(self.data, changes))
        try:
            changes += self._xmp_change(own, needs_text=place is CaptionPlace.XMP)
        except CaptionRefused:
            if place is CaptionPlace.XMP:
                raise  # else the Exif block alone carries caption, mark and undo record
        return b"".join(replace_bytes(self.data, changes))

    def _check_whole(self) -> None:
        """What forbids any edit of the file, whichever the place."""
        content = [payload(self.data, s) for s in self._header if s.marker == APP11]
        if any(b"jumb" in body and (b"c2pa" in body or b"cai." in body) for body in content):
            raise CaptionRefused(ReasonCode.C2PA)
        if any(b"dcterms:provenance" in packet for packet in self._packets):
            raise CaptionRefused(ReasonCode.C2PA_ELSEWHERE)
        check_trailer(
            self.data,
            self._end.end,
            tiff_start=self._exif[0].body + len(EXIF_HEADER) if self._exif else 0,
            block=self._blocks[0] if self._exif else b"",
            xmp=b"".join(self._packets),
            mpf=(self._mpf[0].body + len(MPF_HEADER), self._mpf[0].end) if self._mpf else None,
        )

    def _exif_change(self, own: OwnCaption) -> list[Change]:
        if self._end.marker != EOI:
            raise CaptionRefused(ReasonCode.CUT_OFF)
        if len(self._exif) > 1:
            raise CaptionRefused(ReasonCode.EXIF_SEGMENTS)
        if self._has_junk:
            raise CaptionRefused(ReasonCode.JUNK_IN_HEADER)
        if not self._exif:
            at = self._after_app0
            self._check_mpf(at)
            return [(at, at, compose(APP1, EXIF_HEADER + tiff_edit.compose_block(own)))]
        segment = self._exif[0]
        self._check_mpf(segment.start)
        try:
            block = add_to_block(self._blocks[0], own)
        except tiff.TiffError as error:
            raise error.of_block() from error
        return [(segment.marker_at, segment.end, compose(APP1, EXIF_HEADER + block))]

    def _xmp_change(self, own: OwnCaption, *, needs_text: bool) -> list[Change]:
        if not self._xmp and self._odd_packets:
            raise CaptionRefused(ReasonCode.XMP_MISSPELT)
        if not self._xmp:
            at = self._behind_pictures(self._exif[0].end if len(self._exif) == 1 else self._after_app0)
            self._check_mpf(at)
            self._check_junk(at)
            return [(at, at, compose(APP1, XMP_HEADER + xmp_packet.compose_packet(own)))]
        segment = self._xmp[0]
        self._behind_pictures(segment.start, only=True)
        self._check_mpf(segment.start)
        self._check_junk(segment.end)
        packet = add_to_packet(self._packets[0], own, needs_text=needs_text)
        return [(segment.marker_at, segment.end, compose(APP1, XMP_HEADER + packet))]

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
        starts = [segment.body + len(EXIF_HEADER) for segment in self._exif]
        found = (
            (base + start, base + end)
            for base, block in zip(starts, self._blocks, strict=True)
            for start, end in tiff.pictures_outside(block)
        )
        return [(start, end) for start, end in found if start < len(self.data) + 2 * MAX_PAYLOAD_BYTES]

    @property
    def _after_app0(self) -> int:
        """After SOI and all leading APP0 (JFIF and its extensions come first: JFIF 1.02)."""
        end = self._header[0].end
        for segment in self._header[1:]:
            if segment.marker != APP0:
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

    def without_caption(self, vouched: frozenset[str] = frozenset()) -> list[bytes | memoryview]:
        """The file without our caption, and copies of it, in pieces. `vouched`: see `EditablePhoto`. What another
        program has changed in a way that is not understood stays. Raises `CaptionRefused` where nothing else is there.
        """
        digests = vouched | {mark.digest for mark in self.marks}
        changes: list[Change] = []
        refused: list[CaptionRefused] = []
        parts = [
            *zip(self._exif, repeat(EXIF_HEADER), self._blocks, repeat(remove_from_block)),
            *zip(self._xmp, repeat(XMP_HEADER), self._packets, repeat(remove_from_packet)),
        ]
        for segment, header, body, remove in parts:
            try:
                if (stripped := remove(body, digests)) is not None:
                    new = b"" if stripped.data is None else compose(APP1, header + stripped.data)
                    changes.append((segment.marker_at, segment.end, new))
            except CaptionRefused as error:
                refused.append(error)
        changes += self._iptc_changes(digests)
        changes += self._comment_changes(digests)
        if refused and not changes:
            raise refused[0]
        return replace_bytes(self.data, changes)

    def _iptc_changes(self, digests: frozenset[str]) -> list[Change]:
        """IPTC's caption where it is ours and stands in a segment of its own; one that goes on in the next stays."""
        found = [s for s in self._header if is_kind(self.data, s, APP13, iptc.PHOTOSHOP_HEADER)]
        new = iptc.remove_from_app13(payload(self.data, found[0]), digests) if len(found) == 1 else None
        if new is None or self._is_behind_mpf(found[0]):
            return []
        return [(found[0].marker_at, found[0].end, compose(APP13, new))]

    def _comment_changes(self, digests: frozenset[str]) -> list[Change]:
        found = (s for s in self._header if s.marker == COM and not self._is_behind_mpf(s))
        return [(s.marker_at, s.end, b"") for s in found if digest(decode_text(payload(self.data, s))) in digests]

    def _is_behind_mpf(self, segment: Segment) -> bool:
        """Whether an MPF segment stands before this one: its offsets would no longer be true without it."""
        return any(mpf.start < segment.start for mpf in self._mpf)
