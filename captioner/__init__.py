"""Captions images. Knows nothing of photo libraries, EXIF or search, and imports no TensorFlow.

`ipc` is a supervised child process, `inference` runs a model bundle, `cluster` has other machines run it, too, and
`training` makes one. The names below are the public interface; those of other modules are imported at their first use,
so that `import captioner` stays light.

Errors:

    CaptionError             one image could not be captioned; the next one can be
    ├── CaptionerGone        the child process died, hung or was stopped while it held the request
    │   └── CaptionerUnavailable  no child could be started: says nothing of the image
    └── BundleError          the model bundle is missing, damaged or of another format: about the set-up
    ClusterError             other machines can't be used as it is set up: Dask, an address or a certificate
    FaceError                the faces of one picture could not be looked for; its kinds are in `captioner.faces`
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from captioner.faces import (
    DEFAULT_FACE_BUNDLE,
    FACE_VECTOR_LENGTH,
    Face,
    FaceError,
    FaceFinder,
    FaceFinderGone,
    FaceFinderUnavailable,
    FaceModel,
)

if TYPE_CHECKING:
    from captioner.cluster.captioner import ClusterCaptioner
    from captioner.cluster.connection import connected_captioner, look_at_cluster
    from captioner.cluster.worker import run_scheduler, run_worker
    from captioner.inference.faces.process import FaceProcess, read_face_model
    from captioner.inference.preprocess import squash
    from captioner.inference.process import CaptionerProcess, read_model_name
    from captioner.inference.text_tower import TextTower, blend

#: name -> the module that it is imported from at its first use.
_LAZY = {
    "CaptionerProcess": "captioner.inference.process",
    "ClusterCaptioner": "captioner.cluster.captioner",
    "TextTower": "captioner.inference.text_tower",
    "blend": "captioner.inference.text_tower",
    "connected_captioner": "captioner.cluster.connection",
    "look_at_cluster": "captioner.cluster.connection",
    "FaceProcess": "captioner.inference.faces.process",
    "read_face_model": "captioner.inference.faces.process",
    "read_model_name": "captioner.inference.process",
    "run_scheduler": "captioner.cluster.worker",
    "run_worker": "captioner.cluster.worker",
    "squash": "captioner.inference.preprocess",
}

__all__ = [
    "DEFAULT_BUNDLE",
    "DEFAULT_FACE_BUNDLE",
    "FACE_VECTOR_LENGTH",
    "SURE_TAG",
    "BundleError",
    "Caption",
    "CaptionError",
    "Captioner",
    "CaptionerGone",
    "CaptionerProcess",
    "CaptionerUnavailable",
    "ClusterCaptioner",
    "ClusterError",
    "ClusterState",
    "ClusterWorker",
    "Face",
    "FaceError",
    "FaceFinder",
    "FaceFinderGone",
    "FaceFinderUnavailable",
    "FaceModel",
    "FaceProcess",
    "Tag",
    "TextTower",
    "blend",
    "connected_captioner",
    "look_at_cluster",
    "read_face_model",
    "read_model_name",
    "run_scheduler",
    "run_worker",
    "squash",
]

#: Tags from this probability on are shown to people and counted; search ranks by less probable ones too.
SURE_TAG = 0.3
#: The model that is shipped with recollect.
DEFAULT_BUNDLE = Path(__file__).parent / "bundle"


class CaptionError(Exception):
    """One image could not be captioned."""


class CaptionerGone(CaptionError):
    """The captioner's child process died, hung or was stopped while it held the request."""


class CaptionerUnavailable(CaptionerGone):
    """No child process could be started, or it died before it began: says nothing of the image."""


class BundleError(CaptionError):
    """A model bundle can't be used; the message says which file, what was expected and what to do."""


class ClusterError(Exception):
    """Other machines can't be used as it is set up; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A word for what an image shows, with its probability (0..1)."""

    word: str
    probability: float


@dataclass(frozen=True, slots=True)
class Caption:
    """The model's caption of one image."""

    text: str  # "" where there is nothing to describe
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
        """The tags that are shown."""
        return tuple(tag for tag in self.tags if tag.probability >= SURE_TAG)


@dataclass(frozen=True, slots=True)
class ClusterWorker:
    """A worker of another machine, as the scheduler names it."""

    name: str
    captions: int  # that it has made since it was connected
    problem: str = ""  # why it is not used just now


@dataclass(frozen=True, slots=True)
class ClusterState:
    """How captioning by other machines stands."""

    address: str  # of the scheduler
    problem: str  # why the scheduler can't be asked; "" where it answers
    workers: tuple[ClusterWorker, ...] = ()
    captions_here: int = 0
    captions_elsewhere: int = 0

    @property
    def used(self) -> int:
        """How many workers are used."""
        return sum(not worker.problem for worker in self.workers)


class Captioner(Protocol):
    """Turns pixels into a caption; `CaptionerProcess` runs the model."""

    @property
    def input_px(self) -> int:
        """Width and height of the model's input."""

    @property
    def model(self) -> str:
        """The model's name and version."""

    async def caption(self, pixels: bytes) -> Caption:
        """The caption of RGB uint8 pixels of shape (input_px, input_px, 3) in C order. Raises `CaptionError`."""


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'captioner' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
