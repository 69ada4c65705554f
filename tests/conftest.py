"""What all tests share: fixtures, the markers that are set by themselves, and what is said of skipped tests."""

from __future__ import annotations

# Before any test imports TensorFlow: it brings an SQLite of its own, without FTS5, and whoever is loaded first serves
# the whole process. The service never loads TensorFlow.
import sqlite3  # noqa: F401
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.meilisearch_server import URL_VARIABLE, MeilisearchServer, found_server

REPOSITORY = Path(__file__).resolve().parents[1]

# A run that fails for one fails for everybody, however slow the machine; --hypothesis-profile=seeking looks further.
settings.register_profile(
    "steady", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("seeking", deadline=None)
settings.load_profile("steady")


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what `-m` leaves out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test that uses the fixture `browser` as a browser test."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says why tests were skipped, a line a reason: pytest's own list has a line a place, hundreds of them."""
    skipped = (report.longrepr for report in terminalreporter.stats.get("skipped", ()))
    reasons = Counter(where[2].removeprefix("Skipped: ") for where in skipped if isinstance(where, tuple))
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"skipped {count}: {reason}")


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


@pytest.fixture(scope="session")
def meilisearch_server() -> Iterator[MeilisearchServer]:
    """A real Meilisearch that all tests share: each uses an index of its own name, and leaves the server running."""
    with found_server() as server:
        yield server


@pytest.fixture
def killable_meilisearch() -> Iterator[MeilisearchServer]:
    """A fresh Meilisearch of this test alone, which may stop, kill, wipe and restore it."""
    with found_server() as server:
        if not server.ours:
            pytest.skip(f"the server that {URL_VARIABLE} names is not ours to stop, kill or wipe")
        yield server
