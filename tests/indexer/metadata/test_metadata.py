"""Everything a photo says of itself, wherever it says it; bad metadata never costs a good photo."""

from __future__ import annotations

import zlib
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from piexif import GPSIFD, ExifIFD, ImageIFD

from captioner import Caption
from indexer.errors import UnreadablePhoto
from indexer.formats.xmp_packet import compose_packet
from indexer.images.decode import open_image
from indexer.metadata.blocks import find_blocks
from indexer.metadata.read_metadata import read_metadata
from indexer.model import CaptionBy, PhotoMetadata, Position
from indexer.ownership.mark import OwnCaption
from tests.indexer.formats import chunks_made
from tests.photos_made import cornered, encoded, exif_bytes, raw_tiff, with_iptc, with_segments, with_xmp, xmp_packet

JPEG = encoded(cornered(), "JPEG")
OURS = Caption("a dog runs on the beach", 0.7, (), None, "recollect-atto-1")


def read(data: bytes, *sidecars: bytes) -> PhotoMetadata:
    return read_metadata(data, Path("IMG_1.JPG"), sidecars)


def of_exif(
    image: dict[int, object] | None = None,
    exif: dict[int, object] | None = None,
    gps: dict[int, object] | None = None,
) -> PhotoMetadata:
    return read(with_segments(JPEG, (0xE1, exif_bytes(image, exif, gps))))


def bag(name: str, *items: str, kind: str = "Bag") -> str:
    return f"<{name}><rdf:{kind}>" + "".join(f"<rdf:li>{item}</rdf:li>" for item in items) + f"</rdf:{kind}></{name}>"


def described(text: str) -> str:
    return f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt></dc:description>'


def test_a_photo_without_metadata_says_what_it_is() -> None:
    assert read(JPEG) == PhotoMetadata(mime_type="image/jpeg", width_px=96, height_px=64)


def test_a_camera_s_exif() -> None:
    metadata = of_exif(
        {ImageIFD.Make: b"NIKON CORPORATION", ImageIFD.Model: b"NIKON Z 8", ImageIFD.Orientation: 6},
        {
            ExifIFD.DateTimeOriginal: b"2024:05:01 12:30:15",
            ExifIFD.OffsetTimeOriginal: b"+02:00",
            ExifIFD.SubSecTimeOriginal: b"25",
            ExifIFD.ExposureTime: (1, 250),
            ExifIFD.FNumber: (28, 10),
            ExifIFD.ISOSpeedRatings: 400,
            ExifIFD.FocalLength: (105, 1),
            ExifIFD.FocalLengthIn35mmFilm: 157,
            ExifIFD.LensMake: b"NIKON",
            ExifIFD.LensModel: b"NIKKOR Z MC 105mm f/2.8",
        },
    )
    assert metadata.taken_at == datetime(2024, 5, 1, 12, 30, 15, 250_000, timezone(timedelta(hours=2)))
    assert metadata.camera == "NIKON Z 8"
    assert (metadata.focal_length_mm, metadata.focal_length_35mm) == (105, 157)
    assert metadata.lens == "NIKON NIKKOR Z MC 105mm f/2.8"
    assert (metadata.exposure_s, metadata.f_number, metadata.iso, metadata.focal_length_mm) == (0.004, 2.8, 400, 105)
    assert (metadata.orientation, metadata.width_px, metadata.height_px) == (6, 64, 96)


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        (b"Canon", b"Canon EOS 600D", "Canon EOS 600D"),
        (b"OLYMPUS IMAGING CORP.  ", b"STYLUS1 ", "OLYMPUS STYLUS1"),
        (b"EASTMAN KODAK COMPANY", b"KODAK DX3900 ZOOM", "KODAK DX3900 ZOOM"),
        (b"CASIO COMPUTER CO.,LTD.", b"EX-100", "CASIO EX-100"),
        (b"LG Electronics", b"LG-M250", "LG-M250"),
        (b"Apple", b"iPhone 13 Pro", "Apple iPhone 13 Pro"),
        (b"", b"Scanner", "Scanner"),
        (b"Apple", b"", "Apple"),
        (b"\0\0\0", b"  ", None),
    ],
)
def test_the_maker_is_named_once(make: bytes, model: bytes, camera: str | None) -> None:
    assert of_exif({ImageIFD.Make: make, ImageIFD.Model: model}).camera == camera


# Dates


@pytest.mark.parametrize(
    "written", [b"1970:01:01 00:00:00", b"1980:01:01 00:00:00", b"1700:01:01 10:00:00", b"2999:01:01 10:00:00"]
)
def test_a_clock_that_was_never_set_tells_no_date(written: bytes) -> None:
    assert of_exif(exif={ExifIFD.DateTimeOriginal: written}).taken_at is None
    later = of_exif({ImageIFD.DateTime: b"2019:03:04 05:06:07"}, {ExifIFD.DateTimeOriginal: written})
    assert later.taken_at == datetime(2019, 3, 4, 5, 6, 7)


def test_dates_are_looked_for_in_the_order_of_trust() -> None:
    xmp = "<photoshop:DateCreated>2001-02-03</photoshop:DateCreated><xmp:CreateDate>2011-02-03</xmp:CreateDate>"
    assert read(with_xmp(JPEG, xmp)).taken_at == datetime(2001, 2, 3)
    assert read(with_iptc(JPEG, (55, b"19990102"), (60, b"101112+0100"))).taken_at == datetime(
        1999, 1, 2, 10, 11, 12, tzinfo=timezone(timedelta(hours=1))
    )
    gps = {GPSIFD.GPSDateStamp: b"2015:06:07", GPSIFD.GPSTimeStamp: ((8, 1), (9, 1), (10, 1))}
    assert of_exif({ImageIFD.DateTime: b"2020:01:01 10:00:00"}, gps=gps).taken_at == datetime(
        2015, 6, 7, 8, 9, 10, 0, UTC
    )


# Places


def position(latitude: object, longitude: object, **more: object) -> Position | None:
    gps = {GPSIFD.GPSLatitudeRef: b"N", GPSIFD.GPSLongitudeRef: b"W", GPSIFD.GPSLatitude: latitude}
    return of_exif(gps={**gps, GPSIFD.GPSLongitude: longitude, **{int(k): v for k, v in more.items()}}).position


def test_gps_in_degrees_minutes_and_seconds() -> None:
    found = position(((47, 1), (30, 1), (3600, 100)), ((122, 1), (15, 1), (0, 1)))
    assert found is not None
    assert found.latitude == pytest.approx(47.51)
    assert found.longitude == pytest.approx(-122.25)


def test_altitude_may_be_below_the_sea() -> None:
    below = {str(GPSIFD.GPSAltitude): (25, 10), str(GPSIFD.GPSAltitudeRef): 1}
    found = position(((31, 1), (0, 1), (0, 1)), ((35, 1), (0, 1), (0, 1)), **below)
    assert found is not None
    assert found.altitude_m == -2.5


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [
        (((0, 1), (0, 1), (0, 1)), ((0, 1), (0, 1), (0, 1))),  # no fix
        (((91, 1), (0, 1), (0, 1)), ((0, 1), (0, 1), (0, 1))),
        (((47, 0), (0, 0), (0, 0)), ((8, 1), (0, 1), (0, 1))),
        (((47, 1), (0, 1), (0, 1)), ((181, 1), (0, 1), (0, 1))),
    ],
)
def test_impossible_places_are_none(latitude: object, longitude: object) -> None:
    assert position(latitude, longitude) is None


def test_xmp_tells_the_place_where_exif_does_not() -> None:
    xmp = xmp_packet("<exif:GPSLatitude>47,30.6N</exif:GPSLatitude><exif:GPSLongitude>8,15,36W</exif:GPSLongitude>")
    found = read(JPEG, xmp).position
    assert found is not None
    assert (found.latitude, found.longitude) == (pytest.approx(47.51), pytest.approx(-8.26))


# Words


def test_keywords_are_gathered_from_everywhere_once() -> None:
    exif = {ImageIFD.XPKeywords: "Sea;café".encode("utf-16-le") + b"\0\0"}
    data = with_segments(JPEG, (0xE1, exif_bytes(exif)))
    data = with_iptc(data, (25, "Übung".encode()), (25, b"sea"))
    data = with_xmp(data, bag("dc:subject", "beach", "Sea") + bag("lr:hierarchicalSubject", "Places|Germany|Berlin"))
    assert set(read(data).keywords) == {"beach", "Sea", "Places", "Germany", "Berlin", "Übung", "café"}


def test_people_are_named_by_regions_tags_and_lists() -> None:
    mwg = (
        '<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:RegionList><rdf:Bag>'
        '<rdf:li><rdf:Description mwg-rs:Name="Anna" mwg-rs:Type="Face"/></rdf:li>'
        '<rdf:li rdf:parseType="Resource"><mwg-rs:Name>Ben</mwg-rs:Name><mwg-rs:Type>Face</mwg-rs:Type></rdf:li>'
        '<rdf:li><rdf:Description mwg-rs:Name="Rex" mwg-rs:Type="Pet"/></rdf:li>'
        "</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
    )
    microsoft = (
        '<MP:RegionInfo rdf:parseType="Resource"><MPRI:Regions><rdf:Bag>'
        '<rdf:li MPReg:Rectangle="0,0,1,1" MPReg:PersonDisplayName="Cleo"/></rdf:Bag></MPRI:Regions></MP:RegionInfo>'
    )
    tags = bag("digiKam:TagsList", "People/Dora", "Trees/Oak", kind="Seq") + bag("dc:subject", "Dora", "garden")
    metadata = read(with_xmp(JPEG, mwg + microsoft + bag("Iptc4xmpExt:PersonInImage", "Emil", "Anna") + tags))
    assert set(metadata.people) == {"Anna", "Ben", "Cleo", "Dora", "Emil"}
    assert set(metadata.keywords) == {"garden", "Trees", "Oak"}
    assert metadata.pets == ("Rex",)


@pytest.mark.parametrize(
    "branch",
    [
        *("People", "Personen", "Leute", "Familie", "Persons", "Personnes", "Personas", "Family", "PEOPLE", "Who"),
        *("Kontakte", "Rodina", "Perhe", "Familj", "Vrienden", "Rostros", "Család", "Aile", "家人", "인물"),
    ],
)
@pytest.mark.parametrize(
    ("name", "separator"),
    [
        ("lr:hierarchicalSubject", "|"),
        ("digiKam:TagsList", "/"),
        ("MicrosoftPhoto:LastKeywordXMP", "/"),
        ("dc:subject", "|"),
    ],
)
def test_the_branch_of_names_is_known_in_several_languages(branch: str, name: str, separator: str) -> None:
    metadata = read(with_xmp(JPEG, bag(name, separator.join((branch, "Smith", "Anna")), "black/white", "a|b")))
    assert metadata.people == ("Anna",)
    assert {"a", "b"} < set(metadata.keywords)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'<?xpacket end="w"?>', b"\0\0\0left over <a> & \xff"),
        (b'</x:xmpmeta><?xpacket end="w"?>', b"</x:xmpmeta>\n<dc:old>words</dc:old>"),
        (b"Sea", b"Sea & <dc:gone>"),
        (b"Sea", b"Sea & sand"),
        (b"Sea", b"Sea &amp; sand&nbsp;&"),
    ],
)
def test_what_is_no_xml_in_a_packet_costs_no_more_than_itself(before: bytes, after: bytes) -> None:
    packet = xmp_packet("<dc:title>Rome</dc:title>" + bag("dc:subject", "Sea")).replace(before, after)
    data = with_segments(JPEG, (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet))
    found = read(data)
    if b"gone" in after:
        assert found.title is None
    else:
        assert (found.title, found.keywords[0][:3]) == ("Rome", "Sea")
        assert read(JPEG, packet).title == "Rome"


def test_a_keyword_with_a_stroke_is_one_keyword() -> None:
    assert read(with_xmp(JPEG, bag("dc:subject", "black/white"))).keywords == ("black/white",)


def test_author_and_copyright_of_a_png_are_its_creators() -> None:
    chunks = (
        chunks_made.chunk(b"tEXt", b"Author\0Anna"),
        chunks_made.chunk(b"zTXt", b"Copyright\0\0" + zlib.compress(b"Ben 2019")),
        chunks_made.chunk(b"tEXt", b"exif:Artist\0Cleo"),
        chunks_made.chunk(b"tEXt", b"Software\0Dora"),
    )
    assert read(chunks_made.png(*chunks)).creators == ("Anna", "Ben 2019", "Cleo")


def test_the_xmp_of_a_gif_is_read() -> None:
    packet = xmp_packet(
        "<dc:title>Holidays</dc:title><dc:subject><rdf:Bag><rdf:li>Rome</rdf:li></rdf:Bag></dc:subject>"
    )
    gif = encoded(cornered(), "GIF")
    trailer = b"\1" + bytes(range(255, -1, -1)) + b"\0"
    data = gif[:-1] + b"\x21\xff\x0bXMP DataXMP" + packet + trailer + gif[-1:]
    assert (read(data).title, read(data).keywords) == ("Holidays", ("Rome",))
    assert read(data[: len(gif) + 40]).title is None


def test_the_camera_is_read_from_xmp_where_exif_has_none() -> None:
    camera = "<tiff:Make>Canon</tiff:Make><tiff:Model>Canon EOS 550D</tiff:Model>"
    assert read(with_xmp(JPEG, camera)).camera == "Canon EOS 550D"
    assert read(JPEG, xmp_packet(camera)).camera == "Canon EOS 550D"
    nikon = with_segments(JPEG, (0xE1, exif_bytes({ImageIFD.Make: b"NIKON", ImageIFD.Model: b"D300"})))
    assert read(with_xmp(nikon, camera), xmp_packet(camera)).camera == "NIKON D300"


def test_headline_places_and_creators_are_read_from_everywhere() -> None:
    image = {
        ImageIFD.Artist: b"Ansel",
        ImageIFD.Copyright: b"Berta\0Cleo\0",
        ImageIFD.XPAuthor: "Dora".encode("utf-16-le") + b"\0\0",
        ImageIFD.XPSubject: "Gartenfest".encode("utf-16-le") + b"\0\0",
    }
    data = with_segments(JPEG, (0xE1, exif_bytes(image)))
    iptc = {90: "Köln", 92: "Dom", 95: "NRW", 101: "Germany", 105: "Head", 80: "Emil", 12: "IPTC:15054000:SPO:Soccer:"}
    data = with_iptc(data, *((number, text.encode("cp1252")) for number, text in iptc.items()))
    shown = (
        '<Iptc4xmpExt:LocationShown><rdf:Bag><rdf:li rdf:parseType="Resource"><Iptc4xmpExt:City>Bonn</Iptc4xmpExt:City>'
        "<Iptc4xmpExt:CountryName>Deutschland</Iptc4xmpExt:CountryName></rdf:li></rdf:Bag></Iptc4xmpExt:LocationShown>"
    )
    data = with_xmp(
        data, shown + "<photoshop:State>Rheinland</photoshop:State>" + bag("dc:creator", "Fritz", kind="Seq")
    )
    metadata = read(data)
    assert metadata.headline == "Head"
    assert set(metadata.locations) == {"Köln", "Dom", "NRW", "Germany", "Bonn", "Deutschland", "Rheinland"}
    assert set(metadata.creators) == {"Ansel", "Berta", "Cleo", "Dora", "Emil", "Fritz"}
    assert set(metadata.subjects) == {"Gartenfest", "SPO", "Soccer"}


def test_other_words_of_a_person_are_kept_beside_the_caption() -> None:
    alternative = (
        '<i:AltTextAccessibility xmlns:i="http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"><rdf:Alt>'
        '<rdf:li xml:lang="x-default">a bride in white</rdf:li></rdf:Alt></i:AltTextAccessibility>'
    )
    data = with_segments(with_xmp(JPEG, described("a wedding") + alternative), (0xFE, b"scanned in 2004"))
    data = with_iptc(data, (120, b"a wedding"))
    metadata = read(data)
    assert metadata.person_caption == "a wedding"
    assert metadata.alt_texts == ("a bride in white",)
    assert metadata.comments == ("scanned in 2004",)


@pytest.mark.parametrize(
    ("xmp", "rating"),
    [
        ("<xmp:Rating>4</xmp:Rating>", 4),
        ("<xmp:Rating>-1</xmp:Rating>", -1),
        ("<xmp:Rating>0</xmp:Rating>", 0),
        ("<xmp:Rating>99</xmp:Rating>", None),
        ("<xmp:Rating>many</xmp:Rating>", None),
        ("<xmp:Rating>nan</xmp:Rating>", None),
        ("<MicrosoftPhoto:Rating>75</MicrosoftPhoto:Rating>", 4),
        ("<MicrosoftPhoto:Rating>99</MicrosoftPhoto:Rating>", 5),
        ("<MicrosoftPhoto:Rating>1</MicrosoftPhoto:Rating>", 1),
    ],
)
def test_ratings(xmp: str, rating: int | None) -> None:
    assert read(with_xmp(JPEG, xmp)).rating == rating


def test_exif_s_rating_counts_where_xmp_has_none() -> None:
    assert of_exif({ImageIFD.Rating: 3}).rating == 3


def test_titles() -> None:
    languages = '<rdf:li xml:lang="de">Ferien</rdf:li><rdf:li xml:lang="x-default">Holidays</rdf:li>'
    assert read(with_xmp(JPEG, f"<dc:title><rdf:Alt>{languages}</rdf:Alt></dc:title>")).title == "Holidays"
    assert of_exif({ImageIFD.XPTitle: "Ferien".encode("utf-16-le")}).title == "Ferien"
    assert read(with_iptc(JPEG, (5, b"Urlaub"))).title == "Urlaub"


# Captions


@pytest.mark.parametrize(
    "data",
    [
        with_segments(JPEG, (0xE1, exif_bytes({ImageIFD.ImageDescription: "Omas Gärten".encode()}))),
        with_segments(JPEG, (0xE1, exif_bytes({ImageIFD.ImageDescription: "Omas Gärten".encode("latin-1")}))),
        with_segments(JPEG, (0xE1, exif_bytes({ImageIFD.XPComment: "Omas Gärten".encode("utf-16-le")}))),
        with_segments(JPEG, (0xE1, exif_bytes(None, {ExifIFD.UserComment: b"ASCII\0\0\0Omas G\xc3\xa4rten"}))),
        with_segments(
            JPEG, (0xE1, exif_bytes(None, {ExifIFD.UserComment: b"UNICODE\0" + "Omas Gärten".encode("utf-16-be")}))
        ),
        with_segments(JPEG, (0xE1, exif_bytes(None, {ExifIFD.UserComment: bytes(8) + "Omas Gärten".encode()}))),
        with_iptc(JPEG, (120, "Omas Gärten".encode())),
        with_iptc(JPEG, (120, "Omas Gärten".encode("latin-1"))),
        with_xmp(JPEG, described("Omas Gärten")),
        encoded(cornered(), "PNG", exif=exif_bytes({ImageIFD.ImageDescription: "Omas Gärten".encode()})),
        encoded(cornered(), "WEBP", xmp=xmp_packet(described("Omas Gärten"))),
        encoded(cornered(), "HEIF", xmp=xmp_packet(described("Omas Gärten"))),
        encoded(cornered(), "AVIF", xmp=xmp_packet(described("Omas Gärten"))),
        encoded(cornered(), "TIFF", tiffinfo={700: xmp_packet(described("Omas Gärten"))}),
    ],
)
def test_a_person_s_words_are_found_in_every_field_and_format(data: bytes) -> None:
    metadata = read(data)
    assert metadata.person_caption == "Omas Gärten"
    assert metadata.machine_caption is None


def test_what_phones_comment_is_a_person_s_word_elsewhere() -> None:
    comment = {ExifIFD.UserComment: b"ASCII\0\0\0Screenshot"}
    assert of_exif({}, comment).person_caption is None
    assert of_exif({ImageIFD.ImageDescription: b"Screenshot"}, comment).person_caption == "Screenshot"


@pytest.mark.parametrize("boilerplate", [b"OLYMPUS DIGITAL CAMERA", b"SAMSUNG CAMERA PICTURES  ", b"   ", b"\0\0"])
def test_what_cameras_always_write_is_nobody_s_caption(boilerplate: bytes) -> None:
    assert of_exif({ImageIFD.ImageDescription: boilerplate}).person_caption is None


def test_our_caption_is_known_by_its_mark() -> None:
    packet = compose_packet(OwnCaption.of(OURS, before=""))
    for metadata in (read(JPEG, packet), read(encoded(cornered(), "WEBP", xmp=packet))):
        assert metadata.person_caption is None
        assert metadata.machine_caption is not None
        assert metadata.machine_caption.text == OURS.text
        assert metadata.machine_caption.by is CaptionBy.MODEL
        assert metadata.machine_caption.model == OURS.model
        assert metadata.machine_caption.confidence == pytest.approx(0.7)


def test_our_caption_edited_by_a_person_is_theirs() -> None:
    packet = compose_packet(OwnCaption.of(OURS, before=""))
    edited = packet.replace(b"a dog runs", b"Bello runs")
    assert edited != packet
    metadata = read(JPEG, edited)
    assert metadata.person_caption == "Bello runs on the beach"
    assert metadata.machine_caption is None


def test_a_person_s_words_in_one_field_win_over_ours_in_another() -> None:
    data = with_iptc(JPEG, (120, b"Bello at the sea"))
    metadata = read(data, compose_packet(OwnCaption.of(OURS, before="")))
    assert metadata.person_caption == "Bello at the sea"
    assert metadata.machine_caption is not None


def test_a_sidecar_s_words_come_before_the_file_s() -> None:
    data = with_xmp(JPEG, described("old words") + "<xmp:Rating>2</xmp:Rating>")
    metadata = read(data, xmp_packet(described("new words") + "<xmp:Rating>5</xmp:Rating>"))
    assert metadata.person_caption == "new words"
    assert metadata.rating == 5


# Hostile


def test_text_is_cleaned_and_bounded() -> None:
    hostile = "cat\x00\x07\x1b[31m\u202egpj.exe\u2066 \ud83d\n\tdog " + "x" * 50_000
    packet = xmp_packet(
        described(hostile.replace("\x00", "").replace("\x07", "").replace("\x1b", "").replace("\ud83d", ""))
    )
    caption = read(JPEG, packet).person_caption
    assert caption is not None
    assert caption.startswith("cat[31mgpj.exe dog x")
    assert len(caption) <= 4000
    shouted = of_exif({ImageIFD.Make: b"A\x01B\x9d\xff\r\n" + b"y" * 9000}).camera
    assert shouted is not None
    assert len(shouted) <= 256
    assert shouted.isprintable()


def test_lists_are_bounded() -> None:
    packet = xmp_packet(bag("dc:subject", *(f"word {number}" for number in range(5000))))
    assert len(read(JPEG, packet).keywords) == 256


BILLION_LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">&b;</x:xmpmeta>'
)


@pytest.mark.parametrize(
    "packet",
    [
        BILLION_LAUGHS,
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
        b"<x:xmpmeta>",
        b"not xml at all",
        b"<a>" * 20_000,
        b"<a/>" + b" " * 5_000_000,
        b'<?xml version="1.0" encoding="klingon"?><a/>',
        xmp_packet(described("x"))[:-40],
        b"\xff\xfe<\0a\0/\0>\0",
    ],
)
def test_a_bad_packet_is_as_good_as_none(packet: bytes) -> None:
    assert read(JPEG, packet) == read(JPEG)


def test_a_tag_that_claims_four_thousand_million_values_costs_nothing() -> None:
    block = bytearray(exif_bytes({ImageIFD.Make: b"Canon", ImageIFD.ImageDescription: b"a long enough text"}))
    entry = block.index(b"\x01\x0f\x00\x02")  # Make, ASCII
    block[entry + 2 : entry + 8] = b"\x00\x03\xff\xff\xff\xff"  # SHORT, 4,294,967,295 of them
    assert read(with_segments(JPEG, (0xE1, bytes(block)))).width_px == 96


@pytest.mark.timeout(20)
def test_directories_that_point_in_a_circle_end() -> None:
    entry = b"\x87\x69\0\x04\0\0\0\x01\0\0\0\x08"  # an Exif pointer to the directory that it stands in
    block = b"MM\0*\0\0\0\x08\0\x01" + entry + bytes(4)
    assert read(with_segments(JPEG, (0xE1, b"Exif\0\0" + block))).width_px == 96


def test_the_texts_of_a_damaged_exif_block_are_read_by_pillow() -> None:
    """A text without its final NUL: piexif cuts its last letter off."""
    block = bytearray(exif_bytes({ImageIFD.Make: b"Canon12"}))
    at = block.index(b"Canon12\0")
    block[at + 7] = ord("3")
    assert read(with_segments(JPEG, (0xE1, bytes(block)))).camera == "Canon123"


RICH = with_xmp(
    with_iptc(
        with_segments(
            JPEG,
            (
                0xE1,
                exif_bytes(
                    {ImageIFD.Make: b"Canon", ImageIFD.Orientation: 6, ImageIFD.XPTitle: b"a\0b\0"},
                    {ExifIFD.DateTimeOriginal: b"2024:05:01 12:30:15", ExifIFD.UserComment: b"ASCII\0\0\0hello"},
                    {GPSIFD.GPSLatitudeRef: b"N", GPSIFD.GPSLatitude: ((47, 1), (30, 1), (0, 1))},
                ),
            ),
        ),
        (120, b"a caption"),
        (25, b"word"),
    ),
    described("words") + "<xmp:Rating>4</xmp:Rating>",
)
SAMPLES = {
    "jpeg": RICH,
    "png": encoded(cornered((20, 10)), "PNG", exif=exif_bytes({ImageIFD.Make: b"Canon"})),
    "tiff": encoded(cornered((20, 10)), "TIFF", exif=exif_bytes({ImageIFD.Make: b"Canon"})[6:]),
    "webp": encoded(
        cornered((20, 10)), "WEBP", exif=exif_bytes({ImageIFD.Make: b"Canon"}), xmp=xmp_packet(described("x"))
    ),
    "dng": raw_tiff(JPEG, size=(6000, 4000)),
}


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(SAMPLES)),
    st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=12),
    st.floats(0.2, 1.0),
)
def test_mutated_files_give_metadata_or_a_reason(kind: str, changes: list[tuple[float, int]], kept: float) -> None:
    """Whatever is changed in the first bytes, where metadata stands, and wherever the file is cut."""
    data = bytearray(SAMPLES[kind])
    for place, value in changes:
        data[int(place**2 * len(data))] = value  # squared: mostly near the start
    with suppress(UnreadablePhoto):
        metadata = read(bytes(data[: int(len(data) * kept)]))
        assert metadata.width_px > 0
        assert 1 <= metadata.orientation <= 8


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=600), st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b""]))
def test_any_exif_block_can_be_read(block: bytes, header: bytes) -> None:
    read(with_segments(JPEG, (0xE1, b"Exif\0\0" + header + block)))


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=300))
def test_any_text_comes_out_fit_to_be_shown(text: str) -> None:
    comment = b"UNICODE\0" + text.encode("utf-16-be", "surrogatepass")
    caption = of_exif(exif={ExifIFD.UserComment: comment}).person_caption
    assert caption is None or (caption == " ".join(caption.split()) and caption.encode())


def test_blocks_are_found_in_a_raw_file_too() -> None:
    raw = raw_tiff(JPEG, size=(6000, 4000), orientation=8)
    blocks = find_blocks(raw, open_image(raw, max_pixels_mp=50))
    assert blocks.values.orientation == 8
