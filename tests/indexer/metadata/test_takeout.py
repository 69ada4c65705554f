"""Google Photos' Takeout: what its `.json` says of a photo, and what it may not do."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner import Caption
from indexer.formats.xmp_packet import compose_packet
from indexer.metadata.read_metadata import read_metadata
from indexer.metadata.sidecar_files import MOST_JSON_BYTES, Takeout, read_takeout
from indexer.model import CaptionBy, FileCaption, PhotoMetadata, Position
from indexer.ownership.mark import OwnCaption
from indexer.reader.photo_reader import PhotoReader
from tests.indexer.metadata.test_sidecar_files import JPEG, LONG, reader
from tests.indexing import COLOURS, CountingCaptioner, all_photos, found, index, settings_for, stored
from tests.photos_made import with_xmp, write_jpeg, xmp_packet

__all__ = ["reader"]

WHOLE = {
    "title": "IMG_77.jpg",
    "description": "Oma's garden",
    "photoTakenTime": {"timestamp": "946684800", "formatted": "1 Jan 2000"},
    "creationTime": {"timestamp": "1600000000"},
    "geoData": {"latitude": 48.2, "longitude": 16.37, "altitude": 171.0},
    "people": [{"name": "Anna"}, {"name": "Ben"}],
    "favorited": True,
}
OURS = Caption("a dog runs on the beach", 0.7, (), None, "recollect-atto-1")


def told(**changes: object) -> bytes:
    return json.dumps(WHOLE | changes).encode()


def metadata(data: bytes, *sidecars: bytes, **changes: object) -> PhotoMetadata:
    return read_metadata(data, Path("IMG_77.jpg"), sidecars, takeout=read_takeout(told(**changes)))


def test_everything_that_it_says() -> None:
    assert read_takeout(told()) == Takeout(
        title="IMG_77.jpg",
        taken_at=datetime(2000, 1, 1, tzinfo=UTC),
        position=Position(48.2, 16.37, 171.0),
        description="Oma's garden",
        people=("Anna", "Ben"),
        rating=5,
    )


def test_it_is_the_photo_s() -> None:
    found = metadata(JPEG)
    assert found.taken_at == datetime(2000, 1, 1, tzinfo=UTC)
    assert found.position == Position(48.2, 16.37, 171.0)
    assert found.person_caption == "Oma's garden"
    assert found.others_words == "Oma's garden"
    assert found.people == ("Anna", "Ben")
    assert found.rating == 5


def test_a_sidecar_s_words_come_first_and_the_file_s_last() -> None:
    words = '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{}</rdf:li></rdf:Alt></dc:description>'
    data = with_xmp(JPEG, words.format("in the file") + "<xmp:Rating>2</xmp:Rating>")
    assert metadata(data).person_caption == "Oma's garden"
    assert metadata(data).rating == 2
    assert metadata(data, description=" ").person_caption == "in the file"
    assert metadata(data, xmp_packet(words.format("in the sidecar"))).person_caption == "in the sidecar"


def test_our_own_sentence_stays_ours_where_google_has_read_it() -> None:
    data = with_xmp(JPEG, "")
    ours = compose_packet(OwnCaption.of(OURS, before=""))
    read = metadata(data, ours, description=OURS.text)
    assert read.person_caption is None
    assert read.machine_caption is not None
    assert metadata(data, ours).person_caption == "Oma's garden"


def test_a_correction_typed_on_the_page_stands_before_it() -> None:
    typed = compose_packet(OwnCaption.of(FileCaption("typed here", CaptionBy.PERSON), before=""))
    found = metadata(JPEG, typed)
    assert found.correction is not None
    assert (found.person_caption, found.overruled) == ("typed here", "Oma's garden")


def test_no_place_and_the_exif_s() -> None:
    nowhere = {"latitude": 0.0, "longitude": 0.0, "altitude": 0.0}
    exif = {"latitude": 1.5, "longitude": 2.5, "altitude": 0.0}
    assert metadata(JPEG, geoData=nowhere).position is None
    assert metadata(JPEG, geoData=nowhere, geoDataExif=exif).position == Position(1.5, 2.5)


@pytest.mark.parametrize(
    ("timestamp", "moment"),
    [
        ("0", None),
        (0, None),
        ("-2208988800", datetime(1900, 1, 1, tzinfo=UTC)),
        (946684800, datetime(2000, 1, 1, tzinfo=UTC)),
        ("99999999999", datetime(5138, 11, 16, 9, 46, 39, tzinfo=UTC)),
        ("-99999999999", None),
        ("9" * 400, None),
        ("soon", None),
        (True, None),
        (None, None),
        (1.5, None),
    ],
)
def test_times(timestamp: object, moment: datetime | None) -> None:
    found = read_takeout(told(photoTakenTime={"timestamp": timestamp}))
    assert found is not None
    assert found.taken_at == moment
    assert metadata(JPEG, photoTakenTime={"timestamp": "99999999999"}).taken_at is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"name": "an album"}',
        b"{" * 10,
        b"[" * 100_000,
        b'{"description":' * 50_000,
        b"\xff\xfe\x00",
        b'{"description": ' + b"9" * 10_000 + b"}",
        b'{"description": "' + b"x" * MOST_JSON_BYTES + b'"}',
    ],
)
def test_what_is_none_of_google_s_is_nothing(data: bytes) -> None:
    assert read_takeout(data) is None


@pytest.mark.parametrize("wrong", [None, 3, 1e400, float("nan"), [], {}, [[]], "x", {"name": 3}, [{"name": []}], True])
def test_wrong_types_are_left_out(wrong: object) -> None:
    keys = ("title", "description", "photoTakenTime", "geoData", "geoDataExif", "people")
    data = json.dumps({**dict.fromkeys(keys, wrong), "favorited": "yes"}).encode()
    found = read_takeout(data)
    assert found is not None
    assert replace(found, title="", description="") == Takeout()
    for part in ("latitude", "longitude", "altitude"):
        at = {"latitude": 1.0, "longitude": 2.0, "altitude": 3.0} | {part: wrong}
        place = metadata(JPEG, geoData=at).position
        assert (place is None) is (part != "altitude" and wrong != 3)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*WHOLE, "name", "latitude"]), inner),
    max_leaves=12,
)


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from([*WHOLE]), JSON))
def test_no_json_does_harm(value: dict[str, object]) -> None:
    found = read_takeout(json.dumps(value).encode())
    read_metadata(JPEG, Path("a.jpg"), takeout=found)


# On disk


def test_it_is_read_beside_the_photo(tmp_path: Path, reader: PhotoReader) -> None:
    photo = tmp_path / "IMG_77(1).jpg"
    photo.write_bytes(JPEG)
    (tmp_path / "IMG_77.jpg.supplemental-metadata(1).json").write_bytes(told())
    found = reader.read_metadata(photo)[1]
    assert found.person_caption == "Oma's garden"
    edited = tmp_path / "IMG_77-bearbeitet.jpg"
    edited.write_bytes(JPEG)
    assert reader.read_metadata(edited)[1].person_caption is None
    (tmp_path / "IMG_77.jpg.json").write_bytes(told(description="the first"))
    assert reader.read_metadata(edited)[1].person_caption == "the first"


def test_a_name_that_was_cut_off_is_checked_by_its_title(tmp_path: Path, reader: PhotoReader) -> None:
    photo = tmp_path / LONG
    photo.write_bytes(JPEG)
    place = tmp_path / (LONG[:46] + ".json")
    place.write_bytes(told(title=LONG))
    assert reader.read_metadata(photo)[1].person_caption == "Oma's garden"
    place.write_bytes(told(title=LONG[:48] + "something else.jpg"))
    assert reader.read_metadata(photo)[1].person_caption is None


def test_another_program_s_json_is_passed_over(tmp_path: Path, reader: PhotoReader) -> None:
    photo = tmp_path / "IMG_77.jpg"
    photo.write_bytes(JPEG)
    (tmp_path / "IMG_77.json").write_text('{"name": "a game", "description_of": 3}')
    assert reader.read_metadata(photo)[1].person_caption is None
    (tmp_path / "IMG_77.json").write_bytes(b"x" * (MOST_JSON_BYTES + 1))
    assert reader.read_metadata(photo)[1].person_caption is None
    (tmp_path / "IMG_77.json").unlink()
    (tmp_path / "IMG_77.json").mkdir()
    assert reader.read_metadata(photo)[1].person_caption is None


@pytest.mark.slow
async def test_its_description_is_a_person_s_caption_all_the_way(tmp_path: Path) -> None:
    library, settings, captioner = tmp_path / "library", settings_for(tmp_path), CountingCaptioner()
    photo = write_jpeg(library / "red.jpg", COLOURS["red"])
    original, beside = photo.read_bytes(), library / "red.jpg.json"
    beside.write_bytes(told())

    async def shown() -> tuple[str | None, CaptionBy | None]:
        await index(settings, captioner, library)
        with stored(settings) as storage:
            [one] = all_photos(storage)
            return one.caption, one.caption_by

    def correct(text: str | None) -> None:
        with stored(settings) as storage:
            [one] = all_photos(storage)
            catalogue = storage.catalogue
            assert (
                catalogue.corrections.withdraw(one.id) if text is None else catalogue.corrections.correct(one.id, text)
            )

    assert await shown() == ("Oma's garden", CaptionBy.PERSON)
    assert photo.read_bytes() == original, "our sentence never stands beside a person's"
    with stored(settings) as storage:
        assert found(storage, "garden person:anna year:2000 rating:5") == ["Oma's garden"]
    correct("typed on the page")
    assert await shown() == ("typed on the page", CaptionBy.PERSON)
    assert (await index(settings, captioner, library)).done == 0
    correct(None)
    assert await shown() == ("Oma's garden", CaptionBy.PERSON)
    assert photo.read_bytes() == original
    beside.write_bytes(told(description="Opa's garden"))
    assert await shown() == ("Opa's garden", CaptionBy.PERSON)
    beside.unlink()
    assert await shown() == ("a red wall seen by colours-1", CaptionBy.MODEL)
    assert captioner.asked == ["red"]
    assert sorted(path.name for path in library.iterdir()) == ["red.jpg"]
