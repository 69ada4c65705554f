"""`recollect search`, `status` and `doctor`: what is known, and whether all is well."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from indexer.commands.command_line import SOMETHING_FAILED, SUCCESS, print_json, print_line, with_settings
from indexer.commands.rows import NOTHING_TO_DESCRIBE, words_json
from indexer.commands.terminal import Terminal
from indexer.errors import SearchError, SetupError
from indexer.settings import Settings

if TYPE_CHECKING:
    from indexer.catalogue import Refused
    from indexer.catalogue.job_queue import SetAside
    from indexer.commands.finding import Finding
    from indexer.photo import Photo
    from indexer.search import Answer, Hit
    from indexer.storage import Storage

_SHOWN_ASIDE = 1000


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
    from indexer.photo import LISTED_FILES
    from indexer.search import FilterError
    from indexer.search.query import parse
    from indexer.storage import open_storage

    _need_catalogue(settings)
    started = time.perf_counter()
    with open_storage(settings) as storage:
        try:
            answer = storage.search.search(parse(" ".join(query)), limit=limit, offset=offset)
        except FilterError as error:
            raise click.UsageError(str(error)) from error
        found = storage.catalogue.photos([hit.id for hit in answer.hits], most_files=LISTED_FILES)
    photos = {photo.id: photo for photo in found}
    took_ms = (time.perf_counter() - started) * 1000
    hits = [(hit, photos[hit.id]) for hit in answer.hits if hit.id in photos]
    if as_json:
        print_json(_answer_json(answer, hits, took_ms))
        return
    for _, photo in hits:
        print_line(_line(photo))
    terminal.say(_summary(answer, len(hits), took_ms))


def _line(photo: Photo) -> str:
    copies = sum(not file.missing for file in photo.files) - 1 + photo.more_files
    caption = NOTHING_TO_DESCRIBE if photo.nothing_seen else photo.caption or ""
    return f"{_first_path(photo)}{f' (+{copies:,} copies)' if copies > 0 else ''}: {caption}"


def _first_path(photo: Photo) -> str:
    return next((str(file.path) for file in photo.files if not file.missing), "(missing)")


def _summary(answer: Answer, shown: int, took_ms: float) -> str:
    text = f"{answer.total:,} found" if answer.total == shown else f"{shown:,} of {answer.total:,} found"
    text += f", {answer.by_meaning:,} by their look," if answer.by_meaning else ""
    near = [f"{word} -> {', '.join(words)}" for word, words in answer.corrections.items() if words]
    return f"{text} in {took_ms:.0f} ms" + (f" (also looked for: {'; '.join(near)})" if near else "")


def _answer_json(answer: Answer, hits: list[tuple[Hit, Photo]], took_ms: float) -> dict[str, Any]:
    """The shape of `GET /api/search`, but that a file's path is absolute."""
    return {
        "hits": [_hit_json(hit, photo) for hit, photo in hits],
        "total": answer.total,
        "by_meaning": answer.by_meaning,
        "took_ms": round(took_ms, 2),
        "corrections": {word: list(near) for word, near in answer.corrections.items()},
        "dropped": list(answer.dropped),
    }


def _hit_json(hit: Hit, photo: Photo) -> dict[str, Any]:
    metadata, machine = photo.metadata, photo.believed
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
        "why": [asdict(reason) for reason in hit.why],
        "taken_at": metadata.taken_at.isoformat() if metadata.taken_at else None,
        "width": metadata.width_px,
        "height": metadata.height_px,
        "camera": metadata.camera,
        "position": asdict(metadata.position) if metadata.position else None,
        "file_count": photo.file_count,
        "files": [{"id": file.id, "path": str(file.path), "missing": file.missing} for file in photo.files],
    }


@click.command()
@click.option("--retry", is_flag=True, help="queue what was set aside once more")
@click.option("--json", "as_json", is_flag=True, help="one JSON document")
@with_settings("bundle")
def status(settings: Settings, terminal: Terminal, retry: bool, as_json: bool) -> None:
    """Say how many photos there are, and which were set aside and why."""
    from indexer.commands.remembered import read_remembered
    from indexer.storage import indexing_process, open_storage

    _need_catalogue(settings)
    with open_storage(settings) as storage:
        retried = storage.catalogue.retry_set_aside() if retry else 0
        state = _state(settings, storage) | {"running": indexing_process(settings.data_dir), "retried": retried}
        known = {root.path for root in storage.catalogue.roots()}
    libraries = [str(root) for root in read_remembered(settings.data_dir).libraries if root not in known]
    if as_json:
        print_json(state | {"not_walked_yet": libraries})
        return
    _print_state(state)
    if retry:
        doer = "the running recollect does them" if state["running"] else "`recollect index` or `serve` does them"
        terminal.say(f"{retried:,} photos are queued again; {doer}")


def _state(settings: Settings, storage: Storage) -> dict[str, Any]:
    aside = storage.catalogue.set_aside(_SHOWN_ASIDE, 0)
    return {
        "data_dir": str(settings.data_dir),
        "counts": asdict(storage.catalogue.counts()),
        "searchable": _searchable(storage),
        "libraries": [asdict(root) | {"path": str(root.path)} for root in storage.catalogue.roots()],
        "caption_models": _caption_models(settings, storage),
        "unwritten": [{"reason": reason, "photos": photos} for reason, photos in storage.catalogue.unwritten().items()],
        "set_aside": [_aside_json(item) for item in aside],
        "refused": [_refused_json(item) for item in storage.catalogue.refused(_SHOWN_ASIDE)],
    }


def _caption_models(settings: Settings, storage: Storage) -> dict[str, Any]:
    """`hint` says what to do where another model than the one in use has described photos."""
    from indexer.caption_models import count_by_model
    from indexer.reindex import current_model, recaptioning_hint

    try:
        models = count_by_model(storage.catalogue, current_model(settings))
    except SetupError as error:
        return {"current": None, "problem": error.what}
    hint = recaptioning_hint(settings) if models.by_others else ""
    return asdict(models) | {"by_others": models.by_others, "hint": hint}


def _searchable(storage: Storage) -> int | None:
    """How many photos search holds, None where it does not answer: what else there is can be said all the same."""
    try:
        return storage.search.count()
    except SearchError:
        return None


def _refused_json(item: Refused) -> dict[str, Any]:
    return {"id": item.photo.id, "path": _first_path(item.photo), "reason": item.reason}


def _aside_json(item: SetAside) -> dict[str, Any]:
    return {
        "path": str(item.file.path),
        "reason": item.reason,
        "kind": item.kind,
        "attempts": item.attempts,
        "at": item.at.isoformat(),
    }


def _print_state(state: dict[str, Any]) -> None:
    counts = state["counts"]
    print_line(f"data directory  {state['data_dir']}")
    print_line(f"running         {f'process {pid}' if (pid := state['running']) else 'no'}")
    for library in state["libraries"]:
        missing = f", {library['missing']:,} missing" if library["missing"] else ""
        print_line(f"library         {library['path']}: {library['files']:,} files{missing}")
        if library["held_back"]:
            print_line(f"                {library['held_back']}")
    print_line(
        f"photos          {counts['photos']:,} in {counts['files']:,} files, {counts['with_caption']:,} captioned"
    )
    unwritten = sum(item["photos"] for item in state["unwritten"])
    if unwritten:
        print_line(f"in no file      {unwritten:,} of their captions")
    for item in state["unwritten"]:
        print_line(f"  {item['photos']:,}: {item['reason'] or 'nobody has said why'}")
    searchable = state["searchable"]
    waiting = f", {counts['unpushed']:,} wait for it" if counts["unpushed"] else ""
    print_line(f"searchable      {'search does not answer' if searchable is None else f'{searchable:,}'}{waiting}")
    if counts["refused"]:
        print_line(f"refused         {counts['refused']:,} by search")
    for item in state["refused"]:
        print_line(f"  {item['path']}: {item['reason']}")
    _print_caption_models(state["caption_models"])
    print_line(f"queued          {counts['queued']:,}")
    print_line(f"set aside       {counts['set_aside']:,}")
    for item in state["set_aside"]:
        print_line(f"  {item['path']}: {item['reason']}")
    if counts["set_aside"] > len(state["set_aside"]):
        print_line(f"  and {counts['set_aside'] - len(state['set_aside']):,} more")


def _print_caption_models(models: dict[str, Any]) -> None:
    """Nothing where the model in use has described every photo."""
    from indexer.caption_models import listed_models

    if models["current"] is None:
        print_line(f"caption model   {models['problem']}")
    elif models["by_others"]:
        others = listed_models(models["others"])
        print_line(f"other models    {models['by_others']:,} photos not described by {models['current']}: {others}")
        print_line(f"                {models['hint']}")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="one JSON document")
@click.option("--fix", is_flag=True, help="make Meilisearch's keys from RECOLLECT_MEILISEARCH_MASTER_KEY first")
@click.argument("roots", metavar="[DIR]...", nargs=-1, type=click.Path(path_type=str))
@with_settings("bundle", "captions", "sidecar_dir", "search", "meilisearch_url", "meilisearch_index")
def doctor(settings: Settings, terminal: Terminal, as_json: bool, fix: bool, roots: tuple[str, ...]) -> None:
    """Check model, catalogue, disk, rights, search and watching, and say how to mend what is broken."""
    import asyncio

    from indexer.commands.doctor import examine
    from indexer.commands.finding import Verdict

    findings = (_mended(settings) if fix else []) + asyncio.run(examine(settings))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            print_line(f"{finding.verdict:7} {finding.subject}: {finding.text}")
            if finding.mend:
                print_line(f"        {finding.mend}")
    broken = any(finding.verdict is Verdict.BROKEN for finding in findings)
    click.get_current_context().exit(SOMETHING_FAILED if broken else SUCCESS)


def _need_catalogue(settings: Settings) -> None:
    """Reading commands make no data directory: a typing error in `--data-dir` must not look like an empty library."""
    if not settings.catalogue_path.exists():
        raise SetupError(
            f"nothing is indexed in {settings.data_dir} yet",
            hint="run `recollect index DIR` or `recollect serve DIR` first, or name another --data-dir",
        )


def _mended(settings: Settings) -> list[Finding]:
    from indexer.commands.search_server import mend_search

    return mend_search(settings)
