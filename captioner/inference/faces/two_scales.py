"""Looks at a picture twice: small as a whole, then at full size where there may be faces that are too small to be sure.

To look at the whole at full size takes five times as long, and most pictures hold no small faces.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from captioner.inference.faces.detector import Detections, FaceDetector, suppress
from captioner.inference.faces.manifest import DetectorSettings

if TYPE_CHECKING:
    from PIL.Image import Image

Floats = NDArray[np.float64]

#: A window shows a face with so many times its size on each side.
_SURROUNDINGS = 1.0


def look_twice(
    detector: FaceDetector, small: Image, full: Callable[[], Image], settings: DetectorSettings
) -> Detections:
    """The faces of an upright RGB picture, in pixels of the full one, which is asked for only where it is needed.

    Args:
        small: the picture, of `settings.input_px` or more.
        full: gives the picture at full size.
    """
    small = shrink(small, settings.input_px)
    first = detector.detect(_pixels(small), settings.candidate)
    if not len(first.scores):
        return first
    large = full()
    first = first.shift(np.array(large.size) / small.size, np.zeros(2))
    found = [first]
    if max(large.size) > max(small.size):
        doubtful = first.where(first.scores < settings.threshold)
        window = (min(settings.window_px, large.width), min(settings.window_px, large.height))
        for left, top in place_windows(doubtful.boxes, large.size, window)[: settings.windows]:
            part = large.crop((left, top, left + window[0], top + window[1]))
            seen = detector.detect(_pixels(part), settings.threshold)
            found.append(seen.shift(np.ones(2), np.array([left, top], np.float64)))
    faces = suppress(found, settings.overlap, settings.most)
    return faces.where(faces.scores >= settings.threshold)


def place_windows(boxes: Floats, picture: tuple[int, int], window: tuple[int, int]) -> list[tuple[int, int]]:
    """Where windows lie in a picture so that every box (n, 4) lies in one: left and top of each, the first box's first.

    Args:
        picture, window: width and height; the window is not the larger.
    """
    sizes = boxes[:, 2:] - boxes[:, :2]
    wanted = np.hstack([boxes[:, :2] - sizes * _SURROUNDINGS, boxes[:, 2:] + sizes * _SURROUNDINGS])
    wanted = np.clip(wanted, 0, [*picture, *picture])
    places: list[tuple[int, int]] = []
    while len(wanted):
        centre = (wanted[0, :2] + wanted[0, 2:]) / 2
        limits = np.subtract(picture, window)
        left, top = np.clip(np.round(centre - np.array(window) / 2), 0, limits).astype(int)
        places.append((int(left), int(top)))
        inside = (wanted[:, :2] >= (left, top)) & (wanted[:, 2:] <= (left + window[0], top + window[1]))
        # The first one is done even where it is larger than the window: it is seen as far as it goes.
        wanted = wanted[1:][~inside[1:].all(axis=1)]
    return places


def shrink(image: Image, longest_px: int) -> Image:
    """The picture with no side longer than that."""
    from PIL.Image import Resampling

    scale = longest_px / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Resampling.BILINEAR, reducing_gap=2.0)


def _pixels(image: Image) -> NDArray[np.uint8]:
    return np.asarray(image, dtype=np.uint8)
