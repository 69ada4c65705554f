"""The child's own side: pixels are checked, and a caption survives the journey."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from captioner import Caption, CaptionError, Tag
from captioner.inference.worker import make_handler, pack_caption, unpack_caption

_probability = st.floats(0, 1)
_captions = st.builds(
    Caption,
    text=st.text(),
    confidence=_probability,
    tags=st.lists(st.builds(Tag, st.text(), _probability), max_size=5).map(tuple),
    embedding=st.none() | st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=8).map(tuple),
    model=st.text(),
    words=st.lists(st.builds(Tag, st.text(), _probability), max_size=5).map(tuple),
    sure=st.booleans(),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_captions)
def test_a_caption_survives_the_journey(caption: Caption) -> None:
    assert unpack_caption(*pack_caption(caption)) == caption


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_none_is_an_error(bad: float) -> None:
    for caption in (
        Caption("A dog.", bad, (), None, "m"),
        Caption("A dog.", 0.5, (Tag("dog", bad),), None, "m"),
        Caption("A dog.", 0.5, (), (0.5, bad), "m"),
        Caption("A dog.", 0.5, (), None, "m", (Tag("dog", bad),)),
    ):
        with pytest.raises(CaptionError, match="not finite"):
            pack_caption(caption)


WHOLE: dict[str, Any] = {"text": "A dog.", "confidence": 0.5, "tags": [["dog", 0.9]], "model": "m",
                         "words": [["dog", 0.8]], "sure": True}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "payload"),
    [({"tags": [["dog"]]}, b""), ({"tags": 3}, b""), ({"confidence": "much"}, b""), ({}, b"\0\0\0"), ({}, b"\0" * 5)],
)
def test_an_answer_of_another_shape_is_an_error(change: dict[str, Any], payload: bytes) -> None:
    with pytest.raises(CaptionError, match="is no caption"):
        unpack_caption({**WHOLE, **change}, payload)


@pytest.mark.parametrize("missing", list(WHOLE))
def test_an_answer_that_lacks_something_is_an_error(missing: str) -> None:
    with pytest.raises(CaptionError, match=missing):
        unpack_caption({name: value for name, value in WHOLE.items() if name != missing}, struct.pack("<f", 1.0))


@dataclass
class MeanCaptioner:
    """Says how bright each channel is: the order of the pixels is what is tested."""

    input_px: int = 2
    model: str = "mean-1"

    def caption(self, pixels: NDArray[np.uint8]) -> Caption:
        assert (pixels.shape, pixels.dtype) == ((2, 2, 3), np.uint8)
        return Caption(str(pixels.mean(axis=(0, 1)).tolist()), 1.0, (), None, self.model)


def test_pixels_arrive_in_their_order() -> None:
    answer = make_handler(MeanCaptioner())  # type: ignore[arg-type]
    header, _ = answer({}, bytes([10, 20, 30]) * 4)
    assert header["text"] == "[10.0, 20.0, 30.0]"


@pytest.mark.parametrize("size", [0, 11, 13, 24])
def test_pixels_of_another_size_are_an_error_about_this_picture(size: int) -> None:
    answer = make_handler(MeanCaptioner())  # type: ignore[arg-type]
    with pytest.raises(CaptionError, match=r"expected \(2, 2, 3\) pixels"):
        answer({}, bytes(size))
