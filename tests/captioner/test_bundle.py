"""The model that is shipped: whole, described, lean, and the same every time."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from captioner import DEFAULT_BUNDLE, BundleError
from captioner.inference.litert import LiteRTCaptioner
from captioner.inference.manifest import DECODER, ENCODER, Manifest
from captioner.inference.preprocess import content_words, squash
from captioner.training.non_photos import NonPhotoType, generator, make


def made_picture() -> Image.Image:
    """A green field under a blue sky with a brown thing in it."""
    image = Image.new("RGB", (640, 480), (90, 150, 230))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 260, 640, 480), fill=(60, 140, 50))
    draw.ellipse((250, 230, 420, 330), fill=(120, 80, 40))
    return image


def test_it_checks_out_against_its_manifest() -> None:
    manifest = Manifest.read(DEFAULT_BUNDLE)
    manifest.check(DEFAULT_BUNDLE)
    assert {"flickr8k-dev", "coco-held"} <= manifest.scores.keys()
    assert manifest.training.keys() >= {"data", "commit"}
    assert sum(file.stat().st_size for file in DEFAULT_BUNDLE.iterdir()) < 24_000_000
    assert "Apache" in (DEFAULT_BUNDLE / "MODEL_CARD.md").read_text()


def test_it_captions_a_picture_the_same_every_time() -> None:
    captions = set()
    for _ in range(2):
        captioner = LiteRTCaptioner(DEFAULT_BUNDLE)
        captions.add(captioner.caption(squash(made_picture(), captioner.input_px)))
    (caption,) = captions
    assert caption.model == Manifest.read(DEFAULT_BUNDLE).model


def test_nothing_of_a_picture_is_left_for_the_next_one() -> None:
    captioner, fresh = LiteRTCaptioner(DEFAULT_BUNDLE), LiteRTCaptioner(DEFAULT_BUNDLE)
    one, other = (
        captioner.encode(squash(image, captioner.input_px)) for image in (made_picture(), made_picture().rotate(90))
    )
    expected = fresh.decode(one)
    captioner.decode(other)
    assert captioner.decode(one) == expected


@pytest.mark.slow
def test_it_describes_photos_and_weighs_each_word(shared: Path) -> None:
    captioner = LiteRTCaptioner(DEFAULT_BUNDLE)
    photos = sorted((shared / "photos" / "coco").glob("*.jpg"))[:12]
    captions = [captioner.caption(squash(Image.open(path), captioner.input_px)) for path in photos]
    for caption in captions:
        assert len(caption.text.split()) >= 3
        assert [tag.word for tag in caption.words] == content_words(caption.text)
        assert all(0 < tag.probability < 1 for tag in caption.words)
        assert caption.embedding is not None
    assert len({caption.text for caption in captions}) > 9
    assert len({round(caption.confidence, 3) for caption in captions}) > 9


def test_every_beam_writes_a_sentence() -> None:
    for beam in (1, 3):
        captioner = LiteRTCaptioner(DEFAULT_BUNDLE, beam=beam)
        assert captioner.decode(captioner.encode(squash(made_picture(), captioner.input_px))).tokens


@pytest.mark.parametrize("part", [ENCODER, DECODER, "vocabulary.txt", "tags.txt", "manifest.json"])
def test_a_missing_file_is_named(tmp_path: Path, part: str) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(DEFAULT_BUNDLE, bundle)
    (bundle / part).unlink()
    with pytest.raises(BundleError, match=f"{part} is missing.*reinstall"):
        LiteRTCaptioner(bundle)


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(DEFAULT_BUNDLE, bundle)
    content = bytearray((bundle / ENCODER).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / ENCODER).write_bytes(bytes(content))
    with pytest.raises(BundleError, match=f"{ENCODER} is damaged"):
        LiteRTCaptioner(bundle)


def test_a_file_that_is_no_model_is_told_apart_from_damage(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(DEFAULT_BUNDLE, bundle)
    (bundle / DECODER).write_bytes(b"not a model")
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"].pop(DECODER)
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=f"lists no {DECODER}"):
        LiteRTCaptioner(bundle)


LEAN = """
import sys
import numpy as np
from captioner import DEFAULT_BUNDLE
from captioner.inference.litert import LiteRTCaptioner
captioner = LiteRTCaptioner(DEFAULT_BUNDLE)
pixels = np.random.default_rng(0).integers(0, 256, (captioner.input_px, captioner.input_px, 3)).astype(np.uint8)
captioner.caption(pixels)
outputs = captioner.encode(pixels)
captioner.word_evidence(captioner.decode(outputs), outputs, captioner.class_words(outputs))
heavy = {"tensorflow", "keras", "jax", "torch", "scipy"} & {name.partition(".")[0] for name in sys.modules}
with open("/proc/self/status") as status:
    peak_kib = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(sorted(heavy), peak_kib)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_captioning_is_lean_and_imports_no_tensorflow(repository: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LEAN], capture_output=True, text=True, check=True, cwd=repository)
    heavy, peak_kib = done.stdout.rsplit(" ", 1)
    assert heavy == "[]"
    assert int(peak_kib) < 110 * 1024


@pytest.mark.parametrize("level", [0, 128, 255])
def test_of_a_blank_picture_nothing_is_said(level: int) -> None:
    captioner = LiteRTCaptioner(DEFAULT_BUNDLE)
    caption = captioner.caption(np.full((captioner.input_px, captioner.input_px, 3), level, np.uint8))
    assert (caption.text, caption.words, caption.embedding) == ("", (), None)
    assert {tag.word for tag in caption.tags} <= {"pattern"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "sentence"), [(NonPhotoType.TEXT, "A page of text."), (NonPhotoType.SCREENSHOT, "A screenshot.")]
)
def test_papers_and_screens_are_called_what_they_are(kind: NonPhotoType, sentence: str) -> None:
    captioner = LiteRTCaptioner(DEFAULT_BUNDLE)
    pictures = [squash(make(kind, generator(kind, 99, n)), captioner.input_px) for n in range(20)]
    said = [captioner.caption(pixels).text for pixels in pictures]
    assert said.count(sentence) >= 14
