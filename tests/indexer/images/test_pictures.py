"""What is made of a decoded photo."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from captioner import squash
from indexer.images.decode import shrink
from indexer.images.pictures import encode_grid, encode_screen, halve, model_input
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


@pytest.mark.parametrize("size", [(1280, 960), (960, 1280), (1279, 853)])
def test_what_is_made_from_half_the_size_is_the_same_to_the_eye(size: tuple[int, int]) -> None:
    image = detailed(size)
    half = halve(image, GRID_PX, INPUT_PX)
    assert half.size == (-(-size[0] // 2), -(-size[1] // 2))
    pixels = np.frombuffer(model_input(half, INPUT_PX), np.uint8).reshape(INPUT_PX, INPUT_PX, 3)
    assert np.abs(pixels.astype(int) - squash(image, INPUT_PX)).mean() < 1.5  # of noise
    grid, direct = shrink(half, GRID_PX), shrink(image, GRID_PX)
    assert max(grid.size) == GRID_PX
    assert np.abs(np.asarray(grid.resize(direct.size), int) - np.asarray(direct, int)).mean() < 3


@pytest.mark.parametrize("size", [(640, 480), (1280, 500), (320, 240), (1, 1)])
def test_what_would_be_smaller_than_what_is_made_of_it_is_not_halved(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size)
    assert halve(image, GRID_PX, INPUT_PX) is image
    assert len(model_input(image, INPUT_PX)) == INPUT_PX**2 * 3


def test_no_input_is_made_where_none_is_wanted() -> None:
    assert model_input(Image.new("RGB", (64, 64)), 0) == b""
