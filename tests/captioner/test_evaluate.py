"""Scores: the metrics on cases that can be told by hand, and the program on the shipped bundle."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("pycocoevalcap")

from captioner import DEFAULT_BUNDLE, evaluate
from captioner.metrics import calibration, fit_logistic, score, share_agreed, tag_scores

HUMAN = [
    ["A brown dog runs on the grass .", "a dog running outside"],
    ["Two girls swim in a pool .", "Girls are swimming"],
    ["A man rides a red bicycle .", "someone on a bicycle"],
]


def test_a_human_caption_is_perfect_and_another_is_not() -> None:
    perfect = score([texts[0] for texts in HUMAN], HUMAN)
    assert perfect.bleu == pytest.approx((1, 1, 1, 1), abs=1e-6)
    assert perfect.rouge_l == pytest.approx(1)
    assert (perfect.photos, perfect.distinct) == (3, 3)
    same = score([HUMAN[0][0]] * 3, HUMAN)
    assert same.distinct == 1
    assert same.cider < perfect.cider / 2
    assert same.bleu[0] < 0.6


def test_punctuation_and_case_do_not_count() -> None:
    assert score(["a BROWN dog runs on the grass"], HUMAN[:1]).bleu[3] == pytest.approx(1)


def test_share_agreed_looks_at_content_words_only() -> None:
    assert share_agreed("A brown dog on a sofa.", HUMAN[0]) == pytest.approx(2 / 3)
    assert share_agreed("A brown dog.", HUMAN[0]) == 1
    assert share_agreed("This is it.", HUMAN[0]) == 0


def test_tag_scores() -> None:
    found = tag_scores([["dog", "cat"], []], [["a dog on grass"], ["a cat"]], frozenset({"dog", "cat", "grass"}))
    assert found == {"precision": 0.5, "recall": pytest.approx(1 / 3, abs=1e-4), "per_photo": 1.0}


def test_logistic_is_fitted_to_shares() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=4000)
    share = 1 / (1 + np.exp(-(1.5 * x - 0.5)))
    slope, offset = fit_logistic(x, share)
    assert (slope, offset) == (pytest.approx(1.5, abs=0.01), pytest.approx(-0.5, abs=0.01))


def test_calibration_groups_by_confidence() -> None:
    found = calibration(np.array([0.9, 0.1, 0.8, 0.2]), np.array([1.0, 0.0, 0.5, 0.5]), bins=2)
    assert found == [{"confidence": 0.15, "agreed": 0.25}, {"confidence": 0.85, "agreed": 0.75}]


def test_the_constant_caption_is_a_human_one() -> None:
    assert evaluate.constant_caption(HUMAN) in [text for texts in HUMAN for text in texts]


def test_the_program_scores_the_shipped_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i, colour in enumerate(("green", "blue")):
        Image.new("RGB", (60, 40), colour).save(tmp_path / f"{i}.png")
    lines = [json.dumps({"image": f"{i}.png", "captions": ["A wall .", "a colour"]}) for i in range(2)]
    (tmp_path / "captions.jsonl").write_text("\n".join(lines))
    evaluate.main(["--photos", str(tmp_path), "--captions", str(tmp_path / "captions.jsonl"), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["photos"] == 2
    assert {"BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "CIDEr", "ROUGE-L", "distinct", "tags"} <= found.keys()


def test_photos_without_captions_are_an_error(tmp_path: Path) -> None:
    Image.new("RGB", (60, 40)).save(tmp_path / "x.png")
    (tmp_path / "captions.jsonl").write_text('{"image": "y.png", "captions": ["A wall ."]}\n')
    with pytest.raises(ValueError, match="no photo of"):
        evaluate.main(["--photos", str(tmp_path), "--captions", str(tmp_path / "captions.jsonl")])


def test_the_shipped_bundle_is_as_good_as_its_manifest_says(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the first 60 photos of the dev split: within reach of the score on all of it."""
    dev = shared / "data" / "flickr8k-dev"
    evaluate.main(["--photos", f"{dev}.tar", "--captions", f"{dev}.jsonl", "--limit", "60", "--json"])
    found = json.loads(capsys.readouterr().out)
    scores = json.loads((DEFAULT_BUNDLE / "manifest.json").read_text())["scores"]["flickr8k-dev"]
    assert found["BLEU-1"] == pytest.approx(scores["BLEU-1"], abs=0.08)
    assert found["CIDEr"] > 0.5 * scores["CIDEr"]
    assert found["CIDEr"] > 2 * scores["constant caption"]["CIDEr"]
