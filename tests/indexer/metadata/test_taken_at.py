"""Which of a photo's dates counts, from whatever place in the file or beside it."""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from piexif import GPSIFD, ExifIFD, ImageIFD

from indexer.metadata.blocks import heif_dates
from indexer.metadata.read_metadata import read_metadata
from indexer.metadata.sidecar_files import Takeout
from indexer.metadata.taken_at import ContainerDates
from indexer.model import PhotoMetadata, iso_date
from tests.indexer.formats import chunks_made, heifs_made
from tests.photos_made import cornered, encoded, exif_bytes, with_iptc, with_segments, with_xmp, xmp_packet

JPEG = encoded(cornered(), "JPEG")
PNG = encoded(cornered(), "PNG")
ORIGINAL, DIGITISED = ExifIFD.DateTimeOriginal, ExifIFD.DateTimeDigitized
NAMED = "IMG-20170101-WA0001.jpg"


def date_of(data: bytes, *sidecars: bytes, name: str = "a.jpg", takeout: Takeout | None = None) -> str | None:
    """ISO 8601, as far as the date is known."""
    metadata: PhotoMetadata = read_metadata(data, Path(name), sidecars, takeout=takeout)
    return iso_date(metadata.taken_at, metadata.taken_precision) if metadata.taken_at else None


def jpeg(image: dict[int, object] | None = None, exif: dict[int, object] | None = None, **gps: object) -> bytes:
    return with_segments(JPEG, (0xE1, exif_bytes(image, exif, gps.get("gps"))))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (b"2013:04:05 24:12:34", "2013-04-05T00:12:34"),
        (b"2019:02:30 12:30:00", "2019-02"),
        (b"1950:00:00 00:00:00", "1950"),
        (b"1962:07:00 00:00:00", "1962-07"),
        (b"12/01/2014 10:00", "2014-12-01T10:00:00"),
        (b"2014:12:01", "2014-12-01"),
    ],
)
def test_the_good_part_of_exif_s_date_counts(written: bytes, expected: str) -> None:
    assert date_of(jpeg(exif={ORIGINAL: written})) == expected
    assert date_of(jpeg(exif={DIGITISED: written})) == expected
    assert date_of(jpeg(image={ImageIFD.DateTime: written})) == expected


def test_a_year_that_a_clock_starts_at_may_be_meant() -> None:
    assert date_of(jpeg(exif={ORIGINAL: b"1970:00:00 00:00:00"})) == "1970"
    assert date_of(jpeg(exif={ORIGINAL: b"1970:01:01 00:00:00"})) is None
    assert date_of(jpeg(exif={ORIGINAL: b"2999:00:00 00:00:00"})) is None
    assert date_of(jpeg(exif={ORIGINAL: b"1700:00:00 00:00:00"})) is None


def test_the_date_of_taking_goes_before_the_scanner_s() -> None:
    scanned = jpeg(exif={DIGITISED: b"2020:05:05 10:00:00"})
    assert date_of(with_xmp(scanned, "<photoshop:DateCreated>1954-06-07</photoshop:DateCreated>")) == "1954-06-07"
    assert date_of(with_xmp(scanned, "<exif:DateTimeOriginal>1954</exif:DateTimeOriginal>")) == "1954"
    assert date_of(with_iptc(scanned, (55, b"19540600"))) == "1954-06"
    assert date_of(with_iptc(JPEG, (62, b"20200505"), (63, b"100000+0200"))) == "2020-05-05T10:00:00+02:00"
    assert date_of(with_iptc(JPEG, (62, b"20200505"), (55, b"19540600"))) == "1954-06"
    assert date_of(with_iptc(scanned, (62, b"20210505"))) == "2020-05-05T10:00:00"
    assert date_of(with_xmp(scanned, "<xmp:CreateDate>2021-01-01</xmp:CreateDate>")) == "2020-05-05T10:00:00"


def test_a_sidecar_s_date_and_place_go_before_the_file_s() -> None:
    place = {GPSIFD.GPSLatitudeRef: b"N", GPSIFD.GPSLatitude: ((1, 1), (0, 1), (0, 1))}
    place |= {GPSIFD.GPSLongitudeRef: b"E", GPSIFD.GPSLongitude: ((2, 1), (0, 1), (0, 1))}
    data = jpeg(exif={ORIGINAL: b"2021:03:03 03:03:03"}, gps=place)
    sidecar = xmp_packet(
        "<exif:DateTimeOriginal>1999-08-11T12:30:00</exif:DateTimeOriginal>"
        "<exif:GPSLatitude>48,51.0N</exif:GPSLatitude><exif:GPSLongitude>2,21.0E</exif:GPSLongitude>"
    )
    found = read_metadata(data, Path("a.jpg"), [sidecar])
    assert found.taken_at == datetime(1999, 8, 11, 12, 30)
    assert found.position is not None
    assert (found.position.latitude, found.position.longitude) == (pytest.approx(48.85), pytest.approx(2.35))
    assert date_of(data, xmp_packet("<xmp:CreateDate>1990-01-01</xmp:CreateDate>")) == "2021-03-03T03:03:03"
    assert date_of(data, xmp_packet("<exif:DateTimeOriginal>soon</exif:DateTimeOriginal>")) == "2021-03-03T03:03:03"
    inside = read_metadata(with_xmp(data, "<exif:GPSLatitude>9,0N</exif:GPSLatitude>"), Path("a.jpg")).position
    assert inside is not None
    assert inside.latitude == pytest.approx(1)


@pytest.mark.parametrize(
    ("sidecar", "expected"),
    [
        ("2021:03:03 03:03:03", "2021-03-03T03:03:03.250000+02:00"),
        ("2021-03-03T03:03:03", "2021-03-03T03:03:03.250000+02:00"),
        ("2021-03-03", "2021-03-03T03:03:03.250000+02:00"),
        ("2021", "2021-03-03T03:03:03.250000+02:00"),
        ("2021-03-04", "2021-03-04"),
        ("2020", "2020"),
        ("2021-03-03T03:03:04", "2021-03-03T03:03:04"),
        ("2021-03-03T03:03:03+05:00", "2021-03-03T03:03:03+05:00"),
    ],
)
def test_a_sidecar_that_says_less_of_the_same_date_costs_no_offset(sidecar: str, expected: str) -> None:
    exif = {ORIGINAL: b"2021:03:03 03:03:03", ExifIFD.SubSecTimeOriginal: b"25", ExifIFD.OffsetTimeOriginal: b"+02:00"}
    beside = xmp_packet(f"<exif:DateTimeOriginal>{sidecar}</exif:DateTimeOriginal>")
    assert date_of(jpeg(exif=exif), beside) == expected


def test_a_date_that_stands_in_the_wrong_directory_counts() -> None:
    block = struct.pack("<2sHIHHHII", b"II", 42, 8, 1, 0x9003, 2, 20, 26) + bytes(4) + b"2006:05:27 12:37:03\0"
    assert date_of(with_segments(JPEG, (0xE1, b"Exif\0\0" + block))) == "2006-05-27T12:37:03"


def test_gps_time_and_the_last_change_come_after_what_was_meant() -> None:
    gps = {GPSIFD.GPSDateStamp: b"2015:06:07", GPSIFD.GPSTimeStamp: ((8, 1), (9, 1), (10, 1))}
    assert date_of(jpeg({ImageIFD.DateTime: b"2020:01:01 10:00:00"}, gps=gps)) == "2015-06-07T08:09:10+00:00"
    unset = {**gps, GPSIFD.GPSDateStamp: b"1980:01:06"}
    assert date_of(jpeg({ImageIFD.DateTime: b"2020:01:01 10:00:00"}, gps=unset)) == "2020-01-01T10:00:00"
    assert date_of(jpeg(gps={GPSIFD.GPSDateStamp: b"2015:06:07"})) == "2015-06-07"


def test_the_name_counts_where_nothing_else_does() -> None:
    assert date_of(JPEG, name=NAMED) == "2017-01-01"
    assert date_of(jpeg({ImageIFD.DateTime: b"2020:01:01 10:00:00"}), name=NAMED) == "2020-01-01T10:00:00"
    assert date_of(JPEG, name="IMG-20990101-WA0001.jpg") is None


def takeout(moment: datetime) -> Takeout:
    return Takeout(taken_at=moment.replace(tzinfo=UTC))


def test_google_photos_date() -> None:
    taken = jpeg(exif={ORIGINAL: b"2021:03:03 23:30:00"})
    same_day, set_there = takeout(datetime(2021, 3, 4, 4, 30)), takeout(datetime(1999, 8, 11))
    assert date_of(taken, takeout=same_day) == "2021-03-03T23:30:00", "the clock of the place tells more than UTC"
    assert date_of(taken, takeout=set_there) == "1999-08-11T00:00:00+00:00", "somebody has set it there"
    assert date_of(jpeg(exif={ORIGINAL: b"1950:00:00 00:00:00"}), takeout=set_there) == "1950"
    written = with_xmp(JPEG, "<photoshop:DateCreated>1954-06-07</photoshop:DateCreated>")
    assert date_of(written, takeout=same_day) == "1954-06-07"
    assert (
        date_of(taken, xmp_packet("<exif:DateTimeOriginal>2005</exif:DateTimeOriginal>"), takeout=set_there) == "2005"
    )
    assert date_of(jpeg(exif={DIGITISED: b"2020:05:05 10:00:00"}), takeout=set_there) == "1999-08-11T00:00:00+00:00"
    assert date_of(JPEG, name=NAMED, takeout=set_there) == "1999-08-11T00:00:00+00:00"


# Containers


def png(*chunks: bytes) -> bytes:
    """After IHDR."""
    return PNG[:33] + b"".join(chunks) + PNG[33:]


TIME = chunks_made.chunk(b"tIME", struct.pack(">HBBBBB", 2022, 2, 3, 4, 5, 6))


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ((chunks_made.chunk(b"tEXt", b"Creation Time\0Mon, 01 Dec 2014 15:45:12 GMT"),), "2014-12-01T15:45:12+00:00"),
        ((chunks_made.chunk(b"tEXt", b"Creation Time\x002014:12:01 15:45:12"), TIME), "2014-12-01T15:45:12"),
        ((chunks_made.chunk(b"iTXt", b"Creation Time\0\0\0\0\x002014-12-01"),), "2014-12-01"),
        ((chunks_made.chunk(b"tIME", struct.pack(">HBBBBB", 2022, 2, 30, 4, 5, 6)),), "2022-02"),
        ((chunks_made.chunk(b"tIME", struct.pack(">HBBBBB", 2022, 2, 3, 24, 5, 6)),), "2022-02-03T00:05:06+00:00"),
        ((chunks_made.chunk(b"tIME", struct.pack(">HBBBBB", 2022, 0, 0, 0, 0, 0)),), "2022"),
        ((chunks_made.chunk(b"tIME", bytes(7)),), None),
        ((chunks_made.chunk(b"tEXt", b"Creation Time\0some day"), TIME), "2022-02-03T04:05:06+00:00"),
        ((chunks_made.chunk(b"tEXt", b"exif:DateTimeOriginal\x002014:12:01 15:45:12"),), "2014-12-01T15:45:12"),
        ((chunks_made.chunk(b"tEXt", b"create-date\x002014-12-01T15:45:12+02:00"),), "2014-12-01T15:45:12+02:00"),
        ((chunks_made.chunk(b"tEXt", b"CreationTime\x002014:12:01 15:45:12"),), "2014-12-01T15:45:12"),
        ((chunks_made.chunk(b"tEXt", b"exif:DateTimeDigitized\x002014:12:01 15:45:12"),), "2014-12-01T15:45:12"),
        ((chunks_made.chunk(b"tEXt", b"date:create\x002014-12-01T15:45:12+00:00"),), None),
        ((TIME,), "2022-02-03T04:05:06+00:00"),
        ((chunks_made.chunk(b"tIME", b"\0"),), None),
    ],
)
def test_png_s_own_dates(chunks: tuple[bytes, ...], expected: str | None) -> None:
    assert date_of(png(*chunks), name="a.png") == expected


def test_a_compressed_creation_time_is_read() -> None:
    import zlib

    chunk = chunks_made.chunk(b"zTXt", b"Creation Time\0\0" + zlib.compress(b"2014:12:01 15:45:12"))
    assert date_of(png(chunk), name="a.png") == "2014-12-01T15:45:12"


SECONDS = int((datetime(2018, 3, 9, 14, 16, 50) - datetime(1904, 1, 1)).total_seconds())
MVHD = heifs_made.full(b"mvhd", 0, struct.pack(">IIII", SECONDS, SECONDS, 1000, 0), bytes(80))
LONG_MVHD = heifs_made.full(b"mvhd", 1, struct.pack(">QQIQ", SECONDS, SECONDS, 1000, 0), bytes(80))


@pytest.mark.parametrize("mvhd", [MVHD, LONG_MVHD])
def test_quicktime_s_date_of_an_image_sequence(mvhd: bytes) -> None:
    data = heifs_made.heic(behind=heifs_made.box(b"moov", mvhd))
    assert date_of(data, name="a.heic") == "2018-03-09T14:16:50+00:00"
    assert heif_dates(data[:-90]) == ContainerDates((None, None)), "a box that is cut off"


def test_quicktime_s_zero_is_no_date() -> None:
    empty = heifs_made.full(b"mvhd", 0, struct.pack(">IIII", 0, 0, 1000, 0), bytes(80))
    assert date_of(heifs_made.heic(behind=heifs_made.box(b"moov", empty)), name="a.heic") is None


def test_the_creation_time_among_the_properties_of_a_heif() -> None:
    crtt = heifs_made.full(b"crtt", 0, struct.pack(">Q", SECONDS * 1_000_000))
    data = heifs_made.heic(between=heifs_made.full(b"meta", 0, heifs_made.box(b"iprp", heifs_made.box(b"ipco", crtt))))
    assert [taken.at for taken in heif_dates(data).created if taken] == [datetime(2018, 3, 9, 14, 16, 50, tzinfo=UTC)]


def test_the_examples_that_are_at_hand(shared: Path) -> None:
    folder = shared / "cases" / "dates"
    if not folder.is_dir():
        pytest.skip("the examples are not here")
    expected = {"1950zero.jpg": "1950", "1962-07-00.jpg": "1962-07", "feb30.jpg": "2019-02"}
    expected |= {"hour24.jpg": "2013-04-05T00:12:34", "dash24.jpg": "2015-08-22T00:08:19"}
    expected |= {"nexus-only.jpg": "2015-08-22T00:08:19", "scan-xmp1954.jpg": "1954-06-07"}
    expected |= {"IMG-20190101-WA0001.jpg": "2019-01-01", "Screenshot_20210304-101112.jpg": "2021-03-04T10:11:12"}
    for name, date in expected.items():
        assert date_of((folder / name).read_bytes(), name=name) == date, name


def test_no_precision_is_claimed_where_there_is_no_date() -> None:
    bare = read_metadata(JPEG, Path("a.jpg"))
    assert bare == replace(bare, taken_at=None)
