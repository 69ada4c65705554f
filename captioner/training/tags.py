"""Which words can be tags of a photo, and which of them its captions say are true of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from captioner.inference.content_words import FUNCTION_WORDS
from captioner.inference.preprocess import Vocabulary, tokenize

#: Captions that say all that is worth saying of a photo.
PEOPLE = 5


def tag_words(captions: Sequence[Sequence[str]], vocabulary: Vocabulary, least: int = 12) -> tuple[str, ...]:
    """Content words that at least so many photos' captions have, most frequent first."""
    counts = Counter(word for of_photo in captions for word in {w for text in of_photo for w in tokenize(text)})
    known = set(vocabulary.words)
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return tuple(w for w in ranked if counts[w] >= least and w in known and w not in FUNCTION_WORDS and len(w) > 1)


def tag_targets(captions: Sequence[str], index: Mapping[str, int]) -> NDArray[np.float32]:
    """1 for each tag that at least one of a photo's captions has."""
    out = np.zeros(len(index), np.float32)
    out[[index[word] for text in captions for word in tokenize(text) if word in index]] = 1
    return out


def tag_counts(captions: Sequence[str], index: Mapping[str, int]) -> NDArray[np.float32]:
    """How true each tag is, 0..1, and what it counts, (2, tags), see `model.tag_loss`.

    A tag is true where a person used it. One person mentions a third of what five do: what few captions leave out is
    hardly a proof, and counts by their number.
    """
    true = tag_targets(captions, index)
    return np.stack([true, np.maximum(true, min(1.0, len(captions) / PEOPLE))])
