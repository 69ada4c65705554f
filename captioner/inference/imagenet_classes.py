"""Words of a bundle's classes and image types.

Everyday words for ImageNet's classes: a golden retriever is also found as a retriever, a dog and a pet.

A list is a text file with one line for each of the 1,001 outputs of a classifier such as MobileNetV2's: line 1 is the
background and empty, line i + 2 belongs to ImageNet's class i. A line holds words that are true of
every image of the class, comma separated, the most exact first.

The list that is shipped, `IMAGENET_CLASSES`, was written by hand along the hypernyms of WordNet 3.1 (Copyright 2011 by
Princeton University; https://wordnet.princeton.edu, whose licence allows this). Classes that a classifier mostly sees
where they are not, such as a killer whale in a surfer, were then given fewer words, or none: that was judged on the
photos of Flickr8k and COCO (7,868, with captions) where a class had a probability of 0.3 or more.

MobileNetV2's summed probabilities are calibrated: of the words at p at least about p are in human captions too, as
such or by a word that implies them ("poodle" for dog, "waves" for sea). From 0.3, 0.4 and 0.5 on that is 0.77, 0.81 and
0.85 of the words on Flickr8k dev, 1.9, 1.5 and 1.3 a photo, and 0.71, 0.77 and 0.80 on COCO, most of whose photos have
one caption. The list was judged on these very photos: elsewhere expect a little less. `Tagging.class_threshold` of a
bundle is the threshold of the words reported.

Fixed captions of images that are no photos: a page of text, a screenshot, a black frame.

kinds.txt of a bundle has one line for each type that the model distinguishes, photos first: its name, the sentence
(empty: none) and the tags, separated by tabs; tags by commas.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from captioner import BundleError

#: The list that a new bundle gets.
IMAGENET_CLASSES = Path(__file__).with_name("imagenet_classes.txt")
#: ImageNet's classes and the background.
CLASSES = 1001

_WORD = re.compile(r"[a-z]+([ -][a-z]+)*")


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{path} can't be read: {error}") from error


def read_classes(path: Path) -> tuple[tuple[str, ...], ...]:
    """The words of each class, () for the background and for classes without words.

    Raises:
        BundleError: the file can't be read or is no such list; the message says which line and why.
    """
    lines = _read_lines(path)
    if len(lines) != CLASSES:
        raise BundleError(f"{path} has {len(lines)} lines; expected {CLASSES}, one for each class")
    if lines[0]:
        raise BundleError(f"{path}, line 1: expected an empty line for the background, got {lines[0]!r}")
    return tuple(_parse(line, f"{path}, line {number}") for number, line in enumerate(lines, 1))


def word_probabilities(probabilities: NDArray[np.floating], classes: Sequence[Sequence[str]]) -> dict[str, float]:
    """The probability of each word: the sum over the classes that have it, in 0..1.

    Args:
        probabilities: (1001,), a softmax over the classes.
        classes: what `read_classes` gave.

    Raises:
        ValueError: `probabilities` is not of one number a class.
    """
    if probabilities.shape != (len(classes),):
        raise ValueError(f"expected probabilities of shape ({len(classes)},), got {probabilities.shape}")
    sums: defaultdict[str, float] = defaultdict(float)
    for probability, words in zip(probabilities.tolist(), classes, strict=True):
        for word in words:
            sums[word] += probability
    return {word: min(found, 1.0) for word, found in sums.items()}  # float32 probabilities can sum to a little over 1


def _parse(line: str, where: str) -> tuple[str, ...]:
    words = tuple(line.split(", ")) if line else ()
    for word in words:
        if not _WORD.fullmatch(word):
            raise BundleError(f"{where}: expected lower-case words separated by a comma and a space, got {word!r}")
    if len(set(words)) < len(words):
        raise BundleError(f"{where}: a word stands there twice: {line!r}")
    return words


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
    lines = _read_lines(path)
    types = tuple(_parse_type(line, f"{path}, line {number}") for number, line in enumerate(lines, 1))
    if not types or types[0] != ImageType("photo"):
        raise BundleError(f"{path}, line 1: expected the type 'photo' without a sentence and tags")
    return types


def write_image_types(path: Path, types: tuple[ImageType, ...]) -> None:
    """Write kinds.txt."""
    lines = ("\t".join((one.name, one.sentence, ",".join(one.tags))) for one in types)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _parse_type(line: str, where: str) -> ImageType:
    fields = line.split("\t")
    if len(fields) != 3 or not fields[0]:
        raise BundleError(f"{where}: expected a type, its sentence and its tags separated by tabs, got {line!r}")
    name, sentence, tags = fields
    return ImageType(name, sentence, tuple(tag for tag in tags.split(",") if tag))
