"""What IPTC-IIM (4.2) says of a photo: the datasets in Photoshop's image resource 0x0404, of JPEG and TIFF.

For showing; `captions.iptc` asks the narrower question that writing needs, whether a person's caption stands there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from indexer.formats.charsets import decode_iptc, iptc_charset

TITLE, KEYWORD, DATE, TIME, DIGITISED_DATE, DIGITISED_TIME, CAPTION = 5, 25, 55, 60, 62, 63, 120
SUBJECT_REFERENCE, CATEGORY, SUPPLEMENTAL_CATEGORY, BY_LINE, HEADLINE, COPYRIGHT_NOTICE = 12, 15, 20, 80, 105, 116
#: Sub-location, city, state, country: from the most to the least exact.
LOCATION = (92, 90, 95, 101)
_CODED_CHARACTER_SET = (1, 90)

#: Texts of record 2 by dataset number.
IptcTexts = Mapping[int, tuple[str, ...]]

PHOTOSHOP_HEADER = b"Photoshop 3.0\0"
_SIGNATURES = (b"8BIM", b"PHUT", b"AgHg", b"DCSR", b"MeSa")
_MOST_DATASETS = 2000


def photoshop_iptc(resources: bytes) -> bytes | None:
    """The IPTC block among Photoshop image resources, or None."""
    at = 0
    while at + 12 <= len(resources) and resources[at : at + 4] in _SIGNATURES:
        name_end = at + 6 + (resources[at + 6] + 2) // 2 * 2  # a Pascal string, padded to even
        size = int.from_bytes(resources[name_end : name_end + 4], "big")
        if resources[at + 4 : at + 6] == b"\x04\x04":
            return resources[name_end + 4 : name_end + 4 + size]
        at = name_end + 4 + size + (size & 1)
    return None


def read_iptc(block: bytes) -> IptcTexts:
    """The texts of record 2; what makes no sense ends the reading without an error."""
    found: dict[int, list[str]] = {}
    charset: str | None = None
    at = 0
    for _ in range(_MOST_DATASETS):
        if at + 5 > len(block) or block[at] != 0x1C:
            break
        record, dataset, size = block[at + 1], block[at + 2], int.from_bytes(block[at + 3 : at + 5], "big")
        end = at + 5 + size
        if size & 0x8000 or end > len(block):  # extended datasets hold pictures, not words
            break
        if (record, dataset) == _CODED_CHARACTER_SET:
            charset = iptc_charset(block[at + 5 : end])
        if record == 2:
            found.setdefault(dataset, []).append(decode_iptc(block[at + 5 : end], charset))
        at = end
    return MappingProxyType({dataset: tuple(texts) for dataset, texts in found.items()})
