"""Drawn faces that the detector takes for faces, so that no photo of a person is needed."""

from __future__ import annotations

import io
from collections.abc import Iterable

from PIL import Image, ImageDraw, ImageFilter

#: Two that the recogniser takes for two people.
SKINS = {"light": (226, 182, 150), "dark": (110, 72, 50)}


def draw_face(size_px: int, skin: tuple[int, int, int] = SKINS["light"]) -> Image.Image:
    """A face seen from the front, lit from the left, on a dark ground, `size_px` wide and high; eyes in the middle."""

    def shade(share: float) -> tuple[int, ...]:
        return tuple(int(value * share) for value in skin)

    hair, whole = (50, 35, 25), Image.new("RGB", (400, 400), (70, 80, 90))
    draw = ImageDraw.Draw(whole)
    draw.rectangle((60, 370, 340, 400), fill=(60, 70, 120))  # shoulders
    draw.polygon([(150, 290), (250, 290), (262, 400), (138, 400)], fill=shade(0.75))  # neck
    draw.ellipse((88, 18, 312, 300), fill=hair)
    for left in (92, 280):
        draw.ellipse((left, 150, left + 28, 220), fill=shade(0.9))  # ears
    draw.ellipse((106, 50, 294, 352), fill=skin)
    middle = Image.new("L", whole.size)
    ImageDraw.Draw(middle).ellipse((120, 70, 280, 345), fill=255)
    darker = Image.new("RGB", whole.size, shade(0.8))
    face = Image.new("L", whole.size)
    ImageDraw.Draw(face).ellipse((106, 50, 294, 352), fill=255)
    rounded = Image.composite(whole, darker, middle.filter(ImageFilter.GaussianBlur(22)))
    whole = Image.composite(rounded, whole, face)
    draw = ImageDraw.Draw(whole)
    draw.pieslice((100, 30, 300, 170), 180, 360, fill=hair)
    for x in (158, 242):  # eyes and brows
        draw.ellipse((x - 28, 150, x + 28, 196), fill=shade(0.72))
        draw.ellipse((x - 22, 163, x + 22, 187), fill=(235, 235, 235))
        draw.ellipse((x - 11, 164, x + 11, 186), fill=hair)
        draw.ellipse((x - 5, 170, x + 5, 180), fill=(5, 5, 5))
        draw.arc((x - 24, 160, x + 24, 192), 180, 360, fill=(30, 20, 15), width=4)
        draw.line((x - 30, 146, x, 137, x + 30, 146), fill=(45, 30, 20), width=10, joint="curve")
    draw.polygon([(192, 180), (208, 180), (222, 240), (178, 240)], fill=shade(0.9))  # nose
    draw.ellipse((176, 226, 224, 250), fill=shade(0.84))
    for left in (182, 206):
        draw.ellipse((left, 240, left + 12, 249), fill=shade(0.45))
    draw.ellipse((162, 276, 238, 302), fill=(165, 75, 75))  # mouth
    draw.line((162, 289, 238, 289), fill=(80, 30, 30), width=4)
    draw.arc((172, 300, 228, 325), 20, 160, fill=shade(0.7), width=4)
    light = Image.linear_gradient("L").rotate(90).resize(whole.size)  # 255 at the left
    lit = Image.composite(whole.point(lambda value: value * 1.2), whole.point(lambda value: value * 0.8), light)
    return lit.filter(ImageFilter.GaussianBlur(3)).resize((size_px, size_px), Image.Resampling.LANCZOS)


def picture_with_faces(
    places: Iterable[tuple[int, int, int]], size: tuple[int, int] = (1280, 960), skin: str = "light"
) -> Image.Image:
    """Drawn faces at (left, top, size in pixels) of a plain picture."""
    picture = Image.new("RGB", size, (70, 80, 90))
    for left, top, size_px in places:
        picture.paste(draw_face(size_px, SKINS[skin]), (left, top))
    return picture


def encode(picture: Image.Image, file_format: str = "JPEG", **options: object) -> bytes:
    """The picture as a file's bytes."""
    content = io.BytesIO()
    picture.save(content, file_format, **{"quality": 90, **options})
    return content.getvalue()
