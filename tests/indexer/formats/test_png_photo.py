"""Metadata in the texts of PNGs: compressed, or as ImageMagick's hexadecimal profiles."""

from __future__ import annotations

import zlib
from contextlib import suppress
from pathlib import Path

import pytest

from indexer.atomic.file_read import stamp_of
from indexer.captions.caption_file import PERSONS_WORDS, write_caption
from indexer.captions.undo import undo_caption
from indexer.errors import UnreadablePhoto
from indexer.metadata.read_metadata import read_metadata
from indexer.model import CaptionPlace
from tests.indexer.formats import chunks_made as chunks
from tests.indexer.formats import jpegs_made as made

WORDS = "Ann & Eve, 1978"
EXIF = made.tiff(made.ascii_field(0x010E, WORDS), made.ascii_field(0x010F, "Elektronik"))
RESOURCES = made.iptc(WORDS.encode())[4 + len(b"Photoshop 3.0\0") :]
PACKET = made.packet(made.described("Ann &amp; Eve, 1978"))


def raw_profile(name: str, body: bytes, *, compressed: bool = True, title: str = "generic profile") -> bytes:
    """As ImageMagick writes it: a title, the length, 72 hexadecimal digits a line."""
    digits = body.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    text = f"\n{title}\n{len(body):8}\n{lines}\n".encode()
    keyword = b"Raw profile type " + name.encode() + b"\0"
    return (
        chunks.chunk(b"zTXt", keyword + b"\0" + zlib.compress(text))
        if compressed
        else chunks.chunk(b"tEXt", keyword + text)
    )


DESCRIBED = {
    "Exif": raw_profile("exif", b"Exif\0\0" + EXIF, title="exif"),
    "Exif, not compressed": raw_profile("exif", EXIF, compressed=False),
    "Exif, by its segment": raw_profile("APP1", b"Exif\0\0" + EXIF),
    "XMP, by its segment": raw_profile("APP1", made.XMP + PACKET),
    "XMP": raw_profile("xmp", PACKET),
    "IPTC": raw_profile("iptc", RESOURCES),
    "IPTC, bare": raw_profile("iptc", RESOURCES[12:]),
    "Photoshop": raw_profile("8bim", RESOURCES),
    "compressed XMP": chunks.chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(PACKET)),
    "XMP in zTXt": chunks.chunk(b"zTXt", b"XML:com.adobe.xmp\0\0" + zlib.compress(PACKET)),
    "XMP in tEXt": chunks.chunk(b"tEXt", b"XML:com.adobe.xmp\0" + PACKET),
    "Description": chunks.chunk(b"tEXt", b"Description\0" + WORDS.encode()),
    "ImageMagick's copy of Exif": chunks.chunk(b"tEXt", b"exif:ImageDescription\0" + WORDS.encode()),
}
SILENT = {
    "Exif": (raw_profile("exif", made.camera_block()), CaptionPlace.XMP),
    "IPTC": (raw_profile("iptc", b"8BIM\x04\x04\0\0\0\0\0\0"), CaptionPlace.XMP),
    "another": (raw_profile("app12", b"Ducky"), CaptionPlace.XMP),
    "XMP": (raw_profile("xmp", made.packet()), CaptionPlace.EXIF),
    "damage in a text that is no caption": (chunks.chunk(b"zTXt", b"Software\0\0damaged"), CaptionPlace.XMP),
}
HIDDEN = {
    "cut off": chunks.chunk(b"zTXt", raw_profile("exif", EXIF)[8:-20]),
    "no digits": chunks.chunk(b"tEXt", b"Raw profile type exif\0\nexif\n  9\nabcdefghi\n"),
    "too few": chunks.chunk(b"tEXt", b"Raw profile type exif\0\nexif\n  9\nabcdef\n"),
    "no length": chunks.chunk(b"tEXt", b"Raw profile type iptc\0"),
    "damaged": chunks.chunk(b"zTXt", b"Description\0\0no zlib"),
    "endless": chunks.chunk(b"zTXt", b"Description\0\0" + zlib.compress(b" " * (5 << 20))),
}


def put(folder: Path, *parts: bytes) -> Path:
    path = folder / "a.png"
    path.write_bytes(chunks.png(*parts))
    return path


@pytest.mark.parametrize("name", DESCRIBED)
def test_words_are_found_however_they_are_kept(name: str, tmp_path: Path) -> None:
    path = put(tmp_path, DESCRIBED[name])
    data = path.read_bytes()
    written = write_caption(path, made.CAPTION, stamp=stamp_of(path.stat()))
    assert (written.place, written.reason) == (CaptionPlace.INDEX, PERSONS_WORDS)
    assert path.read_bytes() == data
    assert read_metadata(data, path).person_caption == WORDS


@pytest.mark.parametrize("name", SILENT)
def test_a_profile_without_words_stays_as_it_is(name: str, tmp_path: Path) -> None:
    part, place = SILENT[name]
    path = put(tmp_path, part)
    data = path.read_bytes()
    assert write_caption(path, made.CAPTION, stamp=stamp_of(path.stat())).place is place
    assert part in path.read_bytes()
    assert undo_caption(path).exact
    assert path.read_bytes() == data


@pytest.mark.parametrize("name", HIDDEN)
def test_where_words_may_be_hidden_nothing_is_written(name: str, tmp_path: Path) -> None:
    path = put(tmp_path, HIDDEN[name])
    written = write_caption(path, made.CAPTION, stamp=stamp_of(path.stat()))
    assert written.place is CaptionPlace.INDEX
    assert "may" in str(written.reason)
    with suppress(UnreadablePhoto):  # Pillow has a limit of its own
        read_metadata(path.read_bytes(), path)


def test_what_a_profile_tells_is_read() -> None:
    title = chunks.chunk(b"zTXt", b"Title\0\0" + zlib.compress(b"By the sea"))
    data = chunks.png(raw_profile("exif", b"Exif\0\0" + EXIF), raw_profile("xmp", made.packet()), title)
    metadata = read_metadata(data, Path("a.png"))
    assert (metadata.camera, metadata.rating, metadata.title) == ("Elektronik", 3, "By the sea")
