"""How the words of a query and its meaning count together: one formula, for the product and for its evaluation.

Needs numpy only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

#: The share of the score that meaning has: of a query of one word, and of a whole description.
_LEAST, _MOST = 0.5, 0.8
#: A query of so many words is a whole description.
_DESCRIPTION = 8
#: Cosines that differ by less are the same.
_SAME = 1e-4


def embedding_weight(query_words: int) -> float:
    """The share (0..1) of a photo's score that meaning has in a query of so many words.

    One word is taken at its word; in a description any single word may be missing from a caption.
    """
    share = (min(max(query_words, 1), _DESCRIPTION) - 1) / (_DESCRIPTION - 1)
    return _LEAST + (_MOST - _LEAST) * share


def blend(words: Floats, cosines: Floats, query_words: int) -> NDArray[np.float32]:
    """The score of each photo, of what its words say and what the picture means.

    Cosines between pictures and texts lie in a narrow band that differs from model to model and from query to query,
    so they count by where they lie between the ordinary photo (the median, 0) and the best one (1).

    Args:
        words: (n,) in 0..1, how well a photo's words match; 0 where they don't.
        cosines: (n,) between the query and each photo; 0 where a photo has no embedding.
        query_words: how many words the query has that say something.

    Returns:
        (n,) in 0..1; the same as `words` where no photo is nearer to the query than the others.
    """
    known = cosines[cosines != 0]
    ordinary, best = (float(np.median(known)), float(known.max())) if len(known) else (0.0, 0.0)
    if best - ordinary < _SAME:
        return np.asarray(words, np.float32)
    near = np.where(cosines != 0, np.clip((cosines - ordinary) / (best - ordinary), 0, 1), 0)
    weight = embedding_weight(query_words)
    return np.asarray((1 - weight) * words + weight * near, np.float32)
