"""What is proved before a photo is replaced, by the proof of its format in `indexer.captions.verify`: that it is the
old one and our caption, or the old one without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from indexer.atomic.file_read import FileRead
from indexer.captions.journal import Journal
from indexer.captions.verify import Undo, VerifyError
from indexer.captions.verify.containers import (
    check_jpeg_edit,
    check_jpeg_removal,
    check_png_edit,
    check_png_removal,
    check_webp_edit,
    check_webp_removal,
)
from indexer.captions.verify.heif import check_heif_edit, check_heif_removal
from indexer.captions.verify.names import check_names_edit as check_names
from indexer.captions.verify.names import check_names_removal
from indexer.captions.verify.tiff import check_tiff_edit, check_tiff_removal
from indexer.errors import CaptionRefused
from indexer.formats.editable import Format, format_of, open_photo
from indexer.formats.heif_photo import HeifPhoto
from indexer.formats.jpeg_photo import JpegPhoto
from indexer.formats.photo import EditablePhoto
from indexer.formats.png_photo import PngPhoto
from indexer.formats.tiff_photo import TiffPhoto
from indexer.formats.webp_photo import WebpPhoto
from indexer.formats.xmp_people import NamedFaces
from indexer.ownership.mark import OwnCaption, check_nothing_lost, check_words, fields_with, own_caption_of, sha256
from indexer.reasons import ReasonCode

#: Where names of faces stand.
NAMES_FIELDS = ("mwg-rs:Regions", "Iptc4xmpExt:PersonInImage")


class EditCheck(Protocol):
    """Raises `VerifyError` unless `new` is `old` and the caption."""

    def __call__(self, old: bytes, new: bytes, own: OwnCaption, *, undo: Undo) -> None:
        """`undo` takes our caption out of a file."""


_CHECKS: dict[object, tuple[EditCheck, Callable[[bytes, bytes], None]]] = {
    JpegPhoto: (check_jpeg_edit, check_jpeg_removal),
    PngPhoto: (check_png_edit, check_png_removal),
    WebpPhoto: (check_webp_edit, check_webp_removal),
    HeifPhoto: (check_heif_edit, check_heif_removal),
    TiffPhoto: (check_tiff_edit, check_tiff_removal),
}


def check_edit(old: bytes, new: bytes, own: OwnCaption, *, undo: Undo | None = None) -> None:
    """Proves that `new` is `old` and the caption, whatever the format. Raises `VerifyError`.

    `undo` stands in for taking the caption out of `new`, where that has been done already.
    """
    known = _known_format(old)
    proves, _ = _CHECKS[known.open]
    proves(old, new, own, undo=undo or (lambda data: known.open(data).without_caption()))


def check_removal(old: bytes, new: bytes) -> None:
    """Proves that `new` is `old` without our caption, where the undo could not be exact. Raises `VerifyError`."""
    _, proves = _CHECKS[_known_format(old).open]
    proves(old, new)


def _known_format(data: bytes) -> Format:
    known = format_of(data)
    if known is None:
        raise VerifyError("nothing is known of this format")
    return known


@dataclass(frozen=True, slots=True)
class Removal:
    """A file without our caption. `exact`: that is what it was before; `remaining`: the fields that still hold it."""

    data: bytes
    sha256: str
    exact: bool
    remaining: tuple[str, ...] = ()


def check_names_edit(old: bytes, new: bytes, faces: NamedFaces) -> None:
    """Proves that `new` is `old` and these names of faces. Raises `VerifyError`."""
    named = [(one.name, one.left, one.top, one.width, one.height) for one in faces.regions]
    check_names(old, new, named, undo=lambda data: _known_format(data).open(data).without_names())


def remove_names(photo: EditablePhoto, hashed: str) -> Removal:
    """The file without our names of faces, proved to have lost nothing else; `hashed` is the SHA-256 of what it is now.

    Raises `CaptionRefused` where they can't be taken out without risk.
    """
    if photo.names is None:
        fields = NAMES_FIELDS if photo.has_rewritten_names else ()
        return Removal(photo.data, hashed, exact=not fields, remaining=fields)
    without = b"".join(photo.without_names())
    check_names_removal(photo.data, without)
    hashed = sha256(without)
    return Removal(without, hashed, exact=hashed == photo.names.before)


def join_removals(first: Removal, second: Removal) -> Removal:
    """Both of a file, one after the other."""
    return replace(second, exact=first.exact and second.exact, remaining=(*first.remaining, *second.remaining))


def check_by_journal(restored: Removal, file: FileRead, journal: Journal | None) -> None:
    """Raises `CaptionRefused` where the journal remembers another original than the file itself does."""
    original = journal.original(file.sha256) if journal is not None else None
    if original is not None and restored.sha256 != original:
        raise CaptionRefused(ReasonCode.OTHER_ORIGINAL)


def remove_caption(
    photo: EditablePhoto, file: FileRead, own_digests: frozenset[str] = frozenset(), *, partly: bool = False
) -> Removal:
    """The file without our caption; proved where it is not exactly what it was before. `own_digests`: see
    `EditablePhoto.without_caption`. `partly`: a copy that can't be taken out may be left.

    Raises `CaptionRefused` where it can't be taken out without risk.
    """
    ours = own_digests | {mark.digest for mark in photo.marks}
    if not photo.marks and not fields_with(photo.texts, ours):
        return Removal(file.data, file.sha256, exact=True)
    without = b"".join(photo.without_caption(own_digests))
    hashed = sha256(without)
    if hashed in {mark.before for mark in photo.marks} and _is_proved_by_writing(photo, file.data, without):
        return Removal(without, hashed, exact=True)
    check_removal(file.data, without)
    remaining = open_photo(without)
    if remaining is None:
        raise CaptionRefused(ReasonCode.MORE_WOULD_BE_LOST)
    if not partly or without == file.data:
        check_words(photo.texts, remaining.texts, ours)
    check_nothing_lost(photo.texts, remaining.texts, ours)
    return Removal(without, hashed, exact=False, remaining=fields_with(remaining.texts, ours))


def _is_proved_by_writing(photo: EditablePhoto, data: bytes, without: bytes) -> bool:
    """Whether writing the caption into `without` could have made `data`. A mark alone proves nothing: a file may come
    from anywhere, and what its mark remembers may lack more than our caption."""
    own = own_caption_of(photo.texts, photo.marks)
    if own is None:
        return False
    try:  # what an undo makes of `data` is `without`: doing it again would show nothing new
        check_edit(without, data, own, undo=lambda _: (without,))
    except CaptionRefused:
        return False
    return True
