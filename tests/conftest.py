"""Fixtures for every room."""

from __future__ import annotations

# Before any test imports TensorFlow: it brings an SQLite of its own, without FTS5, and whoever is loaded first serves
# the whole process. The service never loads TensorFlow.
import sqlite3  # noqa: F401
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout under test."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """Sample photos and data beside the checkout; a test that needs them is skipped where there are none."""
    path = REPOSITORY.parent / "shared"
    if not (path / "photos").is_dir():
        pytest.skip("the sample photos (../shared/photos) are not beside this checkout")
    return path
