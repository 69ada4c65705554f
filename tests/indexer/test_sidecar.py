"""Where sidecars lie."""

from __future__ import annotations

from pathlib import Path

from indexer.captions.caption_edit import persons_caption
from indexer.captions.caption_file import read_own_caption
from indexer.captions.sidecar import Sidecars, sidecar_path, sidecars_of
from tests.indexer import jpegs_made as made


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
    assert not sidecars.have_words(persons_caption)
    undone = sidecars.undo()
    assert undone is not None
    assert undone.exact
    assert list(tmp_path.iterdir()) == []
    assert sidecars.undo() is None


def test_words_that_a_person_put_into_our_sidecar_stay(tmp_path: Path) -> None:
    sidecars = Sidecars(tmp_path / "a.heic")
    place = sidecars.write(made.CAPTION)
    place.write_bytes(place.read_bytes().replace(b"a dog", b"Rex"))
    assert sidecars.have_words(persons_caption)
    assert read_own_caption(place.read_bytes()) is None
    undone = sidecars.undo()
    assert undone is not None
    assert not undone.exact
    assert b"Rex runs along" in place.read_bytes()
    assert b"recollect:model" not in place.read_bytes()
