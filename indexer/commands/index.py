"""`recollect index` and `recollect reindex`: runs that end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from indexer.commands.command_line import (
    INDEXING,
    SOMETHING_FAILED,
    SUCCESS,
    given_flags,
    print_json,
    run_until_stopped,
    with_settings,
)
from indexer.commands.terminal import Terminal
from indexer.errors import SetupError
from indexer.progress import Phase, Progress
from indexer.settings import SETTINGS, Settings
from indexer.tasks import is_set_within

if TYPE_CHECKING:
    from indexer.catalogue import Catalogue
    from indexer.service import Indexer
    from indexer.storage import Storage

_FIRST_RUN = {
    "embed": """recollect writes one sentence into each photo file that has no caption of a person's, in a way that
can be undone byte for byte. Not wanted? Stop now (Ctrl-C) and add `--captions off` (index only) or
`--captions sidecar` (.xmp files beside the photos). To undo: recollect captions undo --all""",
    "sidecar": """recollect writes its captions into .xmp files beside the photos; the photos stay untouched.
To undo: recollect captions undo --all""",
    "off": "recollect keeps its captions in the index only; your photo files stay untouched.",
}


def print_first_run_notice(settings: Settings, storage: Storage, terminal: Terminal) -> None:
    """Says, before any photo is touched for the first time, what will be written where and how to undo it."""
    if storage.catalogue.counts().photos == 0 or given_flags(settings, ["captions"]):
        terminal.print(_FIRST_RUN[settings.captions])


def libraries(settings: Settings, storage: Storage, given: Sequence[str]) -> tuple[Path, ...]:
    """Every library root to be served: the settings', and those ever given as arguments, these included.

    What is given on this command line is remembered, `--captions` and `--people` too.
    Raises `SetupError` where there is none, or where one that was never seen is not there; a known one that is not
    there is an unplugged disk, which the walk speaks of.
    """
    from indexer.commands.remembered import read_remembered, remember
    from indexer.scanning.crawler import outermost

    known = {
        *read_remembered(settings.data_dir).libraries,
        *(root.path for root in storage.catalogue.scans.roots()),
    }
    for root in settings.photos:
        if root not in known and not root.is_dir():
            raise SetupError(f"there is no folder {root}", hint="check the spelling, or mount it first")
    remembered = remember(
        settings.data_dir,
        libraries=settings.photos if given else (),
        settings=given_flags(settings, ["captions"]),
    )
    if "people" in given_flags(settings, ["people"]):
        storage.catalogue.people.switch(on=settings.people)
    roots = outermost([*settings.photos, *remembered.libraries])
    if not roots:
        raise SetupError("no photo library is known yet", hint="name one, for example: recollect serve ~/Pictures")
    return roots


def remember_index(settings: Settings, given: Mapping[str, str] | None = None) -> None:
    """Remembers the search index that is filled from now on, and what the command line said of it. For the one process
    that indexes."""
    from indexer.commands.index_in_use import index_in_use
    from indexer.commands.remembered import INDEX_SETTINGS, remember

    flags = {**given_flags(settings, INDEX_SETTINGS), **(given or {})}
    remember(settings.data_dir, settings=flags, filled_index=index_in_use(settings))


@click.command()
@click.argument("roots", metavar="[DIR]...", nargs=-1, type=click.Path(path_type=str))
@click.option("--accept-losses", is_flag=True, help="believe it when many photos are gone at once")
@click.option("--forget", is_flag=True, help="take these libraries out of the catalogue; no file is touched")
@click.option("--json", "as_json", is_flag=True, help="the outcome as one JSON document")
@with_settings(*INDEXING)
def index(
    settings: Settings, terminal: Terminal, roots: tuple[str, ...], accept_losses: bool, forget: bool, as_json: bool
) -> None:
    """Index libraries (all known ones where none is named), then exit.

    Photos that can't be read are set aside and do not make the run fail: `recollect status` lists them. A folder that
    can't be read, a library that is not there and work that is left undone make it end with 1.
    """
    from indexer.storage import InUse

    if forget and not roots:
        raise click.UsageError("name the libraries to forget")
    outcome = None
    while outcome is None:
        try:
            if forget:
                _forget(settings, terminal)
                return
            outcome = _index_here(settings, terminal, roots, accept_losses=accept_losses)
        except InUse as running:
            if forget:
                hint = (
                    "stop it, run this again, and start it anew without these libraries: it would go on scanning them"
                )
                raise SetupError(running.what, hint=hint) from running
            outcome = _index_there(settings, terminal, roots, running.pid, accept_losses=accept_losses)
    report(outcome, terminal, as_json=as_json)


def _forget(settings: Settings, terminal: Terminal) -> None:
    from indexer.commands.remembered import forget_libraries
    from indexer.storage import open_storage, sole_indexer

    with sole_indexer(settings.data_dir), open_storage(settings) as storage:
        forget_libraries(settings.data_dir, settings.photos)
        number = sum(storage.catalogue.scans.forget_root(root) for root in settings.photos)
        terminal.print(f"{number:,} files forgotten")


def _index_here(settings: Settings, terminal: Terminal, roots: Sequence[str], *, accept_losses: bool) -> Progress:
    from indexer.storage import open_storage, sole_indexer

    with sole_indexer(settings.data_dir), open_storage(settings) as storage:
        chosen = _choose_libraries(settings, storage, roots, accept_losses=accept_losses)
        remember_index(settings)
        print_first_run_notice(settings, storage, terminal)
        return run_indexer(settings, storage, terminal, lambda indexer, stop: indexer.index_once(chosen, stop=stop))


def _choose_libraries(
    settings: Settings, storage: Storage, roots: Sequence[str], *, accept_losses: bool
) -> Sequence[Path]:
    everything = libraries(settings, storage, roots)
    chosen = settings.photos if roots else everything
    for root in chosen if accept_losses else ():
        storage.catalogue.scans.accept_losses(root)
    return chosen


def _index_there(
    settings: Settings, terminal: Terminal, roots: Sequence[str], pid: int, *, accept_losses: bool
) -> Progress | None:
    """Has the recollect that is indexing already do it; None where that ended meanwhile."""
    from indexer.commands.index_in_use import check_index
    from indexer.storage import open_storage

    check_index(settings, pid)
    with open_storage(settings) as storage:
        chosen = _choose_libraries(settings, storage, roots, accept_losses=accept_losses)
        terminal.print(f"asking the running recollect (process {pid or 'unknown'}) to scan, by the settings it has")
        return run_until_stopped(
            lambda stop: request_scan_and_wait(settings, storage.catalogue, chosen, terminal, stop)
        )


@click.command()
@click.option(
    "--search",
    "search_index",
    is_flag=False,
    flag_value="",
    type=click.Choice(["", *SETTINGS["search"].metadata["choices"]]),
    metavar="[embedded|meilisearch]",
    help="the search index, from the catalogue; a name changes over to that backend",
)
@click.option("--captions", "captions_again", is_flag=True, help="captions by another model, from cached thumbnails")
@click.option("--metadata", is_flag=True, help="what the files say of themselves")
@click.option("--thumbnails", is_flag=True, help="thumbnails, from the files")
@click.option("--json", "as_json", is_flag=True, help="the outcome as one JSON document")
@with_settings(*(name for name in INDEXING if name not in {"captions", "search"}))
def reindex(
    settings: Settings,
    terminal: Terminal,
    search_index: str | None,
    captions_again: bool,
    metadata: bool,
    thumbnails: bool,
    as_json: bool,
) -> None:
    """Rebuild from what is stored; an interrupted run goes on where it was.

    Beside a running `recollect serve` the work is queued, and done there.
    """
    from indexer.commands.index_in_use import check_index
    from indexer.jobs.reindex import Rebuild, enqueue
    from indexer.storage import InUse, open_storage, sole_indexer

    if search_index:
        settings = replace(settings, search=search_index)
    wanted = Rebuild(search=search_index is not None, captions=captions_again, metadata=metadata, thumbnails=thumbnails)
    if not wanted.anything:
        raise click.UsageError("say what to rebuild: --search, --captions, --metadata or --thumbnails")
    with open_storage(settings) as storage:
        try:
            with sole_indexer(settings.data_dir):
                remember_index(settings, {"search": search_index} if search_index else {})
                terminal.print(enqueue(wanted, settings, storage))
                outcome = run_indexer(settings, storage, terminal, lambda indexer, stop: indexer.work_off(stop=stop))
        except InUse as running:
            check_index(settings, running.pid)
            terminal.print(enqueue(wanted, settings, storage))
            terminal.print(f"the running recollect (process {running.pid}) does it now; see `recollect status`")
            return
    report(outcome, terminal, as_json=as_json)


def run_indexer(
    settings: Settings,
    storage: Storage,
    terminal: Terminal,
    work: Callable[[Indexer, asyncio.Event], Coroutine[Any, Any, Progress]],
) -> Progress:
    """Runs `work` with progress on the terminal; SIGTERM and Ctrl-C stop it in order."""
    from indexer.service import Indexer

    async def run(stop: asyncio.Event) -> Progress:
        async with Indexer(settings, storage) as indexer, terminal.following(indexer.progress):
            return await work(indexer, stop)

    return run_until_stopped(run)


def report(outcome: Progress, terminal: Terminal, *, as_json: bool) -> None:
    """The last words of a run, which ends with 1 where something was left undone."""
    if as_json:
        print_json(outcome.to_json())
    else:
        _print_outcome(outcome, terminal)
    click.get_current_context().exit(SOMETHING_FAILED if outcome.unfinished else SUCCESS)


def _print_outcome(outcome: Progress, terminal: Terminal) -> None:
    rate = f", {outcome.per_second:.1f} a second" if outcome.per_second else ""
    if outcome.done:
        faces = f"; looked for faces in {outcome.faces_done:,}" if outcome.faces_done else ""
        names = f"; wrote names into {outcome.names_done:,} files" if outcome.names_done else ""
        terminal.print(f"{outcome.photos_done:,} photos done{rate}{faces}{names}")
    elif not outcome.unfinished:
        terminal.print("nothing was new")
    if outcome.phase == Phase.STOPPING:
        terminal.print("stopped before all was looked at; the next run goes on")
    if outcome.queued:
        terminal.print(f"{outcome.queued:,} are still queued; the next run goes on with them")
    if outcome.problem:
        terminal.print(outcome.problem)
    if outcome.unreadable:
        number = f"{outcome.unreadable:,} folder{'s' * (outcome.unreadable != 1)}"
        terminal.print(f"{number} could not be read; `recollect status` says which and why")
    if outcome.set_aside:
        terminal.print(f"{outcome.set_aside:,} could not be indexed; `recollect status` says which and why")


_POLL_S = 0.5
#: Whoever takes up requests does so within a second, or once it has started. A run that ends takes up none.
TAKEN_UP_S = 20.0


async def request_scan_and_wait(
    settings: Settings, catalogue: Catalogue, roots: Sequence[Path], terminal: Terminal, stop: asyncio.Event
) -> Progress | None:
    """Asks the recollect that is indexing already for a scan; returns what came of it, None where that process ended
    before. Raises `InUse` where it does not take the request up, and `click.exceptions.Exit` where `stop` is set."""
    from indexer.storage import InUse, indexing_process

    requests, clock = catalogue.scan_requests, asyncio.get_running_loop().time
    request, asked_at = await asyncio.to_thread(requests.add, roots), clock()
    progress, taken_up = Progress(), False
    try:
        async with terminal.following(lambda: progress):
            while not stop.is_set():
                found = await asyncio.to_thread(requests.get, request)
                if found is not None and found.progress is not None:
                    progress, taken_up = Progress.from_json(found.progress), True
                    if found.done:
                        return progress
                pid = await asyncio.to_thread(indexing_process, settings.data_dir)
                if not pid:
                    return None
                if not taken_up and clock() - asked_at > TAKEN_UP_S:
                    raise InUse(settings.data_dir, pid)
                await is_set_within(stop, _POLL_S)
    finally:
        await asyncio.to_thread(requests.remove, request)
    terminal.print("not waited for: the running recollect goes on with it")
    raise click.exceptions.Exit(SOMETHING_FAILED)
