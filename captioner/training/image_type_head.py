"""Which kind of picture it is: a photo, or a page of text, a screenshot, a black frame; learnt last, from features.

Keras 3 with `keras.ops` only. The encoder is not trained here: what it makes of photos is made once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from captioner.training import loop
from captioner.training.model import TagHead

Tensor = Any

#: The share of a batch that are photos; of the other kinds there is as much of each.
PHOTOS = 0.5


def build(kinds: int, features: int) -> keras.Model:
    """`encoder.global_features` (b, features) to the logits of the kinds (b, kinds), photos first."""
    photo_features = keras.Input((features,), name="summed")
    return keras.Model(photo_features, TagHead(kinds, features, name="kinds")(photo_features), name="kind_model")


def kind_loss(wanted: Tensor, logits: Tensor) -> Tensor:
    """Cross-entropy with the kind (b,) of each picture, labels smoothed a little."""
    logp = ops.log_softmax(logits)
    hit = ops.take_along_axis(logp, ops.cast(wanted, "int32")[:, None], axis=-1)[:, 0]
    return -ops.mean(0.98 * hit + 0.02 * ops.mean(logp, axis=-1))


def compile_model(model: Any, plan: loop.Plan) -> None:
    """AdamW on the loss."""
    model.compile(loop.optimizer(plan), loss=kind_loss, jit_compile=loop.XLA)


def batches(photos: NDArray[Any], others: NDArray[Any], kinds: NDArray[Any], size: int,
            seed: int) -> Iterator[loop.Batch]:  # fmt: skip
    """Endless batches.

    Args:
        photos: (n, f) features of photos. others: (m, f) of pictures that are none. kinds: (m,) from 1 on.
    """
    rng = np.random.default_rng(seed)
    rows = [np.flatnonzero(kinds == kind) for kind in np.unique(kinds)]
    first = round(PHOTOS * size)
    while True:
        drawn = [rng.choice(rows[rng.integers(len(rows))]) for _ in range(size - first)]
        x = np.concatenate([photos[rng.integers(len(photos), size=first)], others[drawn]])
        yield x.astype(np.float32), np.concatenate([np.zeros(first), kinds[drawn]]).astype(np.int32)
