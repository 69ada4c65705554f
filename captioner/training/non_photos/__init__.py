"""Pictures that are not photos of anything, made by a seed: what the captioner learns not to describe as a scene.

    python -m captioner.training.non_photos --out DIR --count 1000 --seed 0

writes DIR/KIND/0000.jpg and on. Fonts are found in the machine's font directories; where there are none, Pillow's own
is used. The same seed gives the same picture on the same machine; other fonts give other letters.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from captioner.inference.preprocess import squash
from captioner.training.non_photos.camera import degrade
from captioner.training.non_photos.charts import chart
from captioner.training.non_photos.drawings import drawing
from captioner.training.non_photos.pages import page
from captioner.training.non_photos.pattern import blank, pattern
from captioner.training.non_photos.sampling import Rng
from captioner.training.non_photos.screenshots import screenshot

#: The side of the pictures that the captioner is given.
SIDE_PX = 224
#: A picture shows something if this share of its pixels is this many levels away from the commonest.
_VISIBLE_LEVELS, _VISIBLE_SHARE = 20, 0.015


class NonPhotoType(StrEnum):
    """What a picture is that is no photo of a thing or a place.

    A model's outputs are in this order, which is saved with it: append, never reorder.
    """

    BLANK = "blank"
    PATTERN = "pattern"
    TEXT = "text"
    SCREENSHOT = "screenshot"
    CHART = "chart"
    DRAWING = "drawing"


_MAKERS = {
    NonPhotoType.BLANK: blank,
    NonPhotoType.PATTERN: pattern,
    NonPhotoType.TEXT: page,
    NonPhotoType.SCREENSHOT: screenshot,
    NonPhotoType.CHART: chart,
    NonPhotoType.DRAWING: drawing,
}


def make(kind: NonPhotoType, rng: Rng) -> Image.Image:
    """An RGB picture of the kind, of any size and aspect, as a camera, scanner or messenger may have left it."""
    while True:
        picture = degrade(_MAKERS[kind](rng), rng)
        if kind is NonPhotoType.BLANK or _shows_something(picture):
            return picture


def _shows_something(picture: Image.Image) -> bool:
    """False for a crop of an empty corner, or for a drawing in the colour of its ground."""
    levels = np.asarray(picture.convert("L").resize((SIDE_PX, SIDE_PX)), np.int16)
    return bool(np.mean(np.abs(levels - np.median(levels)) > _VISIBLE_LEVELS) > _VISIBLE_SHARE)


def generator(kind: NonPhotoType, seed: int, index: int) -> Rng:
    """The generator of one picture: it depends on no other picture, so that each can be made on its own."""
    return Rng.seeded(seed, list(NonPhotoType).index(kind), index)


def pixels(kind: NonPhotoType, seed: int, index: int) -> NDArray[np.uint8]:
    """(224, 224, 3) uint8: the picture of that seed and number, squashed as the captioner does it."""
    return squash(make(kind, generator(kind, seed, index)), SIDE_PX)
