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
from captioner.litert import LiteRTCaptioner
from captioner.manifest import DECODER, ENCODER, Manifest
from captioner.preprocess import squash


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
    assert sum(file.stat().st_size for file in DEFAULT_BUNDLE.iterdir()) < 20_000_000
    assert "Apache" in (DEFAULT_BUNDLE / "MODEL_CARD.md").read_text()


def test_it_captions_a_made_picture_the_same_every_time() -> None:
    captions = set()
    for _ in range(2):
        captioner = LiteRTCaptioner(DEFAULT_BUNDLE)
        captions.add(captioner.caption(squash(made_picture(), captioner.input_px)))
    (caption,) = captions
    assert len(caption.text.split()) >= 3
    assert 0 < caption.confidence < 1
    assert caption.model == Manifest.read(DEFAULT_BUNDLE).model


def test_one_bundle_captions_every_beam() -> None:
    for beam in (1, 3):
        captioner = LiteRTCaptioner(DEFAULT_BUNDLE, beam=beam)
        assert captioner.caption(squash(made_picture(), captioner.input_px)).text


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
from captioner.litert import LiteRTCaptioner
captioner = LiteRTCaptioner(DEFAULT_BUNDLE)
captioner.caption(np.zeros((captioner.input_px, captioner.input_px, 3), np.uint8))
heavy = {"tensorflow", "keras", "jax", "torch", "scipy"} & {name.partition(".")[0] for name in sys.modules}
with open("/proc/self/status") as status:
    peak_kib = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(sorted(heavy), peak_kib)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_captioning_is_lean_and_imports_no_tensorflow(repository: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LEAN], capture_output=True, text=True, check=True, cwd=repository)
    heavy, peak_kib = done.stdout.rsplit(" ", 1)
    assert heavy == "[]"
    assert int(peak_kib) < 110 * 1024


def test_a_blank_picture_is_captioned_too() -> None:
    captioner = LiteRTCaptioner(DEFAULT_BUNDLE)
    assert captioner.caption(np.zeros((captioner.input_px, captioner.input_px, 3), np.uint8)).text
