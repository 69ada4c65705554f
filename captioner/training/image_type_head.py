"""The head that classifies images as photos, pages of text, screenshots and so on; trained last, on features.

Keras 3 with `keras.ops` only. The encoder is not trained here: its features are computed once.
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

#: The share of photos in a batch; the other types have equal shares.
PHOTOS = 0.5


def build(types: int, features: int) -> keras.Model:
    """`encoder.global_features` (b, features) to the logits of the types (b, types), photos first."""
    photo_features = keras.Input((features,), name="summed")
    return keras.Model(photo_features, TagHead(types, features, name="kinds")(photo_features), name="kind_model")


def image_type_loss(wanted: Tensor, logits: Tensor) -> Tensor:
    """Cross-entropy with the type (b,) of each image, labels smoothed a little."""
    logp = ops.log_softmax(logits)
    hit = ops.take_along_axis(logp, ops.cast(wanted, "int32")[:, None], axis=-1)[:, 0]
    return -ops.mean(0.98 * hit + 0.02 * ops.mean(logp, axis=-1))


def compile_model(model: Any, plan: loop.Plan) -> None:
    """AdamW on the loss."""
    model.compile(loop.optimizer(plan), loss=image_type_loss, jit_compile=loop.XLA)


def batches(photos: NDArray[Any], others: NDArray[Any], types: NDArray[Any], size: int,
            seed: int) -> Iterator[loop.Batch]:  # fmt: skip
    """Endless batches.

    Args:
        photos: (n, f) features of photos. others: (m, f) of other images. types: (m,) of those, from 1 on.
    """
    rng = np.random.default_rng(seed)
    rows = [np.flatnonzero(types == one) for one in np.unique(types)]
    first = round(PHOTOS * size)
    while True:
        drawn = [rng.choice(rows[rng.integers(len(rows))]) for _ in range(size - first)]
        x = np.concatenate([photos[rng.integers(len(photos), size=first)], others[drawn]])
        yield x.astype(np.float32), np.concatenate([np.zeros(first), types[drawn]]).astype(np.int32)
