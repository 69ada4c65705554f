"""Fixed captions of images that are no photos: a page of text, a screenshot, a black frame.

kinds.txt of a bundle has one line for each type that the model distinguishes, photos first: its name, the sentence
(empty: none) and the tags, separated by tabs; tags by commas.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from captioner import BundleError


@dataclass(frozen=True, slots=True)
class ImageType:
    """One type of image, with its caption."""

    name: str
    sentence: str = ""
    tags: tuple[str, ...] = ()


#: The types of a new bundle. A blank image, noise or a pattern gets no sentence.
IMAGE_TYPES = (
    ImageType("photo"),
    ImageType("blank"),
    ImageType("pattern", "", ("pattern",)),
    ImageType("text", "A page of text.", ("text", "page", "paper", "document")),
    ImageType("screenshot", "A screenshot.", ("screenshot", "screen")),
    ImageType("chart", "A chart.", ("chart", "graph", "diagram")),
    ImageType("drawing", "A drawing.", ("drawing", "sketch", "illustration")),
)


def read_image_types(path: Path) -> tuple[ImageType, ...]:
    """The image types of a bundle, photos first.

    Raises:
        BundleError: the file can't be read or is no such list; the message says which line and why.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{path} can't be read: {error}") from error
    types = tuple(_parse(line, f"{path}, line {number}") for number, line in enumerate(lines, 1))
    if not types or types[0] != ImageType("photo"):
        raise BundleError(f"{path}, line 1: expected the type 'photo' without a sentence and tags")
    return types


def write_image_types(path: Path, types: tuple[ImageType, ...]) -> None:
    """Write kinds.txt."""
    lines = ("\t".join((one.name, one.sentence, ",".join(one.tags))) for one in types)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _parse(line: str, where: str) -> ImageType:
    fields = line.split("\t")
    if len(fields) != 3 or not fields[0]:
        raise BundleError(f"{where}: expected a type, its sentence and its tags separated by tabs, got {line!r}")
    name, sentence, tags = fields
    return ImageType(name, sentence, tuple(tag for tag in tags.split(",") if tag))
