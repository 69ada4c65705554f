"""A dozen made photos in files laid out like COCO's: zips, annotations and Karpathy's split in their true schemas."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw

COLOURS = {"red": (220, 30, 30), "green": (20, 180, 40), "blue": (30, 60, 220), "yellow": (240, 220, 20),
           "white": (250, 250, 250), "black": (10, 10, 10)}  # fmt: skip
SHAPES = ("ball", "box")


@dataclass(frozen=True, slots=True)
class MadePhoto:
    """What there is to say of one photo."""

    number: int  # COCO's id
    colour: str
    shape: str
    part: str  # of COCO 2017
    part_2014: str
    split: str  # Karpathy's

    @property
    def name(self) -> str:
        return f"{self.part}/{self.number:012d}.jpg"

    @property
    def name_2014(self) -> str:
        return f"COCO_{self.part_2014}_{self.number:012d}.jpg"

    @property
    def captions(self) -> tuple[str, ...]:
        return (f"A {self.colour} {self.shape} lies on the grey floor.", f"there is a {self.colour} {self.shape} ")

    def jpeg(self) -> bytes:
        image = Image.new("RGB", (96, 80) if self.number % 2 else (80, 96), (128, 128, 128))
        draw = ImageDraw.Draw(image)
        (draw.ellipse if self.shape == "ball" else draw.rectangle)((12, 12, 68, 68), fill=COLOURS[self.colour])
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=90)
        return buffer.getvalue()


#: Karpathy's splits lie across COCO 2017's parts: his test has photos of train2017, his train has photos of val2017.
_PLACES = (
    ("train2017", "train2014", "train"),
    ("val2017", "train2014", "train"),
    ("train2017", "val2014", "restval"),
    ("val2017", "val2014", "restval"),
    ("train2017", "val2014", "val"),
    ("train2017", "val2014", "test"),
    ("val2017", "val2014", "test"),
)
PHOTOS = tuple(
    MadePhoto(391895 + 31 * i, colour, shape, *_PLACES[i % len(_PLACES)])
    for i, (colour, shape) in enumerate((colour, shape) for colour in COLOURS for shape in SHAPES)
)


def captions_table(part: str) -> dict[str, Any]:
    """annotations/captions_PART.json; captions of one photo do not stand together, as in COCO's own."""
    photos = [photo for photo in PHOTOS if photo.part == part]
    rows = [(photo, text) for turn in range(2) for photo in photos for text in photo.captions[turn : turn + 1]]
    return {
        "info": {"description": "COCO 2017 Dataset", "url": "http://cocodataset.org", "version": "1.0", "year": 2017,
                 "contributor": "COCO Consortium", "date_created": "2017/09/01"},
        "licenses": [{"url": "http://creativecommons.org/licenses/by/2.0/", "id": 4, "name": "Attribution License"}],
        "images": [{"license": 4, "file_name": f"{p.number:012d}.jpg", "height": 80, "width": 96, "id": p.number,
                    "coco_url": f"http://images.cocodataset.org/{p.name}", "date_captured": "2013-11-14 17:02:52",
                    "flickr_url": "http://farm7.staticflickr.com/x.jpg"} for p in photos],
        "annotations": [{"image_id": p.number, "id": 37 + i, "caption": text} for i, (p, text) in enumerate(rows)],
    }  # fmt: skip


def karpathy_table() -> dict[str, Any]:
    """dataset_coco.json."""
    return {
        "images": [{"filepath": p.part_2014, "sentids": [2 * i, 2 * i + 1], "filename": p.name_2014, "imgid": i,
                    "split": p.split, "cocoid": p.number,
                    "sentences": [{"tokens": text.strip(" .").lower().split(), "raw": text, "imgid": i,
                                   "sentid": 2 * i + n} for n, text in enumerate(p.captions)]}
                   for i, p in enumerate(PHOTOS)],
        "dataset": "coco",
    }  # fmt: skip


def zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for folder in sorted({name.partition("/")[0] + "/" for name in files if "/" in name}):
            archive.writestr(folder, b"")
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def coco_files() -> dict[str, bytes]:
    """The four files that captioner.training.coco takes, by name."""
    parts = {part: {p.name: p.jpeg() for p in PHOTOS if p.part == part} for part in ("train2017", "val2017")}
    annotations = {
        **{f"annotations/captions_{part}.json": json.dumps(captions_table(part)).encode() for part in parts},
        "annotations/instances_val2017.json": b"{}",
    }
    karpathy = {"dataset_flickr8k.json": b"{}", "dataset_coco.json": json.dumps(karpathy_table()).encode()}
    return {
        **{f"{part}.zip": zipped(photos) for part, photos in parts.items()},
        "annotations_trainval2017.zip": zipped(annotations),
        "caption_datasets.zip": zipped(karpathy),
    }


def files_table(files: Mapping[str, bytes], url: str) -> str:
    """What `captioner.training.coco --files` reads, of files served under `url`."""
    rows = [{"url": f"{url}{name}", "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()]  # fmt: skip
    return json.dumps(rows)
