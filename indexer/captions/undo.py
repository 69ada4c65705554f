"""Captions and names taken out of photo files again. Everything here is synchronous and runs in the photo worker's
process."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from indexer.atomic.file_read import ChangedMeanwhile, FileRead, read_file
from indexer.atomic.replace import replace_file
from indexer.captions.caption_file import (
    ATTEMPTS,
    CHANGED_SINCE,
    KEPT_CHANGING,
    MAX_EDIT_BYTES,
    MAX_FILE_BYTES,
    PERSONS_WORDS,
)
from indexer.captions.checks import NAMES_FIELDS, Removal, check_by_journal, join_removals, remove_caption, remove_names
from indexer.captions.journal import Journal, recorder
from indexer.captions.sidecar import Sidecars, sidecars_of
from indexer.errors import CaptionRefused, Obstacle
from indexer.formats.editable import open_photo
from indexer.formats.photo import EditablePhoto, XmpFile, own_caption
from indexer.model import CaptionPlace, FileCaption, FileStamp
from indexer.ownership.mark import OWN_FIELDS, FieldText, digest, fields_with, find_user_text
from indexer.reasons import Reason, ReasonCode


@dataclass(frozen=True, slots=True)
class UndoResult:
    """What an undo did, or would do. `restored`: nothing of ours is left in the photo or beside it; `exact`: every file
    is byte for byte what it was before the caption; `place`: where the caption was; `stamp`: the photo's now; `words`:
    what it said, None where a person has changed it in every field; `copies`: the fields of photo and sidecars into
    which another program had copied it."""

    path: Path
    place: CaptionPlace | None
    restored: bool
    reason: Reason | None = None
    exact: bool = False
    stamp: FileStamp | None = None
    words: FileCaption | None = None
    obstacle: Obstacle | None = None  # where `reason` may be over later
    copies: tuple[str, ...] = ()
    names: tuple[str, ...] = ()  # of faces, of those that stand in photo and sidecars


def undo_caption(
    path: Path,
    *,
    journal: Journal | None = None,
    sidecar_dir: Path | None = None,
    keep_mtime: bool = True,
    dry_run: bool = False,
    stamp: FileStamp | None = None,
    machine_only: bool = False,
    own_texts: Collection[str] = (),
    names: bool = False,
) -> UndoResult:
    """Takes our caption, and where `names` our names of faces, out of a photo and its sidecars, by what stands in the
    files alone; where the journal knows the file, its SHA-256 of the original must come out too. `dry_run` proves that
    it can be done, and changes nothing.

    Where another program has changed a file since, only our fields are taken out of it, and what that program copied of
    our words to the letter (`exact` is false); where that can't be done safely the file stays as it is, and `reason`
    says why. Where a mark is gone, the journal and `own_texts` (what the catalogue knows) tell which words
    are ours. Raises `PhotoVanished`, `StorageError`.

    A file that has another `stamp` than this one stays as it is; so does, where `machine_only`, one that a person has
    described, in another program or on our page.
    """
    undoing = _Undoing(
        Sidecars(path, sidecar_dir, journal),
        keep_mtime=keep_mtime,
        dry_run=dry_run,
        stamp=stamp,
        machine_only=machine_only,
        own_digests=frozenset(map(digest, own_texts)),
        names=names,
    )
    for _ in range(ATTEMPTS):
        try:
            return undoing.undo()
        except ChangedMeanwhile:
            continue
        except CaptionRefused as refused:
            return UndoResult(path, None, restored=False, reason=refused.reason, obstacle=refused.obstacle)
    return UndoResult(path, None, restored=False, reason=KEPT_CHANGING, obstacle=Obstacle.OTHERS)


@dataclass(frozen=True, slots=True)
class _Undoing:
    sidecars: Sidecars
    keep_mtime: bool = field(kw_only=True)
    dry_run: bool = field(kw_only=True)
    stamp: FileStamp | None = field(kw_only=True)
    machine_only: bool = field(kw_only=True)
    own_digests: frozenset[str] = field(kw_only=True)
    names: bool = field(kw_only=True)

    def undo(self) -> UndoResult:
        """Raises `CaptionRefused`."""
        path = self.sidecars.path
        file = read_file(path, max_bytes=MAX_FILE_BYTES)
        if self.stamp is not None and file.stamp != self.stamp:
            return UndoResult(path, None, restored=False, reason=CHANGED_SINCE, obstacle=Obstacle.OTHERS)
        photo = _open(file)
        if self.machine_only and self._is_described(photo):
            return UndoResult(path, None, restored=False, reason=PERSONS_WORDS)
        own_digests = self._own_digests(file)
        words = (photo and own_caption(photo)) or self.sidecars.own_caption()
        copies = _copies(photo, own_digests) + self.sidecars.copies(own_digests)
        inside = photo.names.persons if photo is not None and photo.names is not None else ()
        names = tuple(dict.fromkeys((*inside, *self.sidecars.names())))
        place, removal, stamp = self._undo_photo(file, photo, own_digests)
        try:
            beside = self.sidecars.undo(dry_run=self.dry_run, own_digests=own_digests, names=self.names)
        except CaptionRefused as refused:
            if place is None or isinstance(refused, ChangedMeanwhile):
                raise
            reason = Reason.of(ReasonCode.PHOTO_DONE, reason=refused.reason)
            return UndoResult(path, place, False, reason, removal.exact, stamp, words, refused.obstacle, copies, names)
        if place is None and beside is None:
            return UndoResult(path, None, restored=False, reason=Reason(ReasonCode.NOT_OURS), stamp=stamp)
        exact = removal.exact and (beside is None or beside.exact)
        shortfall = None if exact else Reason(ReasonCode.ONLY_OUR_FIELDS)
        if removal.remaining:
            captions = [name for name in removal.remaining if name not in NAMES_FIELDS]
            copies_stay = Reason.of(ReasonCode.COPY_STAYS, fields=", ".join(captions))
            shortfall = copies_stay if captions else Reason(ReasonCode.NAMES_REWRITTEN)
        place = place or CaptionPlace.SIDECAR
        return UndoResult(
            path, place, not removal.remaining, shortfall, exact, stamp, words, copies=copies, names=names
        )

    def _own_digests(self, file: FileRead) -> frozenset[str]:
        """Digests of our words by the catalogue and the journal. Not of a model's where only those are asked for: then
        no more is taken out than a mark vouches for."""
        if self.machine_only or self.sidecars.journal is None:
            return self.own_digests
        places = (file.path, *sidecars_of(file.path, self.sidecars.tree))
        return self.own_digests.union(*map(self.sidecars.journal.digests, places))

    def _is_described(self, photo: EditablePhoto | None) -> bool:
        """By a person, in the photo or beside it. Raises `CaptionRefused` where that can't be told."""
        inside = photo is not None and self._user_text(photo) is not None
        return inside or self.sidecars.have_text(self._user_text)

    def _user_text(self, held: EditablePhoto | XmpFile) -> FieldText | None:
        """The first text of a person's that nobody vouches for as ours."""
        return find_user_text((text for text in held.texts if digest(text.text) not in self.own_digests), held.marks)

    def _undo_photo(
        self, file: FileRead, photo: EditablePhoto | None, own_digests: frozenset[str]
    ) -> tuple[CaptionPlace | None, Removal, FileStamp]:
        """Where the caption was in the file, the file without it, and its stamp then."""
        has_names = self.names and photo is not None and (photo.names is not None or photo.has_rewritten_names)
        if photo is None or not (has_names or photo.marks or fields_with(_texts(photo), own_digests)):
            return None, Removal(file.data, file.sha256, exact=True), file.stamp
        restored = remove_caption(photo, file, own_digests, partly=True)
        place = photo.own_place or photo.places[0]
        check_by_journal(restored, file, self.sidecars.journal)
        if has_names and (bare := open_photo(restored.data)) is not None:
            restored = join_removals(restored, remove_names(bare, restored.sha256))
        if self.dry_run or restored.data == file.data:
            return place, restored, file.stamp
        entry = recorder(self.sidecars.journal, "undo", file.path, file.sha256)
        stamp = replace_file(
            file, restored.data, keep_mtime=self.keep_mtime, digest=restored.sha256, before_replacing=entry
        )
        return place, restored, stamp


def _copies(photo: EditablePhoto | None, own_digests: frozenset[str]) -> tuple[str, ...]:
    ours = own_digests | {mark.digest for mark in photo.marks} if photo is not None else own_digests
    return tuple(name for name in fields_with(_texts(photo), ours) if name not in OWN_FIELDS)


def _texts(photo: EditablePhoto | None) -> list[FieldText]:
    """None of a file in which words may be hidden."""
    with suppress(CaptionRefused):
        return photo.texts if photo is not None else []
    return []


def _open(file: FileRead) -> EditablePhoto | None:
    """None where the file is not one that we ever write into."""
    try:
        return open_photo(file.data) if len(file.data) <= MAX_EDIT_BYTES else None
    except CaptionRefused:
        return None
