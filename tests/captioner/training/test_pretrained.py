"""The published ConvNeXt and ours say the same, to the rounding of float32; random weights stand for the published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import struct
from collections.abc import Mapping

import keras
from ai_edge_litert.interpreter import Interpreter
from keras import ops
from numpy.typing import NDArray

from captioner.inference.preprocess import normalise
from captioner.training import checkpoint, pretrained
from captioner.training.encoder import SIZES, EncoderSize, build_encoder
from captioner.training.export import convert
from captioner.training.pretrained import CheckpointError, read_checkpoint

#: Keras with TensorFlow says so whenever it saves weights.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")
PX = 96


@pytest.fixture(scope="module")
def theirs() -> keras.Model:
    """keras.applications' smallest, every weight drawn anew, norms and layer scales included."""
    model = keras.applications.ConvNeXtTiny(weights=None, classifier_activation=None, input_shape=(PX, PX, 3))
    rng = np.random.default_rng(0)
    for variable in model.weights:
        if variable.name == "kernel":
            drawn = rng.normal(0, np.prod(variable.shape[:-1]) ** -0.5, variable.shape)
        else:
            drawn = rng.normal(0 if variable.name in ("beta", "bias") else 1, 0.3, variable.shape)
        variable.assign(drawn.astype(np.float32))
    return model


@pytest.fixture(scope="module")
def found(theirs: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> checkpoint.Arrays:
    """Their weights for our blocks, by way of a file."""
    run = tmp_path_factory.mktemp("run")
    theirs.save_weights(run / "random.weights.h5")
    pretrained.main(["--size", "tiny", "--run", str(run), "--weights", str(run / "random.weights.h5")])
    return checkpoint.load(run / "pretrained.npz")


@pytest.fixture(scope="module")
def pixels() -> NDArray[np.uint8]:
    """Two pictures, of shapes and of noise."""
    rng = np.random.default_rng(1)
    shapes = rng.integers(0, 256, (1, 6, 6, 3)).repeat(16, axis=1).repeat(16, axis=2)
    return np.concatenate([shapes, rng.integers(0, 256, (1, PX, PX, 3))]).astype(np.uint8)


@pytest.fixture(scope="module")
def published_outputs(
    theirs: keras.Model, pixels: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Their last map, without the norm that the published weights lack, and their logits."""
    inner = keras.Model(theirs.input, [theirs.get_layer("convnext_tiny_head_gap").input, theirs.output])
    last, logits = (ops.convert_to_numpy(part) for part in inner(pixels.astype(np.float32)))
    return last, logits


def our_outputs(size: str, weights: checkpoint.Arrays, pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    model = build_encoder(size, PX)
    checkpoint.assign(model, weights)
    return {name: ops.convert_to_numpy(part) for name, part in model(normalise(pixels)).items()}


def layer_norm(last: NDArray[np.float32]) -> NDArray[np.float32]:
    return (last - last.mean(-1, keepdims=True)) / np.sqrt(last.var(-1, keepdims=True) + 1e-6)


def test_map_and_classes_are_theirs(
    found: checkpoint.Arrays,
    pixels: NDArray[np.uint8],
    published_outputs: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> None:
    last, logits = published_outputs
    ours = our_outputs("tiny", found, pixels)
    assert last.std() > 1
    assert logits.std() > 0.3
    np.testing.assert_allclose(ours["map"], layer_norm(last), atol=2e-5)
    np.testing.assert_allclose(ours["classes"][:, 1:], logits, atol=2e-5)
    assert (ours["classes"][:, 0] < logits.min() - 10).all()


def test_the_quick_gelu_would_not_do(found: checkpoint.Arrays, pixels: NDArray[np.uint8],
                                     published_outputs: tuple[NDArray[np.float32], NDArray[np.float32]],
                                     monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """Why `EncoderSize.published` asks for the exact one."""
    monkeypatch.setitem(SIZES, "quick", EncoderSize(SIZES["tiny"].depths, SIZES["tiny"].widths))
    error = our_outputs("quick", found, pixels)["map"] - layer_norm(published_outputs[0])
    assert np.abs(error).max() > 0.02


def test_the_exact_gelu_goes_into_tflite_with_built_in_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "made", EncoderSize((1, 1, 2, 1), (8, 8, 16, 16), published=True))
    trained, exported = build_encoder("made", PX), build_encoder("made", PX, slabs=True)
    checkpoint.assign(exported, checkpoint.weights(trained))
    content = convert("call", lambda x: dict(exported(x)), {"x": ((1, PX, PX, 3), "float32")}, exported.variables)
    photo = np.random.default_rng(2).uniform(-1, 1, (1, PX, PX, 3)).astype(np.float32)
    given = Interpreter(model_content=content).get_signature_runner("call")(x=photo)
    for name, part in trained(photo).items():
        np.testing.assert_allclose(given[name], ops.convert_to_numpy(part), atol=2e-5)


@pytest.mark.filterwarnings("ignore:Skipping nested container:UserWarning")  # Keras, of each layer it doesn't find
def test_a_file_of_another_network_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save_weights(tmp_path / "other.weights.h5")
    for name in ("other.weights.h5", "none.h5"):
        with pytest.raises(SystemExit) as ended:
            pretrained.main(["--run", str(tmp_path), "--weights", str(tmp_path / name)])
        assert ended.value.code == 1
        assert f"{name} can't be taken for ConvNeXt tiny" in capsys.readouterr().err
    assert not (tmp_path / "pretrained.npz").exists()


#: The numbers that such a file begins with, as pickles of protocol 2.
HEAD = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19." + b"\x80\x02M\xe9\x03." + b"\x80\x02}."
DICTIONARY = b"ccollections\nOrderedDict\n)R"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(b"J" + struct.pack("<i", value) for value in values) + b"t"


def tensor(key: str, array: np.ndarray, strides: tuple[int, ...]) -> bytes:
    """As PyTorch writes it: a call of a global, of a storage by a persistent id, offset, shape, strides and more."""
    size = b"J" + struct.pack("<i", array.size)
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + size + b"NtQ"
    rest = b"J\0\0\0\0" + numbers(array.shape) + numbers(strides) + b"\x89" + DICTIONARY
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + rest + b"tR"


def write_checkpoint(path: Path, arrays: Mapping[str, np.ndarray], more: bytes = b"") -> None:
    """A file as PyTorch wrote it before it used zip files; matrices lie transposed in their storage."""
    items = b"".join(
        text(name) + tensor(str(key), array, (1, array.shape[0]) if array.ndim == 2 else (1,))
        for key, (name, array) in enumerate(arrays.items())
    )
    keys = b"".join(text(str(key)) for key in range(len(arrays)))
    with path.open("wb") as file:
        file.write(HEAD + b"\x80\x02" + DICTIONARY + b"(" + items + more + b"u." + b"\x80\x02](" + keys + b"e.")
        for array in arrays.values():
            file.write(struct.pack("<q", array.size) + array.T.astype("<f4").tobytes())


def test_tensors_are_read_whatever_their_strides(tmp_path: Path) -> None:
    made = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([1.5, -2.0], np.float32)}
    write_checkpoint(tmp_path / "made.pth", made)
    found = read_checkpoint(tmp_path / "made.pth")
    assert found.keys() == made.keys()
    for name, array in made.items():
        np.testing.assert_array_equal(found[name], array)


def test_nothing_that_a_file_asks_for_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_checkpoint(tmp_path / "bad.pth", {}, text("a") + b"cos\nmkdir\n(" + text("harmed") + b"tR")
    with pytest.raises(CheckpointError, match="os mkdir"):
        read_checkpoint(tmp_path / "bad.pth")
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02K\x01.", bytes(range(256))])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(CheckpointError, match="no PyTorch checkpoint"):
        read_checkpoint(tmp_path / "file")


def test_a_file_that_breaks_off_is_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "made.pth", {"a": np.ones(50, np.float32)})
    whole = (tmp_path / "made.pth").read_bytes()
    for length in range(10, len(whole) - 1, 37):
        (tmp_path / "part.pth").write_bytes(whole[:length])
        with pytest.raises(CheckpointError):
            read_checkpoint(tmp_path / "part.pth")
