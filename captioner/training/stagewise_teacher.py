"""The teacher of stage-wise distillation, and the linear maps of its channels to the student's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from captioner.inference.imagenet_classes import CLASSES
from captioner.training import checkpoint
from captioner.training.encoder import SIZES, Trunk, lower_trunk, upper_trunk
from captioner.training.stagewise_photos import crop_batch, predict

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
        arrays: the weights of `captioner.training.encoder.build_trunk`.
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
