"""Teacher and photos of stage-wise distillation, and the linear maps of the teacher's channels to the student's.

Training photos are cropped in the compiled step.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from captioner.inference.imagenet_classes import CLASSES
from captioner.inference.preprocess import MEAN, STD
from captioner.training import checkpoint, loop
from captioner.training.data import WHOLE, Source, is_held_out, random_box
from captioner.training.encoder import SIZES, Trunk, lower_trunk, upper_trunk

Tensor = Any
Floats = NDArray[np.float32]

#: The parts of the student, first to last, each with a map of the teacher's to make.
PARTS = ("stage0", "stage1", "stage2a", "stage2b", "stage3")
#: The map that the middle of stage 3 is trained to match.
MIDDLE = "middle"
#: A channel more than the teacher has, of this value: layer normalisation keeps a map's scale only beside a constant.
CONSTANT = 3.0


@dataclass(frozen=True, slots=True)
class Teacher:
    """A trunk, never trained: its maps of normalised photos, and its head, to be applied to the student's map."""

    maps: keras.Model  # photos to a map for each of PARTS and MIDDLE
    head: layers.Layer  # (b, h, w, c) to (b, h, w, trunk.head)
    classes: layers.Layer  # (b, trunk.head) to logits


def build_teacher(trunk: Trunk, px: int, arrays: checkpoint.Arrays) -> Teacher:
    """The teacher with its weights.

    Args:
        trunk: one of seven groups of blocks, as all of this family have.
        arrays: the weights of the trunk, as the stage `trunk` writes them.
    """
    photo = keras.Input((px, px, 3), name="photo")
    last = upper_trunk(lower_trunk(photo, trunk), trunk)
    layer_of = keras.Model(photo, last).get_layer
    ends = np.cumsum([repeats for _, _, repeats, _, _ in trunk.blocks]).tolist()
    after = dict(zip((*PARTS[:4], MIDDLE), (*ends[1:5], (ends[4] + ends[6]) // 2), strict=True))
    taps = {name: layer_of(f"trunk{block}_expand").input for name, block in after.items()}
    maps = keras.Model(photo, taps | {PARTS[4]: last}, name="teacher")
    head = layers.Dense(trunk.head, keras.activations.relu6, name="trunk_head")
    classes = layers.Dense(CLASSES, name="trunk_classes")
    head.build(last.shape)
    classes.build((None, trunk.head))
    for layer in (maps, head, classes):
        layer.trainable = False
    checkpoint.assign(maps, arrays)
    head.set_weights([arrays["trunk_head/kernel"], arrays["trunk_head/bias"]])
    classes.set_weights([arrays["classes/kernel"], arrays["classes/bias"]])
    return Teacher(maps, head, classes)


@dataclass(frozen=True, slots=True)
class Frame:
    """The teacher's channels of one map as the student has them: standardised, and as many as the student's."""

    kernel: Floats  # (c, width)
    bias: Floats  # (width,)
    back: Floats  # (width, c): to the standardised channels

    @classmethod
    def of(cls, mean: Floats, deviation: Floats, width: int, rotation: Floats | None = None) -> Frame:
        """Standardised channels, then `CONSTANT` if there is room, then none; all of it rotated.

        Args:
            rotation: orthogonal (width, width).
        """
        channels = len(mean)
        back = np.eye(width, channels, dtype=np.float32)
        spare = np.where(np.arange(width) == channels, CONSTANT, 0).astype(np.float32)
        if rotation is not None:
            back, spare = rotation.T @ back, spare @ rotation
        kernel = back.T / deviation[:, None]
        return cls(kernel, spare - mean @ kernel, back)

    def __call__(self, maps: Tensor) -> Tensor:
        """(..., c) to (..., width)."""
        return ops.matmul(maps, self.kernel) + self.bias


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the errors are measured in."""

    frames: Mapping[str, Frame]  # of PARTS and MIDDLE
    mean: Floats  # of the last map's channels
    deviation: Floats
    head: float  # variance of the head's channels over all cells
    pooled: float  # and of their means over each photo

    def arrays(self) -> checkpoint.Arrays:
        """All of it by name."""
        frames = {f"{name}/{part}": getattr(frame, part) for name, frame in self.frames.items()
                  for part in ("kernel", "bias", "back")}  # fmt: skip
        rest = {part: np.asarray(getattr(self, part)) for part in ("mean", "deviation", "head", "pooled")}
        return frames | rest

    @classmethod
    def of(cls, arrays: checkpoint.Arrays) -> Statistics:
        """What `arrays` gave."""
        found = {name: array.astype(np.float32) for name, array in arrays.items()}
        frames = {name: Frame(*(found[f"{name}/{part}"] for part in ("kernel", "bias", "back")))
                  for name in (*PARTS, MIDDLE)}  # fmt: skip
        return cls(frames, found["mean"], found["deviation"], float(found["head"]), float(found["pooled"]))


def measure_teacher(teacher: Teacher, photos: Sequence[NDArray[np.uint8]], px: int, size: str) -> Statistics:
    """Statistics over whole photos (side, side, 3).

    Raises:
        ValueError: the student has fewer channels than the teacher where it should learn its map.
    """
    shown = keras.Input((*photos[0].shape[:2], 3), dtype="uint8", name="photos")
    box = keras.Input((4,), name="box")
    teacher_maps = teacher.maps(crop_batch(shown, box, px))
    model = keras.Model({"photos": shown, "box": box}, teacher_maps | {"head": teacher.head(teacher_maps[PARTS[4]])})
    found = predict(model, photos)
    means = {name: maps.mean((0, 1, 2)) for name, maps in found.items()}
    deviations = {name: maps.std((0, 1, 2)) + 1e-4 for name, maps in found.items()}
    widths = dict(zip(PARTS, (*SIZES[size].widths[:2], *2 * SIZES[size].widths[2:3]), strict=False))
    frames: dict[str, Frame] = {}
    for name in (*PARTS, MIDDLE):
        channels = len(means[name])
        width = widths.get(name, channels)
        if width < channels:
            raise ValueError(f"{name} has {width} channels, and the teacher's map {channels}")
        frames[name] = Frame.of(means[name], deviations[name], width)
    turned = _rotation(found["stage2a"], frames["stage2a"], found["stage2b"], frames["stage2b"])
    frames["stage2b"] = Frame.of(means["stage2b"], deviations["stage2b"], widths["stage2b"], turned)
    pooled = found["head"].mean((1, 2)).var(0).mean()
    last = PARTS[4]
    return Statistics(frames, means[last], deviations[last], float((deviations["head"] ** 2).mean()), float(pooled))


def _rotation(source: Floats, source_frame: Frame, target: Floats, target_frame: Frame) -> Floats:
    """What turns the target so that it lies next to the source, which residual blocks start from (Procrustes)."""
    a = source.reshape(-1, source.shape[-1]) @ source_frame.kernel + source_frame.bias
    b = target.reshape(-1, target.shape[-1]) @ target_frame.kernel + target_frame.bias
    left, _, right = np.linalg.svd(b.T @ a)
    rotation: Floats = (left @ right).astype(np.float32)
    return rotation


log = logging.getLogger(__name__)


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
