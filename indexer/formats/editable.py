"""The formats whose files are edited."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from indexer.formats.heif_photo import HEIC_MAGIC, HeifPhoto
from indexer.formats.jpeg_photo import JpegPhoto
from indexer.formats.photo import EditablePhoto
from indexer.formats.png_photo import SIGNATURE, PngPhoto
from indexer.formats.tiff_photo import TIFF_MAGIC, TIFF_SUFFIXES, TiffPhoto
from indexer.formats.webp_photo import WebpPhoto


@dataclass(frozen=True, slots=True)
class Format:
    """A format whose files are edited: how they begin, and what opens them.

    `suffixes` are those of its files' names, in lower case, where others that begin alike must stay as they are.
    """

    magic: re.Pattern[bytes]
    open: Callable[[bytes], EditablePhoto]
    suffixes: frozenset[str] | None = None


#: Formats that are not here get a sidecar.
FORMATS = (
    Format(re.compile(rb"\xff\xd8\xff"), JpegPhoto),
    Format(re.compile(re.escape(SIGNATURE)), PngPhoto),
    Format(re.compile(rb"RIFF....WEBP", re.DOTALL), WebpPhoto),
    Format(HEIC_MAGIC, HeifPhoto),
    Format(TIFF_MAGIC, TiffPhoto, TIFF_SUFFIXES),
)


def format_of(data: bytes, suffix: str | None = None) -> Format | None:
    """The format of a file, by its first bytes; None where it is not one of those that are edited.

    `suffix` is its name's: RAW files begin like TIFFs. Without one the bytes alone decide, which will do for reading
    and for taking a caption out.
    """
    known = next((known for known in FORMATS if known.magic.match(data)), None)
    if known is None or known.suffixes is None or suffix is None or suffix.lower() in known.suffixes:
        return known
    return None


def open_photo(data: bytes, suffix: str | None = None) -> EditablePhoto | None:
    """Opens a photo for its captions; None for a format whose files are never edited (see `format_of`).

    Raises `CaptionRefused` where the format is known but the file is not understood.
    """
    known = format_of(data, suffix)
    return known.open(data) if known is not None else None
