"""Where a photo keeps its metadata: the raw EXIF, XMP and IPTC blocks of each format, and what is read from them."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from indexer.errors import CaptionRefused
from indexer.formats import tiff
from indexer.formats.charsets import decode_text
from indexer.formats.editable import open_photo
from indexer.formats.exif import ExifValues, raw_bytes, read_exif, read_single_ifd
from indexer.formats.heif import Box, readable_boxes
from indexer.formats.heif_tail import marks as heif_marks
from indexer.formats.iptc import PHOTOSHOP_HEADER, IptcTexts, fix_byte_order, photoshop_iptc, read_iptc
from indexer.formats.jpeg import APP1, APP13, COM, XMP_HEADER, is_jpeg, odd_xmp, readable_segments
from indexer.formats.maker_lens import maker_lens
from indexer.formats.png_photo import TEXTS, is_png, read_text
from indexer.formats.png_photo import readable_chunks as png_chunks
from indexer.formats.tiff_edit import undo_record
from indexer.formats.webp_photo import XMP_KINDS, is_webp
from indexer.formats.webp_photo import readable_chunks as webp_chunks
from indexer.formats.xmp import MOST_BYTES
from indexer.images.decode import OpenedImage
from indexer.metadata.dates import PhotoDate, read_date
from indexer.metadata.taken_at import ContainerDates
from indexer.ownership.mark import FieldText, Mark

_EXIF_HEADER = b"Exif\0"
_GIF_XMP = b"\x21\xff\x0bXMP DataXMP"
_1904 = datetime(1904, 1, 1, tzinfo=UTC)
#: Where boxes with times may lie, and how many bytes of each box stand before the boxes in it.
_CONTAINERS = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"moov": 0}
_MOST_CONTAINERS = 64


@dataclass(frozen=True, slots=True)
class Blocks:
    """What was found: EXIF's values, the captions and our mark in EXIF, the XMP packet, IPTC's texts."""

    values: ExifValues = field(default_factory=ExifValues)
    exif_captions: tuple[FieldText, ...] = ()
    exif_mark: Mark | None = None
    other_captions: tuple[FieldText, ...] = ()  # in places that only the writer's own look into the file finds
    other_marks: tuple[Mark, ...] = ()
    xmp: bytes | None = None
    iptc: IptcTexts = field(default_factory=dict)
    title: str | None = None  # a PNG's own
    creators: tuple[str, ...] = ()  # likewise
    dates: ContainerDates = ContainerDates()
    maker_lens: str | None = None  # by the MakerNote


@dataclass(slots=True)
class _RawBlocks:
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    title: str | None = None
    creators: list[str] = field(default_factory=list)
    comments: list[FieldText] = field(default_factory=list)
    mark: Mark | None = None  # of ours, where the EXIF block has none
    dates: ContainerDates = ContainerDates()


def find_blocks(data: bytes, opened: OpenedImage) -> Blocks:
    """The blocks of a file whose header is open as `opened`. Never raises: what is damaged is left out."""
    raw = _RawBlocks()
    if opened.raw is not None:
        raw = _read_raw(opened)
    elif is_jpeg(data):
        raw = _read_jpeg(data)
    elif is_png(data):
        raw = _read_png(data)
    elif is_webp(data):
        raw = _read_webp(data)
    elif opened.mime_type == "image/tiff":
        raw = _read_tiff(data, opened)
    else:
        raw = _read_decoded(data, opened)
    return _interpret(raw, opened, *_caption_fields(data))


def _caption_fields(data: bytes) -> tuple[tuple[FieldText, ...], tuple[Mark, ...]]:
    """The captions and marks that a write would find: what it holds for a person's is a person's here, too."""
    try:
        photo = open_photo(data)
        return (tuple(photo.texts), tuple(photo.marks)) if photo is not None else ((), ())
    except CaptionRefused:
        return (), ()


def _interpret(
    raw: _RawBlocks, opened: OpenedImage, captions: tuple[FieldText, ...] = (), marks: tuple[Mark, ...] = ()
) -> Blocks:
    values = read_exif(raw.exif)
    if opened.raw is not None and any(opened.raw.exif_extra):
        exif, gps = map(read_single_ifd, opened.raw.exif_extra)
        values = ExifValues(values.image, exif, gps)
    record = undo_record(raw.exif) if raw.exif else None
    return Blocks(
        values,
        tuple(tiff.texts(raw.exif)) if raw.exif else (),
        record.mark if record else raw.mark,
        (*captions, *raw.comments),
        marks,
        raw.xmp or raw_bytes(values.image.get(tiff.XMP)),
        read_iptc(raw.iptc) if raw.iptc else {},
        raw.title,
        tuple(raw.creators),
        raw.dates,
        maker_lens(raw.exif),
    )


def _read_jpeg(data: bytes) -> _RawBlocks:
    raw = _RawBlocks()
    photoshop, odd = b"", None
    for segment in readable_segments(data, headers_only=True):
        body = data[segment.body : segment.end] if segment.marker in (APP1, APP13, COM) else b""
        if body.startswith(_EXIF_HEADER):
            raw.exif = raw.exif or body[6:]
        elif body.startswith(XMP_HEADER) and raw.xmp is None:
            raw.xmp = body[len(XMP_HEADER) :]
        elif segment.marker == COM:
            raw.comments.append(FieldText("JPEG Comment", decode_text(body)))
        elif segment.marker == APP1:
            odd = odd or odd_xmp(body)
        elif body.startswith(PHOTOSHOP_HEADER):  # one resource block may go on in the next segment
            photoshop += body[len(PHOTOSHOP_HEADER) :]
    raw.xmp = raw.xmp or odd
    raw.iptc = photoshop_iptc(photoshop)
    return raw


def _read_png(data: bytes) -> _RawBlocks:
    """Its dates are `Creation Time`, in whatever form, and tIME, which is UTC; `date:create` is that of a file."""
    raw = _RawBlocks()
    created: list[PhotoDate | None] = []
    changed: PhotoDate | None = None
    for chunk in png_chunks(data):
        if chunk.kind == b"eXIf":
            raw.exif = raw.exif or chunk.body(data).removeprefix(b"Exif\0\0")
        elif chunk.kind in TEXTS:
            with suppress(CaptionRefused):
                text = read_text(chunk.kind, chunk.body(data))
                raw.xmp = raw.xmp or text.packet
                raw.exif = raw.exif or text.exif
                raw.iptc = raw.iptc or text.iptc
                raw.title = raw.title or text.title
                raw.creators += filter(None, [text.creator])
                created.append(read_date(text.creation_time))
        elif chunk.kind == b"tIME" and len(body := chunk.body(data)) == 7:
            year, *others = struct.unpack(">HBBBBB", body)
            changed = read_date("{:04}:{:02}:{:02} {:02}:{:02}:{:02}".format(year, *others), offset="Z")
    if raw.iptc is not None and raw.iptc.startswith(b"8BIM"):
        raw.iptc = photoshop_iptc(raw.iptc)
    raw.dates = ContainerDates(tuple(created), changed)
    return raw


def _read_webp(data: bytes) -> _RawBlocks:
    raw = _RawBlocks()
    for kind, start, end in webp_chunks(data):
        if kind == b"EXIF":
            raw.exif = raw.exif or data[start:end].removeprefix(b"Exif\0\0")
        elif kind in XMP_KINDS:
            raw.xmp = raw.xmp or data[start:end]
    return raw


def _read_tiff(data: bytes, opened: OpenedImage) -> _RawBlocks:
    photoshop = _tiff_value(data, opened, tiff.PHOTOSHOP)
    iptc = fix_byte_order(_tiff_value(data, opened, tiff.IPTC) or b"")
    return _RawBlocks(
        data, _tiff_value(data, opened, tiff.XMP), iptc or (photoshop_iptc(photoshop) if photoshop else None)
    )


def _tiff_value(data: bytes, opened: OpenedImage, tag: int) -> bytes | None:
    """The bytes of a tag, whatever its type; Pillow reads BigTIFF."""
    try:
        found = tiff.values(data, tag)
    except CaptionRefused:
        return None
    if found or data[2:3] == b"*" or data[3:4] == b"*":
        return next(iter(found), None)
    tags: Mapping[int, object] = getattr(opened.image, "tag_v2", {})
    return raw_bytes(tags.get(tag))


def _read_raw(opened: OpenedImage) -> _RawBlocks:
    """A RAW file's own EXIF; RAF keeps everything in its preview."""
    if opened.raw is not None and opened.raw.exif is not None:
        return _RawBlocks(opened.raw.exif)
    return _read_jpeg(opened.data)


def _read_decoded(data: bytes, opened: OpenedImage) -> _RawBlocks:
    """HEIF, AVIF, GIF and BMP: what the decoder found. A HEIF keeps our mark in a box of its own, too, which stays
    where another program has written the EXIF anew."""
    exif, xmp, comment = (opened.image.info.get(name) for name in ("exif", "xmp", "comment"))
    xmp = xmp or (_gif_xmp(data) if opened.mime_type == "image/gif" else None)
    return _RawBlocks(
        exif.removeprefix(b"Exif\0\0") if isinstance(exif, bytes) else None,
        xmp if isinstance(xmp, bytes) else None,
        comments=[FieldText("GIF Comment", decode_text(comment))] if isinstance(comment, bytes) else [],
        mark=next(iter(heif_marks(data)), None) if opened.mime_type == "image/heic" else None,
        dates=heif_dates(data),
    )


def _gif_xmp(data: bytes) -> bytes | None:
    """The packet in an application extension, whose blocks' lengths it overruns (XMP specification part 3, 1.1.2)."""
    _, found, behind = data.partition(_GIF_XMP)
    return behind[:MOST_BYTES] if found else None


def heif_dates(data: bytes) -> ContainerDates:
    """The item property `crtt` (ISO/IEC 23008-12, 6.5.23), then the `mvhd` of image sequences (ISO/IEC 14496-12,
    8.2.2), which counts by UTC. Nothing where the data is neither. Never raises.
    """
    if data[4:8] != b"ftyp":
        return ContainerDates()
    found: dict[bytes, PhotoDate] = {}
    for box in _boxes_with_times(data):
        seconds = _seconds(box.kind, data[box.body : min(box.end, box.body + 20)])
        if seconds:
            with suppress(OverflowError):
                found.setdefault(box.kind, PhotoDate(_1904 + timedelta(seconds=seconds)))
    return ContainerDates((found.get(b"crtt"), found.get(b"mvhd")), found.get(b"mdft"))


def _seconds(kind: bytes, body: bytes) -> float:
    """Since 1904; 0 where a box has no time."""
    if kind in (b"crtt", b"mdft") and len(body) >= 12:
        return int.from_bytes(body[4:12], "big") / 1e6
    if kind == b"mvhd" and len(body) >= 12:
        return float(int.from_bytes(body[4:12] if body[0] == 1 else body[4:8], "big"))
    return 0


def _boxes_with_times(data: bytes) -> Iterator[Box]:
    """The boxes of the file and of the boxes that may hold a time."""
    spans = [(0, len(data))]
    for start, end in spans:
        for box in readable_boxes(data, start, end):
            yield box
            if box.kind in _CONTAINERS and len(spans) < _MOST_CONTAINERS:
                spans.append((box.body + _CONTAINERS[box.kind], box.end))
