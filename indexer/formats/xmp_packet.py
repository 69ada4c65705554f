"""An XMP packet (ISO 16684-1) parsed so that every element is known by the bytes it stands in: for splicing a caption
in as one rdf:Description of our own, and taking it out again.

The packet is never written anew: what is not ours keeps its every byte, but for the white space before the packet's
end, some of which is eaten (XMP specification part 1, 7.3.2) and remembered.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from dataclasses import dataclass, field, replace
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr, unescape

from indexer.errors import NotUnderstood
from indexer.model import CaptionBy
from indexer.ownership.mark import XMP_NAMES, FieldText, Mark, OwnCaption, Stripped, digest, parts_of_mark, text_in_mark

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC = "http://purl.org/dc/elements/1.1/"
#: Our namespace: a UUID (RFC 9562) needs no domain that somebody else could own one day.
OWN = "urn:uuid:0a7c34f5-6a1d-4f0e-9c55-7d2f1b8e4c21#"
_OWN = f"{OWN} "  # how the names of its properties begin
_ABOUT_NAMES = frozenset({f"{RDF} about", "about"})

MAX_PACKET_BYTES = 4 << 20
_MAX_ELEMENTS, _MAX_DEPTH = 100_000, 200
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
_PACKET_END = re.compile(rb"<\?xpacket\s+end=[^>]*\?>")
_WRITABLE_END = re.compile(rb"<\?xpacket end=[\"'][rw][\"']\?>\0*\s*\Z")
_RDF_END, _WHITE = b"</rdf:RDF>", b" \t\r\n"
_MAX_PADDING_BYTES = 1 << 16
_TAG = re.compile(rb"""<(?:[^<>"']|"[^"<]*"|'[^'<]*')*>""")
_ABOUT = re.compile(rb"""\s(?:rdf:)?about\s*=\s*("[^"<]*"|'[^'<]*')""")
_ATTRIBUTE = re.compile(rb"""\s([\w.-]+):([\w.-]+)\s*=\s*("[^"<]*"|'[^'<]*')""")
_QUOTES = {"&quot;": '"', "&apos;": "'"}
_LOCAL_CAPTION_NAMES = frozenset(name.split()[-1] for name in CAPTION_FIELDS)
_SKELETON = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
)


class XmpError(NotUnderstood):
    """An XMP packet that is not understood, or not of a form that can be spliced."""


@dataclass(slots=True)
class Element:
    """One element: `name` is "namespace local", its start tag is `start`..`content`, the whole `start`..`end`."""

    name: str
    attributes: dict[str, str]
    start: int
    content: int
    end: int = 0
    text: str = ""
    children: list[Element] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Packet:
    """A parsed packet: the rdf:RDF element and the byte where its end tag begins."""

    rdf: Element
    rdf_end_tag: int
    own_prefixes: frozenset[str]  # those bound to our namespace anywhere in the packet

    @property
    def descriptions(self) -> list[Element]:
        """The rdf:Description elements of the top level."""
        return [element for element in self.rdf.children if element.name == f"{RDF} Description"]


def parse(data: bytes) -> Packet:
    """Raises `XmpError` where the bytes are not well-formed XML in UTF-8 without a DTD, with one rdf:RDF in it."""
    if len(data) > MAX_PACKET_BYTES:
        raise XmpError(f"the XMP packet is larger than {MAX_PACKET_BYTES >> 20} MB")
    reader = _Reader(data)
    try:
        reader.parser.Parse(data[: packet_end(data)].rstrip(b"\0"), True)
    except (expat.ExpatError, UnicodeDecodeError, ValueError) as error:
        raise XmpError(f"the XMP packet can't be parsed: {error}") from error
    if len(reader.rdf) != 1:
        raise XmpError(f"the XMP packet has {len(reader.rdf)} rdf:RDF elements instead of one")
    rdf = reader.rdf[0]
    end_tag = data.rfind(b"</", rdf.content, rdf.end)
    if end_tag < 0 or data[rdf.content - 2 : rdf.content] == b"/>":
        raise XmpError("the XMP packet's rdf:RDF is empty")
    return Packet(rdf, end_tag, frozenset(reader.own_prefixes))


def parse_or_none(data: bytes) -> Packet | None:
    """The packet; None where `parse` raises."""
    try:
        return parse(data)
    except XmpError:
        return None


def packet_end(data: bytes) -> int:
    """Where the packet ends: what stands behind its end instruction is what a longer one has left there."""
    found = _PACKET_END.search(data)
    return found.end() if found else len(data)


class _Reader:
    """Builds the elements below rdf:RDF; expat's own byte indices are their positions."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.rdf: list[Element] = []
        self.own_prefixes: set[str] = set()
        self._open: list[Element] = []
        self._count = 0
        # The encoding is fixed, so that expat's byte indices are those of the data itself.
        self.parser = expat.ParserCreate("utf-8", " ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.XmlDeclHandler = self._declaration
        self.parser.StartNamespaceDeclHandler = self._namespace

    def _doctype(self, *_: object) -> None:
        raise ValueError("it has a document type declaration")

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ("utf-8", "utf8", "us-ascii"):
            raise ValueError(f"its encoding is {encoding}, not UTF-8")

    def _namespace(self, prefix: str | None, uri: str | None) -> None:
        if uri == OWN and prefix:
            self.own_prefixes.add(prefix)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        start = self.parser.CurrentByteIndex
        tag = _TAG.match(self.data, start)
        self._count += 1
        if tag is None or len(self._open) >= _MAX_DEPTH or self._count > _MAX_ELEMENTS:
            raise ValueError(f"the element at byte {start} is not understood")
        element = Element(name, attributes, start, tag.end())
        if self._open:
            self._open[-1].children.append(element)
        if name == f"{RDF} RDF":
            self.rdf.append(element)
        self._open.append(element)

    def _end(self, _name: str) -> None:
        element = self._open.pop()
        if self.data[element.content - 2 : element.content] == b"/>":
            element.end = element.content
        else:
            element.end = self.data.index(b">", self.parser.CurrentByteIndex) + 1

    def _text(self, text: str) -> None:
        if self._open:
            self._open[-1].text += text


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


def texts_of(element: Element) -> list[str]:
    """The texts of a property: of its list items where it is a list, else its own."""
    if not element.children:
        return [element.text.strip()]
    return [text for child in element.children for text in texts_of(child)]


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
    return splice(_SKELETON, own)


def splice(packet: bytes, own: OwnCaption) -> bytes:
    """`packet` with our rdf:Description before its `</rdf:RDF>`. Raises `XmpError` on one that is not understood.

    Where a dc:description stands already, only our mark is added: two would make the packet invalid (see
    `can_describe`). A correction's mark then holds the words itself.
    """
    parsed = parse(packet)
    if own_fields(parsed):
        raise XmpError("the XMP packet has a mark of ours already")
    if packet[packet_end(packet) :].strip(_WHITE + b"\0"):
        raise XmpError("what another program has left stands behind the end of the XMP packet")
    at = parsed.rdf_end_tag
    if packet.count(_RDF_END) != 1 or not packet.startswith(_RDF_END, at):
        raise XmpError("the XMP packet does not end in one </rdf:RDF>")
    about, padding_end = _about(packet, parsed), _padding_end(packet, parsed)
    with_text = not has_description(parsed)
    without_undo = _block(own, about, "", with_text=with_text)
    white_start = parsed.rdf.end + len(packet[parsed.rdf.end : padding_end].rstrip(_WHITE))
    eaten_start = max(white_start, padding_end - len(without_undo) - 72)
    white = packet[eaten_start:padding_end]
    compressed = base64.b64encode(zlib.compress(white, 9)).decode() if white else ""
    undo = f"{zlib.crc32(packet):08x}.{_own_crc(without_undo, compressed)}.{compressed}"
    block = _block(own, about, undo, with_text=with_text)
    return packet[:at] + block + packet[at:eaten_start] + packet[padding_end:]


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


def _about(packet: bytes, parsed: Packet) -> bytes:
    """What the packet is about, quotes included: every rdf:Description of a packet must say the same."""
    found = (_ABOUT.search(packet, description.start, description.content) for description in parsed.descriptions)
    return next((match[1] for match in found if match), b'""')


def _padding_end(packet: bytes, parsed: Packet) -> int:
    """Where the white space before the packet's end instruction ends; where nothing may be eaten, the RDF's end."""
    match = _WRITABLE_END.search(packet, parsed.rdf.end)
    return match.start() if match else parsed.rdf.end


def _own_crc(without_undo: bytes, compressed: str) -> str:
    """Of our part without its undo note, and of the white space that the note holds."""
    return f"{zlib.crc32(without_undo + compressed.encode()):08x}"


def _decompress(text: str) -> bytes | None:
    """The white space that our undo note holds; None on anything that we did not write."""
    try:
        expander = zlib.decompressobj()
        white = expander.decompress(base64.b64decode(text, validate=True), _MAX_PADDING_BYTES) if text else b""
    except (binascii.Error, zlib.error, ValueError):
        return None
    return None if white.strip(_WHITE) else white


def strip_caption(packet: bytes, digests: frozenset[str]) -> Stripped:
    """`packet` without our rdf:Description: what it was, or, where another program has rewritten it since, without
    our properties and the texts of one of `digests`, in whichever field of captions they stand. Raises `XmpError` where
    that can't be done without risk."""
    parsed = parse(packet)
    restored = _restore(packet, parsed)
    if restored is not None:
        return Stripped(None if restored == _SKELETON else restored, exact=True)
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
        crc, block_crc, compressed = [*note.split("."), "", ""][:3]
        end = description.end + (packet[description.end : description.end + 1] == b"\n")
        without_undo = packet[description.start : end].replace(f'"{note}"'.encode(), b'""', 1)
        if _own_crc(without_undo, compressed) != block_crc or not _is_as_written(description):
            return None  # somebody has been in our part, and what they put there is theirs
        white = _decompress(compressed)
        if white is None:
            return None
        padding_end = _padding_end(packet, parsed) if white else len(packet)
        restored = packet[: description.start] + packet[end:padding_end] + white + packet[padding_end:]
        return restored if f"{zlib.crc32(restored):08x}" == crc else None
    return None


def _is_as_written(description: Element) -> bool:
    """Whether a description holds nothing but our mark and the text that it vouches for: anybody can write a note."""
    ours = frozenset((_own_attribute(description, "digest"),))
    attributes = (name for name in description.attributes if name not in _ABOUT_NAMES)
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
    others = set(description.attributes) - set(attributes) - _ABOUT_NAMES
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
    prefixes = frozenset(prefix.encode() for prefix in parsed.own_prefixes)
    for match in _ATTRIBUTE.finditer(packet, description.start, description.content):
        value = unescape(match[3][1:-1].decode(), _QUOTES).strip()
        copied = match[2].decode() in _LOCAL_CAPTION_NAMES and digest(value) in digests
        if match[1] in prefixes or (copied and attributes):
            spans.append(match.span())
    return spans


def _is_own(element: Element, digests: frozenset[str]) -> bool:
    texts = texts_of(element) if element.name in CAPTION_FIELDS else []
    return element.name.startswith(_OWN) or (bool(texts) and all(digest(text) in digests for text in texts))
