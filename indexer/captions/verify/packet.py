"""Independent proof that metadata lost nothing but our caption, however another program has written it down since.

See `indexer.captions.verify.rules`. Here whole properties are compared, not bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element, ParseError, canonicalize, tostring

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException

from indexer.captions.verify.rules import VerifyError, check_comment, check_entries, check_no_entries, require

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_OWN = "{urn:uuid:0a7c34f5-6a1d-4f0e-9c55-7d2f1b8e4c21#}"
#: Whose texts are compared one by one elsewhere: another program may have copied ours into any of them.
_CAPTIONS = frozenset(
    {
        "{http://purl.org/dc/elements/1.1/}description",
        "{http://ns.adobe.com/tiff/1.0/}ImageDescription",
        "{http://ns.adobe.com/exif/1.0/}UserComment",
    }
)


def check_removed(before: Sequence[bytes], after: Sequence[bytes]) -> None:
    """Raises `VerifyError` unless the XMP packets of a file lost no property but ours and captions, and gained
    none; one that is gone must have had nothing else."""
    changed = Counter[tuple[str, str]]()
    for packet in before:
        changed.update(_properties(packet) if packet not in after else ())
    for packet in after:
        changed.subtract(_properties(packet) if packet not in before else ())
    require(not any(changed.values()), "the XMP packet would lose more than our caption")


def check_removed_entries(before: Sequence[bytes], after: Sequence[bytes]) -> None:
    """Raises `VerifyError` unless the Exif blocks of a file lost nothing but our texts; one that is gone must have had
    nothing else."""
    changed, after_kept = (
        [one for one in side if one not in other] for side, other in ((before, after), (after, before))
    )
    require(len(changed) == len(after_kept) or not after_kept, "an Exif block is new, or one of several is gone")
    for block in () if after_kept else changed:
        check_no_entries(block)
    for old, new in zip(changed, after_kept, strict=False):
        check_entries(old, new)
        check_comment(old, new)


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
    return not name.startswith(_OWN) and name not in (*_CAPTIONS, f"{_RDF}about", "about")


def _canonical(element: Element) -> str:
    text: str = canonicalize(tostring(element, encoding="unicode"), strip_text=True)
    return text
