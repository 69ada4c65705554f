"""A HEIC as a photo that a caption can be written into (ISO/IEC 23008-12, annex A): its Exif item or its XMP item.

An item that is there already gets new bytes behind the end of the file (see `heif_tail`); none is ever added, since
that would make the file's index longer, and everything behind it would move.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from indexer.errors import CaptionRefused
from indexer.formats import heif_tail, iptc, photo, tiff
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
    read_heif,
)
from indexer.model import CaptionPlace
from indexer.ownership.mark import FieldText, Mark, OwnCaption, Stripped, sha256
from indexer.reasons import ReasonCode

#: The major brands of HEVC pictures (ISO/IEC 23008-12, annex B), and those that leave the coding open.
HEIC_MAGIC = re.compile(rb"....ftyp(?:hei[cxms]|mif1|msf1)", re.DOTALL)

_TIFF_HEADERS = (b"II*\0", b"MM\0*")
_FARTHEST_HEADER_BYTES = 64
_MAX_ITEM_BYTES = 16 << 20
_XMP_TYPE = "application/rdf+xml"
_Part = TypeVar("_Part")
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


@dataclass(frozen=True, slots=True)
class _Exif:
    """An Exif item: what stands before the TIFF block, and the block."""

    item: Item
    prefix: bytes
    block: bytes


class HeifPhoto(photo.EditablePhoto):
    """One HEIC's bytes, taken apart once. Raises `HeifError` where they are not of sound structure."""

    places = (CaptionPlace.EXIF, CaptionPlace.XMP)

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._heif = read_heif(data)
        items = self._heif.items.values()
        self._exif = [_Exif(item, *_split_payload(self._payload(item))) for item in items if item.kind == b"Exif"]
        self._iptc = [(item, self._payload(item)) for item in items if item.kind == b"iptc"]
        self._xmp = [(item, self._payload(item)) for item in items if item.content_type.strip().lower() == _XMP_TYPE]

    # -- what it says

    def _payload(self, item: Item) -> bytes:
        """The item's bytes. Raises `HeifError` where they are not all there: they may hold a person's words."""
        location = self._heif.locations.get(item.number)
        if location is None:
            return b""
        if item.protection or item.encoding or location.reference:
            raise HeifError("the file keeps words about the picture where they are not read")
        spans, first, last = location.spans(), 0, len(self.data)
        if location.construction != IN_FILE:
            first, last = self._idat
            spans = [(first + start, first + end) for start, end in spans]
        size = sum(end - start for start, end in spans)
        if location.construction > 1 or any(end > last for _, end in spans) or size > _MAX_ITEM_BYTES:
            raise HeifError("the file keeps words about the picture outside of itself, or more than fit")
        return b"".join(self.data[start:end] for start, end in spans)

    @property
    def _idat(self) -> tuple[int, int]:
        found = [(box.body, box.end) for box in self._heif.inside_meta if box.kind == b"idat"]
        return found[0] if len(found) == 1 else (0, 0)

    @cached_property
    def _tails(self) -> list[heif_tail.Tail]:
        return heif_tail.tails(self.data, self._heif.boxes)

    @cached_property
    def _blocks(self) -> list[bytes]:
        return [exif.block for exif in self._exif]

    @cached_property
    def _packets(self) -> list[bytes]:
        return [packet for _, packet in self._xmp]

    @cached_property
    def marks(self) -> list[Mark]:
        """Ours, those in our own boxes too, which stay where another program has written the Exif block anew."""
        found = super().marks
        return [*found, *(tail.mark for tail in self._tails if tail.mark not in found)]

    @cached_property
    def texts(self) -> list[FieldText]:
        """Every text that stands where a caption stands. Raises `CaptionRefused` where one may be hidden."""
        found = [text for block in self._blocks for text in tiff.texts(block)]
        found += photo.captions_of_packets(self._packets)
        return found + photo.iptc_captions(text for _, block in self._iptc for text in iptc.captions_of_iim(block))

    @property
    def picture_digest(self) -> str:
        """SHA-256 of the file without our own box: nothing less tells what a HEIF file shows."""
        before = heif_tail.restore(self.data)
        return sha256(self.data if before is None else before)

    # -- writing

    def embed(self, own: OwnCaption, place: CaptionPlace) -> bytes:
        """The file with the caption at `place`. Raises `CaptionRefused` with the reason."""
        _check_file(self.data, self._heif, self._packets)
        if place is CaptionPlace.EXIF:
            exif = _only(self._exif, "Exif block")
            location, new = _check_item(self._heif, exif.item), _edit_exif(exif, own)
        else:
            item, packet = _only(self._xmp, "XMP packet")
            location, new = _check_item(self._heif, item), photo.add_to_packet(packet, own)
        return heif_tail.append_item(self.data, location, new, own.mark)

    # -- undoing

    def without_caption(self, own_digests: frozenset[str] = frozenset()) -> tuple[bytes]:
        """The file without our caption, in one piece: cut back to what it was, or, where another program has moved
        things since, with our texts taken out of the items where they stand. `own_digests`: see `EditablePhoto`. Raises
        `CaptionRefused`."""
        changes = self._item_changes(own_digests | {mark.digest for mark in self.marks})
        if not changes and not self._tails:
            return (self.data,)
        before = heif_tail.restore(self.data)
        if before is not None and _has_items(before, changes):
            return (before,)
        return (self._overwrite_items(changes),)

    def _item_changes(self, digests: frozenset[str]) -> list[tuple[Item, bytes]]:
        """Each item that holds something of ours, and its bytes without that."""
        blocks = [
            (exif.item, exif.prefix + _require_data(stripped))
            for exif in self._exif
            if (stripped := photo.remove_from_block(exif.block, digests)) is not None
        ]
        packets = [
            (item, _require_data(stripped))
            for item, packet in self._xmp
            if (stripped := photo.remove_from_packet(packet, digests)) is not None
        ]
        iims = [(item, remaining) for item, iim in self._iptc if (remaining := iptc.remove_from_iim(iim, digests))]
        return blocks + packets + iims

    def _overwrite_items(self, changes: list[tuple[Item, bytes]]) -> bytes:
        """No byte moves: what an item no longer needs becomes zeros that belong to nobody. An XMP packet that gets its
        white space back may take the place of our footer."""
        edited = bytearray(self.data)
        for tail in self._tails:
            heif_tail.erase(edited, tail)
        for item, new in changes:
            location = self._unshared_location(item)
            ((start, end),) = location.spans()
            room = max((tail.end for tail in self._tails if tail.start == end), default=end) - start
            if len(new) > room:
                raise HeifError("another program has changed the file since, and its XMP packet no longer has room")
            edited[start : start + max(end - start, len(new))] = new.ljust(end - start, b"\0")
            length = location.extents[0].length
            edited[length.at : length.at + length.width] = len(new).to_bytes(length.width, "big")
        return bytes(edited)

    def _unshared_location(self, item: Item) -> Location:
        """Where an item lies whose bytes, and our footer behind them, are nobody else's. Raises `CaptionRefused`."""
        location = _check_item(self._heif, item)
        ((start, end),) = location.spans()
        end = max((tail.end for tail in self._tails if tail.start == end), default=end)
        others = (place for number, place in self._heif.locations.items() if number != item.number)
        if any(low < end and start < high for place in others for low, high in place.spans() if not place.construction):
            raise HeifError("another program has changed the file since: two of its items share their bytes")
        return location


def _split_payload(payload: bytes) -> tuple[bytes, bytes]:
    """ISO/IEC 23008-12, A.2.1: four bytes say how far behind them the TIFF header stands. Not all writers keep to it:
    where it does not stand there, it is looked for."""
    at = 4 + int.from_bytes(payload[:4], "big")
    if not payload.startswith(_TIFF_HEADERS, at):
        found = [at for header in _TIFF_HEADERS if (at := payload.find(header, 0, _FARTHEST_HEADER_BYTES)) >= 0]
        at = min(found, default=len(payload))
    return payload[:at], payload[at:]


def _only(found: Sequence[_Part], what: str) -> _Part:
    if not found:
        raise CaptionRefused(ReasonCode.ITEM_MISSING, item=what)
    if len(found) > 1:
        raise CaptionRefused(ReasonCode.ITEMS_SEVERAL, number=len(found), item=what)
    return found[0]


def _edit_exif(exif: _Exif, own: OwnCaption) -> bytes:
    length, header = int.from_bytes(exif.prefix[:4], "big"), exif.prefix[4:]
    if header not in (b"", photo.EXIF_HEADER) or len(exif.prefix) != 4 + length:
        raise CaptionRefused(ReasonCode.EXIF_BEGINNING)
    return exif.prefix + photo.add_to_block(exif.block, own, limit=_MAX_ITEM_BYTES)


def _require_data(stripped: Stripped) -> bytes:
    """Raises `HeifError` where nothing is left: an item was there before us, so this is not our doing."""
    if stripped.data is None:
        raise HeifError("another program has changed the file since, and nothing would be left of an item of it")
    return stripped.data


def _has_items(before: bytes, changes: list[tuple[Item, bytes]]) -> bool:
    """Whether a file that was cut back has the items as they are without our texts."""
    try:
        photo = HeifPhoto(before)
        return all(photo._payload(item) == new for item, new in changes)
    except CaptionRefused:
        return False


def _check_file(data: bytes, heif: Heif, packets: Sequence[bytes]) -> None:
    """Raises `CaptionRefused` where a file may not be made longer, whichever item is meant.

    `packets` are the XMP of all its images.
    """
    if set(heif.brands) & _AVIF_BRANDS:
        raise CaptionRefused(ReasonCode.AVIF)
    if heif.handler != PICTURE_HANDLER or heif.primary not in heif.items:
        raise HeifError("the file does not say which picture it shows")
    for box in heif.boxes:
        _check_box(data, box)
    manifests = [i for i in heif.items.values() if i.kind in (b"c2pa", b"jumb") or "c2pa" in i.content_type.lower()]
    if manifests or any(b"dcterms:provenance" in packet for packet in packets):
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


def _check_item(heif: Heif, item: Item) -> Location:
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
