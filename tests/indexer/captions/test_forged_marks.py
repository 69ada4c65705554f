"""A file may come from anywhere: whatever a mark in it claims, nothing is taken out but our caption."""

from __future__ import annotations

import json
import re
import struct
import zlib
from pathlib import Path

import pytest

from indexer.atomic.file_read import stamp_of
from indexer.captions.caption_file import write_caption
from indexer.captions.checks import check_removal
from indexer.captions.undo import undo_caption
from indexer.captions.verify import VerifyError
from indexer.formats import tiff_edit, xmp_packet, xmp_splice, xmp_tree
from indexer.formats.tiff import TiffError, texts
from indexer.ownership.mark import Mark, OwnCaption, digest, sha256
from tests.indexer.formats import chunks_made as chunks
from tests.indexer.formats import jpegs_made as made

TEXT = made.CAPTION.text
ARTIST = made.ascii_field(0x013B, "Ann")
PROPERTY = (
    b'<dc:subject xmlns:dc="http://purl.org/dc/elements/1.1/"><rdf:Bag><rdf:li>Ann</rdf:li></rdf:Bag></dc:subject>'
)
CAMERA = (made.MAKE, made.ascii_field(0x010E, TEXT))


def own(before: str) -> OwnCaption:
    return OwnCaption.of(made.CAPTION, before=before)


def recorded(block: bytes, before: str, *, old_length: int, old_ifd0: int) -> bytes:
    """`block` with a record behind it whose every checksum is right."""
    mark = Mark(digest(TEXT), "another", 0.5, "2026-01-01T00:00:00Z", "another", before)
    body = json.dumps(mark.fields(), separators=(",", ":")).encode()
    old = block[:4] + struct.pack("<I", old_ifd0) + block[8:old_length] if old_length else b""
    crcs = zlib.crc32(old), zlib.crc32(block[old_length:] + body)
    numbers = struct.pack("<IIIII", len(body), old_length, old_ifd0, *crcs)
    return block + body + numbers + struct.pack("<I8s", zlib.crc32(numbers), b"RECOLL01")


def noted(packet: bytes) -> bytes:
    """A packet into whose part of ours something was put, and the note's checksum made right again."""
    description = xmp_tree.parse(packet).descriptions[-1]
    whole = packet[description.start : description.end + 1]
    found = re.search(rb'recollect:captionUndo="(\w+)\.(\w+)\.([^"]*)"', whole)
    assert found is not None
    bare = whole.replace(b".".join(found.groups()), b"", 1)
    crc = xmp_splice.part_crc(bare, found[3].decode()).encode()
    return packet.replace(b".".join(found.groups()), b".".join((found[1], crc, found[3])))


def stranger(packet: bytes) -> bytes:
    return noted(packet.replace(b"</rdf:Description>\n</rdf:RDF>", PROPERTY + b"</rdf:Description>\n</rdf:RDF>"))


def all_ours() -> bytes:
    """A camera's whole block, said to be of our making."""
    return made.with_segments(made.exif(recorded(made.tiff(*CAMERA), sha256(made.plain()), old_length=0, old_ifd0=0)))


def shorter(tail: bytes) -> bytes:
    """A block said to have been as short as `made.tiff()`, with more than our entries in what came after."""
    old = made.tiff()
    before = sha256(made.with_segments(made.exif(old)))
    block = old[:4] + struct.pack("<I", len(old)) + old[8:] + tail
    return made.with_segments(made.exif(recorded(block, before, old_length=len(old), old_ifd0=8)))


def directory(*fields: made.Field) -> bytes:
    """IFD0 and its values as they stand behind `made.tiff()`."""
    return made.tiff(*fields, gap=len(made.tiff()) - 8)[len(made.tiff()) :]


FORGED = {
    "a block said to be ours": all_ours(),
    "an entry said to be ours": shorter(directory(made.ascii_field(0x010E, TEXT), ARTIST)),
    "words said to be ours": shorter(
        directory(made.ascii_field(0x010E, TEXT), (0x9C9C, 1, "Ann was here".encode("utf-16-le")))
    ),
    "a property said to be ours": made.with_segments(
        made.xmp(stranger(xmp_packet.compose_packet(own(sha256(made.plain())))))
    ),
    "a property said to be ours, in a PNG": chunks.png(
        chunks.png_xmp(stranger(xmp_packet.compose_packet(own(sha256(chunks.png())))))
    ),
}


def holdings(data: bytes) -> set[bytes]:
    words = (b"Elektronik", b"Ann\0", "Ann was here".encode("utf-16-le"), b"<rdf:li>Ann</rdf:li>")
    return {word for word in words if word in data}


@pytest.mark.parametrize("name", FORGED)
def test_an_undo_takes_nothing_out_but_our_caption(name: str, tmp_path: Path) -> None:
    path = tmp_path / ("a.png" if "PNG" in name else "a.jpg")
    path.write_bytes(FORGED[name])
    assert holdings(FORGED[name])
    undo_caption(path)
    assert holdings(path.read_bytes()) == holdings(FORGED[name])


@pytest.mark.parametrize("name", FORGED)
def test_a_newer_caption_costs_nothing_but_the_older(name: str, tmp_path: Path) -> None:
    path = tmp_path / ("a.png" if "PNG" in name else "a.jpg")
    path.write_bytes(FORGED[name])
    write_caption(path, made.NEWER, stamp=stamp_of(path.stat()))
    assert holdings(path.read_bytes()) == holdings(FORGED[name])


def test_a_property_in_our_part_of_a_sidecar_stays(tmp_path: Path) -> None:
    path, sidecar = tmp_path / "a.heic", tmp_path / "a.heic.xmp"
    path.write_bytes(b"a picture")
    sidecar.write_bytes(stranger(xmp_packet.compose_packet(own(""))))
    undone = undo_caption(path)
    assert undone.restored
    assert not undone.exact
    assert PROPERTY in sidecar.read_bytes()
    assert TEXT[:10].encode() not in sidecar.read_bytes()


def test_a_record_under_which_the_block_would_point_outside_itself_is_not_followed() -> None:
    whole = made.tiff(made.MAKE, sub=[made.MAKER_NOTE])
    length = whole.index(made.MAKER_NOTE[2])
    (ifd0,) = struct.unpack_from("<I", whole, 4)
    block = tiff_edit.append_caption(whole, own(""))
    again = recorded(block, "", old_length=length, old_ifd0=ifd0)
    with pytest.raises(TiffError):
        tiff_edit.strip_caption(again, frozenset((digest(TEXT),)))
    assert len(texts(block)) == 2


EXIF, XMP = made.camera_block(), made.packet()
REMOVALS = {
    "Exif of a JPEG": (made.with_segments(made.exif(EXIF)), made.plain()),
    "XMP of a JPEG": (made.with_segments(made.xmp(XMP)), made.plain()),
    "a property of a JPEG": (
        made.with_segments(made.xmp(XMP)),
        made.with_segments(made.xmp(XMP.replace(b'xmp:Rating="3"', b""))),
    ),
    "XMP of a PNG": (chunks.png(chunks.png_xmp(XMP)), chunks.png()),
    "Exif of a WebP": (chunks.webp(exif=EXIF, xmp=XMP), chunks.webp(xmp=XMP)),
    "XMP of a WebP": (chunks.webp(exif=EXIF, xmp=XMP), chunks.webp(exif=EXIF)),
}


@pytest.mark.parametrize("name", REMOVALS)
def test_a_removal_of_what_is_not_ours_is_caught(name: str) -> None:
    with pytest.raises(VerifyError):
        check_removal(*REMOVALS[name])
