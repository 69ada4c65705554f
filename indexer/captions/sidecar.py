"""XMP sidecars: `IMG_1234.JPG.xmp`, beside the photo or in a tree of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from captioner import Caption
from indexer.atomic.file_read import CannotReplace, FileRead, leaves_roots, read_file
from indexer.atomic.replace import create_file, delete_file, replace_file
from indexer.captions.journal import Journal, recorder
from indexer.captions.verify import VerifyError, require
from indexer.captions.verify.metadata import check_packet_edit, check_removed_packets
from indexer.errors import CaptionRefused, Obstacle, PhotoVanished
from indexer.formats import xmp_packet
from indexer.formats.photo import XmpFile, own_caption
from indexer.formats.xmp import read_xmp
from indexer.formats.xmp_packet import may_describe
from indexer.formats.xmp_tree import MAX_PACKET_BYTES, XmpError
from indexer.metadata.sidecar_files import find_xmp_sidecars
from indexer.model import CaptionBy, FileCaption
from indexer.ownership.mark import OWN_FIELDS, FieldText, Mark, OwnCaption, Stripped, check_words, fields_with, sha256
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

    def _check_inside(self, place: Path, real: Path) -> None:
        if leaves_roots(place, real, self.roots):
            raise CannotReplace(ReasonCode.SIDECAR_OUTSIDE)

    def undo(self, *, dry_run: bool = False, own_digests: frozenset[str] = frozenset()) -> Stripped | None:
        """Takes our caption out of every sidecar, and removes those that held nothing else; None where there was none
        of ours. `exact` says whether all are byte for byte what they were. `dry_run` only says what would be.
        `own_digests` are digests of texts that are ours by other knowledge than the marks'.

        Raises `CaptionRefused` with the reason, `ChangedMeanwhile` where another program was faster.
        """
        exact: bool | None = None
        for file in self._read_all():
            with suppress(XmpError):
                stripped = self._undo_one(file, own_digests, dry_run=dry_run)
                if stripped is not None:
                    exact = stripped.exact and exact is not False
        return None if exact is None else Stripped(None, exact)

    def _undo_one(self, file: FileRead, own_digests: frozenset[str], *, dry_run: bool) -> Stripped | None:
        sidecar = XmpFile(file.data)
        if not sidecar.marks and not fields_with(sidecar.texts, own_digests):
            return None
        stripped = _strip(sidecar, file.data, own_digests)
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
