"""An XMP packet (ISO 16684-1) parsed so that every element is known by the bytes it stands in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.parsers import expat

from indexer.errors import NotUnderstood

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
#: The namespace of our captions: a UUID (RFC 9562) needs no domain that somebody else could own one day.
OWN = "urn:uuid:0a7c34f5-6a1d-4f0e-9c55-7d2f1b8e4c21#"
#: How the attribute of an rdf:Description that says what it is about may be named.
ABOUT_NAMES = frozenset({f"{RDF} about", "about"})

MAX_PACKET_BYTES = 4 << 20
_MAX_ELEMENTS, _MAX_DEPTH = 100_000, 200
_PACKET_END = re.compile(rb"<\?xpacket\s+end=[^>]*\?>")
_TAG = re.compile(rb"""<(?:[^<>"']|"[^"<]*"|'[^'<]*')*>""")

#: An attribute with a prefix: that, the local name, the value with its quotes.
ATTRIBUTE = re.compile(rb"""\s([\w.-]+):([\w.-]+)\s*=\s*("[^"<]*"|'[^'<]*')""")


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
    prefixes: frozenset[tuple[str, str]]  # (prefix, namespace), wherever in the packet they are bound

    def attribute_spans(self, data: bytes, description: Element, namespace: str) -> list[tuple[int, int]]:
        """Where the attributes of a namespace stand in the start tag of a description; `data` is the packet."""
        prefixes = {prefix.encode() for prefix, uri in self.prefixes if uri == namespace}
        found = ATTRIBUTE.finditer(data, description.start, description.content)
        return [match.span() for match in found if match[1] in prefixes]

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
    return Packet(rdf, end_tag, frozenset(reader.prefixes))


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
        self.prefixes: set[tuple[str, str]] = set()
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
        if prefix:
            self.prefixes.add((prefix, uri or ""))

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


def texts_of(element: Element) -> list[str]:
    """The texts of a property: of its list items where it is a list, else its own."""
    if not element.children:
        return [element.text.strip()]
    return [text for child in element.children for text in texts_of(child)]
