"""The commands `status` and `doctor`."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from indexer.commands.command_line import (
    SOMETHING_FAILED,
    SUCCESS,
    first_path,
    given_flags,
    need_catalogue,
    print_json,
    print_line,
    with_settings,
)
from indexer.commands.terminal import Terminal
from indexer.errors import SetupError
from indexer.reasons import Reason
from indexer.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from indexer.catalogue import Catalogue

_SHOWN_ASIDE = 1000
SHOWN_REASONS = 20  # why captions stand in no file: some name a file of their own


@click.command()
@click.option("--retry", is_flag=True, help="queue what was set aside once more")
@click.option("--json", "as_json", is_flag=True, help="one JSON document")
@with_settings("bundle")
def status(settings: Settings, terminal: Terminal, retry: bool, as_json: bool) -> None:
    """Say how many photos there are, and which were set aside and why."""
    from indexer.cluster_report import cluster_json, read_cluster_state
    from indexer.commands.remembered import read_remembered
    from indexer.storage import indexing_process, reading_catalogue

    need_catalogue(settings)
    with reading_catalogue(settings) as catalogue:
        retried = catalogue.queue.retry_set_aside() if retry else 0
        running = indexing_process(settings.data_dir)
        state = _state(settings, catalogue) | {"running": running, "retried": retried}
        state["cluster"] = cluster_json(read_cluster_state(settings.data_dir, running))
        state["data_problem"] = _data_problem(settings, is_running=bool(running))
        known = {root.path for root in catalogue.scans.roots()}
    libraries = [str(root) for root in read_remembered(settings.data_dir).libraries if root not in known]
    if as_json:
        print_json(state | {"not_walked_yet": libraries})
        return
    _print_state(state)
    if retry:
        doer = "the running recollect does them" if state["running"] else "`recollect index` or `serve` does them"
        terminal.print(f"{retried:,} photos are queued again; {doer}")


def _state(settings: Settings, catalogue: Catalogue) -> dict[str, Any]:
    from indexer.commands.index_in_use import other_index_message

    counts = catalogue.counts()
    searchable, problem = _searchable(settings)
    return {
        "data_dir": str(settings.data_dir),
        "catalogue_problem": _catalogue_problem(catalogue),
        "counts": asdict(counts),
        "searchable": searchable,
        "not_searchable": counts.not_found_yet if searchable is None else counts.not_searchable(searchable),
        "search_problem": problem or other_index_message(settings),
        "libraries": [
            {
                "path": str(root.path),
                "files": root.files,
                "missing": root.missing,
                "walked_at": root.walked_at,
                "held_back": root.held_back and str(root.held_back),
                "passed_over": dict(root.passed_over),
            }
            for root in catalogue.scans.roots()
        ],
        "caption_models": _caption_models(settings, catalogue),
        "people": _people(settings, catalogue),
        "unwritten": [_reason_json(reason) | {"photos": photos} for reason, photos in catalogue.unwritten().items()],
        "unreadable": [
            {
                "path": str(place.path),
                "code": place.code,
                "reason": str(place.reason),
                "since": place.since.isoformat(),
                "files": place.files,
            }
            for place in catalogue.unreadable_places.first(_SHOWN_ASIDE)
        ],
        "set_aside": [
            {"path": str(job.file.path)}
            | _reason_json(job.reason)
            | {"kind": job.kind, "attempts": job.attempts, "at": job.at.isoformat()}
            for job in catalogue.queue.set_aside(_SHOWN_ASIDE, 0)
        ],
        "refused": [
            {"id": item.photo.id, "path": first_path(item.photo)} | _reason_json(item.reason)
            for item in catalogue.refused(_SHOWN_ASIDE)
        ],
    }


def _reason_json(reason: Reason | None) -> dict[str, Any]:
    """No words and no code where none is known."""
    return {"reason": str(reason or ""), "code": reason and reason.code}


def _data_problem(settings: Settings, *, is_running: bool) -> str | None:
    """What keeps the data directory from being written, which a running recollect waits for. Who has not the rights of
    its owner can't tell."""
    from indexer.sqlite.errors import hint_for, waiting_message
    from indexer.storage import write_failure

    error = write_failure(settings.data_dir)
    if error is None or (isinstance(error, PermissionError) and settings.data_dir.stat().st_uid != os.geteuid()):
        return None
    if is_running:
        return str(waiting_message(error, settings.data_dir))
    hint = hint_for(error, settings.catalogue_path)
    return f"nothing can be written into the data directory: {error.strerror}: {hint}"


def _catalogue_problem(catalogue: Catalogue) -> str | None:
    """What a look at some of the photos says; `recollect doctor` looks at all of the file."""
    try:
        catalogue.probe()
    except SetupError as error:
        return f"{error.what}: {error.hint}" if error.hint else error.what
    return None


def _people(settings: Settings, catalogue: Catalogue) -> dict[str, Any]:
    """`photos_waiting` counts also those that are queued once recollect runs; `problem` says why faces can't be looked
    for."""
    from captioner import BundleError, read_face_model

    state: dict[str, Any] = {"on": catalogue.people.is_on(settings.people), **asdict(catalogue.people.counts())}
    state["files_with_names"] = asdict(catalogue.names_in_files.counts())
    if state["on"]:
        try:
            state["photos_waiting"] = catalogue.faces.count_wanting(read_face_model().name)
        except BundleError as error:
            state["problem"] = str(error)
    return state


def _print_people(people: dict[str, Any]) -> None:
    """Nothing where faces were never looked for."""
    if not people["on"] and not people["faces"]:
        return
    waiting = f"; {people['photos_waiting']:,} photos to go" if people["photos_waiting"] else ""
    print_line(f"faces           {people['faces']:,}{waiting if people['on'] else '; no more are looked for'}")
    files = people["files_with_names"]
    if files["written"] or files["refused"]:
        refused = f"; {files['refused']:,} can't take them safely" if files["refused"] else ""
        print_line(f"  files with names in them: {files['written']:,}{refused}")
    if problem := people.get("problem"):
        print_line(f"  they can't be looked for: {problem}")


def _caption_models(settings: Settings, catalogue: Catalogue) -> dict[str, Any]:
    """`hint` says what to do where another model than the one in use has described photos."""
    from indexer.jobs.reindex import count_by_model, current_model, recaption_hint

    try:
        models = count_by_model(catalogue, current_model(settings))
    except SetupError as error:
        return {"current": None, "problem": error.what}
    hint = recaption_hint(settings) if models.by_others else ""
    return asdict(models) | {"by_others": models.by_others, "hint": hint}


def _searchable(settings: Settings) -> tuple[int | None, str]:
    """How many photos search holds; None where it does not answer, and why: what else there is can be said all the
    same."""
    from indexer.storage import reading_search

    try:
        with reading_search(settings) as backend:
            return backend.count(), ""
    except SetupError as error:
        return None, f"{error.what}: {error.hint}" if error.hint else error.what


def _print_state(state: dict[str, Any]) -> None:
    counts = state["counts"]
    print_line(f"data directory  {state['data_dir']}")
    if state["data_problem"]:
        print_line(f"                {state['data_problem']}")
    if state["catalogue_problem"]:
        print_line(f"catalogue       {state['catalogue_problem']}")
    print_line(f"running         {f'process {pid}' if (pid := state['running']) else 'no'}")
    for library in state["libraries"]:
        missing = f", {library['missing']:,} missing" if library["missing"] else ""
        print_line(f"library         {library['path']}: {library['files']:,} files{missing}")
        if library["held_back"]:
            print_line(f"                {library['held_back']}")
        if passed_over := library["passed_over"]:
            print_line(f"                {_passed_over_text(passed_over)}")
    print_line(
        f"photos          {counts['photos']:,} in {counts['files']:,} files, {counts['with_caption']:,} captioned"
    )
    unwritten = sum(item["photos"] for item in state["unwritten"])
    if unwritten:
        print_line(f"in no file      {unwritten:,} of their captions")
    for item in state["unwritten"][:SHOWN_REASONS]:
        print_line(f"  {item['photos']:,}: {item['reason'] or 'nobody has said why'}")
    if others := sum(item["photos"] for item in state["unwritten"][SHOWN_REASONS:]):
        print_line(f"  {others:,}: for other reasons; --json lists all")
    searchable = state["searchable"]
    waiting = f", {state['not_searchable']:,} wait for it" if state["not_searchable"] else ""
    print_line(f"searchable      {'search does not answer' if searchable is None else f'{searchable:,}'}{waiting}")
    if state["search_problem"]:
        print_line(f"                {state['search_problem']}")
    if counts["refused"]:
        print_line(f"refused         {counts['refused']:,} by search")
    for item in state["refused"]:
        print_line(f"  {item['path']}: {item['reason']}")
    _print_caption_models(state["caption_models"])
    _print_cluster(state["cluster"])
    if counts["incomplete"]:
        print_line(f"to complete     {counts['incomplete']:,} photos have their sentence alone, from their files")
    if counts["thumbnails_waiting"]:
        print_line(f"thumbnails      {counts['thumbnails_waiting']:,} are to be made again")
    _print_people(state["people"])
    print_line(f"queued          {counts['queued']:,}")
    if counts["unreadable"]:
        print_line(f"can't be read   {counts['unreadable']:,} folder{'s' * (counts['unreadable'] != 1)}")
    for item in state["unreadable"]:
        print_line(f"  {item['path']}: {item['reason']}")
    print_line(f"set aside       {counts['set_aside']:,}")
    for item in state["set_aside"]:
        print_line(f"  {item['path']}: {item['reason']}")
    if counts["set_aside"] > len(state["set_aside"]):
        print_line(f"  and {counts['set_aside'] - len(state['set_aside']):,} more")


def _print_cluster(cluster: dict[str, Any] | None) -> None:
    """Nothing where the process that indexes has no cluster."""
    if cluster is None:
        return
    used = f"{cluster['used']} of {len(cluster['workers'])} workers are used"
    print_line(f"cluster         {cluster['address']}: {cluster['problem'] or used}")
    for worker in cluster["workers"]:
        text = f"not used: {worker['problem']}" if worker["problem"] else f"{worker['captions']:,} captions"
        print_line(f"  {worker['name']}: {text}")
    here, elsewhere = cluster["captions_here"], cluster["captions_elsewhere"]
    print_line(f"                {here:,} captions here, {elsewhere:,} by other machines since it was started")


def _passed_over_text(counts: Mapping[str, int]) -> str:
    """What is passed over, and how often."""
    number = sum(counts.values())
    files = "1 file of a kind" if number == 1 else f"{number:,} files of kinds"
    return f"{files} that recollect does not read: " + ", ".join(f"{n:,} {kind}" for kind, n in counts.items())


def _print_caption_models(models: dict[str, Any]) -> None:
    """Nothing where the model in use has described every photo."""
    from indexer.jobs.reindex import format_models

    if models["current"] is None:
        print_line(f"caption model   {models['problem']}")
    elif models["by_others"]:
        others = format_models(models["others"])
        print_line(f"other models    {models['by_others']:,} photos not described by {models['current']}: {others}")
        print_line(f"                {models['hint']}")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="one JSON document")
@click.option("--fix", is_flag=True, help="make Meilisearch's keys from RECOLLECT_MEILISEARCH_MASTER_KEY first")
@click.option("--rebuild", "rebuilds", is_flag=True, help="keep a damaged catalogue aside and make it again first")
@click.argument("roots", metavar="[DIR]...", nargs=-1, type=click.Path(path_type=str))
@with_settings(
    *("bundle", "captions", "sidecar_dir", "search", "meilisearch_url", "meilisearch_index", "cluster", "cluster_tls")
)
def doctor(
    settings: Settings, terminal: Terminal, as_json: bool, fix: bool, rebuilds: bool, roots: tuple[str, ...]
) -> None:
    """Check model, catalogue, disk, rights, search and watching, and say how to mend what is broken."""
    import asyncio

    from indexer.commands.doctor import examine
    from indexer.commands.finding import Finding, Verdict
    from indexer.commands.index_in_use import search_where_photos_are
    from indexer.commands.remembered import INDEX_SETTINGS

    if rebuilds:
        from indexer.commands.rebuild import rebuild

        rebuild(settings, terminal)
    findings: list[Finding] = []
    if fix:
        from indexer.commands.search_server import mend_search

        if not given_flags(settings, INDEX_SETTINGS):
            settings, findings = search_where_photos_are(settings)
        findings += mend_search(settings)
    findings += asyncio.run(examine(settings))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            print_line(f"{finding.verdict:7} {finding.subject}: {finding.text}")
            if finding.mend:
                print_line(f"        {finding.mend}")
    broken = any(finding.verdict is Verdict.BROKEN for finding in findings)
    click.get_current_context().exit(SOMETHING_FAILED if broken else SUCCESS)
