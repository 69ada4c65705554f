"""Any bundle directory by a setting: what is said of one that can't be used, and what a newer one captions again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import piexif
import pytest
from click.testing import CliRunner, Result

from indexer.settings import Settings
from tests.bundles_made import copy_that_takes_all_for_photos
from tests.indexer.captions.own_captions import read_own_caption
from tests.indexing import COLOURS, all_photos, colour_library, stored
from tests.photos_made import exif_bytes, with_segments
from tests.towers_made import add_tower
from web.cli import main


@pytest.fixture
def recollect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("RECOLLECT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("RECOLLECT_WRITE_UNSURE", "true")  # of plain colours the model is seldom sure

    def run(*words: str | Path) -> Result:
        result = CliRunner().invoke(main, list(map(str, words)))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return colour_library(tmp_path, *COLOURS)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the shipped one."""
    return copy_that_takes_all_for_photos(tmp_path / "bundle")


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def changed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def of_another_format(manifest: Path) -> None:
    answer = json.loads(manifest.read_text(encoding="utf-8")) | {"format": 99}
    manifest.write_text(json.dumps(answer), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "harm", "said"),
    [
        ("manifest.json", Path.unlink, "manifest.json is missing"),
        ("manifest.json", cut_short, "manifest.json can't be read"),
        ("manifest.json", of_another_format, "of bundle format 99"),
        ("encoder.tflite", Path.unlink, "encoder.tflite is missing"),
        ("encoder.tflite", changed, "encoder.tflite is damaged"),
        ("vocabulary.txt", cut_short, "vocabulary.txt is damaged"),
    ],
)
def test_a_bundle_that_can_t_be_used_is_said_before_any_photo_is_touched(
    library: Path, bundle: Path, recollect: Any, name: str, harm: Callable[[Path], None], said: str
) -> None:
    harm(bundle / name)
    before = {path: path.read_bytes() for path in library.iterdir()}
    for command in (["index", library], ["caption", library / "red.jpg"]):
        result = recollect(*command, "--bundle", bundle)
        assert (result.exit_code, result.stdout) == (2, "")
        assert said in result.stderr
        assert "the setting 'bundle'" in result.stderr
    findings = {one["subject"]: one for one in json.loads(recollect("doctor", "--bundle", bundle, "--json").stdout)}
    assert findings["caption model"]["verdict"] == "broken"
    assert said in findings["caption model"]["text"]
    assert {path: path.read_bytes() for path in library.iterdir()} == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["none", "a file"])
def test_a_bundle_that_is_no_directory_is_said(tmp_path: Path, library: Path, recollect: Any, name: str) -> None:
    (tmp_path / "a file").touch()
    result = recollect("index", library, "--bundle", tmp_path / name)
    assert result.exit_code == 2
    assert str(tmp_path / name) in result.stderr


@pytest.mark.slow
def test_the_setting_may_stand_in_the_environment_or_the_file(
    tmp_path: Path, library: Path, bundle: Path, recollect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = add_tower(bundle, version=7)

    def used() -> str:
        (row,) = json.loads(recollect("caption", library / "red.jpg", "--json").stdout)
        return str(row["model"])

    assert used() != model
    config = tmp_path / "config" / "recollect" / "recollect.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'bundle = "{bundle}"', encoding="utf-8")
    assert used() == model
    monkeypatch.setenv("RECOLLECT_BUNDLE", str(tmp_path / "none"))
    assert recollect("caption", library / "red.jpg").exit_code == 2


@pytest.mark.slow
def test_a_newer_bundle_captions_what_the_older_one_wrote_and_leaves_people_s_words(
    library: Path, bundle: Path, recollect: Any, settings: Settings
) -> None:
    words, theirs = "Grandmother's wall", library / "red.jpg"
    described = exif_bytes({piexif.ImageIFD.ImageDescription: words.encode()})
    theirs.write_bytes(with_segments(theirs.read_bytes(), (0xE1, described)))
    assert recollect("index", library).exit_code == 0
    before = theirs.read_bytes()
    with stored(settings) as storage:
        older = {photo.machine.model for photo in all_photos(storage) if photo.machine}
    newer = add_tower(bundle, version=99)
    assert len(older) == 1
    assert older.isdisjoint({newer})

    findings = {one["subject"]: one for one in json.loads(recollect("doctor", "--bundle", bundle, "--json").stdout)}
    assert findings["captions"]["verdict"] == "warning"
    assert "4 of 4" in findings["captions"]["text"]
    assert newer in findings["captions"]["text"]
    assert findings["search by meaning"]["text"] == f"{newer} understands queries"

    assert "4 captions by" in recollect("reindex", "--captions", "--bundle", bundle).stderr
    with stored(settings) as storage:
        photos = all_photos(storage)
    assert {photo.machine.model for photo in photos if photo.machine} == {newer}
    assert theirs.read_bytes() == before
    assert {photo.caption for photo in photos if photo.metadata.person_caption} == {words}
    ours = read_own_caption((library / "blue.jpg").read_bytes())
    assert ours is not None
    assert ours.model == newer
    # Words without tags and embedding look like words taken back from a file, which have to be completed.
    bare = sum(not (photo.machine and (photo.machine.tags or photo.machine.embedding)) for photo in photos)
    assert f"{bare} captions by" in recollect("reindex", "--captions", "--bundle", bundle).stderr
