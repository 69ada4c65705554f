"""What is said of pictures that are no photos of anything: a page of text, a screenshot, a black frame.

A list is a text file with one line for each kind that the model tells apart, the first for photos. A line holds the
name of the kind, the sentence that is said of such a picture (empty: nothing) and its tags, separated by tabs; tags by
commas.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from captioner import BundleError


@dataclass(frozen=True, slots=True)
class ImageType:
    """One kind of picture."""

    name: str
    sentence: str = ""
    tags: tuple[str, ...] = ()


#: What a new bundle says of each kind. Of a blank picture, noise or a pattern there is nothing to say.
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
    """The kinds of a bundle, photos first.

    Raises:
        BundleError: the file can't be read or is no such list; the message says which line and why.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{path} can't be read: {error}") from error
    kinds = tuple(_parse(line, f"{path}, line {number}") for number, line in enumerate(lines, 1))
    if not kinds or kinds[0] != ImageType("photo"):
        raise BundleError(f"{path}, line 1: expected the kind 'photo' without a sentence and tags")
    return kinds


def write_image_types(path: Path, kinds: tuple[ImageType, ...]) -> None:
    """Write such a list."""
    lines = ("\t".join((kind.name, kind.sentence, ",".join(kind.tags))) for kind in kinds)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _parse(line: str, where: str) -> ImageType:
    fields = line.split("\t")
    if len(fields) != 3 or not fields[0]:
        raise BundleError(f"{where}: expected a kind, its sentence and its tags separated by tabs, got {line!r}")
    name, sentence, tags = fields
    return ImageType(name, sentence, tuple(tag for tag in tags.split(",") if tag))
