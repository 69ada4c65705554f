"""What is said once holds from then on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from indexer.commands.command_line import Remembered, forget_libraries, read_remembered, remember
from indexer.errors import StorageError


def test_libraries_are_remembered_with_odd_names(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(b"/photos/caf\xe9\n"))
    assert read_remembered(tmp_path) == Remembered()
    remember(tmp_path, libraries=[odd, Path("/photos/b")])
    assert remember(tmp_path, libraries=[Path("/photos/b")]).libraries == (odd, Path("/photos/b"))
    assert remember(tmp_path, libraries=[Path("/photos")]).libraries == (Path("/photos"),)
    forget_libraries(tmp_path, [Path("/photos")])
    assert read_remembered(tmp_path).libraries == ()


def test_where_captions_go_is_remembered_until_said_otherwise(tmp_path: Path) -> None:
    remember(tmp_path, captions="off")
    assert remember(tmp_path, libraries=[Path("/photos")]) == Remembered((Path("/photos"),), "off")
    assert remember(tmp_path, captions="sidecar").captions == "sidecar"


@pytest.mark.parametrize(
    "text", ["", "[]", "7", '{"libraries": 3, "captions": null}', '{"libraries": [], "captions": "x"}']
)
def test_a_file_that_is_something_else_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "remembered.json").write_text(text)
    with pytest.raises(StorageError, match="delete it"):
        read_remembered(tmp_path)
