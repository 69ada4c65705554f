"""The generated tables of the READMEs. `python -m tests.readme_tables` rewrites them in place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from indexer.settings import ENVIRONMENT_PREFIX, SETTINGS, Settings
from web.cli import main as recollect

ROOT = Path(__file__).resolve().parents[1]


def settings_table() -> str:
    """Name, default, meaning."""
    defaults = Settings()
    rows = ["| setting | default | what it does |", "|---|---|---|"]
    for name, setting in SETTINGS.items():
        text = setting.metadata["help"]
        if setting.metadata["choices"]:
            text += f" (one of {', '.join(f'`{choice}`' for choice in setting.metadata['choices'])})"
        if setting.metadata["unit"]:
            text += f"; {setting.metadata['unit']}"
        rows.append(f"| `{name}` | {_shown(name, getattr(defaults, name))} | {text} |")
    return "\n".join(rows)


def _shown(name: str, value: object) -> str:
    special = {"data_dir": "`~/.local/share/recollect`", "bundle": "the shipped model"}
    if name in special:
        return special[name]
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value not in ("", (), None) else ""


def commands_table() -> str:
    """Every command with its one-line help."""
    rows = ["| command | what it does |", "|---|---|"]
    rows += [f"| `recollect {name}` | {text} |" for name, text in _commands(recollect)]
    return "\n".join(rows)


def _commands(group: click.Group, before: str = "") -> Iterator[tuple[str, str]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group) and not command.invoke_without_command:
            yield from _commands(command, f"{before}{name} ")
        else:
            arguments = [
                item.make_metavar(click.Context(command)) for item in command.params if isinstance(item, click.Argument)
            ]
            yield " ".join([before + name, *arguments]), command.get_short_help_str(limit=200)


TABLES = {"settings": settings_table, "commands": commands_table}


def readmes() -> list[Path]:
    """Every page of documentation in the checkout."""
    below = (path for top in ("captioner", "indexer", "web", "tests", "deploy") for path in (ROOT / top).rglob("*.md"))
    return [ROOT / "README.md", *sorted(below)]


def tables_in(page: str) -> list[str]:
    """The names of the generated tables that a page has a place for."""
    return [name for name in TABLES if f"<!-- {name} -->" in page]


def renewed(page: str) -> str:
    """The page with every table between its markers made anew. Raises `ValueError` where a table has no end."""
    for name in tables_in(page):
        before, start, rest = page.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"\n<!-- /{name} -->")
        if not (start and end):
            raise ValueError(f"the table of {name} has no end")
        page = before + start + TABLES[name]() + end + after
    return page


assert ENVIRONMENT_PREFIX == "RECOLLECT_", "README.md names the prefix"

if __name__ == "__main__":
    for path in readmes():
        path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")
