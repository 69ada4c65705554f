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

#: Boxes behind which another may stand: they point nowhere, or, as `meta`, at places that do not move.
_HARMLESS = frozenset({FTYP, META, MDAT, b"free", b"skip", b"wide"})
_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
# Why a file that has such a box is left alone. The positions in `moov` would stay true.
_REASONS = {
    b"moov": "the file holds a film or an image sequence, in which words may stand that are not read",
    b"mpvd": "the file is a motion photo, whose film is found by counting from the end of the file",
    b"sefd": "a Samsung phone's own data is found by counting from the end of the file",
    b"jumb": "the file carries a C2PA manifest, which any edit would break",
}
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
# Properties of XMP that count bytes from the end of the file: Google's container, motion photos and their forerunner.
_COUNTS_FROM_END = (b"http://ns.google.com/photos/1.0/container/", b"MotionPhoto", b"MicroVideo")


def check_file(data: bytes, heif: Heif, packets: Sequence[bytes]) -> None:
    """Raises `CaptionRefused` where a file may not be made longer, whichever item is meant.

    `packets` are the XMP of all its images.
    """
    if set(heif.brands) & _AVIF_BRANDS:
        raise CaptionRefused("AVIF files are not changed")
    if heif.handler != PICTURE_HANDLER or heif.primary not in heif.items:
        raise HeifError("the file does not say which picture it shows")
    for box in heif.boxes:
        _check_box(data, box)
    if any(_is_manifest(item) for item in heif.items.values()) or any(b"dcterms:provenance" in p for p in packets):
        raise CaptionRefused("the file is bound to a C2PA manifest, which any edit would break")
    if data.endswith(b"SEFT"):
        raise CaptionRefused(_REASONS[b"sefd"])
    if any(words in packet for packet in packets for words in _COUNTS_FROM_END):
        raise CaptionRefused("the XMP packet says where in the file other data lie, counted from its end")


def _check_box(data: bytes, box: Box) -> None:
    if box.kind == b"uuid" and data.startswith(_C2PA_UUID, box.body):
        raise CaptionRefused(_REASONS[b"jumb"])
    if box.to_end:
        raise CaptionRefused("the file's last box has no length of its own: it would swallow what is put behind it")
    if box.kind not in _HARMLESS:
        raise CaptionRefused(_REASONS.get(box.kind, f"the file has a box of an unknown kind ({name_of(box.kind)})"))


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
        raise CaptionRefused(f"the file's {what} is encrypted or compressed")
    if location.construction != IN_FILE or location.reference:
        raise CaptionRefused(f"the file's {what} lies inside its index or in another file")
    if len(location.extents) != 1 or not location.extents[0].length.value:
        raise CaptionRefused(f"the file's {what} is in several pieces, or has no length")
    _check_references(heif, item)
    ((start, end),) = location.spans()
    if not any(box.kind == MDAT and box.body <= start and end <= box.end for box in heif.boxes):
        raise CaptionRefused(f"the file's {what} does not lie inside one of its data boxes (mdat)")
    return location


def _check_references(heif: Heif, item: Item) -> None:
    """`cdsc` (content describes) tells of which picture; `iloc` of another item built from this one's bytes."""
    described = [r.targets for r in heif.references if r.kind == b"cdsc" and r.source == item.number]
    if not any(heif.primary in targets for targets in described):
        raise CaptionRefused(f"the file's {_name(item)} is not about the picture that the file shows")
    if any(item.number in r.targets for r in heif.references if r.kind == b"iloc"):
        raise CaptionRefused(f"another part of the file is built from its {_name(item)}")


def _name(item: Item) -> str:
    return "Exif block" if item.kind == b"Exif" else "XMP packet"
