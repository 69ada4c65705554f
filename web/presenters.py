"""A photo as text for people: marked matches, dates with their zone, exposures in a photographer's terms.

All of it is plain text, which the templates escape.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from indexer.message import N_, Message
from indexer.model import CaptionBy, CaptionPlace, Photo, PhotoMetadata, PhotoSummary, Position
from indexer.reasons import Reason
from indexer.search import Hit, Why
from indexer.search.fields import MODEL_FIELDS
from web.i18n.language import decimal_text, gettext, size_text, translate

_FIELDS = MappingProxyType(
    {
        "person_caption": N_("caption"),
        "machine_caption": N_("caption"),
        "tags": N_("tag"),
        "keywords": N_("keyword"),
        "people": N_("person"),
        "title": N_("title"),
        "places": N_("place"),
        "folders": N_("folder"),
        "file_names": N_("file name"),
        "taken_at": N_("date"),
        "camera": N_("camera"),
        "lens": N_("lens"),
        "pets": N_("pet"),
        "headline": N_("headline"),
        "alt_texts": N_("alt text"),
        "comments": N_("comment"),
        "locations": N_("location"),
        "subjects": N_("subject"),
        "creators": N_("by"),
        "embedding": N_("picture"),
        "appearance": N_("picture"),
    }
)
#: What a picture looks like, by its name in search.
_LOOKS = MappingProxyType(
    {
        "dark": N_("dark"),
        "bright": N_("bright"),
        "black and white": N_("black and white"),
        "portrait": N_("portrait format"),
        "landscape": N_("landscape format"),
        "square": N_("square"),
        "panorama": N_("panorama"),
        "screenshot": N_("screenshot"),
        "black": N_("black"),
        "white": N_("white"),
        "red": N_("red"),
        "orange": N_("orange"),
        "yellow": N_("yellow"),
        "green": N_("green"),
        "blue": N_("blue"),
        "purple": N_("purple"),
        "pink": N_("pink"),
        "brown": N_("brown"),
    }
)
_KINDS = MappingProxyType(
    {
        "typo": N_("spelt alike"),
        "synonym": N_("means the same"),
        "part": N_("part of a word"),
        "meaning": N_("looks like it"),
    }
)
_CAPTION_FIELDS = MappingProxyType({CaptionBy.PERSON: "person_caption", CaptionBy.MODEL: "machine_caption"})
_PLACES = MappingProxyType(
    {
        CaptionPlace.EXIF: N_("written into the photo"),
        CaptionPlace.XMP: N_("written into the photo (XMP)"),
        CaptionPlace.SIDECAR: N_("written into an .xmp file beside the photo"),
        CaptionPlace.INDEX: N_("kept in the catalogue only"),
    }
)
_SOME_PLACES = MappingProxyType(
    {
        CaptionPlace.EXIF: N_("written into %(some)s of %(all)s files"),
        CaptionPlace.XMP: N_("written into %(some)s of %(all)s files (XMP)"),
        CaptionPlace.SIDECAR: N_("written into an .xmp file beside %(some)s of %(all)s files"),
        CaptionPlace.INDEX: N_("not written into %(some)s of %(all)s files"),
    }
)


_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """`text` that can be sent: bytes of a file name that are no UTF-8 become U+FFFD, one each, so that spans hold."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def message_text(message: Message | Reason | str | None) -> str:
    """A message in the reader's language, as text that can be sent; "" for None."""
    return clean(translate(message))


class Piece(NamedTuple):
    """A stretch of text, marked where the search matched it."""

    text: str
    marked: bool


def pieces(text: str, spans: Iterable[tuple[int, int]]) -> tuple[Piece, ...]:
    """`text` cut at `spans` (start, end in characters); overlapping or wrong spans do no harm."""
    cut: list[Piece] = []
    at = 0
    for start, end in sorted(spans):
        start, end = max(start, at), min(end, len(text))
        if start >= end:
            continue
        if start > at:
            cut.append(Piece(clean(text[at:start]), marked=False))
        cut.append(Piece(clean(text[start:end]), marked=True))
        at = end
    if at < len(text):
        cut.append(Piece(clean(text[at:]), marked=False))
    return tuple(cut)


@dataclass(frozen=True, slots=True)
class MatchReason:
    """Why a photo was found, for people: in which field, the text with its marks, and how where it is not literal."""

    field: str
    pieces: tuple[Piece, ...]
    how: str


@dataclass(frozen=True, slots=True)
class Tile:
    """One photo in the grid."""

    photo: PhotoSummary
    position: int  # in the whole answer, from 0
    caption: tuple[Piece, ...]
    alt_text: str
    shape: str
    width: int
    height: int
    reasons: tuple[MatchReason, ...]  # those that the caption does not show itself
    sure: bool = True  # whether it shows what was searched for
    stacked: int = 0  # how many photos, this one among them, it stands for; 0: for itself
    doubt: str = ""  # that the model may well be wrong in its caption


def tile(photo: PhotoSummary, hit: Hit, position: int, grid_px: int, *, folded: bool = False) -> Tile:
    """What the grid shows of one hit; `folded`: it stands for all that are nearly the same."""
    width, height = fit_size(photo, grid_px)
    return Tile(
        photo=photo,
        position=position,
        caption=caption_pieces(photo, hit.why),
        alt_text=_alt_text(photo),
        shape=shape(photo),
        width=width,
        height=height,
        reasons=_tile_reasons(photo, hit),
        sure=hit.sure,
        stacked=photo.similar + 1 if folded and photo.similar else 0,
        doubt=gettext("not sure") if photo.unsure else "",
    )


def supported_matches(photo: Photo | PhotoSummary, why: Sequence[Why]) -> tuple[Why, ...]:
    """`why` without the model's words where a person has marked them as wrong, which search may not know yet."""
    return tuple(match for match in why if not photo.wrong or match.field not in MODEL_FIELDS)


def _tile_reasons(photo: PhotoSummary, hit: Hit) -> tuple[MatchReason, ...]:
    """The two best reasons; that the picture is similar is left out where its words match as well."""
    why = supported_matches(photo, hit.why)
    informative = [match for match in why if match.field != "embedding" or match.text]
    return match_reasons(informative or why, leave_out=caption_field(photo))[:2]


def _alt_text(photo: PhotoSummary) -> str:
    if not photo.caption:
        return gettext("A photo without a caption: %(file)s", file=clean(photo.file_name) or photo.id)
    caption = clean(photo.caption)
    return gettext("%(caption)s (not sure)", caption=caption) if photo.unsure else caption


def caption_pieces(photo: Photo | PhotoSummary, why: Sequence[Why]) -> tuple[Piece, ...]:
    """The caption that is shown, with what matched in it marked."""
    caption, field = photo.caption or "", caption_field(photo)
    spans = [span for match in why if match.field == field and match.text == caption for span in match.spans]
    return pieces(caption, spans)


def caption_field(photo: Photo | PhotoSummary) -> str:
    """The search document's field that holds the caption which is shown."""
    return _CAPTION_FIELDS[photo.caption_by] if photo.caption_by else ""


def match_reasons(why: Sequence[Why], *, leave_out: str = "") -> tuple[MatchReason, ...]:
    """`why` in words. Of the field `leave_out`, which is shown with its marks elsewhere, only what is not literal."""
    return tuple(
        MatchReason(_field(match, leave_out), _matched_pieces(match, leave_out), translate(_KINDS.get(match.kind, "")))
        for match in why
        if match.field != leave_out or match.kind in _KINDS
    )


def _field(match: Why, shown_elsewhere: str) -> str:
    """The field's name. Beside a person's caption the model's sentence is not called the caption."""
    if match.field == "machine_caption" and shown_elsewhere == "person_caption":
        return gettext("the model would say")
    return translate(_FIELDS.get(match.field, match.field))


def _matched_pieces(match: Why, shown_elsewhere: str) -> tuple[Piece, ...]:
    """The text with its marks; of a text that is shown elsewhere the marks alone."""
    if match.field == "appearance":
        return (Piece(translate(_LOOKS.get(match.text, match.text)), marked=True),)
    cut = pieces(match.text, match.spans)
    if match.field != shown_elsewhere:
        return cut
    marked = [piece for piece in cut if piece.marked]
    return tuple(part for piece in marked for part in (Piece(", ", marked=False), piece))[1:]


def file_name(photo: Photo) -> str:
    """The name of the photo's first present file, which stands for a title."""
    present = [file for file in photo.files if not file.missing] or list(photo.files)
    return clean(present[0].path.name) if present else photo.id


def fit_size(sized: PhotoMetadata | PhotoSummary, longest_px: int) -> tuple[int, int]:
    """Width and height of the thumbnail whose longest side is at most `longest_px`."""
    width, height = max(1, sized.width_px), max(1, sized.height_px)
    scale = min(1.0, longest_px / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


#: The style sheet has a rule for each step; a test holds the two together.
SHAPE_STEP = 1.05
SHAPE_LEAST, SHAPE_MOST = -14, 21  # from about 1:2 to 2.8:1; panoramas are cropped in the grid


def shape(sized: PhotoMetadata | PhotoSummary) -> str:
    """The class that gives a box its aspect ratio, in steps of 5%: a style attribute would need unsafe-inline."""
    ratio = max(1, sized.width_px) / max(1, sized.height_px)
    step = round(math.log(ratio, SHAPE_STEP))
    return f"k{min(max(step, SHAPE_LEAST), SHAPE_MOST)}"


def facts(photo: Photo) -> tuple[tuple[str, str], ...]:
    """(name, value) pairs of what the camera wrote, as far as it did."""
    metadata = photo.metadata
    rows = (
        (gettext("Title"), clean(metadata.title or "")),
        (gettext("Headline"), clean(metadata.headline or "")),
        (gettext("Subject"), clean(", ".join(metadata.subjects))),
        (gettext("Location"), clean(", ".join(metadata.locations))),
        (gettext("Pets"), clean(", ".join(metadata.pets))),
        (gettext("Alternative text"), clean(" · ".join(metadata.alt_texts))),
        (gettext("Comment"), clean(" · ".join(metadata.comments))),
        (gettext("By"), clean(", ".join(metadata.creators))),
        (gettext("Camera"), clean(metadata.camera or "")),
        (gettext("Lens"), clean(metadata.lens or "")),
        (gettext("Exposure"), exposure(metadata)),
        (gettext("Rating"), "★" * max(metadata.rating or 0, 0)),
        (
            gettext("Size"),
            f"{size_text(metadata.width_px, metadata.height_px)} · {metadata.mime_type.rpartition('/')[2].upper()}",
        ),
    )
    return tuple((name, value) for name, value in rows if value)


def exposure(metadata: PhotoMetadata) -> str:
    """``1/250 s · f/2.8 · ISO 200 · 35 mm``, as far as it is known."""
    parts = []
    if metadata.exposure_s:
        seconds = metadata.exposure_s
        parts.append(f"{decimal_text(seconds)} s" if seconds >= 0.3 else f"1/{1 / seconds:.0f} s")
    if metadata.f_number:
        parts.append(f"f/{decimal_text(metadata.f_number)}")
    if metadata.iso:
        parts.append(f"ISO {metadata.iso}")
    if metadata.focal_length_mm:
        parts.append(f"{decimal_text(metadata.focal_length_mm)} mm")
    return " · ".join(parts)


def coordinates(position: Position) -> str:
    """Degrees with their hemisphere: ``45.7640° N, 4.8357° E``."""
    latitude, longitude = (decimal_text(abs(degrees), "0.0000") for degrees in (position.latitude, position.longitude))
    north = gettext("%(degrees)s° N", degrees=latitude)
    east = gettext("%(degrees)s° E", degrees=longitude)
    if position.latitude < 0:
        north = gettext("%(degrees)s° S", degrees=latitude)
    if position.longitude < 0:
        east = gettext("%(degrees)s° W", degrees=longitude)
    height = f", {decimal_text(position.altitude_m, '#,##0')} m" if position.altitude_m is not None else ""
    return f"{north}, {east}{height}"


def offset_text(moment: datetime) -> str:
    """``UTC+02:00``; empty where the photo does not know its offset."""
    offset = moment.utcoffset()
    if offset is None:
        return ""
    if not offset:
        return "UTC"
    minutes = abs(offset) // timedelta(minutes=1)
    return f"UTC{'-' if offset < timedelta() else '+'}{minutes // 60:02}:{minutes % 60:02}"


def caption_place(photo: Photo) -> str:
    """Where the caption was put, and why not in the photo itself; of words that others put there, nothing."""
    if photo.caption_place is None or (photo.caption_by is not CaptionBy.MODEL and photo.correction is None):
        return ""
    places = Counter((file.caption_place, file.caption_reason) for file in photo.files if not file.missing)
    if len(places) < 2 or photo.more_files or any(place is None for place, _ in places):
        return _with_reason(translate(_PLACES[photo.caption_place]), photo.caption_reason)
    return "; ".join(
        _with_reason(gettext(template, some=number, all=places.total()), reason)
        for wanted, template in _SOME_PLACES.items()
        for (place, reason), number in places.items()
        if place is wanted
    )


def _with_reason(place: str, reason: Reason | None) -> str:
    return f"{place}: {message_text(reason)}" if reason else place


def kinds_text(passed_over: Mapping[str, int]) -> str:
    """``10 .jxl, 2 .psd``."""
    return clean(", ".join(f"{decimal_text(count)} {kind}" for kind, count in passed_over.items()))
