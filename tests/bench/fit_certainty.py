"""Fits how likely a photo shows what a word says (`indexer.search.certainty`), and measures it on other words.

    python -m tests.bench.fit_certainty [--photos TAR --captions JSONL] [--bundle DIR] [--cache FILE.npz]

Asks the product's search for each single word that `bench_retrieval` asks for. Of each photo that has the word, or one
that it may mean, the evidence and the cosine are known; it is right where two of its five people used the word, and
left out where one did. Both regressions, with and without the cosine, are fitted on half of the words and measured on
the other half, in turn; printed last are the weights fitted on all words, for `certainty.py`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from captioner import DEFAULT_BUNDLE
from captioner.training.captioned_photos import CaptionedPhotos
from captioner.training.retrieval import WordQueries
from indexer.search.certainty import SURE, SURE_ALONE, evidence_logit
from tests.bench.bench_retrieval import RankedSearch, indexed, read_set

_ROUNDS = 50
_RIDGE = 1e-3  # keeps the matrix invertible
_THRESHOLDS = (0.5, 0.55, SURE_ALONE, SURE, 0.66, 0.7)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pairs:
    """Words and photos that have them, one row each."""

    words: NDArray[np.int64]  # the word's number
    features: Floats  # (pairs, 3): logit of the evidence, cosine, 1
    right: NDArray[np.bool_]
    neutral: NDArray[np.bool_]

    def of_words(self, kept: NDArray[np.bool_]) -> Pairs:
        """Those of the words that are `kept` (words,)."""
        rows = kept[self.words]
        return Pairs(self.words[rows], self.features[rows], self.right[rows], self.neutral[rows])


def pairs_of(run: CaptionedPhotos, search: RankedSearch, judged: WordQueries) -> Pairs:
    """What the search says of each word of `judged` and each photo of `run`."""
    parts = []
    for number, word in enumerate(judged.words):
        evidence, cosines = search.evidence(word)
        held = np.flatnonzero(evidence)
        features = np.stack([evidence_logit(evidence[held]), cosines[held], np.ones(len(held))], axis=1)
        parts.append((np.full(len(held), number), features, judged.right[number, held], judged.neutral[number, held]))
    return Pairs(*map(np.concatenate, zip(*parts, strict=True)))


def fit(pairs: Pairs, columns: Sequence[int]) -> Floats:
    """The weights of these columns of the features: logistic regression by Newton's method."""
    x, y = pairs.features[~pairs.neutral][:, columns], pairs.right[~pairs.neutral].astype(np.float64)
    weights = np.zeros(len(columns))
    for _ in range(_ROUNDS):
        chances = 1 / (1 + np.exp(-x @ weights))
        curvature = (x.T * (chances * (1 - chances))) @ x + _RIDGE * np.eye(len(columns))
        weights -= np.linalg.solve(curvature, x.T @ (chances - y))
    return weights


def report(pairs: Pairs, columns: Sequence[int], words: int) -> None:
    """Prints the share that is right from several probabilities on, of words that the weights were not fitted on."""
    chances = np.zeros(len(pairs.words))
    for half in (0, 1):
        weights = fit(pairs.of_words(np.arange(words) % 2 == half), columns)
        others = pairs.words % 2 != half
        chances[others] = 1 / (1 + np.exp(-pairs.features[others][:, columns] @ weights))
    for least in _THRESHOLDS:
        sure = chances >= least
        judged = sure & ~pairs.neutral
        lenient = (pairs.right | pairs.neutral)[sure].mean()
        share = pairs.right[judged].sum() / pairs.right.sum()
        print(
            f"  from {least:.2f}: {pairs.right[judged].mean():.1%} right, {lenient:.1%} where one person is enough;"
            f" {share:.1%} of the right ones; {len(np.unique(pairs.words[sure]))} of {words} words have any"
        )
    print(f"  weights: {', '.join(f'{weight:.2f}' for weight in fit(pairs, columns))}")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--captions", type=Path)
    parser.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE)
    parser.add_argument("--cache", type=Path, help="keep what the bundle said there")
    name, run, meaning = read_set(parser.parse_args(argv))
    judged = WordQueries.of(run.references)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        search = indexed(Path(folder) / "search.db", run.captions, meaning)
        pairs = pairs_of(run, search, judged)
        search.close()
    print(f"{name}: {len(pairs.words):,} pairs of {len(judged.words)} words and {len(run.captions)} photos")
    for title, columns in (("evidence, cosine, bias", (0, 1, 2)), ("evidence, bias", (0, 2))):
        print(title)
        report(pairs, columns, len(judged.words))


if __name__ == "__main__":
    main()
