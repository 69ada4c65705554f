"""What a command says of one file after the other: a line each as they come, or one JSON document at the end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Any

import click

from captioner import Tag
from indexer.commands.command_line import SOMETHING_FAILED, SUCCESS, print_json
from indexer.commands.terminal import shown

Row = dict[str, Any]

#: In the place of a caption where the model's sentence is empty.
NOTHING_TO_DESCRIBE = "(nothing to describe)"


async def print_rows(rows: AsyncGenerator[Row, None], print_row: Callable[[Row], None], *, as_json: bool) -> list[Row]:
    """Tells each row as it comes, so that a long run shows that it is alive; JSON is one document, at the end."""
    collected = []
    async with aclosing(rows):
        async for row in rows:
            if not as_json:
                print_row(row)
            collected.append(row)
    if as_json:
        print_json(collected)
    return collected


def words_json(words: Iterable[Tag]) -> list[Row]:
    """Words with their probabilities."""
    return [{"word": one.word, "probability": round(one.probability, 3)} for one in words]


def print_error(row: Row) -> None:
    """A row's `error`, on standard error."""
    click.echo(f"{shown(row['path'])}: {shown(row['error'])}", err=True)


def exit_with(rows: Sequence[Row]) -> None:
    """Ends the command: 1 where a row has an `error`."""
    failed = any("error" in row for row in rows)
    click.get_current_context().exit(SOMETHING_FAILED if failed else SUCCESS)
