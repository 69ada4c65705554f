"""Where a photo keeps its metadata: the raw EXIF, XMP and IPTC blocks of each format, and what is read from them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from indexer.errors import CaptionRefused
from indexer.formats import tiff
from indexer.formats.charsets import decode_text
from indexer.formats.editable import open_photo
from indexer.formats.exif import ExifValues, raw_bytes, read_exif, read_single_ifd
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
from indexer.metadata.container_dates import ContainerDates, heif_dates, png_dates
from indexer.ownership.mark import FieldText, Mark

_EXIF_HEADER = b"Exif\0"
_GIF_XMP = b"\x21\xff\x0bXMP DataXMP"


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
class _Raw:
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    title: str | None = None
    creators: list[str] = field(default_factory=list)
    comments: list[FieldText] = field(default_factory=list)
    mark: Mark | None = None  # of ours, where the EXIF block has none
    dates: ContainerDates = ContainerDates()


def find_blocks(data: bytes, picture: OpenedImage) -> Blocks:
    """The blocks of a file whose header is open as `picture`. Never raises: what is damaged is left out."""
    raw = _Raw()
    if picture.raw is not None:
        raw = _of_raw(picture)
    elif is_jpeg(data):
        raw = _of_jpeg(data)
    elif is_png(data):
        raw = _of_png(data)
    elif is_webp(data):
        raw = _of_webp(data)
    elif picture.mime_type == "image/tiff":
        raw = _of_tiff(data, picture)
    else:
        raw = _of_image(data, picture)
    return _read(raw, picture, *_as_written(data))


def _as_written(data: bytes) -> tuple[tuple[FieldText, ...], tuple[Mark, ...]]:
    """The captions and marks that a write would find: what it holds for a person's is a person's here, too."""
    try:
        photo = open_photo(data)
        return (tuple(photo.texts), tuple(photo.marks)) if photo is not None else ((), ())
    except CaptionRefused:
        return (), ()


def _read(
    raw: _Raw, picture: OpenedImage, captions: tuple[FieldText, ...] = (), marks: tuple[Mark, ...] = ()
) -> Blocks:
    values = read_exif(raw.exif)
    if picture.raw is not None and any(picture.raw.exif_extra):
        exif, gps = map(read_single_ifd, picture.raw.exif_extra)
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


def _of_jpeg(data: bytes) -> _Raw:
    raw = _Raw()
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


def _of_png(data: bytes) -> _Raw:
    raw = _Raw(dates=png_dates(data))
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
    if raw.iptc is not None and raw.iptc.startswith(b"8BIM"):
        raw.iptc = photoshop_iptc(raw.iptc)
    return raw


def _of_webp(data: bytes) -> _Raw:
    raw = _Raw()
    for kind, start, end in webp_chunks(data):
        if kind == b"EXIF":
            raw.exif = raw.exif or data[start:end].removeprefix(b"Exif\0\0")
        elif kind in XMP_KINDS:
            raw.xmp = raw.xmp or data[start:end]
    return raw


def _of_tiff(data: bytes, picture: OpenedImage) -> _Raw:
    photoshop = _tiff_value(data, picture, tiff.PHOTOSHOP)
    iptc = fix_byte_order(_tiff_value(data, picture, tiff.IPTC) or b"")
    return _Raw(data, _tiff_value(data, picture, tiff.XMP), iptc or (photoshop_iptc(photoshop) if photoshop else None))


def _tiff_value(data: bytes, picture: OpenedImage, tag: int) -> bytes | None:
    """The bytes of a tag, whatever its type; Pillow reads BigTIFF."""
    try:
        found = tiff.values(data, tag)
    except CaptionRefused:
        return None
    if found or data[2:3] == b"*" or data[3:4] == b"*":
        return next(iter(found), None)
    tags: Mapping[int, object] = getattr(picture.image, "tag_v2", {})
    return raw_bytes(tags.get(tag))


def _of_raw(picture: OpenedImage) -> _Raw:
    """A RAW file's own EXIF; RAF keeps everything in its preview."""
    if picture.raw is not None and picture.raw.exif is not None:
        return _Raw(picture.raw.exif)
    return _of_jpeg(picture.data)


def _of_image(data: bytes, picture: OpenedImage) -> _Raw:
    """HEIF, AVIF, GIF and BMP: what the decoder found. A HEIF keeps our mark in a box of its own, too, which stays
    where another program has written the EXIF anew."""
    exif, xmp, comment = (picture.image.info.get(name) for name in ("exif", "xmp", "comment"))
    xmp = xmp or (_gif_xmp(data) if picture.mime_type == "image/gif" else None)
    return _Raw(
        exif.removeprefix(b"Exif\0\0") if isinstance(exif, bytes) else None,
        xmp if isinstance(xmp, bytes) else None,
        comments=[FieldText("GIF Comment", decode_text(comment))] if isinstance(comment, bytes) else [],
        mark=next(iter(heif_marks(data)), None) if picture.mime_type == "image/heic" else None,
        dates=heif_dates(data),
    )


def _gif_xmp(data: bytes) -> bytes | None:
    """The packet in an application extension, whose blocks' lengths it overruns (XMP specification part 3, 1.1.2)."""
    _, found, behind = data.partition(_GIF_XMP)
    return behind[:MOST_BYTES] if found else None
