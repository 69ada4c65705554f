"""Texts whose character set is not said, or said wrongly, come out as they were written."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.atomic.file_read import stamp_of
from indexer.captions.caption_file import write_caption
from indexer.captions.undo import undo_caption
from indexer.formats import iptc
from indexer.formats.charsets import decode_text
from indexer.formats.iptc import CAPTION, read_iptc
from indexer.metadata.read_metadata import read_metadata
from indexer.model import CaptionPlace
from tests.indexer.formats import jpegs_made as made

GERMAN = ["Straße in München", "Größe", "Äpfel", "Öl", "Übung", "Süßes für Käthe", "ä", "Grüße aus Köln"]
OTHERS = [
    "Café à Genève",
    "Noël",
    "niño",
    "Ålesund",
    "smørrebrød",
    "it\u2019s Anna",
    "\u201cquoted\u201d",
    "río",
]


@pytest.mark.parametrize("text", [*GERMAN, *OTHERS])
@pytest.mark.parametrize("charset", ["utf-8", "cp1252", "mac_roman", "utf-16", "utf-8-sig"])
def test_an_undeclared_character_set_is_found(text: str, charset: str) -> None:
    assert decode_text(text.encode(charset)) == text


JAPANESE = [
    *("東京タワー", "京都の紅葉", "日本", "運動会 2019", "誕生日のケーキ"),
    *("iPhoneで撮影しました", "おばあちゃんと海"),
]


@pytest.mark.parametrize("text", JAPANESE)
@pytest.mark.parametrize("charset", ["utf-8", "shift_jis", "iso2022_jp", "utf-16"])
def test_japanese_whose_character_set_is_not_declared(text: str, charset: str) -> None:
    assert decode_text(text.encode(charset)) == text


@pytest.mark.parametrize(
    "text", ["été à la mer", "Hélène", "créée", "Märchen für Käthe", "Öl", "\u201c…\u201d", "«été»", "äöüß ÄÖÜ"]
)
@pytest.mark.parametrize("charset", ["cp1252", "mac_roman"])
def test_european_words_are_not_taken_for_japanese(text: str, charset: str) -> None:
    assert decode_text(text.encode(charset)) == text


def iim(charset: bytes, text: bytes) -> bytes:
    declared = b"\x1c\x01\x5a" + len(charset).to_bytes(2, "big") + charset if charset else b""
    return declared + b"\x1c\x02\x78" + len(text).to_bytes(2, "big") + text


@pytest.mark.parametrize(
    ("declared", "charset", "text"),
    [
        (b"\x1b%G", "utf-8", "Gräfin"),
        (b"\x1b%G", "cp1252", "Gräfin"),
        (b"", "mac_roman", "Gräfin"),
        (b"", "cp1252", "Gräfin"),
        (b"\x1b.A", "latin-1", "Gräfin"),
        (b"\x1b-A", "utf-8", "Gräfin"),
        (b"\x1b-B", "iso8859-2", "Žluťoučký kůň"),
        (b"\x1b-L", "iso8859-5", "Праздник"),
        (b"\x1b-F", "iso8859-7", "Θάλασσα"),
        (b"\x1b-b", "iso8859-15", "10 €"),
    ],
)
def test_iptc_in_a_declared_character_set_is_read_alike_by_reader_and_writer(
    declared: bytes, charset: str, text: str
) -> None:
    block = iim(declared, text.encode(charset))
    assert read_iptc(block)[CAPTION] == (text,)
    assert iptc.captions_of_iim(block) == [text]


WORDS = made.packet(made.described("a wedding"))
HEADER = b"http://ns.adobe.com/xap/1.0/\0"


@pytest.mark.parametrize(
    "payload",
    [
        HEADER + WORDS + b'<stale attribute="x">\n</rdf:RDF></x:xmpmeta><?xpacket end="w"?>',
        HEADER + WORDS + b"\x01\x02 more of a longer one",
        b"http://ns.adobe.com/xap/1.0/ \0" + WORDS,
        b"http://ns.adobe.com/xap/1.0\0" + WORDS,
        b"XMP\0" + WORDS,
        WORDS,
        HEADER + WORDS.replace(b"a wedding", b"a\x01 wedding"),
    ],
)
def test_xmp_is_read_as_other_programs_read_it(payload: bytes) -> None:
    data = made.with_segments(made.segment(0xE1, payload))
    assert read_metadata(data, Path("a.jpg")).person_caption == "a wedding"
    assert read_metadata(data, Path("a.jpg")).marked is False


def test_beside_xmp_that_is_not_edited_the_caption_goes_into_exif(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    packet = made.packet("<x:Rating xmlns:x='http://ns.adobe.com/xap/1.0/'>3</x:Rating>")
    before = made.with_segments(made.segment(0xE1, b"http://ns.adobe.com/xap/1.0/ \0" + packet))
    path.write_bytes(before)
    assert write_caption(path, made.CAPTION, stamp=stamp_of(path.stat())).place is CaptionPlace.EXIF
    after = read_metadata(path.read_bytes(), path)
    assert (after.rating, after.machine_caption is not None) == (3, True)
    assert undo_caption(path).restored
    assert path.read_bytes() == before


def test_xmp_with_letters_of_another_character_set_is_read() -> None:
    data = made.with_segments(made.xmp(WORDS.replace(b"a wedding", "ein Fest für Käthe".encode("cp1252"))))
    assert read_metadata(data, Path("a.jpg")).person_caption == "ein Fest für Käthe"
