"""Pixels in, words out. Knows nothing of libraries, EXIF or search, and imports no TensorFlow.

Errors:

    CaptionError             one picture could not be captioned; the next one can be
    ├── CaptionerGone        the child process died, hung or was stopped while it held the request
    └── BundleError          the model bundle is missing, damaged or of another format: about the set-up
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: The model that is shipped with recollect.
DEFAULT_BUNDLE = Path(__file__).parent / "bundle"


class CaptionError(Exception):
    """One picture could not be captioned."""


class CaptionerGone(CaptionError):
    """The captioner's child process died, hung or was stopped while it held the request."""


class BundleError(CaptionError):
    """A model bundle can't be used; the message says which file, what was expected and what to do."""


@dataclass(frozen=True, slots=True)
class Tag:
    """One word the model believes is true of a picture, with its probability (0..1)."""

    word: str
    probability: float


@dataclass(frozen=True, slots=True)
class Caption:
    """What the model says of one picture."""

    text: str
    confidence: float  # 0..1, calibrated on held-back photos
    tags: tuple[Tag, ...]  # most probable first
    embedding: tuple[float, ...] | None  # unit length; None where the bundle has no embedding
    model: str  # the bundle's name and version, e.g. "recollect-atto-1"
