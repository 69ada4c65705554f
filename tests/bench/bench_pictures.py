"""Filters and formats for the screen picture: what they cost, what they weigh, and what is seen of the difference.

    python -m tests.bench.bench_pictures [PHOTO OR TAR...] [--photos 50]

Each photo is made smaller by the factor by which a 12-megapixel JPEG is, once it was decoded at half its size (2000 to
1280 px), whatever its own size: small photos stand in for large ones. Without arguments: the photos of ../shared, where
they are there, else made ones.

Filters: the mean and the least structural similarity (SSIM, Wang et al. 2004, of luma in windows of 8 x 8) of all
photos to Lanczos, and processor time relative to it. Formats: the same to what was encoded, bytes and processor time
relative to WebP at quality 75, method 0. Over 0.99 nobody tells two pictures apart.
"""

from __future__ import annotations

import argparse
import statistics
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexer.errors import PhotoError
from indexer.images.decode import decode, open_image
from tests.photos_made import detailed

_Result = TypeVar("_Result")

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
#: Of a photo of 4000 px, decoded at half its size, that is shown at 1280 px.
_SCALE = 1280 / 2000
_WINDOW = 8

FILTERS = {
    "Lanczos": (Image.Resampling.LANCZOS, None),
    "bicubic": (Image.Resampling.BICUBIC, None),
    "Hamming": (Image.Resampling.HAMMING, None),
    "Hamming, gap 2": (Image.Resampling.HAMMING, 2.0),
    "bilinear": (Image.Resampling.BILINEAR, None),
    "box": (Image.Resampling.BOX, None),
}
FORMATS: dict[str, tuple[str, dict[str, int | bool]]] = {
    "WebP 75, method 0": ("WEBP", {"quality": 75, "method": 0}),
    "WebP 75, method 4": ("WEBP", {"quality": 75, "method": 4}),
    **{f"JPEG {quality}": ("JPEG", {"quality": quality}) for quality in (70, 75, 80, 85)},
    **{f"JPEG {quality}, optimised": ("JPEG", {"quality": quality, "optimize": True}) for quality in (75, 80)},
}


def ssim(one: Image.Image, other: Image.Image) -> float:
    """Mean structural similarity of the lumas of two images of one size, 1 where they are equal."""
    x, y = (np.asarray(image.convert("L"), np.float64) for image in (one, other))
    mean_x, mean_y = _window_means(x), _window_means(y)
    variance_x, variance_y = _window_means(x * x) - mean_x**2, _window_means(y * y) - mean_y**2
    covariance = _window_means(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    over = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float((over / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2))).mean())


def _window_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = np.pad(values, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    corners = sums[_WINDOW:, _WINDOW:] - sums[:-_WINDOW, _WINDOW:] - sums[_WINDOW:, :-_WINDOW]
    return np.asarray((corners + sums[:-_WINDOW, :-_WINDOW]) / _WINDOW**2)


@dataclass(slots=True)
class Measured:
    """Of one way, a value for each photo."""

    seconds: list[float] = field(default_factory=list)
    similarity: list[float] = field(default_factory=list)
    size_bytes: list[int] = field(default_factory=list)


def timed(work: Callable[[], _Result]) -> tuple[float, _Result]:
    """The least processor time of three runs, in seconds, and what came of the last."""
    least = float("inf")
    for _ in range(3):
        begun = time.process_time()
        result = work()
        least = min(least, time.process_time() - begun)
    return least, result


def encode(image: Image.Image, kind: str, options: dict[str, int | bool]) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def compare(photos: Iterator[Image.Image]) -> tuple[dict[str, Measured], dict[str, Measured]]:
    """What was measured of each filter and each format."""
    filters, formats = {name: Measured() for name in FILTERS}, {name: Measured() for name in FORMATS}
    for photo in photos:
        size = (round(photo.width * _SCALE), round(photo.height * _SCALE))
        best = photo.resize(size, Image.Resampling.LANCZOS)
        for name, (resampling, gap) in FILTERS.items():
            seconds, small = timed(lambda: photo.resize(size, resampling, reducing_gap=gap))  # noqa: B023
            filters[name].seconds.append(seconds)
            filters[name].similarity.append(ssim(best, small))
        for name, (kind, options) in FORMATS.items():
            seconds, data = timed(lambda: encode(best, kind, options))  # noqa: B023
            formats[name].seconds.append(seconds)
            formats[name].size_bytes.append(len(data))
            formats[name].similarity.append(ssim(best, Image.open(BytesIO(data))))
    return filters, formats


def report(measured: dict[str, Measured], first: str) -> None:
    for name, one in measured.items():
        row = f"  {name:20s} time {sum(one.seconds) / sum(measured[first].seconds):5.2f}"
        if one.size_bytes:
            row += f"   bytes {sum(one.size_bytes) / sum(measured[first].size_bytes):5.2f}"
        print(f"{row}   SSIM mean {statistics.mean(one.similarity):.4f}, least {min(one.similarity):.4f}")


def opened(data: bytes) -> Image.Image | None:
    """The photo at twice the screen's size at most; None for what is none, or too small to be one."""
    try:
        image = decode(open_image(data, max_pixels_mp=200), round(1280 / _SCALE), 1)
    except PhotoError:
        return None
    return image if min(image.size) >= 300 else None


def photos_of(sources: Sequence[Path], most: int) -> Iterator[Image.Image]:
    found = 0
    for source in sources:
        for data in contents(source):
            image = opened(data)
            if image is not None and found < most:
                found += 1
                yield image
            if found == most:
                return


def contents(source: Path) -> Iterator[bytes]:
    if source.suffix != ".tar":
        yield source.read_bytes()
        return
    with tarfile.open(source) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:
                yield file.read()


def known_sources() -> list[Path]:
    """The photos of ../shared, the heaviest first."""
    photos = [path for path in (SHARED / "photos").glob("*") if path.is_file()]
    return sorted(photos, key=lambda path: -path.stat().st_size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*", type=Path)
    parser.add_argument("--photos", type=int, default=50)
    options = parser.parse_args()
    sources = options.sources or known_sources()
    made = (detailed((2000, 1500), seed=seed) for seed in range(options.photos))
    filters, formats = compare(photos_of(sources, options.photos) if sources else made)
    print(f"{len(filters['Lanczos'].seconds)} photos, filters against Lanczos:")
    report(filters, "Lanczos")
    print("formats against WebP at quality 75, method 0:")
    report(formats, "WebP 75, method 0")


if __name__ == "__main__":
    main()
