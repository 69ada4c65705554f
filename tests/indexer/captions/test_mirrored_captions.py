"""What becomes of our caption in the hands of other programs, and how it is taken out all the same."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from indexer.atomic.file_read import stamp_of
from indexer.captions.caption_file import write_caption
from indexer.captions.checks import check_removal
from indexer.captions.journal import Journal
from indexer.captions.sidecar import sidecar_path
from indexer.captions.undo import undo_caption
from indexer.errors import CaptionRefused
from indexer.formats import iptc, tiff
from indexer.model import CaptionPlace, WriteResult
from indexer.ownership.mark import digest
from tests.indexer.captions.own_captions import read_own_caption
from tests.indexer.formats import chunks_made as chunks
from tests.indexer.formats import heifs_made as heifs
from tests.indexer.formats import jpegs_made as made
from tests.indexer.formats import tiffs_made as tiffs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed"),
]

TEXT = made.CAPTION.text
IPTC, COMMENT = f"-IPTC:Caption-Abstract={TEXT}", f"-EXIF:UserComment={TEXT}"
TIFF, XMP_COMMENT = f"-XMP-tiff:ImageDescription={TEXT}", f"-XMP-exif:UserComment={TEXT}"
FIELDS = (f"-XMP-dc:Description={TEXT}", f"-EXIF:ImageDescription={TEXT}")

#: What a program does, and the copies that it leaves.
EDITS: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "Lightroom": ((IPTC, *FIELDS), {"IPTC Caption-Abstract"}),
    "digiKam": (
        (IPTC, COMMENT, TIFF, XMP_COMMENT, *FIELDS),
        {"IPTC Caption-Abstract", "UserComment", "tiff:ImageDescription", "exif:UserComment"},
    ),
    "ImageDescription deleted": (("-EXIF:ImageDescription=",), set()),
    "XMP without our mark": (("-XMP:all=", f"-XMP-dc:Description={TEXT}"), set()),
}
NO_MARKS = ("-XMP:all=", f"-XMP-dc:Description={TEXT}", "-EXIF:Artist=Ann")
FILES = {
    "a.jpg": made.plain(),
    "camera.jpg": made.camera_jpeg(),
    "a.webp": chunks.webp(),
    "a.png": chunks.png(),
    "a.tif": tiffs.TIFFS["TIFF"],
    "signed.jpg": made.with_segments(made.c2pa()),
}


def write(path: Path, caption: Any = made.CAPTION, journal: Journal | None = None) -> WriteResult:
    return write_caption(path, caption, stamp=stamp_of(path.stat()), journal=journal)


def exiftool(path: Path, *changes: str) -> None:
    subprocess.run(["exiftool", "-q", "-m", "-overwrite_original", *changes, str(path)], check=True)


def tags(path: Path) -> dict[str, Any]:
    done = subprocess.run(
        ["exiftool", "-j", "-a", "-G1", "-x", "System:all", str(path)], check=True, capture_output=True
    )
    found: dict[str, Any] = json.loads(done.stdout)[0]
    return found


def others(found: dict[str, Any]) -> dict[str, Any]:
    """All but what is ours; nor what exiftool computes of IPTC, nor where in the file it finds what has moved."""
    computed = ("File:CurrentIPTCDigest", "File:ExifByteOrder", "ExifTool:Warning", "File:FileType", "RIFF:WebP_Flags")
    ours = ("XMP-recollect:", *computed)
    return {tag: value for tag, value in found.items() if value != TEXT and not tag.startswith(ours)}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("edit", EDITS)
def test_our_sentence_is_taken_out_wherever_another_program_put_it(name: str, edit: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name])
    write(path)
    target = sidecar_path(path) if sidecar_path(path).exists() else path
    changes, copies = EDITS[edit]
    if path == target or edit != "XMP without our mark":
        exiftool(target, *changes)
    before = others(tags(target))
    proof = undo_caption(path, dry_run=True)
    assert set(proof.copies) <= copies
    undone = undo_caption(path)
    if target != path and not target.exists():
        assert undone.exact
        return
    after = tags(target)
    if path.suffix != ".png" or edit != "XMP without our mark":
        assert undone.restored, undone
    if path.suffix != ".png" or edit != "XMP without our mark":  # in a PNG there was no other mark
        assert [tag for tag, value in after.items() if value == TEXT] == []
    assert others(after) == before
    assert read_own_caption(target.read_bytes()) is None


@pytest.mark.parametrize("name", ["a.jpg", "camera.jpg", "a.png", "signed.jpg"])
def test_where_every_mark_is_gone_journal_or_catalogue_vouch(name: str, tmp_path: Path) -> None:
    path, journal = tmp_path / name, Journal.in_dir(tmp_path / "data")
    path.write_bytes(FILES[name])
    write(path, journal=journal)
    target = sidecar_path(path) if sidecar_path(path).exists() else path
    exiftool(target, *(NO_MARKS if target == path else NO_MARKS[:2]))
    rewritten = target.read_bytes()
    before = others(tags(target))
    assert not undo_caption(path).restored, "by the file alone it may be anybody's"
    assert not undo_caption(path, own_texts=["another sentence"]).restored
    assert target.read_bytes() == rewritten
    for knowing in ({"own_texts": [TEXT]}, {"journal": journal}):
        target.write_bytes(rewritten)
        undone = undo_caption(path, **knowing)  # type: ignore[arg-type]
        assert undone.restored
        assert [tag for tag, value in tags(target).items() if value == TEXT] == []
        assert others(tags(target)) == before
    target.write_bytes(rewritten)
    assert not undo_caption(path, journal=journal).restored, "once it was taken out the journal vouches no more"


@pytest.mark.parametrize("change", [IPTC, COMMENT, TIFF, XMP_COMMENT])
def test_words_of_people_beside_a_copy_stay(change: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(made.camera_jpeg())
    write(path)
    exiftool(path, change, "-XMP-dc:Description=Ann at the sea", "-IPTC:Keywords=sea", "-IPTC:By-line=Ann")
    before = others(tags(path))
    assert undo_caption(path).restored
    after = tags(path)
    assert others(after) == before
    assert TEXT not in json.dumps(after, ensure_ascii=False)
    assert after["XMP-dc:Description"] == "Ann at the sea"
    assert after["IPTC:Keywords"] == "sea"


def test_a_copy_that_somebody_changed_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(made.plain())
    write(path)
    exiftool(path, IPTC + ".", COMMENT)
    assert undo_caption(path).restored
    after = tags(path)
    assert after["IPTC:Caption-Abstract"] == TEXT + "."
    assert TEXT not in after.values()


def test_a_newer_caption_takes_the_place_of_the_copies_too(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(made.camera_jpeg())
    write(path)
    exiftool(path, *EDITS["digiKam"][0])
    assert write(path, made.NEWER).place is CaptionPlace.EXIF
    assert TEXT not in json.dumps(tags(path), ensure_ascii=False)


def test_the_checksum_of_iptc_is_kept_right() -> None:
    data = made.iptc(TEXT.encode())[4:]
    dataset = data[data.index(b"\x1c\x02\x78") :].rstrip(b"\0")
    note = b"8BIM\x04\x25\0\0\0\0\0\x10" + hashlib.md5(dataset, usedforsecurity=False).digest()
    left = iptc.remove_from_app13(data + note, [digest(TEXT)])
    assert left is not None
    assert left.endswith(hashlib.md5(b"", usedforsecurity=False).digest())
    assert iptc.captions([left]) == []


@pytest.mark.parametrize("harm", ["keyword", "resource", "caption"])
def test_the_proof_sees_what_else_is_lost_of_iptc(harm: str) -> None:
    caption, keyword = b"\x1c\x02\x78\0\x05words", b"\x1c\x02\x19\0\x03sea"
    iim = caption + keyword
    old = b"Photoshop 3.0\0" + resource(0x0404, iim) + resource(0x0BB7, b"clip")
    new = b"Photoshop 3.0\0" + resource(0x0404, keyword) + resource(0x0BB7, b"clip")
    files = [made.with_segments(made.segment(0xED, body)) for body in (old, new)]
    check_removal(*files)
    bad = {
        "keyword": new.replace(b"sea", b"lea"),
        "resource": new.replace(b"clip", b"clap"),
        "caption": b"Photoshop 3.0\0" + resource(0x0404, caption.replace(b"words", b"other") + keyword) + old[-16:],
    }[harm]
    with pytest.raises(CaptionRefused):
        check_removal(files[0], made.with_segments(made.segment(0xED, bad)))


def resource(number: int, body: bytes) -> bytes:
    return b"8BIM" + number.to_bytes(2, "big") + b"\0\0" + len(body).to_bytes(4, "big") + body + b"\0" * (len(body) % 2)


#: Where programs keep IPTC, or copies of captions, in these formats, and the words that another program adds there.
KEPT = {
    "a.png": (b"Raw profile type iptc", "IPTC Caption-Abstract"),
    "a.tif": (b"\x1c\x02\x78", "IPTC Caption-Abstract"),
    "comment.jpg": (b"\xff\xfe", "JPEG Comment"),
    "comment.png": (b"Comment", "PNG Comment"),
    "description.png": (b"Description", "PNG Description"),
}


@pytest.mark.parametrize("name", KEPT)
def test_copies_that_stand_outside_of_exif_and_xmp_are_named_and_taken_out(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes({".png": chunks.png(), ".tif": tiffs.TIFFS["TIFF"], ".jpg": made.camera_jpeg()}[path.suffix])
    write(path)
    where, field = KEPT[name]
    copy = {"I": (IPTC, "-IPTC:Keywords=sea", "-IPTC:By-line=Ann"), "J": (f"-Comment={TEXT}",)}
    changes = copy.get(field[0], (f"-PNG:{field.split()[-1]}={TEXT}",))
    exiftool(path, *changes)
    assert where in path.read_bytes()
    before = others(tags(path))
    undone = undo_caption(path)
    assert (undone.restored, field in undone.copies) == (True, True), undone
    after = tags(path)
    assert [tag for tag, value in after.items() if value == TEXT] == []
    assert others(after) == before
    if field.startswith("IPTC"):
        assert (after["IPTC:Keywords"], after["IPTC:By-line"]) == ("sea", "Ann")


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
def test_a_person_s_words_where_copies_stand_stay(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes({".png": chunks.png(), ".tif": tiffs.TIFFS["TIFF"], ".jpg": made.camera_jpeg()}[path.suffix])
    write(path)
    comment = {".png": "-PNG:Comment=Ann", ".jpg": "-Comment=Ann", ".tif": "-EXIF:Artist=Ann"}[path.suffix]
    exiftool(path, "-IPTC:Caption-Abstract=Ann at the sea", comment)
    undone = undo_caption(path)
    assert undone.restored
    after = tags(path)
    assert after["IPTC:Caption-Abstract"] == "Ann at the sea"
    assert "Ann" in after.values()


def test_a_copy_in_the_iptc_of_a_heic_is_taken_out(tmp_path: Path) -> None:
    path, blank = tmp_path / "a.heic", b" " * len(TEXT.encode())
    keyword = b"\x1c\x02\x19\0\x03sea"
    iim = b"\x1c\x02\x78" + len(blank).to_bytes(2, "big") + blank + keyword
    path.write_bytes(heifs.heic(heifs.EXIF, heifs.Item(b"iptc", iim)))
    write(path)
    path.write_bytes(path.read_bytes().replace(blank, TEXT.encode()))
    undone = undo_caption(path)
    assert (undone.restored, undone.copies) == (True, ("IPTC Caption-Abstract",)), undone
    assert TEXT.encode() not in path.read_bytes()
    assert keyword in path.read_bytes()


def test_iptc_of_a_tiff_whose_bytes_are_turned_round_stays_so() -> None:
    caption, keyword = b"\x1c\x02\x78\0\x05words", b"\x1c\x02\x19\0\x03sea"
    block = caption + keyword
    block += b"\0" * (-len(block) % 4)
    left = iptc.remove_from_iim(iptc.swap_bytes(block), {digest("words")})
    assert left is not None
    assert iptc.fix_byte_order(left).rstrip(b"\0") == keyword
    assert len(left) % 4 == 0
    assert iptc.remove_from_iim(block, {digest("other")}) is None
    assert iptc.remove_from_iim(caption, {digest("words")}) == b""


@pytest.mark.parametrize("harm", ["keyword", "another text", "a new text", "profile gone"])
def test_the_proof_sees_what_else_is_lost_of_a_png_s_texts(harm: str) -> None:
    iim = b"\x1c\x02\x78\0\x05words\x1c\x02\x19\0\x03sea"
    title, caption = text(b"Title\0Ann"), text(b"Description\0words")
    old = chunks.png(title, caption, text(profile(iim)))
    kept = iim[10:]
    check_removal(old, chunks.png(title, text(profile(kept))))
    bad = {
        "keyword": chunks.png(title, text(profile(kept.replace(b"sea", b"lea")))),
        "another text": chunks.png(text(profile(kept))),
        "a new text": chunks.png(title, text(profile(kept)), text(b"Comment\0new")),
        "profile gone": chunks.png(title),
    }[harm]
    with pytest.raises(CaptionRefused):
        check_removal(old, bad)


def profile(iim: bytes) -> bytes:
    return b"Raw profile type iptc\0\niptc\n%8d\n" % len(iim) + iim.hex().encode() + b"\n"


def text(body: bytes) -> bytes:
    return chunks.chunk(b"tEXt", body)


def test_iptc_that_shares_its_bytes_with_the_picture_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiffs.TIFFS["TIFF"])
    write(path)
    exiftool(path, IPTC, "-IPTC:Keywords=sea")
    data = bytearray(path.read_bytes())
    order, _ = tiff.read_header(bytes(data))
    ifd0 = tiff.read_directory(bytes(data), order, int.from_bytes(data[4:8], "little" if order == "<" else "big"))
    entries = {entry.tag: (number, entry) for number, entry in enumerate(ifd0.entries)}
    strips, (_, iim) = entries[0x0111][0], entries[tiff.IPTC]
    struct.pack_into(order + "HII", data, ifd0.offset + 2 + 12 * strips + 2, 4, 1, iim.start)
    path.write_bytes(data)
    undone = undo_caption(path)
    assert not undone.restored
    assert "lie on top of each other" in str(undone.reason)
    assert path.read_bytes() == data
