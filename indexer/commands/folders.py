"""What the user that recollect runs as may do in the folders of a library: every one is looked at."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from indexer.scanning.crawl_rules import CrawlRules
from indexer.settings import Settings

_SHOWN = 3


@dataclass(slots=True)
class Folders:
    """The folders of one library that a scan looks into; `unreadable` can't be listed or entered."""

    number: int = 0
    unreadable: list[Path] = field(default_factory=list)
    unwritable: list[Path] = field(default_factory=list)


def inspect_folders(root: Path, settings: Settings) -> Folders:
    """Looks at every folder below `root`; no folder is followed through a link. Raises `SettingsError` for a pattern
    that is not one."""
    found, rules = Folders(), CrawlRules(include=settings.include, exclude=settings.exclude)
    for path, inside, _ in os.walk(root, onerror=lambda error: found.unreadable.append(Path(error.filename))):
        here = Path(path)
        relative = b"" if here == root else os.fsencode(here.relative_to(root))
        inside[:] = [name for name in inside if rules.enters(os.path.join(relative, os.fsencode(name)))]  # noqa: PTH118
        found.number += 1
        if not os.access(here, os.X_OK):
            found.unreadable.append(here)
            inside.clear()
        elif not os.access(here, os.W_OK):
            found.unwritable.append(here)
    return found


def listed_folders(folders: list[Path]) -> str:
    """``/photos/2019, /photos/2020 and 7 more folders``."""
    text = ", ".join(map(str, folders[:_SHOWN]))
    more = len(folders) - _SHOWN
    return text + (f" and {more:,} more folder{'s' * (more != 1)}" if more > 0 else "")
