"""HEICs against exiftool: what it reads before and after, and what becomes of our captions when it writes."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from indexer.atomic.file_read import stamp_of
from indexer.captions.caption_file import PERSONS_WORDS, write_caption
from indexer.captions.undo import undo_caption
from indexer.metadata.read_metadata import read_metadata
from indexer.model import CaptionPlace, WriteResult
from tests.indexer.captions.own_captions import read_own_caption
from tests.indexer.formats import heifs_made as heifs
from tests.indexer.formats import jpegs_made as made
from tests.photos_made import exif_bytes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed"),
]

OURS = {("IFD0", "ImageDescription"), ("IFD0", "XPComment"), ("XMP-dc", "Description")}
#: exiftool tells where the last `mdat` box lies and how long it is: that box is now ours.
LAST_BOX = {("QuickTime", "MediaDataSize"), ("QuickTime", "MediaDataOffset"), ("QuickTime", "MediaData")}
#: Where in the file the Exif block's thumbnail lies; in the block nothing has moved.
MOVES = {("IFD1", "ThumbnailOffset")}
INSIDE = (CaptionPlace.EXIF, CaptionPlace.XMP)

# Without a MakerNote that exiftool can't make sense of: such a block it writes anew without it.
BLOCK = exif_bytes({0x010F: b"Elektronik", 0x0132: b"2026:07:01 12:00:00"}).removeprefix(b"Exif\0\0")
EXIF = heifs.exif(BLOCK)
EDITED = {
    "Exif": heifs.heic(EXIF),
    "Exif and XMP": heifs.heic(EXIF, heifs.XMP),
    "base offsets": heifs.heic(EXIF, heifs.XMP, index=heifs.Index(version=0, base=4, based=True)),
    "pillow-heif": heifs.encoded_heic(exif=b"Exif\0\0" + BLOCK, xmp=made.packet()),
    "XMP": heifs.heic(heifs.XMP),
}


def tags_of(path: Path) -> dict[str, dict[str, Any]]:
    """file -> tag -> value, of everything that exiftool understands."""
    command = ["exiftool", "-a", "-u", "-G1", "-j", "-x", "System:all", str(path)]
    done = subprocess.run(command, check=False, capture_output=True)
    return {row.pop("SourceFile"): row for row in json.loads(done.stdout.decode(errors="surrogateescape"))}


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Tags that are neither ours nor about the box that we add."""
    known = {":".join(name) for name in OURS | LAST_BOX | MOVES}
    return [
        f"{tag} {before.get(tag)!r} -> {after.get(tag)!r}"
        for tag in before.keys() | after.keys()
        if before.get(tag) != after.get(tag) and tag not in known and not tag.startswith("XMP-recollect:")
    ]


def validation(paths: Iterable[Path]) -> bytes:
    """What exiftool finds wrong with the files."""
    command = ["exiftool", "-validate", "-warning", "-error", "-a", *map(str, paths)]
    return subprocess.run(command, check=False, capture_output=True).stdout


def write(path: Path) -> WriteResult:
    return write_caption(path, made.CAPTION, stamp=stamp_of(path.stat()))


def exiftool(path: Path, *changes: str) -> None:
    subprocess.run(["exiftool", "-q", "-m", "-overwrite_original", *changes, str(path)], check=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "IMG_0001.heic"


def check(originals: dict[Path, bytes], folder: Path) -> int:
    """Captions the files of a folder, compares, takes the captions out again; how many were written into the file."""
    before, valid = tags_of(folder), validation(originals)
    written = {path: write(path) for path in originals}
    after = tags_of(folder)
    found = {path.name: differences(before[str(path)], after[str(path)]) for path in originals}
    assert {name: changed for name, changed in found.items() if changed} == {}
    embedded = [path for path in originals if written[path].place in INSIDE]
    for path in embedded:
        said = after[str(path)]
        assert made.CAPTION.text in (said.get("IFD0:ImageDescription"), said.get("XMP-dc:Description"))
    assert validation(originals) == valid
    for path, data in originals.items():
        assert path in embedded or (written[path].reason and path.read_bytes() == data)
        undone = undo_caption(path)
        assert undone.exact or written[path].place is CaptionPlace.INDEX
        assert path.read_bytes() == data
    return len(embedded)


def test_no_tag_is_lost_and_nothing_is_wrong_that_was_not(tmp_path: Path) -> None:
    originals = {tmp_path / f"{name}.heic": data for name, data in heifs.HEICS.items()}
    for path, data in originals.items():
        path.write_bytes(data)
    assert check(originals, tmp_path) == len(originals)


def test_every_sample_keeps_every_tag_and_comes_back_exactly(shared: Path, tmp_path: Path) -> None:
    samples = [path for path in (shared / "photos").iterdir() if path.suffix.lower() in (".heic", ".hif", ".heif")]
    originals = {Path(shutil.copy(path, tmp_path)): path.read_bytes() for path in sorted(samples)}
    assert check(originals, tmp_path) >= 2


@pytest.mark.parametrize("name", EDITED)
@pytest.mark.parametrize("edit", ["-XMP-xmp:Rating=5", "-IFD0:Artist=Ann"])
def test_another_edit_leaves_the_caption_ours(path: Path, name: str, edit: str) -> None:
    if name == "XMP" and edit.startswith("-IFD0"):
        pytest.skip("the file has no Exif")
    path.write_bytes(EDITED[name])
    write(path)
    exiftool(path, edit)
    own = read_own_caption(path.read_bytes())
    assert own is not None
    assert (own.text, own.model) == (made.CAPTION.text, made.CAPTION.model)
    metadata = read_metadata(path.read_bytes(), path)
    assert (metadata.machine_caption, metadata.person_caption) == (own, None)
    undone = undo_caption(path)
    assert (undone.restored, undone.exact) == (True, False), undone
    after = tags_of(path)[str(path)]
    assert made.CAPTION.text not in json.dumps(after, ensure_ascii=False)
    assert ("Ann" in after.values()) == ("Ann" in edit)
    assert read_metadata(path.read_bytes(), path).machine_caption is None


@pytest.mark.parametrize("name", EDITED)
def test_a_caption_changed_by_a_person_is_theirs(path: Path, name: str) -> None:
    path.write_bytes(EDITED[name])
    write(path)
    field = "-XMP-dc:Description=" if name == "XMP" else "-IFD0:ImageDescription="
    exiftool(path, field + "Ann at the sea")
    edited = path.read_bytes()
    assert read_metadata(edited, path).person_caption == "Ann at the sea"
    written = write(path)
    assert (written.place, written.reason) == (CaptionPlace.INDEX, PERSONS_WORDS)
    assert path.read_bytes() == edited
    assert undo_caption(path).restored
    after = tags_of(path)[str(path)]
    assert "Ann at the sea" in after.values()
    assert made.CAPTION.text not in json.dumps(after, ensure_ascii=False)


@pytest.mark.parametrize("name", EDITED)
def test_a_newer_caption_after_an_edit_is_written_and_grows_nothing(path: Path, name: str) -> None:
    path.write_bytes(EDITED[name])
    write(path)
    exiftool(path, "-XMP-xmp:Rating=5")
    sizes = set()
    for caption in (made.NEWER, made.CAPTION, made.NEWER, made.CAPTION):
        assert write_caption(path, caption, stamp=stamp_of(path.stat())).place in INSIDE
        own = read_own_caption(path.read_bytes())
        assert own is not None
        assert own.text == caption.text
        sizes.add((caption.text, path.stat().st_size))
    assert len(sizes) == 2
    assert tags_of(path)[str(path)]["XMP-xmp:Rating"] == 5
