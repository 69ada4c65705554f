"""Which files beside a photo are its sidecars."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from indexer.captions.sidecar import Sidecars, sidecars_of
from indexer.catalogue.found import sidecar_fingerprint, sidecars_beside
from indexer.formats.photo import user_caption
from indexer.metadata.sidecar_files import find_takeout_files, find_xmp_sidecars, is_sidecar_of
from indexer.reader.photo_reader import PhotoReader
from indexer.reader.photo_requests import ReaderOptions
from tests.indexer.formats import jpegs_made
from tests.photos_made import cornered, encoded, xmp_packet

JPEG = encoded(cornered(), "JPEG")
CUT = "a photo with a very long name that goes on and on"[:47]
LONG = "a photo with a very long name that goes on and on and on.jpg"


@pytest.fixture
def reader(tmp_path: Path) -> PhotoReader:
    (tmp_path / "data").mkdir()
    return PhotoReader(ReaderOptions(0, 100, 200, 100, 100, 100, "embed", True, None, str(tmp_path / "data")))


def caption_of(reader: PhotoReader, path: Path) -> str | None:
    return reader.read_metadata(path)[1].person_caption


def described(text: str, *, of: str = "") -> bytes:
    named = f"<photoshop:SidecarForExtension>{of}</photoshop:SidecarForExtension>" if of else ""
    words = f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt></dc:description>'
    return xmp_packet(named + words)


def is_case_sensitive(folder: Path) -> bool:
    (folder / "x").touch()
    return not (folder / "X").exists()


# Takeout's names


@pytest.mark.parametrize(
    ("photo", "sidecar"),
    [
        ("IMG_1.jpg", "IMG_1.jpg.json"),
        ("IMG_1.jpg", "IMG_1.json"),
        ("IMG_1.JPG", "img_1.jpg.JSON"),
        ("IMG_1.jpg", "IMG_1.jpg.supplemental-metadata.json"),
        ("IMG_1.jpg", "IMG_1.jpg.supplemental-meta.json"),
        ("IMG_1.jpg", "IMG_1.jpg.suppl.json"),
        ("IMG_1.jpg", "IMG_1.jpg.s.json"),
        ("IMG_1.jpg", "IMG_1.jpg..json"),
        (LONG, LONG[:46] + ".json"),
        (LONG, LONG[:51] + ".json"),
        ("IMG_1(1).jpg", "IMG_1.jpg(1).json"),
        ("IMG_1(1).jpg", "IMG_1(1).jpg.json"),
        ("IMG_1(12).jpg", "IMG_1.jpg.supplemental-metadata(12).json"),
        ("IMG_1(1).jpg", "IMG_1.jpg.supplemental-me(1).json"),
        ("IMG_1-edited.jpg", "IMG_1.jpg.json"),
        ("IMG_1-bearbeitet.jpg", "IMG_1.jpg.supplemental-metadata.json"),
        ("IMG_1-modifié.jpg", "IMG_1.jpg.json"),
        ("IMG_1-edited(1).jpg", "IMG_1.jpg(1).json"),
        ("IMG_1(1)-edited.jpg", "IMG_1.jpg(1).json"),
        ("IMG_1(1).jpg", "IMG_1.jpg(1).supplemental-metadata.json"),
        ("IMG_1(1).jpg", "IMG_1.jpg(1).suppl.json"),
        ("IMG_1-modifie\u0301.jpg", "IMG_1.jpg.json"),
        ("IMG_1-upravene\u0301.jpg", "IMG_1.jpg.json"),
        ("IMG_1-du\u0308zenlendi.jpg", "IMG_1.jpg.json"),
        ("IMG_1-collage.jpg", "IMG_1.jpg.json"),
        (f"{CUT}.jpg", f"{CUT[:46]}.json"),
        (f"{CUT}(1).jpg", f"{CUT[:46]}(1).json"),
        (f"{LONG[:41]}-edite.jpg", f"{LONG[:41]}.jpg.json"),
        (f"{LONG[:41]}-edite.jpg", f"{LONG[:41]}.jpg.s.json"),
        (f"{LONG[:42]}-edit.jpg", f"{LONG[:42]}.jpg.json"),
        (f"{LONG[:42]}-bear.jpg", f"{LONG[:42]}.jpg.json"),
        (f"{LONG[:42]}-modi.jpg", f"{LONG[:42]}.jpg.json"),
        (f"{LONG[:45]}-e.jpg", f"{LONG[:45]}..json"),
        (f"{LONG[:46]}-.jpg", f"{LONG[:46]}.json"),
        (f"{LONG[:42]}-edit(1).jpg", f"{LONG[:42]}.jpg(1).json"),
    ],
)
def test_the_names_that_takeout_gives(photo: str, sidecar: str, tmp_path: Path) -> None:
    assert is_sidecar_of(os.fsencode(sidecar), os.fsencode(photo))
    (tmp_path / sidecar).write_text("{}")
    assert [place.name for place, _ in find_takeout_files(tmp_path / photo)] == [sidecar]
    assert sidecar_fingerprint(os.fsencode(photo), sidecars_beside(os.fsencode(tmp_path / photo)))


@pytest.mark.parametrize(
    ("photo", "sidecar"),
    [
        ("IMG_1.jpg", "IMG_2.jpg.json"),
        ("IMG_1-edit.jpg", "IMG_1.jpg.json"),
        ("IMG_1-e.jpg", "IMG_1.jpg.json"),
        (f"{LONG[:42]}-cake.jpg", f"{LONG[:42]}.jpg.json"),
        ("IMG_1.jpg", "IMG_11.jpg.json"),
        ("IMG_1.jpg", "IMG_1.jpg(1).json"),
        ("IMG_1(1).jpg", "IMG_1.jpg(2).json"),
        ("IMG_1.jpg", "IMG_1.png.json"),
        ("IMG_1.jpg", "metadata.json"),
        ("IMG_1.jpg", "IMG_1.jpg.other.json"),
        ("IMG_1.jpg", "IMG_1.jpg"),
    ],
)
def test_names_of_others(photo: str, sidecar: str, tmp_path: Path) -> None:
    assert not is_sidecar_of(os.fsencode(sidecar), os.fsencode(photo))
    (tmp_path / sidecar).write_text("{}")
    assert find_takeout_files(tmp_path / photo) == []


def test_a_photo_s_own_json_comes_before_that_of_what_it_was_made_of(tmp_path: Path) -> None:
    for name in ("IMG_1.jpg.json", "IMG_1-edited.jpg.json"):
        (tmp_path / name).write_text("{}")
    assert [place.name for place, _ in find_takeout_files(tmp_path / "IMG_1-edited.jpg")] == [
        "IMG_1-edited.jpg.json",
        "IMG_1.jpg.json",
    ]


def test_what_was_listed_is_listed_again_when_the_folder_changes(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    os.utime(tmp_path, (1_600_000_000, 1_600_000_000))
    assert find_xmp_sidecars(photo) == []
    assert find_xmp_sidecars(photo) == []
    (tmp_path / "A.xmp").touch()
    assert [place.name for place in find_xmp_sidecars(photo)] == ["A.xmp"]
    (tmp_path / "A.xmp").unlink()
    assert find_xmp_sidecars(photo) == []


# XMP


@pytest.mark.parametrize("name", ["img_3.XMP", "IMG_3.Xmp", "img_3.jpg.xmp", "IMG_3.JPG.XMP", "IMG_3.jpg.xmp"])
def test_letter_case_is_nothing_to_a_sidecar(name: str, tmp_path: Path, reader: PhotoReader) -> None:
    photo = tmp_path / "IMG_3.JPG"
    photo.write_bytes(JPEG)
    (tmp_path / name).write_bytes(described("a person's words"))
    assert caption_of(reader, photo) == "a person's words"
    assert Sidecars(photo).have_text(user_caption), "what is read is never overruled"


def test_a_sidecar_in_another_case_may_be_another_photo_s(tmp_path: Path, reader: PhotoReader) -> None:
    if not is_case_sensitive(tmp_path):
        pytest.skip("the file system knows no letter case")
    for name in ("a.jpg", "A.JPG"):
        (tmp_path / name).write_bytes(JPEG)
    (tmp_path / "a.jpg.xmp").write_bytes(described("of the small one"))
    assert caption_of(reader, tmp_path / "a.jpg") == "of the small one"
    assert caption_of(reader, tmp_path / "A.JPG") is None
    (tmp_path / "a.jpg.xmp").rename(tmp_path / "a.xmp")
    assert caption_of(reader, tmp_path / "a.jpg") == "of the small one"
    assert caption_of(reader, tmp_path / "A.JPG") is None


def test_of_both_sidecars_the_one_with_the_whole_name_comes_first(tmp_path: Path, reader: PhotoReader) -> None:
    photo = tmp_path / "IMG_2.jpg"
    photo.write_bytes(JPEG)
    (tmp_path / "IMG_2.jpg.XMP").write_bytes(described("whole"))
    (tmp_path / "IMG_2.xmp").write_bytes(
        xmp_packet("<dc:subject><rdf:Bag><rdf:li>base</rdf:li></rdf:Bag></dc:subject>")
    )
    metadata = reader.read_metadata(photo)[1]
    assert (metadata.person_caption, metadata.keywords) == ("whole", ("base",))
    (tmp_path / "IMG_2.xmp").write_bytes(described("base"))
    assert caption_of(reader, photo) == "whole"


@pytest.mark.parametrize("raw", ["IMG_1.png", "IMG_1.CR2", "img_1.png"])
def test_a_sidecar_that_names_another_file_is_that_file_s(raw: str, tmp_path: Path, reader: PhotoReader) -> None:
    photo, other = tmp_path / "IMG_1.jpg", tmp_path / raw
    photo.write_bytes(JPEG)
    other.write_bytes(encoded(cornered(), "PNG"))
    (tmp_path / "IMG_1.xmp").write_bytes(described("of the raw twin", of=raw[-3:].upper()))
    assert caption_of(reader, photo) is None
    assert not Sidecars(photo).have_text(user_caption)
    assert caption_of(reader, other) == "of the raw twin"
    photo.rename(photo.with_suffix(".JPEG"))
    (tmp_path / "IMG_1.xmp").write_bytes(described("of the photo", of="JPG"))
    assert caption_of(reader, tmp_path / "IMG_1.JPEG") == "of the photo"


def test_a_sidecar_whose_file_is_not_there_is_the_photo_s(tmp_path: Path, reader: PhotoReader) -> None:
    """An exported photo beside the sidecar of the RAW file that was moved away; and the whole name says enough."""
    photo = tmp_path / "IMG_1.jpg"
    photo.write_bytes(JPEG)
    (tmp_path / "IMG_1.xmp").write_bytes(described("the same view", of="CR2"))
    assert caption_of(reader, photo) == "the same view"
    (tmp_path / "IMG_1.CR2").touch()
    (tmp_path / "IMG_1.jpg.xmp").write_bytes(described("by its whole name", of="CR2"))
    assert caption_of(reader, photo) == "by its whole name"


def test_our_own_words_go_into_the_whole_name_only(tmp_path: Path) -> None:
    photo = tmp_path / "IMG_1.jpg"
    photo.write_bytes(JPEG)
    (tmp_path / "IMG_1.xmp").write_bytes(xmp_packet("<xmp:Rating>3</xmp:Rating>"))
    assert Sidecars(photo).write(jpegs_made.CAPTION) == tmp_path / "IMG_1.jpg.xmp"
    assert sidecars_of(photo)[0] == tmp_path / "IMG_1.jpg.xmp"
