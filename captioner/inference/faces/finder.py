"""From an encoded picture to its faces. Needs numpy, Pillow and LiteRT."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from captioner import FACE_VECTOR_LENGTH, BundleError, Face, FaceError
from captioner.inference.faces.alignment import align
from captioner.inference.faces.detector import FaceDetector
from captioner.inference.faces.manifest import RECOGNISER, FaceManifest
from captioner.inference.faces.two_scales import look_twice
from captioner.inference.preprocess import normalise
from captioner.inference.tflite import TFLiteModel

if TYPE_CHECKING:
    from PIL.Image import Image

#: The service's own pictures have a fifth of this. A larger one would take more memory than the child may have.
MOST_PIXELS = 8_000_000
_FORMATS = ("JPEG", "WEBP")


class LiteRTFaceFinder:
    """A face bundle, loaded.

    Raises:
        BundleError: a file is missing, damaged or not what the manifest says.
    """

    def __init__(self, bundle: Path, *, threads: int = 1) -> None:
        self.manifest = FaceManifest.read(bundle)
        self.manifest.check(bundle)
        self._detector = FaceDetector(bundle, self.manifest.detector, threads)
        self._recogniser = TFLiteModel(bundle / RECOGNISER, "recognise", threads)
        self._reference = np.array(self.manifest.recogniser.points)
        self._check_vector(bundle / RECOGNISER)

    @property
    def model(self) -> str:
        """Name and version of the bundle."""
        return self.manifest.model

    def find_faces(self, picture: bytes) -> tuple[Face, ...]:
        """The faces of an encoded JPEG or WebP picture, by falling score. Raises `FaceError`."""
        small = decode(picture, self.manifest.detector.input_px)
        return self._find(small, cache(lambda: decode(picture)))

    def find_in(self, image: Image) -> tuple[Face, ...]:
        """The faces of an upright RGB picture, by falling score."""
        return self._find(image, lambda: image)

    def _find(self, small: Image, full: Callable[[], Image]) -> tuple[Face, ...]:
        found = look_twice(self._detector, small, full, self.manifest.detector)
        if not len(found.scores):
            return ()
        image, faces = full(), []
        for box, points, score in zip(found.boxes, found.points, found.scores, strict=True):
            corners = np.clip(box.reshape(2, 2), 0, image.size)
            width, height = map(float, corners[1] - corners[0])
            if min(width, height) < 1 or np.ptp(points, axis=0).max() == 0:
                continue  # beyond the picture, or all five points in one place: no face
            left, top = map(float, corners[0] / image.size)
            vector = self.vector(image, points).astype("<f2").tobytes()
            faces.append(Face(left, top, width / image.width, height / image.height, float(score),
                              min(width, height), vector))  # fmt: skip
        return tuple(faces)

    def vector(self, image: Image, points: NDArray[np.float64]) -> NDArray[np.float32]:
        """The vector (FACE_VECTOR_LENGTH,) of unit length of the face at five points (5, 2) of a picture."""
        settings = self.manifest.recogniser
        face = normalise(align(image, points, self._reference, settings.input_px), settings.mean, settings.std)
        # The mirrored face as well: their sum tells more people apart than either.
        vector = self._recognise(face) + self._recognise(face[:, ::-1])
        unit: NDArray[np.float32] = vector / np.sqrt((vector * vector).sum())
        return unit

    def _recognise(self, face: NDArray[np.float32]) -> NDArray[np.float32]:
        self._recogniser.set(face=face[None])
        self._recogniser.run()
        vector: NDArray[np.float32] = self._recogniser.output("vector")[0]
        return vector

    def _check_vector(self, path: Path) -> None:
        found = self._recogniser.output("vector").shape
        if found != (1, FACE_VECTOR_LENGTH):
            raise BundleError(f"{path} gives vectors of shape {found}; expected {(1, FACE_VECTOR_LENGTH)}")


def decode(picture: bytes, least_px: int | None = None) -> Image:
    """An encoded picture as RGB pixels. Raises `FaceError`.

    Args:
        least_px: a longest side of so many is enough; a JPEG file is decoded to a half, a quarter or an eighth then,
            which takes a quarter of the time.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(picture), formats=_FORMATS)
            if image.width * image.height > MOST_PIXELS:
                raise FaceError(f"the picture has {image.width} x {image.height} pixels, over {MOST_PIXELS}")
            if least_px is not None:
                scale = least_px / max(image.size)
                image.draft("RGB", (math.ceil(image.width * scale), math.ceil(image.height * scale)))
            return image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise FaceError(f"the picture can't be decoded: {error}") from error
