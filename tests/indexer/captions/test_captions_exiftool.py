"""Against exiftool: what it reads before and after, and what becomes of our captions when it writes."""

from __future__ import annotations

import collections
import hashlib
import json
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from captioner import Caption
from indexer.atomic.file_read import stamp_of
from indexer.captions.caption_file import PERSONS_WORDS, write_caption
from indexer.captions.undo import undo_caption
from indexer.formats.jpeg import JpegError, segments
from indexer.model import CaptionPlace, WriteResult
from indexer.ownership.camera_text import is_camera_text
from tests.indexer.captions.own_captions import read_own_caption
from tests.indexer.formats import jpegs_made as made

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed"),
]

#: What a caption of ours adds: exiftool's group and tag. An Exif block of our own has a byte order, too.
OURS = {("IFD0", "ImageDescription"), ("IFD0", "XPComment"), ("XMP-dc", "Description"), ("File", "ExifByteOrder")}
#: Absolute positions that exiftool works out from relative ones, which are unchanged; and where a HEIC's last box of
#: data lies and how long it is: that box is ours.
MOVES = {"MPImageStart", "MediaData", "MediaDataOffset", "MediaDataSize"}
#: A WebP counts its metadata in its header; a simple one gets such a header.
COUNTS = {("RIFF", "WebP_Flags"), ("File", "FileType")}
INSIDE = (CaptionPlace.EXIF, CaptionPlace.XMP)


def tags_of(*folders: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """file -> group -> tag -> value, of everything that exiftool understands."""
    command = ["exiftool", "-a", "-u", "-g1", "-j", "-x", "System:all", *map(str, folders)]
    done = subprocess.run(command, check=False, capture_output=True)
    return {row.pop("SourceFile"): row for row in json.loads(done.stdout.decode(errors="surrogateescape"))}


def differences(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> list[str]:
    found = []
    for group in before.keys() | after.keys():
        old, new = before.get(group, {}), after.get(group, {})
        old, new = (side if isinstance(side, dict) else {"": side} for side in (old, new))
        for tag in old.keys() | new.keys():
            ours = (group, tag) in OURS or group == "XMP-recollect"
            counted = (group, tag) in COUNTS and after["File"]["FileType"] == "Extended WEBP"
            if (
                old.get(tag) != new.get(tag)
                and tag not in MOVES
                and not counted
                and not (ours and is_camera_text(str(old.get(tag, "")), tag))
            ):
                found.append(f"{group}:{tag} {old.get(tag)!r} -> {new.get(tag)!r}")
    return found


def write(path: Path, caption: Caption = made.CAPTION) -> WriteResult:
    return write_caption(path, caption, stamp=stamp_of(path.stat()))


def exiftool(path: Path, *changes: str) -> None:
    subprocess.run(["exiftool", "-q", "-m", "-overwrite_original", *changes, str(path)], check=True)


def test_every_sample_keeps_every_tag_and_comes_back_exactly(shared: Path, tmp_path: Path) -> None:
    samples = [path for path in sorted((shared / "photos").glob("*")) if path.suffix not in (".csv", ".jsonl")]
    for path in [*samples, *sorted((shared / "photos" / "coco").glob("*.jpg"))]:
        if path.is_file():
            shutil.copy(path, tmp_path)
    paths = sorted(tmp_path.iterdir())
    originals = {path: hashlib.sha256(path.read_bytes()).digest() for path in paths}
    jpegs = [path for path in paths if path.read_bytes().startswith(b"\xff\xd8\xff")]
    before = tags_of(tmp_path)
    written = {path: write(path) for path in paths}
    after = tags_of(tmp_path)
    changed = {path.name: differences(before[str(path)], after[str(path)]) for path in paths if str(path) in before}
    assert {name: found for name, found in changed.items() if found} == {}
    for path in paths:
        if written[path].place in INSIDE:
            own = read_own_caption(path.read_bytes())
            assert own is not None
            assert own.text == made.CAPTION.text
        undone = undo_caption(path)
        assert undone.restored == undone.exact == (written[path].place is not CaptionPlace.INDEX)
        assert hashlib.sha256(path.read_bytes()).digest() == originals[path], path.name
    assert sorted(tmp_path.iterdir()) == paths
    check_rungs(jpegs, written)


def check_rungs(jpegs: list[Path], written: dict[Path, WriteResult]) -> None:
    """A JPEG that is sound and that nobody has described gets its caption into the file."""
    rungs = collections.Counter(written[path].place for path in jpegs)
    print({str(place): count for place, count in rungs.items()}, "of", len(jpegs), "JPEGs")
    refusals = {path.name: written[path].reason for path in jpegs if written[path].place is CaptionPlace.SIDECAR}
    for path in jpegs:
        try:
            segments(path.read_bytes())
        except JpegError:
            refusals.pop(path.name, None)
    assert all("C2PA" in str(reason) for reason in refusals.values()), refusals


@pytest.fixture
def captioned(tmp_path: Path) -> Path:
    path = tmp_path / "a.jpg"
    path.write_bytes(made.camera_jpeg())
    assert write(path).place is CaptionPlace.EXIF
    return path


EDITS = {
    "ImageDescription": ["-IFD0:ImageDescription=Ann at the sea"],
    "XPComment": ["-IFD0:XPComment=Ann at the sea"],
    "dc:description": ["-XMP-dc:Description=Ann at the sea"],
    "IPTC": ["-IPTC:Caption-Abstract=Ann at the sea"],
    "UserComment": ["-UserComment=Ann at the sea"],
    "all": [
        "-IFD0:ImageDescription=Ann at the sea",
        "-XMP-dc:Description=Ann at the sea",
        "-IFD0:XPComment=Ann at the sea",
    ],
}


@pytest.mark.parametrize("name", EDITS)
def test_a_caption_edited_outside_is_that_persons_for_ever(captioned: Path, name: str) -> None:
    exiftool(captioned, *EDITS[name])
    edited = captioned.read_bytes()
    own = read_own_caption(edited)
    assert own is None if name == "all" else own is None or own.text == made.CAPTION.text
    written = write(captioned, made.NEWER)
    assert (written.place, written.reason) == (CaptionPlace.INDEX, PERSONS_WORDS)
    assert captioned.read_bytes() == edited


@pytest.mark.parametrize("name", EDITS)
def test_undoing_after_an_edit_takes_ours_and_leaves_theirs(captioned: Path, name: str) -> None:
    exiftool(captioned, *EDITS[name])
    before = tags_of(captioned)[str(captioned)]
    undone = undo_caption(captioned)
    assert undone.restored, undone
    data = captioned.read_bytes()
    assert read_own_caption(data) is None
    assert made.CAPTION.text not in json.dumps(tags_of(captioned), ensure_ascii=False)
    after = tags_of(captioned)[str(captioned)]
    assert "Ann at the sea" in json.dumps(after)
    lost = {
        (group, tag): value
        for group, tags in before.items()
        for tag, value in (tags.items() if isinstance(tags, dict) else ())
        if after.get(group, {}).get(tag) != value and value != made.CAPTION.text and group != "XMP-recollect"
    }
    assert set(lost) <= {("File", "FileSize"), ("ExifTool", "Warning")}


@pytest.mark.parametrize("edit", ["-XMP-xmp:Rating=5", "-IFD0:Artist=Ann", "-Orientation#=6", "-XMP-dc:Subject+=beach"])
def test_another_edit_leaves_the_caption_ours(captioned: Path, edit: str) -> None:
    exiftool(captioned, edit)
    own = read_own_caption(captioned.read_bytes())
    assert own is not None
    assert (own.text, own.model) == (made.CAPTION.text, made.CAPTION.model)
    assert write(captioned, made.NEWER).place is CaptionPlace.EXIF
    own = read_own_caption(captioned.read_bytes())
    assert own is not None
    assert (own.text, own.model) == (made.NEWER.text, made.NEWER.model)
    size = captioned.stat().st_size
    for caption in (made.CAPTION, made.NEWER):
        write(captioned, caption)
    assert captioned.stat().st_size == size
    assert undo_caption(captioned).restored
    said = json.dumps(tags_of(captioned), ensure_ascii=False)
    assert made.CAPTION.text not in said
    assert made.NEWER.text not in said


def test_a_caption_that_a_person_deleted_is_gone(captioned: Path) -> None:
    exiftool(captioned, "-IFD0:ImageDescription=", "-IFD0:XPComment=", "-XMP-dc:Description=")
    assert read_own_caption(captioned.read_bytes()) is None


@pytest.mark.parametrize("cut", [1, 8, 40, 300])
def test_a_thumbnail_that_goes_on_behind_its_block_stays_what_it_was(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(
        made.with_segments(
            made.exif(made.camera_block()[:-cut]), made.segment(0xFE, b"CREATOR: gd-jpeg".ljust(100, b"c"))
        )
    )
    before = thumbnail_of(path)
    assert before.startswith(b"\xff\xd8"), "exiftool reads on in the next segment"
    written = write(path)
    assert written.place is CaptionPlace.XMP
    assert thumbnail_of(path) == before
    assert undo_caption(path).exact


def thumbnail_of(path: Path) -> bytes:
    return subprocess.run(["exiftool", "-b", "-ThumbnailImage", path], check=False, capture_output=True).stdout


def test_a_sample_with_such_a_thumbnail(shared: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    shutil.copyfile(shared / "cases" / "exif" / "thumbnail-place-error.jpg", path)
    before = thumbnail_of(path)
    assert write(path).place is CaptionPlace.XMP
    assert thumbnail_of(path) == before


def test_exiftool_finds_nothing_wrong(captioned: Path) -> None:
    done = subprocess.run(["exiftool", "-validate", "-warning", "-a", captioned], check=True, capture_output=True)
    fresh = captioned.with_name("fresh.jpg")
    fresh.write_bytes(made.camera_jpeg())
    bare = subprocess.run(["exiftool", "-validate", "-warning", "-a", fresh], check=True, capture_output=True)
    assert done.stdout == bare.stdout


def test_a_sidecar_reads_well(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(made.with_segments(made.c2pa()))
    write(path)
    tags = tags_of(tmp_path / "a.jpg.xmp")[str(tmp_path / "a.jpg.xmp")]
    assert tags["XMP-dc"] == {"Description": made.CAPTION.text}
    assert tags["XMP-recollect"]["CaptionModel"] == made.CAPTION.model


def test_no_part_of_a_thermal_picture_is_hidden_by_xmp_at_its_position(tmp_path: Path) -> None:
    """ExifTool passes over what has the position of a directory that it has seen: a FLIR record, and an XMP packet."""
    path = tmp_path / "thermal.jpg"
    path.write_bytes(thermal(5000))
    write(path)
    exif = next(one for one in segments(path.read_bytes()) if one.marker == 0xE1)
    path.write_bytes(thermal(exif.end + 4 + len(made.XMP)))  # where a packet behind Exif would begin
    before = tags_of(path)[str(path)]
    assert before["FLIR"]["RawThermalImageWidth"] == 120
    assert write(path).place is CaptionPlace.EXIF
    after = tags_of(path)[str(path)]
    assert after["IFD0"]["ImageDescription"] == made.CAPTION.text
    assert differences(before, after) == []
    assert undo_caption(path).exact


def thermal(record: int) -> bytes:
    """A FLIR file (FFF) with one record, of raw data (ExifTool's FLIR.pm), in an APP1 segment behind Exif."""
    raw = b"\2\0" + (120).to_bytes(2, "little") * 2 + bytes(26) + b"\x89PNG" + bytes(80)
    entry = struct.pack(">HHIIIII", 1, 0, 1, 0, record, len(raw), 0) + bytes(8)
    header = b"FFF\0" + b"camera".ljust(16, b"\0") + struct.pack(">III", 100, 64, 1)
    body = (header.ljust(64, b"\0") + entry).ljust(record, b"\0") + raw
    segment = made.segment(0xE1, b"FLIR\0\1\0\0" + body)
    return made.with_segments(made.exif(made.camera_block()), segment)
