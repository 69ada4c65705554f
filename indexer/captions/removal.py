"""A photo without our caption, proved to have lost nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from indexer.atomic.file_read import FileRead
from indexer.captions.checks import check_edit, check_removal
from indexer.captions.journal import Journal
from indexer.errors import CaptionRefused
from indexer.formats.editable import open_photo
from indexer.formats.photo import EditablePhoto
from indexer.ownership.mark import (
    OwnCaption,
    check_nothing_lost,
    check_words,
    digest,
    fields_with,
    sha256,
)
from indexer.reasons import ReasonCode


@dataclass(frozen=True, slots=True)
class Removal:
    """A file without our caption. `exact`: that is what it was before; `remaining`: the fields that still hold it."""

    data: bytes
    sha256: str
    exact: bool
    remaining: tuple[str, ...] = ()


def check_by_journal(restored: Removal, file: FileRead, journal: Journal | None) -> None:
    """Raises `CaptionRefused` where the journal remembers another original than the file itself does."""
    original = journal.original(file.sha256) if journal is not None else None
    if original is not None and restored.sha256 != original:
        raise CaptionRefused(ReasonCode.OTHER_ORIGINAL)


def remove_caption(
    photo: EditablePhoto, file: FileRead, vouched: frozenset[str] = frozenset(), *, partly: bool = False
) -> Removal:
    """The file without our caption; proved where it is not exactly what it was before. `vouched`: see
    `EditablePhoto.without_caption`. `partly`: a copy that can't be taken out may be left.

    Raises `CaptionRefused` where it can't be taken out without risk.
    """
    ours = vouched | {mark.digest for mark in photo.marks}
    if not photo.marks and not fields_with(photo.texts, ours):
        return Removal(file.data, file.sha256, exact=True)
    without = b"".join(photo.without_caption(vouched))
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
    digests = {mark.digest: mark for mark in photo.marks}
    found = next((text.text for text in photo.texts if digest(text.text) in digests), None)
    if found is None:
        return False
    try:  # what an undo makes of `data` is `without`: doing it again would show nothing new
        check_edit(without, data, OwnCaption(found, digests[digest(found)]), undo=lambda _: (without,))
    except CaptionRefused:
        return False
    return True
