"""A test run that records: a pytest plugin, known to the fixtures by a key in pytest's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.indexer.search.exchanges import Exchange

#: The parameter of a test's backend that asks for recorded answers.
RECORDED = "meilisearch recorded"
#: Set while pytest runs to record.
RECORDING: pytest.StashKey[RecordingRun] = pytest.StashKey()


class RecordingRun:
    """A pytest plugin: runs the tests on `RECORDED` backends alone, and gathers what they exchange."""

    def __init__(self) -> None:
        self.version = ""
        self.failed: set[tuple[str, str]] = set()
        self.kept: dict[Path, dict[str, tuple[Exchange, ...]]] = {}

    def keep(self, module: Path, test: str, version: str, exchanges: tuple[Exchange, ...]) -> None:
        """Takes what one test exchanged with a server of that version; called before its teardown is reported."""
        self.version = version
        self.kept.setdefault(module, {})[test] = exchanges

    def passed(self, module: Path) -> Mapping[str, tuple[Exchange, ...]]:
        """What the tests of a module that did not fail have exchanged."""
        kept = self.kept.get(module, {})
        return {test: exchanges for test, exchanges in kept.items() if (module.name, test) not in self.failed}

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[RECORDING] = self

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        dropped = [item for item in items if not _recorded(item)]
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if _recorded(item)]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            path, _, test = report.nodeid.partition("::")
            self.failed.add((Path(path).name, test))


def _recorded(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    return callspec is not None and RECORDED in callspec.params.values()
