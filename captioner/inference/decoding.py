"""Greedy and beam search over a `step` callable; numpy only, so training and serving decode alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from captioner.inference.preprocess import END, PAD, START, UNKNOWN

Scores = NDArray[np.float32]


class Step(Protocol):
    """One step of a decoder over a fixed number of rows, each a sentence in the making."""

    def __call__(self, tokens: NDArray[np.int32], position: int, parents: NDArray[np.int32]) -> Scores:
        """The log-probabilities (rows, vocabulary) of the word after `tokens`.

        Args:
            tokens: (rows,) the last word of each row; START at position 0.
            position: place of `tokens` in their sentences.
            parents: (rows,) the row of the step before that each row goes on from (its cache moves with it).
        """
        ...


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One finished sentence."""

    tokens: tuple[int, ...]  # without START and END
    logp: float  # of all its words and its end, summed, with what was added to them for the photo's tags
    ended: bool = True  # False where it was cut at the greatest length
    word_logps: tuple[float, ...] = ()  # of each of its words and its end, as the decoder alone has them

    @property
    def mean_logp(self) -> float:
        """Mean log-probability of its words and its end, as the decoder alone has it."""
        return sum(self.word_logps) / max(1, len(self.word_logps))

    def score(self, alpha: float) -> float:
        """Log-probability divided by length**alpha (arXiv:1609.08144 in its plain form); 0 prefers short ones."""
        return self.logp / float((len(self.tokens) + self.ended) ** alpha)


@dataclass(frozen=True, slots=True)
class BeamSettings:
    """How sentences are searched for."""

    beam: int = 3
    length: int = 20  # words at most, END included
    alpha: float = 0.7  # length normalisation
    forbidden: tuple[int, ...] = (PAD, START, UNKNOWN)
    no_repeat: int = 3  # no run of so many words comes twice; 0 allows it
    once: frozenset[int] = frozenset()  # words that stand in a sentence once at most


@dataclass(frozen=True, slots=True)
class _Live:
    """A sentence in the making."""

    tokens: tuple[int, ...] = ()
    logp: float = 0.0
    word_logps: tuple[float, ...] = ()

    def grown(self, word: int, logp: float, own: float) -> _Live:
        return _Live((*self.tokens, word), logp, (*self.word_logps, own))

    def finished(self, logp: float, own: float) -> Hypothesis:
        return Hypothesis(self.tokens, logp, True, (*self.word_logps, own))


def beam_search(step: Step, rows: int, settings: BeamSettings, bonus: Scores | None = None) -> list[Hypothesis]:
    """The finished sentences found, best first; at least one. A beam of 1 is greedy search.

    Args:
        rows: rows `step` works on, at least `settings.beam`; those past the beam are idle.
        bonus: (vocabulary,), added to the log-probability of each word wherever it stands.

    Raises:
        ValueError: more beams than rows, or none.
    """
    if not 1 <= settings.beam <= rows:
        raise ValueError(f"a beam of {settings.beam} needs a step of that many rows; this one has {rows}")
    live = [_Live()]
    tokens, parents = np.full(rows, START, np.int32), np.zeros(rows, np.int32)
    forbidden = list(settings.forbidden)
    done: list[Hypothesis] = []
    for position in range(settings.length):
        own = step(tokens, position, parents)[: len(live)].astype(np.float64)
        scores = own if bonus is None else own + bonus
        scores[:, forbidden] = -np.inf
        if position == 0:
            scores[:, END] = -np.inf  # a sentence has a word
        for row, sentence in enumerate(live):
            said = [word for word in sentence.tokens if word in settings.once]
            scores[row, [*said, *_repeats(sentence.tokens, settings.no_repeat)]] = -np.inf
        live, origin, ended = _grow(live, scores, own, settings.beam)
        done += ended
        if not live or _is_settled(done, live, settings):
            break
        tokens[: len(live)] = [sentence.tokens[-1] for sentence in live]
        parents[:] = 0
        parents[: len(live)] = origin
    else:
        done += [Hypothesis(cut.tokens, cut.logp, False, cut.word_logps) for cut in live]
    return sorted(done, key=lambda found: -found.score(settings.alpha))


def greedy(step: Step, rows: int, settings: BeamSettings) -> Hypothesis:
    """The sentence of the most probable word each time."""
    plain = BeamSettings(1, settings.length, settings.alpha, settings.forbidden, settings.no_repeat)
    return beam_search(step, rows, plain)[0]


def _grow(
    live: Sequence[_Live], scores: NDArray[Any], own: NDArray[Any], beam: int
) -> tuple[list[_Live], list[int], list[Hypothesis]]:
    """The `beam` best ways to go on by one word, with the row each comes from, and those that end."""
    total = np.array([sentence.logp for sentence in live])[:, None] + scores
    costs = -total.ravel()
    # Twice the beam, so that sentences that end leave others to go on with; a beam of one stops at its first end.
    few = min(2 * beam if beam > 1 else 1, costs.size)
    # Sorting every word at every step took as long as the model itself.
    nearest = np.sort(np.argpartition(costs, few - 1)[:few])
    best = nearest[np.argsort(costs[nearest], kind="stable")]
    grown: list[_Live] = []
    origin: list[int] = []
    ended: list[Hypothesis] = []
    for place, flat in enumerate(best):
        row, word = divmod(int(flat), total.shape[1])
        logp = float(total[row, word])
        if logp == -np.inf:
            break
        if word == END:
            if place < beam:  # an end must be among the best, or every prefix would count as a sentence
                ended.append(live[row].finished(logp, float(own[row, word])))
        elif len(grown) < beam:
            grown.append(live[row].grown(word, logp, float(own[row, word])))
            origin.append(row)
    return grown, origin, ended


def _is_settled(done: Sequence[Hypothesis], live: Sequence[_Live], settings: BeamSettings) -> bool:
    """No sentence still in the making can beat the best `beam` that are done, even if its words cost nothing more.

    With a bonus a word can cost less than nothing, so there this is an approximation.
    """
    if len(done) < settings.beam:
        return False
    bar = sorted((found.score(settings.alpha) for found in done), reverse=True)[settings.beam - 1]
    return bool(max(sentence.logp for sentence in live) / settings.length**settings.alpha <= bar)


def _repeats(words: tuple[int, ...], n: int) -> list[int]:
    """Words that would complete a run of `n` that the sentence has already."""
    if not n or len(words) < n:
        return []
    tail = words[len(words) - n + 1 :]
    return [words[i + n - 1] for i in range(len(words) - n + 1) if words[i : i + n - 1] == tail]
