"""What a format has to offer for captions to be written into its files, and which formats do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from indexer import xmp_packet
from indexer.jpeg_photo import JpegPhoto
from indexer.own_caption import FieldText, Mark, OwnCaption, find_own, find_persons
from indexer.photo import CaptionPlace, FileCaption


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
        """The rung that our caption stands on; None where there is no mark of ours."""

    @property
    def picture(self) -> str:
        """A digest of the image data: whether two states of a file show the same photo."""

    def embed(self, own: OwnCaption, place: CaptionPlace) -> bytes:
        """The file with the caption. Raises `CaptionRefused` with the reason."""

    def bare(self) -> bytes:
        """The file without our caption; what it was before where its SHA-256 is one that a mark remembers.

        Raises `CaptionRefused` with the reason.
        """


#: How a file begins, what it is called, and what opens it: formats that are not here get a sidecar.
EDITORS: tuple[tuple[bytes, str, Callable[[bytes], EditablePhoto]], ...] = ((b"\xff\xd8\xff", "JPEG", JpegPhoto),)


def open_photo(data: bytes) -> EditablePhoto | None:
    """Opens a photo for its captions; None for a format whose files are never edited.

    Raises `CaptionRefused` where the format is known but the file is not understood.
    """
    for magic, _, opener in EDITORS:
        if data.startswith(magic):
            return opener(data)
    return None


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


def persons_caption(photo: EditablePhoto | XmpFile) -> FieldText | None:
    """The first text that a person put in, or made of ours. Raises `CaptionRefused` where one may be hidden."""
    return find_persons(photo.texts, photo.marks)
