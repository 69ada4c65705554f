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
from indexer.formats import heif_tail, iptc, tiff, tiff_edit, xmp_edit, xmp_packet
from indexer.formats.heif import IN_FILE, HeifError, Item, Location, read_heif
from indexer.formats.heif_check import check_file, check_item
from indexer.formats.maker_note import reads_beyond
from indexer.model import CaptionPlace
from indexer.ownership.mark import FieldText, Mark, OwnCaption, Stripped, digest, sha256
from indexer.reasons import ReasonCode

#: The major brands of HEVC pictures (ISO/IEC 23008-12, annex B), and those that leave the coding open.
HEIC_MAGIC = re.compile(rb"....ftyp(?:hei[cxms]|mif1|msf1)", re.DOTALL)

_EXIF_HEADER = b"Exif\0\0"
_TIFF_HEADERS = (b"II*\0", b"MM\0*")
_FARTHEST_HEADER_BYTES = 64
_MAX_ITEM_BYTES = 16 << 20
_XMP_TYPE = "application/rdf+xml"
_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class _Exif:
    """An Exif item: what stands before the TIFF block, and the block."""

    item: Item
    prefix: bytes
    block: bytes


@dataclass(frozen=True, slots=True)
class _Xmp:
    """An XMP item. `parsed` is None where the packet is not understood."""

    item: Item
    packet: bytes
    parsed: xmp_packet.Packet | None


class HeifPhoto:
    """One HEIC's bytes, taken apart once. Raises `HeifError` where they are not of sound structure."""

    places = (CaptionPlace.EXIF, CaptionPlace.XMP)

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._heif = read_heif(data)
        items = self._heif.items.values()
        self._exif = [_Exif(item, *_split_payload(self._payload(item))) for item in items if item.kind == b"Exif"]
        self._iptc = [(item, self._payload(item)) for item in items if item.kind == b"iptc"]
        packets = {item.number: self._payload(item) for item in items if item.content_type.strip().lower() == _XMP_TYPE}
        self._xmp = [
            _Xmp(self._heif.items[number], packet, _parse_or_none(packet)) for number, packet in packets.items()
        ]

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
    def marks(self) -> list[Mark]:
        """Ours: of the Exif blocks' undo records, of the XMP packets, and of our own boxes, which stay where another
        program has written the Exif block anew."""
        records = [tiff_edit.undo_record(exif.block) for exif in self._exif]
        found = [record.mark for record in records if record is not None]
        packets = [xmp_packet.read_mark(xmp.parsed) for xmp in self._xmp if xmp.parsed]
        found += [mark for mark in packets if mark is not None]
        return [*found, *(tail.mark for tail in self._tails if tail.mark not in found)]

    @cached_property
    def texts(self) -> list[FieldText]:
        """Every text that stands where a caption stands. Raises `CaptionRefused` where one may be hidden."""
        found = [text for exif in self._exif for text in tiff.texts(exif.block)]
        for xmp in self._xmp:
            if xmp.parsed is not None:
                found += xmp_packet.captions(xmp.parsed)
            elif xmp_packet.may_describe(xmp.packet):
                raise CaptionRefused(ReasonCode.XMP_NOT_PARSED)
        captions = [text for _, block in self._iptc for text in iptc.captions_of_iim(block)]
        return found + [FieldText("IPTC Caption-Abstract", text) for text in captions]

    @property
    def own_place(self) -> CaptionPlace | None:
        """The place that our caption stands in; None where there is no mark of ours."""
        digests = {mark.digest for mark in self.marks}
        if any(digest(text.text) in digests for exif in self._exif for text in _texts_in_own_tags(exif.block)):
            return CaptionPlace.EXIF
        return CaptionPlace.XMP if digests else None

    @property
    def picture_digest(self) -> str:
        """SHA-256 of the file without our own box: nothing less tells what a HEIF file shows."""
        before = heif_tail.restore(self.data)
        return sha256(self.data if before is None else before)

    # -- writing

    def embed(self, own: OwnCaption, place: CaptionPlace) -> bytes:
        """The file with the caption at `place`. Raises `CaptionRefused` with the reason."""
        check_file(self.data, self._heif, [xmp.packet for xmp in self._xmp])
        if place is CaptionPlace.EXIF:
            exif = _only(self._exif, "Exif block")
            location, new = check_item(self._heif, exif.item), _edit_exif(exif, own)
        else:
            xmp = _only(self._xmp, "XMP packet")
            location, new = check_item(self._heif, xmp.item), _edit_xmp(xmp.packet, own)
        return heif_tail.append_item(self.data, location, new, own.mark)

    # -- undoing

    def without_caption(self, vouched: frozenset[str] = frozenset()) -> tuple[bytes]:
        """The file without our caption, in one piece: cut back to what it was, or, where another program has moved
        things since, with our texts taken out of the items where they stand. `vouched`: see `EditablePhoto`. Raises
        `CaptionRefused`."""
        changes = self._item_changes(vouched | {mark.digest for mark in self.marks})
        if not changes and not self._tails:
            return (self.data,)
        before = heif_tail.restore(self.data)
        if before is not None and _has_items(before, changes):
            return (before,)
        return (self._overwrite_items(changes),)

    def _item_changes(self, digests: frozenset[str]) -> list[tuple[Item, bytes]]:
        """Each item that holds something of ours, and its bytes without that."""
        blocks = [
            (exif.item, exif.prefix + _require_data(tiff_edit.strip_caption(exif.block, digests)))
            for exif in self._exif
            if tiff_edit.holds(exif.block, digests)
        ]
        packets = [
            (xmp.item, _require_data(xmp_edit.strip_caption(xmp.packet, digests)))
            for xmp in self._xmp
            if xmp.parsed is not None and xmp_edit.holds(xmp.parsed, digests)
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
        location = check_item(self._heif, item)
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


def _parse_or_none(packet: bytes) -> xmp_packet.Packet | None:
    try:
        return xmp_packet.parse(packet)
    except xmp_packet.XmpError:
        return None


def _texts_in_own_tags(block: bytes) -> list[FieldText]:
    return [text for text in tiff.texts(block) if text.field != "UserComment"]


def _only(found: Sequence[_Part], what: str) -> _Part:
    if not found:
        raise CaptionRefused(ReasonCode.ITEM_MISSING, item=what)
    if len(found) > 1:
        raise CaptionRefused(ReasonCode.ITEMS_SEVERAL, number=len(found), item=what)
    return found[0]


def _edit_exif(exif: _Exif, own: OwnCaption) -> bytes:
    if exif.prefix[4:] not in (b"", _EXIF_HEADER) or len(exif.prefix) != 4 + int.from_bytes(exif.prefix[:4], "big"):
        raise CaptionRefused(ReasonCode.EXIF_BEGINNING)
    block = tiff_edit.append_caption(exif.block, own, limit=_MAX_ITEM_BYTES)
    if reads_beyond(exif.block, len(block)):
        raise CaptionRefused(ReasonCode.MAKER_NOTE_BEYOND_EXIF)
    return exif.prefix + block


def _edit_xmp(packet: bytes, own: OwnCaption) -> bytes:
    if not xmp_edit.can_describe(packet):
        raise CaptionRefused(ReasonCode.XMP_DESCRIBES)
    return xmp_edit.splice(packet, own)


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
