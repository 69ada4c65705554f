"""Captions in photo files: written into the best place that is safe. Everything here is synchronous and runs in the
photo worker's process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from captioner import Caption
from indexer.atomic.file_read import CannotReplace, ChangedMeanwhile, FileRead, leaves_roots, read_file
from indexer.atomic.replace import replace_file
from indexer.captions.checks import check_edit, remove_caption
from indexer.captions.journal import Journal, recorder
from indexer.captions.sidecar import Sidecars
from indexer.errors import CaptionRefused, Obstacle, UnreadablePhoto
from indexer.formats.editable import open_photo
from indexer.formats.photo import EditablePhoto, XmpFile, foreign_text, user_caption
from indexer.metadata.read_metadata import read_metadata, text_digests
from indexer.model import CaptionBy, CaptionPlace, FileCaption, FileStamp, WriteResult
from indexer.ownership.mark import (
    MOST_OVERRULED,
    FieldText,
    OwnCaption,
)
from indexer.reasons import Reason, ReasonCode

PERSONS_WORDS = Reason(ReasonCode.DESCRIBED)
CHANGED_SINCE = Reason(ReasonCode.CHANGED_SINCE)
KEPT_CHANGING = Reason(ReasonCode.KEPT_CHANGING)
LINK_OUT = Reason(ReasonCode.LINK_OUT)
OTHER_WORDS = Reason(ReasonCode.OTHER_WORDS)

#: Folders in which a program keeps its own account of every file: nothing is written there, nor beside.
MANAGED_LIBRARIES = frozenset({".photoslibrary", ".photolibrary", ".migratedphotolibrary", ".aplibrary"})

#: So often a file that changes meanwhile is begun anew.
ATTEMPTS = 3
MAX_FILE_BYTES = 512 << 20
MAX_EDIT_BYTES = 128 << 20  # while an edit is verified the file is held in memory several times over


def write_caption(
    path: Path,
    words: Caption | FileCaption,
    *,
    stamp: FileStamp,
    mode: Literal["embed", "sidecar"] = "embed",
    over_correction: bool = False,
    keep_mtime: bool = True,
    sidecar_dir: Path | None = None,
    journal: Journal | None = None,
    roots: Sequence[Path] = (),
) -> WriteResult:
    """Puts a caption into the best place that is safe: Exif, XMP, sidecar, else the index only.

    A person's words are never overwritten: beside them a model's stay in the index. A correction (`words` by a person)
    takes the place of what this program wrote, and stands in a sidecar where another program's words are in the file
    (in our own property where they are in that, too); its mark remembers above which words it was put.
    `over_correction`: a correction of ours is taken back, and may be replaced by the model's words.
    `roots` are the libraries: a symbolic link below one of them is written through only where it leads into one.

    `stamp` is the file's when its picture was looked at. A file that has another one now is left alone: the words may
    not be about what it shows. The returned stamp is the file's after the write; it stays the old one where another
    program has had a hand in the file meanwhile, so that the next walk looks at it again.

    Raises `PhotoVanished` where the file is not there, `StorageError` where the journal can't be written.
    """
    if (library := managed_library(path)) is not None:
        reason = Reason.of(ReasonCode.MANAGED_LIBRARY, library=library.name)
        return WriteResult(CaptionPlace.INDEX, stamp, reason)
    sidecars, text = Sidecars(path, sidecar_dir, journal, tuple(roots)), FileCaption.of(words)
    first: _Writing | None = None
    for _ in range(ATTEMPTS):
        try:
            file = read_file(path, max_bytes=MAX_FILE_BYTES)
            writing = _Writing(file, text, sidecars, keep_mtime=keep_mtime, over_correction=over_correction)
            first = first or writing
            if (file.stamp != stamp) if writing is first else (writing.picture_digest != first.picture_digest):
                return WriteResult(CaptionPlace.INDEX, stamp, CHANGED_SINCE, obstacle=Obstacle.OTHERS)
            written = writing.write(embed=mode == "embed")
        except ChangedMeanwhile:
            continue
        except CannotReplace as error:
            return WriteResult(CaptionPlace.INDEX, stamp, error.reason, obstacle=error.obstacle)
        return written if writing is first else replace(written, stamp=stamp)
    return WriteResult(CaptionPlace.INDEX, stamp, KEPT_CHANGING, obstacle=Obstacle.OTHERS)


def managed_library(path: Path) -> Path | None:
    """The folder of another program's library, such as Apple Photos', that this file lies in."""
    return next((folder for folder in path.parents if folder.suffix.lower() in MANAGED_LIBRARIES), None)


@dataclass(slots=True)
class _Writing:
    """One attempt at a file that has been read. `reasons` tell why it is in no better place, and `obstacle` what
    of that may be over later."""

    file: FileRead
    words: FileCaption
    sidecars: Sidecars
    keep_mtime: bool = field(kw_only=True)
    over_correction: bool = field(kw_only=True)
    reasons: list[Reason] = field(default_factory=list, init=False)
    obstacle: Obstacle | None = field(default=None, init=False)
    photo: EditablePhoto | None = field(default=None, init=False)
    overrules: frozenset[str] = field(default=frozenset(), init=False)

    def __post_init__(self) -> None:
        if len(self.file.data) > MAX_EDIT_BYTES:
            self.reasons.append(Reason.of(ReasonCode.TOO_LARGE_TO_CHANGE, limit=MAX_EDIT_BYTES >> 20))
            return
        try:
            self.photo = open_photo(self.file.data, self.file.path.suffix)
            if self.photo is None:
                self.reasons.append(Reason(ReasonCode.FORMAT_NOT_CHANGED))
        except CaptionRefused as refused:
            self.reasons.append(refused.reason)

    @property
    def picture_digest(self) -> str:
        """Tells whether the file still shows the same photo."""
        return self.photo.picture_digest if self.photo is not None else self.file.sha256

    def write(self, *, embed: bool) -> WriteResult:
        """Tries the places, best first. Raises `ChangedMeanwhile`."""
        try:
            own = OwnCaption.of(self.words, before="")
            if self.words.by is CaptionBy.PERSON:
                self.overrules = self._other_texts() - {own.mark.digest}
            beside = self._reason_against(lambda: self.sidecars.have_text(self._protected_text))
            inside = self._reason_against(self._is_described)
        except CaptionRefused as refused:
            self.obstacle = refused.obstacle
            return self._outcome(CaptionPlace.INDEX, refused.reason)
        if (beside or inside) and self.words.by is CaptionBy.MODEL:
            return self._outcome(CaptionPlace.INDEX, PERSONS_WORDS)
        if inside or not embed:
            self.reasons = [inside] if inside else []
            self.obstacle = None if inside else Obstacle.SIDECAR_WANTED
            return self._write_sidecar()
        if leaves_roots(self.sidecars.path, self.file.path, self.sidecars.roots):
            self.reasons = [LINK_OUT]
            return self._write_sidecar()
        return self._write_into_file() or self._write_sidecar()

    def _reason_against(self, find: Callable[[], bool]) -> Reason | None:
        """`OTHER_WORDS` where `find` finds some. Where that can't be told, a correction goes elsewhere: why it can't.
        Raises `CaptionRefused`."""
        try:
            return OTHER_WORDS if find() else None
        except CaptionRefused as refused:
            if self.words.by is CaptionBy.MODEL or isinstance(refused, CannotReplace):
                raise
            return refused.reason

    def _protected_text(self, photo: EditablePhoto | XmpFile) -> FieldText | None:
        """Words that must not be overwritten, nor contradicted by a model. Raises `CaptionRefused`."""
        if self.words.by is CaptionBy.PERSON or self.over_correction:
            return foreign_text(photo)
        return user_caption(photo)

    def _other_texts(self) -> frozenset[str]:
        """Digests of what stands where captions stand, in the file and beside it. Raises `CaptionRefused`."""
        try:
            found = text_digests(self.file.data, self.sidecars.path, self.sidecars.packets())
        except UnreadablePhoto as error:
            raise CaptionRefused(ReasonCode.UNREADABLE_WORDS, reason=error.reason) from error
        if len(found) > MOST_OVERRULED:
            raise CaptionRefused(ReasonCode.TOO_MANY_TEXTS)
        return found

    def _is_described(self) -> bool:
        """In the file itself, by a person. Raises `CaptionRefused` where that can't be told."""
        if self.photo is not None:
            return self._protected_text(self.photo) is not None
        try:
            return read_metadata(self.file.data, self.sidecars.path).person_caption is not None
        except UnreadablePhoto:
            return False

    def _write_into_file(self) -> WriteResult | None:
        if self.photo is None:
            return None
        try:
            without = remove_caption(self.photo, self.file)
            base, own = without.data, OwnCaption.of(self.words, before=without.sha256, overrules=self.overrules)
            is_present = own.stands_in(self.photo.texts, self.photo.marks)
            if is_present and not any(mark.outdated for mark in self.photo.marks):
                return self._outcome(self.photo.own_place or CaptionPlace.XMP, None)
            target = self.photo if base is self.file.data else open_photo(base) or self.photo
        except CaptionRefused as refused:
            self.reasons.append(refused.reason)
            return None
        for place in target.places:
            try:
                return self._embed(target, place, base, own)
            except ChangedMeanwhile:
                raise
            except CaptionRefused as refused:
                self.reasons.append(refused.reason)
                self.obstacle = self.obstacle or refused.obstacle
                if isinstance(refused, CannotReplace):
                    break
        return self._outcome(self.photo.own_place or CaptionPlace.XMP, None) if is_present else None

    def _embed(self, photo: EditablePhoto, place: CaptionPlace, base: bytes, own: OwnCaption) -> WriteResult:
        new = photo.embed(own, place)
        check_edit(base, new, own)
        entry = recorder(self.sidecars.journal, "write", self.file.path, self.file.sha256, own=own)
        after = replace_file(self.file, new, keep_mtime=self.keep_mtime, before_replacing=entry)
        self._remove_own_sidecar()
        return WriteResult(place, after, self._joined_reason, obstacle=self.obstacle)

    def _remove_own_sidecar(self) -> None:
        """An older caption of ours beside the file would contradict the one in it; one that can't be removed is told
        by its model and date."""
        try:
            self.sidecars.undo()
        except CaptionRefused as refused:
            self.reasons.append(Reason.of(ReasonCode.OLD_SIDECAR_STAYS, reason=refused.reason))

    def _write_sidecar(self) -> WriteResult:
        try:
            self.sidecars.write(self.words, self.overrules)
        except ChangedMeanwhile:
            raise
        except CaptionRefused as refused:
            self.obstacle = refused.obstacle or self.obstacle
            again = refused.reason in self.reasons
            either = Reason(ReasonCode.NO_SIDECAR_EITHER)
            self.reasons.append(either if again else Reason.of(ReasonCode.NO_SIDECAR, reason=refused.reason))
            return self._outcome(CaptionPlace.INDEX, self._joined_reason)
        return self._outcome(CaptionPlace.SIDECAR, self._joined_reason)

    @property
    def _joined_reason(self) -> Reason | None:
        return Reason.joined(self.reasons)

    def _outcome(self, place: CaptionPlace, reason: Reason | None) -> WriteResult:
        return WriteResult(place, self.file.stamp, reason, obstacle=self.obstacle)
