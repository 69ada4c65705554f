"""A Keras model as a plain function, by way of TFLite and by Keras itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from captioner.training.encoder import build_lower
from captioner.training.tflite import fast_function, keras_functions

PX = 64


def test_both_ways_agree_from_any_thread() -> None:
    model = build_lower("test", PX)
    photos = np.random.default_rng(0).uniform(-1, 1, (4, 1, PX, PX, 3)).astype(np.float32)
    by_keras = keras_functions(model)
    with ThreadPoolExecutor(2) as pool:
        found = np.concatenate([said["y"] for said in pool.map(by_keras, photos)])
    by_lite = fast_function(model, (1, PX, PX, 3))
    np.testing.assert_allclose(np.concatenate([by_lite(photo) for photo in photos]), found, atol=1e-4)
