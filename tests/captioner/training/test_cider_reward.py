"""CIDEr-D of sentences in the making, beside the published scorer."""

from __future__ import annotations

import pytest

from captioner.training.cider_reward import CiderReward

END = 2
CAPTIONS = [
    [(5, 6, 7, 8, END), (5, 6, 9, END)],
    [(10, 11, 12, 13, 14, END), (10, 11, 12, END)],
    [(5, 15, 16, 17, END), (18, 16, 17, END)],
]


def test_a_persons_own_sentence_earns_more_than_anothers() -> None:
    reward = CiderReward(CAPTIONS)
    own, others, nothing = (reward(0, said) for said in (CAPTIONS[0][0], CAPTIONS[1][0], (90, 91)))
    assert own > others >= 0
    assert nothing == 0
    assert reward(1, CAPTIONS[1][0]) > 0.4


def test_a_sentence_that_breaks_off_earns_less() -> None:
    reward = CiderReward(CAPTIONS)
    assert reward(0, (5, 6, 7, 8, END)) > reward(0, (5, 6, 7, 8))


def test_saying_one_word_over_and_over_does_not_pay() -> None:
    reward = CiderReward(CAPTIONS)
    assert reward(0, (7, 7, 7, 7, 7, 7, END)) < reward(0, (5, 6, 7, 8, END)) / 3


def test_it_agrees_with_the_published_scorer() -> None:
    """pycocoevalcap's CIDEr has the same penalties; it counts its documents in the references of what it scores."""
    pytest.importorskip("pycocoevalcap")
    from pycocoevalcap.cider.cider import Cider

    said = [(5, 6, 9, 8, END), (10, 11, 12, 13, END), (18, 16, 5, END)]
    text = {i: [" ".join(map(str, ids))] for i, ids in enumerate(said)}
    human = {i: [" ".join(map(str, ids)) for ids in texts] for i, texts in enumerate(CAPTIONS)}
    _, published = Cider().compute_score(human, text)
    reward = CiderReward(CAPTIONS)
    assert [10 * reward(i, ids) for i, ids in enumerate(said)] == pytest.approx(list(published), rel=1e-3)


def test_a_photo_without_captions_earns_nothing() -> None:
    assert CiderReward([[], CAPTIONS[0]])(0, (5, 6, END)) == 0
