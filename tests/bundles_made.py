"""The shipped bundle in forms that tests need."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from captioner import DEFAULT_BUNDLE


def copy_that_takes_all_for_photos(directory: Path, bundle: Path = DEFAULT_BUNDLE) -> Path:
    """A copy that describes every picture: of the plain colours and noise that tests make there is nothing to say."""
    shutil.copytree(bundle, directory)
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["tagging"]["kind_threshold"] = 2.0
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return directory
