"""Things that are named in pictures of nothing."""

from __future__ import annotations

import pytest

from captioner import Caption
from captioner.training.hallucination import hallucinates, hallucination_scores


@pytest.mark.parametrize(
    ("text", "invented"),
    [
        ("", False),
        ("A page of text.", False),
        ("A close up of a black-and-white picture.", False),
        ("A blurred photo of something dark.", False),
        ("A screenshot of a chart with blue bars.", False),
        ("A dog.", True),
        ("A white wall.", True),
        ("A black-and-dog picture.", True),
        ("A man is standing in front of a page of text.", True),
    ],
)
def test_whatever_a_picture_of_nothing_cannot_show_is_invented(text: str, invented: bool) -> None:
    assert hallucinates(text) is invented


def caption(text: str, sure: bool) -> Caption:
    return Caption(text, 0.12345, (), None, "made-1", sure=sure)


def test_shares_are_of_the_pictures_and_of_the_invented() -> None:
    found = hallucination_scores({
        "a.png": caption("A dog.", True),
        "b.png": caption("", False),
        "c.png": caption("A page of text.", False),
        "d.png": caption("A cat on a page.", False),
        "e.png": caption("A boat.", False),
    })  # fmt: skip
    assert found == {
        "pictures": 5,
        "invented": 0.6,
        "unsure of the invented": pytest.approx(2 / 3, abs=1e-4),
        "empty": 0.2,
        "sentences": [
            {"picture": "a.png", "text": "A dog.", "confidence": 0.123, "sure": True},
            {"picture": "d.png", "text": "A cat on a page.", "confidence": 0.123, "sure": False},
            {"picture": "e.png", "text": "A boat.", "confidence": 0.123, "sure": False},
        ],
    }


def test_where_nothing_is_invented_nothing_of_it_is_unsure() -> None:
    found = hallucination_scores({"a.png": caption("", False)})
    assert (found["invented"], found["unsure of the invented"], found["empty"]) == (0, None, 1)
