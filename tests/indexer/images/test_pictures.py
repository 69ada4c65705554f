"""What is made of a decoded photo."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from indexer.images.decode import shrink
from indexer.images.pictures import encode_grid, encode_screen, make_grid, model_input
from indexer.thumbnails import picture_type
from tests.photos_made import detailed

GRID_PX, INPUT_PX = 320, 256


def test_the_screens_picture_is_a_jpeg_and_the_grids_webp() -> None:
    image = detailed((640, 480))
    image.info = {}
    for data, kind in ((encode_screen(image), "JPEG"), (encode_grid(image), "WEBP")):
        with Image.open(BytesIO(data)) as stored:
            assert (stored.format, stored.mode, stored.size) == (kind, "RGB", image.size)
            assert picture_type(data) == f"image/{kind.lower()}"
            difference = np.abs(np.asarray(stored, np.float32) - np.asarray(image, np.float32)).mean()
        assert difference < 8, kind  # levels of 255, of a picture full of noise


@pytest.mark.parametrize("size", [(1280, 960), (960, 1280), (1279, 853), (1280, 300), (640, 480), (200, 100)])
def test_the_grids_picture_is_as_large_as_asked_and_looks_like_what_it_is_made_of(size: tuple[int, int]) -> None:
    image = detailed(size)
    grid, filtered = make_grid(image, GRID_PX), shrink(image, GRID_PX)
    assert grid.size == filtered.size
    assert max(grid.size) == min(GRID_PX, max(size))
    assert np.abs(np.asarray(grid, int) - np.asarray(filtered, int)).mean() < 3  # levels of 255, of noise


@pytest.mark.parametrize("size", [(1280, 960), (960, 1280), (1279, 853), (640, 480), (1, 1)])
def test_the_models_input_is_the_one_that_it_was_trained_on(size: tuple[int, int]) -> None:
    image = detailed(size)
    pixels = np.frombuffer(model_input(image, INPUT_PX), np.uint8).reshape(INPUT_PX, INPUT_PX, 3)
    plain = image.resize((INPUT_PX, INPUT_PX), Image.Resampling.BICUBIC)
    assert np.abs(pixels.astype(int) - np.asarray(plain, int)).mean() < 1


def test_no_input_is_made_where_none_is_wanted() -> None:
    assert model_input(Image.new("RGB", (64, 64)), 0) == b""
