"""Which words can be tags of a photo, and which of them its captions say are true of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from captioner.preprocess import Vocabulary, words

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
#: Words that say how a sentence is built, or nothing that can be seen: never tags.
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())


def tag_words(captions: Sequence[Sequence[str]], vocabulary: Vocabulary, least: int = 12) -> tuple[str, ...]:
    """Content words that at least so many photos' captions have, most frequent first."""
    counts = Counter(word for of_photo in captions for word in {w for text in of_photo for w in words(text)})
    known = set(vocabulary.words)
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return tuple(w for w in ranked if counts[w] >= least and w in known and w not in FUNCTION_WORDS and len(w) > 1)


def tag_targets(captions: Sequence[str], index: Mapping[str, int]) -> NDArray[np.float32]:
    """1 for each tag that at least one of a photo's captions has."""
    out = np.zeros(len(index), np.float32)
    out[[index[word] for text in captions for word in words(text) if word in index]] = 1
    return out


def content_words(text: str) -> list[str]:
    """The words of a sentence that say something of a photo."""
    return [word for word in words(text) if word not in FUNCTION_WORDS]
