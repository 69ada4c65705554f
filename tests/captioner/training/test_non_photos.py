"""Made pictures that are not photos: the same by the same seed, of the right shape, and each kind unlike the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

pytest.importorskip("matplotlib")

from captioner.training.non_photos import SIDE_PX, NonPhotoType, __main__, generator, make, pixels, sampling
from captioner.training.non_photos.sampling import Rng, Script


def levels(kind: NonPhotoType, count: int) -> NDArray[np.float64]:
    return np.stack([pixels(kind, 3, i) for i in range(count)]).astype(float)


def detail(photos: NDArray[np.float64]) -> float:
    """The mean step from a pixel to its right neighbour, in levels."""
    return float(np.abs(np.diff(photos, axis=2)).mean())


@pytest.mark.slow
@pytest.mark.parametrize("kind", NonPhotoType)
def test_fifty_seeds_of_every_kind_give_pictures(kind: NonPhotoType) -> None:
    for seed in range(50):
        picture = make(kind, Rng.seeded(seed))
        assert picture.mode == "RGB"
        assert min(picture.size) >= 16
        assert max(picture.size) / min(picture.size) < 5


@pytest.mark.slow
@pytest.mark.parametrize("kind", NonPhotoType)
def test_a_seed_gives_the_same_picture_and_another_seed_another(kind: NonPhotoType) -> None:
    first = pixels(kind, 1, 0)
    assert first.shape == (SIDE_PX, SIDE_PX, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, pixels(kind, 1, 0))
    assert not np.array_equal(first, pixels(kind, 2, 0))
    assert not np.array_equal(first, pixels(kind, 1, 1))


@pytest.mark.slow
def test_a_blank_has_little_detail_and_a_pattern_much() -> None:
    of = {kind: detail(levels(kind, 12)) for kind in NonPhotoType}
    assert of[NonPhotoType.BLANK] == min(of.values())
    # A page of small print has as much, by the fonts of the machine.
    assert of[NonPhotoType.PATTERN] == max(much for kind, much in of.items() if kind is not NonPhotoType.TEXT)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in NonPhotoType if kind is not NonPhotoType.BLANK])
def test_what_is_not_blank_shows_something(kind: NonPhotoType) -> None:
    for photo in levels(kind, 12):
        grey = photo.mean(-1)
        assert np.mean(np.abs(grey - np.median(grey)) > 15) > 0.01, "no crop of an empty corner"


def test_no_two_kinds_are_made_alike() -> None:
    first = {kind: pixels(kind, 0, 0) for kind in NonPhotoType}
    for one in NonPhotoType:
        for other in NonPhotoType:
            assert one is other or not np.array_equal(first[one], first[other])
    assert len({generator(kind, 0, 0).random() for kind in NonPhotoType}) == len(NonPhotoType)


def test_a_machine_without_fonts_still_has_letters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sampling, "FONT_DIRS", (tmp_path,))
    sampling.font_files.cache_clear()
    try:
        assert sampling.font_files(Script.LATIN) == ()
        assert levels(NonPhotoType.TEXT, 3).std() > 10
        assert Rng.seeded(1).script() is Script.LATIN
    finally:
        sampling.font_files.cache_clear()


def test_a_file_that_is_no_font_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    monkeypatch.setattr(sampling, "FONT_DIRS", (tmp_path,))
    sampling.font_files.cache_clear()
    try:
        assert sampling.font_files(Script.LATIN) == ()
    finally:
        sampling.font_files.cache_clear()


@pytest.mark.slow
def test_the_program_writes_a_folder_for_every_kind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.argv", ["non_photos", "--out", str(tmp_path), "--count", "2", "--seed", "5"])
    __main__.main()
    assert {folder.name for folder in tmp_path.iterdir()} == {kind.value for kind in NonPhotoType}
    for kind in NonPhotoType:
        files = sorted((tmp_path / kind).iterdir())
        assert [file.name for file in files] == ["0000.jpg", "0001.jpg"]
        with Image.open(files[1]) as image:
            written = np.asarray(image.convert("RGB"), float)
        assert written.shape == (SIDE_PX, SIDE_PX, 3)
        assert np.abs(written - pixels(kind, 5, 1)).mean() < 25, "the picture of that seed and number"
