"""`recollect doctor --rebuild`: a damaged catalogue is kept aside and made again, in one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from indexer.commands.index import libraries, run_indexer
from indexer.commands.terminal import Terminal
from indexer.errors import SetupError
from indexer.recovery.rebuild import damage_of, rebuild_catalogue
from indexer.settings import Settings
from indexer.storage import open_storage, sole_indexer

if TYPE_CHECKING:
    from indexer.recovery.rebuild import Rebuilt


def rebuild(settings: Settings, terminal: Terminal) -> None:
    """Nothing where the catalogue is sound. Raises `SetupError` where recollect runs, or it can't be done."""
    with sole_indexer(settings.data_dir):
        path = settings.catalogue_path
        if (damage := damage_of(path)) is None:
            terminal.print(f"{path} is sound: nothing is made again")
            return
        terminal.print(f"{path}: {damage}")
        rebuilt = rebuild_catalogue(path)
        _print_rebuilt(rebuilt, terminal)
        _read_libraries(settings, terminal, rebuilt.libraries)


def _print_rebuilt(rebuilt: Rebuilt, terminal: Terminal) -> None:
    if rebuilt.aside is not None:
        terminal.print(f"the damaged one is kept as {rebuilt.aside}; it may be deleted once all is well")
    photos, corrected = rebuilt.photos, rebuilt.corrected
    terminal.print(f"taken over from it: {photos:,} photos with their captions; {corrected:,} corrected on the page")
    if rebuilt.corrections_only:
        terminal.print(f"of {rebuilt.corrections_only:,} more, only what people wrote or marked could be read")
    if rebuilt.unreadable:
        terminal.print(
            f"{rebuilt.unreadable:,} rows could not be read: captions that stand in no file are made again, and words "
            "that were added on the page to these photos are lost"
        )


def _read_libraries(settings: Settings, terminal: Terminal, known: tuple[Path, ...]) -> None:
    """Those that a start would scan; where none is set or remembered, those that the damaged catalogue knew."""
    with open_storage(settings) as storage:
        try:
            roots = libraries(settings, storage, ())
        except SetupError as error:
            roots = tuple(root for root in known if root.is_dir())
            if not roots:
                terminal.print(f"{error.what}: `recollect index DIR` takes captions back from the files in DIR")
                return
        terminal.print("every file of the libraries is read once more; Ctrl-C is fine, the next start goes on with it")
        outcome = run_indexer(settings, storage, terminal, lambda indexer, stop: indexer.index_once(roots, stop=stop))
    left = f", {outcome.queued:,} are queued for the next start" if outcome.queued else ""
    terminal.print(f"{outcome.done:,} files done{left}")
    if outcome.problem:
        terminal.print(outcome.problem)
