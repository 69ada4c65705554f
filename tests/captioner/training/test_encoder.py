"""The encoder: its slabs, its form for export, its parts."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras
from keras import ops

from captioner.training import checkpoint
from captioner.training.encoder import (
    SlabDepthwise,
    build_encoder,
    build_lower,
    build_upper,
)

RNG = np.random.default_rng(0)


def test_slabs_are_exactly_the_7x7() -> None:
    x = RNG.normal(size=(2, 9, 9, 5)).astype(np.float32)
    whole, slabs = keras.layers.DepthwiseConv2D(7, padding="same"), SlabDepthwise()
    whole.build(x.shape)
    slabs.build(x.shape)
    kernel, bias = RNG.normal(size=(7, 7, 5, 1)), RNG.normal(size=5)
    for layer in (whole, slabs):
        layer.kernel.assign(kernel)
        layer.bias.assign(bias)
    np.testing.assert_allclose(ops.convert_to_numpy(slabs(x)), ops.convert_to_numpy(whole(x)), atol=2e-5)


@pytest.mark.parametrize("size", ["test", "atto-on-lite2"])
def test_an_encoder_for_export_equals_the_one_that_was_trained(size: str) -> None:
    trained, exported = build_encoder(size), build_encoder(size, 64, slabs=True)
    checkpoint.assign(exported, checkpoint.weights(trained))
    x = RNG.uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
    a, b = trained(x), exported(x)
    assert a["map"].shape[:3] == (1, 2, 2)
    for name in ("map", "pooled", "classes"):
        np.testing.assert_allclose(ops.convert_to_numpy(a[name]), ops.convert_to_numpy(b[name]), atol=1e-4)


@pytest.mark.parametrize("size", ["test", "atto-on-lite2"])
def test_lower_and_upper_part_are_the_encoder(size: str) -> None:
    encoder, lower, upper = build_encoder(size, 64), build_lower(size, 64), build_upper(size, 64)
    weights = checkpoint.weights(encoder)
    assert weights.keys() == checkpoint.weights(lower).keys() | checkpoint.weights(upper).keys()
    checkpoint.assign(lower, weights)
    checkpoint.assign(upper, weights)
    x = RNG.uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
    a, b = encoder(x), upper(lower(x))
    for name in ("map", "pooled", "classes"):
        np.testing.assert_allclose(ops.convert_to_numpy(a[name]), ops.convert_to_numpy(b[name]), atol=1e-5)
