"""The captions in IPTC-IIM (4.2, dataset 2:120): in image resource 0x0404 of Photoshop's, which JPEGs keep in APP13
segments and TIFFs in tag 34377, or bare, in tag 33723 of TIFFs."""

from __future__ import annotations

import re
from itertools import islice

from indexer.captions.blocks.charsets import decode_iptc, iptc_charset

_HEADER = b"Photoshop 3.0\0"
_IPTC_RESOURCE = 0x0404
_TAG_MARKER = b"\x1c"
_MAX_CAPTIONS = 256
# Tag marker, record 2, dataset 120, then a standard length (IIM 4.2, 1.5): captions are at most 2,000 bytes.
_CAPTION = re.compile(rb"\x1c\x02\x78([\x00-\x7f][\x00-\xff])", re.DOTALL)
_CHARSET = re.compile(rb"\x1c\x01\x5a(\x00[\x00-\x20])", re.DOTALL)  # 1:90, Coded Character Set


def captions(payloads: list[bytes]) -> list[str]:
    """The texts of every 2:120 in the APP13 payloads of one file. Where the resources are damaged, whatever looks
    like one is taken for one: a caption overlooked would be a person's."""
    joined = b"".join(body.removeprefix(_HEADER) for body in payloads if body.startswith(_HEADER))
    return captions_of_resources(joined)


def captions_of_resources(resources: bytes) -> list[str]:
    """The texts of every 2:120 in Photoshop's image resources, with the same caution."""
    return [text for block in _iptc_blocks(resources) for text in _texts(block)]


def captions_of_iim(block: bytes) -> list[str]:
    """The texts of every 2:120 in IPTC-IIM without anything around it, whichever way its bytes are turned."""
    return _texts(turned_right(block))


def turned_right(block: bytes) -> bytes:
    """IPTC-IIM from TIFF's tag 33723, which is often of type LONG: some programs then turn round each four bytes."""
    if block[:1] != _TAG_MARKER and block[3:4] == _TAG_MARKER:
        return b"".join(block[at : at + 4][::-1] for at in range(0, len(block), 4))
    return block


def _iptc_blocks(resources: bytes) -> list[bytes]:
    """Image resources: "8BIM", id, Pascal name padded to even, length, data padded to even (Photoshop file format)."""
    blocks, at = [], 0
    while at < len(resources) - 1:
        name_end = at + 7 + (resources[at + 6] if at + 6 < len(resources) else 0)
        data = name_end + (name_end - at) % 2 + 4
        size = int.from_bytes(resources[data - 4 : data], "big")
        if resources[at : at + 4] not in (b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR") or data + size > len(resources):
            return [resources]
        if int.from_bytes(resources[at + 4 : at + 6], "big") == _IPTC_RESOURCE:
            blocks.append(resources[data : data + size])
        at = data + size + size % 2
    return blocks


def _texts(block: bytes) -> list[str]:
    declared = _CHARSET.search(block)
    charset = iptc_charset(_value(block, declared)) if declared else None
    return [decode_iptc(_value(block, match), charset) for match in islice(_CAPTION.finditer(block), _MAX_CAPTIONS)]


def _value(block: bytes, match: re.Match[bytes]) -> bytes:
    return block[match.end() : match.end() + int.from_bytes(match[1], "big")]
