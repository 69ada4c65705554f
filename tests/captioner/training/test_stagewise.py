"""Stage-wise distillation, tiny: a student of one block a stage, a teacher of one block a group, made photos."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

pytest.importorskip("tensorflow")

import keras

from captioner.inference.preprocess import normalise
from captioner.training import checkpoint, data, encoder, loop, stagewise, stagewise_teacher, train
from captioner.training.data import crop
from captioner.training.encoder import (
    EncoderSize,
    Trunk,
    build_encoder,
    class_logits,
    lower_trunk,
    trunk_head,
    upper_trunk,
)
from captioner.training.stagewise import PHASES, Schedule
from captioner.training.stagewise_teacher import Frame, Photos

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # each phase is compiled anew
PX, COUNT = 64, 48
TAKEN = ("stage1", "whole")  # phases that the command line is tried with
TRUNK = Trunk(((1, 4, 1, 1, 3), (2, 5, 1, 2, 3), (2, 6, 1, 2, 5), (2, 9, 2, 2, 3), (2, 12, 1, 1, 5), (2, 10, 2, 2, 3),
               (2, 14, 1, 1, 3)), lower=5, lower_channels=12, head=20)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def on_tiny_trunk() -> Iterator[None]:
    """A size that stands on the tiny trunk, for the command line."""
    encoder.SIZES["on-tiny-trunk"] = EncoderSize((0, 0, 0, 1), (0, 0, 0, 16), TRUNK)
    yield
    del encoder.SIZES["on-tiny-trunk"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of coloured balls and boxes."""
    directory = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        image = Image.new("RGB", (PX, PX), tuple(rng.integers(0, 255, 3).tolist()))
        draw = ImageDraw.Draw(image)
        left, top = rng.integers(0, 40, 2).tolist()
        shape = draw.ellipse if number % 2 else draw.rectangle
        shape((left, top, left + 24, top + 24), fill=tuple(rng.integers(0, 255, 3).tolist()))
        image.save(directory / f"{number}.png")
    data.main([f"made={directory}", "--out", str(directory / "prepared"), "--px", str(PX)])
    return directory / "prepared"


def build_trunk(trunk: Trunk) -> keras.Model:
    """Normalised photos to the logits of the trunk's classes."""
    photo = keras.Input((PX, PX, 3), name="photo")
    maps = upper_trunk(lower_trunk(photo, trunk), trunk)
    return keras.Model(photo, class_logits(trunk_head(maps, trunk)), name="trunk")


@pytest.fixture(scope="module")
def teacher(on_tiny_trunk: None, prepared: Path) -> Path:
    """Weights at random, of a size that keeps the maps alive."""
    trunk = build_trunk(TRUNK)
    rng = np.random.default_rng(1)
    arrays = {name: rng.normal(0, 0.9 / np.sqrt(max(1, np.prod(array.shape[:-1]))), array.shape).astype(np.float32)
              for name, array in checkpoint.weights(trunk).items()}  # fmt: skip
    path = prepared / "trunk.npz"
    checkpoint.save(path, arrays)
    return path


def command(prepared: Path, teacher: Path, out: Path) -> list[str]:
    return ["stagewise", "--run", str(out), "--prepared", str(prepared), "--sources", "made=1", "--teacher",
            str(teacher), "--trunk", "on-tiny-trunk", "--size", "test", "--px", str(PX), "--held", "0.3",
            "--steps", "6", "--shares", ",".join(f"{p.name}=0" for p in PHASES if p.name not in TAKEN)]  # fmt: skip


def schedule(steps: int, save_every_s: float = 120) -> Schedule:
    plan = loop.Plan(60, 1.0, warmup=5, decay=0, ema=0.8, steps=steps, save_every_s=save_every_s)
    return Schedule(plan, {})


def course(prepared: Path, teacher: Path, out: Path) -> stagewise.StagewiseTraining:
    photos = Photos({"made": (data.Source.open(prepared / "made"), 1.0)}, 0.3)
    taught_by = stagewise_teacher.build_teacher(TRUNK, PX, checkpoint.load(teacher))
    some = photos.draw(np.random.default_rng(0), 64)
    statistics = stagewise_teacher.measure_teacher(taught_by, some, PX, "test")
    out.mkdir(parents=True, exist_ok=True)
    return stagewise.StagewiseTraining.of(taught_by, statistics, photos, "test", PX, out)


@pytest.fixture(scope="module")
def run(prepared: Path, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some phases by the command line, a few steps each."""
    out = tmp_path_factory.mktemp("run")
    train.main(command(prepared, teacher, out))
    return out


def test_the_teacher_says_what_its_trunk_says(prepared: Path, teacher: Path) -> None:
    trunk = build_trunk(TRUNK)
    checkpoint.assign(trunk, checkpoint.load(teacher))
    photos = normalise(data.Source.open(prepared / "made").photos[:4])
    built = stagewise_teacher.build_teacher(TRUNK, PX, checkpoint.load(teacher))
    maps = built.maps.predict_on_batch(photos)
    shapes = {name: found.shape[1:] for name, found in maps.items()}
    assert shapes == {"stage0": (16, 16, 5), "stage1": (8, 8, 6), "stage2a": (4, 4, 9), "stage2b": (4, 4, 12),
                      "middle": (2, 2, 10), "stage3": (2, 2, 14)}  # fmt: skip
    pooled = np.asarray(built.head(maps["stage3"])).mean((1, 2))
    assert np.allclose(built.classes(pooled), trunk.predict_on_batch(photos), atol=1e-4)


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (0.1, 0.2, 0.9, 0.7), (0.3, 0.5, 0.6, 0.7), (0.25, 0, 0.75, 1)])
@pytest.mark.parametrize("mirrored", [False, True])
def test_crops_are_those_of_pillow(prepared: Path, box: tuple[float, float, float, float], mirrored: bool) -> None:
    photo = data.Source.open(prepared / "made").photos[3]
    left, top, right, bottom = box
    given = np.float32([(right, top, left, bottom) if mirrored else box])
    found = np.asarray(stagewise_teacher.crop_batch(np.asarray(photo)[None], given, 32))[0]
    wanted = crop(photo, box, 32)[:, :: -1 if mirrored else 1]
    assert np.abs(found - normalise(wanted)).max() < 2.5 / 127.5  # Pillow rounds twice, after each direction


def test_a_frame_standardises_and_leads_back() -> None:
    rng = np.random.default_rng(0)
    maps = rng.normal(3, [1, 2, 4], (50, 4, 4, 3)).astype(np.float32)
    rotation = np.linalg.qr(rng.normal(size=(5, 5)))[0].astype(np.float32)
    frame = Frame.of(maps.mean((0, 1, 2)), maps.std((0, 1, 2)), 5, rotation)
    seen = np.asarray(frame(maps))
    standardised = seen @ frame.back
    assert np.allclose(standardised.mean((0, 1, 2)), 0, atol=1e-3)
    assert np.allclose(standardised.std((0, 1, 2)), 1, atol=1e-3)
    spare = seen @ rotation.T
    assert np.allclose(spare[..., 3:], [stagewise_teacher.CONSTANT, 0], atol=1e-4)
    right, nothing = np.zeros(50), np.ones(50)
    found = [np.asarray(error) for error in stagewise.map_errors(seen, maps, frame)]
    assert np.allclose(found, [right, right], atol=1e-4)
    constant = np.broadcast_to(frame(maps.mean((0, 1, 2))), seen.shape)
    mean_errors, spare_error = (np.asarray(error) for error in stagewise.map_errors(constant, maps, frame))
    assert mean_errors.mean() == pytest.approx(nothing.mean(), abs=1e-3)
    assert np.allclose(spare_error, 0, atol=1e-4)


def test_every_phase_lowers_its_errors(prepared: Path, teacher: Path, tmp_path: Path) -> None:
    held = course(prepared, teacher, tmp_path)
    learned: checkpoint.Arrays = {}
    for phase, plan in schedule(steps=60).phases():
        before = stagewise.mean_errors(held.model(phase, learned), held.photos.held)
        learned = held.train_phase(replace(phase, batch=16), plan, learned, seed=0)
        after = held.measures.rows[-2]["unexplained"]
        weights = stagewise.WHOLE_WEIGHTS if "pooled" in after else stagewise.WEIGHTS
        total = [sum(weights[name] * error for name, error in found.items()) for found in (before, after)]
        assert total[1] < total[0], phase.name


def test_frozen_parts_stay_as_they_were(prepared: Path, teacher: Path, tmp_path: Path) -> None:
    held = course(prepared, teacher, tmp_path)
    (phase, plan), = ((p, plan) for p, plan in schedule(steps=3).phases() if p.name == "stages3")  # fmt: skip
    before = checkpoint.weights(held.model(phase, {}))
    learned = held.train_phase(replace(phase, batch=4), plan, stagewise.student_weights(before), seed=0)
    changed = {name.partition("/")[0] for name, array in learned.items() if not np.array_equal(array, before[name])}
    assert changed == {"down3", "down3_norm", "stage3_block0", "norm", "classes", "readout", "middle_readout"}


def test_the_weights_are_those_of_the_encoder(prepared: Path, teacher: Path, run: Path) -> None:
    """With the readout beside them they explain as much as was measured while training."""
    found = checkpoint.load(run / "stagewise.npz")
    student = build_encoder("test", PX)
    checkpoint.assign(student, found)
    photos = Photos({"made": (data.Source.open(prepared / "made"), 1.0)}, 0.3)
    seen = normalise(np.stack(photos.held))
    readout = student.predict_on_batch(seen)["map"] @ found["readout/kernel"] + found["readout/bias"]
    taught = stagewise_teacher.build_teacher(TRUNK, PX, checkpoint.load(teacher)).maps.predict_on_batch(seen)["stage3"]
    statistics = stagewise_teacher.Statistics.of(stagewise.split_statistics(found)[1])
    error = np.mean((readout - (taught - statistics.mean) / statistics.deviation) ** 2)
    rows = json.loads((run / "stagewise" / "measures.json").read_text())
    assert [row["phase"] for row in rows if row["done"]] == list(TAKEN)
    assert error == pytest.approx(rows[-1]["unexplained"]["map"], rel=1e-3)
    assert not [name for name in found if name.startswith("trunk")]


def test_a_finished_run_has_nothing_left_to_do(prepared: Path, teacher: Path, run: Path) -> None:
    before, written = checkpoint.load(run / "stagewise.npz"), (run / "stagewise" / "whole.npz").stat().st_mtime_ns
    train.main(command(prepared, teacher, run))
    after = checkpoint.load(run / "stagewise.npz")
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert (run / "stagewise" / "whole.npz").stat().st_mtime_ns == written


def test_another_run_goes_on_from_what_one_has_taught(prepared: Path, teacher: Path, run: Path, tmp_path: Path) -> None:
    """With its weights, halved as they are kept, and in terms of the same statistics."""
    kept = tmp_path / "kept.npz"
    learned = checkpoint.load(run / "stagewise.npz")
    checkpoint.save(kept, {name: array.astype(np.float16) for name, array in learned.items()})
    shares = ",".join(f"{phase.name}={int(phase.name == 'stages3')}" for phase in PHASES)
    given = [*command(prepared, teacher, tmp_path), "--shares", shares, "--steps", "1", "--start", str(kept)]
    train.main(given)
    (before, usual), (after, still) = (
        stagewise.split_statistics(checkpoint.load(path)) for path in (kept, tmp_path / "stagewise.npz")
    )
    assert usual
    assert all(np.array_equal(array, still[name]) for name, array in usual.items())
    changed = {name.partition("/")[0] for name, array in before.items() if not np.array_equal(array, after[name])}
    assert changed
    assert not [name for name in changed if name.startswith(("stem", "stage0", "stage1", "stage2"))]


def test_an_interrupted_phase_goes_on(prepared: Path, teacher: Path, tmp_path: Path,
                                      caplog: pytest.LogCaptureFixture) -> None:  # fmt: skip
    held = course(prepared, teacher, tmp_path)
    phase, plan = schedule(steps=8, save_every_s=0).phases()[0]

    class Interrupted(Photos):
        def batches(self, *args: object) -> Iterator[loop.Batch]:
            for number, batch in enumerate(super().batches(*args)):  # type: ignore[arg-type]
                if number == 5:
                    raise KeyboardInterrupt
                yield batch

    photos = Interrupted({"made": (data.Source.open(prepared / "made"), 1.0)}, 0.3)
    with pytest.raises(KeyboardInterrupt):
        replace(held, photos=photos).train_phase(phase, plan, {}, seed=0)
    assert not held.measures.is_done(phase.name)
    with caplog.at_level(logging.INFO):
        held.train_phase(phase, plan, {}, seed=0)
    assert "stage0 goes on from step 5" in caplog.text
    assert "stage0 done after 8 steps" in caplog.text
    assert held.measures.is_done(phase.name)


def test_a_phase_ends_when_it_is_good_enough(prepared: Path, teacher: Path, tmp_path: Path) -> None:
    held = course(prepared, teacher, tmp_path)
    phase, plan = schedule(steps=400, save_every_s=0).phases()[0]
    held.train_phase(replace(phase, stop_below=1e6), plan, {}, seed=0)
    assert [row["kind"] for row in held.measures.rows].count("underway") < 10  # some batches were made ahead


def test_photos_to_measure_on_are_never_drawn(prepared: Path) -> None:
    source = data.Source.open(prepared / "made")
    photos = Photos({"made": (source, 1.0)}, 0.3)
    measured = {photo.tobytes() for photo in photos.held}
    drawn = {photo.tobytes() for photo in photos.draw(np.random.default_rng(0), 500)}
    assert measured
    assert not measured & drawn
    assert len(measured) + len(drawn) == COUNT


def test_too_few_photos_are_refused(prepared: Path) -> None:
    source = data.Source.open(prepared / "made")
    with pytest.raises(ValueError, match="too few photos"):
        Photos({"made": (source, 1.0)}, 0.0)
    with pytest.raises(ValueError, match="different --px"):
        Photos({"made": (source, 1.0), "small": (replace(source, photos=source.photos[:, :32, :32]), 1.0)}, 0.3)


def test_a_student_that_is_too_narrow_is_refused(prepared: Path, teacher: Path) -> None:
    trunk = replace(TRUNK, blocks=(*TRUNK.blocks[:4], (2, 17, 1, 1, 5), *TRUNK.blocks[5:]), lower_channels=17)
    arrays = checkpoint.weights(build_trunk(trunk))
    photos = list(data.Source.open(prepared / "made").photos[:4])
    with pytest.raises(ValueError, match="stage2b has 16 channels, and the teacher's map 17"):
        stagewise_teacher.measure_teacher(stagewise_teacher.build_teacher(trunk, PX, arrays), photos, PX, "test")


def test_the_time_is_shared_out() -> None:
    plan = loop.Plan(100, 2.0)
    usual = {phase.name: one.minutes for phase, one in Schedule(plan, {}).phases()}
    assert sum(usual.values()) == pytest.approx(100)
    assert usual["stage3"] + usual["stages3"] >= 50  # the bottleneck
    (first, one), (last, other) = Schedule(
        plan, {phase.name: 0 for phase in PHASES} | {"stage0": 1, "whole": 3}, batch_times=4
    ).phases()
    assert (first.name, one.minutes, one.rate, first.batch) == ("stage0", 25, 6e-3, 16)
    assert (last.name, other.minutes) == ("whole", 75)
    with pytest.raises(ValueError, match="no phase stage9"):
        Schedule(plan, {"stage9": 1}).phases()
    with pytest.raises(ValueError, match="no phase is left"):
        Schedule(plan, {phase.name: 0 for phase in PHASES}).phases()


MEASURE = """
import json, sys
from pathlib import Path
from tests.captioner.training import test_stagewise as made
from captioner.training import checkpoint, stagewise
prepared, run = Path(sys.argv[1]), Path(sys.argv[2])
held = made.course(prepared, prepared / "trunk.npz", run / sys.argv[3])
whole, plan = made.schedule(steps=3).phases()[-1]
learned = checkpoint.load(run / "stagewise.npz")
before = stagewise.unexplained(held.model(whole, learned), held.photos.held)
stage3 = made.PHASES[6]
held.teach(made.replace(stage3, batch=4), plan, learned, seed=0)
after = held.measures.rows[-1]["unexplained"]
print(json.dumps([before, after]))
"""


def test_on_jax_it_computes_the_same(prepared: Path, teacher: Path, run: Path, repository: Path) -> None:
    """The errors of the whole student, and what three steps with Muon make of them."""
    pytest.importorskip("jax")
    found = []
    for backend in ("tensorflow", "jax"):
        environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(repository)}
        child = subprocess.run([sys.executable, "-c", MEASURE, str(prepared), str(run), backend], env=environment,
                               cwd=repository, capture_output=True, text=True, check=False)  # fmt: skip
        assert child.returncode == 0, child.stderr
        found.append(json.loads(child.stdout.splitlines()[-1]))
    for one, other in zip(*found, strict=True):
        assert one == pytest.approx(other, rel=2e-2, abs=2e-3)
