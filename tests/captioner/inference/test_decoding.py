"""Search over a made-up step function, small enough to try every sentence."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from captioner.inference.decoding import BeamSettings, Hypothesis, _expand, _Partial, beam_search
from captioner.inference.preprocess import END, PAD, START, UNKNOWN

WORDS = 7  # END, the other special tokens, and three words
LENGTH = 4


class MadeStep:
    """Log-probabilities that depend on the whole sentence, which is followed through `parents`."""

    def __init__(self, seed: int, rows: int) -> None:
        self.seed, self.rows = seed, rows
        self.sentences: list[tuple[int, ...]] = [()] * rows

    def logp(self, sentence: tuple[int, ...]) -> NDArray[np.float64]:
        rng = np.random.default_rng([self.seed, *sentence])
        scores = rng.normal(size=WORDS) * 2
        return scores - np.log(np.exp(scores).sum())

    def __call__(self, tokens: NDArray[np.int32], position: int, parents: NDArray[np.int32]) -> NDArray[np.float32]:
        if position == 0:
            assert set(tokens.tolist()) == {START}
        else:
            self.sentences = [(*self.sentences[p], int(t)) for p, t in zip(parents, tokens, strict=True)]
        return np.array([self.logp(sentence) for sentence in self.sentences], np.float32)


def every_sentence(step: MadeStep, settings: BeamSettings) -> list[Hypothesis]:
    """All that can be said, with its log-probability."""
    allowed = [i for i in range(WORDS) if i not in (*settings.forbidden, END)]
    found = []
    for n in range(1, settings.length + 1):
        for words in itertools.product(allowed, repeat=n):
            logp = sum(step.logp(words[:i])[word] for i, word in enumerate(words))
            if n < settings.length:
                found.append(Hypothesis(words, float(logp + step.logp(words)[END])))
            else:
                found.append(Hypothesis(words, float(logp), False))
    return found


@pytest.mark.parametrize("alpha", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("seed", range(8))
def test_a_beam_as_wide_as_the_tree_finds_the_best_sentence(seed: int, alpha: float) -> None:
    settings = BeamSettings(beam=200, length=LENGTH, alpha=alpha, no_repeat=0)
    step = MadeStep(seed, 200)
    best = max(every_sentence(step, settings), key=lambda found: found.score(alpha))
    found = beam_search(step, 200, settings)[0]
    assert found.tokens == best.tokens
    assert found.logp == pytest.approx(best.logp, abs=1e-4)


@pytest.mark.slow
@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_scores_are_those_of_the_sentences_and_sorted(seed: int, beam: int) -> None:
    settings = BeamSettings(beam=beam, length=LENGTH, no_repeat=0)
    found = beam_search(MadeStep(seed, 6), 6, settings)
    known = {(one.tokens, one.ended): one.logp for one in every_sentence(MadeStep(seed, 1), settings)}
    assert found
    for one in found:
        assert one.logp == pytest.approx(known[one.tokens, one.ended], abs=1e-4)
        assert not {PAD, START, UNKNOWN, END} & set(one.tokens)
    scores = [one.score(settings.alpha) for one in found]
    assert scores == sorted(scores, reverse=True)


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_a_beam_of_one_takes_the_most_probable_word_each_time(seed: int) -> None:
    settings = BeamSettings(beam=1, length=LENGTH, no_repeat=0)
    found = beam_search(MadeStep(seed, 3), 3, settings)[0]
    sentence: tuple[int, ...] = ()
    while len(sentence) < LENGTH:
        logp = MadeStep(seed, 1).logp(sentence)
        logp[[PAD, START, UNKNOWN]] = -np.inf
        if not sentence:
            logp[END] = -np.inf
        if int(logp.argmax()) == END:
            break
        sentence = (*sentence, int(logp.argmax()))
    assert found.tokens == sentence


def test_length_normalisation_prefers_longer_sentences() -> None:
    short, long = Hypothesis((4,), -2.0), Hypothesis((4, 5, 6), -3.0, True, (-1.0, -1.0, -0.5, -0.5))
    assert short.score(0) > long.score(0)
    assert short.score(1) < long.score(1)
    assert long.mean_logp == pytest.approx(-0.75)


def test_a_bonus_changes_the_choice_but_not_what_the_decoder_thinks_of_it() -> None:
    step, settings = MadeStep(5, 3), BeamSettings(beam=3, length=LENGTH)
    plain = beam_search(step, 3, settings)[0]
    wanted = next(word for word in range(4, WORDS) if word not in plain.tokens)
    bonus = np.zeros(WORDS, np.float32)
    bonus[wanted] = 20
    found = beam_search(MadeStep(5, 3), 3, settings, bonus)[0]
    assert wanted in found.tokens
    assert sum(found.word_logps) == pytest.approx(found.logp - 20 * found.tokens.count(wanted))
    assert sum(plain.word_logps) == pytest.approx(plain.logp)


def test_a_word_of_those_that_come_once_does_not_come_twice() -> None:
    def stutter(tokens: NDArray[np.int32], _: int, __: NDArray[np.int32]) -> NDArray[np.float32]:
        logp = np.full((len(tokens), WORDS), -9.0, np.float32)
        logp[:, [4, 5]] = -0.1, -0.2
        return logp

    tokens = beam_search(stutter, 1, BeamSettings(beam=1, length=6, no_repeat=0, once=frozenset({4})))[0].tokens
    assert tokens.count(4) == 1
    assert tokens.count(5) > 1


def test_no_run_of_words_comes_twice() -> None:
    def stutter(tokens: NDArray[np.int32], _: int, __: NDArray[np.int32]) -> NDArray[np.float32]:
        logp = np.full((len(tokens), WORDS), -9.0, np.float32)
        logp[:, 4] = -0.1
        logp[:, 5] = -3.0
        return logp

    tokens = beam_search(stutter, 1, BeamSettings(beam=1, length=9, no_repeat=2))[0].tokens
    pairs = list(itertools.pairwise(tokens))
    assert len(pairs) == len(set(pairs))


@pytest.mark.parametrize("beam", [0, 4])
def test_a_beam_that_does_not_fit_is_refused(beam: int) -> None:
    with pytest.raises(ValueError, match=f"a beam of {beam}"):
        beam_search(MadeStep(0, 3), 3, BeamSettings(beam=beam))


@pytest.mark.parametrize("beam", [1, 3])
def test_a_sentence_has_a_word(beam: int) -> None:
    def ends_at_once(tokens: NDArray[np.int32], position: int, parents: NDArray[np.int32]) -> NDArray[np.float32]:
        scores = np.full((3, WORDS), -9.0, np.float32)
        scores[:, END] = 0.0
        return scores

    found = beam_search(ends_at_once, 3, BeamSettings(beam=beam, length=LENGTH))
    assert [len(one.tokens) for one in found[:1]] == [1]


def test_the_search_ends_when_nothing_unfinished_can_become_the_best() -> None:
    positions = []

    def certain(tokens: NDArray[np.int32], position: int, _: NDArray[np.int32]) -> NDArray[np.float32]:
        positions.append(position)
        logp = np.full((len(tokens), WORDS), -9.0, np.float32)
        logp[:, 4 if position == 0 else END] = -0.01
        return logp

    found = beam_search(certain, 3, BeamSettings(beam=3, length=9))
    assert found[0].tokens == (4,)
    assert positions == [0, 1]


@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(2, 40), st.integers(1, 4))
def test_the_best_continuations_are_those_of_a_full_sort(seed: int, rows: int, words: int, beam: int) -> None:
    rng = np.random.default_rng(seed)
    scores = np.round(rng.normal(size=(rows, words)), 1)  # rounded, so that some are equal
    scores[rng.random(scores.shape) < 0.2] = -np.inf
    live = [_Partial((row + 4,), -float(row)) for row in range(rows)]
    extended, origin, ended = _expand(live, scores, scores, beam)
    total = (scores - np.arange(rows)[:, None]).ravel()
    ranked = [int(flat) for flat in np.argsort(-total, kind="stable") if total[flat] > -np.inf]
    ranked = ranked[: 2 * beam if beam > 1 else 1]
    going_on = [flat for flat in ranked if flat % words != END][:beam]
    assert origin == [flat // words for flat in going_on]
    assert [sentence.tokens[-1] for sentence in extended] == [flat % words for flat in going_on]
    assert [one.logp for one in ended] == [total[flat] for flat in ranked[:beam] if flat % words == END]
