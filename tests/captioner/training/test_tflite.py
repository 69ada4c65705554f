"""A Keras model as a plain function, by way of TFLite and by Keras itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras
from ai_edge_litert.interpreter import Interpreter

from captioner.training.encoder import build_lower
from captioner.training.tflite import convert, fast_function, keras_functions, quantise_dense

PX = 64


def test_both_ways_agree_from_any_thread() -> None:
    model = build_lower("test", PX)
    photos = np.random.default_rng(0).uniform(-1, 1, (4, 1, PX, PX, 3)).astype(np.float32)
    by_keras = keras_functions(model)
    with ThreadPoolExecutor(2) as pool:
        found = np.concatenate([said["y"] for said in pool.map(by_keras, photos)])
    by_lite = fast_function(model, (1, PX, PX, 3))
    np.testing.assert_allclose(np.concatenate([by_lite(photo) for photo in photos]), found, atol=1e-4)


def test_only_layers_of_enough_weights_are_quantised() -> None:
    seen = keras.Input((8, 8, 4), batch_size=1)
    small = keras.layers.Conv2D(8, 1, use_bias=False, name="small")(seen)
    model = keras.Model(seen, keras.layers.Conv2D(16, 3, use_bias=False, name="large")(small))
    content = convert("call", lambda x: {"y": model(x)}, {"x": ((1, 8, 8, 4), "float32")}, model.variables)
    few, many = 4 * 8, 3 * 3 * 8 * 16
    for least, wanted in ((few, {few: "int8", many: "int8"}), (few + 1, {few: "float32", many: "int8"})):
        quantised = Interpreter(model_content=quantise_dense(content, least))
        kinds = {int(found["shape"].prod()): found["dtype"].__name__ for found in quantised.get_tensor_details()
                 if found["shape"].prod() in (few, many)}  # fmt: skip
        assert kinds == wanted
