"""One score of a photo from its word score and its embedding score; the product and its evaluation share it.

Needs numpy only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

#: The weight of the embedding for a query of one word, and for a whole description.
_MIN_WEIGHT, _MAX_WEIGHT = 0.5, 0.8
#: A query of this many words is a whole description.
_DESCRIPTION_WORDS = 8
#: Cosines that differ by less count as equal.
_TOLERANCE = 1e-4


def embedding_weight(query_words: int) -> float:
    """The weight (0..1) of the embedding in a query of so many words.

    Less for one word; of a description any single word may be missing from a caption.
    """
    share = (min(max(query_words, 1), _DESCRIPTION_WORDS) - 1) / (_DESCRIPTION_WORDS - 1)
    return _MIN_WEIGHT + (_MAX_WEIGHT - _MIN_WEIGHT) * share


def blend(words: Floats, cosines: Floats, query_words: int) -> NDArray[np.float32]:
    """The score of each photo, from its word score and the cosine of its embedding with the query's.

    Cosines between images and texts lie in a narrow band that differs by model and by query, so they are scaled: the
    median is 0, the best is 1.

    Args:
        words: (n,) in 0..1, how well a photo's words match; 0 where they don't.
        cosines: (n,) between the query and each photo; 0 where a photo has no embedding.
        query_words: content words of the query.

    Returns:
        (n,) in 0..1; the same as `words` where no photo is nearer to the query than the others.
    """
    known = cosines[cosines != 0]
    ordinary, best = (float(np.median(known)), float(known.max())) if len(known) else (0.0, 0.0)
    if best - ordinary < _TOLERANCE:
        return np.asarray(words, np.float32)
    near = np.where(cosines != 0, np.clip((cosines - ordinary) / (best - ordinary), 0, 1), 0)
    weight = embedding_weight(query_words)
    return np.asarray((1 - weight) * words + weight * near, np.float32)
