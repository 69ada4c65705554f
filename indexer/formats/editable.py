"""The formats whose files are edited, and what their parsers offer for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from indexer.formats import xmp_packet
from indexer.formats.heif_photo import HEIC_MAGIC, HeifPhoto
from indexer.formats.jpeg_photo import JpegPhoto
from indexer.formats.png_photo import SIGNATURE, PngPhoto
from indexer.formats.tiff_photo import TIFF_MAGIC, TIFF_SUFFIXES, TiffPhoto
from indexer.formats.webp_photo import WebpPhoto
from indexer.model import CaptionPlace, FileCaption
from indexer.ownership.mark import FieldText, Mark, OwnCaption, find_foreign_text, find_own, find_user_text


class EditablePhoto(Protocol):
    """The bytes of one photo, opened for reading and changing its captions. Nothing here touches the disk."""

    @property
    def places(self) -> tuple[CaptionPlace, ...]:
        """The rungs of the ladder inside the file, best first."""

    @property
    def texts(self) -> list[FieldText]:
        """Every text that stands where captions stand. Raises `CaptionRefused` where one may be hidden."""

    @property
    def marks(self) -> list[Mark]:
        """The marks beside captions of ours."""

    @property
    def own_place(self) -> CaptionPlace | None:
        """The place that our caption stands in; None where there is no mark of ours."""

    @property
    def picture_digest(self) -> str:
        """A digest of the image data: whether two states of a file show the same photo."""

    def embed(self, own: OwnCaption, place: CaptionPlace) -> bytes:
        """The file with the caption. Raises `CaptionRefused` with the reason."""

    def without_caption(self, vouched: frozenset[str] = frozenset()) -> Sequence[bytes | memoryview]:
        """The file without our caption, and without copies of it, in pieces; what it was before where its SHA-256 is
        one that a mark remembers.

        `vouched` are digests of texts that are ours by the journal or the catalogue, where no mark says so any more.
        Raises `CaptionRefused` with the reason.
        """


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


class XmpFile:
    """A sidecar's bytes: an XMP packet as a file of its own. Raises `XmpError` where it is not one."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._packet = xmp_packet.parse(data)

    @property
    def texts(self) -> list[FieldText]:
        """Every text that stands where captions stand."""
        return xmp_packet.captions(self._packet)

    @property
    def marks(self) -> list[Mark]:
        """The mark beside a caption of ours."""
        mark = xmp_packet.read_mark(self._packet)
        return [mark] if mark else []


def own_caption(photo: EditablePhoto | XmpFile) -> FileCaption | None:
    """Our caption, where at least one field still holds it as we wrote it."""
    return find_own(photo.texts, photo.marks) if photo.marks else None


def user_caption(photo: EditablePhoto | XmpFile) -> FieldText | None:
    """The first text that a person put in, or made of ours. Raises `CaptionRefused` where one may be hidden."""
    return find_user_text(photo.texts, photo.marks)


def foreign_text(photo: EditablePhoto | XmpFile) -> FieldText | None:
    """The first text that a person put in by another program than this one. Raises `CaptionRefused` as above."""
    return find_foreign_text(photo.texts, photo.marks)
