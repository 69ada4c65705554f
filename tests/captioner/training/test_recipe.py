"""The full recipe from the first download to the scores, on a dozen made photos in COCO's own layout."""

from __future__ import annotations

import json
import re
import shlex
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("pycocoevalcap")

from keras.src.applications.convnext import ConvNeXt

from captioner.inference.litert import LiteRTCaptioner
from captioner.inference.manifest import Manifest
from captioner.training import checkpoint, recipe
from captioner.training.data import Source, read_captions
from captioner.training.encoder import SIZES, EncoderSize
from captioner.training.pretrained import PUBLISHED
from tests.captioner.training.coco_made import PHOTOS, coco_files, files_table
from tests.captioner.training.file_server import serving

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")
MADE = EncoderSize((1, 1, 2, 1), (8, 8, 16, 16), published=True)
PX = 64


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small size, and what keras.applications would publish of it."""
    monkeypatch.setitem(SIZES, "made", MADE)
    small = partial(ConvNeXt, list(MADE.depths), list(MADE.widths), name="convnext_made")
    monkeypatch.setitem(PUBLISHED, "made", small)


@pytest.mark.slow
@pytest.mark.timeout(900)  # about a minute's work
@pytest.mark.usefixtures("made")
def test_four_commands_lead_from_nothing_to_a_scored_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    coco, run, bundle = tmp_path / "coco", tmp_path / "run", tmp_path / "bundle"
    PUBLISHED["made"](weights=None).save_weights(tmp_path / "made.weights.h5")
    files = coco_files()
    with serving(files) as server:
        (tmp_path / "files.json").write_text(files_table(files, server.url("")))
        server.cuts = [100]
        prepare = ["prepare", "--coco", str(coco), "--run", str(run), "--size", "made", "--px", str(PX),
                   "--files", str(tmp_path / "files.json"), "--weights", str(tmp_path / "made.weights.h5")]  # fmt: skip
        recipe.main(prepare)
        recipe.main(prepare)  # nothing is done twice
        assert len(server.asked) == len(files) + 1
    assert len(Source.open(run / "prepared" / "coco").names) == len(PHOTOS)

    known = sorted({word for texts in read_captions(coco / "train.jsonl").values() for text in texts
                    for word in text.lower().strip(".").split()})  # fmt: skip
    (run / "pieces.txt").write_text("".join(f"{word}\n" for word in known))
    np.save(run / "words.npy", np.random.default_rng(0).normal(size=(len(known), 384)).astype(np.float16))
    training = ["train", "--coco", str(coco), "--run", str(run), "--size", "made", "--px", str(PX), "--steps", "3",
                "--batch", "4", "--width", "32", "--layers", "1", "--tag-least", "2"]  # fmt: skip
    recipe.main(training)
    assert not (run / "views").exists()
    left = [options[0] for _, _, options in recipe.train_commands(recipe.build_parser().parse_args(training))]
    assert left == ["embedding"]  # which finds that it is done; the others would make their views again
    before, after = (checkpoint.load(run / f"{name}.npz") for name in ("pretrained", "joint"))
    assert not np.array_equal(before["stem/kernel"], after["stem/kernel"])
    np.testing.assert_array_equal(before["classes/kernel"], after["classes/kernel"])

    recipe.main(["export", "--run", str(run), "--out", str(bundle), "--model-name", "recollect-made"])
    capsys.readouterr()
    recipe.main(["evaluate", "--coco", str(coco), "--out", str(bundle)])
    scores = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [found["photos"] for found in scores] == [2, 2]
    manifest = Manifest.read(bundle)
    assert list(manifest.scores) == ["coco-karpathy-val", "coco-karpathy-test"]
    assert manifest.scores["coco-karpathy-test"]["CIDEr"] == scores[1]["CIDEr"]
    caption = LiteRTCaptioner(bundle).caption(np.zeros((PX, PX, 3), np.uint8))
    assert caption.model == "recollect-made-1"
    assert caption.embedding is not None


def test_the_readme_s_commands_are_understood(repository: Path) -> None:
    shown = re.findall(
        r"^ +python -m captioner\.training\.recipe (.+)$",
        (repository / "captioner" / "README.md").read_text(),
        re.MULTILINE,
    )
    parts = [recipe.build_parser().parse_args(shlex.split(line)).part for line in shown]
    assert parts == ["prepare", "train", "export", "evaluate"]


def test_meaning_needs_both_its_sources(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        recipe.main(["prepare", "--coco", str(tmp_path), "--run", str(tmp_path), "--sentence-teacher", str(tmp_path)])
    assert ended.value.code == 2
    assert "--sentence-teacher needs --wordnet" in capsys.readouterr().err
