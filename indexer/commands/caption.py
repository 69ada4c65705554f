"""`recollect caption` and `recollect captions`: single files, without or beside the catalogue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from captioner import SURE_TAG, Caption, CaptionError
from indexer.commands.command_line import (
    SOMETHING_FAILED,
    SUCCESS,
    CommandLine,
    print_json,
    print_line,
    run_until_stopped,
    with_settings,
)
from indexer.commands.terminal import Terminal, shown
from indexer.errors import PhotoError
from indexer.settings import Settings

if TYPE_CHECKING:
    from indexer.photo import Photo, PhotoFile
    from indexer.storage import Storage

_Row = dict[str, Any]
_MODEL = ("bundle", "captioner_threads", "captioner_timeout_s", "max_pixels_mp", "max_file_mb")
_WRITING = ("captions", "keep_mtime", "sidecar_dir")
_PATHS = click.Path(path_type=Path, exists=True)


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--write", is_flag=True, help="write the caption into the file too")
@click.option("--json", "as_json", is_flag=True, help="one JSON document")
@with_settings(*_MODEL, *_WRITING)
def caption(settings: Settings, terminal: Terminal, files: tuple[Path, ...], write: bool, as_json: bool) -> None:
    """Say what the model sees in single photos; nothing is stored unless --write is given.

    Of each the sentence, how sure the model is of it (the share of its words that are likely to be right), and the
    words that it believes are true of the picture, each with its probability.
    """
    if write and settings.captions == "off":
        raise click.UsageError("--write contradicts the setting captions = off")

    targets = [file.absolute() for file in files]
    rows = run_until_stopped(
        lambda stop: _told(_captioned(settings, targets, stop, write=write), _silent if as_json else _tell_caption)
    )
    if as_json:
        print_json(rows)
    _exit(rows)


async def _told(rows: AsyncGenerator[_Row, None], tell: Callable[[_Row], None]) -> list[_Row]:
    """Tells each row as it comes: a long run shows that it is alive."""
    collected = []
    async with aclosing(rows):
        async for row in rows:
            tell(row)
            collected.append(row)
    return collected


def _silent(_: _Row) -> None:
    """JSON is one document: it is printed at the end."""


async def _captioned(
    settings: Settings, files: Sequence[Path], stop: asyncio.Event, *, write: bool
) -> AsyncGenerator[_Row, None]:
    from indexer.reading.photo_process import PhotoProcess
    from indexer.service import started_captioner

    async with (
        started_captioner(settings) as captioner,
        PhotoProcess(settings, input_px=captioner.input_px) as photos,
    ):
        for file in files:
            if stop.is_set():
                return
            try:
                reading = await photos.read(file)
                words = await captioner.caption(reading.pixels)
                row: _Row = {"path": str(file)} | _words_json(words)
                if write:
                    written = await photos.write_caption(file, words, reading.stamp)
                    row |= {"place": written.place, "reason": written.reason}
                yield row
            except (PhotoError, CaptionError) as error:
                yield {"path": str(file), "error": str(error)}


def _words_json(words: Caption) -> _Row:
    from indexer.photo import is_unsure

    return {
        "caption": words.text,
        "confidence": round(words.confidence, 3),
        "unsure": is_unsure(words),
        "tags": [{"word": tag.word, "probability": round(tag.probability, 3)} for tag in words.tags],
        "model": words.model,
    }


def _tell_caption(row: _Row) -> None:
    if "error" in row:
        _complain(row)
        return
    print_line(f"{row['path']}: {row['caption']}")
    print_line(f"  {row['confidence']:.0%} sure{', so it may well be wrong' if row['unsure'] else ''}")
    tags = [f"{tag['word']} {tag['probability']:.0%}" for tag in row["tags"] if tag["probability"] >= SURE_TAG]
    if tags:
        print_line(f"  tags: {', '.join(tags)}")
    if row.get("reason"):
        click.echo(f"  written to the {row['place']}: {shown(row['reason'])}", err=True)


def _complain(row: _Row) -> None:
    click.echo(f"{shown(row['path'])}: {shown(row['error'])}", err=True)


@click.group(cls=CommandLine)
def captions() -> None:
    """See or take out the captions that recollect has written."""


@captions.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="one JSON document")
@with_settings()
def list_captions(settings: Settings, terminal: Terminal, as_json: bool) -> None:
    """List the files that recollect has written a caption for."""
    from indexer.storage import open_storage

    with open_storage(settings) as storage:
        rows = [
            {"path": str(file.path), "place": photo.caption_place, "caption": photo.machine and photo.machine.text}
            for photo, file in _written(storage)
        ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        print_line(f"{row['path']}: {row['caption']} [{row['place']}]")
    terminal.say(f"{len(rows):,} files")


@captions.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=_PATHS)
@click.option("--all", "everything", is_flag=True, help="every file that recollect has written a caption for")
@click.option("--json", "as_json", is_flag=True, help="one JSON document")
@with_settings(*_WRITING)
def undo(settings: Settings, terminal: Terminal, paths: tuple[Path, ...], everything: bool, as_json: bool) -> None:
    """Take recollect's captions out of photo files (or folders of them); each becomes what it was, byte for byte.

    The index keeps the words. After --all new photos get no captions written either, until --captions says otherwise.
    """
    if bool(paths) == everything:
        raise click.UsageError("name files or folders, or say --all")

    rows = run_until_stopped(lambda stop: _told(_undone(settings, paths, stop), _silent if as_json else _tell_undone))
    if as_json:
        print_json(rows)
    _note_undone(settings, {Path(row["path"]) for row in rows if row["restored"]}, everything=everything)
    terminal.say(_undone_summary(rows))
    if everything:
        terminal.say("captions = off from now on, until you start recollect with another --captions")
    _exit(rows)


def _undone_summary(rows: Sequence[_Row]) -> str:
    restored, failed = sum(row["restored"] for row in rows), sum("error" in row for row in rows)
    parts = [f"{restored:,} files restored"]
    if failed:
        parts.append(f"{failed:,} could not be")
    if untouched := len(rows) - restored - failed:
        parts.append(f"{untouched:,} left as they are: nothing of ours could be taken out")
    return ", ".join(parts)


def _note_undone(settings: Settings, restored: set[Path], *, everything: bool) -> None:
    """Neither a newer model nor a later start puts back what was taken out."""
    from indexer.commands.remembered import remember
    from indexer.pipeline import UNDONE
    from indexer.storage import open_storage

    with open_storage(settings) as storage:
        undone = {photo.id for photo, file in _written(storage) if file.path in restored}
        storage.catalogue.note_undone(undone, UNDONE)
    if everything:
        remember(settings.data_dir, captions="off")


def _tell_undone(row: _Row) -> None:
    if "error" in row:
        _complain(row)
    elif row["restored"]:
        print_line(f"{row['path']}: restored")


async def _undone(settings: Settings, paths: Sequence[Path], stop: asyncio.Event) -> AsyncGenerator[_Row, None]:
    from indexer.reading.photo_process import PhotoProcess

    targets = list(_files_below(paths)) if paths else await asyncio.to_thread(_every_written, settings)
    async with PhotoProcess(settings, input_px=0) as photos:
        for path in targets:
            if stop.is_set():
                return
            try:
                undone = await photos.undo_caption(path)
                yield {"path": str(path), "restored": undone.restored, "place": undone.place, "reason": undone.reason}
            except PhotoError as error:
                yield {"path": str(path), "restored": False, "error": str(error)}


def _files_below(paths: Sequence[Path]) -> Iterator[Path]:
    from indexer.reading.formats import EXTENSIONS

    for path in paths:
        if path.is_dir():
            found = (item for item in sorted(path.rglob("*")) if item.suffix.lower() in EXTENSIONS and item.is_file())
            yield from (item.absolute() for item in found)
        else:
            yield path.absolute()


def _every_written(settings: Settings) -> list[Path]:
    """What the catalogue says was written, and what the journal says: the catalogue may have been lost meanwhile."""
    from indexer.captions.journal import Journal
    from indexer.storage import open_storage

    with open_storage(settings) as storage:
        paths = dict.fromkeys(file.path for _, file in _written(storage))
    for entry in Journal.in_dir(settings.data_dir).entries():
        photo = Path(entry.path.removesuffix(".xmp"))
        if photo.is_file():
            paths.setdefault(photo)
    return list(paths)


def _written(storage: Storage) -> Iterator[tuple[Photo, PhotoFile]]:
    from indexer.photo import CaptionPlace

    last = ""
    while ids := storage.catalogue.photo_ids(after=last):
        last = ids[-1]
        for photo in storage.catalogue.photos(ids):
            if photo.caption_place not in {None, CaptionPlace.INDEX}:
                yield from ((photo, file) for file in photo.files if not file.missing)


def _exit(rows: Sequence[_Row]) -> None:
    failed = any("error" in row for row in rows)
    click.get_current_context().exit(SOMETHING_FAILED if failed else SUCCESS)
