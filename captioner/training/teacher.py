"""The MobileNetV2 that the encoder is distilled from, and its targets for crops of a photo.

It is read in TFLite form. For every photo its last feature map (7, 7, 1280) is kept,
reduced to `BASIS_DIM` principal components. A crop's target is the part of that map under the crop, averaged
cell by cell, so one pass of the teacher serves every random crop (compare "Knowledge distillation: a good
teacher is patient and consistent", arXiv:2106.05237, where the teacher sees each crop anew).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Pixels on a side that MobileNetV2 was trained at.
TEACHER_PX = 224
#: Principal components of the teacher's 1280 channels that are kept: about nine tenths of their variance.
BASIS_DIM = 256

#: int8's number in a TFLite file.
INT8 = 9

Floats = NDArray[np.float32]


#: Bottlenecks of MobileNetV2 that the encoder is trained to match, as (stride, channels): after its stages 0 and 1, in
#: the middle and at the end of stage 2, and in the middle of stage 3.
HINTS = ((4, 24), (8, 32), (16, 64), (16, 96), (32, 160))


class Teacher:
    """MobileNetV2's inner features, which the published TFLite file does not list among its outputs.

    Args:
        path: a quantised MobileNetV2 image classifier, 224 px, uint8 input in 0..255.
        px: side of the photos it is shown, a multiple of 32.
    """

    def __init__(self, path: Path, *, px: int = TEACHER_PX, threads: int = 1) -> None:
        from ai_edge_litert import schema_py_generated as schema
        from ai_edge_litert.interpreter import Interpreter

        model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(path.read_bytes(), 0))
        graph = model.subgraphs[0]
        classifier = [op for op in graph.operators if len(op.inputs) == 3][-1]  # the last convolution
        pooled = classifier.inputs[0]
        feature_map = next(op.inputs[0] for op in graph.operators if op.outputs[0] == pooled)
        kernel, bias = (graph.tensors[i] for i in classifier.inputs[1:3])
        self.weights, self.bias = _kernel(model, kernel), _dequantise(model, bias, np.int32)
        graph.outputs = np.array([feature_map, *_bottlenecks(graph)], np.int32)
        made = [op.outputs[0] for op in graph.operators].index(feature_map)
        graph.operators = graph.operators[: made + 1]
        model.signatureDefs = []
        self._interpreter = Interpreter(model_content=_serialise(model), num_threads=threads)
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._interpreter.resize_tensor_input(self._input, (1, px, px, 3))
        self._interpreter.allocate_tensors()
        self._outputs = [(o["index"], *o["quantization"]) for o in self._interpreter.get_output_details()]

    def features(self, pixels: NDArray[np.uint8]) -> Floats:
        """The (7, 7, 1280) feature map of one (224, 224, 3) picture, after ReLU6."""
        self._run(pixels)
        return self._output(0)

    def classes(self, pixels: NDArray[np.uint8]) -> Floats:
        """The probabilities (1001,) of its classes for one (px, px, 3) picture."""
        logits = self.features(pixels).mean((0, 1)) @ self.weights + self.bias
        odds = np.exp(logits - logits.max())
        probabilities: Floats = odds / odds.sum()
        return probabilities

    def hints(self, pixels: NDArray[np.uint8]) -> list[Floats]:
        """The bottlenecks of `HINTS` of one (px, px, 3) picture, each (px / stride, px / stride, channels)."""
        self._run(pixels)
        return [self._output(i) for i in range(1, len(self._outputs))]

    def _run(self, pixels: NDArray[np.uint8]) -> None:
        self._interpreter.set_tensor(self._input, pixels[None])
        self._interpreter.invoke()

    def _output(self, i: int) -> Floats:
        index, scale, zero = self._outputs[i]
        found: Floats = (self._interpreter.get_tensor(index)[0].astype(np.float32) - zero) * np.float32(scale)
        return found


def _bottlenecks(graph: Any) -> list[int]:
    """The last sum of a residual connection of each size in `HINTS`."""
    found: dict[tuple[int, int], int] = {}
    for op in graph.operators:
        shape = graph.tensors[op.outputs[0]].shape
        if len(op.inputs) == 2 and len(shape) == 4 and shape[1]:
            found[TEACHER_PX // shape[1], shape[3]] = op.outputs[0]
    return [found[hint] for hint in HINTS]


def _serialise(model: Any) -> bytes:
    import flatbuffers  # type: ignore[import-untyped]

    builder = flatbuffers.Builder(1 << 22)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def trunk_weights(path: Path) -> list[Floats]:
    """Kernel and bias of every convolution of MobileNetV2, first to last, dequantised; 1x1 kernels are (in, out)."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(path.read_bytes(), 0))
    graph = model.subgraphs[0]
    found: list[Floats] = []
    for op in graph.operators:
        if len(op.inputs) == 3 and len(graph.tensors[op.inputs[1]].shape) == 4:
            kernel, bias = (graph.tensors[i] for i in op.inputs[1:])
            found += [_kernel(model, kernel), _dequantise(model, bias, np.int32)]
    return found


def _dequantise(model: Any, tensor: Any, kind: Any, axis: int = 0) -> Floats:
    q = tensor.quantization
    shape = [1] * len(tensor.shape)
    shape[axis] = -1
    values = np.frombuffer(bytes(model.buffers[tensor.buffer].data), kind).reshape(tensor.shape).astype(np.float32)
    zero, scale = (np.asarray(part, np.float32).reshape(shape) for part in (q.zeroPoint, q.scale))
    real: Floats = (values - zero) * scale
    return real


def _kernel(model: Any, tensor: Any) -> Floats:
    axis = tensor.quantization.quantizedDimension
    values = _dequantise(model, tensor, np.int8 if tensor.type == INT8 else np.uint8, axis)
    if axis == 3:  # depthwise: (1, h, w, c) to (h, w, c, 1)
        return values.transpose(1, 2, 3, 0)
    whole = values.transpose(1, 2, 3, 0)  # (out, h, w, in) to (h, w, in, out)
    return whole[0, 0] if whole.shape[:2] == (1, 1) else whole


@dataclass(frozen=True, slots=True)
class Basis:
    """Principal components of the teacher's channels, each divided by the square root of its deviation.

    Half-whitened: with none the first few components would be all the loss sees, with full whitening the
    last, noisy ones would count as much as the first.
    """

    mean: Floats  # (1280,)
    project: Floats  # (1280, BASIS_DIM)
    head: Floats  # (BASIS_DIM, 1001): pooled components to the teacher's class logits
    head_bias: Floats  # (1001,)

    @classmethod
    def fit(cls, cells: Floats, weights: Floats, bias: Floats, dim: int = BASIS_DIM) -> Basis:
        """From feature vectors of shape (n, 1280) and the teacher's classifier (1280, 1001), (1001,)."""
        mean = cells.mean(0)
        values, vectors = np.linalg.eigh(np.cov(cells - mean, rowvar=False).astype(np.float64))
        values, vectors = values[::-1][:dim], vectors[:, ::-1][:, :dim]
        scale = values**-0.25
        scale /= np.sqrt(np.mean(values * scale**2))  # mean variance 1
        return cls(
            mean=mean.astype(np.float32),
            project=(vectors * scale).astype(np.float32),
            head=((vectors / scale).T @ weights).astype(np.float32),
            head_bias=(mean @ weights + bias).astype(np.float32),
        )

    def __call__(self, features: Floats) -> NDArray[np.float16]:
        """Features of shape (..., 1280) as components of shape (..., BASIS_DIM)."""
        return ((features - self.mean) @ self.project).astype(np.float16)

    def save(self, path: Path) -> None:
        """Write an .npz file."""
        np.savez(path, mean=self.mean, project=self.project, head=self.head, head_bias=self.head_bias)

    @classmethod
    def load(cls, path: Path) -> Basis:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{name: arrays[name] for name in ("mean", "project", "head", "head_bias")})


def interval_weights(start: float, stop: float, cells: int, grid: int) -> Floats:
    """Weights (cells, grid) that average `grid` equal intervals of [0, 1] over `cells` intervals of [start, stop].

    Each row sums to one; `start` and `stop` are fractions of the picture's side.
    """
    edges = np.linspace(start, stop, cells + 1) * grid
    low, high = edges[:-1, None], edges[1:, None]
    at = np.arange(grid)[None, :]
    shared = np.clip(np.minimum(high, at + 1) - np.maximum(low, at), 0, None)
    weights: Floats = (shared / shared.sum(1, keepdims=True)).astype(np.float32)
    return weights


def crop_target(teacher: NDArray[np.floating[Any]], box: tuple[float, float, float, float], cells: int) -> Floats:
    """The teacher's map (g, g, d) under `box` (left, top, right, bottom in 0..1) as (cells, cells, d)."""
    left, top, right, bottom = box
    rows = interval_weights(top, bottom, cells, teacher.shape[0])
    columns = interval_weights(left, right, cells, teacher.shape[1])
    d = teacher.shape[2]
    down = rows @ teacher.astype(np.float32).reshape(teacher.shape[0], -1)
    target: Floats = np.matmul(columns, down.reshape(cells, -1, d))
    return target
