"""Writes made pictures of every kind as JPEG files, DIR/KIND/NNNN.jpg, each 224 x 224."""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from captioner.training.non_photos import NonPhotoType, pixels


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m captioner.training.non_photos", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="where the folders of the kinds are made")
    parser.add_argument("--count", type=int, default=100, help="pictures of each kind")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other pictures")
    parser.add_argument("--quality", type=int, default=95, help="JPEG quality of the files")
    arguments = parser.parse_args()
    for kind in NonPhotoType:
        folder = arguments.out / kind
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(arguments.count):
            image = Image.fromarray(pixels(kind, arguments.seed, index))
            image.save(folder / f"{index:04}.jpg", quality=arguments.quality)


if __name__ == "__main__":
    main()
