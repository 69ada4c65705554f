"""The photo encoder: a ConvNeXt, whole, or as the upper stages on the lower blocks of a MobileNetV2.

Keras 3 with `keras.ops` only, so it trains on TensorFlow and on JAX alike. Every layer is named: a weight's
path ("encoder/stage2/block3/expand/kernel") is its name in checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

from captioner.classes import CLASSES

Tensor = Any


@dataclass(frozen=True, slots=True)
class EncoderSize:
    """Blocks and channels of the four stages of a ConvNeXt (arXiv:2201.03545; the small ones are from timm)."""

    depths: tuple[int, int, int, int]
    widths: tuple[int, int, int, int]
    on_trunk: bool = False  # only stage 3, on the blocks of a MobileNetV2
    published: bool = False  # to the letter of keras.applications', for its weights: GELU and the mean's own norm

    @property
    def pooled(self) -> int:
        """Numbers that the whole photo is summed up in."""
        return TRUNK_HEAD if self.on_trunk else self.widths[-1]


SIZES = {
    "test": EncoderSize((1, 1, 1, 1), (8, 8, 16, 16)),
    "atto": EncoderSize((2, 2, 6, 2), (40, 80, 160, 320)),
    "atto-on-trunk": EncoderSize((0, 0, 0, 2), (0, 0, 0, 320), on_trunk=True),
    "femto": EncoderSize((2, 2, 6, 2), (48, 96, 192, 384)),
    "pico": EncoderSize((2, 2, 6, 2), (64, 128, 256, 512)),
    "nano": EncoderSize((2, 2, 8, 2), (80, 160, 320, 640)),
    "tiny": EncoderSize((3, 3, 9, 3), (96, 192, 384, 768), published=True),
    "small": EncoderSize((3, 3, 27, 3), (96, 192, 384, 768), published=True),
    "base": EncoderSize((3, 3, 27, 3), (128, 256, 512, 1024), published=True),
}
#: The trunk: the blocks of MobileNetV2 (arXiv:1801.04381), as (expansion, channels, repeats, stride).
TRUNK = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
#: Channels of the trunk's last layer, which its classes are told from.
TRUNK_HEAD = 1280
#: The first so many blocks of the trunk are never trained: their maps are made once and kept.
LOWER_BLOCKS = 10
#: Pixels on a side of one cell of those maps, and their channels.
LOWER_STRIDE_PX, LOWER_CHANNELS = 16, 64
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
        slabs = [
            ops.depthwise_conv(padded[:, top : top + height + bottom - top - 1], self.kernel[top:bottom])
            for top, bottom in self.SLABS
        ]
        return slabs[0] + slabs[1] + (slabs[2] + self.bias)


class Block(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """7x7 depthwise, LayerNorm, 1x1 to four times the width, GELU, 1x1 back; (b, h, w, c) to the same."""

    def __init__(self, width: int, slabs: bool = False, exact: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = keras.activations.gelu if exact else gelu
        whole = layers.DepthwiseConv2D(7, padding="same", name="depthwise")
        self.depthwise = SlabDepthwise(name="depthwise") if slabs else whole
        self.norm = norm("norm")
        self.expand = layers.Dense(4 * width, name="expand")
        self.reduce = layers.Dense(width, name="reduce")
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
    """Normalised photos (b, px, px, 3) to what `upper` says.

    Args:
        size: a key of `SIZES`.
        px: side of the photos, a multiple of 32; None for any side.
        slabs: build it for export, see `SlabDepthwise`; needs `px`.
    """
    photo = keras.Input((px, px, 3), name="photo")
    return keras.Model(photo, upper(lower(photo, size, slabs), size, slabs), name="encoder")


def build_lower(size: str, px: int) -> keras.Model:
    """The part whose maps are made once and kept: photos to maps (b, cells, cells, channels), see `lower_shape`."""
    photo = keras.Input((px, px, 3), name="photo")
    return keras.Model(photo, lower(photo, size), name="lower")


def build_upper(size: str, px: int) -> keras.Model:
    """The rest of it: maps of `build_lower` to what `upper` says."""
    maps = keras.Input(lower_shape(size, px), name="maps")
    return keras.Model(maps, upper(maps, size), name="upper")


def build_trunk(px: int) -> keras.Model:
    """MobileNetV2 itself: normalised photos to the logits of its classes (b, 1001)."""
    photo = keras.Input((px, px, 3), name="photo")
    return keras.Model(photo, class_logits(trunk_head(upper_trunk(lower_trunk(photo)))), name="trunk")


def lower_shape(size: str, px: int) -> tuple[int, int, int]:
    """Cells, cells and channels of the maps of `build_lower`."""
    on_trunk = SIZES[size].on_trunk
    cells = px // (LOWER_STRIDE_PX if on_trunk else STRIDE_PX)
    return cells, cells, LOWER_CHANNELS if on_trunk else SIZES[size].widths[-1]


def lower(photo: Tensor, size: str, slabs: bool = False) -> Tensor:
    """Normalised photos to the maps of the lower trunk, or of the whole ConvNeXt where there is no trunk."""
    return lower_trunk(photo) if SIZES[size].on_trunk else stages(photo, size, slabs)[0]


def upper(maps: Tensor, size: str, slabs: bool = False) -> dict[str, Tensor]:
    """What the encoder sees.

    Returns:
        map: (b, px / 32, px / 32, width), layer-normalised. pooled: (b, `EncoderSize.pooled`), of the whole photo.
        classes: (b, 1001), logits of ImageNet's classes.
    """
    if SIZES[size].on_trunk:
        maps = upper_trunk(maps)
        found, pooled = norm("norm")(stages(maps, size, slabs)[0]), trunk_head(maps)
    elif SIZES[size].published:
        found, pooled = norm("norm")(maps), norm("pooled_norm")(ops.mean(maps, axis=(1, 2)))
    else:
        found = norm("norm")(maps)
        pooled = ops.mean(found, axis=(1, 2))
    return {"map": found, "pooled": pooled, "classes": class_logits(pooled)}


def class_logits(pooled: Tensor) -> Tensor:
    """The logits of ImageNet's classes."""
    return layers.Dense(CLASSES, name="classes")(pooled)


def stages(x: Tensor, size: str, slabs: bool = False) -> tuple[Tensor, list[Tensor]]:
    """The map before its last norm, and what there is after stages 0 and 1, half of 2, all of 2, and half of 3.

    Args:
        x: normalised photos, or the upper trunk's map if the size stands on it.
    """
    depths, on_trunk = SIZES[size].depths, SIZES[size].on_trunk
    inner = []
    if on_trunk:
        x = norm("stem_norm")(x)
    for stage in range(3 if on_trunk else 0, 4):
        if not on_trunk:
            x = shrink(x, size, stage)
        for block in range(depths[stage]):
            x = blocks(x, size, stage, range(block, block + 1), slabs)
            if (stage >= 2 and block == depths[stage] // 2 - 1) or (stage < 3 and block == depths[stage] - 1):
                inner.append(x)
    return x, inner


def shrink(x: Tensor, size: str, stage: int) -> Tensor:
    """What stands before the blocks of a stage: the stem, or half as many cells on a side."""
    width = SIZES[size].widths[stage]
    if stage == 0:
        return norm("stem_norm")(layers.Conv2D(width, 4, 4, name="stem")(x))
    return layers.Conv2D(width, 2, 2, name=f"down{stage}")(norm(f"down{stage}_norm")(x))


def blocks(x: Tensor, size: str, stage: int, numbers: range, slabs: bool = False) -> Tensor:
    """Some of the blocks of a stage."""
    for block in numbers:
        x = Block(SIZES[size].widths[stage], slabs, SIZES[size].published, name=f"stage{stage}_block{block}")(x)
    return x


def lower_trunk(x: Tensor) -> Tensor:
    """The lower blocks of MobileNetV2, batch norms folded; (b, px, px, 3) to (b, px / 16, px / 16, 64)."""
    x = ops.relu6(layers.Conv2D(32, 3, 2, padding="same", name="trunk_stem")(x))
    return _bottlenecks(x, range(LOWER_BLOCKS))


def upper_trunk(x: Tensor) -> Tensor:
    """Its other blocks; (b, px / 16, px / 16, 64) to (b, px / 32, px / 32, 320)."""
    return _bottlenecks(x, range(LOWER_BLOCKS, sum(repeats for _, _, repeats, _ in TRUNK)))


def trunk_head(x: Tensor) -> Tensor:
    """Its last layer and the mean over the map; (b, h, w, 320) to (b, 1280)."""
    return ops.mean(ops.relu6(layers.Dense(TRUNK_HEAD, name="trunk_head")(x)), axis=(1, 2))


def _bottlenecks(x: Tensor, numbers: range) -> Tensor:
    rows = [(e, c, stride if repeat == 0 else 1, repeat) for e, c, n, stride in TRUNK for repeat in range(n)]
    for number in numbers:
        expansion, channels, strides, repeat = rows[number]
        y = x
        if expansion > 1:
            y = ops.relu6(layers.Dense(expansion * x.shape[-1], name=f"trunk{number}_expand")(y))
        depthwise = layers.DepthwiseConv2D(3, strides, padding="same", name=f"trunk{number}_depthwise")
        y = layers.Dense(channels, name=f"trunk{number}_project")(ops.relu6(depthwise(y)))
        x = x + y if repeat else y
    return x
