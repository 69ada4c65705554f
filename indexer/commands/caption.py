"""`recollect caption`: what the model sees in single files, without the catalogue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import click

from captioner import SURE_TAG, Caption, CaptionError
from indexer.commands.captions import WRITING
from indexer.commands.command_line import (
    NOTHING_TO_DESCRIBE,
    Row,
    exit_with,
    print_line,
    print_rows,
    run_until_stopped,
    with_settings,
    words_json,
)
from indexer.commands.terminal import Terminal, printable
from indexer.errors import PhotoError
from indexer.settings import Settings

_MODEL = ("bundle", "captioner_threads", "captioner_timeout_s", "max_pixels_mp", "max_file_mb")


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--write", is_flag=True, help="write the caption into the file too")
@click.option("--json", "as_json", is_flag=True, help="one JSON document")
@with_settings(*_MODEL, *WRITING, "write_unsure")
def caption(settings: Settings, terminal: Terminal, files: tuple[Path, ...], write: bool, as_json: bool) -> None:
    """Say what the model sees in single photos; nothing is stored unless --write is given.

    Of each the sentence, how sure the model is of it (the share of its words that are likely to be right), and the
    words that it believes are true of the picture, each with its probability. A sentence that it is not sure of is not
    written, unless the setting write_unsure says so.
    """
    if write and settings.captions == "off":
        raise click.UsageError("--write contradicts the setting captions = off")

    targets = [file.absolute() for file in files]
    rows = run_until_stopped(
        lambda stop: print_rows(_caption_files(settings, targets, stop, write=write), _print_caption, as_json=as_json)
    )
    exit_with(rows)


async def _caption_files(
    settings: Settings, files: Sequence[Path], stop: asyncio.Event, *, write: bool
) -> AsyncGenerator[Row, None]:
    from indexer.jobs.captioners import started_captioner
    from indexer.jobs.pipeline import PERSONS_WORDS, withhold_reason
    from indexer.model import CaptionPlace, WriteResult
    from indexer.reader.photo_process import PhotoProcesses

    async with (
        started_captioner(settings) as captioner,
        PhotoProcesses(settings, input_px=captioner.input_px, count=1) as photos,
    ):
        for file in files:
            if stop.is_set():
                return
            try:
                reading = await photos.read(file)
                words = await captioner.caption(reading.pixels)
                row: Row = {"path": str(file)} | _words_json(words)
                if write:
                    described = reading.metadata.person_caption is not None
                    reason = PERSONS_WORDS if described else withhold_reason(words, write_unsure=settings.write_unsure)
                    if reason is None:
                        written = await photos.write_caption(file, words, reading.stamp)
                    else:
                        written = WriteResult(CaptionPlace.INDEX, reading.stamp, reason)
                    why = written.reason
                    row |= {"place": written.place, "reason": str(why) if why else None, "code": why and why.code}
                yield row
            except (PhotoError, CaptionError) as error:
                yield {"path": str(file), "error": str(error)}


def _words_json(words: Caption) -> Row:
    from indexer.model import is_unsure

    return {
        "caption": words.text,
        "confidence": round(words.confidence, 3),
        "unsure": is_unsure(words),
        "words": words_json(words.words),
        "tags": words_json(words.tags),
        "model": words.model,
    }


def _print_caption(row: Row) -> None:
    print_line(f"{row['path']}: {row['caption'] or NOTHING_TO_DESCRIBE}")
    if row["caption"]:
        print_line(f"  {row['confidence']:.0%} sure{', so it may well be wrong' if row['unsure'] else ''}")
    tags = [f"{tag['word']} {tag['probability']:.0%}" for tag in row["tags"] if tag["probability"] >= SURE_TAG]
    if tags:
        print_line(f"  tags: {', '.join(tags)}")
    if row.get("reason"):
        where = "not written" if row["place"] == "index" else f"written to the {row['place']}"
        click.echo(f"  {where}: {printable(row['reason'])}", err=True)
