"""What is said once holds from then on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from indexer.commands.remembered import Remembered, forget_libraries, read_remembered, remember
from indexer.errors import StorageError


def test_libraries_are_remembered_with_odd_names(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(b"/photos/caf\xe9\n"))
    assert read_remembered(tmp_path) == Remembered()
    remember(tmp_path, libraries=[odd, Path("/photos/b")])
    assert remember(tmp_path, libraries=[Path("/photos/b")]).libraries == (odd, Path("/photos/b"))
    assert remember(tmp_path, libraries=[Path("/photos")]).libraries == (Path("/photos"),)
    forget_libraries(tmp_path, [Path("/photos")])
    assert read_remembered(tmp_path).libraries == ()


def test_settings_given_once_hold_until_said_otherwise(tmp_path: Path) -> None:
    remember(tmp_path, settings={"captions": "off"})
    assert remember(tmp_path, libraries=[Path("/photos")]) == Remembered((Path("/photos"),), {"captions": "off"})
    remember(tmp_path, settings={"captions": "sidecar", "search": "meilisearch"}, filled_index={"search": "embedded"})
    assert read_remembered(tmp_path) == Remembered(
        (Path("/photos"),), {"captions": "sidecar", "search": "meilisearch"}, {"search": "embedded"}
    )


def test_a_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    (tmp_path / "remembered.json").write_text('{"libraries": ["/photos"], "captions": null}')
    assert read_remembered(tmp_path) == Remembered((Path("/photos"),))
    (tmp_path / "remembered.json").write_text('{"libraries": [], "captions": "off"}')
    assert read_remembered(tmp_path) == Remembered((), {"captions": "off"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "7",
        '{"libraries": 3, "captions": null}',
        '{"libraries": [], "captions": "x"}',
        '{"libraries": [], "captions": null, "search": "google"}',
        '{"libraries": [], "captions": null, "meilisearch_url": 7}',
        '{"libraries": [], "captions": null, "filled_index": []}',
        '{"libraries": [], "captions": null, "filled_index": {"index": "x"}}',
        '{"libraries": [], "captions": null, "filled_index": {"meilisearch_url": "x"}}',
    ],
)
def test_a_file_that_is_something_else_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "remembered.json").write_text(text)
    with pytest.raises(StorageError, match="delete it"):
        read_remembered(tmp_path)
