"""Inputs of a TFLite model are given other shapes, all at once, as often as wanted."""

from __future__ import annotations

import numpy as np

from captioner import DEFAULT_FACE_BUNDLE
from captioner.inference.faces.manifest import DETECTOR_BODY
from captioner.inference.tflite import TFLiteModel


def maps(rows: int, columns: int) -> dict[str, np.ndarray]:
    """What the body of the face detector takes for a picture of so many times 32 pixels."""
    random = np.random.default_rng(0)
    return {
        "stride_4": random.uniform(0, 1, (1, rows * 8, columns * 8, 24)).astype(np.float32),
        "stride_8": random.uniform(0, 1, (1, rows * 4, columns * 4, 32)).astype(np.float32),
    }


def run(model: TFLiteModel, values: dict[str, np.ndarray]) -> np.ndarray:
    model.resize(**{name: found.shape for name, found in values.items()})
    model.set(**values)
    model.run()
    return model.output("features")


def test_a_model_gives_the_same_after_it_has_had_other_shapes() -> None:
    model = TFLiteModel(DEFAULT_FACE_BUNDLE / DETECTOR_BODY, "body", 1)
    first = run(model, maps(3, 4))
    assert first.shape == (1, 24, 32, 24)
    assert run(model, maps(5, 2)).shape == (1, 40, 16, 24)
    assert (run(model, maps(3, 4)) == first).all()
