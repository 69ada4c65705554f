"""Prepares COCO 2017 with the Karpathy split for training.

    python -m captioner.training.coco --out COCO [--download]

COCO holds the four published files, or what they hold unpacked: train2017.zip, val2017.zip,
annotations_trainval2017.zip and Karpathy's caption_datasets.zip; --download fetches what is missing. Out come
COCO/train.jsonl, val.jsonl and test.jsonl for `train` and `evaluate`; the photos stay in their zips:

    python -m captioner.training.data --out PREPARED coco=COCO

Photos under the licences of their owners (COCO names each photo's), captions CC BY 4.0.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captioner.training.data import photo_names, program_parser
from captioner.training.download import DownloadError, Progress, Remote, fetch

log = logging.getLogger(__name__)

#: Sizes and sums as TensorFlow Datasets publishes them (url_checksums/coco_captions.txt). COCO's own server has no
#: https that can be verified.
FILES = (
    Remote("http://images.cocodataset.org/annotations/annotations_trainval2017.zip", 252_907_541,
           "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268"),
    Remote("https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip", 36_745_453,
           "4cfd70132527b80933105e5829dc9034eaab9573482e2e680abbab6130244817"),
    Remote("http://images.cocodataset.org/zips/val2017.zip", 815_585_330,
           "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05"),
    Remote("http://images.cocodataset.org/zips/train2017.zip", 19_336_861_798,
           "69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929"),
)  # fmt: skip
#: COCO 2017's two parts. Which one a photo is in says nothing of Karpathy's splits, which are older.
PARTS = ("train2017", "val2017")
#: Names of Karpathy's splits, and the file that each goes to. What others train on is his train and restval.
SPLITS = {"train": "train", "restval": "train", "val": "val", "test": "test"}


class CocoError(Exception):
    """The files aren't COCO's, or not all are there; the message says which."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo of COCO 2017 with its captions."""

    name: str  # "val2017/000000391895.jpg"
    captions: tuple[str, ...]


def read_annotations(directory: Path) -> dict[int, Photo]:
    """Every photo of COCO 2017 that has captions, by its id.

    Raises:
        CocoError: the annotations are missing or damaged.
    """
    found: dict[int, Photo] = {}
    for part in PARTS:
        table = _read(directory, "annotations_trainval2017.zip", f"annotations/captions_{part}.json")
        try:
            captions: dict[int, list[str]] = {}
            for row in table["annotations"]:
                captions.setdefault(row["image_id"], []).append(" ".join(row["caption"].split()))
            for row in table["images"]:
                if row["id"] in captions:
                    found[row["id"]] = Photo(f"{part}/{row['file_name']}", tuple(captions[row["id"]]))
        except (KeyError, TypeError, AttributeError) as error:
            raise CocoError(f"captions_{part}.json is not as COCO has it: {error!r}") from error
    return found


def read_karpathy_splits(directory: Path) -> dict[int, str]:
    """The split of each photo by its id: a key of `SPLITS` ("Deep visual-semantic alignments", arXiv:1412.2306).

    The table names COCO 2014's files (val2014/COCO_val2014_000000391895.jpg), which COCO 2017 moved and renamed; the
    id of a photo is the same in both.

    Raises:
        CocoError: the file is missing or damaged.
    """
    table = _read(directory, "caption_datasets.zip", "dataset_coco.json")
    try:
        return {int(row["cocoid"]): str(row["split"]) for row in table["images"]}
    except (KeyError, TypeError, ValueError) as error:
        raise CocoError(f"dataset_coco.json is not as Karpathy has it: {error!r}") from error


def assign_splits(photos: Mapping[int, Photo], splits: Mapping[int, str]) -> dict[str, list[Photo]]:
    """The photos of each of our files, in the order of their names; a photo that Karpathy doesn't name is in none.

    Raises:
        CocoError: a split that isn't known.
    """
    unknown = set(splits.values()) - SPLITS.keys()
    if unknown:
        raise CocoError(f"dataset_coco.json has splits that aren't known: {', '.join(sorted(unknown))}")
    found: dict[str, list[Photo]] = {name: [] for name in dict.fromkeys(SPLITS.values())}
    for photo_id in photos.keys() & splits.keys():
        found[SPLITS[splits[photo_id]]].append(photos[photo_id])
    return {name: sorted(chosen, key=lambda photo: photo.name) for name, chosen in found.items()}


def write_splits(directory: Path) -> dict[str, int]:
    """Write `directory`/train.jsonl, val.jsonl and test.jsonl; returns the number of photos of each.

    Raises:
        CocoError: files are missing or damaged, or no photo is both there and in a split.
    """
    photos, splits = read_annotations(directory), read_karpathy_splits(directory)
    try:
        there = set(photo_names(directory))
    except zipfile.BadZipFile as error:
        raise CocoError(f"a zip file in {directory} is damaged: {error}") from error
    present = {photo_id: photo for photo_id, photo in photos.items() if photo.name in there}
    for missing, what in (
        (len(photos) - len(present), "photos with captions are in no zip and no folder here"),
        (len(present.keys() - splits.keys()), "photos are in no split of Karpathy's"),
        (len(splits.keys() - photos.keys()), "photos of Karpathy's have no captions in COCO 2017"),
    ):
        if missing:
            log.warning("left out: %d %s", missing, what)
    found = assign_splits(present, splits)
    if not any(found.values()):
        raise CocoError(f"no photo of {' or '.join(PARTS)} is in {directory}, neither as a zip nor as a folder")
    for name, chosen in found.items():
        _write(directory / f"{name}.jsonl", chosen)
    return {name: len(chosen) for name, chosen in found.items()}


def _write(path: Path, photos: Sequence[Photo]) -> None:
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("w", encoding="utf-8") as lines:
        for photo in photos:
            lines.write(json.dumps({"image": photo.name, "captions": photo.captions}, ensure_ascii=False) + "\n")
    unfinished.replace(path)


def _read(directory: Path, archive: str, member: str) -> Any:
    """A JSON file that lies in `directory`, or in an archive there."""
    try:
        if (directory / member).is_file():
            return json.loads((directory / member).read_bytes())
        with zipfile.ZipFile(directory / archive) as zipped:
            return json.loads(zipped.read(member))
    except FileNotFoundError:
        raise CocoError(f"neither {member} nor {archive} is in {directory}; --download fetches it") from None
    except KeyError:
        raise CocoError(f"{directory / archive} holds no {member}") from None
    except (ValueError, zipfile.BadZipFile) as error:
        raise CocoError(f"{member} in {directory} is damaged: {error}") from error


def _parse_remotes(path: str) -> tuple[Remote, ...]:
    """What the JSON file of `--files` names in place of COCO's own addresses."""
    try:
        return tuple(Remote(**row) for row in json.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def main(argv: list[str] | None = None) -> None:
    """The command line."""
    parser = program_parser("coco", __doc__)
    parser.add_argument("--out", type=Path, required=True, help="directory of COCO's files and of what is made of them")
    parser.add_argument("--download", action="store_true", help="fetch what is missing: 20.4 GB in all")
    parser.add_argument("--files", type=_parse_remotes, default=FILES, metavar="JSON",
                        help='other places to fetch from: a list of {"url", "size_bytes", "sha256"}')  # fmt: skip
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        if args.download:
            progress = Progress(sys.stderr)
            for remote in args.files:
                log.info("%s", fetch(remote, args.out, progress))
        for name, count in write_splits(args.out).items():
            log.info("%s.jsonl: %d photos", name, count)
    except (CocoError, DownloadError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")


if __name__ == "__main__":
    main()
