"""Every stage of training on eight made photos, to a bundle that is scored; it must learn them by heart."""

from __future__ import annotations

import json
import shutil
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

pytest.importorskip("tensorflow")
pytest.importorskip("pycocoevalcap")

from captioner import DEFAULT_BUNDLE, TextTower
from captioner.inference.litert import LiteRTCaptioner
from captioner.training import checkpoint, data, evaluate, export, train
from captioner.training.encoder import build_encoder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # two minutes' work on an idle machine
COLOURS = {"red": (220, 30, 30), "green": (20, 180, 40), "blue": (30, 60, 220), "yellow": (240, 220, 20)}
PX = 64


def made_photo(colour: str, shape: str) -> Image.Image:
    image = Image.new("RGB", (PX, PX), (128, 128, 128))
    draw = ImageDraw.Draw(image)
    (draw.ellipse if shape == "ball" else draw.rectangle)((8, 8, 56, 56), fill=COLOURS[colour])
    return image


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight photos in a tar file, and their captions."""
    directory = tmp_path_factory.mktemp("photos")
    with (
        tarfile.open(directory / "photos.tar", "w") as tar,
        (directory / "captions.jsonl").open("w") as lines,
    ):
        for colour in COLOURS:
            for shape in ("ball", "box"):
                buffer = BytesIO()
                made_photo(colour, shape).save(buffer, "PNG")
                member = tarfile.TarInfo(f"{colour}-{shape}.png")
                member.size = buffer.tell()
                buffer.seek(0)
                tar.addfile(member, buffer)
                captions = [f"A {colour} {shape} lies on the grey floor .", f"there is a {colour} {shape}"]
                lines.write(json.dumps({"image": member.name, "captions": captions}) + "\n")
    return directory


@pytest.fixture(scope="module")
def prepared(photos: Path) -> Path:
    """The same prepared."""
    out = photos / "prepared"
    data.main([f"made={photos / 'photos.tar'}", "--out", str(out), "--px", str(PX)])
    return out


@pytest.fixture(scope="module")
def run(photos: Path, prepared: Path) -> Path:
    """Every stage from an encoder that has learnt nothing, a few steps each."""
    out, captions = photos / "run", photos / "captions.jsonl"
    common = ["--run", str(out), "--warmup", "5", "--ema", "0.9", "--decay", "0"]
    sources = ["--prepared", str(prepared)]
    captioned = ["--captioned", f"made={captions}", "--tag-least", "2"]
    checkpoint.save(out / "encoder.npz", checkpoint.weights(build_encoder("test", PX)))
    train.main(["language", *common, "--captions", str(captions), "--size", "test", "--px", "64", "--length", "12",
                "--width", "32", "--layers", "2", "--dropout", "0", "--batch", "8", "--steps", "20",
                "--rate", "0.005"])  # fmt: skip
    train.main(["captioner", *common, *sources, *captioned, "--batch", "8", "--steps", "20", "--rate", "0.005",
                "--start", str(out / "encoder.npz"), "--language", str(out / "language.npz")])  # fmt: skip
    train.main(["joint", *common, *sources, *captioned, "--batch", "8", "--steps", "220", "--rate", "0.004",
                "--start", str(out / "encoder.npz"), "--language", str(out / "captioner.npz")])  # fmt: skip
    shutil.rmtree(out / "views")  # they are of an encoder that has been trained on since
    trained = ["--start", str(out / "joint.npz"), "--language", str(out / "joint.npz")]
    train.main(["critic", *common, *sources, *captioned, *trained, "--batch", "4", "--steps", "5", "--rate", "1e-5"])
    write_words(out)
    train.main(["embedding", *common, *sources, *captioned, *trained, "--batch", "8", "--steps", "60", "--rate", "0.01",
                "--swap", "0"])  # fmt: skip
    return out


def write_words(run: Path) -> None:
    """What `captioner.training.word_list` would: words with vectors at random, but that "crimson" is nearly "red"."""
    known = ["crimson", *COLOURS, "ball", "box", "floor"]
    vectors = np.random.default_rng(0).normal(size=(len(known), 384))
    vectors[0] = vectors[1] + 0.1 * vectors[0]
    np.save(run / "words.npy", (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16))
    (run / "pieces.txt").write_text("".join(f"{word}\n" for word in known))


@pytest.fixture(scope="module")
def bundle(photos: Path, run: Path) -> Path:
    """The bundle that comes of it."""
    out = photos / "bundle"
    weights = [str(run / f"{name}.npz") for name in ("joint", "critic", "embedding")]
    export.main(["--run", str(run), "--weights", *weights, "--out", str(out), "--model-name", "made"])
    return out


def test_a_model_learns_eight_photos_by_heart(photos: Path, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate.main(["--photos", str(photos / "photos.tar"), "--captions", str(photos / "captions.jsonl"),
                   "--bundle", str(bundle), "--calibrate", "--record", "made", "--json"])  # fmt: skip
    found = json.loads(capsys.readouterr().out)
    assert found["photos"] == 8
    assert found["distinct"] == 8
    assert found["BLEU-4"] > 0.9
    assert found["CIDEr"] > 2 * found["constant caption"]["CIDEr"]
    recorded = json.loads((bundle / "manifest.json").read_text())["scores"]["made"]
    assert recorded["CIDEr"] == found["CIDEr"]


def test_tags_are_what_the_photo_shows(bundle: Path) -> None:
    captioner = LiteRTCaptioner(bundle)
    caption = captioner.caption(np.asarray(made_photo("blue", "ball")))
    assert {"blue", "ball"} <= {tag.word for tag in caption.tags}
    assert caption.model == "made-1"
    assert 0 <= caption.confidence <= 1


def test_texts_lie_near_the_photos_they_describe(bundle: Path) -> None:
    captioner, tower = LiteRTCaptioner(bundle), TextTower.open(bundle)
    assert tower is not None
    made = {(c, s): np.asarray(made_photo(c, s)) for c in COLOURS for s in ("ball", "box")}
    photos = {name: captioner.caption(pixels).embedding for name, pixels in made.items()}
    for word, text in (("red", "a red box"), ("blue", "the blue box"), ("red", "crimson box")):
        meant = tower.embed(text)
        assert meant is not None
        nearest = max(photos, key=lambda name: float(np.dot(photos[name] or (), meant)))
        assert nearest == (word, "box"), text
    assert all(np.linalg.norm(embedding or ()) == pytest.approx(1, abs=1e-3) for embedding in photos.values())


def test_a_finished_stage_has_nothing_left_to_do(run: Path, photos: Path) -> None:
    before = checkpoint.load(run / "language.npz")
    train.main(["language", "--run", str(run), "--warmup", "5", "--ema", "0.9", "--decay", "0", "--captions",
                str(photos / "captions.jsonl"), "--size", "test", "--px", "64", "--length", "12", "--width", "32",
                "--layers", "2", "--dropout", "0", "--batch", "8", "--steps", "20"])  # fmt: skip
    after = checkpoint.load(run / "language.npz")
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_decoder_with_hints_reads_a_convnext_of_its_own(
    run: Path, photos: Path, prepared: Path, tmp_path: Path
) -> None:
    captions = str(photos / "captions.jsonl")
    common = [
        "--run",
        str(tmp_path),
        "--warmup",
        "1",
        "--decay",
        "0",
        "--tag-least",
        "2",
        "--batch",
        "8",
        "--steps",
        "2",
    ]
    train.main(["language", *common, "--captions", captions, "--size", "test", "--px", "64", "--length", "12",
                "--width", "32", "--layers", "2", "--hints", "2"])  # fmt: skip
    train.main(["captioner", *common, "--prepared", str(prepared), "--captioned", f"made={captions}",
                "--start", str(run / "encoder.npz"), "--language", str(tmp_path / "language.npz")])  # fmt: skip
    assert checkpoint.load(tmp_path / "views" / "hints.npz")["words"].shape == (8, 6, 2)
    assert checkpoint.load(tmp_path / "captioner.npz")


def test_the_committed_checkpoint_has_every_weight(repository: Path, tmp_path: Path) -> None:
    directory = repository / "captioner" / "checkpoint"
    weights = checkpoint.load(directory / "lite-3-float16.npz")
    shutil.copyfile(directory / "lite-3.json", tmp_path / "model.json")
    for name in ("vocabulary.txt", "tags.txt"):
        shutil.copyfile(DEFAULT_BUNDLE / name, tmp_path / name)
    export.Exporter(tmp_path, weights)
    assert {str(array.dtype) for array in weights.values()} == {"float16"}
