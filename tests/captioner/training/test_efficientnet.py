"""The published weights: read without PyTorch, and nothing in the file is called."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from captioner.training.efficientnet import CheckpointError, read_checkpoint

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
