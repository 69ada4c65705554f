"""Detects COCO's 80 object classes, and derives soft tag targets for photos without captions from them.

    python -m captioner.training.object_detection --detector yolox_nano.onnx PREPARED/coco-uncaptioned ...

Writes objects.npy (n, 80) float16 beside each source's photos.npy: the probability of the surest box of each kind.
People use the word of an object that is there in some share of their captions ("cat" nearly always, "chair" rarely),
and hardly ever of one that isn't. Both shares are counted on captioned photos (`expected_tags`).

The detector is a YOLOX (arXiv:2107.08430, Apache-2.0) exported to ONNX with logits and boxes not decoded; onnxruntime
runs it. Photos are normalised as ImageNet's are.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from captioner.training.data import NpyWriter, Source, program_parser

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]

_NAMES = """
person bicycle car motorcycle airplane bus train truck boat traffic-light fire-hydrant stop-sign parking-meter bench
bird cat dog horse sheep cow elephant bear zebra giraffe backpack umbrella handbag tie suitcase frisbee skis snowboard
sports-ball kite baseball-bat baseball-glove skateboard surfboard tennis-racket bottle wine-glass cup fork knife spoon
bowl banana apple sandwich orange broccoli carrot hot-dog pizza donut cake chair couch potted-plant bed dining-table
toilet tv laptop mouse remote keyboard cell-phone microwave oven toaster sink refrigerator book clock vase scissors
teddy-bear hair-drier toothbrush
"""
#: COCO's kinds of objects in the order of their numbers.
OBJECTS = tuple(name.replace("-", " ") for name in _NAMES.split())
_MEAN, _STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
_STRIDES = (8, 16, 32)
#: Box, objectness and kinds of one cell.
_BOX, _NUMBERS = 4, 4 + 1 + len(OBJECTS)
#: Words for an object beside its own name.
_PEOPLE = """man men woman women person people boy boys girl girls child children kid kids baby toddler lady guy
group crowd player players couple family"""
OTHER_WORDS: Mapping[str, tuple[str, ...]] = {
    "person": tuple(_PEOPLE.split()),
    "bicycle": ("bike", "bikes", "bicyclist", "cyclist"),
    "motorcycle": ("motorbike", "motorcyclist"),
    "airplane": ("plane", "planes", "jet", "aircraft"),
    "boat": ("ship", "sailboat", "canoe", "kayak"),
    "cat": ("kitten",),
    "dog": ("puppy", "dogs"),
    "cow": ("cattle", "bull"),
    "sheep": ("lamb",),
    "bird": ("birds", "duck", "ducks", "pigeon"),
    "couch": ("sofa",),
    "tv": ("television", "screen", "monitor"),
    "laptop": ("computer",),
    "cell phone": ("cellphone",),
    "refrigerator": ("fridge",),
    "wine glass": ("wine",),
    "donut": ("doughnut", "doughnuts"),
    "remote": ("controller",),
    "dining table": ("dinner",),
    "potted plant": ("plants", "flowers"),
    "skis": ("ski", "skiing", "skier", "skiers"),
    "snowboard": ("snowboarder", "snowboarding"),
    "surfboard": ("surfer", "surfing", "surfboards"),
    "skateboard": ("skateboarder", "skateboarding", "skater"),
    "baseball bat": ("batter",),
    "tennis racket": ("racquet",),
}
#: Names of two words of which only one, or none, is a word for the object.
_OWN_WORDS = {"stop sign": "sign", "parking meter": "meter", "dining table": "table", "potted plant": "plant",
              "cell phone": "phone", "hair drier": "drier", "sports ball": "ball", "hot dog": "hotdog",
              "teddy bear": "teddy", "wine glass": "glass"}  # fmt: skip
#: An object's share is as if it had been seen so often before, at the share of all objects' words together.
_PRIOR = 4.0


class Detector:
    """A YOLOX in ONNX form.

    Args:
        path: input (1, 3, side, side), output (1, cells, 85) whose numbers lie level by level, each (85, cells).
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session: Any = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        entry = self._session.get_inputs()[0]
        self._name, self._side = entry.name, int(entry.shape[2])

    def __call__(self, pixels: NDArray[np.uint8]) -> Floats:
        """The probability (80,) that an object of each kind is on a photo (px, px, 3)."""
        image = Image.fromarray(pixels).resize((self._side, self._side), Image.Resampling.BICUBIC)
        scaled = (np.asarray(image, np.float32) / 255 - _MEAN) / _STD
        found = self._session.run(None, {self._name: scaled.transpose(2, 0, 1)[None]})[0]
        return _best_scores(found.ravel(), self._side)


def _best_scores(found: Floats, side: int) -> Floats:
    best = np.zeros(len(OBJECTS), np.float32)
    start = 0
    for stride in _STRIDES:
        cells = (side // stride) ** 2
        level = found[start : start + _NUMBERS * cells].reshape(_NUMBERS, cells)
        start += _NUMBERS * cells
        odds = 1 / (1 + np.exp(-level[_BOX:]))
        best = np.maximum(best, (odds[:1] * odds[1:]).max(1))
    return best


def detect(detector: Detector, directory: Path, first: int | None = None) -> None:
    """Write objects.npy of a prepared source; of the `first` photos only where that is given."""
    photos = Source.open(directory).photos[:first]
    unfinished = directory / "objects.part"
    with NpyWriter(unfinished) as rows:
        for photo in photos:
            rows.append(detector(photo)[None].astype(np.float16))
    unfinished.rename(directory / "objects.npy")
    log.info("%s: objects of %d photos", directory.name, len(photos))


def object_words(name: str) -> set[str]:
    """Words that people use for an object."""
    own = set(_OWN_WORDS.get(name, name).split())
    plural = {f"{word}s" for word in own} | {f"{word}es" for word in own}
    return own | plural | set(OTHER_WORDS.get(name, ()))


def expected_tags(objects: Floats, captioned: Floats, used: Floats, tags: Sequence[str]) -> Floats:
    """Targets (n, 2, tags) for photos without captions, see `model.tag_loss`; tags of no object count nothing.

    Args:
        objects: (n, 80) probabilities of the objects on these photos.
        captioned: (m, 80) the same of photos with captions. used: (m, tags), 1 where a person used the tag.
    """
    found = np.zeros((len(objects), 2, len(tags)), np.float32)
    there = captioned > 0.5
    overall = _mean_use(there, used, tags)
    for t, tag in enumerate(tags):
        own = [o for o, name in enumerate(OBJECTS) if tag in object_words(name)]
        if not own:
            continue
        absent = _mean(used[(captioned[:, own] < 0.1).all(axis=1), t])
        expected = np.full(len(objects), absent, np.float32)
        for o in own:
            present = (used[there[:, o], t].sum() + _PRIOR * overall) / (there[:, o].sum() + _PRIOR)
            expected = np.maximum(expected, absent + max(present - absent, 0) * objects[:, o])
        found[:, 0, t], found[:, 1, t] = expected, 1
    return found


def _mean_use(there: NDArray[np.bool_], used: Floats, tags: Sequence[str]) -> float:
    """The share of people who use a word of an object that is there, over all objects and words."""
    rows = [used[there[:, o], t] for o, name in enumerate(OBJECTS) for t,
            tag in enumerate(tags) if tag in object_words(name)]  # fmt: skip
    return _mean(np.concatenate(rows)) if rows else 0.0


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else 0.0


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = program_parser("objects", __doc__)
    parser.add_argument("sources", nargs="+", type=Path, help="directories of prepared sources")
    parser.add_argument("--detector", type=Path, required=True, help="a YOLOX of COCO's objects as an ONNX file")
    parser.add_argument("--first", type=int, help="only so many photos of each source")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    detector = Detector(args.detector, threads=args.threads)
    for directory in args.sources:
        detect(detector, directory, args.first)


if __name__ == "__main__":
    main()
