"""The training loop: what its minutes are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras

from captioner.training import loop


@pytest.mark.parametrize(("processor_time", "ends"), [(False, True), (True, False)])
def test_waiting_counts_unless_the_minutes_are_of_the_processor(
    processor_time: bool, ends: bool, tmp_path: Path
) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    plan = loop.Plan(0.05, 0.1, steps=2, processor_time=processor_time)
    model.compile(loop.optimizer(plan), loss="mse")
    x, y = np.ones((1, 2)), np.ones((1, 1))
    model.optimizer.build(model.trainable_variables)
    model.train_on_batch(x, y)  # compiled before the clock starts

    def batches() -> Iterator[loop.Batch]:
        yield x, y
        time.sleep(4)  # longer than the plan
        yield x, y

    loop.train(model, batches(), plan, tmp_path, "waiting", ahead=1)
    with np.load(tmp_path / "waiting.run.npz") as saved:
        assert int(saved["step"]) == (1 if ends else 2)
