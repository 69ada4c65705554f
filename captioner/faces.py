"""The public types of face finding: one face, the finder's Protocol, and the errors.

    FaceError                the faces of one picture could not be looked for; those of the next one can be
    └── FaceFinderGone       the child process died, hung or was stopped while it held the request
        └── FaceFinderUnavailable  no child could be started: says nothing of the picture

A bundle that is missing or damaged is `captioner.BundleError`, as the captioner's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

#: The face models that are shipped with recollect.
DEFAULT_FACE_BUNDLE = Path(__file__).parent / "face_bundle"
#: Numbers of a face's vector.
FACE_VECTOR_LENGTH = 128


class FaceError(Exception):
    """The faces of one picture could not be looked for."""


class FaceFinderGone(FaceError):
    """The child process died, hung or was stopped while it held the request."""


class FaceFinderUnavailable(FaceFinderGone):
    """No child process could be started, or it died before it began: says nothing of the picture."""


@dataclass(frozen=True, slots=True)
class Face:
    """One face of a picture. Its box is given in fractions (0..1) of the upright picture, from the upper left."""

    left: float
    top: float
    width: float
    height: float
    score: float  # the detector's probability that this is a face
    size_px: float  # the shorter side of the box in the picture that was looked at
    #: FACE_VECTOR_LENGTH little-endian float16 numbers, of unit length. The greater the scalar product (the less the
    #: Euclidean distance) of two, the more probably both are of one person.
    vector: bytes


@dataclass(frozen=True, slots=True)
class FaceModel:
    """What one needs to know of a face bundle to compare its vectors."""

    name: str  # with the version, e.g. "recollect-faces-1". Vectors of different models can't be compared
    same_distance: float  # Euclidean distance of two vectors up to which both faces are probably of one person
    least_seed_px: float  # `Face.size_px` from which on a face is sharp enough to found a group
    least_px: float  # `Face.size_px` below which a vector says too little to be compared at all


class FaceFinder(Protocol):
    """Finds the faces of a picture; `FaceProcess` runs the models."""

    @property
    def model(self) -> str:
        """Name and version of the face bundle. Vectors of different models can't be compared."""

    async def find_faces(self, picture: bytes) -> tuple[Face, ...]:
        """The faces of an encoded JPEG or WebP picture that is upright, by falling score. Raises `FaceError`."""
