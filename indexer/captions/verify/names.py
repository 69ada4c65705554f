"""Independent proof that a file with names of faces is the old one and those names. See `indexer.captions.verify`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from indexer.captions.verify import Undo, VerifyError, check_opens_alike, check_undo, require
from indexer.captions.verify.containers import compare_jpegs, compare_pngs, compare_webps
from indexer.captions.verify.metadata import check_lost_properties, parse_packet, strip_padding

#: A name, and left, top, width and height in fractions of the picture as it is stored.
Named = tuple[str, float, float, float, float]

_OWN_BLOCK = re.compile(
    rb'<rdf:Description rdf:about=("[^"]*"|\'[^\']*\') '
    rb'xmlns:recollectNames="urn:uuid:5d0f3a52-9b1c-4d0e-8f57-2c6a7e9b1d43#"[^<>]*>'
    rb"<mwg-rs:Regions [^<>]*>.*?</mwg-rs:Regions><Iptc4xmpExt:PersonInImage [^<>]*>.*?</Iptc4xmpExt:PersonInImage>"
    rb"</rdf:Description>\n",
    re.DOTALL,
)
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_MWG = "{http://www.metadataworkinggroup.com/schemas/regions/}"
_OWN = "{urn:uuid:5d0f3a52-9b1c-4d0e-8f57-2c6a7e9b1d43#}"
_AREA = "{http://ns.adobe.com/xmp/sType/Area#}"
_PERSONS = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}PersonInImage"
_TOLERANCE = 2e-6

#: By the first bytes of a file: what proves that two differ in XMP alone, and gives the packets of both.
_COMPARE = ((b"\xff\xd8", compare_jpegs), (b"\x89PNG", compare_pngs), (b"RIFF", compare_webps))


def check_names_edit(old: bytes, new: bytes, named: Sequence[Named], *, undo: Undo) -> None:
    """Raises `VerifyError` unless `new` is `old` with these names in its XMP and nothing else is different. `undo`
    takes them out of a file."""
    check_names_packet(*_packets(old, new), named)
    check_undo(old, new, undo)
    check_opens_alike(old, new)


def check_names_removal(old: bytes, new: bytes) -> None:
    """Raises `VerifyError` unless `new` is `old` without our names in its XMP and nothing else is different."""
    without, packet = _packets(new, old)
    check_removed_names(packet, without)
    check_opens_alike(old, new)


def _packets(old: bytes, new: bytes) -> tuple[bytes | None, bytes | None]:
    compare = next((compare for magic, compare in _COMPARE if old.startswith(magic)), None)
    if compare is None:
        raise VerifyError("verification: names are not written into files of this format")
    return compare(old, new)


def check_removed_names(old: bytes | None, new: bytes | None) -> None:
    """The same of XMP packets, and of sidecars. `new` is None where nothing is left."""
    packet = old or b""
    blocks = _OWN_BLOCK.findall(packet)
    if not blocks:  # another program has written our properties down in another way
        check_lost_properties(packet, new or b"", _is_ours)
        return
    require(len(blocks) == 1, "the names in the XMP packet are not there once")
    remaining = _OWN_BLOCK.sub(b"", packet)
    if new is None:
        root = parse_packet(remaining)
        lost = [node for rdf in root.iter(f"{_RDF}RDF") for node in rdf]
        require(not lost, "the XMP packet would lose more than the names")
    else:
        require(strip_padding(remaining) == strip_padding(new), "the XMP packet differs in more than the names")


def _is_ours(name: str) -> bool:
    return name.startswith(_OWN) or name in {f"{_MWG}Regions", _PERSONS}


def check_names_packet(old: bytes | None, new: bytes | None, named: Sequence[Named]) -> None:
    """Raises `VerifyError` unless the XMP packet (or sidecar) `new` is `old` with these names and nothing else is
    different. `old` is None where there was none."""
    require(len(_OWN_BLOCK.findall(new or b"")) == 1, "the names in the XMP packet are not there once")
    check_removed_names(new, old)
    root = parse_packet(new or b"")
    _check_regions(root, named)
    persons = [[item.text for item in bag.iter(f"{_RDF}li")] for bag in root.iter(_PERSONS)]
    wanted = list(dict.fromkeys(one[0] for one in named))
    require(persons == [wanted], "the persons in XMP read differently from what was meant")


def _check_regions(root: Element, named: Sequence[Named]) -> None:
    require(len(list(root.iter(f"{_MWG}Regions"))) == 1, "the regions in XMP are not there once")
    found = [item for regions in root.iter(f"{_MWG}Regions") for item in regions.iter(f"{_RDF}li")]
    require(len(found) == len(named), "the number of regions in XMP is wrong")
    for item, (name, left, top, width, height) in zip(found, named, strict=True):
        numbers = _numbers(item.find(f"{_MWG}Area"))
        wanted = [left + width / 2, top + height / 2, width, height]
        near = len(numbers) == 4 and all(abs(one - two) <= _TOLERANCE for one, two in zip(numbers, wanted, strict=True))
        require(item.findtext(f"{_MWG}Name") == name and near, "a region in XMP reads differently from what was meant")


def _numbers(area: Element | None) -> list[float]:
    try:
        return [float(area.get(_AREA + part, "")) for part in "xywh"] if area is not None else []
    except ValueError as error:
        raise VerifyError("verification: a region in XMP has no numbers") from error
