"""What all photos share that captions are written into, whatever their format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import ClassVar

from indexer.errors import CaptionRefused
from indexer.formats import tiff, tiff_edit, xmp_packet, xmp_people, xmp_tree
from indexer.formats.maker_note import reads_beyond
from indexer.formats.xmp_people import NamedFaces, WrittenNames
from indexer.model import CaptionPlace, FileCaption
from indexer.ownership.mark import (
    FieldText,
    Mark,
    OwnCaption,
    Stripped,
    digest,
    find_foreign_text,
    find_own,
    find_user_text,
)
from indexer.reasons import ReasonCode

#: Stands before the TIFF block in JPEG; not called for in other formats, but written by some programs.
EXIF_HEADER = b"Exif\0\0"

#: From which byte to which, and what stands there then.
Change = tuple[int, int, bytes]
#: Gives an XMP packet with something of ours in it; None stands for no packet. Raises `CaptionRefused`.
AddToPacket = Callable[[bytes | None], bytes]


class EditablePhoto(ABC):
    """The bytes of one photo, opened for reading and changing its captions. Nothing here touches the disk."""

    #: The places inside the file, best first.
    places: ClassVar[tuple[CaptionPlace, ...]]
    data: bytes

    @cached_property
    @abstractmethod
    def _blocks(self) -> Sequence[bytes]:
        """Its Exif blocks, without what stands before the TIFF header."""

    @cached_property
    @abstractmethod
    def _packets(self) -> Sequence[bytes]:
        """Its XMP packets, of those that may be edited."""

    @cached_property
    def marks(self) -> list[Mark]:
        """The marks beside captions of ours: of the Exif blocks' undo records and of the XMP packets."""
        records = [tiff_edit.undo_record(block) for block in self._blocks]
        parsed = [xmp_tree.parse_or_none(packet) for packet in self._packets]
        marks = [record.mark for record in records if record is not None]
        return marks + [mark for packet in parsed if packet and (mark := xmp_packet.read_mark(packet))]

    @cached_property
    @abstractmethod
    def texts(self) -> list[FieldText]:
        """Every text that stands where captions stand. Raises `CaptionRefused` where one may be hidden."""

    @property
    def own_place(self) -> CaptionPlace | None:
        """The place that our caption stands in; None where there is no mark of ours."""
        digests = {mark.digest for mark in self.marks}
        texts = [text for block in self._blocks for text in tiff.texts(block) if text.field != "UserComment"]
        if any(digest(text.text) in digests for text in texts):
            return CaptionPlace.EXIF
        return CaptionPlace.XMP if digests else None

    @property
    @abstractmethod
    def picture_digest(self) -> str:
        """SHA-256 of the image data: whether two states of a file show the same photo."""

    @abstractmethod
    def embed(self, own: OwnCaption, place: CaptionPlace) -> bytes:
        """The file with the caption at `place`. Raises `CaptionRefused` where that can't be done without risk."""

    @abstractmethod
    def without_caption(self, own_digests: frozenset[str] = frozenset()) -> Sequence[bytes | memoryview]:
        """The file without our caption, and without copies of it, in pieces; what it was before where its SHA-256 is
        one that a mark remembers.

        `own_digests` are of texts that are ours by the journal or the catalogue, where no mark says so any more.
        Raises `CaptionRefused` with the reason.
        """

    @cached_property
    def names(self) -> WrittenNames | None:
        """The mark of our names of faces in its XMP; None where there are none, or not as they were written."""
        return next(filter(None, map(xmp_people.read_names, self._packets)), None)

    @property
    def has_rewritten_names(self) -> bool:
        """Whether our names are there, but no longer as they were written."""
        return self.names is None and any(map(xmp_people.holds_names, self._packets))

    def embed_names(self, faces: NamedFaces) -> bytes:
        """The file with names of faces in its XMP. Raises `CaptionRefused` where that can't be done without risk: in
        this format, unless it says otherwise, never."""
        raise CaptionRefused(ReasonCode.FORMAT_NOT_CHANGED)

    def without_names(self) -> Sequence[bytes | memoryview]:
        """The file without our names of faces, in pieces; all of it where there are none. Raises `CaptionRefused`."""
        return [self.data]


def captions_of_packets(packets: Iterable[bytes], *, understood: bool = True) -> list[FieldText]:
    """The captions in XMP packets. Raises `CaptionRefused` where one of a packet that can't be parsed may be hidden:
    where a caption's name stands in it, or the file it stands in is not `understood` as a whole."""
    found: list[FieldText] = []
    for packet in packets:
        parsed = xmp_tree.parse_or_none(packet)
        if parsed is not None:
            found += xmp_packet.captions(parsed)
        elif xmp_packet.may_describe(packet) or not understood:
            raise CaptionRefused(ReasonCode.XMP_NOT_PARSED)
    return found


def add_to_block(block: bytes, own: OwnCaption, *, limit: int = tiff_edit.MAX_BLOCK_BYTES) -> bytes:
    """The Exif block with the caption. Raises `TiffError` and `CaptionRefused` as `append_caption` does, and where what
    is appended would be taken for a camera's."""
    new = tiff_edit.append_caption(block, own, limit=limit)
    if reads_beyond(block, len(new)):
        raise CaptionRefused(ReasonCode.MAKER_NOTE_BEYOND_EXIF)
    return new


def add_to_packet(packet: bytes | None, own: OwnCaption, *, needs_text: bool = True) -> bytes:
    """The XMP packet with the caption, a new one where there is none; without `needs_text` our mark alone will do.
    Raises `CaptionRefused`."""
    if packet is None:
        return xmp_packet.compose_packet(own)
    if needs_text and not xmp_packet.can_describe(packet):
        raise CaptionRefused(ReasonCode.XMP_DESCRIBES)
    return xmp_packet.splice(packet, own)


def remove_from_block(block: bytes, digests: frozenset[str]) -> Stripped | None:
    """The Exif block without our caption, see `tiff_edit.strip_caption`; None where it holds nothing of ours."""
    return tiff_edit.strip_caption(block, digests) if tiff_edit.holds(block, digests) else None


def remove_from_packet(packet: bytes, digests: frozenset[str]) -> Stripped | None:
    """The same of an XMP packet; None also where it can't be parsed."""
    parsed = xmp_tree.parse_or_none(packet)
    holds = parsed is not None and xmp_packet.holds(parsed, digests)
    return xmp_packet.strip_caption(packet, digests) if holds else None


def iptc_captions(texts: Iterable[str]) -> list[FieldText]:
    """Texts of IPTC-IIM's 2:120."""
    return [FieldText("IPTC Caption-Abstract", text) for text in texts]


def replace_bytes(data: bytes, changes: Iterable[Change]) -> list[bytes | memoryview]:
    """The pieces of `data` with these bytes replaced, without a copy of it. Of two changes at one place the first comes
    first."""
    pieces: list[bytes | memoryview] = []
    view, at = memoryview(data), 0
    for start, end, new in sorted(changes, key=lambda change: change[:2]):
        pieces += [view[at:start], new]
        at = end
    return [*pieces, view[at:]]


class XmpFile:
    """A sidecar's bytes: an XMP packet as a file of its own. Raises `XmpError` where it is not one."""

    def __init__(self, data: bytes) -> None:
        self._packet = xmp_tree.parse(data)

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
