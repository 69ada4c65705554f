"""A face is turned, moved and scaled to where the recogniser expects it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from captioner.inference.faces.alignment import align, similarity_transform

REFERENCE = np.array([(38.0, 51.0), (73.0, 51.0), (56.0, 72.0), (41.0, 92.0), (71.0, 92.0)])


def turned(points: np.ndarray, degrees: float, scale: float, offset: tuple[float, float]) -> np.ndarray:
    angle = math.radians(degrees)
    matrix = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return points @ matrix.T + offset


@pytest.mark.parametrize("degrees", [0, 30, -90, 170])
@pytest.mark.parametrize("scale", [0.3, 1, 7])
def test_points_come_to_where_they_belong(degrees: float, scale: float) -> None:
    source = turned(REFERENCE, degrees, scale, (300, -40))
    matrix = similarity_transform(source, REFERENCE)
    assert source @ matrix[:, :2].T + matrix[:, 2] == pytest.approx(REFERENCE, abs=1e-6)


def test_five_points_in_one_place_are_no_face() -> None:
    with pytest.raises(ValueError, match="one place"):
        similarity_transform(np.ones((5, 2)), REFERENCE)


@pytest.mark.parametrize("scale", [0.5, 1, 1.9, 3.2, 8])
@pytest.mark.parametrize("degrees", [0, 25])
def test_what_lies_at_the_eye_is_at_the_eye_s_place(scale: float, degrees: float) -> None:
    """Also of a face that is made smaller first, at the picture's edge."""
    places = turned(REFERENCE, degrees, scale, (20 * scale, 5 * scale))
    picture = Image.new("RGB", (math.ceil(130 * scale), math.ceil(140 * scale)), (0, 0, 0))
    radius = 3 * scale
    for (x, y), colour in zip(
        places, ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255)), strict=True
    ):
        dot = Image.new("RGB", (math.ceil(2 * radius), math.ceil(2 * radius)), colour)
        picture.paste(dot, (round(x - radius), round(y - radius)))
    crop = align(picture, places, REFERENCE, 112).astype(float)
    red = np.argwhere((crop[..., 0] > 150) & (crop[..., 1] < 90)).mean(axis=0)
    assert red[::-1] + 0.5 == pytest.approx(REFERENCE[0], abs=1)


def test_what_lies_beyond_the_picture_is_black() -> None:
    picture = Image.new("RGB", (100, 100), (200, 200, 200))
    crop = align(picture, REFERENCE - (40, 0), REFERENCE, 112)
    assert crop.shape == (112, 112, 3)
    assert (crop[:, :38] == 0).all()
    assert (crop[:98, 42:] == 200).all()
