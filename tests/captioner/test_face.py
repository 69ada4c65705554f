"""The package's face is what it says: every public name is there, described, and costs nothing until it is used."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import captioner

FACE = Path(captioner.__file__ or "")


def checked_imports() -> dict[str, str]:
    """name -> module, of the block that only type checkers read."""
    blocks = [node for node in ast.parse(FACE.read_text(encoding="utf-8")).body if isinstance(node, ast.If)]
    return {
        alias.name: node.module or ""
        for block in blocks
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_type_checkers_are_told_what_is_imported() -> None:
    assert checked_imports() == captioner._LAZY


def test_every_public_name_is_there() -> None:
    assert len(captioner.__all__) == len(set(captioner.__all__))
    assert set(captioner._LAZY) <= set(captioner.__all__)
    assert set(captioner.__all__) <= set(dir(captioner))
    for name in captioner.__all__:
        assert getattr(captioner, name) is not None


def test_what_this_file_defines_is_public() -> None:
    tree = ast.parse(FACE.read_text(encoding="utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    assert {name for name in defined if not name.startswith("_")} <= set(captioner.__all__)


@pytest.mark.parametrize("name", captioner.__all__)
def test_every_class_and_function_is_described(name: str) -> None:
    thing = getattr(captioner, name)
    assert thing.__doc__ or not (inspect.isclass(thing) or inspect.isfunction(thing))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        importlib.import_module("captioner").no_such_name  # noqa: B018


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("from captioner import CaptionerProcess", {"numpy", "PIL", "ai_edge_litert", "tensorflow"}),
        ("from captioner.ipc.serve import serve", {"numpy", "PIL", "ai_edge_litert", "tensorflow", "asyncio"}),
    ],
)
def test_each_side_brings_only_what_it_needs(statement: str, forbidden: set[str]) -> None:
    program = f"{statement}\nimport sys\nprint(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not forbidden & set(result.stdout.split())
