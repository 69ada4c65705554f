"""The published weights: read without PyTorch, and nothing in the file is called."""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from captioner.training.efficientnet import CheckpointError, read_checkpoint

MAGIC = 0x1950A86A20F9469CFC6C


class Named:
    """Pickles as the global of that name."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __reduce__(self) -> str:
        return self.name


class TorchPickler(pickle._Pickler):  # type: ignore[name-defined, misc]
    """Writes tensors as PyTorch does: a call of a global, and storages by persistent ids."""

    def persistent_id(self, value: Any) -> Any:
        return value[1] if isinstance(value, tuple) and value[:1] == ("storage!",) else None

    def save_global(self, value: Any, name: str | None = None) -> None:
        self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())

    dispatch = {**pickle._Pickler.dispatch, Named: save_global}  # type: ignore[attr-defined]  # noqa: RUF012


class Tensor:
    def __init__(self, key: str, array: np.ndarray, strides: tuple[int, ...]) -> None:
        storage = ("storage!", ("storage", Named("torch", "FloatStorage"), key, "cpu", array.size, None))
        self.arguments = (storage, 0, array.shape, strides, False, OrderedDict())

    def __reduce__(self) -> tuple[Any, ...]:
        return Named("torch._utils", "_rebuild_tensor_v2"), self.arguments


def write_checkpoint(path: Path, arrays: dict[str, np.ndarray], value: Any = None) -> None:
    """A file as PyTorch wrote it before it used zip files; matrices lie transposed in their storage."""
    with path.open("wb") as file:
        for head in (MAGIC, 1001, {"little_endian": True}):
            pickle.dump(head, file, 2)
        tensors: Any = OrderedDict()
        for key, (name, array) in enumerate(arrays.items()):
            strides = (1, array.shape[0]) if array.ndim == 2 else (1,)
            tensors[name] = Tensor(str(key), array, strides)
        TorchPickler(file, 2).dump(value if value is not None else tensors)
        pickle.dump([str(key) for key in range(len(arrays))], file, 2)
        for array in arrays.values():
            file.write(struct.pack("<q", array.size) + array.T.astype("<f4").tobytes())


def test_tensors_are_read_whatever_their_strides(tmp_path: Path) -> None:
    made = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([1.5, -2.0], np.float32)}
    write_checkpoint(tmp_path / "made.pth", made)
    found = read_checkpoint(tmp_path / "made.pth")
    assert found.keys() == made.keys()
    for name, array in made.items():
        np.testing.assert_array_equal(found[name], array)


class Harm:
    def __reduce__(self) -> tuple[Any, ...]:
        return Named("os", "mkdir"), ("harmed",)


def test_nothing_that_a_file_asks_for_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_checkpoint(tmp_path / "bad.pth", {}, {"a": Harm()})
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
