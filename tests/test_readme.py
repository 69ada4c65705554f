"""What the README says is what the program does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from indexer.settings import SETTINGS
from tests.readme_tables import README, renewed
from web.cli import main as recollect

TEXT = README.read_text(encoding="utf-8")

_NOT_SETTINGS = {"PYTHON", "VENV", "TEST_VENV", "TEST_CHROMIUM", "TEST_MEILISEARCH_URL", "TEST_MEILISEARCH_KEY"}


def test_the_tables_are_those_of_the_code() -> None:
    assert renewed(TEXT) == TEXT, "run `python -m tests.readme_tables`"


def commands_shown() -> list[str]:
    blocks = re.findall(r"^(?:    |```sh\n|)(recollect [^\n`#]+)", TEXT, re.MULTILINE)
    return sorted({block.strip() for block in blocks})


@pytest.mark.parametrize("line", commands_shown())
def test_every_command_shown_exists_with_its_options(line: str) -> None:
    words = shlex.split(line)[1:]
    command: click.Command = recollect
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    assert command is not recollect, line
    known = {option for item in command.params for option in (*item.opts, *item.secondary_opts)} | {"--help"}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, line


def test_help_is_short_and_complete() -> None:
    result = CliRunner().invoke(recollect, ["--help"])
    assert result.exit_code == 0
    for name in ("serve", "index", "reindex", "search", "caption", "captions", "status", "doctor"):
        assert re.search(rf"^  {name} +\S", result.output, re.MULTILINE), name


def test_files_and_settings_named_in_the_readme_exist(repository: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        if "://" not in target:
            assert (repository / target).exists(), target
    for variable in re.findall(r"RECOLLECT_([A-Z_]+)", TEXT):
        assert variable.lower() in SETTINGS or variable in _NOT_SETTINGS, variable
