"""Captions in photo files: the ladder from the Exif block down to the index, and the way back.

Everything here is synchronous and runs in the photo worker's process.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from captioner import Caption
from indexer.captions.caption_edit import (
    EditablePhoto,
    XmpFile,
    check_edit,
    check_removal,
    open_photo,
    own_caption,
    persons_caption,
)
from indexer.captions.journal import Journal, recording
from indexer.captions.own_caption import OwnCaption, digest, sha256
from indexer.captions.replace import CannotReplace, ChangedMeanwhile, FileRead, read_file, replace_file
from indexer.captions.sidecar import Sidecars
from indexer.errors import CaptionRefused, UnreadablePhoto
from indexer.photo import CaptionPlace, FileCaption, FileStamp, Written
from indexer.reading.metadata import read_metadata

PERSONS_WORDS = "a person has described this photo"

#: Folders in which a program keeps its own account of every file: nothing is written there, nor beside.
MANAGED_LIBRARIES = frozenset({".photoslibrary", ".photolibrary", ".migratedphotolibrary", ".aplibrary"})

_ATTEMPTS = 3
_MAX_FILE_BYTES = 128 << 20  # whole files are held in memory, several times over while an edit is verified


def read_own_caption(data: bytes) -> FileCaption | None:
    """The caption of ours in a photo's bytes, or in a sidecar's (XMP).

    None where there is none, and where a person has since changed the text in every field: a text that differs from
    what this returns is a person's. Never raises.
    """
    try:
        photo = open_photo(data)
        if photo is None and data[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            return own_caption(XmpFile(data))
        return own_caption(photo) if photo is not None else None
    except CaptionRefused:
        return None


@dataclass(frozen=True, slots=True)
class Undone:
    """What an undo did. `restored`: nothing of ours is left in the photo or beside it; `exact`: every file is byte for
    byte what it was before the caption; `place`: where the caption was."""

    path: Path
    place: CaptionPlace | None
    restored: bool
    reason: str | None = None
    exact: bool = False


def write_caption(
    path: Path,
    caption: Caption,
    *,
    stamp: FileStamp,
    mode: Literal["embed", "sidecar"] = "embed",
    keep_mtime: bool = True,
    sidecar_dir: Path | None = None,
    journal: Journal | None = None,
) -> Written:
    """Puts a caption as far up the ladder as is safe: Exif, XMP, sidecar, index only.

    `stamp` is the file's when its picture was looked at. A file that has another one now is left alone: the words may
    not be about what it shows. The returned stamp is the file's after the write; it stays the old one where another
    program has had a hand in the file meanwhile, so that the next walk looks at it again.

    Raises `PhotoVanished` where the file is not there, `StorageError` where the journal can't be written.
    """
    if (library := managed_library(path)) is not None:
        return Written(CaptionPlace.INDEX, stamp, f"the file is kept by another program's library ({library.name})")
    sidecars = Sidecars(path, sidecar_dir, journal)
    first: _Writing | None = None
    for _ in range(_ATTEMPTS):
        try:
            file = read_file(path, max_bytes=_MAX_FILE_BYTES)
            writing = _Writing(file, caption, sidecars, keep_mtime=keep_mtime)
            first = first or writing
            if (file.stamp != stamp) if writing is first else (writing.picture != first.picture):
                return Written(CaptionPlace.INDEX, stamp, "the file has changed since it was looked at")
            written = writing.down_the_ladder(embed=mode == "embed")
        except ChangedMeanwhile:
            continue
        except CannotReplace as error:
            return Written(CaptionPlace.INDEX, stamp, str(error))
        return written if writing is first else Written(written.place, stamp, written.reason)
    return Written(CaptionPlace.INDEX, stamp, "other programs keep changing the file")


def managed_library(path: Path) -> Path | None:
    """The folder of another program's library, such as Apple Photos', that this file lies in."""
    return next((folder for folder in path.parents if folder.suffix.lower() in MANAGED_LIBRARIES), None)


@dataclass(slots=True)
class _Writing:
    """One attempt at a file that has been read. `reasons` tell why it is not further up the ladder."""

    file: FileRead
    caption: Caption
    sidecars: Sidecars
    keep_mtime: bool = field(kw_only=True)
    reasons: list[str] = field(default_factory=list, init=False)
    photo: EditablePhoto | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        try:
            self.photo = open_photo(self.file.data)
            if self.photo is None:
                self.reasons.append("files of this format are not changed")
        except CaptionRefused as refused:
            self.reasons.append(str(refused))

    @property
    def picture(self) -> str:
        """Tells whether the file still shows the same photo."""
        return self.photo.picture if self.photo is not None else self.file.sha256

    def down_the_ladder(self, *, embed: bool) -> Written:
        """The first rung that holds. Raises `ChangedMeanwhile`."""
        try:
            OwnCaption.of(self.caption, before="")
            if self._is_described():
                return self._written(CaptionPlace.INDEX, PERSONS_WORDS)
        except CaptionRefused as refused:
            return self._written(CaptionPlace.INDEX, str(refused))
        if not embed:
            self.reasons.clear()
        return (embed and self._into_the_file()) or self._beside_the_file()

    def _is_described(self) -> bool:
        """By a person. Raises `CaptionRefused` where that can't be told."""
        if self.sidecars.have_persons_words():
            return True
        if self.photo is not None:
            return persons_caption(self.photo) is not None
        try:
            return read_metadata(self.file.data, self.sidecars.path).person_caption is not None
        except UnreadablePhoto:
            return False

    def _into_the_file(self) -> Written | None:
        if self.photo is None:
            return None
        try:
            base, _ = _bare(self.photo, self.file)
            own = OwnCaption.of(self.caption, before=self.file.sha256 if base is self.file.data else sha256(base))
            known = own_caption(self.photo)
            if known is not None and (known.text, known.model) == (own.text, own.mark.model):
                return self._written(self.photo.own_place or CaptionPlace.XMP, None)
            bare = self.photo if base is self.file.data else open_photo(base) or self.photo
        except CaptionRefused as refused:
            self.reasons.append(str(refused))
            return None
        for place in bare.places:
            try:
                return self._embedded(bare, place, base, own)
            except ChangedMeanwhile:
                raise
            except CaptionRefused as refused:
                self.reasons.append(str(refused))
                if isinstance(refused, CannotReplace):
                    break
        return None

    def _embedded(self, photo: EditablePhoto, place: CaptionPlace, base: bytes, own: OwnCaption) -> Written:
        new = photo.embed(own, place)
        check_edit(base, new, own)
        entry = recording(self.sidecars.journal, "write", self.file.path, self.file.sha256, model=own.mark.model)
        after = replace_file(self.file, new, keep_mtime=self.keep_mtime, before_replacing=entry)
        self._forget_sidecar()
        return Written(place, after, self._why)

    def _forget_sidecar(self) -> None:
        """An older caption of ours beside the file would contradict the one in it; one that can't be removed is told
        by its model and date."""
        try:
            self.sidecars.undo()
        except CaptionRefused as refused:
            self.reasons.append(f"an older sidecar stays: {refused}")

    def _beside_the_file(self) -> Written:
        try:
            self.sidecars.write(self.caption)
        except ChangedMeanwhile:
            raise
        except CaptionRefused as refused:
            self.reasons.append(f"no sidecar: {refused}")
            return self._written(CaptionPlace.INDEX, self._why)
        return self._written(CaptionPlace.SIDECAR, self._why)

    @property
    def _why(self) -> str | None:
        return "; ".join(dict.fromkeys(self.reasons)) or None

    def _written(self, place: CaptionPlace, reason: str | None) -> Written:
        return Written(place, self.file.stamp, reason)


def _bare(photo: EditablePhoto, file: FileRead) -> tuple[bytes, bool]:
    """The file without our caption, and whether that is exactly what it was before; proved where it is not.

    Raises `CaptionRefused` where it can't be taken out without risk.
    """
    if not photo.marks:
        return file.data, True
    bare = photo.bare()
    if sha256(bare) in {mark.before for mark in photo.marks}:
        return bare, True
    check_removal(file.data, bare)
    left = open_photo(bare)
    ours = {mark.digest for mark in photo.marks}
    if left is None or left.texts != [text for text in photo.texts if digest(text.text) not in ours]:
        raise CaptionRefused("another program has changed the file since, and more than our caption would be lost")
    return bare, False


def undo_caption(
    path: Path, *, journal: Journal | None = None, sidecar_dir: Path | None = None, keep_mtime: bool = True
) -> Undone:
    """Takes our caption out of a photo and its sidecars, by what stands in the files alone.

    Where another program has changed a file since, only our fields are taken out of it (`exact` is false); where that
    can't be done safely the file stays as it is, and `reason` says why. Raises `PhotoVanished`, `StorageError`.
    """
    sidecars = Sidecars(path, sidecar_dir, journal)
    for _ in range(_ATTEMPTS):
        try:
            return _undo_once(path, sidecars, keep_mtime=keep_mtime)
        except ChangedMeanwhile:
            continue
        except CaptionRefused as refused:
            return Undone(path, None, restored=False, reason=str(refused))
    return Undone(path, None, restored=False, reason="other programs keep changing the file")


def _undo_once(path: Path, sidecars: Sidecars, *, keep_mtime: bool) -> Undone:
    file = read_file(path, max_bytes=_MAX_FILE_BYTES)
    place, exact = _undo_inside(file, sidecars.journal, keep_mtime=keep_mtime)
    beside = sidecars.undo()
    if place is None and beside is None:
        return Undone(path, None, restored=False, reason="there is no caption of ours")
    exact = exact and (beside is None or beside.exact)
    why = None if exact else "another program has changed the file since: only our own fields were taken out"
    return Undone(path, place or CaptionPlace.SIDECAR, restored=True, reason=why, exact=exact)


def _undo_inside(file: FileRead, journal: Journal | None, *, keep_mtime: bool) -> tuple[CaptionPlace | None, bool]:
    """Where the caption was in the file, and whether the file is again exactly what it was."""
    try:
        photo = open_photo(file.data)
    except CaptionRefused:
        return None, True  # we never write into a file that is not understood
    if photo is None or not photo.marks:
        return None, True
    restored, exact = _bare(photo, file)
    entry = recording(journal, "undo", file.path, file.sha256)
    replace_file(file, restored, keep_mtime=keep_mtime, before_replacing=entry)
    return photo.own_place, exact
