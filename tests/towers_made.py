"""Text towers small enough to be read: every word lies where the test says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from captioner import DEFAULT_BUNDLE, TextTower
from captioner.inference.manifest import PIECES, TEXT_TOWER, FileEntry
from captioner.inference.text_tower import TowerWeights

#: What the tests' words mean: by the sea, an animal, a vehicle, food.
MEANT = {
    "seaside": (1.0, 0.0, 0.0, 0.0),
    "cove": (1.0, 0.1, 0.0, 0.0),
    "beach": (0.98, 0.2, 0.0, 0.0),
    "puppy": (0.0, 1.0, 0.0, 0.0),
    "dog": (0.1, 0.99, 0.0, 0.0),
    "automobile": (0.0, 0.0, 1.0, 0.0),
    "car": (0.0, 0.1, 0.99, 0.0),
    "bagel": (0.0, 0.0, 0.0, 1.0),
    "canon": (0.0, 0.0, 0.7, 0.7),
    "the": (0.5, 0.5, 0.5, 0.5),
}
TOWER_VERSION = 77


def made_weights(meant: Mapping[str, Sequence[float]] = MEANT) -> TowerWeights:
    """A text means the plain mean of its words."""
    rows = np.array(list(meant.values()), np.float32)
    size = rows.shape[1]
    scale = np.abs(rows).max(1) / 127
    return TowerWeights(
        table=np.round(rows / scale[:, None]).astype(np.int8),
        scale=scale,
        attend=np.zeros((size, 1), np.float32),
        hidden=np.zeros((size, 1), np.float32),
        hidden_bias=np.zeros(1, np.float32),
        out=np.zeros((1, size), np.float32),
        skip=np.eye(size, dtype=np.float32),
        out_bias=np.zeros(size, np.float32),
    )


def made_tower(model: str = "made-1", meant: Mapping[str, Sequence[float]] = MEANT) -> TextTower:
    """A real tower that knows the words of `meant`."""
    return TextTower(model, list(meant), made_weights(meant))


def add_tower(bundle: Path, *, version: int, meant: Mapping[str, Sequence[float]] = MEANT) -> str:
    """Makes the bundle another version, with a text tower; the name of its model."""
    made_weights(meant).write(bundle / TEXT_TOWER)
    (bundle / PIECES).write_text("\n".join(meant) + "\n", encoding="utf-8")
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    for name in (TEXT_TOWER, PIECES):
        entry = FileEntry.measure(bundle / name)
        manifest["files"][name] = {"sha256": entry.sha256, "size_bytes": entry.size_bytes}
    manifest["version"] = version
    (bundle / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return f"{manifest['name']}-{version}"


def tower_bundle(folder: Path, meant: Mapping[str, Sequence[float]] = MEANT) -> Path:
    """A directory that is a bundle as far as queries go: a manifest and a text tower."""
    folder.mkdir()
    (folder / "manifest.json").write_bytes((DEFAULT_BUNDLE / "manifest.json").read_bytes())
    add_tower(folder, version=TOWER_VERSION, meant=meant)
    return folder


def without_tower(bundle: Path) -> None:
    """Makes the bundle one that has none, as the first ones were."""
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    for name in (TEXT_TOWER, PIECES):
        manifest["files"].pop(name, None)
        (bundle / name).unlink(missing_ok=True)
    (bundle / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
