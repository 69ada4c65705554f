"""What cameras leave in caption fields is nobody's; whatever a person may have typed there is a person's."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from piexif import ExifIFD, ImageIFD
from PIL import Image

from indexer.formats.editable import open_photo, persons_caption
from indexer.metadata.read_metadata import read_metadata
from indexer.ownership.camera_text import is_camera_text
from tests.indexer.formats import chunks_made as chunks
from tests.indexer.formats import jpegs_made as made
from tests.photos_made import cornered, encoded, exif_bytes, with_iptc, with_segments

JPEG = encoded(cornered(), "JPEG")
COM = 0xFE
SAMSUNG = b"ASCII\0\0\0\n\0\0\0JKJK'\x03\xab\\\x1b\x0e\x01\0\x10\x09\x01\0\0\0\0\0K\x7f\x01\0\0\0\x01\0\xa1k\x01\0"

DEBRIS = [
    "GCM_TAG",
    "GCM_TAG\0Information\0Roundabout\0No",
    "IICSA",
    "R:  139 G:  255 B:  189 X:39852 Y:    0 S:    0 Zs:   6 Zp: 115 F:  531 I:    1 ImgVer:08.01.09.10",
    "R: 139 G: 255",
    "DCIM\\100GOPRO\\GOPR1785.",
    "DCIM\\163GOPRO\\G0128330.JPG",
    "DCIM\\101MEDIA\\DJI_0012.JPG",
    "DCIM/100MEDIA/DJI_0001.JPG",
    "Type=N, Mode=P, DE=None",
    "Caption",
    "default",
    "oplus_32",
    "filter: 0; fileterIntensity: 0.0; filterMask: 0; algolist: 0;\nbrp_mask:0;\nmodule: photo; \nsceneMode: 1;",
    "METADATA-START",
    "CREATOR: gd-jpeg v1.0 (using IJG JPEG v62), default quality\n",
    "LEAD Technologies Inc. V1.01",
    "File written by Adobe Photoshop\xa8 4.0",
    "AppleMark\n",
    "Intel(R) JPEG Library, version [1.51.12.44]",
    "Optimized by JPEGmini 3.9.20.0L Internal",
    "Compressed by jpeg-recompress",
    "Created with GIMP",
    "\n\0\0\0JKJK'\x03\xab\\\x1b\x0e\x01\0\x10\x09\x01",
    "\x01\x02\x03\x04",
]

PERSONS = [
    *("1984", "7", "Oma", "a", "?", "Ünal", "东京", "東京", "Праздник", "שלום", "سلام", "🎂", "❤️", "👨‍👩‍👧", "Zoë"),
    *(
        "24.12.1984",
        "1.2.2003",
        "2019.07.14",
        "01.02.19",
        "v2 of the cake",
        "12:30",
        "3 / 4",
        "50%",
        "#1",
        "Room 0.9.142",
    ),
    *("Anna: 3 Ben: 5", "Mama: links; Papa: rechts; Opa: Mitte; Oma: vorn", "R: Anna G: Ben", "Rot: 12 Gruen: 13"),
    *(
        "My caption",
        "By default",
        "the default",
        "Created by Anna for Grandma",
        "Made with love",
        "Software: my first day",
    ),
    *(
        "Apple",
        "Adobe Photoshop course 2004",
        "Ducky in the bath",
        "DCIM is where I found it",
        "x=1",
        "Screenshot of home",
    ),
    *(
        "Hello\x07 world",
        "first\0second",
        "Type A",
        "{Anna}",
        "[Ben]",
        "GoPro on the beach",
        "DJI flight",
        "Compressed air",
    ),
]


@pytest.mark.parametrize("text", DEBRIS)
def test_what_a_camera_or_a_program_wrote_is_nobodys(text: str) -> None:
    assert is_camera_text(text, "UserComment")
    assert is_camera_text(text, "dc:description")


@pytest.mark.parametrize("text", PERSONS)
@pytest.mark.parametrize("field", ["ImageDescription", "XPComment", "UserComment", "JPEG Comment", "dc:description"])
@pytest.mark.parametrize("make", ["", "samsung", "DJI", "GoPro", "RICOH"])
def test_what_a_person_may_have_typed_is_a_persons(text: str, field: str, make: str) -> None:
    assert not is_camera_text(text, field, make)


@pytest.mark.parametrize(
    ("text", "field", "make", "is_camera"),
    [
        ("0.9.142", "XPComment", "", True),
        ("0.9.142", "ImageDescription", "DJI", True),
        ("v01.04.0300", "ImageDescription", "Hasselblad", True),
        ("0.9.142", "dc:description", "", False),
        ("24.12.2019", "XPComment", "DJI", False),
        ("1.2.3.4", "XPComment", "", False),
        ("GOPR1785.JPG", "ImageDescription", "GoPro", True),
        ("DJI_0012.JPG", "ImageDescription", "DJI", True),
        ("GOPR1785.JPG", "ImageDescription", "Canon", False),
        ('{"sensor_type":"rear","mirror":false}', "UserComment", "Xiaomi", True),
        ('{"shape": [3]}', "ImageDescription", "", False),
        ("Screenshot", "UserComment", "", True),
        ("Screenshot", "ImageDescription", "", False),
    ],
)
def test_the_field_and_the_maker_decide_what_a_text_alone_does_not(
    text: str, field: str, make: str, is_camera: bool
) -> None:
    assert is_camera_text(text, field, make) is is_camera


def caption(data: bytes) -> str | None:
    """The person's words by the reader; the writer has to hold the same for a person's."""
    photo = open_photo(data)
    assert photo is not None
    found = read_metadata(data, Path("a.jpg")).person_caption
    assert (persons_caption(photo) is None) == (found is None)
    return found


def commented(raw: bytes, **image: object) -> bytes:
    names = {"make": ImageIFD.Make, "description": ImageIFD.ImageDescription, "xp": ImageIFD.XPComment}
    tags = {names[name]: value for name, value in image.items()}
    return with_segments(JPEG, (0xE1, exif_bytes(tags, {ExifIFD.UserComment: raw})))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (SAMSUNG, None),
        (b"\0\0\0\0\0\0\0\0GCM_TAG\0Information\0Roundabout\0No\0Good\0E" + bytes(40), None),
        (b"\0\0\0IICSAUser comments\0", None),
        (b"\0\0\0IICSAGrandma's garden\0", "Grandma's garden"),
        (b"ASCII\0\0\0R:  139 G:  255 B:  189\0", None),
        (b"\x07\x01\x02\x9c\x03\x11\xff\x00\x01\x1a\x1b\x8a\x05", None),
        (bytes(264), None),
        (b"Unicode\0" + "5\u20ac  Macro".encode("utf-16-le"), "5\u20ac Macro"),
        (b"UNICODE\0" + "Süßes".encode("utf-16-le"), "Süßes"),
        (b"UNICODE\0" + "Süßes".encode("utf-16-be"), "Süßes"),
        (b"UNICODE\0" + "東京".encode("utf-16-be"), "東京"),
        (b"UNICODE\0" + "Праздник".encode("utf-16-le"), "Праздник"),
        (b"UNICODE\0" + "Праздник".encode("utf-16-be"), "Праздник"),
        (b"UNICODE\0" + "🎂".encode("utf-16-be"), "🎂"),
        (b"UNICODE\0Grandma's garden", "Grandma's garden"),
        ("Grandma".encode("utf-16-le") + b"\0\0", "Grandma"),
        ("Grandma".encode("utf-16-be"), "Grandma"),
        (bytes(8) + "Grandma".encode("utf-16-le"), "Grandma"),
        ("Большой праздник".encode("utf-16-le"), "Большой праздник"),
        ("Большой праздник".encode("utf-16-be") + bytes(6), "Большой праздник"),
        ("Θάλασσα".encode("utf-16-le"), "Θάλασσα"),
        (b"ASCII\0\0\0one\x0btwo\x0bthree\x0bfour", "one two three four"),
        (struct.pack("<8H", *range(1, 9)), None),
        (b"ASCII\0\0\0Grandma\0\xfe\x12\x01\x99\x03\x04\x05\x06", "Grandma"),
        (b"ASCII\0\0\0" + b"1984", "1984"),
        (b"JIS\0\0\0\0\0" + "日本".encode("iso2022_jp"), "日本"),
        (b"ASCII\0\0\0" + "Größe".encode("cp1252"), "Größe"),
    ],
)
def test_a_user_comment_is_decoded_by_its_bytes(raw: bytes, words: str | None) -> None:
    assert caption(commented(raw)) == words


def test_a_drone_s_version_and_default_are_nobodys() -> None:
    version = tuple("0.9.142".encode("utf-16-le") + b"\0\0")
    assert caption(commented(b"", make=b"Hasselblad", description=b"default", xp=version)) is None


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16"])
def test_a_description_in_utf_16_is_decoded(encoding: str) -> None:
    data = with_segments(JPEG, (0xE1, exif_bytes({ImageIFD.ImageDescription: "Gräfin am See".encode(encoding)})))
    assert caption(data) == "Gräfin am See"


def test_a_caption_in_iptc_goes_before_a_comment() -> None:
    data = with_iptc(commented("GoodFon.ru".encode("utf-16-le") + b"\0\0"), (120, b"a turtle"))
    assert caption(data) == "a turtle"


@pytest.mark.parametrize(
    ("comment", "words"),
    [
        (b"jpegcomment segment words", "jpegcomment segment words"),
        ("Größe".encode(), "Größe"),
        ("Größe".encode("cp1252"), "Größe"),
        (b"CREATOR: gd-jpeg v1.0 (using IJG JPEG v62), default quality\n", None),
        (b"AppleMark\n", None),
        (b"LEAD Technologies Inc. V1.01\0", None),
        (b"\n", None),
    ],
)
def test_a_persons_words_in_a_jpeg_comment_are_a_caption(comment: bytes, words: str | None) -> None:
    assert caption(with_segments(JPEG, (COM, comment))) == words


def test_a_standard_field_goes_before_a_jpeg_comment() -> None:
    data = with_segments(JPEG, (COM, b"a comment"), (0xE1, exif_bytes({ImageIFD.ImageDescription: b"described"})))
    assert caption(data) == "described"


@pytest.mark.parametrize(
    ("keyword", "text", "words"),
    [
        (b"Comment", b"our first flat", "our first flat"),
        (b"Description", b"our first flat", "our first flat"),
        (b"Comment", b"Created with GIMP", None),
        (b"Software", b"our first flat", None),
    ],
)
def test_a_persons_words_in_a_png_comment_are_a_caption(keyword: bytes, text: bytes, words: str | None) -> None:
    assert caption(chunks.png(chunks.chunk(b"tEXt", keyword + b"\0" + text))) == words


def test_a_gif_comment_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    Image.new("P", (8, 8)).save(path, comment=b"our cat")
    assert read_metadata(path.read_bytes(), path).person_caption == "our cat"


@pytest.mark.parametrize("name", ["AltTextAccessibility", "ExtDescrAccessibility"])
def test_words_for_the_blind_are_a_caption(name: str) -> None:
    words = '<rdf:Alt><rdf:li xml:lang="x-default">a wedding</rdf:li></rdf:Alt>'
    written = f'<i:{name} xmlns:i="http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/">{words}</i:{name}>'
    assert caption(made.with_segments(made.xmp(made.packet(written)))) == "a wedding"


def test_acdsee_s_caption_is_one() -> None:
    written = '<a:caption xmlns:a="http://ns.acdsee.com/iptc/1.0/">a wedding</a:caption>'
    assert caption(made.with_segments(made.xmp(made.packet(written)))) == "a wedding"


def test_the_shared_examples(shared: Path) -> None:
    expected = {
        "exif/GE.jpg": None,
        "exif/Ricoh2.jpg": None,
        "exif/issue-exifr-13.jpg": None,
        "exif/orientation.jpg": None,
        "exif/testJPEG_GEO_2.jpg": None,
        "exif/photo_14.jpg": "brown turtle swimming underwater",
        "exif/kodak-dc210.jpg": "Lovely smoke effect here, of which I'm secretly very proud.",
        "exif/sample_unicode5.jpg": "5\u20ac Macro",
        "kw/comment.jpg": "jpegcomment segment words",
    }
    cases = shared / "cases"
    found = {name: caption((cases / name).read_bytes()) for name in expected if (cases / name).is_file()}
    assert found == {name: words for name, words in expected.items() if name in found}
