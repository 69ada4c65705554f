"""The sentence decoder and the tag head: a transformer that writes a caption of a feature map.

Keras 3 with `keras.ops` only, so it trains on TensorFlow and on JAX alike. Every layer is named: a weight's path
("captioner/decoder/layer0/self/query/kernel") is its name in checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

from captioner.training.encoder import gelu, norm

Tensor = Any


class Attention(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """Multi-head attention whose keys and values can be made once and kept (arXiv:1706.03762)."""

    def __init__(self, width: int, heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width, self.heads = width, heads
        self.query, self.key, self.value, self.out = (
            layers.Dense(width, name=name) for name in ("query", "key", "value", "out")
        )

    def build(self, shape: tuple[int | None, ...]) -> None:
        """`shape` is (b, n, width)."""
        for layer in (self.query, self.key, self.value, self.out):
            layer.build(shape)

    def split(self, x: Tensor) -> Tensor:
        """(b, n, width) to (b, heads, n, width / heads)."""
        b, n = ops.shape(x)[0], ops.shape(x)[1]
        return ops.transpose(ops.reshape(x, (b, n, self.heads, self.width // self.heads)), (0, 2, 1, 3))

    def keys_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What is attended to, (b, n, width), as keys and values (b, heads, n, width / heads)."""
        return self.split(self.key(x)), self.split(self.value(x))

    def call(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend from x (b, q, width); `mask` is added to the scores (b, heads, q, n)."""
        scale = (self.width // self.heads) ** -0.5
        scores = ops.matmul(self.split(self.query(x)) * scale, ops.transpose(keys, (0, 1, 3, 2)))
        if mask is not None:
            scores = scores + mask
        seen = ops.transpose(ops.matmul(ops.softmax(scores), values), (0, 2, 1, 3))
        return self.out(ops.reshape(seen, ops.shape(x)))


class DecoderLayer(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """Self-attention, attention to the photo, feed-forward; normalised before each (arXiv:2002.04745)."""

    def __init__(self, width: int, heads: int, dropout: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.attend_self = Attention(width, heads, name="self")
        self.attend_photo = Attention(width, heads, name="photo")
        self.norms = [norm(f"norm{i}") for i in range(3)]
        self.expand = layers.Dense(4 * width, name="expand")
        self.reduce = layers.Dense(width, name="reduce")
        self.drop = layers.Dropout(dropout)

    def build(self, shape: tuple[int | None, ...]) -> None:
        """`shape` is (b, n, width)."""
        for layer in (self.attend_self, self.attend_photo, self.expand, *self.norms):
            layer.build(shape)
        self.reduce.build((*shape[:-1], 4 * self.width))

    def rest(self, x: Tensor, photo: tuple[Tensor, Tensor] | None, training: bool) -> Tensor:
        """What follows self-attention; without `photo` the layer is a language model's.

        There may be several sentences to a photo: to its cells their words are so many queries of one picture.
        """
        if photo is not None:
            y = ops.reshape(self.norms[1](x), (ops.shape(photo[0])[0], -1, self.width))
            y = ops.reshape(self.attend_photo(y, *photo), ops.shape(x))
            x = x + self.drop(y, training=training)
        return x + self.drop(self.reduce(gelu(self.expand(self.norms[2](x)))), training=training)

    def call(self, x: Tensor, photo: tuple[Tensor, Tensor] | None, mask: Tensor, training: bool = False) -> Tensor:
        """All positions of b sentences at once, about as many photos or fewer; (b, n, width) to the same."""
        y = self.norms[0](x)
        x = x + self.drop(self.attend_self(y, *self.attend_self.keys_values(y), mask), training=training)
        return self.rest(x, photo, training)

    def step(self, x: Tensor, photo: tuple[Tensor, Tensor], keys: Tensor, values: Tensor,
             here: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """One position of each of b sentences about one photo.

        Args:
            x: (b, 1, width). photo: keys and values, (1, heads, cells, d).
            keys, values: of the positions before, (b, heads, length, d); zero from this position on.
            here: (1, 1, length, 1), one at this position. mask: (1, 1, 1, length).

        Returns:
            x, and keys and values with this position filled in.
        """
        y = self.norms[0](x)
        new_keys, new_values = self.attend_self.keys_values(y)
        keys, values = keys + here * new_keys, values + here * new_values
        x = x + self.attend_self(y, keys, values, mask)
        return self.rest(x, photo, False), keys, values


@dataclass(frozen=True, slots=True)
class DecoderShape:
    """Numbers that make a decoder."""

    vocabulary: int
    length: int = 20  # tokens that can follow START
    width: int = 256
    heads: int = 4
    layers: int = 3
    cells: int = 36  # of the feature map
    channels: int = 320  # of the feature map
    dropout: float = 0.2


class Decoder(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """Feature map and words so far to the logits of the next word; input and output embeddings are one matrix."""

    def __init__(self, shape: DecoderShape, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shape = shape
        self.photo_in = layers.Dense(shape.width, name="photo_in")
        self.photo_norm = norm("photo_norm")
        self.blocks = [
            DecoderLayer(shape.width, shape.heads, shape.dropout, name=f"layer{i}") for i in range(shape.layers)
        ]
        self.norm = norm("norm")
        self.drop = layers.Dropout(shape.dropout)

    def build(self, _: Any = None) -> None:
        """Make every weight; the shape of the inputs is known."""
        s = self.shape
        normal = keras.initializers.RandomNormal(stddev=0.02)
        self.embedding = self.add_weight(shape=(s.vocabulary, s.width), initializer=normal, name="embedding")
        self.position = self.add_weight(shape=(s.length, s.width), initializer=normal, name="position")
        self.cell = self.add_weight(shape=(s.cells, s.width), initializer=normal, name="cell_position")
        self.out_bias = self.add_weight(shape=(s.vocabulary,), initializer="zeros", name="out_bias")
        self.photo_in.build((None, s.cells, s.channels))
        for layer in (self.photo_norm, self.norm, *self.blocks):
            layer.build((None, None, s.width))
        self.built = True

    @property
    def photo_weights(self) -> list[Any]:
        """The weights that a language model has no use for."""
        parts = [self.photo_in, self.photo_norm]
        for block in self.blocks:
            parts += [block.attend_photo, block.norms[1]]
        return [self.cell, *(variable for part in parts for variable in part.weights)]

    def look(self, features: Tensor, training: bool = False) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of the photo for each layer, from a feature map (b, cells, channels)."""
        memory = self.drop(self.photo_norm(self.photo_in(features) + self.cell), training=training)
        return [block.attend_photo.keys_values(memory) for block in self.blocks]

    def logits(self, x: Tensor) -> Tensor:
        """(b, n, width) to (b, n, vocabulary)."""
        return ops.matmul(self.norm(x), ops.transpose(self.embedding)) + self.out_bias

    def call(self, tokens: Tensor, features: Tensor | None, training: bool = False) -> Tensor:
        """Tokens (b, n) to the logits of each next one (b, n, vocabulary).

        Args:
            features: (p, cells, channels) with b / p sentences to each photo, in order; None for a language
                model that sees no photo.
        """
        n = tokens.shape[1]
        x = ops.take(self.embedding, tokens, axis=0) * self.shape.width**0.5 + self.position[:n]
        x = self.drop(x, training=training)
        mask = (1.0 - ops.tril(ops.ones((n, n)))) * -1e9
        photos = self.look(features, training) if features is not None else [None] * self.shape.layers
        for block, photo in zip(self.blocks, photos, strict=True):
            x = block(x, photo, mask, training=training)
        return self.logits(x)

    def step(self, tokens: Tensor, position: Tensor, photo_keys: Tensor, photo_values: Tensor,
             keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """The next word of each of b sentences about one photo.

        Args:
            tokens: (b,) the word just written. position: (1,) its place, 0 for START.
            photo_keys, photo_values: (layers, heads, cells, d), from `look`.
            keys, values: (layers, b, heads, length, d), zeros at first.

        Returns:
            log-probabilities (b, vocabulary), keys and values to give to the next step.
        """
        s = self.shape
        places = ops.arange(s.length, dtype="int32")
        here = ops.reshape(ops.cast(ops.equal(places, position), "float32"), (1, 1, s.length, 1))
        mask = ops.reshape(ops.cast(places > position, "float32") * -1e9, (1, 1, 1, s.length))
        x = ops.take(self.embedding, tokens, axis=0) * s.width**0.5 + ops.take(self.position, position, axis=0)
        x = x[:, None, :]
        all_keys, all_values = [], []
        for i, block in enumerate(self.blocks):
            photo = (photo_keys[i][None], photo_values[i][None])
            x, k, v = block.step(x, photo, keys[i], values[i], here, mask)
            all_keys.append(k)
            all_values.append(v)
        logits = self.logits(x)[:, 0]
        return ops.log_softmax(logits), ops.stack(all_keys), ops.stack(all_values)


def build_language_model(decoder: Decoder) -> keras.Model:
    """Tokens (b, n) to the logits of each next one: the decoder without photos, to be taught by text alone.

    The weights that look at photos are marked as not to be trained.
    """
    tokens = keras.Input((decoder.shape.length,), dtype="int32", name="tokens")
    logits = decoder(tokens, None)
    for variable in decoder.photo_weights:
        variable.trainable = False
    return keras.Model(tokens, logits, name="language_model")


class TagHead(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """Which words are true of the photo, from the mean of the feature map: (b, cells, channels) to logits (b, tags)."""

    def __init__(self, tags: int, dropout: float = 0.2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.drop = layers.Dropout(dropout)
        self.dense = layers.Dense(tags, name="dense", bias_initializer=keras.initializers.Constant(-4.0))

    def build(self, shape: tuple[int | None, ...]) -> None:
        """`shape` is (b, cells, channels)."""
        self.dense.build((None, shape[-1]))

    def call(self, features: Tensor, training: bool = False) -> Tensor:
        """Logits, before the sigmoid."""
        return self.dense(self.drop(ops.mean(features, axis=1), training=training))


class Captioner(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """Decoder and tag head on one feature map."""

    def __init__(self, shape: DecoderShape, tags: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.decoder = Decoder(shape, name="decoder")
        self.tag_head = TagHead(tags, name="tags")

    def build(self, *_: Any) -> None:
        """Make every weight."""
        self.decoder.build()
        self.tag_head.build((None, self.decoder.shape.cells, self.decoder.shape.channels))
        self.built = True

    def call(self, features: Tensor, tokens: Tensor, training: bool = False) -> dict[str, Tensor]:
        """Features (b, cells, channels) and tokens (b, k, n) of k sentences each.

        Returns:
            words: logits (b, k, n, vocabulary). tags: logits (b, tags).
        """
        k, n = tokens.shape[1:]
        logits = self.decoder(ops.reshape(tokens, (-1, n)), features, training=training)
        return {
            "words": ops.reshape(logits, (-1, k, n, self.decoder.shape.vocabulary)),
            "tags": self.tag_head(features, training=training),
        }


def build_training(front: keras.Model, captioner: Captioner, sentences: int, photos: int) -> keras.Model:
    """Encoder, or its upper part, and captioner as one model.

    Args:
        front: photos or maps to what `encoder.upper` says.
        sentences: to each captioned photo.
        photos: the first so many of a batch have captions; of all others only the classes are learnt.
    """
    shape = captioner.decoder.shape
    seen = keras.Input(front.input.shape[1:], name="seen")
    tokens = keras.Input((sentences, shape.length), dtype="int32", name="tokens")
    found = front(seen)
    captioned = ops.slice(found["map"], (0, 0, 0, 0), (photos, *found["map"].shape[1:]))
    features = ops.reshape(captioned, (photos, shape.cells, shape.channels))
    return keras.Model(
        {"seen": seen, "tokens": tokens}, {**captioner(features, tokens), "classes": found["classes"]}, name="training"
    )


def word_loss(smoothing: float, ignored: tuple[int, ...]) -> Any:
    """Cross-entropy with label smoothing over the tokens that are not `ignored` (padding, unknown words)."""

    def loss(wanted: Tensor, logits: Tensor) -> Tensor:
        wanted = ops.cast(wanted, "int32")
        logp = ops.log_softmax(logits)
        hit = ops.take_along_axis(logp, wanted[..., None], axis=-1)[..., 0]
        nll = -(1 - smoothing) * hit - smoothing * ops.mean(logp, axis=-1)
        counts = ops.ones_like(nll)
        for token in ignored:
            counts = counts * ops.cast(ops.not_equal(wanted, token), "float32")
        return ops.sum(nll * counts) / ops.maximum(ops.sum(counts), 1.0)

    return loss


def tag_loss(wanted: Tensor, logits: Tensor) -> Tensor:
    """Binary cross-entropy of the tags, summed over them, mean over photos."""
    return ops.mean(ops.sum(ops.softplus(logits) - wanted * logits, axis=-1))


def class_loss(wanted: Tensor, logits: Tensor) -> Tensor:
    """Cross-entropy with the teacher's probabilities (arXiv:1503.02531, temperature 1), mean over photos."""
    return -ops.mean(ops.sum(wanted * ops.log_softmax(logits), axis=-1))
