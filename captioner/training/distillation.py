"""Distils the encoder from the teacher's feature maps, on photos with and without captions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray
from PIL import Image

from captioner.inference.preprocess import normalise
from captioner.training import checkpoint, loop
from captioner.training.data import Source
from captioner.training.encoder import STRIDE_PX, norm, stages
from captioner.training.teacher import BASIS_DIM, HINTS, Basis, Teacher, crop_target

#: Random crops keep at least this share of the photo's area.
MIN_AREA = 0.35
#: Weight of the class probabilities beside the feature map's squared error.
CLASS_WEIGHT = 0.1
#: Weight of the error of each of the teacher's bottlenecks.
HINT_WEIGHT = 0.3

Box = tuple[float, float, float, float]
#: The box that leaves a photo whole.
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


def random_box(rng: np.random.Generator, least: float = MIN_AREA) -> Box:
    """A crop of at least that share of the area, as (left, top, right, bottom) in 0..1; one in six is the whole."""
    if rng.random() < 1 / 6:
        return WHOLE
    area, stretch = rng.uniform(least, 1), np.exp(rng.uniform(-0.25, 0.25))
    width, height = min(1.0, np.sqrt(area) * stretch), min(1.0, np.sqrt(area) / stretch)
    left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
    return (left, top, left + width, top + height)


def crop(photo: NDArray[np.uint8], box: Box, px: int) -> NDArray[np.uint8]:
    """The part of a photo under `box` as (px, px, 3)."""
    side = photo.shape[0]
    left, top, right, bottom = (edge * side for edge in box)
    image = Image.fromarray(photo).resize((px, px), Image.Resampling.BILINEAR, box=(left, top, right, bottom))
    return np.asarray(image)


def batches(sources: Mapping[str, tuple[Source, float]], teacher: Teacher | None, px: int, size: int,
            seed: int) -> Iterator[loop.Batch]:  # fmt: skip
    """Endless batches of crops (size, px, px, 3) with the teacher's outputs; half are mirrored.

    The targets are "features", the prepared maps under each crop (size, px / 32, px / 32, BASIS_DIM), and with
    a teacher "hint0".., its bottlenecks on the very crop.

    Args:
        sources: prepared sources with the share of the batch each has.
        teacher: opened for `px`, or None for no hints.
    """
    rng = np.random.default_rng(seed)
    opened = [source for source, _ in sources.values()]
    share = np.array([share for _, share in sources.values()])
    share /= share.sum()
    cells = px // STRIDE_PX
    while True:
        photos = np.empty((size, px, px, 3), np.uint8)
        targets = np.empty((size, cells, cells, BASIS_DIM), np.float32)
        hints: list[list[NDArray[np.float32]]] = []
        for i, which in enumerate(rng.choice(len(opened), size, p=share)):
            source = opened[which]
            if source.teacher is None:
                raise ValueError("a source was prepared without --teacher")
            n, box = int(rng.integers(len(source.photos))), random_box(rng)
            side = -1 if rng.random() < 0.5 else 1
            photos[i] = crop(source.photos[n], box, px)[:, ::side]
            targets[i] = crop_target(source.teacher[n], box, cells)[:, ::side]
            if teacher is not None:
                hints.append(teacher.hints(photos[i]))
        named = {f"hint{i}": np.stack(maps) for i, maps in enumerate(zip(*hints, strict=True))}
        yield normalise(photos), {"features": targets, **named}


def make_loss(basis: Basis) -> Any:
    """Squared error of the map plus the divergence of the class probabilities of its mean."""
    head, bias = ops.convert_to_tensor(basis.head), ops.convert_to_tensor(basis.head_bias)

    def loss(target: Any, found: Any) -> Any:
        error = ops.mean(ops.square(target - found), axis=(1, 2, 3))
        wanted = ops.softmax(ops.matmul(ops.mean(target, (1, 2)), head) + bias)
        got = ops.log_softmax(ops.matmul(ops.mean(found, (1, 2)), head) + bias)
        divergence = ops.sum(wanted * (ops.log(wanted + 1e-9) - got), axis=-1)
        return error + CLASS_WEIGHT * divergence

    return loss


def hint_loss(target: Any, found: Any) -> Any:
    """Squared error as a share of the target's variance in the batch: 1 explains nothing."""
    return ops.mean(ops.square(target - found)) / (ops.mean(ops.var(target, axis=(0, 1, 2))) + 1e-6)


def unexplained_mean(target: Any, found: Any) -> Any:
    """`hint_loss` of the means over the map."""
    wanted, got = ops.mean(target, (1, 2)), ops.mean(found, (1, 2))
    return ops.mean(ops.square(wanted - got)) / (ops.mean(ops.var(wanted, axis=0)) + 1e-6)


def build_student(size: str, hints: bool = True) -> keras.Model:
    """The encoder with linear heads that predict the teacher's components and bottlenecks.

    Without the hints a network this deep learns next to nothing in the first 40,000 crops (FitNets, arXiv:1412.6550).
    """
    photo = keras.Input((None, None, 3), name="photo")
    x, inner = stages(photo, size)
    features = norm("norm")(x)
    heads = {"features": layers.Dense(BASIS_DIM, name="distil_head")(features)}
    for i, (x, (_, channels)) in enumerate(zip(inner, HINTS, strict=True) if hints else ()):
        heads[f"hint{i}"] = layers.Dense(channels, name=f"hint_head{i}")(x)
    return keras.Model(photo, heads, name="student")


def compile_student(student: Any, basis: Basis, plan: loop.Plan) -> None:
    """Losses of all heads."""
    hints = [f"hint{i}" for i in range(len(student.outputs) - 1)]
    student.compile(
        loop.optimizer(plan),
        loss={"features": make_loss(basis), **dict.fromkeys(hints, hint_loss)},
        loss_weights={"features": 1.0, **dict.fromkeys(hints, HINT_WEIGHT)},
        metrics={"features": [unexplained_mean]},
        jit_compile=loop.XLA,
    )


def run(
    prepared: Path, shares: Mapping[str, float], teacher: Path | None, size: str, px: int, batch: int,
    plan: loop.Plan, out: Path, name: str, start: Path | None, seed: int,
) -> None:  # fmt: skip
    """Distil for `plan.minutes`.

    Args:
        teacher: the model that gives hints; None for none.
        start: weights of an earlier stage.
    """
    sources = {key: (Source.open(prepared / key), share) for key, share in shares.items()}
    student = build_student(size, hints=teacher is not None)
    if start:
        checkpoint.assign(student, checkpoint.load(start))
    compile_student(student, Basis.load(prepared / "basis.npz"), plan)
    opened = Teacher(teacher, px=px) if teacher else None
    loop.train(student, batches(sources, opened, px, batch, seed), plan, out, name)
