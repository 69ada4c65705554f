"""The detector looks strip by strip and twice, and both give what one look at the whole would give."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from captioner import DEFAULT_FACE_BUNDLE
from captioner.inference.faces.detector import Detections, FaceDetector, suppress
from captioner.inference.faces.manifest import DetectorSettings, FaceManifest
from captioner.inference.faces.two_scales import look_twice, place_windows
from tests.faces_made import picture_with_faces

SETTINGS = FaceManifest.read(DEFAULT_FACE_BUNDLE).detector


def look(detector: FaceDetector, picture: Image.Image, settings: DetectorSettings = SETTINGS) -> Detections:
    return look_twice(detector, picture, lambda: picture, settings)


def centres(found: Detections) -> list[tuple[int, int]]:
    return [(round(left + right) // 2, round(top + bottom) // 2) for left, top, right, bottom in found.boxes]


@pytest.mark.parametrize("size", [(640, 480), (200, 333), (64, 640), (33, 31)])
def test_strips_are_seen_as_the_whole(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    pixels = np.pad(pixels, ((0, -size[1] % 32), (0, -size[0] % 32), (0, 0)))
    in_strips = FaceDetector(DEFAULT_FACE_BUNDLE, SETTINGS)._stem_maps(pixels)
    whole = FaceDetector(DEFAULT_FACE_BUNDLE, dataclasses.replace(SETTINGS, strips=1))._stem_maps(pixels)
    assert whole["stride_4"].shape == (1, pixels.shape[0] // 4, pixels.shape[1] // 4, 24)
    for name, found in whole.items():
        assert in_strips[name] == pytest.approx(found, abs=1e-3), name


def test_a_margin_that_is_too_narrow_would_be_seen() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8)
    narrow = FaceDetector(DEFAULT_FACE_BUNDLE, dataclasses.replace(SETTINGS, margin_px=8))._stem_maps(pixels)
    whole = FaceDetector(DEFAULT_FACE_BUNDLE, dataclasses.replace(SETTINGS, strips=1))._stem_maps(pixels)
    assert narrow["stride_8"] != pytest.approx(whole["stride_8"], abs=1e-3)


def test_faces_lie_where_they_were_drawn_whatever_the_picture_s_shape() -> None:
    detector = FaceDetector(DEFAULT_FACE_BUNDLE, SETTINGS)
    for size in ((1280, 960), (960, 1280), (1280, 640), (640, 480), (500, 500)):
        px = max(size) // 6
        found = look(detector, picture_with_faces([(100, 60, px)], size))
        ((x, y),) = centres(found)
        assert x == pytest.approx(100 + 0.52 * px, abs=0.06 * px), size
        assert y == pytest.approx(60 + 0.53 * px, abs=0.06 * px), size
        (points,) = found.points
        assert points[0, 0] < points[1, 0], "the eye at the left of the picture comes first"
        assert points[:2, 1].max() < points[2, 1] < points[3:, 1].min(), "eyes, nose, mouth"


def test_a_small_face_is_found_by_the_second_look_only() -> None:
    detector = FaceDetector(DEFAULT_FACE_BUNDLE, SETTINGS)
    picture = picture_with_faces([(500, 300, 60)])
    once = dataclasses.replace(SETTINGS, windows=0)
    assert not len(look(detector, picture, once).boxes)
    assert centres(look(detector, picture)) == [pytest.approx((531, 330), abs=6)]


def test_the_full_picture_is_not_asked_for_where_there_may_be_no_face() -> None:
    detector, asked = FaceDetector(DEFAULT_FACE_BUNDLE, SETTINGS), []

    def full() -> Image.Image:
        asked.append("full")
        return picture_with_faces([(100, 60, 200)])

    assert not len(look_twice(detector, Image.new("RGB", (640, 480), (70, 80, 90)), full, SETTINGS).boxes)
    assert not asked
    found = look_twice(detector, picture_with_faces([(50, 30, 100)], (640, 480)), full, SETTINGS)
    assert centres(found) == [(pytest.approx(203, abs=10), pytest.approx(165, abs=12))]
    assert asked == ["full"]


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (3000, 2)])
def test_pictures_of_hardly_any_pixels_have_no_faces(size: tuple[int, int]) -> None:
    detector = FaceDetector(DEFAULT_FACE_BUNDLE, SETTINGS)
    assert not len(look(detector, Image.new("RGB", size, (200, 150, 120))).boxes)


def test_of_boxes_that_overlap_the_most_probable_one_is_kept() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [8, 0, 18, 10], [40, 0, 50, 10.0]])
    found = Detections(boxes, np.zeros((4, 5, 2)), np.array([0.7, 0.9, 0.8, 0.6]))
    assert suppress([found], overlap=0.45, most=9).scores.tolist() == [0.9, 0.8, 0.6]
    assert suppress([found], overlap=0.45, most=2).scores.tolist() == [0.9, 0.8]


corners = st.tuples(st.floats(0, 1280), st.floats(0, 960), st.floats(1, 150), st.floats(1, 150))


@given(st.lists(corners, max_size=8))
def test_every_box_lies_in_a_window(places: list[tuple[float, float, float, float]]) -> None:
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in places]).reshape(-1, 4)
    windows = place_windows(boxes, (1280, 960), (640, 480))
    assert len(windows) <= len(boxes)
    for left, top, right, bottom in np.clip(boxes, 0, (1280, 960, 1280, 960)):
        assert any(x <= left and y <= top and right <= x + 640 and bottom <= y + 480 for x, y in windows)
    assert all(0 <= x <= 640 and 0 <= y <= 480 for x, y in windows)
