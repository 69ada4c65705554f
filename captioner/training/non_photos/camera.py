"""What cameras, scanners and messengers do to a picture: perspective, light, blur, noise, JPEG."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from captioner.training.non_photos.sampling import WHITE, Colour, Rng, Size, between

Floats = NDArray[np.float32]
#: Light, shadow and clouds are soft: they are made at this many pixels and enlarged.
_COARSE_PX = 64


def degrade(picture: Image.Image, rng: Rng) -> Image.Image:
    """The picture after some of: crop, small rotation, brightness, contrast, colour cast, blur, noise; then JPEG."""
    if rng.happens(0.25):
        picture = _crop(picture, rng)
    if rng.happens(0.12):
        picture = picture.rotate(rng.real(-6, 6), Image.Resampling.BILINEAR, fillcolor=picture.getpixel((0, 0)))
    if rng.happens(0.03):
        picture = picture.transpose(rng.pick((Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270)))
    if rng.happens(0.3):
        picture = ImageEnhance.Brightness(picture).enhance(rng.real(0.6, 1.3))
    if rng.happens(0.3):
        picture = ImageEnhance.Contrast(picture).enhance(rng.real(0.6, 1.3))
    if rng.happens(0.15):
        picture = tint(picture, rng.colour(light=(0.75, 1)))
    if rng.happens(0.2):
        picture = picture.filter(ImageFilter.GaussianBlur(rng.real(0.3, min(picture.size) / 160)))
    if rng.happens(0.25):
        picture = add_noise(picture, rng, rng.real(1, 14))
    return jpeg(picture, rng.whole(25, 95)) if rng.happens(0.7) else picture


def photograph(page: Image.Image, rng: Rng) -> Image.Image:
    """The page as a camera sees it: on a table or filling the view, in perspective, in uneven light."""
    if rng.happens(0.6):
        page = tint(page, rng.colour(light=(0.85, 1), hue=rng.real(0.05, 0.17)))
    page = _on_a_table(page, rng) if rng.happens(0.75) else _crop(page, rng)
    page = light_unevenly(page, rng, rng.real(0.05, 0.5))
    if rng.happens(0.25):
        page = _add_shadow(page, rng)
    if rng.happens(0.4):
        page = page.filter(ImageFilter.GaussianBlur(rng.real(0.4, min(page.size) / 140)))
    return add_noise(page, rng, rng.real(1, 8))


def perspective(picture: Image.Image, rng: Rng, ground: Colour, *, strength: float, fill: float) -> Image.Image:
    """The picture turned and seen from the side, `fill` of the view's width, the rest `ground`."""
    width, height = picture.size
    half = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], float) * fill * (0.5 * width, 0.5 * height)
    angle = np.radians(rng.normal(0, 12 * strength + 1))
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    seen = (
        half @ turn.T + (0.5 * width, 0.5 * height) + rng.uniform(-1, 1, (4, 2)) * 0.12 * strength * min(width, height)
    )
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    return picture.transform(
        picture.size, Image.Transform.PERSPECTIVE, _perspective_coefficients(seen, corners),
        Image.Resampling.BILINEAR, fillcolor=ground,
    )  # fmt: skip


def light_unevenly(picture: Image.Image, rng: Rng, strength: float) -> Image.Image:
    """Darker to one side and in the corners, by up to `strength`."""
    light = 1 - strength * (0.7 * ramp(rng) + 0.3 * clouds(rng, octaves=2))
    return _rescale(picture, light.astype(np.float32))


def ramp(rng: Rng) -> Floats:
    """(64, 64) from 0 to 1 in any direction or from a point outwards."""
    y, x = np.mgrid[0 : 1 : _COARSE_PX * 1j, 0 : 1 : _COARSE_PX * 1j]
    if rng.happens(0.5):
        angle = rng.real(0, 2 * np.pi)
        values = np.cos(angle) * x + np.sin(angle) * y
    else:
        values = np.hypot(x - rng.real(-0.2, 1.2), y - rng.real(-0.2, 1.2))
    return np.asarray((values - values.min()) / np.ptp(values), np.float32)


def clouds(rng: Rng, *, octaves: int, side: int = _COARSE_PX, coarsest: int = 3) -> Floats:
    """(side, side) value noise in 0..1: each octave twice as fine as the one before and half as strong."""
    total = np.zeros((side, side), np.float32)
    for octave in range(octaves):
        cells = min(coarsest * 2**octave, side)
        grain = Image.fromarray(rng.random((cells, cells), np.float32))
        total += np.asarray(grain.resize((side, side), Image.Resampling.BICUBIC)) / 2**octave
    return np.asarray((total - total.min()) / max(float(np.ptp(total)), 1e-6), np.float32)


def enlarge(values: Floats, size: Size) -> Floats:
    """(h, w) of `size` from a coarse map, smoothly."""
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BICUBIC))


def add_noise(picture: Image.Image, rng: Rng, deviation: float) -> Image.Image:
    """With sensor noise of that deviation in levels; coloured or grey, fine or of blocks of two pixels."""
    width, height = picture.size
    block = rng.pick((1, 1, 2))
    channels = rng.pick((1, 3))
    grain = rng.standard_normal((-(-height // block), -(-width // block), channels), np.float32) * deviation
    grain = grain.repeat(block, 0).repeat(block, 1)[:height, :width]
    return as_image(np.asarray(picture, np.float32) + grain)


def tint(picture: Image.Image, paint: Colour) -> Image.Image:
    """Multiplied by a colour, as by a coloured light."""
    bands = [band.point([round(level * c / 255) for level in range(256)]) for band,
             c in zip(picture.split(), paint, strict=True)]  # fmt: skip
    return Image.merge("RGB", bands)


def jpeg(picture: Image.Image, quality: int) -> Image.Image:
    """Compressed and read again."""
    packed = io.BytesIO()
    picture.save(packed, "JPEG", quality=quality)
    return Image.open(packed).convert("RGB")


def as_image(pixels: NDArray[np.floating]) -> Image.Image:
    """(h, w, 3) or (h, w) levels, rounded and limited to 0..255."""
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8)).convert("RGB")


def table_top(rng: Rng, size: Size) -> Image.Image:
    """What lies under a sheet: plain, mottled or with a grain like wood's."""
    paint = rng.colour(light=(0.05, 0.7), saturation=(0, 0.5), hue=rng.real(0.02, 0.13) if rng.happens(0.6) else None)
    grain = clouds(rng, octaves=4)
    if rng.happens(0.5):
        grain = np.repeat(grain[:, :1], _COARSE_PX, 1) * 0.8 + grain * 0.2
    if rng.happens(0.5):
        grain = grain.T.copy()
    dark = enlarge(1 - rng.real(0, 0.4) * grain, size)
    return as_image(dark[..., None] * np.asarray(paint, np.float32))


def _on_a_table(page: Image.Image, rng: Rng) -> Image.Image:
    strength = rng.real(0.1, 1.2)
    fill = rng.real(0.7, 1.05)
    state = rng.bit_generator.state
    seen = perspective(page, rng, WHITE, strength=strength, fill=fill)
    rng.bit_generator.state = state  # the mask must be turned the same way
    mask = perspective(Image.new("RGB", page.size, WHITE), rng, (0, 0, 0), strength=strength, fill=fill).convert("L")
    table = table_top(rng, page.size)
    if rng.happens(0.6):  # the sheet's own shadow
        soft = mask.filter(ImageFilter.GaussianBlur(rng.real(2, 10)))
        offset = (rng.whole(-8, 8), rng.whole(-8, 8))
        table.paste(between(rng.colour(light=(0, 0.1)), (0, 0, 0), 0.5), offset,
                    soft.point([level // 2 for level in range(256)]))  # fmt: skip
    table.paste(seen, (0, 0), mask)
    return table


def _add_shadow(picture: Image.Image, rng: Rng) -> Image.Image:
    """Under the shadow of a hand or a head."""
    y, x = np.mgrid[0 : 1 : _COARSE_PX * 1j, 0 : 1 : _COARSE_PX * 1j]
    away = np.hypot((x - rng.real(-0.1, 1.1)) / rng.real(0.2, 0.7), (y - rng.real(0.3, 1.3)) / rng.real(0.2, 0.7))
    edge = rng.real(3, 20)
    dark = 1 / (1 + np.exp(edge * (away - 1)))
    return _rescale(picture, (1 - rng.real(0.2, 0.6) * dark).astype(np.float32))


def _rescale(picture: Image.Image, light: Floats) -> Image.Image:
    return as_image(np.asarray(picture, np.float32) * enlarge(light, picture.size)[..., None])


def _crop(picture: Image.Image, rng: Rng) -> Image.Image:
    width, height = picture.size
    w, h = width * rng.real(0.55, 1), height * rng.real(0.55, 1)
    left, top = rng.real(0, width - w), rng.real(0, height - h)
    return picture.crop((int(left), int(top), int(left + w), int(top + h)))


def _perspective_coefficients(seen: NDArray[np.float64], source: NDArray[np.float64]) -> list[float]:
    """The eight numbers of Pillow's PERSPECTIVE that map each (x, y) of `seen` to its corner of `source`."""
    rows = []
    for (x, y), (u, v) in zip(seen, source, strict=True):
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
    found = np.linalg.lstsq(np.array(rows), source.reshape(-1), rcond=None)[0]
    return [float(value) for value in found]
