"""The caption decoder, a transformer over a feature map, and the tag head.

Keras 3 with `keras.ops` only, so it trains on TensorFlow and on JAX alike. Every layer is named: a weight's path
("captioner/decoder/layer0/self/query/kernel") is its name in checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
from keras import layers, ops

from captioner.training.encoder import Dense, gelu, global_features, matmul, norm

Tensor = Any


class Attention(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """Multi-head attention whose keys and values can be cached (arXiv:1706.03762)."""

    def __init__(self, width: int, heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width, self.heads = width, heads
        self.query, self.key, self.value, self.out = (
            Dense(width, name=name) for name in ("query", "key", "value", "out")
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
        self.expand = Dense(4 * width, name="expand")
        self.reduce = Dense(width, name="reduce")
        self.drop = layers.Dropout(dropout)

    def build(self, shape: tuple[int | None, ...]) -> None:
        """`shape` is (b, n, width)."""
        for layer in (self.attend_self, self.attend_photo, self.expand, *self.norms):
            layer.build(shape)
        self.reduce.build((*shape[:-1], 4 * self.width))

    def after_self_attention(self, x: Tensor, photo: tuple[Tensor, Tensor] | None, training: bool) -> Tensor:
        """Cross-attention and feed-forward; without `photo` the layer is a language model's.

        The words of several sentences to a photo are so many queries.
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
        return self.after_self_attention(x, photo, training)

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
        return self.after_self_attention(x, photo, False), keys, values


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
    hints: int = 0  # the most probable tags that the decoder reads beside the map

    @property
    def memory(self) -> int:
        """Keys that each word attends to: cells and hints."""
        return self.cells + self.hints


class Hints(NamedTuple):
    """Words that are likely true of a photo: ids (b, hints) of the vocabulary, PAD for none, and their logits."""

    words: Tensor
    logits: Tensor


class Decoder(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """Feature map and words so far to the logits of the next word; input and output embeddings are one matrix."""

    def __init__(self, shape: DecoderShape, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shape = shape
        self.photo_in = Dense(shape.width, name="photo_in")
        self.photo_norm = norm("photo_norm")
        self.hint_in = Dense(shape.width, name="hint_in")
        self.hint_norm = norm("hint_norm")
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
        if s.hints:
            self.hint_logit = self.add_weight(shape=(s.width,), initializer=normal, name="hint_logit")
            self.hint_in.build((None, s.hints, s.width))
            self.hint_norm.build((None, s.hints, s.width))
        for layer in (self.photo_norm, self.norm, *self.blocks):
            layer.build((None, None, s.width))
        self.built = True

    @property
    def photo_weights(self) -> list[Any]:
        """The weights that a language model does not use; one that reads hints uses cross-attention for them."""
        parts = [self.photo_in, self.photo_norm]
        if not self.shape.hints:
            for block in self.blocks:
                parts += [block.attend_photo, block.norms[1]]
        return [self.cell, *(variable for part in parts for variable in part.weights)]

    def encode_photo(
        self, features: Tensor | None, hints: Hints | None = None, training: bool = False
    ) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of the photo for each layer.

        Args:
            features: (b, cells, channels), a feature map; None for a sentence that there is no photo of.
            hints: words that are likely true of the photo; None for a decoder that reads none.
        """
        if hints is None:
            return self.encode_memory(features, None, None, training)
        return self.encode_memory(features, self.hint_vectors(hints.words), hints.logits, training)

    def hint_vectors(self, words: Tensor) -> Tensor:
        """Ids of the vocabulary (..., n) as vectors (..., n, width)."""
        return self.hint_in(ops.take(self.embedding, words, axis=0) * self.shape.width**0.5)

    def encode_memory(
        self, features: Tensor | None, vectors: Tensor | None, logits: Tensor | None, training: bool = False
    ) -> list[tuple[Tensor, Tensor]]:
        """As `look`, of the hints' vectors (b, hints, width) and logits (b, hints)."""
        memory = []
        if features is not None:
            memory.append(self.photo_norm(self.photo_in(features) + self.cell))
        if vectors is not None and logits is not None:
            memory.append(self.hint_norm(vectors + logits[..., None] * self.hint_logit))
        joined = self.drop(memory[0] if len(memory) == 1 else ops.concatenate(memory, axis=1), training=training)
        return [block.attend_photo.keys_values(joined) for block in self.blocks]

    def logits(self, x: Tensor) -> Tensor:
        """(b, n, width) to (b, n, vocabulary)."""
        return matmul(self.norm(x), ops.transpose(self.embedding)) + self.out_bias

    def call(self, tokens: Tensor, features: Tensor | None, hints: Hints | None = None,
             training: bool = False) -> Tensor:  # fmt: skip
        """Tokens (b, n) to the logits of each next one (b, n, vocabulary).

        Args:
            features: (p, cells, channels) with b / p sentences to each photo, in order; None for a language
                model that sees no photo.
            hints: of each photo, or of each sentence where there is no photo.
        """
        n = tokens.shape[1]
        x = ops.take(self.embedding, tokens, axis=0) * self.shape.width**0.5 + self.position[:n]
        x = self.drop(x, training=training)
        mask = (1.0 - ops.tril(ops.ones((n, n)))) * -1e9
        blind = features is None and hints is None
        photos = [None] * self.shape.layers if blind else self.encode_photo(features, hints, training)
        for block, photo in zip(self.blocks, photos, strict=True):
            x = block(x, photo, mask, training=training)
        return self.logits(x)

    def step(self, tokens: Tensor, position: Tensor, photo_keys: Tensor, photo_values: Tensor,
             keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """The next word of each of b sentences about one photo.

        Args:
            tokens: (b,) the word just written. position: (1,) its place, 0 for START.
            photo_keys, photo_values: (layers, heads, memory, d), from `look`.
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
        # In TFLite an index of the first axis is a strided slice, which took four fifths of a step.
        photos = zip(ops.split(photo_keys, s.layers), ops.split(photo_values, s.layers), strict=True)
        caches = zip(ops.unstack(keys, s.layers), ops.unstack(values, s.layers), strict=True)
        all_keys, all_values = [], []
        for block, photo, cache in zip(self.blocks, photos, caches, strict=True):
            x, k, v = block.step(x, photo, *cache, here, mask)
            all_keys.append(k)
            all_values.append(v)
        logits = self.logits(x)[:, 0]
        return ops.log_softmax(logits), ops.stack(all_keys), ops.stack(all_values)


def build_language_model(decoder: Decoder) -> keras.Model:
    """Tokens (b, n) to the logits of each next one: the decoder without photos, trained on text alone.

    A decoder that reads hints is given some of each sentence. The weights that look at photos are not trained.
    """
    tokens = keras.Input((decoder.shape.length,), dtype="int32", name="tokens")
    hints = hint_inputs(decoder.shape)
    logits = decoder(tokens, None, hints)
    for variable in decoder.photo_weights:
        variable.trainable = False
    return keras.Model({"tokens": tokens, **hints_by_name(hints)}, logits, name="language_model")


class TagHead(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """Logits of tags, or of image types, from `encoder.global_features`: (b, features) to (b, tags)."""

    def __init__(self, tags: int, features: int, dropout: float = 0.3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features = features
        self.norm = norm("norm")
        self.drop = layers.Dropout(dropout)
        self.dense = Dense(tags, name="dense", bias_initializer=keras.initializers.Constant(-4.0))

    def build(self, _: Any = None) -> None:
        """Make every weight."""
        self.norm.build((None, self.features))
        self.dense.build((None, self.features))
        self.built = True

    def call(self, photo_features: Tensor, training: bool = False) -> Tensor:
        """Logits, before the sigmoid."""
        return self.dense(self.drop(self.norm(photo_features), training=training))


class Captioner(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """Decoder and tag head on the encoder's outputs.

    Args:
        tags: their number.
        photo_features: numbers of `encoder.global_features`.
    """

    def __init__(self, shape: DecoderShape, tags: int, photo_features: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.decoder = Decoder(shape, name="decoder")
        self.tag_head = TagHead(tags, photo_features, name="tags")

    def build(self, *_: Any) -> None:
        """Make every weight."""
        self.decoder.build()
        self.tag_head.build()
        self.built = True

    def words(self, features: Tensor | None, tokens: Tensor, hints: Hints | None, training: bool = False) -> Tensor:
        """Logits (b, k, n, vocabulary) for tokens (b, k, n) of k sentences to each of b photos; see `Decoder.call`."""
        k, n = tokens.shape[1:]
        logits = self.decoder(ops.reshape(tokens, (-1, n)), features, hints, training=training)
        return ops.reshape(logits, (-1, k, n, self.decoder.shape.vocabulary))

    def call(self, features: Tensor, photo_features: Tensor, tokens: Tensor, hints: Hints | None = None,
             training: bool = False) -> dict[str, Tensor]:  # fmt: skip
        """Features (p, cells, channels) and tokens (p, k, n) of the captioned photos, photo_features (b, f) of all.

        Returns:
            words: logits (p, k, n, vocabulary). tags: logits (b, tags).
        """
        words = self.words(features, tokens, hints, training)
        return {"words": words, "tags": self.tag_head(photo_features, training=training)}


def hint_inputs(shape: DecoderShape, prefix: str = "") -> Hints | None:
    """Inputs for the hints of each photo, or of each sentence without one; None for a decoder that reads none."""
    if not shape.hints:
        return None
    words = keras.Input((shape.hints,), dtype="int32", name=f"{prefix}hint_words")
    return Hints(words, keras.Input((shape.hints,), name=f"{prefix}hint_logits"))


def hints_by_name(hints: Hints | None, prefix: str = "") -> dict[str, Tensor]:
    """Hints by the names of `hint_inputs`."""
    return {} if hints is None else {f"{prefix}hint_words": hints.words, f"{prefix}hint_logits": hints.logits}


def build_training(front: keras.Model, captioner: Captioner, sentences: int, photos: int,
                   classes: bool = True) -> keras.Model:  # fmt: skip
    """Encoder, or its upper part, and captioner as one model.

    With hints there are sentences without photos too, "text" (t, n), each with hints of its own: their logits are
    the output "text" (t, n, vocabulary).

    Args:
        front: photos or maps to the outputs of `encoder.upper`.
        sentences: to each captioned photo.
        photos: the first so many of a batch have captions; of all others only tags and classes are learnt.
        classes: whether they are an output.
    """
    shape = captioner.decoder.shape
    seen = keras.Input(front.input.shape[1:], name="seen")
    tokens = keras.Input((sentences, shape.length), dtype="int32", name="tokens")
    hints, text_hints = hint_inputs(shape), hint_inputs(shape, "text_")
    inputs = {"seen": seen, "tokens": tokens, **hints_by_name(hints), **hints_by_name(text_hints, "text_")}
    found = front(seen)
    captioned = ops.slice(found["map"], (0, 0, 0, 0), (photos, *found["map"].shape[1:]))
    features = ops.reshape(captioned, (photos, shape.cells, shape.channels))
    outputs = {**captioner(features, global_features(found), tokens, hints)}
    outputs |= {"classes": found["classes"]} if classes else {}
    if text_hints is not None:
        inputs["text"] = keras.Input((shape.length,), dtype="int32", name="text")
        outputs["text"] = captioner.decoder(inputs["text"], None, text_hints)
    return keras.Model(inputs, outputs, name="training")


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
    """Binary cross-entropy of the tags, summed over them, mean over photos.

    Args:
        wanted: (b, 2, tags): how true each is, 0..1, and what it counts.
    """
    true, counts = wanted[:, 0], wanted[:, 1]
    return ops.mean(ops.sum(counts * (ops.softplus(logits) - true * logits), axis=-1))


def class_loss(wanted: Tensor, logits: Tensor) -> Tensor:
    """Cross-entropy with the teacher's probabilities (arXiv:1503.02531, temperature 1), mean over photos."""
    return -ops.mean(ops.sum(wanted * ops.log_softmax(logits), axis=-1))
