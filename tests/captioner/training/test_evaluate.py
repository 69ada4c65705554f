"""The evaluation program on the shipped bundle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("pycocoevalcap")

import re
import xml.etree.ElementTree as ET

from captioner import DEFAULT_BUNDLE, Caption
from captioner.inference.manifest import Manifest
from captioner.training import evaluate
from captioner.training.captioned_photos import CaptionedPhotos
from captioner.training.evaluate import reliability_diagram
from captioner.training.retrieval import Searcher
from tests.bundles_made import copy_that_takes_all_for_photos

HUMAN = [
    ["A brown dog runs on the grass .", "a dog running outside"],
    ["Two girls swim in a pool .", "Girls are swimming"],
    ["A man rides a red bicycle .", "someone on a bicycle"],
]


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


@pytest.mark.slow
def test_the_shipped_bundle_is_as_good_as_its_manifest_says(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the first 60 photos of the dev split: within reach of the score on all of it."""
    dev = shared / "data" / "flickr8k-dev"
    evaluate.main(["--photos", f"{dev}.tar", "--captions", f"{dev}.jsonl", "--limit", "60", "--json"])
    found = json.loads(capsys.readouterr().out)
    scores = json.loads((DEFAULT_BUNDLE / "manifest.json").read_text())["scores"]["flickr8k-dev"]
    assert found["BLEU-1"] == pytest.approx(scores["BLEU-1"], abs=0.08)
    assert found["CIDEr"] > 0.5 * scores["CIDEr"]
    assert found["CIDEr"] > 2 * scores["constant caption"]["CIDEr"]


SVG = "{http://www.w3.org/2000/svg}"
GROUPS = [
    {"confidence": 0.3, "agreed": 0.25, "photos": 100},
    {"confidence": 0.6, "agreed": 0.65, "photos": 50},
]


def drawn(splits: dict[str, list[dict[str, float]]]) -> ET.Element:
    return ET.fromstring(reliability_diagram(splits))


def test_every_group_is_a_dot_where_its_numbers_are() -> None:
    root = drawn({"dev": GROUPS})
    frame = next(rect for rect in root.iter(f"{SVG}rect") if rect.get("class") == "frame")
    left, top, side = (float(frame.get(name, "")) for name in ("x", "y", "width"))
    dots = [dot for dot in root.iter(f"{SVG}circle") if dot.find(f"{SVG}title") is not None]
    at = [((float(d.get("cx", "")) - left) / side, 1 - (float(d.get("cy", "")) - top) / side) for d in dots]
    assert at == [pytest.approx((0.3, 0.25), abs=1e-3), pytest.approx((0.6, 0.65), abs=1e-3)]
    assert float(dots[0].get("r", "")) > float(dots[1].get("r", "")), "more photos, a larger dot"


def test_splits_are_named_with_counts_and_told_apart_by_shape() -> None:
    root = drawn({"dev": GROUPS, "<held> & back": GROUPS[:1]})
    texts = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert "dev: 150 photos, off by 0.05 on average" in texts
    assert "<held> & back: 100 photos, off by 0.05 on average" in texts
    assert len([rect for rect in root.iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]) == 1


def test_it_is_readable_without_eyes_and_in_the_dark() -> None:
    root = drawn({"dev": GROUPS})
    assert root.get("role") == "img"
    assert "confidence 0.30, agreed 0.25" in (root.findtext(f"{SVG}desc") or "")
    style = root.findtext(f"{SVG}style") or ""
    light, dark = style.split("prefers-color-scheme:dark")
    assert re.search(r"\.d0\{fill:#", light)
    assert re.search(r"\.d0\{fill:#", dark)


def test_nothing_lies_outside_the_picture() -> None:
    root = drawn({f"split {i}": GROUPS for i in range(5)})
    height = float(root.get("height", ""))
    assert max(float(text.get("y", "0")) for text in root.iter(f"{SVG}text")) < height


def test_no_split_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        reliability_diagram({})
