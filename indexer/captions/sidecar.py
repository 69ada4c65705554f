"""XMP sidecars: `IMG_1234.JPG.xmp`, beside the photo or in a tree of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from captioner import Caption
from indexer.atomic.file_read import CannotReplace, FileRead, leaves_roots, read_file
from indexer.atomic.replace import create_file, delete_file, replace_file
from indexer.captions.journal import Journal, recorder
from indexer.captions.verify import VerifyError, require
from indexer.captions.verify.metadata import check_packet_edit, check_removed_packets
from indexer.captions.verify.names import check_names_packet, check_removed_names
from indexer.errors import CaptionRefused, Obstacle, PhotoVanished
from indexer.formats import xmp_packet, xmp_people
from indexer.formats.photo import XmpFile, own_caption
from indexer.formats.xmp import read_xmp
from indexer.formats.xmp_packet import may_describe
from indexer.formats.xmp_people import NamedFaces
from indexer.formats.xmp_tree import MAX_PACKET_BYTES, XmpError
from indexer.metadata.sidecar_files import find_xmp_sidecars
from indexer.model import CaptionBy, FileCaption
from indexer.ownership.mark import (
    OWN_FIELDS,
    FieldText,
    Mark,
    OwnCaption,
    Stripped,
    check_words,
    fields_with,
    own_caption_of,
    sha256,
)
from indexer.reasons import ReasonCode


def sidecar_path(path: Path, sidecar_dir: Path | None = None) -> Path:
    """Where a photo's sidecar is written: beside it, or below `sidecar_dir` at the photo's own absolute path."""
    name = path.name + ".xmp"
    if sidecar_dir is None:
        return path.with_name(name)
    folder = path.parent.absolute()
    return sidecar_dir / folder.relative_to(folder.anchor) / name


def sidecars_of(path: Path, sidecar_dir: Path | None = None) -> tuple[Path, ...]:
    """Every place where a sidecar of this photo may lie, ours first: `A.JPG.xmp`, `A.xmp`, and in the tree; and those
    that are there in another letter case. `A.JPG.xmp` comes before `A.xmp` in whatever case."""
    beside = find_xmp_sidecars(path)
    whole = [place for place in beside if place.stem.lower() == path.name.lower()]
    places = [sidecar_path(path), *whole, path.with_suffix(".xmp"), *beside]
    if sidecar_dir is not None:
        in_tree = sidecar_path(path, sidecar_dir)
        there = find_xmp_sidecars(in_tree.with_suffix(""))
        places += [in_tree, *(place for place in there if place.name.lower() == in_tree.name.lower())]
    found: list[Path] = []
    for place in dict.fromkeys(places):
        if not any(_is_same(place, other) for other in found):
            found.append(place)
    return tuple(found)


def _is_same(place: Path, other: Path) -> bool:
    """Whether both names are one file, as on file systems to which letter case is nothing."""
    if place.name.lower() != other.name.lower():
        return False
    try:
        return place.samefile(other)
    except OSError:
        return False


def is_of_another(place: Path, sidecar: bytes, path: Path) -> bool:
    """Whether the sidecar `A.xmp` at `place` says itself that it is that of another file than the photo at `path`:
    photoshop:SidecarForExtension names it, and it is there. `A.JPG.xmp` says by its name whose it is."""
    if place.stem.lower() == path.name.lower() or b"SidecarForExtension" not in sidecar.replace(b"\0", b""):
        return False
    found = read_xmp(sidecar)
    named = _extension(found.sidecar_for or "") if found is not None else ""
    if not named or named == _extension(path.suffix):
        return False
    return any(
        other.stem.lower() == path.stem.lower() and _extension(other.suffix) == named for other in _files_beside(path)
    )


def _extension(suffix: str) -> str:
    ending = suffix.strip().lstrip(".").lower()
    return {"jpeg": "jpg", "tiff": "tif", "heif": "heic"}.get(ending, ending)


def _files_beside(path: Path) -> list[Path]:
    try:
        return list(path.parent.iterdir())
    except OSError:
        return []


@dataclass(frozen=True, slots=True)
class Sidecars:
    """The sidecars of one photo. `tree` is the directory for those that can't lie beside it (`sidecar_dir`); `roots`
    are the libraries, out of which no symbolic link is followed for writing."""

    path: Path
    tree: Path | None = None
    journal: Journal | None = None
    roots: tuple[Path, ...] = ()

    def have_text(self, find: Callable[[XmpFile], FieldText | None]) -> bool:
        """Whether one has words of those that `find` finds. Raises `CaptionRefused` where that can't be told."""
        for file in self._read_all():
            try:
                if find(XmpFile(file.data)) is not None:
                    return True
            except XmpError as error:
                if may_describe(file.data):
                    raise CaptionRefused(
                        ReasonCode.SIDECAR_MAY_DESCRIBE,
                        name=file.path.name,
                        reason=error.reason,
                        obstacle=Obstacle.OTHERS,
                    ) from error
        return False

    def packets(self) -> list[bytes]:
        """Their bytes, the most telling first. Raises `CannotReplace` where one can't be read."""
        return [file.data for file in self._read_all()]

    def copies(self, digests: frozenset[str]) -> tuple[str, ...]:
        """The fields of sidecars into which another program has copied a text of one of these digests, or of ours."""
        found: list[str] = []
        for file in self._read_all():
            with suppress(XmpError):
                sidecar = XmpFile(file.data)
                ours = digests | {mark.digest for mark in sidecar.marks}
                found += [name for name in fields_with(sidecar.texts, ours) if name not in OWN_FIELDS]
        return tuple(found)

    def own_caption(self) -> FileCaption | None:
        """Ours, in the first sidecar that has one."""
        for file in self._read_all():
            with suppress(XmpError):
                if (found := own_caption(XmpFile(file.data))) is not None:
                    return found
        return None

    def write(self, words: Caption | FileCaption, overrules: frozenset[str] = frozenset()) -> Path:
        """Writes the caption beside the photo, or into the tree where the folder can't be written to. A sidecar that
        is there is spliced. `overrules`: see `Mark`. Returns the sidecar's path.

        Raises `CaptionRefused` with the reason, `ChangedMeanwhile` where another program was faster.
        """
        place = sidecar_path(self.path)
        try:
            self._write_at(place, words, overrules)
        except CannotReplace:
            if self.tree is None:
                raise
            place = sidecar_path(self.path, self.tree)
            self._write_at(place, words, overrules)
        return place

    def _write_at(self, place: Path, words: Caption | FileCaption, overrules: frozenset[str]) -> None:
        try:
            file = read_file(place, max_bytes=MAX_PACKET_BYTES)
        except PhotoVanished:
            if os.path.islink(place):  # noqa: PTH114 - says no, and raises nothing, where the name is too long
                raise CannotReplace(ReasonCode.DEAD_LINK) from None
            self._check_inside(place, Path(os.path.realpath(place)))
            own = OwnCaption.of(words, before="", overrules=overrules)
            new = xmp_packet.compose_packet(own)
            _check(None, new, own)
            entry = recorder(self.journal, "write", place, None, own=own)
            create_file(place, new, make_folders=place.parent != self.path.parent, before_replacing=entry)
            return
        self._check_inside(place, file.path)
        sidecar = XmpFile(file.data)
        outdated = any(mark.outdated for mark in sidecar.marks)
        own = OwnCaption.of(words, before="", overrules=overrules)
        if own.stands_in(sidecar.texts, sidecar.marks) and not outdated:
            return
        base = _strip(sidecar, file.data).data
        own = OwnCaption.of(words, before="" if base is None else sha256(base), overrules=overrules)
        new = _splice(base, own)
        _check(base, new, own)
        entry = recorder(self.journal, "write", file.path, file.sha256, own=own)
        replace_file(file, new, keep_mtime=False, before_replacing=entry)

    def write_names(self, faces: NamedFaces) -> None:
        """Makes `faces` the names in the sidecar; without any of them ours are taken out of every sidecar. Our caption
        in it stays. Raises `CaptionRefused`, `ChangedMeanwhile`."""
        place = self._place_of_names
        for file in self._read_all():
            if not faces.regions or file.path != Path(os.path.realpath(place)):
                self._replace_names(file, replace(faces, regions=()))
        if faces.regions:
            self._write_names_at(place, faces)

    @property
    def _place_of_names(self) -> Path:
        """Where a sidecar of ours is, or would be written: in the tree where the folder can't be written to."""
        beside = sidecar_path(self.path)
        return beside if self.tree is None or os.access(beside.parent, os.W_OK) else sidecar_path(self.path, self.tree)

    def _write_names_at(self, place: Path, faces: NamedFaces) -> None:
        try:
            file = read_file(place, max_bytes=MAX_PACKET_BYTES)
        except PhotoVanished:
            self._check_inside(place, Path(os.path.realpath(place)))
            new = xmp_people.add_names(None, faces)
            _check_names(None, new, faces)
            entry = recorder(self.journal, "write", place, None)
            create_file(place, new, make_folders=place.parent != self.path.parent, before_replacing=entry)
            return
        self._check_inside(place, file.path)
        self._replace_names(file, faces)

    def _replace_names(self, file: FileRead, faces: NamedFaces) -> None:
        """Raises `CaptionRefused` where another program has rewritten what is ours."""
        written, sidecar = xmp_people.read_names(file.data), XmpFile(file.data)
        if written is None and xmp_people.holds_names(file.data):
            raise CaptionRefused(ReasonCode.NAMES_REWRITTEN)
        if (written.digest if written else None) == (faces.digest if faces.regions else None):
            return
        caption, bare = own_caption_of(sidecar.texts, sidecar.marks), _strip(sidecar, file.data)
        names = _strip_names(bare.data)
        if caption is None and sidecar.marks:
            raise CaptionRefused(ReasonCode.NAMES_REWRITTEN)
        new, own = names.data, None
        if faces.regions:
            faces = replace(faces, before=sha256(new) if new is not None else "")
            new = xmp_people.add_names(new, faces)
            _check_names(names.data, new, faces)
        if caption is not None:
            own = replace(caption, mark=replace(caption.mark, before=sha256(new) if new is not None else ""))
            without, new = new, _splice(new, own)
            _check(without, new, own)
        entry = recorder(self.journal, "write", file.path, file.sha256, own=own)
        if new is None:
            delete_file(file, before_replacing=entry)
        else:
            replace_file(file, new, keep_mtime=False, before_replacing=entry)

    def names(self) -> tuple[str, ...]:
        """The names of ours in sidecars."""
        found = (xmp_people.read_names(file.data) for file in self._read_all())
        return tuple(name for written in found if written is not None for name in written.persons)

    def _check_inside(self, place: Path, real: Path) -> None:
        if leaves_roots(place, real, self.roots):
            raise CannotReplace(ReasonCode.SIDECAR_OUTSIDE)

    def undo(
        self, *, dry_run: bool = False, own_digests: frozenset[str] = frozenset(), names: bool = False
    ) -> Stripped | None:
        """Takes our caption out of every sidecar, and removes those that held nothing else; None where there was none
        of ours. `exact` says whether all are byte for byte what they were. `dry_run` only says what would be.
        `own_digests` are digests of texts that are ours by other knowledge than the marks'. `names`: our names of faces
        are taken out, too.

        Raises `CaptionRefused` with the reason, `ChangedMeanwhile` where another program was faster.
        """
        exact: bool | None = None
        for file in self._read_all():
            with suppress(XmpError):
                stripped = self._undo_one(file, own_digests, dry_run=dry_run, names=names)
                if stripped is not None:
                    exact = stripped.exact and exact is not False
        return None if exact is None else Stripped(None, exact)

    def _undo_one(self, file: FileRead, own_digests: frozenset[str], *, dry_run: bool, names: bool) -> Stripped | None:
        sidecar = XmpFile(file.data)
        has_names = names and xmp_people.read_names(file.data) is not None
        if not has_names and not sidecar.marks and not fields_with(sidecar.texts, own_digests):
            return None
        stripped = _strip(sidecar, file.data, own_digests)
        if has_names:
            without_names = _strip_names(stripped.data)
            stripped = Stripped(without_names.data, stripped.exact and without_names.exact)
        if dry_run:
            return stripped
        entry = recorder(self.journal, "undo", file.path, file.sha256)
        if stripped.data is None:
            delete_file(file, before_replacing=entry)
        else:
            replace_file(file, stripped.data, keep_mtime=False, before_replacing=entry)
        return stripped

    def _read_all(self) -> Iterator[FileRead]:
        for place in sidecars_of(self.path, self.tree):
            try:
                file = read_file(place, max_bytes=MAX_PACKET_BYTES)
            except PhotoVanished:
                continue
            except CannotReplace as error:
                raise CannotReplace(
                    ReasonCode.SIDECAR, name=place.name, reason=error.reason, obstacle=error.obstacle
                ) from error
            if not is_of_another(place, file.data, self.path):
                yield file


def _strip(sidecar: XmpFile, data: bytes, own_digests: frozenset[str] = frozenset()) -> Stripped:
    """Raises `CaptionRefused` where other words would go with ours, or ours stay."""
    digests = own_digests | {mark.digest for mark in sidecar.marks}
    if not digests:
        return Stripped(data, exact=True)
    stripped = xmp_packet.strip_caption(data, digests)
    remaining = XmpFile(stripped.data).texts if stripped.data is not None else []
    check_words(sidecar.texts, remaining, digests)
    check_removed_packets([data], [] if stripped.data is None else [stripped.data])
    return stripped


def _strip_names(data: bytes | None) -> Stripped:
    """Raises `CaptionRefused` where more would go with our names."""
    stripped = xmp_people.remove_names(data) if data is not None else None
    if stripped is None:
        return Stripped(data, exact=True)
    check_removed_names(data, stripped.data)
    return stripped


def _check_names(base: bytes | None, new: bytes, faces: NamedFaces) -> None:
    check_names_packet(base, new, [(one.name, one.left, one.top, one.width, one.height) for one in faces.regions])
    stripped = xmp_people.remove_names(new)
    require(stripped is not None and stripped.data == base, "taking the names out again does not give the old sidecar")


def _splice(base: bytes | None, own: OwnCaption) -> bytes:
    if base is None:
        return xmp_packet.compose_packet(own)
    if own.mark.by is CaptionBy.MODEL and not xmp_packet.can_describe(base):
        raise CaptionRefused(ReasonCode.HAS_DESCRIPTION)
    return xmp_packet.splice(base, own)


def _check(base: bytes | None, new: bytes, own: OwnCaption) -> None:
    check_packet_edit(base, new)
    if xmp_packet.strip_caption(new, frozenset()).data != base:
        raise VerifyError("verification: taking the caption out again does not give the old sidecar")
    found = read_xmp(new)
    marks = [mark] if found is not None and (mark := Mark.from_fields(found.own)) else []
    require(
        found is not None and own.stands_in(found.descriptions, marks),
        "the caption in the sidecar reads differently from what was meant",
    )
