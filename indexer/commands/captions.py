"""`recollect captions`: what was written into photo files, whether it can be taken out again, and taking it out.

Given paths, the files alone are asked, so that everything works where the catalogue and the journal are lost.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from indexer.commands.command_line import (
    NOTHING_TO_DESCRIBE,
    CommandLine,
    Row,
    exit_with,
    print_line,
    print_rows,
    run_until_stopped,
    with_settings,
)
from indexer.commands.terminal import Terminal
from indexer.errors import PhotoError, SetupError
from indexer.model import CaptionPlace
from indexer.progress import Meter, Progress
from indexer.reasons import Reason, ReasonCode
from indexer.settings import Settings
from indexer.sqlite.file_header import is_there

if TYPE_CHECKING:
    from indexer.captions.undo import UndoResult
    from indexer.catalogue import Catalogue
    from indexer.model import Photo, PhotoFile

log = logging.getLogger(__name__)

WRITING = ("captions", "keep_mtime", "sidecar_dir")
_PATHS = click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path, exists=True))
_JSON = click.option("--json", "as_json", is_flag=True, help="one JSON document")

#: What `captions verify` says of a file: what an undo would do.
_STATES = {
    "exact": "can be undone byte for byte",
    "changed": "changed by another program since: an undo would take out recollect's own fields only",
    "none": "without a caption of recollect's",
    "missing": "not there just now",
    "stuck": "can't be undone",
}


@click.group(cls=CommandLine)
def captions() -> None:
    """See, check or take out the captions that recollect has written into photo files."""


@captions.command(name="list")
@_PATHS
@_JSON
@with_settings("sidecar_dir")
def list_captions(settings: Settings, terminal: Terminal, paths: tuple[Path, ...], as_json: bool) -> None:
    """List the files that recollect has written a caption for, as the index knows them or as the files themselves say.

    Without a PATH the index answers; files and folders that are named are read.
    """
    if paths:
        rows = _undo_rows(settings, terminal, paths, _print_listed, as_json=as_json, dry_run=True)
        terminal.print(f"{sum(row['place'] is not None for row in rows):,} of {_files(len(rows))}")
        exit_with(rows)
    rows = run_until_stopped(lambda _: print_rows(_list_indexed(settings), _print_listed, as_json=as_json))
    terminal.print(_files(len(rows)))


async def _list_indexed(settings: Settings) -> AsyncGenerator[Row, None]:
    from indexer.storage import reading_catalogue

    with reading_catalogue(settings) as catalogue:
        for photo, file in _captioned_photos(catalogue):
            yield {
                "path": str(file.path),
                "missing": file.missing,
                "place": photo.caption_place,
                "caption": photo.caption,
                "by": photo.caption_by,
                "model": photo.machine and photo.machine.model,
            }


def _files(number: int) -> str:
    return f"{number:,} file{'' if number == 1 else 's'}"


def _print_listed(row: Row) -> None:
    if row["place"] is not None:
        caption = NOTHING_TO_DESCRIBE if row["caption"] == "" else row["caption"] or "(no caption)"
        copies = row.get("copies")
        copied = f" (another program has copied it into {', '.join(copies)})" if copies else ""
        names = f" (names of faces: {', '.join(row['names'])})" if row.get("names") else ""
        print_line(f"{row['path']}: {caption} [{row['place']}]{copied}{names}")


@captions.command()
@_PATHS
@_JSON
@with_settings("sidecar_dir")
def verify(settings: Settings, terminal: Terminal, paths: tuple[Path, ...], as_json: bool) -> None:
    """Prove for each caption that it can be taken out again: the undo is done in memory, and nothing is changed.

    The result must have the SHA-256 that file and journal remember of the photo before. Without a PATH every file that
    recollect has written to is checked; files and folders that are named are checked whatever the index knows. The exit
    code is 1 where a caption can't be taken out.
    """
    rows = _undo_rows(settings, terminal, paths, _print_verified, as_json=as_json, dry_run=True)
    counts = Counter(row["state"] for row in rows)
    parts = [f"{counts[state]:,} {text}" for state, text in _STATES.items() if counts[state]]
    terminal.print(f"{_files(len(rows))}: {'; '.join(parts)}" if parts else "there is nothing to check")
    exit_with(rows)


def _print_verified(row: Row) -> None:
    if row["state"] != "exact":
        print_line(f"{row['path']}: {row['reason'] or _STATES[row['state']]}")


@captions.command()
@_PATHS
@click.option("--all", "everything", is_flag=True, help="every file that recollect has written a caption for")
@_JSON
@with_settings(*WRITING)
def undo(settings: Settings, terminal: Terminal, paths: tuple[Path, ...], everything: bool, as_json: bool) -> None:
    """Take recollect's captions, and names of faces, out of photo files (or folders of them); each becomes what it was,
    byte for byte.

    The index keeps the words. After --all new photos get no captions written either, until --captions says otherwise.
    """
    if bool(paths) == everything:
        raise click.UsageError("name files or folders, or say --all")

    rows = _undo_rows(settings, terminal, paths, _print_undone, as_json=as_json, dry_run=False, search=everything)
    _record_undo(settings, {Path(row["path"]) for row in rows if row["restored"]}, everything=everything)
    terminal.print(_undo_summary(rows))
    if everything:
        terminal.print("captions = off from now on, until you start recollect with another --captions")
    exit_with(rows)


def _undo_summary(rows: Sequence[Row]) -> str:
    restored, failed = sum(row["restored"] for row in rows), sum("error" in row for row in rows)
    missing = sum(row["state"] == "missing" for row in rows)
    parts = [f"{_files(restored)} restored"]
    if failed:
        parts.append(f"{failed:,} could not be")
    if missing:
        parts.append(f"{missing:,} are not where they were: undo them when their disk is back")
    if untouched := len(rows) - restored - failed - missing:
        parts.append(f"{untouched:,} left as they are: nothing of ours is in them")
    return ", ".join(parts)


def _record_undo(settings: Settings, restored: set[Path], *, everything: bool) -> None:
    """Neither a newer model nor a later start puts back what was taken out."""
    from indexer.commands.remembered import remember
    from indexer.jobs.pipeline import UNDONE
    from indexer.storage import open_storage

    with open_storage(settings) as storage:
        undone = [file.id for _, file in _captioned_files(storage.catalogue) if file.path in restored]
        storage.catalogue.corrections.record_undo(undone, UNDONE)
        named = [file.id for file in storage.catalogue.names_in_files.files() if file.path in restored]
        storage.catalogue.names_in_files.record_undo(named)
    if everything:
        remember(settings.data_dir, settings={"captions": "off"})


def _print_undone(row: Row) -> None:
    if row["restored"]:
        print_line(f"{row['path']}: restored{'' if row['exact'] else ' (' + row['reason'] + ')'}")


def _undo_rows(
    settings: Settings,
    terminal: Terminal,
    paths: Sequence[Path],
    print_row: Callable[[Row], None],
    *,
    as_json: bool,
    dry_run: bool,
    search: bool = False,
) -> list[Row]:
    """A row for each file, with progress on the terminal. `dry_run`: the files stay as they are; `search`: libraries
    are searched for more of them."""
    phase = "checking captions" if dry_run else "taking captions out"

    async def run(stop: asyncio.Event) -> list[Row]:
        targets = await asyncio.to_thread(_targets, settings, paths)
        unknown = await asyncio.to_thread(_unknown_files, settings) if search else []
        targets = list(dict.fromkeys([*targets, *unknown]))
        strangers = frozenset(map(str, unknown))
        meter = Meter()

        def progress() -> Progress:
            left = len(targets) - meter.done
            return Progress(meter.done, left, per_second=meter.per_second, eta_s=meter.eta_s(left), phase=phase)

        async def counted() -> AsyncGenerator[Row, None]:
            async for row in _undo_files(settings, targets, stop, dry_run=dry_run):
                meter.add()
                if row["state"] != "none" or row["path"] not in strangers:
                    yield row

        async with terminal.following(progress):
            return await print_rows(counted(), print_row, as_json=as_json)

    return run_until_stopped(run)


async def _undo_files(
    settings: Settings, targets: Sequence[Path], stop: asyncio.Event, *, dry_run: bool
) -> AsyncGenerator[Row, None]:
    from indexer.reader.photo_process import PhotoProcesses

    own_texts = await asyncio.to_thread(_known_texts, settings, frozenset(targets))
    async with PhotoProcesses(settings, input_px=0, count=1) as photos:
        for path in targets:
            if stop.is_set():
                return
            if not await asyncio.to_thread(path.exists):
                nothing = {"restored": False, "place": None, "reason": None, "code": None}
                yield {"path": str(path), "state": "missing", **nothing}
                continue
            try:
                known = own_texts.get(path, ())
                yield _row(await photos.undo_caption(path, dry_run=dry_run, own_texts=known, names=True))
            except PhotoError as error:
                yield {"path": str(path), "state": "stuck", "restored": False, "place": None, "error": str(error)}


def _known_texts(settings: Settings, targets: frozenset[Path]) -> dict[Path, tuple[str, ...]]:
    """What the catalogue knows to have been written into these files: where another program has dropped our mark, it
    alone tells which words are ours. Nothing where there is no catalogue, or none that can be read."""
    from indexer.storage import reading_catalogue

    if not is_there(settings.catalogue_path):
        return {}
    try:
        with reading_catalogue(settings) as catalogue:
            return {
                file.path: tuple(text for text in (photo.correction, photo.machine and photo.machine.text) if text)
                for photo, file in _captioned_photos(catalogue)
                if file.path in targets and (file.caption_place or photo.caption_place) is not CaptionPlace.INDEX
            }
    except SetupError as error:
        log.info("the catalogue is not asked which words are recollect's: %s", error)
        return {}


def _row(undone: UndoResult) -> Row:
    row: Row = {
        "path": str(undone.path),
        "restored": undone.restored,
        "exact": undone.exact,
        "place": undone.place,
        "reason": undone.reason and str(undone.reason),
        "code": undone.reason and undone.reason.code,
        "caption": undone.words and undone.words.text,
        "by": undone.words and undone.words.by,
        "model": undone.words and undone.words.model,
        "copies": list(undone.copies),
        "names": list(undone.names),
    }
    if undone.restored:
        return row | {"state": "exact" if undone.exact else "changed"}
    if undone.reason == Reason(ReasonCode.NOT_OURS):
        return row | {"state": "none"}
    return row | {"state": "stuck", "error": undone.reason and str(undone.reason)}


def _targets(settings: Settings, paths: Sequence[Path]) -> list[Path]:
    return list(_files_below(paths)) if paths else _all_captioned(settings)


def _files_below(paths: Sequence[Path]) -> Iterator[Path]:
    from indexer.formats import EXTENSIONS

    for path in paths:
        if path.is_dir():
            found = (item for item in sorted(path.rglob("*")) if item.suffix.lower() in EXTENSIONS and item.is_file())
            yield from (item.absolute() for item in found)
        else:
            yield path.absolute()


def _all_captioned(settings: Settings) -> list[Path]:
    """What the catalogue says was written, and what the journal says: the catalogue may have been lost meanwhile.

    A file that the journal alone knows counts only while it is there: it may have been moved or deleted long ago.
    """
    from indexer.captions.journal import Journal
    from indexer.storage import reading_catalogue

    with reading_catalogue(settings) as catalogue:
        paths = dict.fromkeys(file.path for _, file in _captioned_files(catalogue))
        paths |= dict.fromkeys(file.path for file in catalogue.names_in_files.files())
    for entry in Journal.in_dir(settings.data_dir).entries():
        photo = Path(entry.path.removesuffix(".xmp"))
        if photo.is_file():
            paths.setdefault(photo)
    return list(paths)


def _unknown_files(settings: Settings) -> list[Path]:
    """The files of the libraries that the catalogue does not know to be where they are: a captioned one may have been
    moved or copied there since the last scan."""
    from indexer.storage import reading_catalogue

    with reading_catalogue(settings) as catalogue:
        roots = [root.path for root in catalogue.scans.roots() if root.path.is_dir()]
        known = catalogue.scans.present_paths()
    return [path for path in _files_below(roots) if os.fsencode(path) not in known]


def _captioned_files(catalogue: Catalogue) -> Iterator[tuple[str, PhotoFile]]:
    """(photo id, file) of all that the catalogue says was written, files that are missing just now included."""
    last = 0
    while files := catalogue.corrections.captioned_files(after=last):
        yield from files
        last = files[-1][1].id


def _captioned_photos(catalogue: Catalogue) -> Iterator[tuple[Photo, PhotoFile]]:
    for photo_id, file in _captioned_files(catalogue):
        photo = catalogue.photo(photo_id, most_files=1)
        if photo is not None:
            yield photo, file
