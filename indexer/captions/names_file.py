"""Names of faces in photo files: regions and persons in XMP, in the file where that is safe, else in its sidecar.
Everything here is synchronous and runs in the photo worker's process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from indexer.atomic.file_read import ChangedMeanwhile, FileRead, leaves_roots, read_file
from indexer.atomic.replace import replace_file
from indexer.captions.caption_file import (
    ATTEMPTS,
    CHANGED_SINCE,
    KEPT_CHANGING,
    LINK_OUT,
    MAX_EDIT_BYTES,
    MAX_FILE_BYTES,
    managed_library,
)
from indexer.captions.checks import check_edit, check_names_edit, remove_caption, remove_names
from indexer.captions.journal import Journal, recorder
from indexer.captions.sidecar import Sidecars
from indexer.errors import CaptionRefused, Obstacle, UnreadablePhoto
from indexer.face_box import FaceBox, FaceRegion
from indexer.formats.editable import open_photo
from indexer.formats.photo import EditablePhoto
from indexer.formats.xmp_people import NamedFaces
from indexer.formats.xmp_regions import XmpRegion
from indexer.metadata.face_regions import turn_back
from indexer.metadata.read_metadata import read_metadata
from indexer.model import CaptionPlace, FileStamp, WriteResult
from indexer.ownership.mark import OwnCaption, own_caption_of, sha256
from indexer.reasons import Reason, ReasonCode


def write_names(
    path: Path,
    regions: Sequence[FaceRegion],
    *,
    stamp: FileStamp,
    mode: Literal["embed", "sidecar"] = "embed",
    keep_mtime: bool = True,
    sidecar_dir: Path | None = None,
    journal: Journal | None = None,
    roots: Sequence[Path] = (),
) -> WriteResult:
    """Makes `regions` (of the upright picture) the names that stand in a photo's XMP; none takes ours out again.

    A caption of ours that stands there stays: it is taken out before and put back in after, in the same replacement.
    Where another program has named faces, or rewritten what we wrote, nothing is changed. A file that has another
    stamp than this one is left alone. Raises `PhotoVanished`, `StorageError`.
    """
    if (library := managed_library(path)) is not None:
        return WriteResult(CaptionPlace.INDEX, stamp, Reason.of(ReasonCode.MANAGED_LIBRARY, library=library.name))
    sidecars = Sidecars(path, sidecar_dir, journal, tuple(roots))
    for _ in range(ATTEMPTS):
        try:
            file = read_file(path, max_bytes=MAX_FILE_BYTES)
            if file.stamp != stamp:
                return WriteResult(CaptionPlace.INDEX, stamp, CHANGED_SINCE, obstacle=Obstacle.OTHERS)
            return _Writing(file, _stored_faces(file, regions), sidecars, keep_mtime=keep_mtime).write(mode)
        except ChangedMeanwhile:
            continue
        except CaptionRefused as refused:
            return WriteResult(CaptionPlace.INDEX, stamp, refused.reason, obstacle=refused.obstacle)
    return WriteResult(CaptionPlace.INDEX, stamp, KEPT_CHANGING, obstacle=Obstacle.OTHERS)


def _stored_faces(file: FileRead, regions: Sequence[FaceRegion]) -> NamedFaces:
    """The faces in the picture as it is stored: what readers of regions turn upright. Raises `CaptionRefused`."""
    try:
        metadata = read_metadata(file.data, file.path)
    except UnreadablePhoto as error:
        raise CaptionRefused(error.reason) from error
    # HEIF's orientation is part of how the picture is stored (ISO/IEC 23008-12), whatever EXIF's says.
    orientation = 1 if metadata.mime_type == "image/heic" else metadata.orientation
    width, height = metadata.width_px, metadata.height_px
    boxes = [turn_back(_inside(region.box), orientation) for region in regions]
    return NamedFaces(
        regions=tuple(
            XmpRegion(region.name, box.left, box.top, box.width, box.height)
            for region, box in zip(regions, boxes, strict=True)
        ),
        width_px=height if orientation >= 5 else width,
        height_px=width if orientation >= 5 else height,
    )


def _inside(box: FaceBox) -> FaceBox:
    """What of a box lies in the picture: faces at its edge go beyond it."""
    left, top = max(0.0, box.left), max(0.0, box.top)
    return FaceBox(left, top, min(1.0, box.left + box.width) - left, min(1.0, box.top + box.height) - top)


@dataclass(slots=True)
class _Writing:
    """One attempt at a file that has been read. `reasons` tell why the names are in no better place."""

    file: FileRead
    faces: NamedFaces
    sidecars: Sidecars
    keep_mtime: bool = field(kw_only=True)
    reasons: list[CaptionRefused] = field(default_factory=list, init=False)

    def write(self, mode: Literal["embed", "sidecar"]) -> WriteResult:
        """Into the file, else into the sidecar; into one of them only. Raises `CaptionRefused`."""
        nobody = replace(self.faces, regions=())
        stamp = self._write_into_file(self.faces if mode == "embed" else nobody)
        if stamp is not None and (mode == "embed" or not self.faces.regions):
            self.sidecars.write_names(nobody)
            return WriteResult(CaptionPlace.XMP if self.faces.regions else CaptionPlace.INDEX, stamp)
        if stamp is None:  # older names may stand in the file, which would contradict those beside it
            stamp = self._write_into_file(nobody)
        place = CaptionPlace.SIDECAR if self.faces.regions else CaptionPlace.INDEX
        try:
            self.sidecars.write_names(self.faces)
        except ChangedMeanwhile:
            raise
        except CaptionRefused as refused:
            self.reasons.append(refused)
            place = CaptionPlace.INDEX
        reason = Reason.joined(one.reason for one in self.reasons)
        obstacle = next((one.obstacle for one in self.reasons if one.obstacle), None)
        return WriteResult(place, stamp or self.file.stamp, reason, obstacle=obstacle)

    def _write_into_file(self, faces: NamedFaces) -> FileStamp | None:
        """The file's stamp afterwards; None where a sidecar has to do. Raises `CaptionRefused` where that must not be
        either, and `ChangedMeanwhile`."""
        try:
            if leaves_roots(self.sidecars.path, self.file.path, self.sidecars.roots):
                raise CaptionRefused(LINK_OUT)
            photo = self._open()
            if photo is None:
                raise CaptionRefused(ReasonCode.FORMAT_NOT_CHANGED)
            return self._replace_names(photo, faces)
        except ChangedMeanwhile:
            raise
        except CaptionRefused as refused:
            if refused.reason.code in {ReasonCode.OTHER_REGIONS, ReasonCode.NAMES_REWRITTEN}:
                raise  # other names in the sidecar would contradict those in the file
            self.reasons.append(refused)
            return None

    def _open(self) -> EditablePhoto | None:
        if len(self.file.data) > MAX_EDIT_BYTES:
            raise CaptionRefused(ReasonCode.TOO_LARGE_TO_CHANGE, limit=MAX_EDIT_BYTES >> 20)
        return open_photo(self.file.data, self.file.path.suffix)

    def _replace_names(self, photo: EditablePhoto, faces: NamedFaces) -> FileStamp:
        if photo.has_rewritten_names:
            raise CaptionRefused(ReasonCode.NAMES_REWRITTEN)
        if (photo.names.digest if photo.names is not None else None) == (faces.digest if faces.regions else None):
            return self.file.stamp
        bare, caption = self._without_own(photo)
        new = self._with_names(bare, faces) if faces.regions else bare
        own = None
        if caption is not None:
            own = replace(caption, mark=replace(caption.mark, before=sha256(new)))
            without, place = new, photo.own_place or CaptionPlace.XMP
            new = _opened(without).embed(own, place)
            check_edit(without, new, own)
        entry = recorder(self.sidecars.journal, "write", self.file.path, self.file.sha256, own=own)
        return replace_file(self.file, new, keep_mtime=self.keep_mtime, before_replacing=entry)

    def _without_own(self, photo: EditablePhoto) -> tuple[bytes, OwnCaption | None]:
        """The file without anything of ours, and the caption that stood in it."""
        caption = own_caption_of(photo.texts, photo.marks)
        without = remove_caption(photo, self.file)
        names = remove_names(_opened(without.data), without.sha256) if photo.names is not None else without
        if caption is None and photo.marks:
            raise CaptionRefused(ReasonCode.NAMES_REWRITTEN)
        return names.data, caption

    @staticmethod
    def _with_names(bare: bytes, faces: NamedFaces) -> bytes:
        faces = replace(faces, before=sha256(bare))
        new = _opened(bare).embed_names(faces)
        check_names_edit(bare, new, faces)
        return new


def _opened(data: bytes) -> EditablePhoto:
    photo = open_photo(data)
    if photo is None:
        raise CaptionRefused(ReasonCode.MORE_WOULD_BE_LOST)
    return photo
