"""Independent proof that an XMP packet lost nothing but our caption, however another program has written it down since.

See `indexer.captions.proof.verify`. Here whole properties are compared, not bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError, canonicalize, tostring

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException

from indexer.captions.proof.verify import VerifyError, require

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_OWN = "{urn:uuid:0a7c34f5-6a1d-4f0e-9c55-7d2f1b8e4c21#}"
_DESCRIPTION = "{http://purl.org/dc/elements/1.1/}description"  # whose texts are compared one by one elsewhere


def check_packet_removal(old: bytes, new: bytes) -> None:
    """Raises `VerifyError` unless `new` has every property of `old` but ours and dc:description, and no other."""
    before, after = Counter(_properties(old)), Counter(_properties(new))
    require(before == after, "the XMP packet would lose more than our caption")


def _properties(packet: bytes) -> Iterator[tuple[str, str]]:
    """Name and canonical form (Canonical XML 2.0) of each property of a packet."""
    try:
        root = defusedxml.ElementTree.fromstring(packet.strip(b"\0 \t\r\n"), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise VerifyError(f"verification: the XMP packet can't be parsed: {error}") from error
    for rdf in root.iter(f"{_RDF}RDF"):
        for node in rdf:
            pairs = [*node.attrib.items(), *((child.tag, _canonical(child)) for child in node)]
            yield from (pair for pair in pairs if _is_compared(pair[0]))


def _is_compared(name: str) -> bool:
    return not name.startswith(_OWN) and name not in (_DESCRIPTION, f"{_RDF}about", "about")


def _canonical(element: Element) -> str:
    text: str = canonicalize(tostring(element, encoding="unicode"), strip_text=True)
    return text
