"""CenterFace: faces as boxes with five points each.

Xu and others, "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2019. The networks of a bundle take
a picture that is turned by 180 degrees: see `captioner.training.face_networks.CenterFace`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from captioner.inference.faces.manifest import DETECTOR_BODY, DETECTOR_HEADS, DETECTOR_STEM, DetectorSettings
from captioner.inference.tflite import TFLiteModel

Floats = NDArray[np.float64]
#: The maps that the stem makes, by their strides.
_MAPS = {"stride_4": 4, "stride_8": 8}
#: Columns of the heads: the logit of a face, log of height and width, the centre's place in its cell and five points,
#: each as y and x, in heights and widths of the box from its upper left.
_LOGIT, _SIZE, _CENTRE, _POINTS = 0, slice(1, 3), slice(3, 5), slice(5, 15)


@dataclass(frozen=True, slots=True)
class Detections:
    """Faces by falling score, in pixels of what was looked at; they may reach beyond it."""

    boxes: Floats  # (n, 4): left, top, right, bottom
    points: Floats  # (n, 5, 2): eyes, nose, corners of the mouth, each pair from left to right in the picture
    scores: Floats  # (n,)

    def shift(self, scale: Floats, offset: Floats) -> Detections:
        """The same in pixels of another picture, in which each place lies at place * scale + offset, both (2,)."""
        boxes = (self.boxes.reshape(-1, 2, 2) * scale + offset).reshape(-1, 4)
        return Detections(boxes, self.points * scale + offset, self.scores)

    def where(self, chosen: NDArray[np.bool_]) -> Detections:
        """Those that are chosen (n,)."""
        return Detections(self.boxes[chosen], self.points[chosen], self.scores[chosen])


class FaceDetector:
    """The detector of a bundle, loaded.

    Its stem, the layers that work on large maps, runs on one strip of the picture after the other, with exactly what
    it would give for the whole.

    Raises:
        BundleError: a model can't be opened.
    """

    def __init__(self, bundle: Path, settings: DetectorSettings, threads: int = 1) -> None:
        self._settings = settings
        self._stem = TFLiteModel(bundle / DETECTOR_STEM, "stem", threads)
        self._body = TFLiteModel(bundle / DETECTOR_BODY, "body", threads)
        self._heads: NDArray[np.float32] = np.load(bundle / DETECTOR_HEADS, allow_pickle=False)

    def detect(self, pixels: NDArray[np.uint8], threshold: float) -> Detections:
        """The faces of at least so great a probability of (height, width, 3) pixels, RGB, not empty."""
        features = self.features(_pad(pixels, self._settings.multiple))
        kernel, bias = self._heads[:-1], self._heads[-1]
        logits = features @ kernel[:, _LOGIT] + bias[_LOGIT]
        rows, columns = np.nonzero(logits >= math.log(threshold / (1 - threshold)))
        found = (features[rows, columns] @ kernel + bias).astype(np.float64)
        cells = np.stack([rows, columns], axis=1) + 0.5
        size = np.exp(found[:, _SIZE]) * self._settings.stride
        start = (cells + found[:, _CENTRE]) * self._settings.stride - size / 2
        points = start[:, None] + found[:, _POINTS].reshape(-1, 5, 2) * size[:, None]
        boxes = np.hstack([start[:, ::-1], (start + size)[:, ::-1]])
        scores = 1 / (1 + np.exp(-found[:, _LOGIT]))
        return suppress([Detections(boxes, points[..., ::-1], scores)], self._settings.overlap, self._settings.most)

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The map (height / stride, width / stride, channels) that the heads read, of a picture that is padded."""
        maps = self._stem_maps(pixels[::-1, ::-1])
        self._body.resize(**{name: values.shape for name, values in maps.items()})
        self._body.set(**maps)
        self._body.run()
        return self._body.output("features")[0, ::-1, ::-1]

    def _stem_maps(self, pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """The stem's maps (1, height / stride, width / stride, channels) of a turned picture."""
        coarsest, margin, height = max(_MAPS.values()), self._settings.margin_px, len(pixels)
        rows = [_cut(height, strip, self._settings.strips, coarsest) for strip in range(self._settings.strips + 1)]
        length = min(height, max(last - first for first, last in pairwise(rows)) + 2 * margin)
        strips: dict[str, list[NDArray[np.float32]]] = {name: [] for name in _MAPS}
        for first, last in pairwise(rows):
            if first == last:
                continue  # a picture of fewer rows than strips
            start = min(max(0, first - margin), height - length)
            self._stem.resize(picture=(1, length, *pixels.shape[1:]))
            self._stem.fill("picture", pixels[None, start : start + length])
            self._stem.run()
            for name, stride in _MAPS.items():
                own = slice((first - start) // stride, (last - start) // stride)
                strips[name].append(self._stem.output(name)[:, own])
        return {name: np.concatenate(found, axis=1) for name, found in strips.items()}


def suppress(found: Sequence[Detections], overlap: float, most: int) -> Detections:
    """One box for each face, the most probable of those that overlap (non-maximum suppression), and not over `most`."""
    boxes, points, scores = (
        np.concatenate([getattr(one, name) for one in found]) for name in ("boxes", "points", "scores")
    )
    order = np.argsort(-scores, kind="stable")
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept: list[int] = []
    while len(order) and len(kept) < most:
        best, others = int(order[0]), order[1:]
        kept.append(best)
        corners = np.maximum(boxes[best, :2], boxes[others, :2]), np.minimum(boxes[best, 2:], boxes[others, 2:])
        common = np.clip(corners[1] - corners[0], 0, None).prod(axis=1)
        order = others[common <= overlap * (areas[best] + areas[others] - common)]
    return Detections(boxes[kept], points[kept], scores[kept])


def _cut(height: int, strip: int, strips: int, stride: int) -> int:
    """The row at which a strip starts: strips are as equal as multiples of the stride can be."""
    return height // stride * strip // strips * stride


def _pad(pixels: NDArray[np.uint8], multiple: int) -> NDArray[np.uint8]:
    """Black rows below and columns at the right, up to the next multiples."""
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, -height % multiple), (0, -width % multiple), (0, 0)))
