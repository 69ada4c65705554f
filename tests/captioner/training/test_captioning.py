"""Views of photos, kept on disk for training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("tensorflow")

from captioner.training.captioning import EncodePhoto, cache_views


def test_the_encoder_is_made_once_in_a_thread(tmp_path: Path) -> None:
    made = []

    def make() -> EncodePhoto:
        made.append(1)
        return mean_colour

    photos = np.random.default_rng(3).integers(0, 256, (12, 40, 40, 3), np.uint8)
    cache_views(make, photos, range(12), 32, tmp_path / "views", crops=2, threads=2)
    assert len(made) <= 2
    maps = np.load(tmp_path / "views" / "maps.npy")
    assert maps.shape == (12, 4, 3)  # two crops, each with its mirror image
    assert np.allclose(maps[:, 0], maps[:, 1])


def mean_colour(pixels: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
    return {"maps": pixels.mean(axis=(0, 1), dtype=np.float32)}
