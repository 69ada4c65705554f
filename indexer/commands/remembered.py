"""What was said once on the command line and holds from then on: the libraries, and where captions may be written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from indexer.errors import StorageError
from indexer.scanning.crawler import outermost
from indexer.settings import SETTINGS


@dataclass(frozen=True, slots=True)
class Remembered:
    """`captions` is the setting of that name where it was ever given as a flag: it stands in for the default, so that
    somebody who once said `--captions off` finds no caption in a photo after a later start without it."""

    libraries: tuple[Path, ...] = ()
    captions: str | None = None


def read_remembered(data_dir: Path) -> Remembered:
    """Raises `StorageError` where the file is not what `remember` wrote."""
    path = _file(data_dir)
    try:
        stored = json.loads(path.read_text(encoding="ascii"))
        captions = stored["captions"]
        if captions is not None and captions not in SETTINGS["captions"].metadata["choices"]:
            raise ValueError(captions)
        return Remembered(tuple(Path(str(item)) for item in stored["libraries"]), captions)
    except (FileNotFoundError, NotADirectoryError):
        return Remembered()
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StorageError(
            f"{path} can't be read: {error}", hint="delete it, and name your libraries again at the next start"
        ) from error


def remember(data_dir: Path, *, libraries: Sequence[Path] = (), captions: str | None = None) -> Remembered:
    """Adds to what is remembered. A library inside another one is that one's."""
    before = read_remembered(data_dir)
    after = Remembered(outermost([*before.libraries, *libraries]), captions or before.captions)
    if after != before:
        _write(data_dir, after)
    return after


def forget_libraries(data_dir: Path, roots: Sequence[Path]) -> None:
    """Takes libraries off the list."""
    before = read_remembered(data_dir)
    _write(data_dir, replace(before, libraries=tuple(root for root in before.libraries if root not in roots)))


def _file(data_dir: Path) -> Path:
    return data_dir / "remembered.json"


def _write(data_dir: Path, remembered: Remembered) -> None:
    path = _file(data_dir)
    fresh = path.with_suffix(".new")
    stored = {"libraries": [str(root) for root in remembered.libraries], "captions": remembered.captions}
    try:
        # ASCII escapes carry names that are not UTF-8 (surrogateescape) through JSON unharmed.
        fresh.write_text(json.dumps(stored, indent=1), encoding="ascii")
        fresh.replace(path)
    except OSError as error:
        raise StorageError(
            f"{path} can't be written: {error.strerror}", hint="check the free space and the rights of the directory"
        ) from error
