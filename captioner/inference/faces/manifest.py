"""manifest.json of a face bundle: read, checked and written.

The fields of the classes below are the keys of the JSON file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from captioner.inference.manifest import FileEntry, check_files, parse_files, parse_manifest, write_manifest

#: The layout of a face bundle that this program reads and writes.
FORMAT = "faces-2"
DETECTOR_STEM, DETECTOR_BODY, DETECTOR_HEADS = "detector_stem.tflite", "detector_body.tflite", "detector_heads.npy"
RECOGNISER = "recogniser.tflite"
REQUIRED_FILES = (DETECTOR_STEM, DETECTOR_BODY, DETECTOR_HEADS, RECOGNISER)

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """How faces are looked for."""

    input_px: int  # longest side of the small picture that is looked at first
    window_px: int  # both sides of a part of the picture at full size that is looked at again
    windows: int  # most such parts of one picture
    threshold: float  # least probability of a face that is reported
    candidate: float  # least probability in the small picture of what is looked at again
    overlap: float  # of two boxes, intersection over union, from which on both are of one face
    strips: int  # the stem looks at the picture in so many strips, which takes less memory
    margin_px: int  # of a strip: at least as many rows beyond its own as the stem's output depends on
    stride: int  # rows and columns of the picture for one of the map of faces
    multiple: int  # rows and columns of what is looked at are multiples of it
    most: int  # faces of one picture


@dataclass(frozen=True, slots=True)
class RecogniserSettings:
    """How a face becomes a vector."""

    input_px: int
    mean: tuple[float, float, float]  # of red, green, blue on the 0..255 scale
    std: tuple[float, float, float]
    points: tuple[Point, ...]  # where eyes, nose and corners of the mouth lie in the input, in pixels


@dataclass(frozen=True, slots=True)
class GroupingSettings:
    """How vectors compare, measured on photos of known people."""

    same_distance: float  # Euclidean distance of two vectors up to which both faces are probably of one person
    least_seed_px: float  # shorter side of a face's box from which on it may found a group
    least_px: float  # and below which it is in no group


@dataclass(frozen=True, slots=True)
class FaceManifest:
    """manifest.json of a face bundle. `read` and `check` raise `BundleError`."""

    name: str
    version: int
    detector: DetectorSettings
    recogniser: RecogniserSettings
    grouping: GroupingSettings
    files: Mapping[str, FileEntry]
    scores: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, Any] = field(default_factory=dict)  # of the weights, with their licences
    format: str = FORMAT

    @property
    def model(self) -> str:
        """Name and version, as faces store it: "recollect-faces-1"."""
        return f"{self.name}-{self.version}"

    @classmethod
    def read(cls, bundle: Path) -> FaceManifest:
        """Read `bundle`/manifest.json; its files are not checked."""
        return parse_manifest(bundle, FORMAT, cls._parse)

    @classmethod
    def _parse(cls, data: dict[str, Any]) -> FaceManifest:
        detector, recogniser = dict(data["detector"]), dict(data["recogniser"])
        for name in ("mean", "std"):
            recogniser[name] = tuple(float(value) for value in recogniser[name])
        recogniser["points"] = tuple((float(x), float(y)) for x, y in recogniser["points"])
        return cls(
            name=str(data["name"]),
            version=int(data["version"]),
            detector=DetectorSettings(**detector),
            recogniser=RecogniserSettings(**recogniser),
            grouping=GroupingSettings(**{name: float(value) for name, value in data["grouping"].items()}),
            files=parse_files(data["files"], REQUIRED_FILES),
            scores=dict(data["scores"]),
            sources=dict(data["sources"]),
        )

    def check(self, bundle: Path) -> None:
        """Compare the files of the bundle with their sizes and sha-256."""
        check_files(bundle, self.model, self.files)

    def write(self, bundle: Path) -> None:
        """Write `bundle`/manifest.json."""
        write_manifest(bundle, asdict(self))
