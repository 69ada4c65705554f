"""The program `recollect`: the indexer's commands, and `serve`, which puts the page in front of them."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from indexer.cli import COMMANDS, command_line
from indexer.commands.command_line import INDEXING, SERVING, run_until_stopped, with_settings
from indexer.commands.index import libraries, print_first_run_notice, remember_index
from indexer.commands.terminal import Terminal
from indexer.settings import Settings

if TYPE_CHECKING:
    from indexer.storage import Storage


@click.command()
@click.argument("roots", metavar="[DIR]...", nargs=-1, type=click.Path(path_type=str))
@with_settings(*INDEXING, *SERVING)
def serve(settings: Settings, terminal: Terminal, roots: tuple[str, ...]) -> None:
    """Serve the search page, and index libraries meanwhile (all known ones where none is named)."""
    # For numpy, before it is loaded. Its second thread made no search faster, and spins for a while after each product
    # in case another comes: a third of the processor time of a keystroke.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from indexer.storage import open_storage, sole_indexer
    from web.security.password import check_exposure

    check_exposure(settings)
    with sole_indexer(settings.data_dir), open_storage(settings) as storage:
        chosen = libraries(settings, storage, roots)
        remember_index(settings)
        print_first_run_notice(settings, storage, terminal)
        run_until_stopped(lambda stop: _serve(settings, storage, chosen, terminal, stop))


@click.command()
def password() -> None:
    """Make of a household password what may stand in the settings in its place.

    Asks for it, or reads one line where standard input is no terminal. The setting `password` then holds no password
    that could be read; setting another one signs everybody out.
    """
    from web.security.password import check_length, hash_password

    if sys.stdin.isatty():
        chosen = click.prompt("Household password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        chosen = sys.stdin.readline().rstrip("\r\n")
    check_length(chosen)
    click.echo(hash_password(chosen))


async def _serve(
    settings: Settings, storage: Storage, roots: Sequence[Path], terminal: Terminal, stop: asyncio.Event
) -> None:
    from indexer.service import Indexer
    from web.app import make_app
    from web.server import listening
    from web.service_manager import ServiceManager

    indexer = Indexer(settings, storage)
    app = make_app(
        settings,
        catalogue=storage.catalogue,
        thumbnails=storage.thumbnails,
        search=storage.search,
        progress=indexer.progress,
        wake=indexer.wake,
        scan_now=indexer.scan_now,
    )
    # What was imported stays: looking at all of it takes tens of ms, in the middle of a search.
    gc.collect()
    gc.freeze()
    async with (
        listening(app, settings) as address,
        ServiceManager(os.environ).reporting(address, indexer.captioner_answers, stop),
    ):
        terminal.print(f"the search page is on {address}{settings.base_path.rstrip('/')}{_other_addresses(settings)}")
        async with terminal.following(indexer.progress):
            await indexer.serve(roots, stop)


def _other_addresses(settings: Settings) -> str:
    """Where the page can be opened beside the address that is named."""
    everywhere = settings.host.strip("[]") in {"", "0.0.0.0", "::"}  # noqa: S104 - compared only
    return f", on other machines under the name or address of this one, port {settings.port}" if everywhere else ""


main = command_line(serve, *COMMANDS, password)

if __name__ == "__main__":
    main()
