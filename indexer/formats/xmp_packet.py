"""Our caption in an XMP packet (ISO 16684-1): spliced in as one rdf:Description of our own, and taken out again."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.sax.saxutils import escape, quoteattr, unescape

from indexer.formats import xmp_splice
from indexer.formats.xmp_splice import SKELETON
from indexer.formats.xmp_tree import ABOUT_NAMES, ATTRIBUTE, OWN, RDF, Element, Packet, XmpError, parse, texts_of
from indexer.model import CaptionBy
from indexer.ownership.mark import XMP_NAMES, FieldText, Mark, OwnCaption, Stripped, digest, parts_of_mark, text_in_mark

DC = "http://purl.org/dc/elements/1.1/"
_OWN = f"{OWN} "  # how the names of its properties begin
#: Properties in which a caption may stand, and what people call them.
CAPTION_FIELDS = {
    f"{DC} description": "dc:description",
    "http://ns.adobe.com/tiff/1.0/ ImageDescription": "tiff:ImageDescription",
    "http://ns.adobe.com/exif/1.0/ UserComment": "exif:UserComment",
    "http://ns.acdsee.com/iptc/1.0/ caption": "acdsee:caption",
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/ AltTextAccessibility": "AltTextAccessibility",
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/ ExtDescrAccessibility": "ExtDescrAccessibility",
}
#: How their names stand in a packet that can't be parsed.
_CAPTION_NAME = re.compile(
    rb"description|UserComment|ImageDescription|:caption|AltTextAccessibility|ExtDescrAccessibility"
)
_QUOTES = {"&quot;": '"', "&apos;": "'"}
_LOCAL_CAPTION_NAMES = frozenset(name.split()[-1] for name in CAPTION_FIELDS)


def captions(packet: Packet) -> list[FieldText]:
    """Every text that stands where captions stand, in every language, and a correction in our own mark."""
    found = []
    for description in packet.descriptions:
        for name, value in description.attributes.items():
            if name in CAPTION_FIELDS:
                found.append(FieldText(CAPTION_FIELDS[name], value.strip()))
        for element in description.children:
            if element.name in CAPTION_FIELDS:
                found += [FieldText(CAPTION_FIELDS[element.name], text) for text in texts_of(element)]
    return [*found, *text_in_mark(own_fields(packet))]


def may_describe(data: bytes) -> bool:
    """Whether a packet that can't be parsed may hold a caption: one of their names stands in it, in UTF-8, 16 or 32."""
    return _CAPTION_NAME.search(data.replace(b"\0", b"")) is not None


def has_description(packet: Packet) -> bool:
    """Whether there is a dc:description, were it empty: a second one would make the packet invalid."""
    name = f"{DC} description"
    return any(
        name in description.attributes or any(child.name == name for child in description.children)
        for description in packet.descriptions
    )


def own_fields(packet: Packet) -> dict[str, str]:
    """The properties of our namespace by the parts of the mark, whichever way another program has written them down
    since."""
    return parts_of_mark(_own_properties(packet))


def _own_properties(packet: Packet) -> dict[str, str]:
    found: dict[str, str] = {}
    for description in packet.descriptions:
        found |= _own_attributes(description)
        for element in description.children:
            if element.name.startswith(_OWN):
                found[element.name.removeprefix(_OWN)] = element.text.strip()
    return found


def _own_attributes(description: Element) -> dict[str, str]:
    """The attributes in our namespace, by their local names."""
    return {name.removeprefix(_OWN): value for name, value in description.attributes.items() if name.startswith(_OWN)}


def _own_attribute(description: Element, part: str) -> str:
    """The part of the mark that stands in an attribute, under today's name or an older one; "" where none does."""
    attributes = _own_attributes(description)
    return attributes.get(XMP_NAMES[part]) or attributes.get(part, "")


def read_mark(packet: Packet) -> Mark | None:
    """The mark beside our caption, or None where the packet has none."""
    mark = Mark.from_fields(own_fields(packet))
    return mark and replace(mark, outdated=any(name in XMP_NAMES for name in _own_properties(packet)))


def compose_packet(own: OwnCaption) -> bytes:
    """A packet that holds our caption and nothing else."""
    return splice(SKELETON, own)


def splice(packet: bytes, own: OwnCaption) -> bytes:
    """`packet` with our rdf:Description before its `</rdf:RDF>`. Raises `XmpError` on one that is not understood.

    Where a dc:description stands already, only our mark is added: two would make the packet invalid (see
    `can_describe`). A correction's mark then holds the words itself.
    """
    parsed = parse(packet)
    if own_fields(parsed):
        raise XmpError("the XMP packet has a mark of ours already")
    with_text = not has_description(parsed)
    return xmp_splice.insert(packet, lambda about, undo: _block(own, about, undo, with_text=with_text))


def can_describe(packet: bytes) -> bool:
    """Whether `splice` would add the caption itself and not only its mark. Raises `XmpError`."""
    return not has_description(parse(packet))


def _block(own: OwnCaption, about: bytes, undo: str, *, with_text: bool) -> bytes:
    fields = own.mark.fields() | {"undo": undo}
    if own.mark.by is CaptionBy.PERSON and not with_text:
        fields["text"] = own.text
    attributes = "".join(f" recollect:{XMP_NAMES[part]}={quoteattr(value)}" for part, value in fields.items())
    items = f'<rdf:Alt><rdf:li xml:lang="x-default">{escape(own.text)}</rdf:li></rdf:Alt>'
    text = f'<dc:description xmlns:dc="{DC}">{items}</dc:description>' if with_text else ""
    rest = f' xmlns:recollect="{OWN}"{attributes}>{text}</rdf:Description>\n'
    return b"<rdf:Description rdf:about=" + about + rest.encode()


def strip_caption(packet: bytes, digests: frozenset[str]) -> Stripped:
    """`packet` without our rdf:Description: what it was, or, where another program has rewritten it since, without
    our properties and the texts of one of `digests`, in whichever field of captions they stand. Raises `XmpError` where
    that can't be done without risk."""
    parsed = parse(packet)
    restored = _restore(packet, parsed)
    if restored is not None:
        return Stripped(None if restored == SKELETON else restored, exact=True)
    spans = [span for description in parsed.descriptions for span in _own_spans(packet, parsed, description, digests)]
    stripped = packet
    for start, end in sorted(spans, reverse=True):
        stripped = stripped[:start] + stripped[end:]
    if own_fields(parse(stripped)):
        raise XmpError("another program has rewritten our properties in the XMP packet in a way that is not understood")
    return Stripped(stripped, exact=False)


def _restore(packet: bytes, parsed: Packet) -> bytes | None:
    """The packet as it was, proved by its checksum; None where that does not come out."""
    for description in parsed.descriptions:
        note = _own_attribute(description, "undo")
        if not note:
            continue
        span = xmp_splice.own_span(packet, description, note)
        if span is None or not _is_as_written(description):
            return None  # somebody has been in our part, and what they put there is theirs
        return xmp_splice.restore(packet, parsed, span, note)
    return None


def _is_as_written(description: Element) -> bool:
    """Whether a description holds nothing but our mark and the text that it vouches for: anybody can write a note."""
    ours = frozenset((_own_attribute(description, "digest"),))
    attributes = (name for name in description.attributes if name not in ABOUT_NAMES)
    children = (child.name == f"{DC} description" and _is_own(child, ours) for child in description.children)
    return all(name.startswith(_OWN) for name in attributes) and all(children)


def holds(packet: Packet, digests: frozenset[str]) -> bool:
    """Whether our mark is there, or a text of one of these digests in any field of captions."""
    return bool(own_fields(packet)) or any(digest(text.text) in digests for text in captions(packet))


def _own_spans(packet: bytes, parsed: Packet, description: Element, digests: frozenset[str]) -> list[tuple[int, int]]:
    """The bytes of a description that are ours: all of it, or single properties."""
    ours = [child for child in description.children if _is_own(child, digests)]
    attributes = [
        name
        for name, value in description.attributes.items()
        if name.startswith(_OWN) or (name in CAPTION_FIELDS and digest(value.strip()) in digests)
    ]
    others = set(description.attributes) - set(attributes) - ABOUT_NAMES
    if (ours or attributes) and len(ours) == len(description.children) and not others:
        return [(description.start, description.end)]
    spans = [(child.start, child.end) for child in ours]
    spans += [
        (item.start, item.end)
        for child in description.children
        if child not in ours and child.name in CAPTION_FIELDS
        for items in child.children
        for item in items.children
        if item.name == f"{RDF} li" and all(digest(text) in digests for text in texts_of(item))
    ]
    spans += parsed.attribute_spans(packet, description, OWN)
    for match in ATTRIBUTE.finditer(packet, description.start, description.content) if attributes else ():
        value = unescape(match[3][1:-1].decode(), _QUOTES).strip()
        is_copy = match[2].decode() in _LOCAL_CAPTION_NAMES and digest(value) in digests
        if is_copy and match.span() not in spans:
            spans.append(match.span())
    return spans


def _is_own(element: Element, digests: frozenset[str]) -> bool:
    texts = texts_of(element) if element.name in CAPTION_FIELDS else []
    return element.name.startswith(_OWN) or (bool(texts) and all(digest(text) in digests for text in texts))
