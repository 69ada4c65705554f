"""Distils a whole ConvNeXt, stage by stage, from a pretrained network of inverted bottlenecks, EfficientNet-Lite2.

    python -m captioner.training.train trunk     --run RUN --published efficientnet-lite2.pth
    python -m captioner.training.train stagewise --run RUN --prepared PREPARED --sources NAME=SHARE,... \
        --teacher RUN/trunk.npz --size atto --px 160 --minutes 420

Each part of the student (stem and stage 0, stage 1, the halves of stage 2, stage 3) is first trained to map
the teacher's map before it to the teacher's map, then with the student's own maps as input; at last all parts are
trained together (block-wise distillation as in arXiv:1911.13053; a hint in the middle of stage 3 as in FitNets,
arXiv:1412.6550). The student's channels are the teacher's standardised ones, so no adaptor has to be learnt
and thrown away. Teacher and student see fresh crops, cut and mirrored inside the compiled step (arXiv:2106.05237).

RUN/stagewise.npz has the arrays of `build_encoder(size)`, for `train captioner --start`, the layer that makes
the teacher's last channels ("readout"), and the statistics that these are measured in. RUN/stagewise/ has the weights
of each phase, and measures.json the share of unexplained variance on photos held back by a hash of their names:
"taught" of a phase's own parts, "chained" of all parts so far on the student's own maps.

On a machine with a GPU and JAX, which needs Keras 3.13 or newer, numpy and Pillow but no TensorFlow: pack PREPARED
(what captioner.training.data wrote) and RUN/trunk.npz, copy them there with this code, and give one command:

    KERAS_BACKEND=jax python -m captioner.training.train stagewise --run RUN --prepared PREPARED \
        --sources NAME=SHARE,... --teacher RUN/trunk.npz --size atto --px 192 --minutes 8 --batch-times 8 \
        --save-every 60

then take RUN/stagewise.npz and RUN/stagewise/measures.json back. The minutes are for training; compiling comes on top,
up to a minute for each phase. Given again, the command goes on where it stopped. Another run goes on from what one has
taught with --start OTHER_RUN/stagewise.npz and the phases that are left, as
--shares stage0=0,stage1=0,stages01=0,stage2a=0,stage2b=0,stages2=0,stage3=0. On a machine with other work the minutes
should be --processor-time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from captioner.training import checkpoint, loop
from captioner.training.data import Source
from captioner.training.encoder import SIZES, Dense, Trunk, blocks, shrink, upper
from captioner.training.stagewise_teacher import (
    MIDDLE,
    PARTS,
    Frame,
    Measures,
    Photos,
    Statistics,
    Teacher,
    build_teacher,
    crop_batch,
    mean_errors,
    measure_teacher,
)

log = logging.getLogger(__name__)

Tensor = Any
Floats = NDArray[np.float32]

#: Initial factor of the residual branches of stages 0 and 1, which have few steps to grow from the usual 0.1.
BRANCH_SCALE = 0.5
#: Weight of each error in the loss; of the parts before the last only where a phase trains them.
WEIGHTS = {"stage0": 1.0, "stage1": 1.0, "stage2a": 1.0, "stage2b": 1.0, "spare": 0.1, MIDDLE: 0.3,
           "map": 1.0, "head": 0.5, "pooled": 1.0, "classes": 0.1, "divergence": 0.1}  # fmt: skip
#: The same where the last part is trained along: the other parts' errors keep it on the way.
WHOLE_WEIGHTS = WEIGHTS | {"stage0": 0.1, "stage1": 0.1, "stage2a": 0.25, "stage2b": 0.5, "spare": 0.02}
#: Photos that the teacher's channels are standardised on.
STATISTICS_PHOTOS = 512
#: Runs with a pooled error above this after three hours on two cores failed.
POOLED_LIMIT = 0.60
#: Prefix of the teacher's statistics among the student's weights: its channels mean something in their terms only.
STATISTICS = "statistics/"


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of training."""

    name: str
    parts: tuple[str, ...]  # chained; the first takes the photo if it is stage 0, else the teacher's map
    share: float  # of the time
    rate: float  # peak learning rate
    batch: int
    frozen: int = 0  # so many of the first parts are not trained
    muon: bool = False
    stop_below: float | None = None  # unexplained share of the last part at which the phase ends early


PHASES = (Phase("stage0", PARTS[:1], 0.05, 3e-3, 4), Phase("stage1", PARTS[1:2], 0.05, 3e-3, 8),
          Phase("stages01", PARTS[:2], 0.05, 1e-3, 8, stop_below=0.25), Phase("stage2a", PARTS[2:3], 0.05, 3e-3, 16),
          Phase("stage2b", PARTS[3:4], 0.05, 3e-3, 16), Phase("stages2", PARTS[:4], 0.06, 1e-3, 16, frozen=2),
          Phase("stage3", PARTS[4:], 0.25, 3e-3, 32, muon=True),
          Phase("stages3", PARTS, 0.27, 3e-3, 32, frozen=4, muon=True),
          Phase("whole", PARTS, 0.17, 5e-4, 32))  # fmt: skip


def build_part(size: str, part: str, shape: tuple[int, ...], channels: Mapping[str, int]) -> keras.Model:
    """A part of `build_encoder(size)`, its layers of the same names; maps of `shape` to a map.

    The last part gives what `upper` gives, with the teacher's channels as "readout" and those of `MIDDLE`.

    Args:
        channels: of the teacher's maps.
    """
    x = maps = keras.Input(shape, name=f"{part}_maps")
    stage = int(part[5])
    depth = SIZES[size].depths[stage]
    first, last = {"a": (0, depth // 2), "b": (depth // 2, depth)}.get(part[6:], (0, depth))
    if first == 0 and part != "stage2b":
        x = shrink(x, size, stage)
    if part != PARTS[4]:
        return keras.Model(maps, blocks(x, size, stage, range(first, last)), name=part)
    x = blocks(x, size, stage, range(depth // 2))
    middle = Dense(channels[MIDDLE], name="middle_readout")(x)
    found = upper(blocks(x, size, stage, range(depth // 2, depth)), size)
    readout = Dense(channels[part], name="readout")(found["map"])
    return keras.Model(maps, found | {MIDDLE: middle, "readout": readout}, name=part)


def build_phase(phase: Phase, teacher: Teacher, statistics: Statistics, size: str, px: int, side: int) -> keras.Model:
    """Photos (b, side, side, 3) uint8 and boxes (b, 4) to the errors (b,) of the parts that are trained.

    An error is a share of variance; but "classes" and "divergence" are Kullback-Leibler divergences from the teacher's
    classes, of those of the student and of those that the teacher's head gives to the student's readout.
    """
    photos = keras.Input((side, side, 3), dtype="uint8", name="photos")
    box = keras.Input((4,), name="box")
    x = crop_batch(photos, box, px)
    teacher_maps = {name: ops.stop_gradient(maps) for name, maps in teacher.maps(x).items()}
    channels = {name: maps.shape[-1] for name, maps in teacher_maps.items()}
    before = PARTS.index(phase.parts[0])
    if before:
        x = statistics.frames[PARTS[before - 1]](teacher_maps[PARTS[before - 1]])
    errors: dict[str, Tensor] = {}
    spare = []
    for number, part in enumerate(phase.parts):
        network = build_part(size, part, x.shape[1:], channels)
        network.trainable = number >= phase.frozen
        x = network(x)
        if not network.trainable:
            x = ops.stop_gradient(x)
        elif part == PARTS[4]:
            errors |= last_errors(x, teacher_maps, teacher, statistics, chained=before == 0)
        else:
            errors[part], more = map_errors(x, teacher_maps[part], statistics.frames[part])
            spare.append(more)
    if spare:
        errors["spare"] = sum(spare[1:], spare[0])
    return keras.Model({"photos": photos, "box": box}, errors, name=phase.name)


def map_errors(found: Tensor, teacher_maps: Tensor, frame: Frame) -> tuple[Tensor, Tensor]:
    """The unexplained share of the teacher's channels, and the mean square of the error in the spare ones."""
    error = found - frame(teacher_maps)
    width, channels = frame.back.shape
    own = ops.square(ops.matmul(error, frame.back))
    spare = ops.sum(ops.square(error), axis=-1) - ops.sum(own, axis=-1)
    return ops.mean(own, axis=(1, 2, 3)), ops.mean(spare, axis=(1, 2)) / max(1, width - channels)


def last_errors(
    found: Mapping[str, Tensor],
    teacher_maps: Mapping[str, Tensor],
    teacher: Teacher,
    statistics: Statistics,
    chained: bool,
) -> dict[str, Tensor]:
    """The errors of stage 3: in its middle, in the teacher's last map, and in the output of its head."""
    wanted = statistics.frames[PARTS[4]](teacher_maps[PARTS[4]])
    middle = statistics.frames[MIDDLE](teacher_maps[MIDDLE])
    head = teacher.head(found["readout"] * statistics.deviation + statistics.mean)
    wanted_head = teacher.head(teacher_maps[PARTS[4]])
    pooled, wanted_pooled = ops.mean(head, axis=(1, 2)), ops.mean(wanted_head, axis=(1, 2))
    classes = teacher.classes(wanted_pooled)
    errors = {
        MIDDLE: ops.mean(ops.square(found[MIDDLE] - middle), axis=(1, 2, 3)),
        "map": ops.mean(ops.square(found["readout"] - wanted), axis=(1, 2, 3)),
        "head": ops.mean(ops.square(head - wanted_head), axis=(1, 2, 3)) / statistics.head,
        "pooled": ops.mean(ops.square(pooled - wanted_pooled), axis=1) / statistics.pooled,
        "classes": divergence(classes, found["classes"]),
    }
    return errors | {"divergence": divergence(classes, teacher.classes(pooled))} if chained else errors


def divergence(wanted: Tensor, found: Tensor) -> Tensor:
    """Kullback-Leibler divergence (b,) of the classes of one network from those of another, both as logits."""
    expected = ops.log_softmax(wanted)
    return ops.sum(ops.exp(expected) * (expected - ops.log_softmax(found)), axis=-1)


# Training


def optimizer(plan: loop.Plan, muon: bool) -> Any:
    """AdamW, or Muon (arXiv:2502.16982) for the kernels of dense layers in blocks with AdamW for all else."""
    common = {"weight_decay": plan.decay, "clipnorm": 1.0, "use_ema": True, "ema_momentum": plan.ema}
    if muon:
        found = keras.optimizers.Muon(plan.rate, momentum=0.95, adam_beta_2=0.99, adam_weight_decay=plan.decay,
                                      rms_rate=0.2, exclude_layers=["readout", "classes"], **common)  # fmt: skip
    else:
        found = keras.optimizers.AdamW(plan.rate, beta_2=0.99, **common)
    found.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return found


def compile_phase(model: Any, phase: Phase, plan: loop.Plan) -> None:
    """Each output is an error already, so the loss is their weighted sum."""
    weights = WHOLE_WEIGHTS if phase.parts[-1] == PARTS[4] else WEIGHTS
    names = list(model.output)
    model.compile(optimizer(plan, phase.muon), loss=dict.fromkeys(names, _identity_loss),
                  loss_weights={name: weights[name] for name in names}, jit_compile=loop.XLA)  # fmt: skip


def _identity_loss(_: Tensor, error: Tensor) -> Tensor:
    return error


def initialise_student(model: Any, learned: checkpoint.Arrays) -> None:
    """Assign the student's weights so far; residual branches of new stages 0 and 1 start larger."""
    for variable in model.weights:
        if variable.path in learned:
            variable.assign(learned[variable.path].astype(np.float32))
        elif variable.path.startswith(("stage0", "stage1")) and variable.path.endswith("scale/gamma"):
            variable.assign(np.full(variable.shape, BRANCH_SCALE, np.float32))


def split_statistics(arrays: checkpoint.Arrays) -> tuple[checkpoint.Arrays, checkpoint.Arrays]:
    """The weights of what `run` wrote, and the statistics beside them."""
    measured = {name.removeprefix(STATISTICS): array for name, array in arrays.items() if name.startswith(STATISTICS)}
    return {name: array for name, array in arrays.items() if not name.startswith(STATISTICS)}, measured


def student_weights(arrays: checkpoint.Arrays) -> checkpoint.Arrays:
    """The weights without the teacher's."""
    return {name: array for name, array in arrays.items() if not name.startswith("trunk")}


@dataclass(frozen=True, slots=True)
class Schedule:
    """The time of each phase."""

    plan: loop.Plan  # minutes of all phases together; its rate is a factor to theirs
    shares: Mapping[str, float]  # of the time, by phase, where not the usual ones; 0 leaves a phase out
    batch_times: int = 1  # factor to the batch of each phase, for a GPU

    def phases(self) -> list[tuple[Phase, loop.Plan]]:
        """The phases that get time, each with its plan.

        Raises:
            ValueError: `shares` names no phase, or leaves none.
        """
        if unknown := self.shares.keys() - {phase.name for phase in PHASES}:
            raise ValueError(f"there is no phase {', '.join(sorted(unknown))}")
        shares = {phase.name: self.shares.get(phase.name, phase.share) for phase in PHASES}
        total = sum(shares.values())
        if not total:
            raise ValueError("no phase is left")
        found = []
        for phase in (phase for phase in PHASES if shares[phase.name]):
            minutes = self.plan.minutes * shares[phase.name] / total
            plan = replace(self.plan, minutes=minutes, rate=self.plan.rate * phase.rate)
            found.append((replace(phase, batch=phase.batch * self.batch_times), plan))
        return found


@dataclass(frozen=True, slots=True)
class StagewiseTraining:
    """Teacher, photos and measures that all phases share."""

    teacher: Teacher
    statistics: Statistics
    photos: Photos
    size: str
    px: int
    out: Path  # RUN/stagewise
    measures: Measures
    chained: keras.Model  # the model of all parts on the student's own maps, to measure with

    @classmethod
    def of(
        cls, teacher: Teacher, statistics: Statistics, photos: Photos, size: str, px: int, out: Path
    ) -> StagewiseTraining:
        """With the measures that `out` has already."""
        chained = build_phase(PHASES[-1], teacher, statistics, size, px, photos.side)
        return cls(teacher, statistics, photos, size, px, out, Measures(out / "measures.json"), chained)

    def model(self, phase: Phase, learned: checkpoint.Arrays) -> keras.Model:
        """A phase's model with what the student has learnt so far."""
        found = build_phase(phase, self.teacher, self.statistics, self.size, self.px, self.photos.side)
        initialise_student(found, learned)
        return found

    def train_phase(self, phase: Phase, plan: loop.Plan, learned: checkpoint.Arrays, seed: int) -> checkpoint.Arrays:
        """The student's weights after a phase; a phase that was begun before is resumed."""
        model = self.model(phase, learned)
        compile_phase(model, phase, plan)
        reached = False

        def check(_: int) -> None:
            nonlocal reached
            found = mean_errors(model, self.photos.held)
            self.measures.add(phase.name, "underway", found)
            reached = phase.stop_below is not None and found[phase.parts[-1]] < phase.stop_below

        def batches() -> Iterator[loop.Batch]:
            for batch in self.photos.batches(list(model.output), phase.batch, seed):
                if reached:
                    return
                yield batch

        _compile_step(model, next(batches()))
        loop.train(model, batches(), plan, self.out, phase.name, check, ahead=3)
        learned = learned | student_weights(checkpoint.load(self.out / f"{phase.name}.npz"))
        initialise_student(model, learned)
        self.measures.add(phase.name, "taught", mean_errors(model, self.photos.held))
        self._measure_chained(phase, learned)
        return learned

    def _measure_chained(self, phase: Phase, learned: checkpoint.Arrays) -> None:
        """Measure all parts so far, each on what those before it make of the photo, and call the phase done."""
        initialise_student(self.chained, learned)
        found = mean_errors(self.chained, self.photos.held)
        del found["spare"]
        reached = PARTS.index(phase.parts[-1])
        if PARTS[reached] == PARTS[-1]:
            if found["pooled"] >= POOLED_LIMIT:
                log.warning("%s: pooled %.2f is not under %.2f", phase.name, found["pooled"], POOLED_LIMIT)
        else:
            found = {part: found[part] for part in PARTS[: reached + 1]}
        self.measures.add(phase.name, "chained", found, done=True)


def _compile_step(model: Any, batch: loop.Batch) -> None:
    """Compile the training step before the clock starts, by a step of no length: it can take a minute."""
    model.optimizer.build(model.trainable_variables)
    model.optimizer.learning_rate = 0.0
    model.train_on_batch(*batch)
    model.reset_metrics()


def run(
    prepared: Path, shares: Mapping[str, float], trunk: Trunk, teacher: Path, size: str, px: int, schedule: Schedule,
    out: Path, name: str, held: float, seed: int, start_weights: Path | None = None,
) -> None:  # fmt: skip
    """Train the student for as long as `schedule` says and write `out`/`name`.npz.

    Args:
        teacher: weights of the trunk, by the stage `trunk`.
        held: share of the photos that is held back to measure on.
        started: weights of a student to go on from; phases left out of the schedule then keep what it has learnt.

    Raises:
        ValueError: the photos, the schedule or the student's size won't do.
    """
    phases = schedule.phases()
    photos = Photos({key: (Source.open(prepared / key), share) for key, share in shares.items()}, held)
    teacher_network = build_teacher(trunk, px, checkpoint.load(teacher))
    work = out / "stagewise"
    work.mkdir(parents=True, exist_ok=True)
    learned, measured = split_statistics(checkpoint.load(start_weights)) if start_weights else ({}, {})
    if not (work / "statistics.npz").exists():
        some = photos.draw(np.random.default_rng(seed), STATISTICS_PHOTOS)
        checkpoint.save(work / "statistics.npz", measured or measure_teacher(teacher_network, some, px, size).arrays())
    measured = checkpoint.load(work / "statistics.npz")
    course = StagewiseTraining.of(teacher_network, Statistics.of(measured), photos, size, px, work)
    for phase, plan in phases:
        if course.measures.is_done(phase.name):
            learned |= student_weights(checkpoint.load(work / f"{phase.name}.npz"))
        else:
            learned = course.train_phase(phase, plan, learned, seed)
        checkpoint.save(out / f"{name}.npz", learned | {STATISTICS + key: array for key, array in measured.items()})
