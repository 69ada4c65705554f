"""The names of faces in an XMP packet: regions of the Metadata Working Group (Guidelines for Handling Image Metadata
2.0, "Image Regions") and IPTC's PersonInImage, as one rdf:Description of our own that is taken out again byte for byte.

It stands before our caption's: the caption is taken out first, and put back in last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

from indexer.errors import CaptionRefused
from indexer.formats import xmp_splice
from indexer.formats.xmp_regions import NAMES, XmpRegion
from indexer.formats.xmp_splice import SKELETON
from indexer.formats.xmp_tree import ABOUT_NAMES, Element, Packet, parse, parse_or_none, texts_of
from indexer.ownership.mark import Stripped, program_name
from indexer.reasons import ReasonCode

_BEFORE, _DIGEST, _UNDO = (f"{NAMES} {name}" for name in ("namesBefore", "namesDigest", "namesUndo"))
_MWG = "http://www.metadataworkinggroup.com/schemas/regions/"
_AREA = "http://ns.adobe.com/xmp/sType/Area#"
_DIMENSIONS = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
_IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_REGIONS, _PERSONS = f"{_MWG} Regions", f"{_IPTC_EXT} PersonInImage"


@dataclass(frozen=True, slots=True)
class NamedFaces:
    """Faces with their names, in fractions of a picture of `width_px` x `height_px` as it is stored: before any
    orientation is applied. `before` is the SHA-256 of the whole file without them."""

    regions: tuple[XmpRegion, ...]
    width_px: int
    height_px: int
    before: str = ""

    @property
    def digest(self) -> str:
        """Tells names and places from others: what `read_names` finds of what was written."""
        return xmp_splice.part_crc(_properties(self).encode(), "")


@dataclass(frozen=True, slots=True)
class WrittenNames:
    """What our part of a packet says: the SHA-256 of the whole file before, `NamedFaces.digest`, and who is named."""

    before: str
    digest: str
    persons: tuple[str, ...]


def read_names(packet: bytes) -> WrittenNames | None:
    """The mark of our part of a packet; None where there is none, or another program has rewritten it."""
    parsed = parse_or_none(packet)
    found = parsed and _find(packet, parsed)
    if not found:
        return None
    description, _ = found
    attributes, persons = description.attributes, texts_of(description.children[-1])
    return WrittenNames(attributes.get(_BEFORE, ""), attributes.get(_DIGEST, ""), tuple(persons))


def add_names(packet: bytes | None, faces: NamedFaces) -> bytes:
    """The packet with the names, a new one where there is none. Raises `CaptionRefused` where other regions or persons
    stand there: theirs are never changed, and two of one property would make the packet invalid."""
    if packet is None:
        return xmp_splice.insert(SKELETON, lambda about, undo: _part(faces, about, undo))
    if names_of_others(parse(packet)):
        raise CaptionRefused(ReasonCode.OTHER_REGIONS)
    return xmp_splice.insert(packet, lambda about, undo: _part(faces, about, undo))


def names_of_others(parsed: Packet) -> bool:
    """Whether the packet has regions or persons of its own, be they empty, or a part of ours that is there already."""
    return any(
        name in description.attributes or any(child.name == name for child in description.children)
        for description in parsed.descriptions
        for name in (_REGIONS, _PERSONS)
    )


def remove_names(packet: bytes) -> Stripped | None:
    """The packet without our names, `exact` where it is what it was before; None where it holds none. Names that
    another program has rewritten are that program's, and stay. Raises `XmpError` where it can't be parsed."""
    parsed = parse(packet)
    found = _find(packet, parsed)
    if found is None:
        return None
    description, span = found
    restored = xmp_splice.restore(packet, parsed, span, description.attributes[_UNDO])
    if restored is None:
        return Stripped(packet[: span[0]] + packet[span[1] :], exact=False)
    return Stripped(None if restored == SKELETON else restored, exact=True)


def holds_names(packet: bytes) -> bool:
    """Whether anything of our namespace of names is there, were it rewritten."""
    return NAMES.encode() in packet


def _find(packet: bytes, parsed: Packet) -> tuple[Element, tuple[int, int]] | None:
    """Our rdf:Description as we wrote it, and from where to where it stands."""
    for description in parsed.descriptions:
        note = description.attributes.get(_UNDO)
        if note and _is_as_written(description):
            span = xmp_splice.own_span(packet, description, note)
            return (description, span) if span is not None else None
    return None


def _is_as_written(description: Element) -> bool:
    """Whether a description holds nothing but names: anybody can write a note."""
    attributes = (name for name in description.attributes if name not in ABOUT_NAMES)
    children = [child.name for child in description.children]
    return all(name.startswith(f"{NAMES} ") for name in attributes) and children == [_REGIONS, _PERSONS]


def _part(faces: NamedFaces, about: bytes, undo: str) -> bytes:
    mark = {
        "namesProgram": program_name(),
        "namesWrittenAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "namesDigest": faces.digest,
        "namesBefore": faces.before,
        "namesUndo": undo,
    }
    attributes = "".join(f" recollectNames:{name}={quoteattr(value)}" for name, value in mark.items())
    rest = f' xmlns:recollectNames="{NAMES}"{attributes}>{_properties(faces)}</rdf:Description>\n'
    return b"<rdf:Description rdf:about=" + about + rest.encode()


def _properties(faces: NamedFaces) -> str:
    size = f'stDim:w="{faces.width_px}" stDim:h="{faces.height_px}" stDim:unit="pixel"'
    regions = "".join(map(_region, faces.regions))
    names = "".join(f"<rdf:li>{escape(name)}</rdf:li>" for name in _names(faces.regions))
    return (
        f'<mwg-rs:Regions xmlns:mwg-rs="{_MWG}" rdf:parseType="Resource">'
        f'<mwg-rs:AppliedToDimensions xmlns:stDim="{_DIMENSIONS}" {size}/>'
        f"<mwg-rs:RegionList><rdf:Bag>{regions}</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
        f'<Iptc4xmpExt:PersonInImage xmlns:Iptc4xmpExt="{_IPTC_EXT}"><rdf:Bag>{names}</rdf:Bag>'
        "</Iptc4xmpExt:PersonInImage>"
    )


def _names(regions: Sequence[XmpRegion]) -> list[str]:
    return list(dict.fromkeys(region.name for region in regions))


def _region(region: XmpRegion) -> str:
    """`x` and `y` are the middle's."""
    numbers = {
        "x": region.left + region.width / 2,
        "y": region.top + region.height / 2,
        "w": region.width,
        "h": region.height,
    }
    area = " ".join(f'stArea:{name}="{number:.6f}"' for name, number in numbers.items())
    return (
        f'<rdf:li rdf:parseType="Resource"><mwg-rs:Name>{escape(region.name)}</mwg-rs:Name>'
        f'<mwg-rs:Type>Face</mwg-rs:Type><mwg-rs:Area xmlns:stArea="{_AREA}" {area} stArea:unit="normalized"/></rdf:li>'
    )
