"""Beam search over a `step` callable; numpy only, so training and serving decode alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from captioner.inference.preprocess import END, PAD, START, UNKNOWN

Scores = NDArray[np.float32]


class Step(Protocol):
    """One step of a decoder over a fixed number of rows, each an unfinished sentence."""

    def __call__(self, tokens: NDArray[np.int32], position: int, parents: NDArray[np.int32]) -> Scores:
        """The log-probabilities (rows, vocabulary) of the word after `tokens`.

        Args:
            tokens: (rows,) the last word of each row; START at position 0.
            position: place of `tokens` in their sentences.
            parents: (rows,) for each row, the row of the step before that it continues (its cache moves with it).
        """
        ...


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One finished sentence."""

    tokens: tuple[int, ...]  # without START and END
    logp: float  # sum over its words and its end, with the bonus of each word
    ended: bool = True  # False where it was cut at the greatest length
    word_logps: tuple[float, ...] = ()  # of each of its words and its end, without bonus

    @property
    def mean_logp(self) -> float:
        """Mean log-probability of its words and its end, without bonus."""
        return sum(self.word_logps) / max(1, len(self.word_logps))

    def score(self, alpha: float) -> float:
        """Log-probability divided by length**alpha (arXiv:1609.08144 in its plain form); 0 prefers short ones."""
        return self.logp / float((len(self.tokens) + self.ended) ** alpha)


@dataclass(frozen=True, slots=True)
class BeamSettings:
    """Settings of the beam search."""

    beam: int = 3
    length: int = 20  # words at most, END included
    alpha: float = 0.7  # length normalisation
    forbidden: tuple[int, ...] = (PAD, START, UNKNOWN)
    no_repeat: int = 3  # no run of so many words comes twice; 0 allows it
    once: frozenset[int] = frozenset()  # words that a sentence may have once


@dataclass(frozen=True, slots=True)
class _Partial:
    """An unfinished sentence."""

    tokens: tuple[int, ...] = ()
    logp: float = 0.0
    word_logps: tuple[float, ...] = ()

    def extend(self, word: int, logp: float, decoder_logp: float) -> _Partial:
        return _Partial((*self.tokens, word), logp, (*self.word_logps, decoder_logp))

    def finish(self, logp: float, decoder_logp: float) -> Hypothesis:
        return Hypothesis(self.tokens, logp, True, (*self.word_logps, decoder_logp))


def beam_search(step: Step, rows: int, settings: BeamSettings, bonus: Scores | None = None) -> list[Hypothesis]:
    """Finished sentences, best first; at least one. A beam of 1 is greedy search.

    It ends when none that is unfinished can become the best: the others found are not always the next best.

    Args:
        rows: rows `step` works on, at least `settings.beam`; those past the beam are idle.
        bonus: (vocabulary,), added to the log-probability of each word wherever it stands.

    Raises:
        ValueError: more beams than rows, or none.
    """
    if not 1 <= settings.beam <= rows:
        raise ValueError(f"a beam of {settings.beam} needs a step of that many rows; this one has {rows}")
    live = [_Partial()]
    tokens, parents = np.full(rows, START, np.int32), np.zeros(rows, np.int32)
    forbidden = list(settings.forbidden)
    done: list[Hypothesis] = []
    for position in range(settings.length):
        decoder_logp = step(tokens, position, parents)[: len(live)].astype(np.float64)
        scores = decoder_logp if bonus is None else decoder_logp + bonus
        scores[:, forbidden] = -np.inf
        if position == 0:
            scores[:, END] = -np.inf  # no empty sentence
        for row, sentence in enumerate(live):
            used = [word for word in sentence.tokens if word in settings.once]
            scores[row, [*used, *_repeating_words(sentence.tokens, settings.no_repeat)]] = -np.inf
        live, origin, ended = _expand(live, scores, decoder_logp, settings.beam)
        done += ended
        if not live or (done and _can_stop(done, live, settings)):
            break
        tokens[: len(live)] = [sentence.tokens[-1] for sentence in live]
        parents[:] = 0
        parents[: len(live)] = origin
    else:
        done += [Hypothesis(cut.tokens, cut.logp, False, cut.word_logps) for cut in live]
    return sorted(done, key=lambda found: -found.score(settings.alpha))


def _expand(
    live: Sequence[_Partial], scores: NDArray[Any], decoder_logp: NDArray[Any], beam: int
) -> tuple[list[_Partial], list[int], list[Hypothesis]]:
    """The `beam` best continuations by one word, the row that each comes from, and the sentences that end."""
    total = np.array([sentence.logp for sentence in live])[:, None] + scores
    # Twice the beam, so that enough unfinished ones are left where some end; a beam of one stops at its first end.
    count = min(2 * beam if beam > 1 else 1, total.size)
    # Sorting every word at every step took as long as the model itself. So many words as are wanted reach this in the
    # best of their rows, so that no other can be among the best.
    of_word = total.max(axis=0)
    least = np.partition(of_word, -min(count, of_word.size))[-min(count, of_word.size)]
    scores_in_a_row = total.ravel()
    near = np.flatnonzero(scores_in_a_row >= least) if count <= of_word.size else np.arange(total.size)
    best = near[np.argsort(-scores_in_a_row[near], kind="stable")[:count]]
    extended: list[_Partial] = []
    origin: list[int] = []
    ended: list[Hypothesis] = []
    for place, flat in enumerate(best):
        row, word = divmod(int(flat), total.shape[1])
        logp = float(total[row, word])
        if logp == -np.inf:
            break
        if word == END:
            if place < beam:  # an end must be among the best, or every prefix would count as a sentence
                ended.append(live[row].finish(logp, float(decoder_logp[row, word])))
        elif len(extended) < beam:
            extended.append(live[row].extend(word, logp, float(decoder_logp[row, word])))
            origin.append(row)
    return extended, origin, ended


def _can_stop(done: Sequence[Hypothesis], live: Sequence[_Partial], settings: BeamSettings) -> bool:
    """Whether no unfinished sentence can beat the best finished one, even if its further words cost nothing.

    An approximation where a bonus makes a word cost less than nothing.
    """
    best = max(found.score(settings.alpha) for found in done)
    return bool(max(sentence.logp for sentence in live) / settings.length**settings.alpha <= best)


def _repeating_words(words: tuple[int, ...], n: int) -> list[int]:
    """Words that would repeat a run of `n` words."""
    if not n or len(words) < n:
        return []
    tail = words[len(words) - n + 1 :]
    return [words[i + n - 1] for i in range(len(words) - n + 1) if words[i : i + n - 1] == tail]
