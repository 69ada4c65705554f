"""IPTC-IIM (4.2): its texts for showing, and its captions (dataset 2:120) for writing, which asks more cautiously.

It stands in image resource 0x0404 of Photoshop's, which JPEGs keep in APP13 segments and TIFFs in tag 34377, or by
itself, in tag 33723 of TIFFs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType

from indexer.formats.charsets import decode_iptc, iptc_charset
from indexer.ownership.mark import digest

TITLE, KEYWORD, DATE, TIME, DIGITISED_DATE, DIGITISED_TIME, CAPTION = 5, 25, 55, 60, 62, 63, 120
SUBJECT_REFERENCE, CATEGORY, SUPPLEMENTAL_CATEGORY, BY_LINE, HEADLINE, COPYRIGHT_NOTICE = 12, 15, 20, 80, 105, 116
#: Sub-location, city, state, country: from the most to the least exact.
LOCATION = (92, 90, 95, 101)
_CODED_CHARACTER_SET = (1, 90)

#: Texts of record 2 by dataset number.
IptcTexts = Mapping[int, tuple[str, ...]]

#: How an APP13 segment of Photoshop's begins.
PHOTOSHOP_HEADER = b"Photoshop 3.0\0"
_SIGNATURES = (b"8BIM", b"PHUT", b"AgHg", b"DCSR", b"MeSa")
_IPTC_RESOURCE, _DIGEST_RESOURCE = 0x0404, 0x0425
_MAX_DATASET_BYTES = 0x7FFF  # longer ones have a length of another form (IIM 4.2, 1.6), and hold pictures, not words
_MAX_DATASETS = 2000
_TAG_MARKER = b"\x1c"
_MAX_CAPTIONS = 256
# Tag marker, record 2, dataset 120, then a standard length (IIM 4.2, 1.5): captions are at most 2,000 bytes.
_CAPTION = re.compile(rb"\x1c\x02\x78([\x00-\x7f][\x00-\xff])", re.DOTALL)
_CHARSET = re.compile(rb"\x1c\x01\x5a(\x00[\x00-\x20])", re.DOTALL)  # 1:90, Coded Character Set


def captions(payloads: list[bytes]) -> list[str]:
    """The texts of every 2:120 in the APP13 payloads of one file. Where the resources are damaged, whatever looks
    like one is taken for one: a caption overlooked would be a person's."""
    joined = b"".join(body.removeprefix(PHOTOSHOP_HEADER) for body in payloads if body.startswith(PHOTOSHOP_HEADER))
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


@dataclass(frozen=True, slots=True)
class _Resource:
    """An image resource: "8BIM", id, Pascal name padded to even, length, data padded to even (Photoshop file format).
    `start`..`end` is the data, which may be cut off."""

    at: int
    number: int
    start: int
    end: int

    @property
    def next(self) -> int:
        """Where the next one begins."""
        return self.end + (self.end - self.start) % 2


def _resources(data: bytes) -> Iterator[_Resource]:
    """Up to the first thing that is none."""
    at = 0
    while at + 12 <= len(data) and data[at : at + 4] in _SIGNATURES:
        start = at + 6 + (data[at + 6] + 2) // 2 * 2 + 4
        end = start + int.from_bytes(data[start - 4 : start], "big")
        found = _Resource(at, int.from_bytes(data[at + 4 : at + 6], "big"), start, end)
        yield found
        at = found.next


def _iptc_blocks(resources: bytes) -> list[bytes]:
    """All of it where a resource is damaged."""
    found = list(_resources(resources))
    if (found[-1].next if found else 0) < len(resources) - 1 or any(one.end > len(resources) for one in found):
        return [resources]
    return [resources[one.start : one.end] for one in found if one.number == _IPTC_RESOURCE]


def photoshop_iptc(resources: bytes) -> bytes | None:
    """The IPTC block among Photoshop's image resources, or None."""
    found = (resources[one.start : one.end] for one in _resources(resources) if one.number == _IPTC_RESOURCE)
    return next(found, None)


def _datasets(block: bytes) -> Iterator[tuple[int, int]]:
    """Where each dataset begins and ends, up to the first thing that is none: tag marker, record, number, length."""
    at = 0
    while at + 5 <= len(block) and block[at : at + 1] == _TAG_MARKER:
        size = int.from_bytes(block[at + 3 : at + 5], "big")
        end = at + 5 + size
        if size > _MAX_DATASET_BYTES or end > len(block):
            return
        yield at, end
        at = end


def read_iptc(block: bytes) -> IptcTexts:
    """The texts of record 2; what makes no sense ends the reading without an error."""
    found: dict[int, list[str]] = {}
    charset: str | None = None
    for at, end in islice(_datasets(block), _MAX_DATASETS):
        record, dataset, value = block[at + 1], block[at + 2], block[at + 5 : end]
        if (record, dataset) == _CODED_CHARACTER_SET:
            charset = iptc_charset(value)
        if record == 2:
            found.setdefault(dataset, []).append(decode_iptc(value, charset))
    return MappingProxyType({dataset: tuple(texts) for dataset, texts in found.items()})


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
    remaining = (
        remove_from_resources(payload[len(PHOTOSHOP_HEADER) :], digests)
        if payload.startswith(PHOTOSHOP_HEADER)
        else None
    )
    return None if remaining is None else PHOTOSHOP_HEADER + remaining


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
    resources = list(_resources(data))
    blocks = [data[one.start : one.end] for one in resources if one.number == _IPTC_RESOURCE]
    if len(blocks) != 1 or not _are_sound(resources, data):
        return None
    kept = _remove_datasets(blocks[0], digests)
    if kept is None or kept == blocks[0]:
        return None
    old, new = (hashlib.md5(block, usedforsecurity=False).digest() for block in (blocks[0], kept))
    pieces = list[bytes]()
    for one in resources:
        body = kept if one.number == _IPTC_RESOURCE else data[one.start : one.end]
        if one.number == _DIGEST_RESOURCE and body == old:
            body = new
        pieces += [data[one.at : one.start - 4], len(body).to_bytes(4, "big"), body, b"\0" * (len(body) % 2)]
    return b"".join(pieces)


def _are_sound(resources: list[_Resource], data: bytes) -> bool:
    """Whether they are all of the data, to the last byte, and of the usual kind."""
    return resources[-1].next == len(data) and all(
        data.startswith(b"8BIM", one.at) and not data[one.end : one.next].strip(b"\0") for one in resources
    )


def _remove_datasets(block: bytes, digests: Collection[str]) -> bytes | None:
    """IPTC-IIM without these captions; None where its datasets don't follow each other without gaps."""
    kept, rest, charset = list[bytes](), 0, _charset(block)
    for at, end in _datasets(block):
        is_caption = block[at + 1 : at + 3] == b"\x02\x78"
        if not is_caption or digest(decode_iptc(block[at + 5 : end], charset)) not in digests:
            kept.append(block[at:end])
        rest = end
    return None if block[rest:].strip(b"\0") else b"".join([*kept, block[rest:]])
