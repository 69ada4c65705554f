"""The JPEG preview that cameras embed in RAW files: CR2, NEF, ARW, DNG, ORF, RW2, PEF, SRW (TIFF), CR3 and RAF.

A bounded scan: nothing is decoded, and what makes no sense is skipped. A RAW file differs from an ordinary TIFF by what
it holds, not by its name.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from indexer.formats.heif import readable_boxes
from indexer.formats.jpeg import is_jpeg, readable_segments
from indexer.formats.tiff import Entry, next_directory, numbers, readable_entries

_MOST_IFDS = 32
_MOST_ENTRIES = 512
_MOST_SEARCHED = 64
_SMALL_PX = 640

_WIDTH, _HEIGHT, _PHOTOMETRIC, _STRIP, _STRIP_BYTES = 0x100, 0x101, 0x106, 0x111, 0x117
_SUB_IFDS, _JPEG, _JPEG_BYTES, _EXIF, _RW2_JPEG, _DNG_VERSION = 0x14A, 0x201, 0x202, 0x8769, 0x2E, 0xC612
_RW2_HEIGHT, _RW2_WIDTH = 0x06, 0x07
_POINTERS = (_SUB_IFDS, _EXIF)
_SENSOR = frozenset({32803, 34892})  # PhotometricInterpretation: CFA (TIFF/EP), LinearRaw (DNG)
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")
_OWN_STARTS = (b"IIRO", b"IIRS", b"MMOR", b"IIU\0")  # Olympus, Panasonic: never plain TIFF

_PREVIEW_UUID = bytes.fromhex("eaf42b5e1c984b88b9fbb7dc406e4d16")
_CANON_UUID = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")

#: The numbers of each tag of an IFD.
Values = dict[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class RawFile:
    """What a RAW file shows without being developed.

    `previews` are (start, end, width_px, height_px) of JPEGs in the file, the largest first. `size` is the sensor's
    picture, where known. `exif` is the TIFF block with its metadata; `extra` are CR3's separate Exif and GPS.
    """

    previews: tuple[tuple[int, int, int, int], ...]
    size: tuple[int, int] | None
    exif: bytes | None
    exif_extra: tuple[bytes | None, bytes | None] = (None, None)


def read_raw(data: bytes) -> RawFile | None:
    """The previews of a RAW file, or None where this is none. Never raises."""
    if data[:16] == b"FUJIFILMCCD-RAW ":
        return _read_raf(data)
    if data[4:12] == b"ftypcrx ":
        return _read_cr3(data)
    if data[:4] in _TIFF_STARTS:
        return _read_tiff(data)
    return None


def best_preview(raw: RawFile, least_px: int) -> tuple[int, int] | None:
    """(start, end) of the smallest preview whose longest side reaches `least_px`, else of the largest."""
    if not raw.previews:
        return None
    enough = [preview for preview in raw.previews if max(preview[2:]) >= least_px]
    return (enough[-1] if enough else raw.previews[0])[:2]


def _previews(data: bytes, spans: Iterator[tuple[int, int]]) -> tuple[tuple[int, int, int, int], ...]:
    found: dict[int, tuple[int, int, int, int]] = {}
    for start, end in spans:
        size = _jpeg_size(data[start : min(end, start + 262_144)]) if 0 < start < end <= len(data) else None
        if size:
            found[start] = (start, end, *size)
    return tuple(sorted(found.values(), key=lambda preview: preview[2] * preview[3], reverse=True))


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height from a Huffman SOF that ordinary decoders read; lossless (SOF3) is the sensor's data."""
    if not is_jpeg(data):
        return None
    for segment in readable_segments(data, headers_only=True):
        if segment.marker in (0xC0, 0xC1, 0xC2) and segment.end - segment.body >= 6:
            height, width = struct.unpack_from(">HH", data, segment.body + 1)
            return (width, height) if width and height else None
    return None


def _read_tiff(data: bytes) -> RawFile | None:
    ifds = list(_ifds(data))
    if not ifds or not _is_sensor_data(data, ifds):
        return None
    sizes = [size for size in map(_ifd_size, ifds) if size]
    previews = _previews(data, (span for ifd in ifds for span in _jpeg_spans(ifd)))
    if not previews or max(previews[0][2:]) < _SMALL_PX:  # Olympus keeps it behind its MakerNote
        previews = _previews(data, _search_jpegs(data)) or previews
    return RawFile(previews, max(sizes, key=lambda size: size[0] * size[1], default=None), data)


def _search_jpegs(data: bytes) -> Iterator[tuple[int, int]]:
    """Wherever a JPEG seems to start; decoders stop at its EOI by themselves."""
    at = 0
    for _ in range(_MOST_SEARCHED):
        at = data.find(b"\xff\xd8\xff", at + 1)
        if at < 0:
            return
        yield at, len(data)


def _is_sensor_data(data: bytes, ifds: list[Values]) -> bool:
    return (
        data[:4] in _OWN_STARTS
        or data[8:10] == b"CR"
        or any(_DNG_VERSION in ifd or _SENSOR & set(ifd.get(_PHOTOMETRIC, ())) for ifd in ifds)
    )


def _ifd_size(ifd: Values) -> tuple[int, int] | None:
    for width, height in ((_WIDTH, _HEIGHT), (_RW2_WIDTH, _RW2_HEIGHT)):
        if ifd.get(width) and ifd.get(height):
            return ifd[width][0], ifd[height][0]
    return None


def _jpeg_spans(ifd: Values) -> Iterator[tuple[int, int]]:
    for start, length in ((_JPEG, _JPEG_BYTES), (_STRIP, _STRIP_BYTES)):
        if len(ifd.get(start, ())) == 1 and len(ifd.get(length, ())) == 1:
            yield ifd[start][0], ifd[start][0] + ifd[length][0]
    if len(ifd.get(_RW2_JPEG, ())) == 2:  # offset and length, see `_value`
        yield ifd[_RW2_JPEG][0], ifd[_RW2_JPEG][0] + ifd[_RW2_JPEG][1]


def _ifds(data: bytes) -> Iterator[Values]:
    """Every IFD reachable by next, SubIFDs and Exif pointers: each once, a bounded number."""
    order = "<" if data[:2] == b"II" else ">"
    waiting, seen = [struct.unpack_from(order + "L", data, 4)[0] if len(data) >= 8 else 0], set[int]()
    while waiting and len(seen) < _MOST_IFDS:
        at = waiting.pop(0)
        if at in seen or not 8 <= at <= len(data) - 6:
            continue
        seen.add(at)
        entries = islice(readable_entries(data, order, at), _MOST_ENTRIES)
        ifd = {entry.tag: _value(data, order, entry) for entry in entries}
        yield ifd
        waiting.extend(next_directory(data, order, at))
        for pointer in _POINTERS:
            waiting.extend(ifd.get(pointer, ()))


def _value(data: bytes, order: str, entry: Entry) -> tuple[int, ...]:
    """The numbers of an entry, of few; of RW2's preview offset and length."""
    if entry.tag == _RW2_JPEG and entry.kind == 7:
        return entry.start, entry.count
    return tuple(numbers(data, order, entry)) if entry.kind in (3, 4, 13) and entry.count <= _MOST_IFDS else ()


def _read_raf(data: bytes) -> RawFile | None:
    """RAF: a JPEG with all metadata, its place at byte 84 (big endian)."""
    if len(data) < 92:
        return None
    start, length = struct.unpack_from(">LL", data, 84)
    return RawFile(_previews(data, iter([(start, start + length)])), None, None)


def _read_cr3(data: bytes) -> RawFile | None:
    """CR3: ISO BMFF (ISO/IEC 14496-12) with Canon's uuid boxes: CMT1..4 are TIFF blocks, PRVW a preview."""
    tiff: dict[bytes, bytes] = {}
    spans: list[tuple[int, int]] = []
    for box in readable_boxes(data, 0, len(data)):
        if box.kind == b"moov":
            for inner in readable_boxes(data, box.body, box.end):
                if inner.kind == b"uuid" and data[inner.body : inner.body + 16] == _CANON_UUID:
                    parts = readable_boxes(data, inner.body + 16, inner.end)
                    tiff |= {part.kind: data[part.body : part.end] for part in parts}
        elif box.kind == b"uuid" and data[box.body : box.body + 16] == _PREVIEW_UUID:
            parts = readable_boxes(data, box.body + 24, box.end)
            spans += [(_soi(data, part.body, part.end), part.end) for part in parts if part.kind == b"PRVW"]
    main = tiff.get(b"CMT1")
    size = next(filter(None, map(_ifd_size, _ifds(main))), None) if main else None
    return RawFile(_previews(data, iter(spans)), size, main, (tiff.get(b"CMT2"), tiff.get(b"CMT4")))


def _soi(data: bytes, start: int, end: int) -> int:
    return max(data.find(b"\xff\xd8\xff", start, min(end, start + 64)), 0)
