"""What the data directory remembers of the command lines that indexed into it: libraries, some settings, and which
search index was filled."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from indexer.errors import StorageError
from indexer.settings import SETTINGS

#: They name a search index.
INDEX_SETTINGS = ("search", "meilisearch_url", "meilisearch_index")
#: Settings that were once given as flags stand in for defaults: somebody who said `--captions off` finds no caption in
#: a photo after a later start without it, and whoever said `--search meilisearch` searches there.
REMEMBERED_SETTINGS = ("captions", *INDEX_SETTINGS)


@dataclass(frozen=True, slots=True)
class Remembered:
    """`settings` were given as flags; `filled_index` names the search index that was filled last."""

    libraries: tuple[Path, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    filled_index: Mapping[str, str] = field(default_factory=dict)


def read_remembered(data_dir: Path) -> Remembered:
    """Raises `StorageError` where the file is not what `remember` wrote."""
    path = _file(data_dir)
    try:
        stored = json.loads(path.read_text(encoding="ascii"))
        # Files of before Meilisearch was remembered lack its settings and `filled_index`.
        settings = {name: value for name in REMEMBERED_SETTINGS if (value := stored.get(name)) is not None}
        filled = {**stored.get("filled_index", {})}
        if filled and "search" not in filled:
            raise ValueError("filled_index does not name a backend")
        for name, value in [*settings.items(), *filled.items()]:
            choices = SETTINGS[name].metadata["choices"]
            if not isinstance(value, str) or (choices and value not in choices):
                raise ValueError(f"{name} is {value!r}")
        return Remembered(tuple(Path(str(item)) for item in stored["libraries"]), settings, filled)
    except (FileNotFoundError, NotADirectoryError):
        return Remembered()
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError(
            f"{path} can't be read: {error}", hint="delete it, and name your libraries again at the next start"
        ) from error


def remember(
    data_dir: Path,
    *,
    libraries: Sequence[Path] = (),
    settings: Mapping[str, str] | None = None,
    filled_index: Mapping[str, str] | None = None,
) -> Remembered:
    """Adds to what is remembered. A library inside another one is that one's. Raises `StorageError`."""
    from indexer.scanning.crawler import outermost  # brings the catalogue along

    before = read_remembered(data_dir)
    after = Remembered(
        outermost([*before.libraries, *libraries]),
        {**before.settings, **(settings or {})},
        filled_index or before.filled_index,
    )
    if after != before:
        _write(data_dir, after)
    return after


def forget_libraries(data_dir: Path, roots: Sequence[Path]) -> None:
    """Takes libraries off the list. Raises `StorageError`."""
    before = read_remembered(data_dir)
    _write(data_dir, replace(before, libraries=tuple(root for root in before.libraries if root not in roots)))


def _file(data_dir: Path) -> Path:
    return data_dir / "remembered.json"


def _write(data_dir: Path, remembered: Remembered) -> None:
    path = _file(data_dir)
    fresh = path.with_suffix(".new")
    stored = {
        "libraries": [str(root) for root in remembered.libraries],
        "captions": None,  # versions before this one want the name
        **remembered.settings,
        "filled_index": remembered.filled_index,
    }
    try:
        # ASCII escapes carry names that are not UTF-8 (surrogateescape) through JSON unharmed.
        fresh.write_text(json.dumps(stored, indent=1), encoding="ascii")
        fresh.replace(path)
    except OSError as error:
        raise StorageError(
            f"{path} can't be written: {error.strerror}", hint="check the free space and the rights of the directory"
        ) from error
