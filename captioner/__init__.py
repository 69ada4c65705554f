"""Pixels in, words out. Knows nothing of libraries, EXIF or search, and imports no TensorFlow.

The names below are the package's face. Those that need more than this file are imported at their first use, so that
`import captioner` stays light.

Errors:

    CaptionError             one picture could not be captioned; the next one can be
    ├── CaptionerGone        the child process died, hung or was stopped while it held the request
    │   └── CaptionerUnavailable  it could not be had at all: says nothing of the picture
    └── BundleError          the model bundle is missing, damaged or of another format: about the set-up
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from captioner.inference.preprocess import squash
    from captioner.inference.process import CaptionerProcess, read_model_name
    from captioner.inference.score_fusion import blend
    from captioner.inference.text_tower import TextTower

#: name -> the module that it is imported from at its first use.
_LAZY = {
    "CaptionerProcess": "captioner.inference.process",
    "TextTower": "captioner.inference.text_tower",
    "blend": "captioner.inference.score_fusion",
    "read_model_name": "captioner.inference.process",
    "squash": "captioner.inference.preprocess",
}

__all__ = [
    "DEFAULT_BUNDLE",
    "SURE_TAG",
    "BundleError",
    "Caption",
    "CaptionError",
    "Captioner",
    "CaptionerGone",
    "CaptionerProcess",
    "CaptionerUnavailable",
    "Tag",
    "TextTower",
    "blend",
    "read_model_name",
    "squash",
]

#: Tags from this probability on are shown to people and counted; search ranks by less probable ones too.
SURE_TAG = 0.3
#: The model that is shipped with recollect.
DEFAULT_BUNDLE = Path(__file__).parent / "bundle"


class CaptionError(Exception):
    """One picture could not be captioned."""


class CaptionerGone(CaptionError):
    """The captioner's child process died, hung or was stopped while it held the request."""


class CaptionerUnavailable(CaptionerGone):
    """No child process could be had, or it died before it looked at the picture: says nothing of the picture."""


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

    text: str  # "" where there is nothing to see
    confidence: float  # 0..1, calibrated on held-back photos
    tags: tuple[Tag, ...]  # most probable first
    embedding: tuple[float, ...] | None  # unit length; None where the bundle has no embedding
    model: str  # the bundle's name and version, e.g. "recollect-atto-2"
    #: Each content word of `text`, in order, with the probability that it is true; () for bundles without evidence.
    words: tuple[Tag, ...] = ()
    #: False below the confidence at which half of the bundle's sentences are right.
    sure: bool = True

    @property
    def sure_tags(self) -> tuple[Tag, ...]:
        """Those of the tags that are worth showing."""
        return tuple(tag for tag in self.tags if tag.probability >= SURE_TAG)


class Captioner(Protocol):
    """Whatever turns pixels into a sentence; `CaptionerProcess` is the one that runs the model."""

    @property
    def input_px(self) -> int:
        """The model's input is a picture of this width and height."""

    @property
    def model(self) -> str:
        """The model's name and version."""

    async def caption(self, pixels: bytes) -> Caption:
        """The sentence for RGB uint8 pixels of shape (input_px, input_px, 3) in C order. Raises `CaptionError`."""


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'captioner' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
