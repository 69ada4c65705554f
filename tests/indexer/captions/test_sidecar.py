"""Where sidecars lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from captioner import Caption
from indexer.captions.sidecar import Sidecars, sidecar_path, sidecars_of
from indexer.errors import CaptionRefused
from indexer.formats.photo import XmpFile, user_caption
from tests.indexer.captions.own_captions import read_own_caption
from tests.indexer.formats import jpegs_made as made


def test_paths() -> None:
    photo = Path("/photos/2019/IMG_1.JPG")
    assert sidecar_path(photo) == Path("/photos/2019/IMG_1.JPG.xmp")
    assert sidecar_path(photo, Path("/tree")) == Path("/tree/photos/2019/IMG_1.JPG.xmp")
    assert sidecars_of(photo) == (Path("/photos/2019/IMG_1.JPG.xmp"), Path("/photos/2019/IMG_1.xmp"))
    assert sidecars_of(photo, Path("/tree"))[-1] == sidecar_path(photo, Path("/tree"))


def test_a_sidecar_is_written_replaced_and_removed(tmp_path: Path) -> None:
    sidecars = Sidecars(tmp_path / "a.heic")
    place = sidecars.write(made.CAPTION)
    assert place == tmp_path / "a.heic.xmp"
    assert sidecars.write(made.NEWER) == place
    own = read_own_caption(place.read_bytes())
    assert own is not None
    assert own.text == made.NEWER.text
    assert not sidecars.have_text(user_caption)
    undone = sidecars.undo()
    assert undone is not None
    assert undone.exact
    assert list(tmp_path.iterdir()) == []
    assert sidecars.undo() is None


def test_words_that_a_person_put_into_our_sidecar_stay(tmp_path: Path) -> None:
    sidecars = Sidecars(tmp_path / "a.heic")
    place = sidecars.write(made.CAPTION)
    place.write_bytes(place.read_bytes().replace(b"a dog", b"Rex"))
    assert sidecars.have_text(user_caption)
    assert read_own_caption(place.read_bytes()) is None
    undone = sidecars.undo()
    assert undone is not None
    assert not undone.exact
    assert b"Rex runs along" in place.read_bytes()
    assert b"recollect:captionModel" not in place.read_bytes()


COPIES = {
    "tiff:ImageDescription": "<tiff:ImageDescription xmlns:tiff='http://ns.adobe.com/tiff/1.0/'>{}</tiff:ImageDescription>",
    "exif:UserComment": "<exif:UserComment xmlns:exif='http://ns.adobe.com/exif/1.0/'>{}</exif:UserComment>",
}


@pytest.mark.parametrize("field", COPIES)
def test_our_words_never_stay_without_our_mark(field: str, tmp_path: Path) -> None:
    """digiKam and others write a caption into every field that they know."""
    sidecars = Sidecars(tmp_path / "a.heic")
    place = sidecars.write(Caption("a dog on the sand", 0.5, (), None, "m"))
    copy = "<rdf:Description>" + COPIES[field].format("a dog on the sand") + "</rdf:Description></rdf:RDF>"
    place.write_bytes(place.read_bytes().replace(b"</rdf:RDF>", copy.encode()))
    before = place.read_bytes()
    assert sidecars.copies(frozenset()) == (field,)
    sidecars.write(made.NEWER)
    assert b"a dog on the sand" not in place.read_bytes()
    place.write_bytes(before)
    undone = sidecars.undo()
    assert undone is not None
    assert not undone.exact
    assert not place.exists() or b"a dog on the sand" not in place.read_bytes()
    assert not sidecars.have_text(user_caption)


def test_a_translation_beside_our_words_stays_alone(tmp_path: Path) -> None:
    sidecars = Sidecars(tmp_path / "a.heic")
    place = sidecars.write(made.CAPTION)
    french = '<rdf:li xml:lang="fr-FR">un chien</rdf:li></rdf:Alt>'
    place.write_bytes(place.read_bytes().replace(b"</rdf:Alt>", french.encode()))
    undone = sidecars.undo()
    assert undone is not None
    assert not undone.exact
    assert b"un chien" in place.read_bytes()
    assert b"a dog" not in place.read_bytes()
    assert XmpFile(place.read_bytes()).marks == []


@pytest.mark.parametrize("name", ["IMG_1.JPG.XMP", "IMG_1.XMP"])
def test_a_sidecar_in_capitals_is_looked_at(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(made.packet(made.described("Ann")))
    assert Sidecars(tmp_path / "IMG_1.JPG").have_text(user_caption)
    places = [place.name for place in sidecars_of(tmp_path / "IMG_1.JPG")]
    assert sorted(places) == sorted(["IMG_1.JPG.xmp", "IMG_1.xmp", name])


def test_what_is_no_sidecar_is_named(tmp_path: Path) -> None:
    sidecars = Sidecars(tmp_path / "IMG_1.JPG")
    (tmp_path / "IMG_1.JPG.xmp").symlink_to(tmp_path / "nowhere")
    with pytest.raises(CaptionRefused, match="leads nowhere"):
        sidecars.write(made.CAPTION)
    (tmp_path / "IMG_1.xmp").mkdir()
    with pytest.raises(CaptionRefused, match=r"IMG_1\.xmp: it is not a regular file"):
        sidecars.undo()
