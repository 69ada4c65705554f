"""The face finder on photos of people whose names are known: NAME/photo.jpg in a directory, one person a folder.

    python -m tests.bench.bench_people --faces DIR [--photos 400] [--without DIR]

It prints

- detection: of the main face of each photo, made smaller to so many pixels on a plain ground of 1280 x 960, the share
  that is found (recall), and what share of what is found there is that face (precision; a few others may be real);
- false faces of the photos of another directory, on which there are no people;
- verification: of all pairs of photos, how many of one person are told as such at one false pair in a thousand, how
  many are told rightly at the best distance, and both at the distance that the bundle names. Photos without one main
  face are left out;
- cost: processor time of a picture of 1280 x 960 with no, one and four drawn faces, decoding included, without a child;
- memory of the child process after them: its own (private) and its proportional share (PSS).

No photo of a person is shipped. Labels of collections from the web are rarely all right, which bounds the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray
from PIL import Image, ImageOps

from captioner import DEFAULT_FACE_BUNDLE, Face, FaceProcess, read_face_model
from captioner.inference.faces.finder import LiteRTFaceFinder
from tests.faces_made import encode, picture_with_faces

SCREEN_PX = 1280
FACE_PX = (14, 20, 28, 40, 60)
FALSE_PAIRS = 1e-3
#: Whom a photo shows isn't known where a second face is so large, as a share of the first one's size.
SECOND_FACE = 0.55


@dataclass(frozen=True)
class Portrait:
    """A photo of somebody, as the service keeps it, and its largest face."""

    name: str
    picture: Image.Image
    face: Face


def read_portraits(directory: Path, finder: LiteRTFaceFinder, photos: int) -> list[Portrait]:
    """The photos of the directory with one main face, of `photos` of them drawn by lot."""
    paths = sorted(path for path in directory.glob("*/*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    random.Random(0).shuffle(paths)
    found = []
    for path in paths[:photos]:
        try:
            picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        except (OSError, SyntaxError) as error:
            print(f"left out: {path} can't be read: {error}")
            continue
        picture.thumbnail((SCREEN_PX, SCREEN_PX))
        faces = sorted(finder.find_in(picture), key=lambda face: -face.size_px)
        if faces and (len(faces) == 1 or faces[1].size_px < SECOND_FACE * faces[0].size_px):
            found.append(Portrait(path.parent.name, picture, faces[0]))
    return found


def measure_detection(portraits: Sequence[Portrait], finder: LiteRTFaceFinder) -> Mapping[int, tuple[float, float]]:
    """Size of a face in pixels -> recall and precision."""
    found = {}
    for size_px in FACE_PX:
        hits = others = 0
        for portrait in portraits:
            scale = size_px / portrait.face.size_px
            width, height = (max(1, round(side * scale)) for side in portrait.picture.size)
            ground = Image.new("RGB", (SCREEN_PX, SCREEN_PX * 3 // 4), (110, 120, 115))
            ground.paste(portrait.picture.resize((width, height), Image.Resampling.LANCZOS), (40, 40))
            x = 40 + (portrait.face.left + portrait.face.width / 2) * width
            y = 40 + (portrait.face.top + portrait.face.height / 2) * height
            inside = [
                face.left * ground.width < x < (face.left + face.width) * ground.width
                and face.top * ground.height < y < (face.top + face.height) * ground.height
                for face in finder.find_in(ground)
            ]
            hits += any(inside)
            others += len(inside) - any(inside)
        found[size_px] = (hits / len(portraits), hits / max(1, hits + others))
    return found


def count_false_faces(directory: Path, finder: LiteRTFaceFinder) -> tuple[int, int]:
    """Photos of a directory, made as large as the service keeps them, and the faces that are found on them."""
    photos = faces = 0
    for path in sorted(directory.glob("*.jpg")):
        picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        scale = SCREEN_PX / max(picture.size)
        picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
        photos, faces = photos + 1, faces + len(finder.find_in(picture))
    return photos, faces


def pair_distances(portraits: Sequence[Portrait]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Euclidean distances of the vectors of all pairs of one person, and of all others."""
    vectors = np.array([np.frombuffer(portrait.face.vector, "<f2").astype(np.float64) for portrait in portraits])
    names = np.array([portrait.name for portrait in portraits])
    upper = np.triu(np.ones((len(names), len(names)), bool), 1)
    same = names[:, None] == names[None]
    distances = np.sqrt(np.maximum(0, 2 - 2 * vectors @ vectors.T))
    return distances[same & upper], distances[~same & upper]


def measure_verification(same: NDArray[np.float64], others: NDArray[np.float64]) -> tuple[float, float, float]:
    """Share of pairs of one person below what one in a thousand others is below; the best accuracy, and where."""
    places = np.linspace(0, 1.5, 600)
    accuracy = [((same <= place).mean() + (others > place).mean()) / 2 for place in places]
    best = int(np.argmax(accuracy))
    return float((same <= np.quantile(others, FALSE_PAIRS)).mean()), float(accuracy[best]), float(places[best])


def measure_cost(finder: LiteRTFaceFinder, rounds: int = 9) -> Mapping[int, float]:
    """Faces of a picture -> median processor time in ms."""
    places = [(50, 50, 200), (450, 50, 200), (850, 50, 200), (50, 500, 200)]
    cost = {}
    for count in (0, 1, 4):
        picture, times = encode(picture_with_faces(places[:count])), []
        for _ in range(rounds):
            start = time.process_time()
            faces = finder.find_faces(picture)
            times.append((time.process_time() - start) * 1e3)
        if len(faces) != count:
            raise RuntimeError(f"{len(faces)} faces were found where {count} are drawn")
        cost[count] = statistics.median(times)
    return cost


async def measure_memory() -> tuple[float, float]:
    """Private memory and PSS of the child process in MB, after a few pictures."""
    picture = encode(picture_with_faces([(50, 50, 200)]))
    async with FaceProcess() as finder:
        for _ in range(3):
            await finder.find_faces(picture)
        used = psutil.Process(finder.pid).memory_full_info()
    return used.uss / 1e6, used.pss / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, required=True, help="directory of NAME/photo.jpg")
    parser.add_argument("--photos", type=int, default=400, help="at most so many of them (default 400)")
    parser.add_argument("--without", type=Path, help="directory of photos (*.jpg) without people")
    args = parser.parse_args()
    finder = LiteRTFaceFinder(DEFAULT_FACE_BUNDLE)
    portraits = read_portraits(args.faces, finder, args.photos)
    print(f"{len(portraits)} photos with one main face, of {len({portrait.name for portrait in portraits})} people")
    large = [portrait for portrait in portraits if portrait.face.size_px > max(FACE_PX)]
    for size_px, (recall, precision) in measure_detection(large[:60], finder).items():
        print(f"faces of {size_px} px: recall {recall:.0%}, precision {precision:.0%}")
    if args.without is not None:
        photos, faces = count_false_faces(args.without, finder)
        print(f"{faces} faces on {photos} photos without people")
    same, others = pair_distances(portraits)
    recall, accuracy, place = measure_verification(same, others)
    print(f"{len(same)} pairs of one person, {len(others)} others: {recall:.1%} told at 1 false in 1,000; "
          f"{accuracy:.1%} right at {place:.2f}")  # fmt: skip
    limit = read_face_model().same_distance
    print(f"within {limit}: {(same <= limit).mean():.1%} of one person, {(others <= limit).mean():.3%} of others")
    for count, ms in measure_cost(finder).items():
        print(f"a picture with {count} faces: {ms:.0f} ms of processor time")
    private, pss = asyncio.run(measure_memory())
    print(f"memory of the child: {private:.0f} MB its own, {pss:.0f} MB PSS")


if __name__ == "__main__":
    main()
