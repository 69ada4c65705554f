"""The README's tables, made from what they describe. `python -m tests.readme_tables` rewrites them in place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from indexer.settings import ENVIRONMENT_PREFIX, SETTINGS, Settings
from web.cli import main as recollect

README = Path(__file__).resolve().parents[1] / "README.md"


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


def renewed(readme: str) -> str:
    """The README with every table between its markers made anew."""
    for name, table in TABLES.items():
        before, start, rest = readme.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"\n<!-- /{name} -->")
        if not (start and end):
            raise ValueError(f"README.md has no place for the table of {name}")
        readme = before + start + table() + end + after
    return readme


assert ENVIRONMENT_PREFIX == "RECOLLECT_", "README.md names the prefix"

if __name__ == "__main__":
    README.write_text(renewed(README.read_text(encoding="utf-8")), encoding="utf-8")
