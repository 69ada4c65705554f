"""Pictures of nothing: flat, graded, black, white or blurred beyond recognition."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from captioner.training.non_photos import camera, lettering
from captioner.training.non_photos.sampling import (
    BLACK,
    Colour,
    Rng,
    Size,
    between,
    colour,
    happens,
    palette,
    pick,
    real,
    size,
    whole,
)  # fmt: skip


def blank(rng: Rng) -> Image.Image:
    """A picture in which nothing can be made out."""
    made = pick(rng, (_flat, _gradient, _gradient, _vignette, _black, _black, _black, _white, _dim, _blur, _blur,
                      _covered_lens, _wall))(rng, size(rng, side_px=(160, 420)))  # fmt: skip
    if happens(rng, 0.3):
        made = camera.add_noise(made, rng, real(rng, 1, 12))
    if happens(rng, 0.06):
        _timestamp(made, rng)
    return made


def _flat(rng: Rng, at: Size) -> Image.Image:
    return Image.new("RGB", at, colour(rng))


def _gradient(rng: Rng, at: Size) -> Image.Image:
    stops = [colour(rng) for _ in range(whole(rng, 2, 4))]
    if happens(rng, 0.3):
        stops = [stops[0], between(stops[0], stops[1], real(rng, 0.1, 0.5))]
    return _blend_colours(camera.ramp(rng), stops, at)


def _vignette(rng: Rng, at: Size) -> Image.Image:
    middle = colour(rng, light=(0.2, 1))
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    away = np.clip(np.hypot(x, y) / 1.41, 0, 1).astype(np.float32) ** real(rng, 1, 3)
    return _blend_colours(away, [middle, between(middle, BLACK, real(rng, 0.3, 1))], at)


def _black(rng: Rng, at: Size) -> Image.Image:
    """A black frame: a lens cap, a night without light; with noise, hot pixels or a light leak."""
    picture = Image.new("RGB", at, colour(rng, light=(0, 0.06), saturation=(0, 0.6)))
    if happens(rng, 0.35):
        leak = colour(rng, light=(0.2, 0.7), hue=real(rng, 0, 0.12) if happens(rng, 0.6) else None)
        picture = _blend_colours(camera.ramp(rng) ** real(rng, 3, 12), [BLACK, leak], at)
    if happens(rng, 0.6):
        picture = camera.add_noise(picture, rng, real(rng, 2, 22))
    if happens(rng, 0.3):
        draw = ImageDraw.Draw(picture)
        for _ in range(whole(rng, 1, 12)):
            draw.point((whole(rng, 0, at[0]), whole(rng, 0, at[1])), colour(rng, light=(0.4, 1)))
    if happens(rng, 0.2):
        _timestamp(picture, rng)
    return picture


def _white(rng: Rng, at: Size) -> Image.Image:
    """An overexposed frame, or an empty sheet or screen."""
    picture = Image.new("RGB", at, colour(rng, light=(0.93, 1)))
    return camera.light_unevenly(picture, rng, real(rng, 0, 0.4)) if happens(rng, 0.6) else picture


def _dim(rng: Rng, at: Size) -> Image.Image:
    """Darkness with a few dim lights out of focus."""
    picture = Image.new("RGB", at, colour(rng, light=(0, 0.05)))
    draw = ImageDraw.Draw(picture)
    for _ in range(whole(rng, 0, 6)):
        _ellipse(draw, rng, at, colour(rng, light=(0.03, 0.35)), (0.02, 0.3))
    picture = picture.filter(ImageFilter.GaussianBlur(real(rng, 0.03, 0.12) * min(at)))
    return camera.add_noise(picture, rng, real(rng, 1, 16))


def _blur(rng: Rng, at: Size) -> Image.Image:
    """Anything, out of focus or moved so that it is only patches of colour."""
    paints = palette(rng, 5) if happens(rng, 0.5) else [colour(rng) for _ in range(6)]
    picture = Image.new("RGB", at, pick(rng, paints))
    draw = ImageDraw.Draw(picture)
    for _ in range(whole(rng, 2, 20)):
        if happens(rng, 0.5):
            _ellipse(draw, rng, at, pick(rng, paints), (0.1, 0.6))
        else:
            left, top = real(rng, -0.2, 0.9) * at[0], real(rng, -0.2, 0.9) * at[1]
            draw.rectangle(
                (left, top, left + real(rng, 0.1, 0.8) * at[0], top + real(rng, 0.1, 0.8) * at[1]), pick(rng, paints)
            )
    radius = real(rng, 0.07, 0.2) * min(at)
    if happens(rng, 0.25):  # movement: along one direction only
        blur = ImageFilter.BoxBlur((2 * radius, 0) if happens(rng, 0.5) else (0, 2 * radius))
        return picture.filter(blur).filter(ImageFilter.GaussianBlur(radius / 4))
    return picture.filter(ImageFilter.GaussianBlur(radius))


def _covered_lens(rng: Rng, at: Size) -> Image.Image:
    """A finger or a pocket before the lens: skin and cloth colours, soft, dark to one side."""
    near = colour(rng, light=(0.1, 0.6), saturation=(0.3, 0.9), hue=real(rng, -0.03, 0.09))
    far = between(near, BLACK, real(rng, 0.4, 1))
    mixed = 0.7 * camera.ramp(rng) + 0.3 * camera.clouds(rng, octaves=2)
    return _blend_colours(mixed, [near, far], at)


def _wall(rng: Rng, at: Size) -> Image.Image:
    """A bare surface: one colour with a fine or a soft structure, unevenly lit."""
    paint = np.asarray(colour(rng, light=(0.2, 0.95), saturation=(0, 0.5)), np.float32)
    structure = camera.clouds(rng, octaves=whole(rng, 1, 5), coarsest=whole(rng, 2, 20))
    picture = camera.as_image(camera.enlarge(1 - real(rng, 0.02, 0.15) * structure, at)[..., None] * paint)
    return camera.light_unevenly(picture, rng, real(rng, 0, 0.5))


def _blend_colours(values: camera.Floats, stops: list[Colour], at: Size) -> Image.Image:
    """0 in the first colour, 1 in the last, the others evenly between."""
    whole_map = camera.enlarge(values, at).clip(0, 1)
    where = np.linspace(0, 1, len(stops))
    channels = [np.interp(whole_map, where, [stop[c] for stop in stops]) for c in range(3)]
    return camera.as_image(np.stack(channels, -1))


def _ellipse(draw: ImageDraw.ImageDraw, rng: Rng, at: Size, paint: Colour, share: tuple[float, float]) -> None:
    x, y = real(rng, 0, at[0]), real(rng, 0, at[1])
    rx, ry = real(rng, *share) * at[0] / 2, real(rng, *share) * at[1] / 2
    draw.ellipse((x - rx, y - ry, x + rx, y + ry), paint)


def _timestamp(picture: Image.Image, rng: Rng) -> None:
    """The date that older cameras write into a corner, in orange."""
    width, height = picture.size
    face = lettering.font(lettering.typeface(rng, style=pick(rng, ("mono", "sans"))), height / real(rng, 14, 24))
    date = f"{whole(rng, 1, 31):02}.{whole(rng, 1, 12):02}.{whole(rng, 1998, 2026)}"
    text = f"{date} {whole(rng, 0, 23):02}:{whole(rng, 0, 59):02}"
    at = (pick(rng, (0.05, 0.45)) * width, pick(rng, (0.04, 0.88)) * height)
    ImageDraw.Draw(picture).text(at, text, pick(rng, ((255, 150, 40), (255, 220, 60), (240, 240, 240))), face)
