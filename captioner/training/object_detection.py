"""Which of COCO's 80 kinds of objects are on photos, by a detector: what photos without captions are learnt from.

    python -m captioner.training.object_detection --detector yolox_nano.onnx PREPARED/coco-uncaptioned ...

Writes objects.npy (n, 80) float16 beside each source's photos.npy: the probability of the surest box of each kind.
The detector is a YOLOX (arXiv:2107.08430, Apache-2.0) exported to ONNX with logits and boxes not decoded; onnxruntime
runs it. Photos are normalised as ImageNet's are.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from captioner.training.data import Source
from captioner.training.npy_writer import NpyWriter
from captioner.training.program import program_parser

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
