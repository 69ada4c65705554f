"""Scores: the metrics on cases that can be told by hand, and the program on the shipped bundle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("pycocoevalcap")

from captioner import DEFAULT_BUNDLE, Caption
from captioner.inference.manifest import Manifest
from captioner.training import evaluate
from captioner.training.captioned_photos import CaptionedPhotos
from captioner.training.metrics import (
    auc,
    calibration,
    calibration_error,
    content_word_agreement,
    fit_logistic,
    repeats_a_word,
    score,
    tag_scores,
)
from captioner.training.retrieval import Searcher
from tests.bundles_made import copy_that_takes_all_for_photos

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


def test_a_caption_without_text_scores_nothing_and_is_not_counted_as_a_caption() -> None:
    found = score(["", "a brown dog", ""], [HUMAN[0]] * 3)
    assert found.distinct == 1
    assert 0 < found.rouge_l < 1 / 3
    assert score(["", ""], HUMAN[:2]).table() == {
        "photos": 2, "BLEU-1": 0, "BLEU-2": 0, "BLEU-3": 0, "BLEU-4": 0, "CIDEr": 0, "ROUGE-L": 0, "distinct": 0
    }  # fmt: skip


@pytest.mark.parametrize(
    ("caption", "twice"),
    [
        ("A sink and a white sink.", True),
        ("A computer computer on a desk.", True),
        ("A man in a hat and a man.", True),
        ("A man on a horse on a hill.", False),
        ("A dog and two dogs.", False),
        ("", False),
    ],
)
def test_a_content_word_that_stands_twice(caption: str, twice: bool) -> None:
    assert repeats_a_word(caption) is twice


def test_auc_counts_the_pairs_in_the_right_order_and_half_of_the_tied() -> None:
    scores, positive = np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, True, False, True])
    assert auc(scores, positive) == 0.875, "three pairs in order and one tied, of four"
    assert auc(-scores, positive) == 0.125
    assert auc(np.ones(5), np.array([True, False, False, True, False])) == 0.5
    assert auc(scores, np.ones(4, bool)) is None
    assert auc(scores, np.zeros(4, bool)) is None
    assert auc(np.zeros(0), np.zeros(0, bool)) is None


def test_share_agreed_looks_at_content_words_only() -> None:
    assert content_word_agreement("A brown dog on a sofa.", HUMAN[0]) == pytest.approx(2 / 3)
    assert content_word_agreement("A brown dog.", HUMAN[0]) == 1
    assert content_word_agreement("This is it.", HUMAN[0]) == 0


def test_tag_scores() -> None:
    found = tag_scores([["dog", "cat"], []], [["a dog on grass"], ["a cat"]], frozenset({"dog", "cat", "grass"}))
    assert found == {"precision": 0.5, "recall": pytest.approx(1 / 3, abs=1e-4), "per_photo": 1.0}


def test_class_names_are_told_apart_and_may_be_phrases() -> None:
    told = [["dog", "golden retriever", "puffer fish"], ["dog", "fire truck", "golden retriever"]]
    human = [["A golden retriever on grass ."], ["a red truck", "fire truck, dog"]]
    found = tag_scores(told, human, frozenset({"dog", "grass", "truck"}))
    assert (found["precision"], found["per_photo"]) == (0.5, 3.0)
    assert found["recall"] == pytest.approx(1 / 3, abs=1e-4)
    assert found["tag head"] == {"precision": 0.5, "per_photo": 1.0}
    assert found["class names"] == {
        "precision": 0.5,
        "precision of those that people used": pytest.approx(2 / 3, abs=1e-4),
        "per_photo": 2.0,
    }


def test_a_phrase_does_not_reach_from_one_caption_into_the_next() -> None:
    found = tag_scores([["red dog"]], [["something red", "dog"]], frozenset())
    assert found["precision"] == 0


def test_logistic_is_fitted_to_shares() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=4000)
    share = 1 / (1 + np.exp(-(1.5 * x - 0.5)))
    slope, offset = fit_logistic(x, share)
    assert (slope, offset) == (pytest.approx(1.5, abs=0.01), pytest.approx(-0.5, abs=0.01))


def test_calibration_groups_by_confidence() -> None:
    found = calibration(np.array([0.9, 0.1, 0.8, 0.2]), np.array([1.0, 0.0, 0.5, 0.5]), bins=2)
    assert found == [
        {"confidence": 0.15, "agreed": 0.25, "photos": 2},
        {"confidence": 0.85, "agreed": 0.75, "photos": 2},
    ]
    assert calibration_error(found) == 0.1
    assert calibration_error([]) == 0


def test_the_constant_caption_is_a_human_one() -> None:
    assert evaluate.constant_caption(HUMAN) in [text for texts in HUMAN for text in texts]


@pytest.fixture
def made_set(tmp_path: Path) -> Path:
    """Two photos with captions."""
    for i, colour in enumerate(("green", "blue")):
        Image.new("RGB", (60, 40), colour).save(tmp_path / f"{i}.png")
    lines = [json.dumps({"image": f"{i}.png", "captions": ["A wall .", "a colour"]}) for i in range(2)]
    (tmp_path / "captions.jsonl").write_text("\n".join(lines))
    return tmp_path


def test_the_program_scores_the_shipped_bundle(made_set: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (made_set / "synonyms.txt").write_text("wall\tbarrier\t2\n")
    plot = made_set / "plot.svg"
    evaluate.main(["--photos", str(made_set), "--captions", str(made_set / "captions.jsonl"), "--json",
                   "--bundle", str(copy_that_takes_all_for_photos(made_set / "bundle")),
                   "--synonyms", str(made_set / "synonyms.txt"), "--plot", str(plot)])  # fmt: skip
    found = json.loads(capsys.readouterr().out)
    assert found["photos"] == 2
    assert found["agreement"]["sentences"] == 2
    assert {"confidence", "calibration error", "confidence AUC"} <= found.keys()
    assert found["evidence"]["words"] >= 2
    assert found["word queries"] == {"queries": 0, "photos": 2}
    assert {"BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "CIDEr", "ROUGE-L", "distinct", "tags"} <= found.keys()
    assert found["retrieval"]["queries"] == 4
    assert found["retrieval"]["photos"] == 2
    assert found["retrieval"]["lexical"].keys() == {"recall@1", "recall@5", "recall@10", "median rank"}
    assert found["synonyms"]["queries"] == 2
    assert found["synonyms"]["loss of recall@10"]["lexical"] == 0, "two photos: both are among the first ten"
    assert f"{made_set.name}: 2 photos" in plot.read_text()


def test_every_photo_without_a_sentence_is_scored_too() -> None:
    captions = tuple(Caption("", 0.5, (), None, "made-1", sure=False) for _ in HUMAN)
    run = CaptionedPhotos(("a", "b", "c"), captions, tuple(map(tuple, HUMAN)))
    found = evaluate.score_bundle(run, frozenset(), Searcher.over(captions, None), None)
    assert (found["confidence"], found["calibration error"]) == ([], 0)
    assert (found["agreement"]["sentences"], found["agreement"]["empty"]) == (0, 3)
    json.dumps(found, allow_nan=False)


@pytest.fixture
def made_nothing(tmp_path: Path) -> Path:
    """Two pictures that hold nothing."""
    (tmp_path / "nothing").mkdir()
    for name, colour in (("a.png", "white"), ("b.png", "black")):
        Image.new("RGB", (60, 40), colour).save(tmp_path / "nothing" / name)
    return tmp_path / "nothing"


def test_pictures_of_nothing_need_no_captions(made_nothing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate.main(["--nothing", str(made_nothing), "--cache", str(made_nothing.parent / "kept.npz"), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found.keys() == {"nothing"}
    assert found["nothing"]["pictures"] == 2
    assert found["nothing"]["invented"] == len(found["nothing"]["sentences"]) / 2
    assert (made_nothing.parent / "kept-nothing.npz").exists()


def test_what_is_recorded_is_what_is_printed_without_the_invented_sentences(
    made_set: Path, made_nothing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = made_set / "bundle"
    shutil.copytree(DEFAULT_BUNDLE, bundle)
    (made_set / "photos").mkdir()
    for name in ("0.png", "1.png"):
        (made_set / name).rename(made_set / "photos" / name)
    evaluate.main(["--photos", str(made_set / "photos"), "--captions", str(made_set / "captions.jsonl"), "--json",
                   "--nothing", str(made_nothing), "--bundle", str(bundle), "--record", "made"])  # fmt: skip
    found = json.loads(capsys.readouterr().out)
    scores = Manifest.read(bundle).scores
    assert scores.keys() == {*Manifest.read(DEFAULT_BUNDLE).scores, "made"}
    assert "sentences" in found["nothing"]
    del found["nothing"]["sentences"]
    assert scores["made"] == found


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ([], "nothing to evaluate"),
        (["--photos", "x"], "belong together"),
        (["--captions", "x", "--nothing", "y"], "belong together"),
        (["--nothing", "x", "--calibrate"], "--calibrate: --photos and --captions are needed"),
        (["--nothing", "x", "--plot", "y", "--synonyms", "z"], "--synonyms, --plot: --photos and --captions are"),
    ],
)
def test_options_that_do_not_fit_together(
    options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        evaluate.main(options)
    assert stopped.value.code == 2
    assert complaint in capsys.readouterr().err


def test_a_cache_is_for_the_bundle_s_own_beam(made_set: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        evaluate.main(["--photos", str(made_set), "--captions", str(made_set / "captions.jsonl"),
                       "--beam", "1", "--cache", str(made_set / "cache.npz")])  # fmt: skip
    assert "--beam" in capsys.readouterr().err


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
