"""The photo encoder: a ConvNeXt, whole, or as the upper stage on a trunk of inverted bottlenecks.

Keras 3 with `keras.ops` only, so it trains on TensorFlow and on JAX alike. Every layer is named: a weight's
path ("encoder/stage2/block3/expand/kernel") is its name in checkpoints.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

from captioner.inference.imagenet_classes import CLASSES

Tensor = Any


@dataclass(frozen=True, slots=True)
class Trunk:
    """A pretrained network of inverted bottlenecks (arXiv:1801.04381), batch normalisations folded."""

    #: Its blocks, as (expansion, channels, repeats, stride, side of the depthwise kernel).
    blocks: tuple[tuple[int, int, int, int, int], ...]
    #: The first so many blocks are never trained: their maps, of 1/16 of the photo's side, are made once and kept.
    lower: int
    lower_channels: int
    #: Channels of its last layer, the input of its classifier.
    head: int = 1280

    @property
    def count(self) -> int:
        """Blocks in all."""
        return sum(repeats for _, _, repeats, _, _ in self.blocks)


#: EfficientNet (arXiv:1905.11946) without squeeze-and-excitation and with ReLU6, as Google published it for phones.
EFFICIENTNET_LITE2 = Trunk(
    (
        (1, 16, 1, 1, 3),
        (6, 24, 3, 2, 3),
        (6, 48, 3, 2, 5),
        (6, 88, 4, 2, 3),
        (6, 120, 4, 1, 5),
        (6, 208, 5, 2, 5),
        (6, 352, 1, 1, 3),
    ),
    lower=13,
    lower_channels=120,
)


@dataclass(frozen=True, slots=True)
class EncoderSize:
    """Blocks and channels of the four stages of a ConvNeXt (arXiv:2201.03545; the small ones are from timm)."""

    depths: tuple[int, int, int, int]
    widths: tuple[int, int, int, int]
    trunk: Trunk | None = None  # what stage 3 alone stands on; None for a ConvNeXt from the first pixel on
    published: bool = False  # to the letter of keras.applications', for its weights: GELU and the mean's own norm

    @property
    def pooled(self) -> int:
        """Numbers that the whole photo is summed up in."""
        return self.trunk.head if self.trunk else self.widths[-1]


SIZES = {
    "test": EncoderSize((1, 1, 1, 1), (8, 8, 16, 16)),
    "atto": EncoderSize((2, 2, 6, 2), (40, 80, 160, 320)),
    "atto-on-lite2": EncoderSize((0, 0, 0, 2), (0, 0, 0, 352), EFFICIENTNET_LITE2),
    "femto": EncoderSize((2, 2, 6, 2), (48, 96, 192, 384)),
    "pico": EncoderSize((2, 2, 6, 2), (64, 128, 256, 512)),
    "nano": EncoderSize((2, 2, 8, 2), (80, 160, 320, 640)),
    "tiny": EncoderSize((3, 3, 9, 3), (96, 192, 384, 768), published=True),
    "small": EncoderSize((3, 3, 27, 3), (96, 192, 384, 768), published=True),
    "base": EncoderSize((3, 3, 27, 3), (128, 256, 512, 1024), published=True),
}
#: Pixels on a side of one cell of the maps of a trunk's lower blocks.
LOWER_STRIDE_PX = 16
#: Pixels of the photo on a side that one cell of the encoder's feature map stands for.
STRIDE_PX = 32


def gelu(x: Tensor) -> Tensor:
    """GELU in its sigmoid form (arXiv:1606.08415, section 2): a fifth faster to train on a CPU than erf or tanh."""
    return x * ops.sigmoid(1.702 * x)


class LayerScale(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """A learnt factor per channel on a residual branch (arXiv:2103.17239)."""

    def __init__(self, initial: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial = initial

    def build(self, shape: tuple[int | None, ...]) -> None:
        """One factor for each channel of `shape`."""
        initializer = keras.initializers.Constant(self.initial)
        self.gamma = self.add_weight(shape=(shape[-1],), initializer=initializer, name="gamma")

    def call(self, x: Tensor) -> Tensor:
        """Any shape in, the same shape out."""
        return x * self.gamma


_MATMUL = {"dtype": "float32"}


def set_matmul_precision(dtype: str) -> None:
    """What matrix products are computed in from now on, "float32" or "bfloat16"; weights and sums stay float32.

    Where a processor has bfloat16 products (AMX, avx512_bf16) they are four times as fast; everything else in bfloat16
    is slower there, the gradient of a depthwise convolution five times. Without them leave it at float32.
    """
    _MATMUL["dtype"] = dtype


@contextlib.contextmanager
def matmul_precision(dtype: str) -> Iterator[None]:
    """The same for a while."""
    before = _MATMUL["dtype"]
    set_matmul_precision(dtype)
    try:
        yield
    finally:
        set_matmul_precision(before)


def matmul(x: Tensor, kernel: Tensor) -> Tensor:
    """(..., n) times (n, m) at the precision that is set."""
    if _MATMUL["dtype"] == "float32":
        return ops.matmul(x, kernel)
    return ops.cast(ops.matmul(ops.cast(x, _MATMUL["dtype"]), ops.cast(kernel, _MATMUL["dtype"])), "float32")


class Dense(layers.Dense):  # type: ignore[misc]  # Keras is untyped
    """A dense layer without activation whose product is `matmul`."""

    def call(self, x: Tensor) -> Tensor:
        """(..., n) to (..., units)."""
        y = matmul(x, self.kernel)
        return y + self.bias if self.use_bias else y


def norm(name: str) -> layers.Layer:
    """Layer normalisation over the channels."""
    return layers.LayerNormalization(epsilon=1e-6, name=name)


class SlabDepthwise(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """A 7x7 depthwise convolution as the sum of 3x7, 3x7 and 1x7 ones: the same weights, the same result.

    For export only. XNNPACK has no kernel for more than 25 taps; slabs of rows make the layer several times faster.
    """

    SLABS = ((0, 3), (3, 6), (6, 7))  # rows of the kernel

    def build(self, shape: tuple[int | None, ...]) -> None:
        """The weights of a DepthwiseConv2D on (b, h, w, c)."""
        self.kernel = self.add_weight(shape=(7, 7, shape[-1], 1), name="kernel")
        self.bias = self.add_weight(shape=(shape[-1],), name="bias")

    def call(self, x: Tensor) -> Tensor:
        """(b, h, w, c) to the same."""
        height = x.shape[1]
        padded = ops.pad(x, ((0, 0), (3, 3), (3, 3), (0, 0)))
        slabs = [ops.depthwise_conv(padded[:, top : top + height + bottom - top - 1], self.kernel[top:bottom]) for top,
                 bottom in self.SLABS]  # fmt: skip
        return slabs[0] + slabs[1] + (slabs[2] + self.bias)


class Block(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """7x7 depthwise, LayerNorm, 1x1 to four times the width, GELU, 1x1 back; (b, h, w, c) to the same."""

    def __init__(self, width: int, slabs: bool = False, exact: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = keras.activations.gelu if exact else gelu
        whole = layers.DepthwiseConv2D(7, padding="same", name="depthwise")
        self.depthwise = SlabDepthwise(name="depthwise") if slabs else whole
        self.norm = norm("norm")
        self.expand = Dense(4 * width, name="expand")
        self.reduce = Dense(width, name="reduce")
        self.scale = LayerScale(name="scale")

    def build(self, shape: tuple[int | None, ...]) -> None:
        """`shape` is (b, h, w, c)."""
        wide = (*shape[:-1], 4 * (shape[-1] or 0))
        for layer in (self.depthwise, self.norm, self.expand, self.scale):
            layer.build(shape)
        self.reduce.build(wide)

    def call(self, x: Tensor) -> Tensor:
        """The block's output added to its input."""
        y = self.norm(self.depthwise(x))
        return x + self.scale(self.reduce(self.activation(self.expand(y))))


def build_encoder(size: str, px: int | None = None, slabs: bool = False) -> keras.Model:
    """Normalised photos (b, px, px, 3) to the outputs of `upper`.

    Args:
        size: a key of `SIZES`.
        px: side of the photos, a multiple of 32; None for any side.
        slabs: build it for export, see `SlabDepthwise`; needs `px`.
    """
    photo = keras.Input((px, px, 3), name="photo")
    return keras.Model(photo, upper(lower(photo, size, slabs), size, slabs), name="encoder")


def build_lower(size: str, px: int) -> keras.Model:
    """The part whose maps are cached: photos to maps (b, cells, cells, channels), see `lower_shape`."""
    photo = keras.Input((px, px, 3), name="photo")
    return keras.Model(photo, lower(photo, size), name="lower")


def build_upper(size: str, px: int) -> keras.Model:
    """The other part: maps of `build_lower` to the outputs of `upper`."""
    maps = keras.Input(lower_shape(size, px), name="maps")
    return keras.Model(maps, upper(maps, size), name="upper")


def build_trunk_classifier(size: str, px: int) -> keras.Model:
    """The published trunk's outputs for the maps of `build_lower`: class probabilities, and pooled features."""
    trunk = SIZES[size].trunk
    if trunk is None:
        raise ValueError(f"an encoder of size {size} stands on no trunk")
    maps = keras.Input(lower_shape(size, px), name="maps")
    pooled = trunk_head(upper_trunk(maps, trunk), trunk)
    return keras.Model(maps, {"classes": ops.softmax(class_logits(pooled)), "pooled": pooled}, name="behind")


def lower_shape(size: str, px: int) -> tuple[int, int, int]:
    """Cells, cells and channels of the maps of `build_lower`."""
    trunk = SIZES[size].trunk
    stride, channels = (LOWER_STRIDE_PX, trunk.lower_channels) if trunk else (STRIDE_PX, SIZES[size].widths[-1])
    return px // stride, px // stride, channels


def lower(photo: Tensor, size: str, slabs: bool = False) -> Tensor:
    """Normalised photos to the maps of the lower trunk, or of the whole ConvNeXt where there is no trunk."""
    trunk = SIZES[size].trunk
    return lower_trunk(photo, trunk) if trunk else stages(photo, size, slabs)


def upper(maps: Tensor, size: str, slabs: bool = False) -> dict[str, Tensor]:
    """The encoder's outputs.

    Returns:
        map: (b, px / 32, px / 32, width), layer-normalised. pooled: (b, `EncoderSize.pooled`), of the whole photo.
        classes: (b, 1001), logits of ImageNet's classes.
    """
    if trunk := SIZES[size].trunk:
        maps = upper_trunk(maps, trunk)
        found, pooled = norm("norm")(stages(maps, size, slabs)), trunk_head(maps, trunk)
    elif SIZES[size].published:
        found, pooled = norm("norm")(maps), norm("pooled_norm")(ops.mean(maps, axis=(1, 2)))
    else:
        found = norm("norm")(maps)
        pooled = ops.mean(found, axis=(1, 2))
    return {"map": found, "pooled": pooled, "classes": class_logits(pooled)}


def global_features(found: Mapping[str, Tensor]) -> Tensor:
    """Features of the whole photo from the outputs of `upper`: (b, `global_feature_count`)."""
    return ops.concatenate([found["pooled"], ops.mean(found["map"], axis=(1, 2))], axis=-1)


def global_feature_count(size: str) -> int:
    """Length of `global_features`."""
    return SIZES[size].pooled + SIZES[size].widths[-1]


def class_logits(pooled: Tensor) -> Tensor:
    """The logits of ImageNet's classes."""
    return Dense(CLASSES, name="classes")(pooled)


def stages(x: Tensor, size: str, slabs: bool = False) -> Tensor:
    """The map before its last norm.

    Args:
        x: normalised photos, or the upper trunk's map if the size stands on it.
    """
    on_trunk = SIZES[size].trunk is not None
    if on_trunk:
        x = norm("stem_norm")(x)
    for stage in range(3 if on_trunk else 0, 4):
        if not on_trunk:
            x = shrink(x, size, stage)
        x = blocks(x, size, stage, range(SIZES[size].depths[stage]), slabs)
    return x


def shrink(x: Tensor, size: str, stage: int) -> Tensor:
    """The layers before the blocks of a stage: the stem, or downsampling by 2."""
    width = SIZES[size].widths[stage]
    if stage == 0:
        return norm("stem_norm")(layers.Conv2D(width, 4, 4, name="stem")(x))
    return layers.Conv2D(width, 2, 2, name=f"down{stage}")(norm(f"down{stage}_norm")(x))


def blocks(x: Tensor, size: str, stage: int, numbers: range, slabs: bool = False) -> Tensor:
    """Some of the blocks of a stage."""
    for block in numbers:
        x = Block(SIZES[size].widths[stage], slabs, SIZES[size].published, name=f"stage{stage}_block{block}")(x)
    return x


def lower_trunk(x: Tensor, trunk: Trunk) -> Tensor:
    """The lower blocks of a trunk; (b, px, px, 3) to (b, px / 16, px / 16, lower_channels)."""
    x = ops.relu6(layers.Conv2D(32, 3, 2, padding="same", name="trunk_stem")(x))
    return _bottlenecks(x, trunk, range(trunk.lower))


def upper_trunk(x: Tensor, trunk: Trunk) -> Tensor:
    """Its other blocks; (b, px / 16, px / 16, lower_channels) to (b, px / 32, px / 32, channels)."""
    return _bottlenecks(x, trunk, range(trunk.lower, trunk.count))


def trunk_head(x: Tensor, trunk: Trunk) -> Tensor:
    """Its last layer and the mean over the map; (b, h, w, channels) to (b, head)."""
    return ops.mean(ops.relu6(Dense(trunk.head, name="trunk_head")(x)), axis=(1, 2))


def _bottlenecks(x: Tensor, trunk: Trunk, numbers: range) -> Tensor:
    rows = [(e, c, 1 if repeat else stride, k, repeat) for e, c, n, stride, k in trunk.blocks for repeat in range(n)]
    for number in numbers:
        expansion, channels, strides, side, repeat = rows[number]
        y = x
        if expansion > 1:
            y = ops.relu6(Dense(expansion * x.shape[-1], name=f"trunk{number}_expand")(y))
        depthwise = layers.DepthwiseConv2D(side, strides, padding="same", name=f"trunk{number}_depthwise")
        y = Dense(channels, name=f"trunk{number}_project")(ops.relu6(depthwise(y)))
        x = x + y if repeat else y
    return x
