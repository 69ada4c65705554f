"""Joint embedding of photos and texts: image head and text tower, trained contrastively on captions.

Keras 3 with `keras.ops` only. Served as a part of the encoder (the head) and in numpy (the tower,
`captioner.inference.text_tower`). The encoder is not trained here: its features are computed once.

And the head that classifies images as photos, pages of text, screenshots and so on, on the same features.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from captioner.inference.preprocess import tokenize
from captioner.inference.text_tower import TowerWeights
from captioner.training import checkpoint, loop
from captioner.training.encoder import gelu
from captioner.training.model import TagHead, tag_loss

Tensor = Any
Floats = NDArray[np.float32]

#: Length of an embedding.
DIMENSION = 128
#: Length of a word's reduced vector.
WORD_DIM = 96
#: Words of a caption that count.
LENGTH = 20
_HEADS, _HIDDEN = 4, 256
#: What the loss of single words counts beside that of captions.
WORD_WEIGHT = 0.03
#: The temperature that training starts from (arXiv:2103.00020), as the logarithm of its inverse.
_SHARPNESS = float(np.log(1 / 0.07))


@dataclass(frozen=True, slots=True)
class TowerVocabulary:
    """The words of a text tower, their vectors, and near-synonyms."""

    rows: Mapping[str, int]
    vectors: Floats  # (n, WORD_DIM)
    swaps: Mapping[int, NDArray[np.int64]]  # row -> rows of words that may stand in its place

    @classmethod
    def of(
        cls, known: Sequence[str], teacher_vectors: NDArray[Any], counts: Mapping[str, int], least: float = 0.6
    ) -> TowerVocabulary:
        """From the sentence teacher's vectors (n, 384) of unit length.

        The principal components are those of the words weighted by their frequency in captions.

        Args:
            counts: of each word in the captions. least: cosine from which on a word may stand for another.
        """
        teacher_vectors = teacher_vectors.astype(np.float32)
        weights = np.sqrt(np.array([counts.get(word, 0) for word in known], np.float32) + 0.05)
        weights /= weights.sum()
        mean = weights @ teacher_vectors
        centred = teacher_vectors - mean
        _, vectors = np.linalg.eigh((centred * weights[:, None]).T @ centred)
        reduced = centred @ vectors[:, ::-1][:, :WORD_DIM]
        reduced /= np.sqrt(weights @ (reduced**2).sum(1) / WORD_DIM)
        caption_rows = [row for row, word in enumerate(known) if counts.get(word, 0)]
        return cls(
            {word: row for row, word in enumerate(known)}, reduced, _near_words(teacher_vectors, caption_rows, least)
        )

    def encode(self, text: str) -> NDArray[np.int32]:
        """Rows (LENGTH,) of the words of a text, -1 behind its end and for unknown words."""
        rows = [self.rows.get(word, -1) for word in tokenize(text)][:LENGTH]
        return np.array(rows + [-1] * (LENGTH - len(rows)), np.int32)

    def swap_words(self, rows: NDArray[np.int32], share: float, rng: np.random.Generator) -> NDArray[np.int32]:
        """The same texts (b, LENGTH) with that share of their words replaced by others that mean nearly the same."""
        out = rows.copy()
        for b, i in zip(*np.nonzero((rng.random(rows.shape) < share) & (rows >= 0)), strict=True):
            others = self.swaps.get(int(rows[b, i]))
            if others is not None:
                out[b, i] = rng.choice(others)
        return out


def _near_words(
    teacher_vectors: Floats, caption_rows: Sequence[int], least: float, most: int = 8
) -> dict[int, NDArray[np.int64]]:
    near: dict[int, NDArray[np.int64]] = {}
    for start in range(0, len(caption_rows), 512):
        rows = list(caption_rows[start : start + 512])
        cosines = teacher_vectors[rows] @ teacher_vectors.T
        cosines[np.arange(len(rows)), rows] = 0
        for row, line in zip(rows, cosines, strict=True):
            best = np.argpartition(-line, min(most, len(line)) - 1)[:most]
            if len(best := best[line[best] >= least]):
                near[row] = best
    return near


class TextTowerLayer(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """Rows of words (b, LENGTH), -1 for none, to embeddings (b, DIMENSION), see `inference.text_tower`."""

    def __init__(self, vectors: Floats, dropout: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.table = vectors
        self.attend = layers.Dense(_HEADS, use_bias=False, name="attend")
        self.hidden = layers.Dense(_HIDDEN, name="hidden")
        self.out = layers.Dense(DIMENSION, name="out")
        self.skip = layers.Dense(DIMENSION, use_bias=False, name="skip")
        self.drop_words, self.drop = layers.Dropout(dropout), layers.Dropout(2 * dropout)

    def build(self, _: Any = None) -> None:
        """Make every weight."""
        self.attend.build((None, None, WORD_DIM))
        for layer in (self.hidden, self.skip):
            layer.build((None, _HEADS * WORD_DIM))
        self.out.build((None, _HIDDEN))
        self.built = True

    def call(self, rows: Tensor, training: bool = False) -> Tensor:
        """(b, LENGTH) int32 to (b, DIMENSION)."""
        there = ops.cast(rows >= 0, "float32")
        # A dropped word is one that isn't there; one word at least stays: the first of each row.
        first = there * ops.cast(ops.equal(ops.cumsum(there, axis=1), 1.0), "float32")
        kept = ops.maximum(ops.minimum(self.drop_words(there, training=training), 1.0), first)
        vectors = ops.take(ops.convert_to_tensor(self.table), ops.maximum(rows, 0), axis=0)
        scores = ops.transpose(self.attend(vectors), (0, 2, 1)) + (kept[:, None] - 1) * 1e9
        pooled = ops.reshape(ops.matmul(ops.softmax(scores), vectors), (-1, _HEADS * WORD_DIM))
        pooled = self.drop(pooled, training=training)
        return l2_normalise(self.out(gelu(self.hidden(pooled))) + self.skip(pooled))


class ImageHead(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """What an encoder sees of whole photos, (b, features), to embeddings (b, DIMENSION) of unit length."""

    def __init__(self, features: int, dropout: float = 0.4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features = features
        self.drop = layers.Dropout(dropout)
        self.norm = layers.LayerNormalization(epsilon=1e-6, name="norm")
        self.dense = layers.Dense(DIMENSION, name="dense")

    def build(self, _: Any = None) -> None:
        """Make every weight."""
        self.norm.build((None, self.features))
        self.dense.build((None, self.features))
        self.built = True

    def call(self, features: Tensor, training: bool = False) -> Tensor:
        """(b, features) to (b, DIMENSION)."""
        return l2_normalise(self.dense(self.drop(self.norm(features), training=training)))


def l2_normalise(x: Tensor) -> Tensor:
    """Rows of unit length."""
    return x / ops.sqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + 1e-12)


class ContrastiveLogits(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """Cosines of every photo with every text of a batch, times a learnt inverse temperature; (b, b)."""

    def build(self, *_: Any) -> None:
        """Make the sharpness."""
        start = keras.initializers.Constant(_SHARPNESS)
        self.sharpness = self.add_weight(shape=(), initializer=start, name="gamma")
        self.built = True

    def call(self, photos: Tensor, texts: Tensor) -> Tensor:
        """Two times (b, DIMENSION) to (b, b)."""
        return ops.matmul(photos, ops.transpose(texts)) * ops.exp(ops.minimum(self.sharpness, 4.6))


def contrastive_loss(_: Tensor, likeness: Tensor) -> Tensor:
    """Each photo's own text among all of the batch, and each text's own photo (arXiv:2103.00020)."""
    own = ops.eye(ops.shape(likeness)[0])
    rows, columns = ops.log_softmax(likeness, axis=1), ops.log_softmax(likeness, axis=0)
    return -ops.mean(ops.sum(own * (rows + columns), axis=1)) / 2


class WordLogits(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """The logit that a word is used for a photo, from their cosine: (b, DIMENSION), (w, DIMENSION) to (b, w)."""

    def build(self, photos_shape: tuple[int | None, ...], words_shape: tuple[int | None, ...]) -> None:
        """Make the sharpness, and how frequent each word is."""
        start = keras.initializers.Constant(_SHARPNESS)
        self.sharpness = self.add_weight(shape=(), initializer=start, name="gamma")
        self.bias = self.add_weight(shape=(words_shape[0],), initializer=keras.initializers.Constant(-4.0), name="bias")
        self.built = True

    def call(self, photos: Tensor, words: Tensor) -> Tensor:
        """Logits, before the sigmoid."""
        return ops.matmul(photos, ops.transpose(words)) * ops.exp(ops.minimum(self.sharpness, 4.6)) + self.bias


def build(vectors: Floats, features: int, tag_rows: NDArray[np.int32]) -> keras.Model:
    """What the encoder sees of photos (b, features) and rows of words (b, LENGTH) to "likeness" (b, b) and "words".

    Args:
        tag_rows: (tags, LENGTH), rows of single words: "words" are their logits (b, tags), so that a query of one word
            finds the photos that people used it of.
    """
    tower, head = TextTowerLayer(vectors, name="text_tower"), ImageHead(features, name="image_head")
    seen = keras.Input((features,), name="seen")
    rows = keras.Input((LENGTH,), dtype="int32", name="rows")
    photos = head(seen)
    likeness = ContrastiveLogits(name="contrast")(photos, tower(rows))
    words = WordLogits(name="word_likeness")(photos, tower(ops.convert_to_tensor(tag_rows)))
    return keras.Model({"seen": seen, "rows": rows}, {"likeness": likeness, "words": words}, name="embedding")


def batches(features: NDArray[Any], texts: Sequence[NDArray[np.int32]], tags: Floats, known: TowerVocabulary, size: int,
            swap: float, seed: int) -> Iterator[loop.Batch]:  # fmt: skip
    """Endless shuffled passes over photos, each time one of its views and one of its texts.

    Args:
        features: (n, views, f). texts: for each photo (captions, LENGTH). tags: (n, 2, tags), see `model.tag_loss`.
        swap: share of words that are swapped.
    """
    rng = np.random.default_rng(seed)
    for chosen in loop.shuffled_rows(len(features), size, rng):
        views = rng.integers(features.shape[1], size=len(chosen))
        rows = np.stack([texts[n][rng.integers(len(texts[n]))] for n in chosen])
        seen = features[chosen, views].astype(np.float32)
        wanted = {"likeness": np.zeros((len(chosen),) * 2, np.float32), "words": tags[chosen]}
        yield {"seen": seen, "rows": known.swap_words(rows, swap, rng)}, wanted


def compile_model(model: Any, plan: loop.Plan) -> None:
    """AdamW on the contrastive loss, and on that of single words."""
    losses = {"likeness": contrastive_loss, "words": tag_loss}
    weights = {"likeness": 1.0, "words": WORD_WEIGHT}
    model.compile(loop.optimizer(plan), loss=losses, loss_weights=weights, jit_compile=loop.XLA)


def export_tower(arrays: checkpoint.Arrays, table: Floats) -> TowerWeights:
    """The trained tower in numpy, the table (n, WORD_DIM) in int8."""
    scale = np.abs(table).max(1) / 127 + 1e-9
    kernels = {name: arrays[f"text_tower/{name}/kernel"] for name in ("attend", "hidden", "out", "skip")}
    return TowerWeights(table=np.round(table / scale[:, None]).astype(np.int8), scale=scale.astype(np.float32),
                        hidden_bias=arrays["text_tower/hidden/bias"], out_bias=arrays["text_tower/out/bias"],
                        **kernels)  # fmt: skip


#: The share of photos in a batch; the other types have equal shares.
PHOTOS = 0.5


def build_type_head(types: int, features: int) -> keras.Model:
    """`encoder.global_features` (b, features) to the logits of the types (b, types), photos first."""
    photo_features = keras.Input((features,), name="summed")
    return keras.Model(photo_features, TagHead(types, features, name="kinds")(photo_features), name="kind_model")


def image_type_loss(wanted: Tensor, logits: Tensor) -> Tensor:
    """Cross-entropy with the type (b,) of each image, labels smoothed a little."""
    logp = ops.log_softmax(logits)
    hit = ops.take_along_axis(logp, ops.cast(wanted, "int32")[:, None], axis=-1)[:, 0]
    return -ops.mean(0.98 * hit + 0.02 * ops.mean(logp, axis=-1))


def compile_type_head(model: Any, plan: loop.Plan) -> None:
    """AdamW on the loss."""
    model.compile(loop.optimizer(plan), loss=image_type_loss, jit_compile=loop.XLA)


def type_batches(photos: NDArray[Any], others: NDArray[Any], types: NDArray[Any], size: int,
            seed: int) -> Iterator[loop.Batch]:  # fmt: skip
    """Endless type_batches.

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
