"""The training loop of every stage: a time limit, a learning rate that follows the time, saves every few minutes.

The rate follows the time rather than steps: a run of 30 minutes ends at rate zero after 30 minutes, however busy the
machine was. On a machine with other work the time can be this process's processor time.
"""

from __future__ import annotations

import contextlib
import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from captioner.training import checkpoint

log = logging.getLogger(__name__)

Batch = tuple[Any, Any]

#: Whether a step is compiled by XLA: JAX is very slow without it, TensorFlow on a CPU with it.
XLA = keras.backend.backend() == "jax"
#: Held by a step, and by whoever reads weights in another thread: on JAX a step takes them away until it is done.
WEIGHTS_LOCK: contextlib.AbstractContextManager[Any] = threading.Lock() if XLA else contextlib.nullcontext()


@dataclass(frozen=True, slots=True)
class Plan:
    """How one stage is trained."""

    minutes: float
    rate: float  # peak learning rate
    warmup: int = 200  # steps
    decay: float = 0.05  # weight decay, decoupled (AdamW, arXiv:1711.05101)
    ema: float = 0.998  # momentum of the moving average of weights
    save_every_s: float = 120
    floor: float = 0.0  # fraction of the peak rate at the end
    steps: int | None = None  # stop after so many steps even if there is time left
    trunk_rate: float = 1.0  # of the rate, for what is pretrained: layers whose names begin with "trunk"
    processor_time: bool = False  # the minutes are those that this process gets on all cores together

    def rate_at(self, step: int, seconds: float) -> float:
        """Linear warm-up by steps, then a cosine by the clock."""
        done = min(1.0, seconds / (60 * self.minutes))
        if self.steps:
            done = max(done, step / self.steps)
        cosine = self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * done))
        return self.rate * cosine * min(1.0, (step + 1) / self.warmup)


class TrunkAdamW(keras.optimizers.AdamW):  # type: ignore[misc]  # Keras is untyped
    """AdamW (arXiv:1711.05101) that changes pretrained layers more slowly than new ones."""

    def __init__(self, rate: float, trunk_rate: float = 1.0, **kwargs: Any) -> None:
        super().__init__(rate, **kwargs)
        self.trunk_rate = trunk_rate

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One variable's step; TensorFlow gives its own variable, which knows no path."""
        path = self._trainable_variables[self._get_variable_index(variable)].path
        share = self.trunk_rate if path.startswith("trunk") else 1.0
        super().update_step(gradient, variable, learning_rate * share)


def optimizer(plan: Plan) -> Any:
    """AdamW with clipped gradients and moving averages; biases and norms are not decayed."""
    adam = TrunkAdamW(
        plan.rate, plan.trunk_rate, weight_decay=plan.decay, clipnorm=1.0, beta_2=0.98, use_ema=True,
        ema_momentum=plan.ema,
    )  # fmt: skip
    adam.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "position"])
    return adam


def prefetch(batches: Iterator[Batch], depth: int) -> Iterator[Batch]:
    """The same batches, made in a thread while the last one trains; an error there is raised here."""
    ready: queue.Queue[Batch | BaseException | None] = queue.Queue(depth)

    def fill() -> None:
        try:
            for batch in batches:
                ready.put(batch)
        except BaseException as error:
            ready.put(error)
        ready.put(None)

    threading.Thread(target=fill, daemon=True).start()
    while (item := ready.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item


def shuffled_rows(count: int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Endless shuffled passes over so many rows, `size` at a time; what is left of a pass is left out."""
    size = min(size, count)
    while True:
        order = rng.permutation(count)
        for start in range(0, count - size + 1, size):
            yield order[start : start + size]


def train(
    model: Any,
    batches: Iterator[Batch],
    plan: Plan,
    out: Path,
    name: str,
    check: Callable[[int], None] | None = None,
    ahead: int = 6,
) -> None:
    """Train a compiled model and write `out`/`name`.npz (averaged weights) and `name`.run.npz (to resume from).

    Args:
        check: called with the step number after each save, to measure something on held-back data.
        ahead: batches that are made before they are needed.
    """
    run = out / f"{name}.run.npz"
    model.optimizer.build(model.trainable_variables)
    step, spent = checkpoint.load_run(run, model) if run.exists() else (0, 0.0)
    if step:
        log.info("%s goes on from step %d, minute %.1f", name, step, spent / 60)
    clock = time.process_time if plan.processor_time else time.monotonic
    started, last_save = clock() - spent, time.monotonic()
    for x, y in prefetch(batches, ahead):
        seconds = clock() - started
        if seconds > 60 * plan.minutes or (plan.steps and step >= plan.steps):
            break
        model.optimizer.learning_rate = plan.rate_at(step, seconds)
        with WEIGHTS_LOCK:
            losses = model.train_on_batch(x, y, return_dict=True)
        step += 1
        if step % 100 == 0:  # Keras keeps the means since the last reset
            shown = " ".join(f"{key} {float(value):.4f}" for key, value in losses.items())
            log.info("%s step %d minute %.1f %s", name, step, seconds / 60, shown)
            model.reset_metrics()
        if time.monotonic() - last_save > plan.save_every_s:
            _save(model, out, name, step, clock() - started)
            last_save = time.monotonic()
            if check:
                check(step)
    _save(model, out, name, step, clock() - started)
    log.info("%s done after %d steps", name, step)


def _save(model: Any, out: Path, name: str, step: int, seconds: float) -> None:
    checkpoint.save_run(out / f"{name}.run.npz", model, step, seconds)
    checkpoint.save(out / f"{name}.npz", checkpoint.averaged_weights(model))
