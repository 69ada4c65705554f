"""Tolerant scans of containers: where the parts of a JPEG, PNG or RIFF file lie.

For reading only. They stop at the first thing that makes no sense instead of raising, so that a damaged photo
still gives what stands before the damage; `indexer.formats.jpeg` is the strict parser that writing needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

SOI, EOI, SOS, COM = 0xD8, 0xD9, 0xDA, 0xFE
APP0, APP1, APP2, APP13, APP14 = 0xE0, 0xE1, 0xE2, 0xED, 0xEE

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# In entropy-coded data 0xFF is followed by 0x00, by a restart marker, or by padding; anything else is a marker
# (ITU-T T.81, B.1.1.5).
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


@dataclass(frozen=True, slots=True)
class Part:
    """A segment or chunk: `start` is its first byte, `body` that of its payload, `end` one past its last."""

    kind: int | bytes  # JPEG: the marker's second byte; PNG and RIFF: four letters
    start: int
    body: int
    end: int


def jpeg_parts(data: bytes, *, headers_only: bool = False) -> Iterator[Part]:
    """The segments of a JPEG from SOI to EOI, entropy-coded data as part of its SOS (ITU-T T.81, annex B).

    `headers_only` stops before the first SOS: most of a file is not looked at.
    """
    at = 2
    while (at := _skip_fill(data, at)) + 4 <= len(data):
        marker = data[at + 1]
        if marker == EOI:
            yield Part(EOI, at, at + 2, at + 2)
            return
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers that stand alone
            at += 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end < at + 4 or end > len(data):
            return
        if marker == SOS:
            if headers_only:
                return
            end = _end_of_scan(data, end)
        yield Part(marker, at, at + 4, end)
        at = end
    if data[at : at + 2] == b"\xff\xd9":
        yield Part(EOI, at, at + 2, at + 2)


def png_parts(data: bytes) -> Iterator[Part]:
    """The chunks of a PNG, up to and with IEND (PNG third edition, 5.3)."""
    at = len(PNG_SIGNATURE)
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if end > len(data):
            return
        yield Part(kind, at, at + 8, end)
        if kind == b"IEND":
            return
        at = end


def riff_parts(data: bytes) -> Iterator[Part]:
    """The chunks of a WebP file; `end` leaves the padding byte out (RFC 9649, 2.3)."""
    at = 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + size
        if end > len(data):
            return
        yield Part(data[at : at + 4], at, at + 8, end)
        at = end + (size & 1)


def is_jpeg(data: bytes) -> bool:
    """Whether the first bytes are those of a JPEG."""
    return data[:3] == b"\xff\xd8\xff"


def is_png(data: bytes) -> bool:
    """Whether the first bytes are those of a PNG."""
    return data[:8] == PNG_SIGNATURE


def is_webp(data: bytes) -> bool:
    """Whether the first bytes are those of a WebP."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def _skip_fill(data: bytes, at: int) -> int:
    """The position of the next marker's last 0xFF; `len(data)` where no marker stands at `at`."""
    start = at
    while data[at : at + 2] == b"\xff\xff":
        at += 1
    if data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] not in (b"\x00", b""):
        return at
    # A few bytes of junk between segments are common; libjpeg skips them too.
    found = _NEXT_MARKER.search(data, start, start + 4096)
    return found.start() if found else len(data)


def _end_of_scan(data: bytes, at: int) -> int:
    found = _NEXT_MARKER.search(data, at)
    return found.start() if found else len(data)
