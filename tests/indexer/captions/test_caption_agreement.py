"""What a write takes for a person's words, a reader takes for them, and the other way round."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.errors import CaptionRefused, UnreadablePhoto
from indexer.formats.editable import open_photo
from indexer.formats.photo import user_caption
from indexer.metadata.read_metadata import read_metadata
from tests.indexer.captions.test_caption_file import LADDER
from tests.indexer.formats import chunks_made as chunks
from tests.indexer.formats import jpegs_made as made
from tests.indexer.formats.test_png_photo import DESCRIBED

WORDS = made.described("a wedding")
GUID = b"0" * 32
PLACES = {
    "a second Exif segment": made.with_segments(
        made.exif(made.camera_block()), made.exif(made.tiff(made.ascii_field(0x010E, "a wedding")))
    ),
    "a second XMP packet": made.with_segments(made.xmp(made.packet()), made.xmp(made.packet(WORDS))),
    "extended XMP in two portions": made.with_segments(
        made.xmp(made.packet()),
        *(
            made.segment(0xE1, made.EXTENDED + GUID + b"\0\0\4\0" + at.to_bytes(4, "big") + portion)
            for at, portion in ((200, made.packet(WORDS)[200:]), (0, made.packet(WORDS)[:200]))
        ),
    ),
    "IPTC over two segments": made.with_segments(
        made.segment(0xED, made.iptc(b"a wedding")[4:40]),
        made.segment(0xED, b"Photoshop 3.0\0" + made.iptc(b"a wedding")[40:]),
    ),
    "IPTC among damaged resources": made.with_segments(made.iptc(b"a wedding").replace(b"8BIM", b"9BIM")),
    "tiff:ImageDescription": made.with_segments(
        made.xmp(
            made.packet('<t:ImageDescription xmlns:t="http://ns.adobe.com/tiff/1.0/">a wedding</t:ImageDescription>')
        )
    ),
    "a quotation mark of Windows' alone": made.with_segments(made.exif(made.tiff((0x010E, made.ASCII, b"\x92\0")))),
    "a camera's words": made.with_segments(made.exif(made.tiff(made.ascii_field(0x010E, "SANYO DIGITAL CAMERA")))),
}
FILES = {name: data for name, (data, _, _) in LADDER.items()} | PLACES
FILES |= {f"PNG: {name}": chunks.png(part) for name, part in DESCRIBED.items()}


def disagreement(data: bytes, path: Path) -> tuple[object, object] | None:
    try:
        photo = open_photo(data)
        words = user_caption(photo) if photo is not None else None
        said = read_metadata(data, path).person_caption
    except (CaptionRefused, UnreadablePhoto):
        return None  # a write that is refused overwrites nothing
    return None if photo is None or (words is None) == (said is None) else (words, said)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_a_packet_in_another_encoding_is_read_and_never_overlooked(encoding: str) -> None:
    packet = made.packet(WORDS).decode()
    wide = made.with_segments(made.xmp(packet.encode(encoding)))
    assert read_metadata(wide, Path("a.jpg")).person_caption == "a wedding"
    for data in (wide, chunks.png(chunks.png_xmp(packet.encode(encoding))), chunks.webp(xmp=packet.encode(encoding))):
        photo = open_photo(data)
        assert photo is not None
        with pytest.raises(CaptionRefused, match="may hold"):
            user_caption(photo)


def test_a_broken_packet_may_hold_words_in_any_field() -> None:
    packet = b"<broken exif:UserComment='a wedding'"
    photo = open_photo(made.with_segments(made.xmp(packet)))
    assert photo is not None
    with pytest.raises(CaptionRefused, match="may hold"):
        user_caption(photo)


@pytest.mark.parametrize("name", FILES)
def test_writer_and_reader_agree(name: str) -> None:
    assert disagreement(FILES[name], Path("a.jpg")) is None


@pytest.mark.parametrize("name", [name for name in PLACES if "a camera" not in name and "alone" not in name])
def test_words_in_odd_places_are_read(name: str) -> None:
    assert read_metadata(PLACES[name], Path("a.jpg")).person_caption == "a wedding"


def test_writer_and_reader_agree_on_every_sample(shared: Path) -> None:
    paths = [path for path in sorted((shared / "photos").rglob("*")) if path.suffix not in (".csv", ".jsonl")]
    found = {path.name: disagreement(path.read_bytes(), path) for path in paths if path.is_file()}
    assert {name: pair for name, pair in found.items() if pair is not None} == {}
