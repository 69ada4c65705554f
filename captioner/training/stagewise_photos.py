"""The photos of stage-wise distillation: training photos, cropped in the compiled step, and held-out photos."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from captioner.inference.preprocess import MEAN, STD
from captioner.training import loop
from captioner.training.data import Source, is_held_out
from captioner.training.distillation import WHOLE, random_box

log = logging.getLogger(__name__)

Tensor = Any
Floats = NDArray[np.float32]

#: Photos that are measured on at most.
HELD_PHOTOS = 400


class Photos:
    """The photos of several sources, without those that are held back to measure on.

    Args:
        sources: prepared sources with the share of each batch that comes from them.
        held: share of the photos that is held back.

    Raises:
        ValueError: sources of different sizes, or one without photos to learn from, or none to measure on.
    """

    def __init__(self, sources: Mapping[str, tuple[Source, float]], held: float) -> None:
        self._photos = [source.photos for source, _ in sources.values()]
        shares = np.array([share for _, share in sources.values()])
        self._shares = shares / shares.sum()
        if len({photos.shape[1:] for photos in self._photos}) != 1:
            raise ValueError("the sources were prepared with different --px")
        self.side: int = self._photos[0].shape[1]
        backs = [[is_held_out(name, held) for name in source.names] for source, _ in sources.values()]
        self._rows = [np.flatnonzero(np.logical_not(back)) for back in backs]
        measured = [(i, int(row)) for i, back in enumerate(backs) for row in np.flatnonzero(back)]
        if not measured or not all(map(len, self._rows)):
            raise ValueError("there are too few photos: some are needed to learn from, others to measure on")
        step = -(-len(measured) // HELD_PHOTOS)
        self.held = [self._photos[i][row] for i, row in measured[::step]]

    def draw(self, rng: np.random.Generator, count: int) -> list[NDArray[np.uint8]]:
        """So many photos (side, side, 3) to learn from."""
        which = rng.choice(len(self._photos), count, p=self._shares)
        return [self._photos[i][rng.choice(self._rows[i])] for i in which]

    def batches(self, outputs: Sequence[str], size: int, seed: int) -> Iterator[loop.Batch]:
        """Endless batches of whole photos with the boxes to cut out; half are mirrored. The targets are never read."""
        rng = np.random.default_rng(seed)
        targets = {name: np.zeros(size, np.float32) for name in outputs}
        while True:
            boxes = np.array([random_box(rng) for _ in range(size)], np.float32)
            mirrored = rng.random(size) < 0.5
            boxes[mirrored] = boxes[mirrored][:, [2, 1, 0, 3]]
            yield {"photos": np.stack(self.draw(rng, size)), "box": boxes}, targets


def predict(model: Any, photos: Sequence[NDArray[np.uint8]], batch: int = 32) -> dict[str, Floats]:
    """A model's outputs for whole photos."""
    found: list[dict[str, Floats]] = []
    for start in range(0, len(photos), batch):
        some = np.stack(photos[start : start + batch])
        filled = np.concatenate([some, np.repeat(some[:1], batch - len(some), axis=0)])  # so that one shape is compiled
        outputs = model.predict_on_batch({"photos": filled, "box": np.tile(np.array(WHOLE, np.float32), (batch, 1))})
        found.append({name: np.asarray(value)[: len(some)] for name, value in outputs.items()})
    return {name: np.concatenate([some[name] for some in found]) for name in found[0]}


def mean_errors(model: Any, photos: Sequence[NDArray[np.uint8]]) -> dict[str, float]:
    """The mean of each error of a phase's model over whole photos."""
    return {name: round(float(error.mean()), 4) for name, error in predict(model, photos).items()}


class Measures:
    """RUN/stagewise/measures.json: what was measured after which phase, and which phases are done."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []

    def add(self, phase: str, kind: str, found: Mapping[str, float], done: bool = False) -> None:
        """Log it and write the file anew."""
        log.info("%s %s %s", phase, kind, " ".join(f"{name} {value:.3f}" for name, value in found.items()))
        self.rows.append({"phase": phase, "kind": kind, "done": done, "unexplained": dict(found)})
        partial = self._path.with_suffix(".part")
        partial.write_text(json.dumps(self.rows, indent=1) + "\n", encoding="utf-8")
        partial.rename(self._path)

    def is_done(self, phase: str) -> bool:
        """Whether a phase came to its end."""
        return any(row["phase"] == phase and row["done"] for row in self.rows)


def tap_weights(start: Tensor, stop: Tensor, side: int, px: int) -> Tensor:
    """Weights (b, px, side) that resample the stretch from `start` to `stop` (b,), fractions of `side`, to `px`.

    Bilinear, over as many taps as it takes when shrinking, as Pillow has it; mirrored where stop < start.
    """
    length = (stop - start)[:, None] * (side / px)
    at = start[:, None] * side + length * (np.arange(px, dtype=np.float32) + 0.5)  # (b, px)
    reach = ops.maximum(ops.abs(length), 1.0)[:, :, None]
    weights = ops.relu(1 - ops.abs(at[:, :, None] - (np.arange(side, dtype=np.float32) + 0.5)) / reach)
    return weights / ops.sum(weights, axis=-1, keepdims=True)


def crop_batch(photos: Tensor, boxes: Tensor, px: int) -> Tensor:
    """Photos (b, side, side, 3) uint8 under boxes (b, 4: left, top, right, bottom), normalised (b, px, px, 3)."""
    side = photos.shape[1]
    columns = tap_weights(boxes[:, 0], boxes[:, 2], side, px)
    rows = tap_weights(boxes[:, 1], boxes[:, 3], side, px)
    x = ops.einsum("byh,bhwc->bywc", rows, ops.cast(photos, "float32"))
    x = ops.einsum("bxw,bywc->byxc", columns, x)
    return (x - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
