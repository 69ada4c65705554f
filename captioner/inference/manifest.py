"""manifest.json of a model bundle: read, checked and written. Needs no TensorFlow and no numpy.

The fields of the classes below are the keys of the JSON file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from captioner import BundleError
from captioner.inference.evidence import EvidenceModel

#: The layout of a bundle that this program reads and writes.
FORMAT = 1
MANIFEST = "manifest.json"
ENCODER, DECODER, VOCABULARY, TAGS = "encoder.tflite", "decoder.tflite", "vocabulary.txt", "tags.txt"
#: Files that every bundle has.
REQUIRED_FILES = (ENCODER, DECODER, VOCABULARY, TAGS)
#: Files that a bundle may have: everyday words for each class of ImageNet, the text tower with its words, and the
#: types of images that are no photos.
CLASSES, TEXT_TOWER, PIECES, IMAGE_TYPES_FILE = "classes.txt", "text_tower.npz", "pieces.txt", "kinds.txt"
#: And the embedding of each word of the vocabulary, (vocabulary, e) float16, NaN for words without one, so that the
#: captioner need not load the text tower's 42,000 words.
WORD_EMBEDDINGS = "meanings.npy"

_HINT = "reinstall recollect, or point the setting at another bundle directory"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """Checksum and size of a file of the bundle."""

    sha256: str
    size_bytes: int

    @classmethod
    def measure(cls, path: Path) -> FileEntry:
        """Checksum and size of the file at `path`."""
        data = path.read_bytes()
        return cls(hashlib.sha256(data).hexdigest(), len(data))


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How an image becomes the encoder's input."""

    input_px: int
    mean: tuple[float, float, float]  # of red, green, blue on the 0..255 scale
    std: tuple[float, float, float]
    resize: str = "squash-bicubic"  # the whole image to a square, see `preprocess.squash`


@dataclass(frozen=True, slots=True)
class Decoding:
    """Shapes of decode_step, and settings of the beam search."""

    vocabulary: int  # words, special tokens included
    max_length: int  # tokens of a sentence, its end included
    layers: int  # of the key/value cache, (layers, rows, heads, max_length, head_width)
    heads: int
    head_width: int
    rows: int  # sentences one step takes forward: the greatest beam
    beam: int  # the default
    alpha: float  # length normalisation
    no_repeat: int = 2  # no run of so many words twice
    once: bool = False  # no content word twice in a sentence
    tag_weight: float = 0.0  # factor of a tag's lift in the log-probability of its word


@dataclass(frozen=True, slots=True)
class Tagging:
    """Thresholds of the tags that are reported."""

    threshold: float
    most: int = 20  # tags of one image
    class_threshold: float = 0.4  # of words that ImageNet's classes have
    kind_threshold: float = 0.5  # of not being a photo


@dataclass(frozen=True, slots=True)
class Confidence:
    """A logistic over the mean log-probability of the sentence's words."""

    slope: float
    offset: float


@dataclass(frozen=True, slots=True)
class Manifest:
    """manifest.json of a bundle.

    Raises:
        BundleError: by `read` and `check`, saying which file, what was expected and what to do.
    """

    name: str
    version: int
    preprocessing: Preprocessing
    decoding: Decoding
    tagging: Tagging
    confidence: Confidence  # of a bundle without evidence
    files: Mapping[str, FileEntry]
    #: Outputs of `encode` beside the decoder's keys and values: "tags", and in bundles that have them "embedding",
    #: "classes", "tag_lift" (each tag's logit less its mean over photos) and "kinds" (image types).
    outputs: tuple[str, ...] = ("tags",)
    evidence: EvidenceModel | None = None
    scores: Mapping[str, Any] = field(default_factory=dict)  # by split, e.g. {"flickr8k-dev": {"CIDEr": ...}}
    training: Mapping[str, Any] = field(default_factory=dict)  # data, minutes, commit
    format: int = FORMAT

    @property
    def model(self) -> str:
        """Name and version, as captions store it: "recollect-atto-2"."""
        return f"{self.name}-{self.version}"

    @classmethod
    def read(cls, bundle: Path) -> Manifest:
        """Read `bundle`/manifest.json; its files are not checked."""
        return parse_manifest(bundle, FORMAT, cls._parse)

    @classmethod
    def _parse(cls, data: dict[str, Any]) -> Manifest:
        unknown = data.keys() - {known.name for known in fields(cls)}
        if unknown:
            raise ValueError(f"unknown keys {sorted(unknown)}")
        before = data["preprocessing"]
        return cls(
            name=str(data["name"]),
            version=int(data["version"]),
            preprocessing=Preprocessing(
                int(before["input_px"]), _rgb(before["mean"]), _rgb(before["std"]), str(before["resize"])
            ),
            decoding=Decoding(**data["decoding"]),
            tagging=Tagging(**data["tagging"]),
            confidence=Confidence(**data["confidence"]),
            files=parse_files(data["files"], REQUIRED_FILES),
            outputs=tuple(data["outputs"]),
            evidence=_evidence(data.get("evidence")),
            scores=dict(data["scores"]),
            training=dict(data["training"]),
        )

    def check(self, bundle: Path, names: Iterable[str] | None = None) -> None:
        """Compare the files of the bundle, or those of them in `names`, with their sizes and sha-256."""
        check_files(bundle, self.model, {name: self.files[name] for name in (self.files if names is None else names)})

    def write(self, bundle: Path) -> None:
        """Write `bundle`/manifest.json."""
        write_manifest(bundle, asdict(self))


Parsed = TypeVar("Parsed")


def parse_manifest(bundle: Path, expected: int | str, parse: Callable[[dict[str, Any]], Parsed]) -> Parsed:
    """What `parse` makes of `bundle`/manifest.json, which must be of the `expected` format. Raises `BundleError`."""
    path = bundle / MANIFEST
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(f"no model bundle at {bundle}: {MANIFEST} is missing; {_HINT}") from None
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} can't be read: {error}; {_HINT}") from error
    if not isinstance(data, dict) or data.get("format") != expected:
        found = data.get("format") if isinstance(data, dict) else None
        raise BundleError(f"{path} is of bundle format {found!r}; this recollect reads format {expected}; {_HINT}")
    try:
        return parse(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"{path} is not as it should be: {type(error).__name__} {error}; {_HINT}") from error


def parse_files(data: Mapping[str, Any], required: Iterable[str]) -> dict[str, FileEntry]:
    """The manifest's table of files. Raises `ValueError` where a required one is missing or one lies elsewhere."""
    files = {name: FileEntry(**entry) for name, entry in data.items()}
    missing = set(required) - files.keys()
    if missing:
        raise ValueError(f"it lists no {', '.join(sorted(missing))}")
    if any(Path(name).name != name for name in files):
        raise ValueError("a file of a bundle lies in its directory itself")
    return files


def check_files(bundle: Path, model: str, files: Mapping[str, FileEntry]) -> None:
    """Compare files of the bundle with their sizes and sha-256. Raises `BundleError`."""
    for name, expected in files.items():
        path = bundle / name
        try:
            found = FileEntry.measure(path)
        except FileNotFoundError:
            raise BundleError(f"{path} is missing from the model bundle {model}; {_HINT}") from None
        except OSError as error:
            raise BundleError(f"{path} can't be read: {error.strerror}; {_HINT}") from error
        if found != expected:
            raise BundleError(
                f"{path} is damaged: expected {expected.size_bytes} bytes with sha-256 {expected.sha256[:12]}..., "
                f"got {found.size_bytes} bytes with {found.sha256[:12]}...; {_HINT}"
            )


def write_manifest(bundle: Path, data: Mapping[str, Any]) -> None:
    """Write `bundle`/manifest.json."""
    text = json.dumps(data, indent=2, ensure_ascii=False)
    (bundle / MANIFEST).write_text(text + "\n", encoding="utf-8")


def _evidence(data: Mapping[str, Any] | None) -> EvidenceModel | None:
    if data is None:
        return None
    word, sentence, ordinary = (tuple(map(float, data[name])) for name in ("word", "sentence", "ordinary"))
    return EvidenceModel(word, sentence, float(data["least"]), ordinary)


def _rgb(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
