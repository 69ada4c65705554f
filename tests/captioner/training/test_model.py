"""The network: one decoder in two forms, and the losses."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras
from keras import ops

from captioner.training.encoder import (
    build_upper,
    matmul,
    set_matmul_precision,
)
from captioner.training.model import Captioner, Decoder, DecoderShape, build_training, class_loss, tag_loss, word_loss

SHAPE = DecoderShape(vocabulary=30, length=7, width=16, heads=2, layers=2, cells=4, channels=6, dropout=0.3)
RNG = np.random.default_rng(0)


def made_decoder() -> Decoder:
    keras.utils.set_random_seed(1)
    decoder = Decoder(SHAPE, name="decoder")
    decoder.build()
    for variable in decoder.weights:
        variable.assign(RNG.normal(size=variable.shape) * 0.3)
    return decoder


def test_step_with_a_cache_equals_the_whole_sentence() -> None:
    decoder = made_decoder()
    features = RNG.normal(size=(1, SHAPE.cells, SHAPE.channels)).astype(np.float32)
    tokens = RNG.integers(0, SHAPE.vocabulary, (3, SHAPE.length)).astype(np.int32)
    whole = ops.convert_to_numpy(ops.log_softmax(decoder(tokens, features)))
    pairs = decoder.encode_photo(features)
    photo = [ops.concatenate([pair[i] for pair in pairs]) for i in (0, 1)]
    cache = np.zeros((SHAPE.layers, 3, SHAPE.heads, SHAPE.length, SHAPE.width // SHAPE.heads), np.float32)
    keys, values = cache, cache
    for place in range(SHAPE.length):
        position = np.array([place], np.int32)
        logp, keys, values = decoder.step(tokens[:, place], position, *photo, keys, values)
        np.testing.assert_allclose(ops.convert_to_numpy(logp), whole[:, place], atol=1e-5)


def test_a_word_does_not_see_those_after_it() -> None:
    decoder = made_decoder()
    features = RNG.normal(size=(1, SHAPE.cells, SHAPE.channels)).astype(np.float32)
    tokens = RNG.integers(0, SHAPE.vocabulary, (1, SHAPE.length)).astype(np.int32)
    other = tokens.copy()
    other[0, 4:] = (other[0, 4:] + 1) % SHAPE.vocabulary
    before, after = (ops.convert_to_numpy(decoder(t, features)) for t in (tokens, other))
    np.testing.assert_allclose(before[:, :4], after[:, :4], atol=1e-6)
    assert np.abs(before[:, 4:] - after[:, 4:]).max() > 1e-3


def test_sentences_of_a_batch_see_their_own_photo() -> None:
    decoder = made_decoder()
    features = RNG.normal(size=(2, SHAPE.cells, SHAPE.channels)).astype(np.float32)
    tokens = RNG.integers(0, SHAPE.vocabulary, (6, SHAPE.length)).astype(np.int32)
    together = ops.convert_to_numpy(decoder(tokens, features))
    for photo in range(2):
        mine = slice(3 * photo, 3 * photo + 3)
        alone = ops.convert_to_numpy(decoder(tokens[mine], features[photo : photo + 1]))
        np.testing.assert_allclose(together[mine], alone, atol=1e-5)


def test_captioner_gives_words_tags_and_classes() -> None:
    front = build_upper("test", 64)
    shape = DecoderShape(vocabulary=30, length=7, width=16, heads=2, layers=2, cells=4, channels=16)
    model = build_training(front, Captioner(shape, 9, 32, name="captioner"), sentences=3, photos=2)
    maps = RNG.normal(size=(5, 2, 2, 16)).astype(np.float32)
    tokens = RNG.integers(0, shape.vocabulary, (2, 3, shape.length)).astype(np.int32)
    found = model.predict_on_batch({"seen": maps, "tokens": tokens})
    assert found["words"].shape == (2, 3, shape.length, shape.vocabulary)
    assert found["tags"].shape == (5, 9)  # those of photos without captions too
    assert found["classes"].shape == (5, 1001)


def test_a_decoder_with_hints_writes_with_and_without_a_photo() -> None:
    front = build_upper("test", 64)
    shape = DecoderShape(vocabulary=30, length=7, width=16, heads=2, layers=2, cells=4, channels=16, hints=3)
    captioner = Captioner(shape, 9, 32, name="captioner")
    model = build_training(front, captioner, sentences=3, photos=2)
    tokens = RNG.integers(0, shape.vocabulary, (2, 3, shape.length)).astype(np.int32)
    hints = {"hint_words": RNG.integers(4, 30, (2, 3)).astype(np.int32), "hint_logits": np.zeros((2, 3), np.float32)}
    text = {f"text_{name}": np.repeat(values, 2, axis=0) for name, values in hints.items()}
    text["text"] = RNG.integers(0, shape.vocabulary, (4, shape.length)).astype(np.int32)
    maps = RNG.normal(size=(5, 2, 2, 16)).astype(np.float32)
    found = model.predict_on_batch({"seen": maps, "tokens": tokens, **hints, **text})
    assert found["text"].shape == (4, shape.length, shape.vocabulary)
    other = {**hints, "hint_words": (hints["hint_words"] + 1) % 30}
    changed = model.predict_on_batch({"seen": maps, "tokens": tokens, **other, **text})
    assert np.abs(changed["words"] - found["words"]).max() > 1e-4
    np.testing.assert_allclose(changed["text"], found["text"], atol=1e-5)


def test_bfloat16_products_are_nearly_the_same_and_trainable() -> None:
    x, kernel = RNG.normal(size=(4, 64)).astype(np.float32), RNG.normal(size=(64, 8)).astype(np.float32)
    exact = ops.convert_to_numpy(matmul(x, kernel))
    set_matmul_precision("bfloat16")
    try:
        found = matmul(x, kernel)
    finally:
        set_matmul_precision("float32")
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    difference = np.abs(ops.convert_to_numpy(found) - exact)
    assert 0 < difference.max() < 0.3


def test_padding_and_unknown_words_cost_nothing() -> None:
    loss = word_loss(0.1, (0, 3))
    logits = RNG.normal(size=(1, 2, 4, 8)).astype(np.float32)
    wanted = np.array([[[4, 5, 0, 0], [6, 3, 2, 0]]], np.int32)
    cost = float(loss(wanted, logits))
    elsewhere = logits.copy()
    elsewhere[wanted == 0] += 7 * RNG.normal(size=8)
    elsewhere[wanted == 3] += 7 * RNG.normal(size=8)
    assert float(loss(wanted, elsewhere)) == pytest.approx(cost, rel=1e-5)
    # and the rest is the mean over words, as written out by hand
    logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    words = [(0, 0, 0, 4), (0, 0, 1, 5), (0, 1, 0, 6), (0, 1, 2, 2)]
    by_hand = -np.mean([0.9 * logp[w] + 0.1 * logp[w[:3]].mean() for w in words])
    assert cost == pytest.approx(by_hand, rel=1e-5)


def test_tag_loss_is_binary_cross_entropy() -> None:
    logits = np.array([[0.5, -2.0, 9.0]], np.float32)
    wanted = np.array([[[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]], np.float32)  # the third counts nothing
    p = 1 / (1 + np.exp(-logits))
    by_hand = -np.log(p[0, 0]) - np.log(1 - p[0, 1])
    assert float(tag_loss(wanted, logits)) == pytest.approx(by_hand, rel=1e-5)


def test_class_loss_is_least_for_the_teachers_own_probabilities() -> None:
    logits = RNG.normal(size=(2, 6)).astype(np.float32)
    wanted = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    least = float(class_loss(wanted, logits))
    assert least == pytest.approx(float(-(wanted * np.log(wanted)).sum(-1).mean()), rel=1e-5)
    assert float(class_loss(wanted, logits + RNG.normal(size=logits.shape).astype(np.float32))) > least
