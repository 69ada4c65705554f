"""What forbids an edit of a HEIF file, whoever reads it: positions that an append would leave wrong, and doubts."""

from __future__ import annotations

from collections.abc import Sequence

from indexer.errors import CaptionRefused
from indexer.formats.heif import (
    FTYP,
    IN_FILE,
    MDAT,
    META,
    PICTURE_HANDLER,
    Box,
    Heif,
    HeifError,
    Item,
    Location,
    name_of,
)
from indexer.reasons import ReasonCode

#: Boxes behind which another may stand: they point nowhere, or, as `meta`, at places that do not move.
_HARMLESS = frozenset({FTYP, META, MDAT, b"free", b"skip", b"wide"})
_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
# Why a file that has such a box is left alone. The positions in `moov` would stay true.
_REASONS = {
    b"moov": ReasonCode.FILM,
    b"mpvd": ReasonCode.MOTION_PHOTO,
    b"sefd": ReasonCode.SAMSUNG_DATA,
    b"jumb": ReasonCode.C2PA,
}
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
# Properties of XMP that count bytes from the end of the file: Google's container, motion photos and their forerunner.
_COUNTS_FROM_END = (b"http://ns.google.com/photos/1.0/container/", b"MotionPhoto", b"MicroVideo")


def check_file(data: bytes, heif: Heif, packets: Sequence[bytes]) -> None:
    """Raises `CaptionRefused` where a file may not be made longer, whichever item is meant.

    `packets` are the XMP of all its images.
    """
    if set(heif.brands) & _AVIF_BRANDS:
        raise CaptionRefused(ReasonCode.AVIF)
    if heif.handler != PICTURE_HANDLER or heif.primary not in heif.items:
        raise HeifError("the file does not say which picture it shows")
    for box in heif.boxes:
        _check_box(data, box)
    if any(_is_manifest(item) for item in heif.items.values()) or any(b"dcterms:provenance" in p for p in packets):
        raise CaptionRefused(ReasonCode.C2PA_BOUND)
    if data.endswith(b"SEFT"):
        raise CaptionRefused(ReasonCode.SAMSUNG_DATA)
    if any(words in packet for packet in packets for words in _COUNTS_FROM_END):
        raise CaptionRefused(ReasonCode.COUNTED_FROM_END)


def _check_box(data: bytes, box: Box) -> None:
    if box.kind == b"uuid" and data.startswith(_C2PA_UUID, box.body):
        raise CaptionRefused(ReasonCode.C2PA)
    if box.to_end:
        raise CaptionRefused(ReasonCode.LAST_BOX)
    if box.kind not in _HARMLESS:
        if (code := _REASONS.get(box.kind)) is not None:
            raise CaptionRefused(code)
        raise CaptionRefused(ReasonCode.UNKNOWN_BOX, kind=name_of(box.kind))


def _is_manifest(item: Item) -> bool:
    return item.kind in (b"c2pa", b"jumb") or "c2pa" in item.content_type.lower()


def check_item(heif: Heif, item: Item) -> Location:
    """Where the item lies. Raises `CaptionRefused` unless its bytes are one plain stretch of an `mdat`, nobody else's
    business, and about the picture that the file shows."""
    location = heif.locations.get(item.number)
    what = _name(item)
    if location is None:
        raise HeifError(f"the file does not say where its {what} lies")
    if item.protection or item.encoding:
        raise CaptionRefused(ReasonCode.ITEM_ENCODED, item=what)
    if location.construction != IN_FILE or location.reference:
        raise CaptionRefused(ReasonCode.ITEM_ELSEWHERE, item=what)
    if len(location.extents) != 1 or not location.extents[0].length.value:
        raise CaptionRefused(ReasonCode.ITEM_IN_PIECES, item=what)
    _check_references(heif, item)
    ((start, end),) = location.spans()
    if not any(box.kind == MDAT and box.body <= start and end <= box.end for box in heif.boxes):
        raise CaptionRefused(ReasonCode.ITEM_OUTSIDE, item=what)
    return location


def _check_references(heif: Heif, item: Item) -> None:
    """`cdsc` (content describes) tells of which picture; `iloc` of another item built from this one's bytes."""
    described = [r.targets for r in heif.references if r.kind == b"cdsc" and r.source == item.number]
    if not any(heif.primary in targets for targets in described):
        raise CaptionRefused(ReasonCode.ITEM_OF_ANOTHER, item=_name(item))
    if any(item.number in r.targets for r in heif.references if r.kind == b"iloc"):
        raise CaptionRefused(ReasonCode.ITEM_SHARED, item=_name(item))


def _name(item: Item) -> str:
    return "Exif block" if item.kind == b"Exif" else "XMP packet"
