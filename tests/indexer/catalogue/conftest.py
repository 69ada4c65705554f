"""A catalogue for the tests of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.catalogue import Catalogue
from tests.libraries import rescan


@pytest.fixture
def catalogue(tmp_path: Path, root: Path) -> Iterator[Catalogue]:
    """The files of `root`, found by a scan and queued."""
    with Catalogue(tmp_path / "catalogue.db") as opened:
        rescan(opened, root)
        yield opened
