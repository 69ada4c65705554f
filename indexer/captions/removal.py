"""A photo without our caption, proved to have lost nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from indexer.atomic.file_read import FileRead
from indexer.captions.checks import check_edit, check_removal
from indexer.captions.journal import Journal
from indexer.errors import CaptionRefused
from indexer.formats.editable import EditablePhoto, open_photo
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
class Bare:
    """A file without our caption. `exact`: that is what it was before; `left`: the fields in which it still stands."""

    data: bytes
    sha256: str
    exact: bool
    left: tuple[str, ...] = ()


def check_by_journal(restored: Bare, file: FileRead, journal: Journal | None) -> None:
    """Raises `CaptionRefused` where the journal remembers another original than the file itself does."""
    original = journal.original(file.sha256) if journal is not None else None
    if original is not None and restored.sha256 != original:
        raise CaptionRefused(ReasonCode.OTHER_ORIGINAL)


def bare_photo(
    photo: EditablePhoto, file: FileRead, vouched: frozenset[str] = frozenset(), *, partly: bool = False
) -> Bare:
    """The file without our caption; proved where it is not exactly what it was before. `vouched`: see
    `EditablePhoto.bare`. `partly`: a copy that can't be taken out may be left.

    Raises `CaptionRefused` where it can't be taken out without risk.
    """
    ours = vouched | {mark.digest for mark in photo.marks}
    if not photo.marks and not fields_with(photo.texts, ours):
        return Bare(file.data, file.sha256, exact=True)
    bare = b"".join(photo.bare(vouched))
    hashed = sha256(bare)
    if hashed in {mark.before for mark in photo.marks} and _is_proved_by_writing(photo, file.data, bare):
        return Bare(bare, hashed, exact=True)
    check_removal(file.data, bare)
    left = open_photo(bare)
    if left is None:
        raise CaptionRefused(ReasonCode.MORE_WOULD_BE_LOST)
    if not partly or bare == file.data:
        check_words(photo.texts, left.texts, ours)
    check_nothing_lost(photo.texts, left.texts, ours)
    return Bare(bare, hashed, exact=False, left=fields_with(left.texts, ours))


def _is_proved_by_writing(photo: EditablePhoto, data: bytes, bare: bytes) -> bool:
    """Whether writing the caption into `bare` could have made `data`. A mark alone proves nothing: a file may come from
    anywhere, and what its mark remembers may lack more than our caption."""
    digests = {mark.digest: mark for mark in photo.marks}
    found = next((text.text for text in photo.texts if digest(text.text) in digests), None)
    if found is None:
        return False
    try:  # what an undo makes of `data` is `bare`: doing it again would show nothing new
        check_edit(bare, data, OwnCaption(found, digests[digest(found)]), undo=lambda _: (bare,))
    except CaptionRefused:
        return False
    return True
