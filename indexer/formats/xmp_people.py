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
from indexer.formats.xmp_tree import ABOUT_NAMES, RDF, Element, Packet, parse, parse_or_none, texts_of
from indexer.ownership.mark import Stripped, program_name, sha256
from indexer.reasons import ReasonCode

_BEFORE, _DIGEST, _UNDO = (f"{NAMES} {name}" for name in ("namesBefore", "namesDigest", "namesUndo"))
_MWG = "http://www.metadataworkinggroup.com/schemas/regions/"
_AREA = "http://ns.adobe.com/xmp/sType/Area#"
_DIMENSIONS = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
_IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_REGIONS, _PERSONS = f"{_MWG} Regions", f"{_IPTC_EXT} PersonInImage"
_PROPERTIES = frozenset({_REGIONS, _PERSONS})
_OWN = f"{NAMES} "  # how the names of its properties begin
#: Everything that stands in our regions, as elements or attributes.
_KNOWN = frozenset(
    {
        *(f"{_MWG} {name}" for name in ("Regions", "AppliedToDimensions", "RegionList", "Name", "Type", "Area")),
        *(f"{_AREA} {name}" for name in ("x", "y", "w", "h", "unit")),
        *(f"{_DIMENSIONS} {name}" for name in ("w", "h", "unit")),
        *(f"{RDF} {name}" for name in ("Bag", "li", "parseType", "Description")),
    }
)


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
        """Tells names and places from others."""
        return _digest([(one.name, *_numbers(one)) for one in self.regions], _names(self.regions))


@dataclass(frozen=True, slots=True)
class WrittenNames:
    """What our part of a packet says: the SHA-256 of the whole file before, `NamedFaces.digest`, and who is named."""

    before: str
    digest: str
    persons: tuple[str, ...]


def read_names(packet: bytes) -> WrittenNames | None:
    """Our names of faces in a packet; None where there are none, or another program has changed them. One that has only
    written the packet down in another way has not."""
    parsed = parse_or_none(packet) if holds_names(packet) else None
    mark = _mark(parsed) if parsed is not None else {}
    if parsed is None or not mark:
        return None
    persons = [text for element in _children(parsed, _PERSONS) for text in texts_of(element)]
    if _find(packet, parsed) is None and _digest_of(parsed, persons) != mark.get(_DIGEST):
        return None
    return WrittenNames(mark.get(_BEFORE, ""), mark.get(_DIGEST, ""), tuple(persons))


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
    another program has changed are that program's, and stay. Raises `XmpError` where it can't be parsed."""
    parsed = parse(packet)
    found = _find(packet, parsed)
    if found is None:
        return Stripped(_cut(packet, parsed), exact=False) if read_names(packet) is not None else None
    description, span = found
    restored = xmp_splice.restore(packet, parsed, span, description.attributes[_UNDO])
    if restored is None:
        return Stripped(packet[: span[0]] + packet[span[1] :], exact=False)
    return Stripped(None if restored == SKELETON else restored, exact=True)


def _cut(packet: bytes, parsed: Packet) -> bytes:
    """The packet without our properties, each of which stands where another program has put it."""
    spans: list[tuple[int, int]] = []
    for description in parsed.descriptions:
        ours = [child for child in description.children if child.name in _PROPERTIES or child.name.startswith(_OWN)]
        others = {name for name in description.attributes if not name.startswith(_OWN)} - ABOUT_NAMES
        if len(ours) == len(description.children) and not others and (ours or description.attributes):
            spans.append((description.start, description.end))
        else:
            spans += [(child.start, child.end) for child in ours]
            spans += parsed.attribute_spans(packet, description, NAMES)
    for start, end in sorted(spans, reverse=True):
        packet = packet[:start] + packet[end:]
    return packet


def holds_names(packet: bytes) -> bool:
    """Whether anything of our namespace of names is there, were it rewritten."""
    return NAMES.encode() in packet


def _children(parsed: Packet, name: str) -> list[Element]:
    return [child for description in parsed.descriptions for child in description.children if child.name == name]


def _mark(parsed: Packet) -> dict[str, str]:
    """The properties of our namespace, whichever way another program has written them down."""
    found: dict[str, str] = {}
    for description in parsed.descriptions:
        pairs = [*description.attributes.items(), *((child.name, child.text.strip()) for child in description.children)]
        found |= {name: value for name, value in pairs if name.startswith(_OWN)}
    return found


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
    return all(name.startswith(_OWN) for name in attributes) and children == [_REGIONS, _PERSONS]


def _digest_of(parsed: Packet, persons: Sequence[str]) -> str | None:
    """`NamedFaces.digest` of the regions that stand in a packet; None where there is anything else in them."""
    found: list[tuple[str, ...]] = []
    for regions in _children(parsed, _REGIONS):
        if not _is_known(regions):
            return None
        for item in _descendants(regions, f"{RDF} li"):
            fields = [_field(item, name) for name in (f"{_MWG} Name", *(f"{_AREA} {part}" for part in "xywh"))]
            if any(text is None for text in fields):
                return None
            found.append(tuple(text for text in fields if text is not None))
    return _digest(found, persons)


def _is_known(element: Element) -> bool:
    """Whether an element, and what is in it, has only what we write."""
    names = {element.name, *element.attributes}
    return names <= _KNOWN and all(map(_is_known, element.children))


def _descendants(element: Element, name: str) -> list[Element]:
    found = [element] if element.name == name else []
    return found + [one for child in element.children for one in _descendants(child, name)]


def _field(element: Element, name: str) -> str | None:
    """An attribute of this name, or an element's text, anywhere in the element."""
    if name in element.attributes:
        return element.attributes[name]
    if element.name == name:
        return element.text.strip()
    return next((text for child in element.children if (text := _field(child, name)) is not None), None)


def _digest(regions: Sequence[tuple[str, ...]], persons: Sequence[str]) -> str:
    """16 hexadecimal digits of a SHA-256: of the names, the numbers as they are written, and the persons."""
    return sha256("\n".join(["\t".join(one) for one in regions] + list(persons)).encode())[:16]


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


def _numbers(region: XmpRegion) -> tuple[str, str, str, str]:
    """The middle, across and down, width and height, as they are written."""
    middle = region.left + region.width / 2, region.top + region.height / 2
    x, y, width, height = (f"{number:.6f}" for number in (*middle, region.width, region.height))
    return x, y, width, height


def _region(region: XmpRegion) -> str:
    area = " ".join(f'stArea:{name}="{number}"' for name, number in zip("xywh", _numbers(region), strict=True))
    return (
        f'<rdf:li rdf:parseType="Resource"><mwg-rs:Name>{escape(region.name)}</mwg-rs:Name>'
        f'<mwg-rs:Type>Face</mwg-rs:Type><mwg-rs:Area xmlns:stArea="{_AREA}" {area} stArea:unit="normalized"/></rdf:li>'
    )
