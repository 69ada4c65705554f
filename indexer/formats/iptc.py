"""The captions in IPTC-IIM (4.2, dataset 2:120): in image resource 0x0404 of Photoshop's, which JPEGs keep in APP13
segments and TIFFs in tag 34377, or bare, in tag 33723 of TIFFs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from itertools import islice

from indexer.formats.charsets import decode_iptc, iptc_charset
from indexer.ownership.mark import digest

#: How an APP13 segment of Photoshop's begins.
HEADER = b"Photoshop 3.0\0"
_IPTC_RESOURCE, _DIGEST_RESOURCE = 0x0404, 0x0425
_MAX_DATASET_BYTES = 0x7FFF  # longer ones have a length of another form (IIM 4.2, 1.6)
_TAG_MARKER = b"\x1c"
_MAX_CAPTIONS = 256
# Tag marker, record 2, dataset 120, then a standard length (IIM 4.2, 1.5): captions are at most 2,000 bytes.
_CAPTION = re.compile(rb"\x1c\x02\x78([\x00-\x7f][\x00-\xff])", re.DOTALL)
_CHARSET = re.compile(rb"\x1c\x01\x5a(\x00[\x00-\x20])", re.DOTALL)  # 1:90, Coded Character Set


def captions(payloads: list[bytes]) -> list[str]:
    """The texts of every 2:120 in the APP13 payloads of one file. Where the resources are damaged, whatever looks
    like one is taken for one: a caption overlooked would be a person's."""
    joined = b"".join(body.removeprefix(HEADER) for body in payloads if body.startswith(HEADER))
    return captions_of_resources(joined)


def captions_of_resources(resources: bytes) -> list[str]:
    """The texts of every 2:120 in Photoshop's image resources, with the same caution."""
    return [text for block in _iptc_blocks(resources) for text in _texts(block)]


def captions_of_iim(block: bytes) -> list[str]:
    """The texts of every 2:120 in IPTC-IIM without anything around it, whichever way its bytes are turned."""
    return _texts(fix_byte_order(block))


def fix_byte_order(block: bytes) -> bytes:
    """IPTC-IIM from TIFF's tag 33723, which is often of type LONG: some programs then turn round each four bytes."""
    if block[:1] != _TAG_MARKER and block[3:4] == _TAG_MARKER:
        return swap_bytes(block)
    return block


def swap_bytes(block: bytes) -> bytes:
    """Each four bytes the other way round."""
    return b"".join(block[at : at + 4][::-1] for at in range(0, len(block), 4))


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
    charset = _charset(block)
    return [decode_iptc(_value(block, match), charset) for match in islice(_CAPTION.finditer(block), _MAX_CAPTIONS)]


def _charset(block: bytes) -> str | None:
    declared = _CHARSET.search(block)
    return iptc_charset(_value(block, declared)) if declared else None


def _value(block: bytes, match: re.Match[bytes]) -> bytes:
    return block[match.end() : match.end() + int.from_bytes(match[1], "big")]


def remove_from_app13(payload: bytes, digests: Collection[str]) -> bytes | None:
    """An APP13 payload without every 2:120 whose text has one of these digests; None where it has none, or is not
    understood to the last byte."""
    remaining = remove_from_resources(payload[len(HEADER) :], digests) if payload.startswith(HEADER) else None
    return None if remaining is None else HEADER + remaining


def remove_from_iim(block: bytes, digests: Collection[str]) -> bytes | None:
    """The same of IPTC-IIM without anything around it. Where each four bytes are turned round, they are so then."""
    fixed = fix_byte_order(block)
    kept = _remove_datasets(fixed, digests)
    if kept is None or kept == fixed:
        return None
    return kept if fixed == block else swap_bytes(kept + b"\0" * (-len(kept) % 4))


def remove_from_resources(data: bytes, digests: Collection[str]) -> bytes | None:
    """The same of Photoshop's image resources. Their note of the block's MD5 (resource 0x0425) goes on saying what is
    so."""
    resources = _resources(data)
    found = [body for number, _, body in resources if number == _IPTC_RESOURCE]
    if len(found) != 1:
        return None
    kept = _remove_datasets(found[0], digests)
    if kept is None or kept == found[0]:
        return None
    old, new = hashlib.md5(found[0], usedforsecurity=False), hashlib.md5(kept, usedforsecurity=False)
    pieces = list[bytes]()
    for number, head, body in resources:
        if number == _IPTC_RESOURCE:
            body = kept
        elif number == _DIGEST_RESOURCE and body == old.digest():
            body = new.digest()
        pieces += [head, len(body).to_bytes(4, "big"), body, b"\0" * (len(body) % 2)]
    return b"".join(pieces)


def _resources(payload: bytes) -> list[tuple[int, bytes, bytes]]:
    """Number, what stands before the length, and data of each resource; none where any is damaged."""
    found, at = list[tuple[int, bytes, bytes]](), 0
    while at < len(payload):
        name_end = at + 7 + payload[at + 6] if at + 7 <= len(payload) else len(payload)
        start = name_end + (name_end - at) % 2 + 4
        size = int.from_bytes(payload[start - 4 : start], "big")
        end = start + size + size % 2
        if payload[at : at + 4] != b"8BIM" or end > len(payload) or (size % 2 and payload[end - 1] != 0):
            return []
        number = int.from_bytes(payload[at + 4 : at + 6], "big")
        found.append((number, payload[at : start - 4], payload[start : start + size]))
        at = end
    return found


def _remove_datasets(block: bytes, digests: Collection[str]) -> bytes | None:
    """IPTC-IIM without these captions; None where its datasets don't follow each other without gaps."""
    kept, at, charset = list[bytes](), 0, _charset(block)
    while at < len(block):
        size = int.from_bytes(block[at + 3 : at + 5], "big")
        end = at + 5 + size
        if block[at : at + 1] != _TAG_MARKER or size > _MAX_DATASET_BYTES or end > len(block):
            return None if block[at:].strip(b"\0") else b"".join([*kept, block[at:]])
        is_caption = block[at + 1 : at + 3] == b"\x02\x78"
        if not is_caption or digest(decode_iptc(block[at + 5 : end], charset)) not in digests:
            kept.append(block[at:end])
        at = end
    return b"".join(kept)
