"""A small picture in, its `PictureMeasures` out.

Colours are named in OKLCH, the polar form of OKLab (Björn Ottosson 2020, "A perceptual color space for image
processing", https://bottosson.github.io/posts/oklab/). Where one colour ends and the next begins was set by what five
people each called red, pink, … in 6,091 photos (Flickr8k's training split): of the hundred photos with the most red 81
have it in somebody's words.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexer.images.measures import Colour, PictureMeasures

_Array = NDArray[np.float32]

#: What is measured is made so small, px: some 2 ms.
_SIDE_PX = 64
_CODES = np.arange(256, dtype=np.float32) / 255
#: sRGB to linear light (IEC 61966-2-1), by the code of a channel.
_LINEAR = np.where(_CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4).astype(np.float32)
# Linear sRGB to the responses of the cones, and their cube roots to L, a, b (Ottosson 2020).
_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    np.float32,
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    np.float32,
)
# Below this chroma a pixel is black, gray or white; below this lightness it is black whatever its chroma.
_LEAST_CHROMA, _BLACK_BELOW = 0.035, 0.2
_GRAY_FROM, _WHITE_FROM = 0.32, 0.9
# hue from, to (degrees), least lightness, most lightness, least chroma; the first that fits counts.
_REGIONS: tuple[tuple[Colour, float, float, float, float, float], ...] = (
    (Colour.PINK, 330, 385, 0.66, 1, 0.06),
    (Colour.PINK, 335, 368, 0.5, 1, 0.1),
    (Colour.RED, 8, 38, 0.28, 1, 0.11),
    (Colour.ORANGE, 38, 78, 0.6, 1, 0.13),
    (Colour.YELLOW, 78, 115, 0.7, 1, 0.11),
    (Colour.GREEN, 112, 170, 0, 1, 0.05),
    (Colour.GREEN, 98, 112, 0, 0.7, 0.06),
    (Colour.BLUE, 220, 285, 0, 1, 0.06),
    (Colour.PURPLE, 285, 335, 0, 1, 0.06),
    (Colour.BROWN, 25, 95, 0, 0.5, 0.04),
)
# Walls, roads, shadows and skies are black, white, gray, brown or blue and nobody says so: of these only what the
# middle has more of than the whole picture counts. The part of the whole that is taken off:
_OF_WHOLE = {Colour.BLACK: 0.8, Colour.WHITE: 0.8, Colour.GRAY: 0.8, Colour.BROWN: 0.8, Colour.BLUE: 0.5}
_WHOLE_TAKEN_OFF = np.array([_OF_WHOLE.get(colour, 0.0) for colour in Colour], np.float32)
# The weight of a pixel falls with its distance from the middle, in half sides: a Gaussian of this width.
_MIDDLE = 0.6


def measure(image: Image.Image) -> PictureMeasures:
    """The measures of a picture of any size and mode."""
    small = image.convert("RGB").resize((_SIDE_PX, _SIDE_PX), Image.Resampling.BOX)
    lab = _oklab(np.asarray(small))  # (64, 64, 3)
    plane = lab[..., 1:].reshape(-1, 2)
    from_common = np.linalg.norm(plane - np.median(plane, axis=0), axis=1)
    return PictureMeasures(
        lightness=float(lab[..., 0].mean()),
        tint=float(np.quantile(np.linalg.norm(plane, axis=1), 0.99)),
        tint_spread=float(np.quantile(from_common, 0.99)),
        colours=tuple(_prominence(_name_colours(lab)).tolist()),
    )


def _oklab(pixels: NDArray[np.uint8]) -> _Array:
    """(…, 3) sRGB to (…, 3) L, a, b."""
    return np.asarray(np.cbrt(_LINEAR[pixels] @ _TO_CONES.T) @ _TO_LAB.T, np.float32)


def _name_colours(lab: _Array) -> NDArray[np.int8]:
    """The `Colour` of each pixel, -1 for those that have no name, such as skin."""
    lightness, chroma = lab[..., 0], np.hypot(lab[..., 1], lab[..., 2])
    hue = np.degrees(np.arctan2(lab[..., 2], lab[..., 1])) % 360
    named = np.full(lightness.shape, -1, np.int8)
    for colour, start, end, darkest, lightest, palest in _REGIONS:
        inside = ((hue >= start) & (hue < end)) | (hue + 360 < end)
        named[(named < 0) & inside & (lightness >= darkest) & (lightness < lightest) & (chroma >= palest)] = colour
    named[chroma < _LEAST_CHROMA] = Colour.GRAY
    named[(chroma < _LEAST_CHROMA) & (lightness > _WHITE_FROM)] = Colour.WHITE
    named[((chroma < _LEAST_CHROMA) & (lightness < _GRAY_FROM)) | (lightness < _BLACK_BELOW)] = Colour.BLACK
    return named


def _prominence(named: NDArray[np.int8]) -> _Array:
    """How much each `Colour` stands out, (11,) in 0..1."""
    counted = np.bincount((named + 1).ravel(), minlength=len(Colour) + 1)
    weighted = np.bincount((named + 1).ravel(), weights=_WEIGHTS, minlength=len(Colour) + 1)
    shares = weighted[1:] - _WHOLE_TAKEN_OFF * (counted[1:] / named.size)
    return np.asarray(np.clip(shares, 0, 1), np.float32)


def _middle_weights() -> _Array:
    """(64 * 64,), summing to 1."""
    offset = (np.arange(_SIDE_PX) - (_SIDE_PX - 1) / 2) / (_SIDE_PX / 2)
    along = np.exp(-((offset / _MIDDLE) ** 2))
    weights = np.outer(along, along).ravel()
    return np.asarray(weights / weights.sum(), np.float32)


_WEIGHTS = _middle_weights()
