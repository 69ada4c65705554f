"""Photos made for the tests: small, of one colour that a test's captioner can tell, each with pixels of its own."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]


def picture(colour: Colour, number: int = 0, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A wall of `colour` with `number` scratched into it, so that pictures of one colour still differ."""
    image = Image.new("RGB", size, colour)
    draw = ImageDraw.Draw(image)
    for bit in range(16):
        x = 8 + bit * 16
        draw.rectangle((x, 8, x + 6, 20), fill=(255, 255, 255) if number >> bit & 1 else (0, 0, 0))
    return image


def write_jpeg(path: Path, colour: Colour, number: int = 0, size: tuple[int, int] = (320, 240)) -> Path:
    """A JPEG without metadata; folders above it are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(colour, number, size).save(path, "JPEG", quality=90)
    return path
