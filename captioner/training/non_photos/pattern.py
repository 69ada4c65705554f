"""Noise, static, glitches and patterns that repeat; and blanks: flat, graded, black, white or blurred."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from captioner.training.non_photos import camera
from captioner.training.non_photos.sampling import BLACK, Colour, Rng, Size, between, font


def pattern(rng: Rng) -> Image.Image:
    """Noise or a pattern, with no thing in it."""
    make = rng.pick((_noise, _noise, _cloud_noise, _spectrum_noise, _static, _waves, _waves, _checks, _dots, _plaid,
                      _tiles, _tiles, _glitch, _glitch, _blocks, _colour_bars, _square_code, _bricks))  # fmt: skip
    made = make(rng, rng.size(side_px=(200, 420)))
    return camera.light_unevenly(made, rng, rng.real(0.1, 0.5)) if rng.happens(0.15) else made


def _noise(rng: Rng, at: Size) -> Image.Image:
    """Independent pixels or blocks: grey or coloured, even, normal or black and white."""
    block, channels = rng.pick((1, 1, 2, 4, 8)), rng.pick((1, 3))
    shape = (at[1] // block, at[0] // block, channels)
    values = rng.random(shape, np.float32)
    if rng.happens(0.3):
        values = (values > rng.real(0.1, 0.9)).astype(np.float32)
    elif rng.happens(0.4):
        values = 0.5 + 0.15 * rng.standard_normal(shape, np.float32)
    low, high = (0.0, 255.0) if rng.happens(0.6) else (rng.real(0, 120), rng.real(130, 255))
    picture = camera.as_image((low + (high - low) * values).repeat(3 // channels, 2))
    return picture.resize(at, rng.pick((Image.Resampling.NEAREST, Image.Resampling.BICUBIC)))


def _cloud_noise(rng: Rng, at: Size) -> Image.Image:
    """Value noise ("Perlin noise") between colours, or each channel on its own."""
    octaves, coarsest = rng.whole(2, 6), rng.whole(3, 24)
    if rng.happens(0.4):
        bands = [camera.clouds(rng, octaves=octaves, side=128, coarsest=coarsest) for _ in range(3)]
        return camera.as_image(np.stack(bands, -1) * 255).resize(at)
    values = camera.clouds(rng, octaves=octaves, side=128, coarsest=coarsest)[..., None]
    low, high = np.asarray(rng.colour(), np.float32), np.asarray(rng.colour(), np.float32)
    if rng.happens(0.3):  # marble
        values = 0.5 + 0.5 * np.sin(values * rng.real(10, 40))
    return camera.as_image(low + (high - low) * values).resize(at)


def _spectrum_noise(rng: Rng, at: Size) -> Image.Image:
    """Noise of which the amplitude falls with the frequency by a power: 0 white, 1 pink, 2 brown."""
    side = 192
    f = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    f[0, 0] = 1 / side
    power = rng.real(0.3, 1.3)
    channels = rng.pick((1, 3))
    bands = []
    for _ in range(channels):
        made = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((side, side))) / f**power)
        bands.append(128 + rng.real(25, 70) * made / made.std())
    return camera.as_image(np.stack(bands * (3 // channels), -1)).resize(at)


def _static(rng: Rng, at: Size) -> Image.Image:
    """A television without a signal: grey grains in lines, brighter and darker bands."""
    lines, columns = rng.whole(90, 240), rng.whole(90, 320)
    grains = rng.random((lines, columns), np.float32)
    pairs = (grains + np.roll(grains, 1, 1)) / 2
    bands = 0.75 + 0.25 * np.sin(np.linspace(0, rng.real(2, 40), lines) + rng.real(0, 6))
    scan = 1 - 0.35 * (np.arange(lines) % 2)
    return camera.as_image(255 * pairs * (bands * scan)[:, None]).resize(at)


def _waves(rng: Rng, at: Size) -> Image.Image:
    """Stripes, rings or their interference, hard or soft."""
    values = _wave(rng, at)
    if rng.happens(0.25):
        values = values * _wave(rng, at)
    if rng.happens(0.6):
        values = np.asarray(np.sign(values - rng.real(-0.5, 0.5)), np.float32)
    low, high = np.asarray(rng.colour(), np.float32), np.asarray(rng.colour(), np.float32)
    return camera.as_image(low + (high - low) * (0.5 + 0.5 * values[..., None]))


def _wave(rng: Rng, at: Size) -> camera.Floats:
    y, x = np.mgrid[0 : at[1], 0 : at[0]].astype(np.float32)
    period = rng.real(4, 80)
    if rng.happens(0.2):
        away = np.hypot(x - rng.real(0, 1) * at[0], y - rng.real(0, 1) * at[1])
        return np.asarray(np.sin(2 * np.pi * away / period), np.float32)
    angle = rng.pick((0, np.pi / 2, np.pi / 4, rng.real(0, np.pi)))
    along = np.cos(angle) * x + np.sin(angle) * y
    bend = (
        rng.real(0, 12) * np.sin((np.sin(angle) * x - np.cos(angle) * y) / rng.real(10, 60)) if rng.happens(0.3) else 0
    )
    return np.asarray(np.sin(2 * np.pi * (along + bend) / period), np.float32)


def _checks(rng: Rng, at: Size) -> Image.Image:
    cell = rng.real(5, 70)
    paints = np.asarray([rng.colour() for _ in range(rng.pick((2, 2, 2, 4, 7)))], np.uint8)
    rows, columns = int(at[1] / cell) + 2, int(at[0] / cell) + 2
    y, x = np.mgrid[0:rows, 0:columns]
    which = rng.integers(len(paints), size=(rows, columns)) if rng.happens(0.3) else (x + y) % len(paints)
    large = Image.fromarray(paints[which]).resize((int(columns * cell), int(rows * cell)), Image.Resampling.NEAREST)
    return _rotate(large, rng, at)


def _dots(rng: Rng, at: Size) -> Image.Image:
    """Dots in rows, in shifted rows, or scattered."""
    ground, paints = rng.colour(), [rng.colour() for _ in range(rng.whole(1, 4))]
    picture = Image.new("RGB", at, ground)
    draw = ImageDraw.Draw(picture)
    step = rng.real(8, 60)
    radius, shift, jitter = step * rng.real(0.12, 0.5), rng.pick((0, 0.5)), rng.pick((0, 0, 0.5))
    for row in range(int(at[1] / step) + 2):
        for column in range(int(at[0] / step) + 2):
            x = (column + shift * (row % 2) + jitter * (rng.random() - 0.5)) * step
            y = (row + jitter * (rng.random() - 0.5)) * step
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), rng.pick(paints))
    return picture


def _plaid(rng: Rng, at: Size) -> Image.Image:
    """Tartan: stripes both ways, one seen through the other."""
    across, down = (_stripe_row(rng, length) for length in at)
    return camera.as_image((across[None] + down[:, None]) / 2)


def _stripe_row(rng: Rng, length: int) -> camera.Floats:
    paints = rng.palette(4)
    unit = [p for p in paints for _ in range(rng.whole(2, 24))]
    return np.asarray((unit * (length // len(unit) + 1))[:length], np.float32)


def _tiles(rng: Rng, at: Size) -> Image.Image:
    """One small random drawing, repeated; every second one mirrored or turned."""
    side = rng.whole(12, 90)
    tile = Image.new("RGB", (side, side), rng.colour())
    draw = ImageDraw.Draw(tile)
    for _ in range(rng.whole(1, 4)):
        points = [(rng.real(0, side), rng.real(0, side)) for _ in range(rng.whole(3, 5))]
        if rng.happens(0.5):
            draw.polygon(points, rng.colour())
        else:
            draw.line(points, rng.colour(), rng.whole(1, max(side // 8, 1)))
    second = tile.transpose(
        rng.pick((Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180))
    )
    picture = Image.new("RGB", (at[0] + side, at[1] + side))
    for j, top in enumerate(range(0, picture.height, side)):
        for i, left in enumerate(range(0, picture.width, side)):
            picture.paste(second if (i + j) % 2 else tile, (left, top))
    return _rotate(picture, rng, at)


def _glitch(rng: Rng, at: Size) -> Image.Image:
    """A broken file or a bad signal: rows shifted, channels apart, blocks repeated, the rest grey or green."""
    pixels = np.asarray(_cloud_noise(rng, at) if rng.happens(0.5) else _blocks(rng, at)).copy()
    for _ in range(rng.whole(3, 30)):
        top = rng.whole(0, at[1] - 2)
        band = slice(top, top + rng.whole(1, max(at[1] // 8, 2)))
        pixels[band] = np.roll(pixels[band], rng.whole(-at[0] // 2, at[0] // 2), 1)
    for channel in range(3):
        pixels[..., channel] = np.roll(pixels[..., channel], rng.whole(-12, 12), 1)
    if rng.happens(0.5):  # what a decoder leaves when a file ends early
        pixels[rng.whole(0, at[1] - 1) :] = rng.pick(((128, 128, 128), (0, 135, 0), (0, 0, 0), rng.colour()))
    return Image.fromarray(pixels)


def _blocks(rng: Rng, at: Size) -> Image.Image:
    """What is left of a picture compressed too far: blocks of 8 pixels or more, each of one colour or of a slope."""
    cells = Image.fromarray(rng.integers(0, 256, (rng.whole(4, 24), rng.whole(4, 24), 3), np.uint8))
    soft = cells.resize(at, rng.pick((Image.Resampling.NEAREST, Image.Resampling.BICUBIC)))
    return camera.jpeg(camera.add_noise(soft, rng, rng.real(0, 60)), rng.whole(1, 8))


def _colour_bars(rng: Rng, at: Size) -> Image.Image:
    """A test card: bars of full colours, or of a grey scale."""
    full = [(255, 255, 255), (255, 255, 0), (0, 255, 255), (0, 255, 0), (255, 0, 255), (255, 0, 0), (0, 0, 255),
            (0, 0, 0)]  # fmt: skip
    grey = [(level, level, level) for level in range(0, 256, 255 // rng.whole(3, 15))]
    chosen = np.asarray(rng.pick((full, full[::-1], grey, rng.palette(rng.whole(3, 12)))), np.uint8)[None]
    picture = Image.fromarray(chosen).resize(at, Image.Resampling.NEAREST)
    return picture.transpose(Image.Transpose.ROTATE_90) if rng.happens(0.2) else picture


def _square_code(rng: Rng, at: Size) -> Image.Image:
    """A QR code's look: random modules with three finders, on white; or a bar code."""
    if rng.happens(0.3):
        bars = rng.random((1, rng.whole(40, 110))) > 0.5
        code = np.where(bars, 0, 255).astype(np.uint8).repeat(40, 0)
    else:
        n = rng.whole(21, 45)
        code = np.where(rng.random((n, n)) > 0.5, 0, 255).astype(np.uint8)
        finder = np.zeros((7, 7), np.uint8)
        finder[1:6, 1:6] = 255
        finder[2:5, 2:5] = 0
        for rows, columns in ((slice(7), slice(7)), (slice(7), slice(n - 7, n)), (slice(n - 7, n), slice(7))):
            code[rows, columns] = finder
    margin = rng.whole(1, 8)
    code = np.pad(code, margin, constant_values=255)
    side = min(at)
    return Image.fromarray(code).resize((side, side), Image.Resampling.NEAREST).convert("RGB")


def _bricks(rng: Rng, at: Size) -> Image.Image:
    """Bricks, or a grid of lines."""
    joint, brick = rng.colour(), rng.colour()
    picture = Image.new("RGB", at, joint)
    draw = ImageDraw.Draw(picture)
    h, w = rng.real(8, 40), rng.real(14, 90)
    gap, shift, vary = rng.real(1, 6), rng.pick((0.0, 0.5)), rng.real(0, 0.4)
    for row in range(int(at[1] / h) + 1):
        for column in range(-1, int(at[0] / w) + 1):
            left = (column + shift * (row % 2)) * w
            paint: Colour = between(brick, joint, vary * float(rng.random()))
            draw.rectangle((left, row * h, left + w - gap, row * h + h - gap), paint)
    return picture.filter(ImageFilter.GaussianBlur(0.7))


def _rotate(picture: Image.Image, rng: Rng, at: Size) -> Image.Image:
    """Turned by any angle where that can be done without empty corners, and cut to size."""
    if rng.happens(0.4):
        picture = picture.resize((at[0] * 2, at[1] * 2)).rotate(rng.real(0, 90), Image.Resampling.BILINEAR)
        left, top = at[0] // 2, at[1] // 2
        return picture.crop((left, top, left + at[0], top + at[1])).resize(at)
    return picture.crop((0, 0, *at))


def blank(rng: Rng) -> Image.Image:
    """A picture in which nothing can be made out."""
    made = rng.pick((_flat, _gradient, _gradient, _vignette, _black, _black, _black, _white, _dim, _blur, _blur,
                      _covered_lens, _wall))(rng, rng.size(side_px=(160, 420)))  # fmt: skip
    if rng.happens(0.3):
        made = camera.add_noise(made, rng, rng.real(1, 12))
    if rng.happens(0.06):
        _timestamp(made, rng)
    return made


def _flat(rng: Rng, at: Size) -> Image.Image:
    return Image.new("RGB", at, rng.colour())


def _gradient(rng: Rng, at: Size) -> Image.Image:
    stops = [rng.colour() for _ in range(rng.whole(2, 4))]
    if rng.happens(0.3):
        stops = [stops[0], between(stops[0], stops[1], rng.real(0.1, 0.5))]
    return _blend_colours(camera.ramp(rng), stops, at)


def _vignette(rng: Rng, at: Size) -> Image.Image:
    middle = rng.colour(light=(0.2, 1))
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    away = np.clip(np.hypot(x, y) / 1.41, 0, 1).astype(np.float32) ** rng.real(1, 3)
    return _blend_colours(away, [middle, between(middle, BLACK, rng.real(0.3, 1))], at)


def _black(rng: Rng, at: Size) -> Image.Image:
    """A black frame: a lens cap, a night without light; with noise, hot pixels or a light leak."""
    picture = Image.new("RGB", at, rng.colour(light=(0, 0.06), saturation=(0, 0.6)))
    if rng.happens(0.35):
        leak = rng.colour(light=(0.2, 0.7), hue=rng.real(0, 0.12) if rng.happens(0.6) else None)
        picture = _blend_colours(camera.ramp(rng) ** rng.real(3, 12), [BLACK, leak], at)
    if rng.happens(0.6):
        picture = camera.add_noise(picture, rng, rng.real(2, 22))
    if rng.happens(0.3):
        draw = ImageDraw.Draw(picture)
        for _ in range(rng.whole(1, 12)):
            draw.point((rng.whole(0, at[0]), rng.whole(0, at[1])), rng.colour(light=(0.4, 1)))
    if rng.happens(0.2):
        _timestamp(picture, rng)
    return picture


def _white(rng: Rng, at: Size) -> Image.Image:
    """An overexposed frame, or an empty sheet or screen."""
    picture = Image.new("RGB", at, rng.colour(light=(0.93, 1)))
    return camera.light_unevenly(picture, rng, rng.real(0, 0.4)) if rng.happens(0.6) else picture


def _dim(rng: Rng, at: Size) -> Image.Image:
    """Darkness with a few dim lights out of focus."""
    picture = Image.new("RGB", at, rng.colour(light=(0, 0.05)))
    draw = ImageDraw.Draw(picture)
    for _ in range(rng.whole(0, 6)):
        _ellipse(draw, rng, at, rng.colour(light=(0.03, 0.35)), (0.02, 0.3))
    picture = picture.filter(ImageFilter.GaussianBlur(rng.real(0.03, 0.12) * min(at)))
    return camera.add_noise(picture, rng, rng.real(1, 16))


def _blur(rng: Rng, at: Size) -> Image.Image:
    """Anything, out of focus or moved so that it is only patches of colour."""
    paints = rng.palette(5) if rng.happens(0.5) else [rng.colour() for _ in range(6)]
    picture = Image.new("RGB", at, rng.pick(paints))
    draw = ImageDraw.Draw(picture)
    for _ in range(rng.whole(2, 20)):
        if rng.happens(0.5):
            _ellipse(draw, rng, at, rng.pick(paints), (0.1, 0.6))
        else:
            left, top = rng.real(-0.2, 0.9) * at[0], rng.real(-0.2, 0.9) * at[1]
            draw.rectangle(
                (left, top, left + rng.real(0.1, 0.8) * at[0], top + rng.real(0.1, 0.8) * at[1]), rng.pick(paints)
            )
    radius = rng.real(0.07, 0.2) * min(at)
    if rng.happens(0.25):  # movement: along one direction only
        blur = ImageFilter.BoxBlur((2 * radius, 0) if rng.happens(0.5) else (0, 2 * radius))
        return picture.filter(blur).filter(ImageFilter.GaussianBlur(radius / 4))
    return picture.filter(ImageFilter.GaussianBlur(radius))


def _covered_lens(rng: Rng, at: Size) -> Image.Image:
    """A finger or a pocket before the lens: skin and cloth colours, soft, dark to one side."""
    near = rng.colour(light=(0.1, 0.6), saturation=(0.3, 0.9), hue=rng.real(-0.03, 0.09))
    far = between(near, BLACK, rng.real(0.4, 1))
    mixed = 0.7 * camera.ramp(rng) + 0.3 * camera.clouds(rng, octaves=2)
    return _blend_colours(mixed, [near, far], at)


def _wall(rng: Rng, at: Size) -> Image.Image:
    """A bare surface: one colour with a fine or a soft structure, unevenly lit."""
    paint = np.asarray(rng.colour(light=(0.2, 0.95), saturation=(0, 0.5)), np.float32)
    structure = camera.clouds(rng, octaves=rng.whole(1, 5), coarsest=rng.whole(2, 20))
    picture = camera.as_image(camera.enlarge(1 - rng.real(0.02, 0.15) * structure, at)[..., None] * paint)
    return camera.light_unevenly(picture, rng, rng.real(0, 0.5))


def _blend_colours(values: camera.Floats, stops: list[Colour], at: Size) -> Image.Image:
    """0 in the first colour, 1 in the last, the others evenly between."""
    whole_map = camera.enlarge(values, at).clip(0, 1)
    where = np.linspace(0, 1, len(stops))
    channels = [np.interp(whole_map, where, [stop[c] for stop in stops]) for c in range(3)]
    return camera.as_image(np.stack(channels, -1))


def _ellipse(draw: ImageDraw.ImageDraw, rng: Rng, at: Size, paint: Colour, share: tuple[float, float]) -> None:
    x, y = rng.real(0, at[0]), rng.real(0, at[1])
    rx, ry = rng.real(*share) * at[0] / 2, rng.real(*share) * at[1] / 2
    draw.ellipse((x - rx, y - ry, x + rx, y + ry), paint)


def _timestamp(picture: Image.Image, rng: Rng) -> None:
    """The date that older cameras write into a corner, in orange."""
    width, height = picture.size
    face = font(rng.typeface(style=rng.pick(("mono", "sans"))), height / rng.real(14, 24))
    date = f"{rng.whole(1, 31):02}.{rng.whole(1, 12):02}.{rng.whole(1998, 2026)}"
    text = f"{date} {rng.whole(0, 23):02}:{rng.whole(0, 59):02}"
    at = (rng.pick((0.05, 0.45)) * width, rng.pick((0.04, 0.88)) * height)
    ImageDraw.Draw(picture).text(at, text, rng.pick(((255, 150, 40), (255, 220, 60), (240, 240, 240))), face)
