"""The program that fits `indexer.search.certainty`, on made photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from captioner.training.retrieval import WordQueries
from indexer.search.meaning import Meaning
from tests.bench.bench_retrieval import MadeTower, indexed, made_set
from tests.bench.fit_certainty import Pairs, fit, pairs_of, report


def made_pairs(count: int = 20_000) -> Pairs:
    """Right by chance: the logit of being right is 2 * evidence - cosine + 0.5."""
    chance = np.random.default_rng(3)
    features = np.stack([chance.normal(size=count), chance.normal(size=count), np.ones(count)], axis=1)
    right = chance.random(count) < 1 / (1 + np.exp(-features @ [2, -1, 0.5]))
    return Pairs(np.arange(count) % 40, features, right, np.zeros(count, np.bool_))


def test_weights_that_made_the_pairs_are_found_again() -> None:
    assert fit(made_pairs(), (0, 1, 2)) == pytest.approx([2, -1, 0.5], abs=0.1)


def test_what_is_neutral_says_nothing() -> None:
    pairs = made_pairs()
    turned = Pairs(pairs.words, pairs.features, pairs.right ^ (pairs.words < 10), pairs.words < 10)
    assert fit(turned, (0, 1, 2)) == pytest.approx(fit(pairs.of_words(np.arange(40) >= 10), (0, 1, 2)))


def test_what_the_product_says_of_made_photos_can_be_fitted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = made_set()
    judged = WordQueries.of(run.references)
    search = indexed(tmp_path / "search.db", run.captions, Meaning(MadeTower))
    pairs = pairs_of(run, search, judged)
    search.close()
    assert len(np.unique(pairs.words)) == len(judged.words) > 0
    assert fit(pairs, (0, 1, 2))[1] > 0, "pictures that are nearer are more often right"
    report(pairs, (0, 1, 2), len(judged.words))
    assert "from 0.62" in capsys.readouterr().out
