"""What a photo says of itself: EXIF, XMP, IPTC and sidecars as one `PhotoMetadata`.

Where several say something, the sidecar's word comes first (it is what a person edited last), then XMP, EXIF, IPTC;
`taken_at` has the order of dates. Of Google Photos' `.json` place, stars and people count where the rest says nothing,
and its description after a sidecar's and before the file's. Keywords and people are gathered from all of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from indexer.formats.charsets import CAPTION_CHARACTERS, LINE_CHARACTERS, clean_list, clean_text
from indexer.formats.exif import GPSIFD, ExifIFD, ExifValues, ImageIFD, degrees, integer, number, text, texts, xp_text
from indexer.formats.iptc import (
    BY_LINE,
    CAPTION,
    CATEGORY,
    COPYRIGHT_NOTICE,
    HEADLINE,
    KEYWORD,
    LOCATION,
    SUBJECT_REFERENCE,
    SUPPLEMENTAL_CATEGORY,
    TITLE,
    IptcTexts,
)
from indexer.formats.maker_lens import spec
from indexer.formats.xmp import Xmp, read_xmp
from indexer.images.decode import OpenedImage, open_image
from indexer.metadata.blocks import Blocks, find_blocks
from indexer.metadata.face_regions import upright_regions
from indexer.metadata.sidecar_files import Takeout
from indexer.metadata.taken_at import taken_at
from indexer.model import CaptionBy, DatePrecision, FileCaption, PhotoMetadata, Position
from indexer.ownership.mark import FieldText, Mark, digest, find_own

_MOST_TEXTS = 16
_CAMERA_OWNER_NAME = 0xA430  # EXIF 2.32, 4.6.5
# Words of a maker's name that say nothing: "NIKON CORPORATION" is Nikon, "OLYMPUS IMAGING CORP." is Olympus.
_COMPANY_WORDS = frozenset(
    {"corporation", "corp", "company", "co", "ltd", "inc", "gmbh", "ag", "kk", "imaging", "optical", "electric"}
    | {"electronics", "computer", "technologies", "technology", "mobile", "communications", "digital", "camera"}
)


def read_metadata(
    data: bytes,
    path: Path,
    sidecars: Sequence[bytes] = (),
    *,
    takeout: Takeout | None = None,
    opened: OpenedImage | None = None,
    max_pixels_mp: float = math.inf,
) -> PhotoMetadata:
    """Everything the file, its sidecars (XMP, the most telling first) and Google Photos say. `opened` is the opened
    file, where the caller has it.

    Raises `UnreadablePhoto` where the file is no photo that can be opened; bad metadata in a good photo is no error,
    it is left out.
    """
    opened = opened or open_image(data, suffix=path.suffix, max_pixels_mp=max_pixels_mp)
    blocks = find_blocks(data, opened)
    beside = [found for raw in sidecars if (found := read_xmp(raw))]
    return combine(opened, blocks, read_xmp(blocks.xmp), beside, takeout=takeout, name=path.name)


def text_digests(data: bytes, path: Path, sidecars: Sequence[bytes]) -> frozenset[str]:
    """The digests of every text that a person or program wrote into a file and its sidecars: a correction's mark keeps
    them as those older than it (`Mark.overrules`). Raises `UnreadablePhoto`."""
    blocks = find_blocks(data, open_image(data, suffix=path.suffix, max_pixels_mp=math.inf))
    packets = [found for raw in (blocks.xmp, *sidecars) if (found := read_xmp(raw))]
    return _digests(text for text in _CaptionTexts.of(blocks, packets).texts if not text.is_boilerplate)


def _digests(texts: Iterable[FieldText]) -> frozenset[str]:
    cleaned = (clean_text(text.text, CAPTION_CHARACTERS) for text in texts)
    return frozenset(digest(text) for text in cleaned if text is not None)


def combine(
    opened: OpenedImage,
    blocks: Blocks,
    embedded: Xmp | None,
    beside: Sequence[Xmp],
    *,
    takeout: Takeout | None = None,
    name: str = "",
) -> PhotoMetadata:
    """The metadata of a picture from its blocks, its XMP and that of its sidecars, whose word comes first; `takeout` is
    what Google Photos says, `name` the file's."""
    exif, iptc, google = blocks.values, blocks.iptc, takeout or Takeout()
    taken = taken_at(exif, iptc, embedded, beside, container=blocks.dates, takeout=google.taken_at, name=name)
    width_px, height_px = opened.size(exif.orientation)
    inside = [embedded] if embedded is not None else []
    packets = [*beside, *inside]
    words = _CaptionTexts.of(blocks, inside, beside)
    sidecars = [_CaptionTexts.of(Blocks(), (), [xmp]) for xmp in beside]
    google_caption = _CaptionTexts((FieldText("Google Photos", google.description),), ())
    captions = (one.person_caption(words.marks) for one in (*sidecars, google_caption, words))
    others = next(filter(None, captions), None)
    correction = _correction(_CaptionTexts.of(blocks, inside), sidecars, words)
    person_caption = correction.text if correction else others or words.typed_caption
    alt_texts, comments = _other_texts(words.person_texts(words.marks), {person_caption, others})
    return PhotoMetadata(
        mime_type=opened.mime_type,
        width_px=width_px,
        height_px=height_px,
        taken_at=taken.at if taken else None,
        taken_precision=taken.precision if taken else DatePrecision.TIME,
        dated_by_name=taken is not None and taken.by_name,
        camera=_camera(exif, [*inside, *beside]),
        lens=_lens(exif, packets, blocks.maker_lens),
        exposure_s=_in_range(number(exif.exif.get(ExifIFD.ExposureTime)), 1e-9, 1e6),
        f_number=_in_range(number(exif.exif.get(ExifIFD.FNumber)), 0.1, 1e4),
        iso=_iso(exif),
        focal_length_mm=_in_range(number(exif.exif.get(ExifIFD.FocalLength)), 0.1, 1e5),
        focal_length_35mm=_in_range(number(exif.exif.get(ExifIFD.FocalLengthIn35mmFilm)), 1, 1e5),
        orientation=exif.orientation,
        position=_position(exif, inside, beside) or google.position,
        rating=_rating(exif, packets, google.rating),
        title=_first_clean(chain(_titles(exif, iptc, packets), [blocks.title])),
        keywords=clean_list(_keywords(exif, iptc, packets)),
        people=clean_list(chain((name for xmp in packets for name in xmp.people), google.people)),
        regions=upright_regions(
            (region for xmp in packets for region in xmp.regions),
            orientation=exif.orientation,
            size=(width_px, height_px),
            stored_upright=opened.mime_type == "image/heic",
        ),
        pets=clean_list(name for xmp in packets for name in xmp.pets),
        headline=_first_clean(chain((text for xmp in packets for text in xmp.headlines), iptc.get(HEADLINE, ()))),
        subjects=clean_list(_subjects(exif, iptc, packets)),
        locations=clean_list(chain((text for xmp in packets for text in xmp.locations), _iptc_texts(iptc, *LOCATION))),
        creators=clean_list(chain(_creators(exif, iptc, packets), blocks.creators)),
        alt_texts=alt_texts,
        comments=comments,
        person_caption=person_caption,
        machine_caption=_clean(words.find_own_caption(CaptionBy.MODEL)),
        correction=correction,
        overruled=others if correction else None,
        overtaken=correction is None and any(sidecar.typed_caption for sidecar in sidecars),
        marked=bool(words.marks),
        damage=opened.damage,
    )


@dataclass(frozen=True, slots=True)
class _CaptionTexts:
    """Every text that stands where captions stand, and the marks of ours beside them."""

    texts: tuple[FieldText, ...]
    marks: tuple[Mark, ...]

    @classmethod
    def of(cls, blocks: Blocks, inside: Sequence[Xmp], beside: Sequence[Xmp] = ()) -> _CaptionTexts:
        """Of a file and its sidecars, in the order in which they count."""
        descriptions = [text for xmp in inside for text in xmp.descriptions]
        iptc = [FieldText("Caption-Abstract", words) for words in blocks.iptc.get(CAPTION, ())]
        marks = [blocks.exif_mark, *(Mark.from_fields(xmp.own) for xmp in [*beside, *inside]), *blocks.other_marks]
        of_sidecars = [text for xmp in beside for text in sorted(xmp.descriptions, key=_field_rank)]
        of_file = sorted([*descriptions, *blocks.exif_captions, *iptc, *blocks.other_captions], key=_field_rank)
        return cls((*of_sidecars, *of_file), tuple(mark for mark in marks if mark is not None))

    def person_caption(self, marks: Sequence[Mark]) -> str | None:
        """The first text of a person's, which none of these marks names as ours."""
        return _first_clean((words.text for words in self.person_texts(marks)), CAPTION_CHARACTERS)

    def person_texts(self, marks: Sequence[Mark]) -> Iterator[FieldText]:
        """Every text of a person's: none of these marks names it as ours."""
        ours = {mark.digest for mark in marks}
        return (text for text in self.texts if not text.is_boilerplate and digest(text.text) not in ours)

    @property
    def typed_caption(self) -> str | None:
        """The text of a correction, typed on our page."""
        own = _clean(self.find_own_caption(CaptionBy.PERSON))
        return own.text if own is not None else None

    def find_own_caption(self, by: CaptionBy) -> FileCaption | None:
        """The text that a mark names as ours."""
        return find_own(self.texts, [mark for mark in self.marks if mark.by is by])


def _field_rank(text: FieldText) -> int:
    """0 for the fields that are for captions, 1 for comments, which programs fill too, 2 for descriptions that are
    meant for others than people who look for the photo."""
    if text.field.endswith("Comment") and text.field != "XPComment":
        return 1
    return 2 if text.field.endswith(("Accessibility", "acdsee:caption")) else 0


def _correction(photo: _CaptionTexts, sidecars: Sequence[_CaptionTexts], words: _CaptionTexts) -> FileCaption | None:
    """The correction that stands, the latest one typed where there are several; `words` are all of them together.

    Its mark remembers which of the other texts it was put above: any other came later. Older versions, whose marks do
    not, never wrote one where a sidecar held another program's words, nor beside them into the photo.
    """
    others = _digests(words.person_texts(words.marks))
    in_sidecars = any(sidecar.person_caption(words.marks) for sidecar in sidecars)
    in_photo = photo.person_caption(words.marks) is not None
    found: list[FileCaption | None] = []
    for place in (*sidecars, photo):
        for mark in place.marks:
            overtaken = in_sidecars or (in_photo and place is photo)
            if mark.by is CaptionBy.PERSON and not (overtaken if mark.overrules is None else others - mark.overrules):
                found.append(_clean(find_own(place.texts, [mark])))
    return max(filter(None, found), key=lambda one: one.at or datetime.min.replace(tzinfo=UTC), default=None)


def _clean(own: FileCaption | None) -> FileCaption | None:
    words = clean_text(own.text, CAPTION_CHARACTERS) if own else None
    return replace(own, text=words, model=clean_text(own.model)) if own is not None and words is not None else None


def _camera_name(make: str | None, model: str | None) -> str | None:
    """`Canon EOS 5D`, `NIKON Z 8`, `OLYMPUS STYLUS1`: the maker is named once, without its legal form."""
    make, model = clean_text(make) or "", clean_text(model) or ""
    words = re.split(r"[\s,.]+", make)
    named = [word for word in words if word and word.casefold() not in _COMPANY_WORDS]
    first_of_model = re.split(r"[\s_-]", model.casefold(), maxsplit=1)[0]
    if any(word.casefold() == first_of_model or model.casefold().startswith(make.casefold()) for word in named):
        return model or None
    return clean_text(" ".join([*(named or words), model]))


def _camera(exif: ExifValues, packets: Sequence[Xmp]) -> str | None:
    """By EXIF, where the camera wrote it; programs copy it into XMP."""
    of_exif = _camera_name(text(exif.image.get(ImageIFD.Make)), text(exif.image.get(ImageIFD.Model)))
    return of_exif or next(filter(None, (_camera_name(xmp.make, xmp.model) for xmp in packets)), None)


def _lens(exif: ExifValues, packets: Sequence[Xmp], by_maker: str | None) -> str | None:
    model = clean_text(text(exif.exif.get(ExifIFD.LensModel)))
    if model is None or set(model) <= set("-. ?0"):
        named = (by_maker, _lens_specification(exif))
        return _first_clean(chain((xmp.lens for xmp in packets), named))
    return _camera_name(text(exif.exif.get(ExifIFD.LensMake)), model)


def _lens_specification(exif: ExifValues) -> str | None:
    """Shortest and longest focal length, and the smallest f-number at each (EXIF 2.32, 4.6.5)."""
    values = exif.exif.get(ExifIFD.LensSpecification)
    if not isinstance(values, tuple) or len(values) != 4:
        return None
    shortest, longest, f_shortest, f_longest = (number(value) or 0.0 for value in values)
    return spec(shortest, longest, f_shortest, f_longest)


def _in_range(value: float | None, least: float, most: float) -> float | None:
    return value if value is not None and least <= value <= most else None


def _iso(exif: ExifValues) -> int | None:
    for tag in (ExifIFD.ISOSpeedRatings, ExifIFD.ISOSpeed, ExifIFD.RecommendedExposureIndex):
        value = integer(exif.exif.get(tag))
        # 65535 stands for "more than fits": the real value is then in the next tag (EXIF 2.32, 4.6.5).
        if value is not None and 0 < value < 10_000_000 and value != 65535:
            return value
    return None


def _position(exif: ExifValues, inside: Sequence[Xmp], beside: Sequence[Xmp]) -> Position | None:
    """A sidecar's place, else that of the file's EXIF, else that of its XMP."""
    of_exif = Position.checked(
        degrees(exif.gps.get(GPSIFD.GPSLatitude), exif.gps.get(GPSIFD.GPSLatitudeRef), "NS"),
        degrees(exif.gps.get(GPSIFD.GPSLongitude), exif.gps.get(GPSIFD.GPSLongitudeRef), "EW"),
        _altitude_m(exif),
    )
    of_sidecar, of_xmp = (next(filter(None, map(_xmp_position, packets)), None) for packets in (beside, inside))
    return of_sidecar or of_exif or of_xmp


def _xmp_position(xmp: Xmp) -> Position | None:
    return Position.checked(_xmp_degrees(xmp.latitude, "NS"), _xmp_degrees(xmp.longitude, "EW"), None)


def _altitude_m(exif: ExifValues) -> float | None:
    altitude = _in_range(number(exif.gps.get(GPSIFD.GPSAltitude)), -1e4, 1e5)
    reference = exif.gps.get(GPSIFD.GPSAltitudeRef)
    below = reference in (1, b"\x01", (1,))
    return -altitude if altitude is not None and below else altitude


def _xmp_degrees(written: str | None, directions: str) -> float | None:
    """`47,21.251041N` or `47,21,15N` (XMP specification part 2, GPSCoordinate)."""
    match = re.fullmatch(r"(\d{1,3})[,;](\d{1,2}(?:\.\d{1,12})?)(?:,(\d{1,2}(?:\.\d+)?))?([NSEW])", written or "")
    if not match or match[4] not in directions:
        return None
    total = int(match[1]) + float(match[2]) / 60 + float(match[3] or 0) / 3600
    return total if match[4] == directions[0] else -total


def _rating(exif: ExifValues, packets: Sequence[Xmp], of_google: int | None) -> int | None:
    """-1 (rejected) .. 5 stars; 0 counts only where no other rating is given."""
    given = [_stars(xmp.rating) for xmp in packets] + [_stars_of_percent(xmp.rating_percent) for xmp in packets]
    given += [_stars(integer(exif.image.get(ImageIFD.Rating)))]
    given += [_stars_of_percent(integer(exif.image.get(ImageIFD.RatingPercent)))]
    known = [stars for stars in (*given, of_google) if stars is not None]
    return next((stars for stars in known if stars), known[0] if known else None)


def _stars(value: str | int | None) -> int | None:
    try:
        stars = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return round(stars) if -1 <= stars <= 5 else None


def _stars_of_percent(value: str | int | None) -> int | None:
    """Windows' 1, 25, 50, 75 and 99 percent are one to five stars."""
    try:
        percent = int(value) if value is not None else -1
    except ValueError:
        return None
    return None if not 0 <= percent <= 100 else 0 if percent == 0 else min(5, 1 + (percent + 12) // 25)


def _titles(exif: ExifValues, iptc: IptcTexts, packets: Sequence[Xmp]) -> Iterator[str | None]:
    yield from (xmp.title for xmp in packets)
    yield xp_text(exif.image.get(ImageIFD.XPTitle))
    yield from iptc.get(TITLE, ())


def _keywords(exif: ExifValues, iptc: IptcTexts, packets: Sequence[Xmp]) -> Iterator[str]:
    """The keywords of all blocks, without the names of people."""
    names = {name.strip().casefold() for xmp in packets for name in xmp.people}
    words = [word for xmp in packets for word in xmp.keywords]
    words += [*iptc.get(KEYWORD, ()), *(xp_text(exif.image.get(ImageIFD.XPKeywords)) or "").split(";")]
    return (word for word in words if word.strip().casefold() not in names)


def _iptc_texts(iptc: IptcTexts, *datasets: int) -> Iterator[str]:
    return (words for dataset in datasets for words in iptc.get(dataset, ()))


def _subjects(exif: ExifValues, iptc: IptcTexts, packets: Sequence[Xmp]) -> Iterator[str]:
    yield from (words for xmp in packets for words in xmp.subjects if not words.strip().isdigit())
    yield from _iptc_texts(iptc, CATEGORY, SUPPLEMENTAL_CATEGORY)
    # "IPTC:15054000:SPO:Soccer:": the code, then names (IIM 2:12)
    yield from (part for reference in iptc.get(SUBJECT_REFERENCE, ()) for part in reference.split(":")[2:] if part)
    yield xp_text(exif.image.get(ImageIFD.XPSubject)) or ""


def _creators(exif: ExifValues, iptc: IptcTexts, packets: Sequence[Xmp]) -> Iterator[str]:
    yield from (name for xmp in packets for name in xmp.creators)
    yield from _iptc_texts(iptc, BY_LINE, COPYRIGHT_NOTICE)
    yield text(exif.image.get(ImageIFD.Artist)) or ""
    yield xp_text(exif.image.get(ImageIFD.XPAuthor)) or ""
    yield from texts(exif.image.get(ImageIFD.Copyright))  # the photographer's, then the editor's (EXIF 2.32, 4.6.4)
    yield text(exif.exif.get(_CAMERA_OWNER_NAME)) or ""


def _other_texts(
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


def _first_clean(texts: Iterator[str | None], most: int = LINE_CHARACTERS) -> str | None:
    return next((cleaned for words in texts if (cleaned := clean_text(words, most))), None)
