"""Independent proof that XMP and IPTC lost nothing but our caption. See `indexer.captions.verify`."""

from __future__ import annotations

import hashlib
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from xml.etree.ElementTree import Element, ParseError, canonicalize, tostring

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException

from indexer.captions.verify import VerifyError, require
from indexer.ownership.mark import OwnCaption

_OWN_BLOCK = re.compile(
    rb'<rdf:Description rdf:about=("[^"]*"|\'[^\']*\') '
    rb'xmlns:recollect="urn:uuid:0a7c34f5-6a1d-4f0e-9c55-7d2f1b8e4c21#"[^<>]*>'
    rb"(<dc:description [^<>]*><rdf:Alt><rdf:li [^<>]*>[^<>]*</rdf:li></rdf:Alt></dc:description>)?</rdf:Description>\n"
)
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
PHOTOSHOP_HEADER = b"Photoshop 3.0\0"
_IIM, _MD5 = 1028, 1061
_CAPTION = b"\x1c\x02\x78"


def check_packet_text(packet: bytes, own: OwnCaption, *, needs_text: bool = True) -> None:
    """Raises `VerifyError` unless our part of the packet says the caption; without `needs_text` it may be silent."""
    block = _OWN_BLOCK.search(packet)
    require(block is not None, "our part of the XMP packet is not there")
    if block is not None and (needs_text or block[2]):
        element = (block[2] or b"<none/>").replace(b"<rdf:Alt>", b'<rdf:Alt xmlns:rdf="r">', 1)
        text = "".join(parse_packet(element).itertext())
        require(text == own.text, "the caption in XMP reads differently from what was meant")


def check_packet_edit(old: bytes | None, new: bytes) -> None:
    """Raises `VerifyError` unless `new` is `old` and our rdf:Description, white space at the packet's end aside, and
    both parse. `old` is None where there was no packet."""
    require(len(_OWN_BLOCK.findall(new)) == 1, "our part of the XMP packet is not there once")
    parse_packet(new)
    if old is None:
        return
    parse_packet(old)
    same = strip_padding(_OWN_BLOCK.sub(b"", new)) == strip_padding(old)
    require(same, "the XMP packet differs in more than our part")


def parse_packet(packet: bytes) -> Element:
    """The packet's root. Raises `VerifyError` where it is not well-formed, or has a DTD."""
    try:
        return defusedxml.ElementTree.fromstring(packet.strip(b"\0 \t\r\n"), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise VerifyError(f"verification: the XMP packet can't be parsed: {error}") from error


def strip_padding(packet: bytes) -> bytes:
    """The packet without the white space before its end instruction."""
    head, instruction, tail = packet.rpartition(b"<?xpacket end=")
    return head.rstrip(b" \t\r\n") + instruction + tail if instruction else packet


def check_removed_packets(before: Sequence[bytes], after: Sequence[bytes]) -> None:
    """Raises `VerifyError` unless the XMP packets of a file lost no property but ours and captions, and gained
    none; one that is gone must have had nothing else."""
    changed = Counter[tuple[str, str]]()
    for packet in before:
        changed.update(_properties(packet, _is_caption) if packet not in after else ())
    for packet in after:
        changed.subtract(_properties(packet, _is_caption) if packet not in before else ())
    require(not any(changed.values()), "the XMP packet would lose more than our caption")


def check_lost_properties(before: bytes, after: bytes, is_ours: Callable[[str], bool]) -> None:
    """Raises `VerifyError` unless a packet lost no other properties than ours, by their names, and gained none."""
    lost = Counter(_properties(before, is_ours))
    lost.subtract(_properties(after, lambda _: False))
    require(not any(lost.values()), "the XMP packet would lose more than what is ours")


def _is_caption(name: str) -> bool:
    return name.startswith(_OWN) or name in _CAPTIONS


def _properties(packet: bytes, is_ignored: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """Name and canonical form (Canonical XML 2.0) of each property of a packet."""
    for node in (node for rdf in parse_packet(packet).iter(f"{_RDF}RDF") for node in rdf):
        elements = ((child.tag, tostring(child, encoding="unicode")) for child in node)
        pairs = [*node.attrib.items(), *((name, canonicalize(text, strip_text=True)) for name, text in elements)]
        yield from (pair for pair in pairs if not is_ignored(pair[0]) and pair[0] not in (f"{_RDF}about", "about"))


def check_removed_iptc(before: Sequence[bytes], after: Sequence[bytes]) -> None:
    """Raises `VerifyError` unless these payloads of APP13 segments differ in nothing but datasets 2:120 that are gone,
    whose texts are compared elsewhere, and in a checksum of the datasets that is right."""
    require(len(before) == len(after), "a segment of Photoshop's is gone, or new")
    for old, new in zip(before, after, strict=True):
        if old != new:
            _check_one(old, new)


def check_removed_resources(old: bytes, new: bytes) -> None:
    """The same of Photoshop's resources, whatever they stand in; none left is as good as empty ones."""
    if not new.strip(b"\0"):
        values = [value for (number, _), value in _resources(old) if number == _IIM]
        require(len(values) == 1 == len(_resources(old)), "a resource of Photoshop's is gone")
        check_removed_datasets(values[0], b"")
    elif old != new:
        _check_one(old, new)


def check_removed_datasets(old: bytes, new: bytes) -> None:
    """The same of IPTC-IIM by itself, whichever way each four bytes are turned, and whatever zeros stand behind it."""
    was, now = (_fix_byte_order(side).rstrip(b"\0") for side in (old, new))
    _check_datasets(was, now)


def _fix_byte_order(iim: bytes) -> bytes:
    if iim[3:4] != b"\x1c" or iim[:1] == b"\x1c":
        return iim
    return struct.pack(f">{len(iim) // 4}L", *struct.unpack(f"<{len(iim) // 4}L", iim[: len(iim) // 4 * 4]))


def _check_one(old: bytes, new: bytes) -> None:
    was, now = _resources(old), _resources(new)
    require([key for key, _ in was] == [key for key, _ in now], "a resource of Photoshop's is gone, or new")
    datasets = [value for (number, _), value in now if number == _IIM]
    for ((number, _), value), (_, changed) in zip(was, now, strict=True):
        if number == _IIM:
            _check_datasets(value, changed)
        elif number == _MD5 and value != changed:
            right = [hashlib.md5(iim, usedforsecurity=False).digest() for iim in datasets]
            require(right == [changed], "the checksum of IPTC is wrong")
        else:
            require(value == changed, "a resource of Photoshop's has changed")


def _check_datasets(old: bytes, new: bytes) -> None:
    was, now = _datasets(old), _datasets(new)
    require(
        [one for one in was if one[:3] != _CAPTION] == [one for one in now if one[:3] != _CAPTION], "IPTC lost more"
    )
    require(all(one in was for one in now), "IPTC has something new")


def _resources(payload: bytes) -> list[tuple[tuple[int, bytes], bytes]]:
    """Each resource's number and name, and its data."""
    found, rest = [], payload.removeprefix(PHOTOSHOP_HEADER)
    try:
        while rest:
            require(rest[:4] == b"8BIM", "a resource of Photoshop's is damaged")
            number, length = struct.unpack_from(">HB", rest, 4)
            start = 6 + ((1 + length + 1) & ~1)
            (size,) = struct.unpack_from(">L", rest, start)
            found.append(((number, rest[6:start]), rest[start + 4 : start + 4 + size]))
            rest = rest[start + 4 + ((size + 1) & ~1) :]
    except struct.error as error:
        raise VerifyError("verification: a resource of Photoshop's is cut off") from error
    return found


def _datasets(iim: bytes) -> list[bytes]:
    found, rest = [], iim
    while rest[:1] == b"\x1c" and len(rest) >= 5:
        size = 5 + struct.unpack_from(">H", rest, 3)[0]
        found.append(rest[:size])
        rest = rest[size:]
    return [*found, rest]
