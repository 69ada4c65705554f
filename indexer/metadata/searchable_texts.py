"""What a file says of itself beside caption, title, keywords and people: headline, places, authors, other words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Self

from indexer.formats.charsets import CAPTION_CHARACTERS, clean_list, clean_text
from indexer.formats.exif import ExifValues, ImageIFD, text, texts, xp_text
from indexer.formats.iptc import (
    BY_LINE,
    CATEGORY,
    COPYRIGHT_NOTICE,
    HEADLINE,
    LOCATION,
    SUBJECT_REFERENCE,
    SUPPLEMENTAL_CATEGORY,
    IptcTexts,
)
from indexer.formats.xmp import Xmp
from indexer.ownership.mark import FieldText

_MOST_TEXTS = 16
_CAMERA_OWNER_NAME = 0xA430  # EXIF 2.32, 4.6.5


@dataclass(frozen=True, slots=True)
class SearchableTexts:
    """Cleaned, from the sidecars first, then XMP, IPTC and EXIF."""

    pets: tuple[str, ...]
    headline: str | None
    subjects: tuple[str, ...]
    locations: tuple[str, ...]
    creators: tuple[str, ...]

    @classmethod
    def of(cls, exif: ExifValues, iptc: IptcTexts, packets: Sequence[Xmp], creators: Sequence[str] = ()) -> Self:
        """Everything that the blocks of one photo and its sidecars say; `creators` are those of the container's own
        texts."""
        headlines = [*(text for xmp in packets for text in xmp.headlines), *iptc.get(HEADLINE, ())]
        return cls(
            pets=clean_list(name for xmp in packets for name in xmp.pets),
            headline=next((cleaned for words in headlines if (cleaned := clean_text(words))), None),
            subjects=clean_list(_subjects(exif, iptc, packets)),
            locations=clean_list(_locations(iptc, packets)),
            creators=clean_list(chain(_creators(exif, iptc, packets), creators)),
        )


def _subjects(exif: ExifValues, iptc: IptcTexts, packets: Sequence[Xmp]) -> Iterator[str]:
    yield from (text for xmp in packets for text in xmp.subjects if not text.strip().isdigit())
    for number in (CATEGORY, SUPPLEMENTAL_CATEGORY):
        yield from iptc.get(number, ())
    for reference in iptc.get(SUBJECT_REFERENCE, ()):  # "IPTC:15054000:SPO:Soccer:": the code, then names (IIM 2:12)
        yield from (part for part in reference.split(":")[2:] if part)
    yield xp_text(exif.image.get(ImageIFD.XPSubject)) or ""


def _locations(iptc: IptcTexts, packets: Sequence[Xmp]) -> Iterator[str]:
    yield from (text for xmp in packets for text in xmp.locations)
    for number in LOCATION:
        yield from iptc.get(number, ())


def _creators(exif: ExifValues, iptc: IptcTexts, packets: Sequence[Xmp]) -> Iterator[str]:
    yield from (text for xmp in packets for text in xmp.creators)
    for number in (BY_LINE, COPYRIGHT_NOTICE):
        yield from iptc.get(number, ())
    yield text(exif.image.get(ImageIFD.Artist)) or ""
    yield xp_text(exif.image.get(ImageIFD.XPAuthor)) or ""
    yield from texts(exif.image.get(ImageIFD.Copyright))  # the photographer's, then the editor's (EXIF 2.32, 4.6.4)
    yield text(exif.exif.get(_CAMERA_OWNER_NAME)) or ""


def other_words(
    persons: Iterable[FieldText], captions: Collection[str | None]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of a person's texts those that say something else than the captions: alternative texts, and all others."""
    seen = set(captions)
    alternative: list[str] = []
    others: list[str] = []
    for words in persons:
        cleaned = clean_text(words.text, CAPTION_CHARACTERS)
        if cleaned is None or cleaned in seen or len(seen) > _MOST_TEXTS:
            continue
        seen.add(cleaned)
        (alternative if words.field.endswith("Accessibility") else others).append(cleaned)
    return tuple(alternative), tuple(others)
