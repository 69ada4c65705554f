"""Aligned crops: a face turned, moved and scaled so that its eyes, nose and mouth lie where the recogniser expects."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

Floats = NDArray[np.float64]

#: A face is cut out with so many times the extent of its five points around them before it is made smaller.
_SURROUNDINGS = 2.0


def similarity_transform(source: Floats, target: Floats) -> Floats:
    """The (2, 3) matrix of the rotation, scaling and translation that brings points (n, 2) nearest to others (n, 2).

    Least squares, as Umeyama, "Least-squares estimation of transformation parameters between two point patterns",
    1991, less reflections. Raises `ValueError` where all points of the source are one.
    """
    centre, target_centre = source.mean(axis=0), target.mean(axis=0)
    x, y = (source - centre).T
    u, v = (target - target_centre).T
    spread = float((x * x + y * y).sum())
    if spread == 0:
        raise ValueError("the points of a face are all in one place")
    cosine, sine = float((x * u + y * v).sum()) / spread, float((x * v - y * u).sum()) / spread
    rotation = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([rotation, target_centre - rotation @ centre])


def align(picture: Image, points: Floats, reference: Floats, size_px: int) -> NDArray[np.uint8]:
    """The face at `points` (n, 2) of the picture as (size_px, size_px, 3), its points at `reference`.

    What lies beyond the picture is black. A face of more than twice the size is averaged down first: the
    transformation takes four pixels of the picture for one of the crop, whatever the scale.
    """
    from PIL.Image import Resampling, Transform

    matrix = np.vstack([similarity_transform(points, reference), [0.0, 0.0, 1.0]])
    to_source = np.linalg.inv(matrix)
    factor = int(1 / math.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
    if factor > 1:
        margin = _SURROUNDINGS * float(np.ptp(points, axis=0).max())
        left, top = np.maximum(np.floor(points.min(axis=0) - margin), 0).astype(int)
        right, bottom = np.minimum(np.ceil(points.max(axis=0) + margin), picture.size).astype(int)
        picture = picture.crop((int(left), int(top), int(right), int(bottom))).reduce(factor)
        half = 0.5 / factor - 0.5  # centres of pixels lie at halves
        to_reduced = [[1 / factor, 0, half - left / factor], [0, 1 / factor, half - top / factor], [0, 0, 1]]
        to_source = np.array(to_reduced) @ to_source
    coefficients = tuple(map(float, to_source[:2].flatten()))
    crop = picture.transform((size_px, size_px), Transform.AFFINE, coefficients, Resampling.BILINEAR)
    return np.asarray(crop, dtype=np.uint8)
