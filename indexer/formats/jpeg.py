"""A JPEG file as the list of its segments (ITU-T T.81 annex B), never decoded: strictly read, as writing needs it, and
tolerantly, so that a damaged photo still gives what stands before the damage."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from indexer.errors import NotUnderstood

SOI, EOI, SOS, COM = 0xD8, 0xD9, 0xDA, 0xFE
APP0, APP1, APP2, APP11, APP13 = 0xE0, 0xE1, 0xE2, 0xEB, 0xED

EXIF_HEADER = b"Exif\0\0"  # JEITA CP-3451 (EXIF 2.32), 4.7.2
XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"  # XMP specification part 3, 1.1.3
EXTENDED_XMP_HEADER = b"http://ns.adobe.com/xmp/extension/\0"
MPF_HEADER = b"MPF\0"  # CIPA DC-007

_XMP_SIGN = re.compile(rb"<(?:exif:|\?xpacket|x:xmpmeta|rdf:RDF)")
_XMP_START = re.compile(rb"<(?:\?xpacket|\?xml|x:xmpmeta|x:xapmeta|rdf:RDF)")

MAX_PAYLOAD_BYTES = 0xFFFF - 2  # the segment's length counts its own two bytes

_STANDALONE = frozenset({0x01, SOI, EOI, *range(0xD0, 0xD8)})
_MARKER = re.compile(rb"\xff+[^\x00\xff]")
_MAX_JUNK_BYTES = 4096
# Inside entropy-coded data 0xFF is followed by a zero, a restart marker or a fill byte (T.81, B.1.1.5): all else ends
# the scan.
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


class JpegError(NotUnderstood):
    """The bytes are not a JPEG whose structure is fully understood."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes `start`..`end` of a file: junk, fill bytes, marker, length, payload from `body` on.

    The segment of a scan (SOS) reaches to the end of its entropy-coded data.
    """

    marker: int  # the marker's second byte: 0xE1 is APP1
    start: int
    body: int
    end: int
    junk: int = 0  # bytes before the marker that should not be there, and that decoders skip

    @property
    def marker_at(self) -> int:
        """Where the marker stands, behind its fill bytes."""
        return self.body - (2 if self.marker in _STANDALONE else 4)


def segments(data: bytes) -> list[Segment]:
    """The segments from SOI to EOI, without gaps; what follows the EOI is a trailer and belongs to none.

    A file that ends, or stops making sense, after its first SOS has no EOI in the list: its last segment reaches to
    the end of the data. Raises `JpegError` on anything else than well-formed segments before the first SOS, and
    where there is none.
    """
    found = header_segments(data)
    found.append(_next(data, found[-1].end))
    while found[-1].marker != EOI:
        try:
            segment = _next(data, found[-1].end)
        except JpegError:
            segment = None
        if segment is None or segment.marker == SOI:  # a second picture begins where the first should end
            last = found.pop()
            return [*found, Segment(last.marker, last.start, last.body, len(data))]
        found.append(segment)
    return found


def header_segments(data: bytes) -> list[Segment]:
    """The segments before the first scan: the only ones that are ever edited. The picture itself is not looked at.
    A little junk between them is skipped, as decoders do, and told.

    Raises `JpegError` on anything else than well-formed segments before the first SOS, and where there is none.
    """
    if not data.startswith(b"\xff\xd8"):
        raise JpegError("this is not a JPEG: it does not begin with an SOI marker")
    found = [Segment(SOI, 0, 2, 2)]
    while True:
        segment = _next(data, found[-1].end, junk=_MARKER, with_scan=False)
        if segment.marker == SOS and segment.junk:
            raise JpegError(f"there is junk at byte {segment.start}, before the picture")
        if segment.marker == SOS:
            return found
        if segment.marker in (SOI, EOI):
            raise JpegError(f"marker {segment.marker:#04x} at byte {segment.start} does not belong before the picture")
        found.append(segment)


def readable_segments(data: bytes, *, headers_only: bool = False) -> Iterator[Segment]:
    """The segments with a length, and the EOI, up to the first thing that makes no sense; a few bytes of junk between
    them are skipped, as libjpeg does. `headers_only` stops before the first SOS: most of a file is not looked at.
    """
    at = 2
    with suppress(JpegError):
        while True:
            segment = _next(data, at, junk=_SCAN_END, with_scan=not headers_only)
            at = segment.end
            if segment.marker == SOS and headers_only:
                return
            if segment.marker == EOI or segment.marker not in _STANDALONE:
                yield segment
            if segment.marker == EOI:
                return


def is_jpeg(data: bytes) -> bool:
    """Whether the first bytes are those of a JPEG."""
    return data.startswith(b"\xff\xd8\xff")


def _next(data: bytes, start: int, *, junk: re.Pattern[bytes] | None = None, with_scan: bool = True) -> Segment:
    """The segment at `start`, or, where `junk` may be skipped, behind the first marker that it finds. Raises
    `JpegError`."""
    found = _MARKER.match(data, start)
    if found is None and junk is not None:
        found = junk.search(data, start, start + _MAX_JUNK_BYTES)
    if found is None:
        raise JpegError(f"no marker at byte {start}, where a segment should begin")
    at, skipped = found.end() - 1, found.start() - start
    marker = data[at]
    if marker in _STANDALONE:
        return Segment(marker, start, at + 1, at + 1, skipped)
    length = int.from_bytes(data[at + 1 : at + 3], "big")
    end = at + 1 + length
    if length < 2 or end > len(data):
        raise JpegError(f"the segment {marker:#04x} at byte {start} is cut off")
    if marker == SOS and with_scan:
        scan_end = _SCAN_END.search(data, end)
        end = scan_end.start() if scan_end else len(data)
    return Segment(marker, start, at + 3, end, skipped)


def payload(data: bytes, segment: Segment) -> bytes:
    """What stands between a segment's length and its end."""
    return data[segment.body : segment.end]


def is_kind(data: bytes, segment: Segment, marker: int, header: bytes) -> bool:
    """Whether a segment is an APPn of this sort, told by how its payload begins."""
    return segment.marker == marker and data.startswith(header, segment.body)


def odd_xmp(body: bytes) -> bytes | None:
    """The XMP packet in an APP1 payload without the header that XMP asks for, where it begins as ExifTool takes it for
    one all the same: by an address or a name that is misspelt, or none. None for any other payload."""
    known = (EXIF_HEADER[:5], XMP_HEADER, EXTENDED_XMP_HEADER)
    if body.startswith(known) or not (body.startswith((b"http", b"XMP\0")) or _XMP_SIGN.search(body)):
        return None
    found = _XMP_START.search(body)
    return body[found.start() :] if found else None


def compose(marker: int, body: bytes) -> bytes:
    """A segment of its own. Raises `JpegError` where the payload is too long for one."""
    if len(body) > MAX_PAYLOAD_BYTES:
        raise JpegError(f"{len(body)} bytes do not fit into one JPEG segment ({MAX_PAYLOAD_BYTES} do)")
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body
