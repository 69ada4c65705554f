"""Shared by training and serving: resizing, normalisation, tokens, vocabulary and content words.

Needs numpy and, for `squash`, Pillow. Never TensorFlow.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

#: Maps pixels in 0..255 to -1..1, as MobileNetV2's published weights expect.
MEAN = (127.5, 127.5, 127.5)
STD = (127.5, 127.5, 127.5)

PAD, START, END, UNKNOWN = range(4)
#: The first lines of every vocabulary.txt, in the order of their ids above.
SPECIAL = ("<pad>", "<start>", "<end>", "<unk>")

_TOKEN = re.compile(r"[a-z0-9]+(?:['-][a-z0-9]+)*")
#: Words of captions that are always written with capitals.
_CAPITAL = {"i": "I", "frisbee": "Frisbee", "santa": "Santa", "christmas": "Christmas", "american": "American",
            "asian": "Asian", "tv": "TV", "atv": "ATV", "bmx": "BMX", "suv": "SUV"}  # fmt: skip


def squash(image: Image, size_px: int) -> NDArray[np.uint8]:
    """The whole image as (size_px, size_px, 3) uint8 RGB, without keeping its aspect ratio.

    As the training photos: nothing is cropped. `reducing_gap` lets Pillow average whole blocks of what is four times as
    large first, which takes two thirds of the time and differs by a quarter of a level.
    """
    from PIL.Image import Resampling  # not at the top: the captioning process does not need Pillow

    small = image.convert("RGB").resize((size_px, size_px), Resampling.BICUBIC, reducing_gap=2.0)
    return np.asarray(small, dtype=np.uint8)


def normalise(
    pixels: NDArray[np.uint8],
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
) -> NDArray[np.float32]:
    """uint8 pixels (..., width, 3) as float32, each channel less its mean and divided by its deviation."""
    width = pixels.shape[-2]
    # Whole rows at once: numpy's loop over three channels takes ten times as long.
    rows = pixels.reshape(-1, 3 * width).astype(np.float32)
    rows -= np.tile(np.asarray(mean, np.float32), width)
    rows *= np.tile(np.float32(1) / np.asarray(std, np.float32), width)
    return rows.reshape(pixels.shape)


def tokenize(text: str) -> list[str]:
    """The lower-case words of a sentence, punctuation dropped.

    >>> tokenize("A man's red-and-white kite , high up .")
    ['a', "man's", 'red-and-white', 'kite', 'high', 'up']
    """
    folded = unicodedata.normalize("NFKC", text).replace("\u2019", "'").lower()
    return _TOKEN.findall(folded)


def detokenize(tokens: Iterable[str]) -> str:
    """Words as a written sentence: capital first letter, full stop, nothing before the stop.

    >>> detokenize(["a", "dog", "runs"])
    'A dog runs.'
    """
    text = " ".join(_CAPITAL.get(token, token) for token in tokens)
    return text[:1].upper() + text[1:] + "." if text else ""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The captioner's words; a word's id is its line number in vocabulary.txt, from 0.

    Raises:
        ValueError: the special tokens are not first, or a word is listed twice.
    """

    words: tuple[str, ...]
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.words[: len(SPECIAL)] != SPECIAL:
            raise ValueError(f"a vocabulary starts with {SPECIAL}, not with {self.words[: len(SPECIAL)]}")
        ids = {word: i for i, word in enumerate(self.words)}
        if len(ids) != len(self.words):
            raise ValueError("a vocabulary lists each word once")
        object.__setattr__(self, "_ids", ids)

    @classmethod
    def read(cls, path: Path) -> Vocabulary:
        """From a text file of one word to a line."""
        return cls(tuple(path.read_text(encoding="utf-8").split("\n")[:-1]))

    @classmethod
    def build(cls, counts: dict[str, int], size: int) -> Vocabulary:
        """The `size` most frequent words (special tokens included); ties go by the alphabet."""
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        return cls(SPECIAL + tuple(ranked[: size - len(SPECIAL)]))

    def write(self, path: Path) -> None:
        """To a text file of one word to a line."""
        path.write_text("".join(f"{word}\n" for word in self.words), encoding="utf-8")

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, text: str, length: int) -> list[int]:
        """START, word ids, END, then PAD to `length`; a longer sentence is cut and then has no END."""
        ids = [START, *(self._ids.get(word, UNKNOWN) for word in tokenize(text)), END]
        return (ids + [PAD] * length)[:length]

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """The words of `ids` up to END, special tokens left out."""
        found: list[str] = []
        for i in ids:
            if i == END:
                break
            if i >= len(SPECIAL):
                found.append(self.words[i])
        return found

    def decode(self, ids: Iterable[int]) -> str:
        """`ids` as a written sentence."""
        return detokenize(self.tokens(ids))


_FUNCTION_WORDS = """
's a about above across after against ahead all along also although am among an and another any appear
appears are area around as at atop away back background be because been before behind being below
beneath beside besides between beyond big both bottom but by can close closely day different distance do
does doing down during each edge either end etc every face facing far few first for foreground four from
front full get gets getting go goes going group has have having he her here hers high him himself his
hold holding holds how if image in inside into is it its itself just kind large left like little long
look looking looks lot made make makes making many middle more most much multiple near nearby next no
nobody nor not number of off on one ones onto open or other others out outside over own pair part past
photo photograph picture piece pose poses posing preparing put puts putting ready right round s s' same
see seen sees set several she show showing shown shows side sides single sit sits sitting small so some
someone something sort stand standing stands such t t's t-shirted take taken takes taking than that the
their them themselves then there these they this those three through to together top toward towards
tries try trying two type under underneath up upon use used uses using variety various very view was way
we wear wearing wears well were what when where which while who whose with within without x you your
"""
#: Grammatical words, and words for nothing that can be seen; all others are content words.
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())


def content_words(text: str) -> list[str]:
    """The content words of a sentence, in order."""
    return [word for word in tokenize(text) if word not in FUNCTION_WORDS]


def content_ids(vocabulary: Vocabulary) -> frozenset[int]:
    """The ids of the content words of a vocabulary."""
    return frozenset(i for i, word in enumerate(vocabulary.words) if i >= len(SPECIAL) and word not in FUNCTION_WORDS)
