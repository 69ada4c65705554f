"""The teacher's maps, their principal components, and the part under a crop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.training import data
from captioner.training.teacher import Basis, Teacher, crop_target, interval_weights


@settings(deadline=None)
@given(st.floats(0, 0.9), st.floats(0.1, 1), st.integers(1, 7))
def test_overlap_averages(start: float, width: float, cells: int) -> None:
    weights = interval_weights(start, min(1.0, start + width), cells, 7)
    assert weights.shape == (cells, 7)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)


def test_crop_target_of_the_whole_is_the_map_and_of_a_corner_its_corner() -> None:
    teacher = np.random.default_rng(0).normal(size=(6, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(crop_target(teacher, (0, 0, 1, 1), 6), teacher, atol=1e-5)
    np.testing.assert_allclose(crop_target(teacher, (0.5, 0, 1, 0.5), 3), teacher[:3, 3:], atol=1e-5)


@pytest.mark.slow
def test_basis_keeps_what_the_teacher_would_say(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cells = (rng.normal(size=(600, 8)) @ rng.normal(size=(8, 1280))).astype(np.float32)
    weights, bias = rng.normal(size=(1280, 5)).astype(np.float32), rng.normal(size=5).astype(np.float32)
    Basis.fit(cells, weights, bias, dim=8).save(tmp_path / "basis.npz")
    basis = Basis.load(tmp_path / "basis.npz")
    found = basis(cells).astype(np.float32) @ basis.head + basis.head_bias
    wanted = cells @ weights + bias
    assert np.abs(found - wanted).max() < 0.02 * np.abs(wanted).max()


def test_the_published_teacher_gives_up_its_inner_maps(shared: Path) -> None:
    path = shared / "data" / "teacher" / "tf2_mobilenet_v2_1.0_224_ptq.tflite"
    labels = (path.parent / "imagenet_labels.txt").read_text().splitlines()
    teacher = Teacher(path)
    _, content = next(data.read_photos(shared / "data" / "flickr8k-dev.tar"))
    image = data.decode_image(content)
    assert image is not None
    features = teacher.features(np.asarray(image.resize((224, 224))))
    assert features.shape == (7, 7, 1280)
    assert 0 <= features.min() <= features.max() <= 6.01
    assert teacher.weights.shape == (1280, len(labels))
