"""Dates that image containers keep without EXIF, XMP and IPTC: PNG's texts and tIME, HEIF's and QuickTime's boxes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from indexer.errors import CaptionRefused
from indexer.formats.png_photo import TEXTS, read_text, readable_chunks
from indexer.metadata.date_text import Taken, read_date

_1904 = datetime(1904, 1, 1, tzinfo=UTC)
#: Where boxes with times may lie: path of types, and how many bytes of each box stand before the boxes in it.
_CONTAINERS = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"moov": 0}
_MOST_BOXES = 4096


@dataclass(frozen=True, slots=True)
class ContainerDates:
    """The dates of creation, the most trustworthy first, and that of the last change."""

    created: tuple[Taken | None, ...] = ()
    changed: Taken | None = None


def png_dates(data: bytes) -> ContainerDates:
    """`Creation Time`, in whatever form, and tIME, which is UTC. `date:create` is a file's date, and no picture's."""
    created: list[Taken | None] = []
    changed: Taken | None = None
    for chunk in readable_chunks(data):
        if chunk.kind in TEXTS:
            with suppress(CaptionRefused):
                created.append(read_date(read_text(chunk.kind, chunk.body(data)).creation_time))
        elif chunk.kind == b"tIME" and len(body := chunk.body(data)) == 7:
            year, *others = struct.unpack(">HBBBBB", body)
            changed = read_date("{:04}:{:02}:{:02} {:02}:{:02}:{:02}".format(year, *others), offset="Z")
    return ContainerDates(tuple(created), changed)


def heif_dates(data: bytes) -> ContainerDates:
    """The item property `crtt` (ISO/IEC 23008-12, 6.5.23), then the `mvhd` of image sequences (ISO/IEC 14496-12,
    8.2.2), which counts by UTC. Nothing where the data is neither. Never raises.
    """
    if data[4:8] != b"ftyp":
        return ContainerDates()
    found: dict[bytes, Taken] = {}
    for kind, body, end in _boxes(data):
        seconds = _seconds(kind, data[body:end][:20])
        if seconds:
            with suppress(OverflowError):
                found.setdefault(kind, Taken(_1904 + timedelta(seconds=seconds)))
    return ContainerDates((found.get(b"crtt"), found.get(b"mvhd")), found.get(b"mdft"))


def _seconds(kind: bytes, body: bytes) -> float:
    """Since 1904; 0 where a box has no time."""
    if kind in (b"crtt", b"mdft") and len(body) >= 12:
        return int.from_bytes(body[4:12], "big") / 1e6
    if kind == b"mvhd" and len(body) >= 12:
        return float(int.from_bytes(body[4:12] if body[0] == 1 else body[4:8], "big"))
    return 0


def _boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Type, start of the body and end of the boxes that may hold a time; what is damaged ends its surroundings."""
    spans = [(0, len(data))]
    for _ in range(_MOST_BOXES):
        if not spans:
            return
        at, end = spans.pop()
        if at + 8 > end:
            continue
        size, kind, body = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], at + 8
        if size == 1:
            size, body = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        stop = end if size == 0 else at + size
        if not body <= stop <= end:
            continue
        spans.append((stop, end))
        if kind in _CONTAINERS:
            spans.append((body + _CONTAINERS[kind], stop))
        yield kind, body, stop
