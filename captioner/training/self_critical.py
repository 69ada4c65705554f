"""Self-critical training of the decoder: its own samples, weighted by their CIDEr.

Self-critical sequence training (arXiv:1612.00563) with the mean reward of a photo's other samples as baseline
(arXiv:2003.09971). People's own sentences stay in the mix, or the model forgets how to end one.

The reward is CIDEr-D (arXiv:1411.5726) of word ids. The scores that are published come from pycocoevalcap
(`captioner.training.metrics`); this one counts its document frequencies once, over all training captions, and scores
7,000 sentences a second.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from captioner.inference.preprocess import END, PAD, START, UNKNOWN
from captioner.training import loop
from captioner.training.captioning import PhotoHints, Targets
from captioner.training.model import Captioner, Decoder, Hints, hint_inputs, hints_by_name

log = logging.getLogger(__name__)

Tensor = Any
Ints = NDArray[np.int32]

#: Sentences of its own, and of people's, for each photo.
SAMPLES, HUMAN = 4, 1
#: What a person's sentence counts; a sample counts its advantage, some hundredths either way: samples earn 0.06.
HUMAN_WEIGHT = 0.1


def sample(decoder: Decoder, features: Tensor, hints: Hints | None, each: int,
           seeds: keras.random.SeedGenerator) -> Tensor:  # fmt: skip
    """Sentences sampled from the decoder.

    Args:
        features: (p, cells, channels). hints: of each photo. each: sentences to a photo.

    Returns:
        (p * each, length) int32, with END where a sentence ends and PAD behind it.
    """
    s = decoder.shape
    photos = decoder.encode_photo(features, hints)
    rows = ops.shape(features)[0] * each
    empty = ops.zeros((rows, s.heads, s.length, s.width // s.heads))
    cache = [(empty, empty)] * s.layers
    never = np.zeros(s.vocabulary, np.float32)
    never[[PAD, START, UNKNOWN]] = -1e9
    tokens = ops.full((rows,), START, dtype="int32")
    ended = ops.zeros((rows,), dtype="bool")
    drawn = []
    for place in range(s.length):
        here = np.zeros((1, 1, s.length, 1), np.float32)
        here[:, :, place] = 1
        mask = np.where(np.arange(s.length) > place, -1e9, 0).astype(np.float32).reshape(1, 1, 1, -1)
        x = (ops.take(decoder.embedding, tokens, axis=0) * s.width**0.5 + decoder.position[place])[:, None, :]
        for i, (block, photo) in enumerate(zip(decoder.blocks, photos, strict=True)):
            x, keys, values = block.step(x, photo, *cache[i], here, mask)
            cache[i] = keys, values
        logits = decoder.logits(x)[:, 0] + never
        tokens = ops.cast(keras.random.categorical(logits, 1, seed=seeds)[:, 0], "int32")
        tokens = ops.where(ended, PAD, tokens)
        ended = ops.logical_or(ended, ops.equal(tokens, END))
        drawn.append(tokens)
    return ops.stack(drawn, axis=1)


def make_sampler(decoder: Decoder, each: int, seed: int) -> Callable[[Mapping[str, Any]], Ints]:
    """`sample` of so many sentences each, of the inputs of `build`; compiled where the backend is TensorFlow."""
    seeds = keras.random.SeedGenerator(seed)

    def call(features: Tensor, *hints: Tensor) -> Tensor:
        return sample(decoder, features, Hints(*hints) if hints else None, each, seeds)

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        call = tf.function(call, reduce_retracing=True)

    def sampler(seen: Mapping[str, Any]) -> Ints:
        names = ("features", "hint_words", "hint_logits")
        with loop.WEIGHTS_LOCK:
            return np.asarray(call(*(ops.convert_to_tensor(seen[name]) for name in names if name in seen)), np.int32)

    return sampler


def build(captioner: Captioner, sentences: int) -> keras.Model:
    """Feature maps (b, cells, channels) and tokens (b, sentences, length) to logits (b * sentences, length, words)."""
    shape = captioner.decoder.shape
    features = keras.Input((shape.cells, shape.channels), name="features")
    tokens = keras.Input((sentences, shape.length), dtype="int32", name="tokens")
    hints = hint_inputs(shape)
    logits = captioner.decoder(ops.reshape(tokens, (-1, shape.length)), features, hints)
    return keras.Model({"features": features, "tokens": tokens, **hints_by_name(hints)}, logits, name="critic")


def weighted_loss(wanted: Tensor, logits: Tensor) -> Tensor:
    """Each sentence's negative log-probability times its weight, mean over all words.

    Args:
        wanted: (sentences, 1 + length): the weight, then the tokens.
    """
    weights, tokens = wanted[:, :1], ops.cast(wanted[:, 1:], "int32")
    logp = ops.take_along_axis(ops.log_softmax(logits), tokens[..., None], axis=-1)[..., 0]
    there = ops.cast(ops.logical_and(ops.not_equal(tokens, PAD), ops.not_equal(tokens, UNKNOWN)), "float32")
    return -ops.sum(logp * there * weights) / ops.maximum(ops.sum(there), 1.0)


def strip_padding(tokens: Ints) -> Sentence:
    """The ids of one row up to and with its END; none for a row of padding."""
    ids = [i for i in tokens.tolist() if i != PAD]
    return tuple(ids[: ids.index(END) + 1] if END in ids else ids)


def build_reward(targets: Targets, content: frozenset[int] = frozenset(), penalty: float = 0.0) -> CiderReward:
    """The reward by the captions that are learnt from."""
    captions = [[ids for row in rows if (ids := strip_padding(row[1:]))] for rows in targets.tokens]
    return CiderReward(captions, content, penalty)


@dataclass(frozen=True, slots=True)
class EncodedPhotos:
    """Cached feature maps and hints of photos, plain and mirrored."""

    maps: NDArray[Any]  # (n, 2, cells, channels)
    hints: PhotoHints | None = None  # of the same views; None for a decoder that reads none

    def draw(self, rows: NDArray[Any], sides: NDArray[Any]) -> dict[str, Any]:
        """The inputs of `build` but the tokens."""
        found: dict[str, Any] = {"features": self.maps[rows, sides].astype(np.float32)}
        if self.hints is not None:
            found["hint_words"] = self.hints.words[rows, sides]
            found["hint_logits"] = self.hints.logits[rows, sides]
        return found


def batches(seen: EncodedPhotos, targets: Targets, sampler: Callable[[Mapping[str, Any]], Ints],
            reward: CiderReward, size: int, seed: int) -> Iterator[loop.Batch]:  # fmt: skip
    """Endless shuffled passes over photos, each time with sentences that `sampler` just made, and people's."""
    rng = np.random.default_rng(seed)
    earned, steps = 0.0, 0
    for rows in loop.shuffled_rows(len(seen.maps), size, rng):
        inputs = seen.draw(rows, ((rng.random(len(rows)) < 0.5) & targets.mirror[rows]).astype(int))
        own = sampler(inputs).reshape(len(rows), SAMPLES, -1)
        rewards = np.array([[reward(n, strip_padding(s)) for s in drawn] for n, drawn in zip(rows, own, strict=True)])
        others = (rewards.sum(1, keepdims=True) - rewards) / (SAMPLES - 1)
        human, counts = _draw_references(targets, rows, rng)
        weights = np.concatenate([rewards - others, counts], axis=1)
        yield _batch(inputs, np.concatenate([own, human], axis=1), weights)
        earned, steps = earned + float(rewards.mean()), steps + 1
        if steps % 50 == 0:
            log.info("mean reward of samples %.4f", earned / 50)
            earned = 0.0


def _draw_references(targets: Targets, rows: NDArray[Any], rng: np.random.Generator) -> tuple[Ints, NDArray[Any]]:
    """One sentence of a person's for each photo (b, HUMAN, length), and what it counts (b, HUMAN)."""
    there = (targets.tokens[rows, :, 0] != PAD).astype(float)
    drawn = np.argmax(there + 0.5 * rng.random(there.shape), axis=1)
    return targets.tokens[rows, drawn][:, None, 1:], np.full((len(rows), HUMAN), HUMAN_WEIGHT)


def _batch(inputs: Mapping[str, Any], tokens: Ints, weights: NDArray[Any]) -> loop.Batch:
    before = np.concatenate([np.full_like(tokens[..., :1], START), tokens[..., :-1]], axis=-1)
    wanted = np.concatenate([weights[..., None], tokens], axis=-1).astype(np.float32)
    return {**inputs, "tokens": before}, wanted.reshape(-1, wanted.shape[-1])


def compile_model(model: Any, plan: loop.Plan) -> None:
    """AdamW on the weighted loss."""
    model.compile(loop.optimizer(plan), loss=weighted_loss, jit_compile=loop.XLA)


Sentence = tuple[int, ...]

_N = 4
_SIGMA = 6.0


@dataclass(frozen=True, slots=True)
class _TfIdf:
    """One sentence as tf-idf vectors of its n-grams, one for each n."""

    vectors: tuple[dict[Sentence, float], ...]
    norms: tuple[float, ...]
    length: int


class CiderReward:
    """CIDEr-D of a sentence against a photo's captions.

    Args:
        captions: of each photo, as word ids with their END, so that a truncated sentence scores lower.
        content: ids of the content words.
        penalty: what a sentence loses whose content words are all words that nobody used, or used before in it.
    """

    def __init__(self, captions: Sequence[Sequence[Sentence]], content: frozenset[int] = frozenset(),
                 penalty: float = 0.0) -> None:  # fmt: skip
        seen: Counter[Sentence] = Counter()
        for texts in captions:
            seen.update({gram for text in texts for grams in _grams(text) for gram in grams})
        self._log_photos = math.log(max(len(captions), 2))
        self._seen = seen
        self._captions = [[self._tf_idf(text) for text in texts] for texts in captions]
        self._content, self._penalty = content, penalty
        self._used = [{word for text in texts for word in text} for texts in captions] if penalty else []

    def __call__(self, photo: int, sentence: Sentence) -> float:
        """Mean over the photo's captions; on Flickr8k a person's sentence scores 0.1 against the other four."""
        candidate = self._tf_idf(sentence)
        human = self._captions[photo]
        similarity = sum(_similarity(candidate, text) for text in human) / len(human) if human else 0.0
        return similarity - self._penalty * self._unused_share(photo, sentence) if self._penalty else similarity

    def _unused_share(self, photo: int, sentence: Sentence) -> float:
        """The share of a sentence's content words that nobody used, or that stand there a second time."""
        content = [word for word in sentence if word in self._content]
        right = set(content) & self._used[photo]
        return 1 - len(right) / len(content) if content else 1.0

    def _tf_idf(self, sentence: Sentence) -> _TfIdf:
        vectors = tuple(
            {gram: count * (self._log_photos - math.log(max(1, self._seen[gram]))) for gram, count in grams.items()}
            for grams in _grams(sentence)
        )
        return _TfIdf(vectors, tuple(math.hypot(*vector.values()) for vector in vectors), len(sentence))


def _grams(sentence: Sentence) -> list[Counter[Sentence]]:
    return [Counter(sentence[i : i + n] for i in range(len(sentence) - n + 1)) for n in range(1, _N + 1)]


def _similarity(candidate: _TfIdf, human: _TfIdf) -> float:
    total = 0.0
    for mine, theirs, a, b in zip(candidate.vectors, human.vectors, candidate.norms, human.norms, strict=True):
        if a and b:
            total += sum(min(mine[gram], theirs[gram]) * theirs[gram] for gram in mine.keys() & theirs.keys()) / (a * b)
    return total / _N * math.exp(-((candidate.length - human.length) ** 2) / (2 * _SIGMA**2))
