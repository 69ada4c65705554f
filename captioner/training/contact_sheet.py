"""A contact sheet: photos with a bundle's captions, chosen by a rule and not by hand.

    python -m captioner.training.contact_sheet --photos coco --out sheet.jpg --licences coco/captions.jsonl \\
                                      --source http://images.cocodataset.org/val2017/{name}

The photos are those with the smallest SHA-256 of their file name, mistakes included. With --licences only those that
may be changed and passed on: CC BY, CC BY-SA and public domain; no "non-commercial", no "no derivatives". Beside the
picture a text file of the same name says where each photo comes from, its licence, and all that is written under it.

A sentence that the bundle is not sure of is followed by "(not sure)"; where it has none, "(nothing said)" stands. With
--before the sentence of an older bundle stands under that of this one.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms, ImageDraw, ImageFont, ImageOps

from captioner import DEFAULT_BUNDLE, Caption
from captioner.inference.litert import LiteRTCaptioner
from captioner.inference.preprocess import squash
from captioner.training.data import program_parser, read_photos

#: Two columns of this width: the words stay legible where a phone shows the whole width in 390 pixels.
_COLUMNS, _CELL_PX, _GAP_PX = 2, 440, 20
_PHOTO_PX = (_CELL_PX, 330)
_TEXT_PX, _SMALL_PX = 26, 21
_INK, _DIM, _OLDER, _PAPER, _EMPTY = "#1c1e21", "#5a6068", "#8a4b00", "#ffffff", "#eceef0"
_QUALITIES = range(85, 19, -5)
_FREE = re.compile(r"creativecommons\.org/(licenses/by(-sa)?/|publicdomain/)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One photo of the sheet: upright and in sRGB, scaled down, with its caption."""

    name: str
    photo: Image.Image
    caption: Caption
    before: Caption | None = None  # of an older bundle

    @property
    def tags(self) -> str:
        """The tags that are shown, most probable first."""
        sure = self.caption.sure_tags
        return ", ".join(f"{tag.word} {tag.probability:.2f}" for tag in sure)


def may_be_shown(licence: str) -> bool:
    """Whether a licence, given by its address, lets anyone scale a photo down and pass it on with its credits."""
    return bool(_FREE.search(licence.lower()))


def choose(names: Iterable[str], count: int) -> list[str]:
    """The `count` names with the smallest SHA-256, in that order; a folder's name doesn't count."""
    return sorted(names, key=lambda name: hashlib.sha256(Path(name).name.encode()).digest())[:count]


def read_licences(path: Path) -> dict[str, str]:
    """Licence by photo name, from lines of {"image": ..., "licence": ...}."""
    with path.open(encoding="utf-8") as lines:
        rows: Iterable[dict[str, Any]] = map(json.loads, lines)
        return {row["image"]: str(row.get("licence", "")) for row in rows}


def to_upright_srgb(image: Image.Image) -> Image.Image:
    """The image rotated by its EXIF orientation and converted to sRGB."""
    profile = image.info.get("icc_profile")
    turned = ImageOps.exif_transpose(image)
    if not profile:
        return turned.convert("RGB")
    try:
        source, target = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        found = ImageCms.profileToProfile(turned, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):  # a profile that is none: take the colours as they are
        return turned.convert("RGB")
    return found or turned.convert("RGB")


def caption_entries(captioner: LiteRTCaptioner, photos: Path, count: int, licences: Mapping[str, str] | None,
                    older: LiteRTCaptioner | None = None) -> list[Entry]:  # fmt: skip
    """Caption the photos that the rule chooses.

    Args:
        older: a bundle whose captions are shown below.

    Raises:
        ValueError: there is no photo that may be shown.
    """
    data = {n: d for n, d in read_photos(photos) if licences is None or may_be_shown(licences.get(n, ""))}
    if not data:
        raise ValueError(f"{photos} holds no photo that may be shown")
    found = []
    for name in choose(data, count):
        image = to_upright_srgb(Image.open(io.BytesIO(data[name])))
        caption = captioner.caption(squash(image, captioner.input_px))
        before = older.caption(squash(image, older.input_px)) if older else None
        image.thumbnail(_PHOTO_PX, Image.Resampling.LANCZOS)
        found.append(Entry(name, image, caption, before))
    return found


def wrap(text: str, width_px: float, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> list[str]:
    """`text` in lines of at most `width_px`, broken at spaces; a longer word has a line of its own."""
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width_px:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def sheet(found: Sequence[Entry], heading: str) -> Image.Image:
    """The photos in rows of two, a number, the sentence, its confidence and the tags under each."""
    width = _COLUMNS * (_CELL_PX + _GAP_PX) + _GAP_PX
    numbered = list(enumerate(found, 1))
    rows = [numbered[at : at + _COLUMNS] for at in range(0, len(found), _COLUMNS)]
    head = _lines([(heading, _SMALL_PX, _DIM)], width - 2 * _GAP_PX)
    texts = [[_entry_lines(number, entry) for number, entry in row] for row in rows]
    heights = [_PHOTO_PX[1] + _GAP_PX + max(_height(lines) for lines in row) for row in texts]
    page = Image.new("RGB", (width, _height(head) + 2 * _GAP_PX + sum(height + _GAP_PX for height in heights)), _PAPER)
    draw = ImageDraw.Draw(page)
    _write(draw, head, _GAP_PX, _GAP_PX)
    top = _height(head) + 2 * _GAP_PX
    for row, lines, height in zip(rows, texts, heights, strict=True):
        for column, ((_, entry), entry_lines) in enumerate(zip(row, lines, strict=True)):
            left = _GAP_PX + column * (_CELL_PX + _GAP_PX)
            _place(page, draw, entry.photo, left, top)
            _write(draw, entry_lines, left, top + _PHOTO_PX[1] + _GAP_PX // 2)
        top += height + _GAP_PX
    return page


Line = tuple[str, int, str]  # words, height of the letters in pixels, colour


def _entry_lines(number: int, entry: Entry) -> list[Line]:
    details = " · ".join(part for part in (confidence(entry.caption), entry.tags) if part)
    paragraphs = [(f"{number}. {sentence(entry.caption)}", _TEXT_PX, _INK), (details, _SMALL_PX, _DIM)]
    if entry.before:
        paragraphs.append((f"before: {_older_caption(entry.before)}", _SMALL_PX, _OLDER))
    return _lines([paragraph for paragraph in paragraphs if paragraph[0]], _CELL_PX)


def sentence(caption: Caption) -> str:
    """The sentence, marked where the model is not sure of it; where there is none, that nothing was said."""
    if not caption.text:
        return "(nothing said)"
    return caption.text if caption.sure else f"{caption.text} (not sure)"


def confidence(caption: Caption) -> str:
    """ "confidence 0.52"; "" where there is no sentence to be confident of."""
    return f"confidence {caption.confidence:.2f}" if caption.text else ""


def _older_caption(caption: Caption) -> str:
    return f"{sentence(caption)} {confidence(caption)}".rstrip()


def _lines(paragraphs: Sequence[Line], width_px: float) -> list[Line]:
    return [(line, size, ink) for text, size, ink in paragraphs
            for line in wrap(text, width_px, ImageFont.load_default(size))]  # fmt: skip


def _height(lines: Sequence[Line]) -> int:
    return sum(_leading(size) for _, size, _ in lines)


def _leading(size: int) -> int:
    return round(1.3 * size)


def _write(draw: ImageDraw.ImageDraw, lines: Sequence[Line], left: int, top: int) -> None:
    for text, size, ink in lines:
        draw.text((left, top), text, fill=ink, font=ImageFont.load_default(size))
        top += _leading(size)


def _place(page: Image.Image, draw: ImageDraw.ImageDraw, photo: Image.Image, left: int, top: int) -> None:
    """In the middle of its cell, so that what stands upright is as high as the rest."""
    wide, high = _PHOTO_PX
    draw.rectangle((left, top, left + wide - 1, top + high - 1), fill=_EMPTY)
    page.paste(photo, (left + (wide - photo.width) // 2, top + (high - photo.height) // 2))


def jpeg(page: Image.Image, most_bytes: int) -> bytes:
    """The picture as a JPEG of the best quality that fits. Raises `ValueError` where none does."""
    for quality in _QUALITIES:
        out = io.BytesIO()
        page.save(out, "JPEG", quality=quality, optimize=True, progressive=True)
        if out.tell() <= most_bytes:
            return out.getvalue()
    raise ValueError(f"{page.width} x {page.height} pixels don't fit into {most_bytes} bytes: take fewer photos")


def selection_rule(found: Sequence[Entry], licensed: bool) -> str:
    """How the photos were chosen, in a sentence for the sheet."""
    older = f" Before: what {found[0].before.model} says." if found[0].before else ""
    free = " among those whose licence lets them be changed and passed on (CC BY, CC BY-SA)" if licensed else ""
    return (
        f"{found[0].caption.model}: {len(found)} photos, chosen by rule and not by hand: the smallest SHA-256 of the "
        f"file name{free}. Confidence: the expected share of words that people would use too.{older}"
    )


def describe_sheet(found: Sequence[Entry], heading: str, licences: Mapping[str, str], source: str) -> str:
    """The sheet in words, with the source and the licence of each photo."""
    lines = [heading, "The photos are shown scaled down, and are otherwise unchanged.", ""]
    for number, entry in enumerate(found, 1):
        details = [part for part in (confidence(entry.caption), entry.tags or "no tags") if part]
        lines.append(f"{number}. {sentence(entry.caption)} ({'; '.join(details)})")
        if entry.before:
            lines.append(f"   before: {_older_caption(entry.before)}")
        origin = source.replace("{name}", Path(entry.name).name) if source else entry.name
        lines.append(f"   {origin} {licences.get(entry.name, '')}".rstrip())
    return "\n".join(lines) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = program_parser("contact_sheet", __doc__)
    parser.add_argument("--photos", type=Path, required=True, help="tar file or directory of photos")
    parser.add_argument("--out", type=Path, required=True, help="JPEG to write; a .txt of the same name beside it")
    parser.add_argument("--count", type=int, default=40, help="photos at most (default 40)")
    parser.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE, help="default: the one that is shipped")
    parser.add_argument("--before", type=Path, metavar="BUNDLE", help="show what this older bundle says as well")
    parser.add_argument("--licences", type=Path, metavar="JSONL", help='lines of {"image": name, "licence": address}')
    parser.add_argument("--source", default="", help="where a photo comes from; {name} stands for its file's name")
    parser.add_argument("--most-kb", type=int, default=400, help="size of the JPEG at most, kilobytes (default 400)")
    return parser


def main(argv: list[str] | None = None) -> None:
    """The command line."""
    args = _parser().parse_args(argv)
    licences = read_licences(args.licences) if args.licences else None
    older = LiteRTCaptioner(args.before) if args.before else None
    found = caption_entries(LiteRTCaptioner(args.bundle), args.photos, args.count, licences, older)
    heading = selection_rule(found, licences is not None)
    args.out.write_bytes(jpeg(sheet(found, heading), args.most_kb * 1000))
    text = describe_sheet(found, heading, licences or {}, args.source)
    args.out.with_suffix(".txt").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
