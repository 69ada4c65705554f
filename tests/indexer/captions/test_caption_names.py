"""What our properties are called in XMP: nothing that another program takes for something else."""

from __future__ import annotations

import json
import shutil
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexer.atomic.file_read import stamp_of
from indexer.captions.caption_file import write_caption
from indexer.captions.sidecar import sidecar_path
from indexer.captions.undo import undo_caption
from indexer.metadata.read_metadata import read_metadata
from indexer.model import CaptionPlace, WriteResult
from indexer.ownership.mark import XMP_NAMES, sha256
from tests.indexer.captions import older_versions
from tests.indexer.captions.own_captions import read_own_caption
from tests.indexer.formats import chunks_made as chunks
from tests.indexer.formats import jpegs_made as made
from tests.indexer.formats import tiffs_made as tiffs

needs_exiftool = pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")

#: The fields in which a caption stands, and our own; a new Exif block has a byte order, which exiftool tells.
CAPTION_FIELDS = {"ImageDescription", "XPComment", "Description", "ExifByteOrder"}
OWN_FIELDS = {name[:1].upper() + name[1:] for name in XMP_NAMES.values()}
#: A WebP's header counts its metadata; a simple one gets such a header.
WEBP_HEADER = {"WebP_Flags", "FileType"}

#: What exiftool itself adds to a block that it makes, and where it puts a thumbnail in it.
BLOCKS = {
    *("XMPToolkit", "ExifVersion", "ComponentsConfiguration", "FlashpixVersion", "ColorSpace"),
    *("XResolution", "YResolution", "ResolutionUnit", "YCbCrPositioning", "ThumbnailOffset"),
}

FILES = {
    "JPEG.jpg": made.plain(),
    "JPEG with Exif and XMP.jpg": made.camera_jpeg(),
    "JPEG with Exif.jpg": made.with_segments(made.exif(made.tiff(made.MAKE))),
    "PNG.png": chunks.png(),
    "PNG with XMP.png": chunks.PNGS["PNG, XMP"],
    "PNG with compressed XMP.png": chunks.png(
        chunks.chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(made.packet()))
    ),
    "WebP.webp": chunks.webp(),
    "WebP with Exif.webp": chunks.WEBPS["WebP, Exif"],
    "TIFF.tif": tiffs.TIFFS["TIFF"],
    "sidecar.jpg": made.with_segments(made.c2pa()),
}


def write(path: Path, caption: Any = made.CAPTION) -> WriteResult:
    return write_caption(path, caption, stamp=stamp_of(path.stat()))


def flat(path: Path) -> dict[str, Any]:
    """As programs read it that do not ask for groups."""
    done = subprocess.run(["exiftool", "-j", "-x", "System:all", str(path)], check=True, capture_output=True)
    tags: dict[str, Any] = json.loads(done.stdout)[0]
    return tags


@pytest.mark.slow
@needs_exiftool
@pytest.mark.parametrize("name", FILES)
def test_nothing_but_caption_fields_differs_to_who_asks_for_no_groups(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name])
    before = flat(path)
    assert write(path).place is not CaptionPlace.INDEX
    after = flat(path)
    if sidecar_path(path).exists():
        assert after == before
        after = {tag: value for tag, value in flat(sidecar_path(path)).items() if tag not in before}
        before = {}
        assert "Description" in after
    different = {tag for tag in before.keys() | after.keys() if before.get(tag) != after.get(tag)}
    assert different <= CAPTION_FIELDS | OWN_FIELDS | (WEBP_HEADER if path.suffix == ".webp" else set())
    assert {"Description", "ImageDescription"} & different


@pytest.mark.slow
@needs_exiftool
@pytest.mark.parametrize("name", FILES)
def test_copying_every_tag_copies_no_more_than_the_caption(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name])
    plain = copied_from(path)
    write(path)
    copied = copied_from(sidecar_path(path) if sidecar_path(path).exists() else path)
    different = {tag for tag in plain.keys() | copied.keys() if plain.get(tag) != copied.get(tag)}
    assert different <= CAPTION_FIELDS | BLOCKS
    assert made.CAPTION.text in (copied.get("Description"), copied.get("ImageDescription"))


def copied_from(source: Path) -> dict[str, Any]:
    """What a JPEG says after exiftool has copied the tags of another file into it, as far as it finds any."""
    path = source.with_name("copied.jpg")
    path.write_bytes(made.plain())
    command = ["exiftool", "-q", "-m", "-overwrite_original", "-tagsfromfile", str(source), str(path)]
    subprocess.run(command, check=False, capture_output=True)
    return flat(path)


@pytest.mark.slow
@needs_exiftool
def test_no_tag_of_any_standard_has_one_of_our_names() -> None:
    every = subprocess.run(["exiftool", "-list"], check=True, capture_output=True, text=True).stdout.lower().split()
    assert {"model", "date"} <= set(every)
    assert not {name.lower() for name in XMP_NAMES.values()} & set(every)


def in_a_jpeg(packet: bytes) -> bytes:
    return made.with_segments(made.xmp(packet))


def in_a_png(packet: bytes) -> bytes:
    return chunks.png(chunks.png_xmp(packet))


@pytest.mark.parametrize("around", [in_a_jpeg, in_a_png])
@pytest.mark.parametrize("foreign", [None, made.packet(padding=300)])
def test_what_older_versions_wrote_is_read_undone_and_written_under_the_new_names(
    around: Callable[[bytes], bytes], foreign: bytes | None, tmp_path: Path
) -> None:
    bare = around(foreign) if foreign else (made.plain() if around is in_a_jpeg else chunks.png())
    arguments = {"into": foreign} if foreign else {}
    older = around(older_versions.packet("a dog on the sand", before=sha256(bare), **arguments))
    path = tmp_path / ("a.jpg" if around is in_a_jpeg else "a.png")
    path.write_bytes(older)
    own = read_own_caption(older)
    assert own is not None
    assert (own.text, own.model, own.confidence) == ("a dog on the sand", made.CAPTION.model, 0.83)
    assert read_metadata(older, path).machine_caption == own
    assert undo_caption(path).exact
    assert path.read_bytes() == bare
    for words in (made.NEWER, own):
        path.write_bytes(older)
        assert write(path, words).place in (CaptionPlace.EXIF, CaptionPlace.XMP)
        written = path.read_bytes()
        assert not any(f"recollect:{name}=".encode() in written for name in older_versions.NAMES)
        found = read_own_caption(written)
        assert found is not None
        assert (found.text, found.model) == (words.text, words.model)
        assert write(path, words).stamp == stamp_of(path.stat())
        assert path.read_bytes() == written, "once is enough"
        assert undo_caption(path).exact
        assert path.read_bytes() == bare


def test_a_sidecar_of_an_older_version_too(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(FILES["sidecar.jpg"])
    foreign = made.packet("<dc:subject><rdf:Bag><rdf:li>beach</rdf:li></rdf:Bag></dc:subject>")
    for older, bare in (
        (older_versions.packet("a dog on the sand"), None),
        (older_versions.packet("a dog on the sand", before=sha256(foreign), into=foreign), foreign),
    ):
        sidecar_path(path).write_bytes(older)
        own = read_own_caption(older)
        assert own is not None
        assert write(path, own).place is CaptionPlace.SIDECAR
        assert b"recollect:model=" not in sidecar_path(path).read_bytes()
        assert b"recollect:captionModel=" in sidecar_path(path).read_bytes()
        assert undo_caption(path).exact
        assert (sidecar_path(path).read_bytes() if sidecar_path(path).exists() else None) == bare
