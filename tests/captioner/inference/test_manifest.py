"""A bundle's manifest: what is wrong with a bundle is said with the file, what was expected and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from captioner import BundleError
from captioner.inference.manifest import (
    REQUIRED_FILES,
    Confidence,
    Decoding,
    FileEntry,
    Manifest,
    Preprocessing,
    Tagging,
)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of the right form; its models are words."""
    for part in REQUIRED_FILES:
        (tmp_path / part).write_text(f"this is {part}\n")
    Manifest(
        name="made",
        version=3,
        preprocessing=Preprocessing(32, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0)),
        decoding=Decoding(10, 5, 2, 2, 8, 3, 3, 0.7),
        tagging=Tagging(0.25),
        confidence=Confidence(1.5, 2.5),
        files={part: FileEntry.measure(tmp_path / part) for part in REQUIRED_FILES},
        scores={"dev": {"CIDEr": 0.5}},
        training={"commit": "abc"},
    ).write(tmp_path)
    return tmp_path


def test_what_is_written_is_read(bundle: Path) -> None:
    manifest = Manifest.read(bundle)
    manifest.check(bundle)
    assert manifest.model == "made-3"
    assert manifest.preprocessing == Preprocessing(32, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    assert manifest.scores == {"dev": {"CIDEr": 0.5}}
    before = (bundle / "manifest.json").read_text()
    manifest.write(bundle)
    assert (bundle / "manifest.json").read_text() == before


def test_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no model bundle at .*manifest.json is missing; reinstall"):
        Manifest.read(tmp_path / "nowhere")


@pytest.mark.parametrize("part", REQUIRED_FILES)
def test_a_missing_file(bundle: Path, part: str) -> None:
    (bundle / part).unlink()
    with pytest.raises(BundleError, match=f"{part} is missing from the model bundle made-3; reinstall"):
        Manifest.read(bundle).check(bundle)


@pytest.mark.parametrize("part", REQUIRED_FILES)
def test_a_damaged_file(bundle: Path, part: str) -> None:
    content = bytearray((bundle / part).read_bytes())
    content[3] ^= 1
    (bundle / part).write_bytes(bytes(content))
    with pytest.raises(BundleError, match=f"{part} is damaged: expected .* bytes with sha-256 .*reinstall"):
        Manifest.read(bundle).check(bundle)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 2}', "\x00\xff"])
def test_a_manifest_that_is_none(bundle: Path, text: str) -> None:
    (bundle / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(BundleError, match=r"manifest\.json .*(can't be read|bundle format)"):
        Manifest.read(bundle)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("preprocessing", {"input_px": "wide"}),
        ("preprocessing", None),
        ("decoding", {"beam": 3}),
        ("files", {}),
        ("files", {"encoder.tflite": {"sha256": "0"}}),
        ("scores", 5),
        ("surprise", 1),
    ],
)
def test_a_manifest_with_something_wrong(bundle: Path, key: str, value: object) -> None:
    data = json.loads((bundle / "manifest.json").read_text())
    data[key] = value
    (bundle / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(BundleError, match=r"manifest\.json is not as it should be"):
        Manifest.read(bundle)


def test_a_file_outside_the_bundle_is_refused(bundle: Path) -> None:
    data = json.loads((bundle / "manifest.json").read_text())
    data["files"]["../elsewhere"] = {"sha256": "0", "size_bytes": 1}
    (bundle / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(BundleError, match="lies in its directory itself"):
        Manifest.read(bundle)
