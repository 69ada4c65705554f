"""Prepares photos for training: their pixels as .npy files.

    python -m captioner.training.data --out PREPARED flickr8k-train=photos-0.tar,photos-1.tar

Each named source becomes a directory of PREPARED with photos.npy (n, px, px, 3) uint8 and names.txt. A source that is
there already is left alone.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import logging
import tarfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from PIL import Image

from captioner.inference.preprocess import Vocabulary, squash, tokenize

log = logging.getLogger(__name__)

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
#: Random crops keep at least this share of the photo's area.
MIN_AREA = 0.35

Box = tuple[float, float, float, float]
#: The box that leaves a photo whole.
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Source:
    """One prepared set of photos, its arrays mapped from disk."""

    photos: NDArray[np.uint8]  # (n, px, px, 3)
    names: tuple[str, ...]

    @classmethod
    def open(cls, directory: Path) -> Source:
        """Map the arrays of a prepared source."""
        return cls(photos=np.load(directory / "photos.npy", mmap_mode="r", allow_pickle=False),
                   names=tuple((directory / "names.txt").read_text(encoding="utf-8").splitlines()))  # fmt: skip


def read_photos(path: Path, wanted: Container[str] | None = None) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every photo of a tar file, a zip file or a directory, in the order of their names.

    Zip files in a directory are read as if they lay there unpacked: COCO's need not be.

    Args:
        wanted: names; other photos are passed over unread.
    """
    with ExitStack() as opened:
        readers = {name: read for name, read in _photo_readers(path, opened) if wanted is None or name in wanted}
        for name in sorted(readers):
            yield name, readers[name]()


def photo_names(path: Path) -> list[str]:
    """The names that `read_photos` gives."""
    with ExitStack() as opened:
        return sorted({name for name, _ in _photo_readers(path, opened)})


def _photo_readers(path: Path, opened: ExitStack) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """The name of each photo, and what reads it."""
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.suffix.lower() in {".zip", *PHOTO_SUFFIXES}]
        for archive in (file for file in files if file.suffix.lower() == ".zip" and file.is_file()):
            folder = archive.parent.relative_to(path)
            for name, read in _photo_readers(archive, opened):
                yield (folder / name).as_posix(), read
        for file in filter(_is_photo, files):
            yield file.relative_to(path).as_posix(), file.read_bytes
    elif path.suffix.lower() == ".zip":
        zipped = opened.enter_context(zipfile.ZipFile(path))
        for name in filter(_is_photo, zipped.namelist()):
            yield name, partial(zipped.read, name)
    else:
        tar = opened.enter_context(tarfile.open(path))  # noqa: SIM115 the stack closes it
        for member in tar.getmembers():
            if member.isfile() and _is_photo(member.name):
                yield member.name, partial(_read_member, tar, member)


def _is_photo(name: str | Path) -> bool:
    return Path(name).suffix.lower() in PHOTO_SUFFIXES


def _read_member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    content = tar.extractfile(member)
    return content.read() if content else b""


def read_captions(path: Path) -> dict[str, list[str]]:
    """Captions by photo name, from lines of {"image": ..., "captions": [...]}."""
    with path.open(encoding="utf-8") as lines:
        rows: Iterable[dict[str, Any]] = map(json.loads, lines)
        return {row["image"]: list(row["captions"]) for row in rows}


def is_held_out(name: str, share: float = 0.25) -> bool:
    """Whether a photo belongs to the part of a set that is kept for measuring: by a hash of its name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") < share * 2**32


def read_text(path: Path) -> list[str]:
    """The lines of a text file, gzipped or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        return [line.strip() for line in lines if line.strip()]


def build_vocabulary(captions: Iterable[str], text: Iterable[str], size: int) -> Vocabulary:
    """A word of photo captions counts ten times one of text without photos: only those can be learnt from photos."""
    counts: Counter[str] = Counter()
    for weight, lines in ((10, captions), (1, text)):
        for line in lines:
            for word in tokenize(line):
                counts[word] += weight
    return Vocabulary.build(counts, size)


def decode_image(data: bytes) -> Image.Image | None:
    """A photo, or None with a line in the log where the bytes are none."""
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except (OSError, ValueError, SyntaxError) as error:
        log.warning("left out: %s", error)
        return None
    return image.convert("RGB")


def random_box(rng: np.random.Generator, least: float = MIN_AREA) -> Box:
    """A crop of at least that share of the area, as (left, top, right, bottom) in 0..1; one in six is the whole."""
    if rng.random() < 1 / 6:
        return WHOLE
    area, stretch = rng.uniform(least, 1), np.exp(rng.uniform(-0.25, 0.25))
    width, height = min(1.0, np.sqrt(area) * stretch), min(1.0, np.sqrt(area) / stretch)
    left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
    return (left, top, left + width, top + height)


def crop(photo: NDArray[np.uint8], box: Box, px: int) -> NDArray[np.uint8]:
    """The part of a photo under `box` as (px, px, 3)."""
    left, top, right, bottom = (edge * photo.shape[0] for edge in box)
    return np.asarray(Image.fromarray(photo).resize((px, px), Image.Resampling.BILINEAR, (left, top, right, bottom)))


def prepare(paths: Iterable[Path], out: Path, px: int) -> int:
    """Write one source to `out` and return its number of photos; `out` appears only when it is whole.

    Raises:
        ValueError: there is not one photo.
    """
    started = time.monotonic()
    unfinished = out.with_name(out.name + ".part")
    unfinished.mkdir(parents=True, exist_ok=True)
    images = ((name, decode_image(data)) for path in paths for name, data in read_photos(path))
    found = ((name, image) for name, image in images if image is not None)
    with (
        NpyWriter(unfinished / "photos.npy") as photos,
        (unfinished / "names.txt").open("w", encoding="utf-8") as names,
    ):
        while some := list(islice(found, 64)):
            photos.append(np.stack([squash(image, px) for _, image in some]))
            names.writelines(f"{name}\n" for name, _ in some)
            if photos.length % 1024 == 0:
                log.info("%s: %d photos, %.0f/s", out.name, photos.length, photos.length / (time.monotonic() - started))
    unfinished.rename(out)
    return photos.length


def prepare_all(sources: Mapping[str, list[Path]], out: Path, px: int) -> None:
    """Prepare each source that is not there yet."""
    out.mkdir(parents=True, exist_ok=True)
    for name, paths in sources.items():
        if (out / name).exists():
            log.info("%s is there", name)
            continue
        log.info("%s: %d photos", name, prepare(paths, out / name, px))


def _parse_source(text: str) -> tuple[str, list[Path]]:
    name, _, paths = text.partition("=")
    if not paths:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PATH[,PATH...]")
    return name, [Path(path) for path in paths.split(",")]


def main(argv: list[str] | None = None) -> None:
    """The command line."""
    parser = program_parser("data", __doc__)
    parser.add_argument("sources", nargs="+", type=_parse_source, metavar="NAME=PATH[,PATH...]",
                        help="tar files, zip files or directories of photos that make up one source")  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="directory of the prepared sources")
    parser.add_argument("--px", type=int, default=224, help="side of the stored photos, pixels (default 224)")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    prepare_all(dict(args.sources), args.out, args.px)


def program_parser(name: str, docstring: str | None) -> argparse.ArgumentParser:
    """A parser for `python -m captioner.training.NAME`, described by the first line of the module's docstring."""
    description = (docstring or "").partition("\n")[0]
    return argparse.ArgumentParser(prog=f"python -m captioner.training.{name}", description=description)


class NpyWriter:
    """A growing array on disk; a context manager. `np.load` reads what it wrote, also mapped.

    numpy leaves room in the header for the length to grow to 21 digits, so the header is written again at the end
    over the first one (NEP 1, and `numpy.lib.format`).
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._rows: tuple[int, ...] | None = None  # the shape of a row, known from the first
        self._kind: Any = None
        self._header = 0
        self.length = 0

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows (k, ...).

        Raises:
            ValueError: they are of another shape or type than those before.
        """
        if self._rows is None:
            self._rows, self._kind = rows.shape[1:], rows.dtype
            self._write_header()
            self._header = self._file.tell()
        if (rows.shape[1:], rows.dtype) != (self._rows, self._kind):
            raise ValueError(f"rows of {self._rows} {self._kind} expected, got {rows.shape[1:]} {rows.dtype}")
        self._file.write(np.ascontiguousarray(rows).data)
        self.length += len(rows)

    def close(self) -> None:
        """Write the length and close; closing twice is fine.

        Raises:
            ValueError: there was not one row, so nothing is known of the array.
        """
        if self._file.closed:
            return
        with self._file:
            if self._rows is None:
                raise ValueError(f"{self._file.name} has no rows")
            self._file.seek(0)
            self._write_header()
            if self._file.tell() != self._header:
                raise ValueError(f"the header of {self._file.name} has changed its size")

    def _write_header(self) -> None:
        shape = (self.length, *(self._rows or ()))
        header = {"descr": npy.dtype_to_descr(self._kind), "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(self._file, header)

    def __enter__(self) -> NpyWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is None:
            self.close()
        else:
            self._file.close()


if __name__ == "__main__":
    main()
