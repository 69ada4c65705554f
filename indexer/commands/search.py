"""The command `search`."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from indexer.commands.command_line import (
    NOTHING_TO_DESCRIBE,
    first_path,
    left_out_lines,
    need_catalogue,
    print_json,
    print_line,
    reader_locale,
    with_settings,
    words_json,
)
from indexer.commands.terminal import Terminal
from indexer.model import iso_date
from indexer.settings import Settings

if TYPE_CHECKING:
    from indexer.model import Photo
    from indexer.search import Answer, Hit, Query
    from indexer.search.time_words import Reading


@click.command()
@click.argument("query", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="hits at most")
@click.option("--offset", type=click.IntRange(0), default=0, help="leave out so many hits")
@click.option("--json", "as_json", is_flag=True, help="one JSON document")
@with_settings("search", "meilisearch_url", "meilisearch_index", "bundle")
def search(
    settings: Settings, terminal: Terminal, query: tuple[str, ...], limit: int, offset: int, as_json: bool
) -> None:
    """Find photos by words, quoted phrases, -exclusions and filters such as before:2020.

    What no word says is found by the look of the pictures, where the caption model gave them an embedding.
    A query that begins with a dash stands behind `--`.
    """
    from indexer.commands.index_in_use import other_index_message
    from indexer.model import LISTED_FILES
    from indexer.search import FilterError, Sort
    from indexer.search.query import parse
    from indexer.search.ranking import order_of
    from indexer.search.time_words import TimeReader
    from indexer.storage import reading_catalogue, reading_search

    need_catalogue(settings)
    if other_index := other_index_message(settings):
        terminal.print(other_index)
    text, reader = " ".join(query), TimeReader(settings.language or reader_locale(os.environ), settings.birthday_dates)
    started = time.perf_counter()
    with reading_catalogue(settings) as catalogue, reading_search(settings) as backend:
        try:
            answer = backend.search(parsed := parse(text, reader=reader, fold=True), limit=limit, offset=offset)
        except FilterError as error:
            raise click.UsageError(str(error)) from error
        found = catalogue.photos([hit.id for hit in answer.hits], most_files=LISTED_FILES)
        photos = {photo.id: photo for photo in found}
        unpushed = catalogue.counts().not_searchable(backend.count())
    took_ms = (time.perf_counter() - started) * 1000
    hits = [(hit, photos[hit.id]) for hit in answer.hits if hit.id in photos]
    times = reader.read(text, date.today())
    if as_json:
        readings = [{"words": one.words, "time": one.value, "applied": one.applied} for one in times]
        print_json(_answer_json(parsed, answer, hits, took_ms) | {"times": readings, "not_searchable_yet": unpushed})
    else:
        _print_hits(terminal, hits, is_ordered=order_of(parsed) is Sort.RELEVANCE)
        terminal.print(_summary(answer, len(hits), took_ms))
        for line in (*left_out_lines(parsed, answer), *map(_time_line, times)):
            terminal.print(line)
    if unpushed:
        number = f"{unpushed:,} photo{'s are' if unpushed != 1 else ' is'}"
        terminal.print(f"{number} not in the search index as now known; `recollect index` or `serve` puts them in")


def _print_hits(terminal: Terminal, hits: list[tuple[Hit, Photo]], *, is_ordered: bool) -> None:
    """A line for each; where they come by relevance, a message stands before those that are not sure."""
    is_said = not is_ordered
    for hit, photo in hits:
        if not hit.sure and not is_said:
            terminal.print("less sure:")
            is_said = True
        print_line(_line(photo))


def _time_line(reading: Reading) -> str:
    words, time = reading.words, " or ".join(reading.value.split("|"))  # a season, north and south of the equator
    if reading.applied:
        return f'"{words}" is taken for the time {time}; words:"{words}" looks for the words alone'
    return f'"{words}" may be a time, too: time:"{words}" finds what was taken in {time}'


def _line(photo: Photo) -> str:
    copies = sum(not file.missing for file in photo.files) - 1 + photo.more_files
    caption = NOTHING_TO_DESCRIBE if photo.nothing_seen else photo.caption or ""
    more = f" (+{copies:,} copies)" * (copies > 0) + f" (+{photo.similar:,} similar)" * bool(photo.similar)
    return f"{first_path(photo)}{more}: {caption}"


def _summary(answer: Answer, shown: int, took_ms: float) -> str:
    text = f"{answer.total:,} found" if answer.total == shown else f"{shown:,} of {answer.total:,} found"
    text += f", {answer.folded:,} of them behind similar ones (similar:all lists each)," if answer.folded else ""
    text += f", {answer.by_meaning:,} by their look," if answer.by_meaning else ""
    near = [f"{word} -> {', '.join(words)}" for word, words in answer.corrections.items() if words]
    return f"{text} in {took_ms:.0f} ms" + (f" (also looked for: {'; '.join(near)})" if near else "")


def _answer_json(query: Query, answer: Answer, hits: list[tuple[Hit, Photo]], took_ms: float) -> dict[str, Any]:
    """The shape of `GET /api/search`, but that a file's path is absolute."""
    return {
        "hits": [_hit_json(hit, photo) for hit, photo in hits],
        "total": answer.total,
        "folded": answer.folded,
        "by_meaning": answer.by_meaning,
        "sure": answer.sure,
        "took_ms": round(took_ms, 2),
        "corrections": {word: list(near) for word, near in answer.corrections.items()},
        "dropped": list(answer.dropped),
    } | {"ignored": list(query.ignored), "why_nothing": answer.why_nothing}


def _hit_json(hit: Hit, photo: Photo) -> dict[str, Any]:
    metadata, machine = photo.metadata, photo.accepted_machine
    return {
        "id": photo.id,
        "caption": photo.caption,
        "caption_by": photo.caption_by,
        "confidence": round(machine.confidence, 3) if machine else None,
        "unsure": photo.unsure,
        "words": words_json(machine.words) if machine else [],
        "tags": words_json(machine.tags) if machine else [],
        "wrong": photo.wrong,
        "added_words": list(photo.added_words),
        "score": round(hit.score, 4),
        "sure": hit.sure,
        "why": [asdict(reason) for reason in hit.why],
        "taken_at": iso_date(metadata.taken_at, metadata.taken_precision) if metadata.taken_at else None,
        "taken_precision": metadata.taken_precision if metadata.taken_at else None,
        "width": metadata.width_px,
        "height": metadata.height_px,
        "camera": metadata.camera,
        "position": asdict(metadata.position) if metadata.position else None,
        "similar": photo.similar,
        "file_count": photo.file_count,
        "files": [{"id": file.id, "path": str(file.path), "missing": file.missing} for file in photo.files],
    }
