"""`recollect people`: whether faces are looked for, who was found, their names, and the deletion of all of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from indexer.commands.command_line import CommandLine, need_catalogue, print_json, print_line, with_settings
from indexer.commands.finding import Finding, Verdict
from indexer.commands.terminal import Terminal
from indexer.errors import SetupError, StorageError
from indexer.settings import Settings

if TYPE_CHECKING:
    from indexer.catalogue import Catalogue
    from indexer.catalogue.people import Person
    from indexer.storage import Storage

_JSON = click.option("--json", "as_json", is_flag=True, help="one JSON document")
_LISTED = 1000
_NUMBER = click.IntRange(1, 2**63 - 1)
FACES = "faces"


@click.group(cls=CommandLine)
def people() -> None:
    """Find people by their faces: switch it on or off, see who was found, give names, delete everything.

    It is off until it is switched on. What faces look like stays in the data directory, and in no backup.
    """


@contextmanager
def _catalogue(settings: Settings) -> Iterator[Catalogue]:
    from indexer.catalogue import Catalogue
    from indexer.storage import storage_errors

    need_catalogue(settings)
    with storage_errors(settings), Catalogue(settings.catalogue_path) as catalogue:
        yield catalogue


@people.command()
@_JSON
@with_settings()
def on(settings: Settings, terminal: Terminal, as_json: bool) -> None:
    """Look for faces in every photo, behind all other work, and group them by person."""
    _switch(settings, terminal, as_json, is_on=True)


@people.command()
@_JSON
@with_settings()
def off(settings: Settings, terminal: Terminal, as_json: bool) -> None:
    """Look for no more faces; what was found stays."""
    _switch(settings, terminal, as_json, is_on=False)


def _switch(settings: Settings, terminal: Terminal, as_json: bool, *, is_on: bool) -> None:
    from indexer.storage import indexing_process

    with _catalogue(settings) as catalogue:
        catalogue.people.switch(on=is_on)
    running = indexing_process(settings.data_dir)
    if as_json:
        print_json({"on": is_on, "running": running})
        return
    doer = "the running recollect looks for them" if running else "`recollect serve` or `index` looks for them"
    terminal.print(f"faces are looked for from now on; {doer}" if is_on else "faces are no longer looked for")


@people.command(name="list")
@click.option("--all", "all_groups", is_flag=True, help="groups of fewer than three photos, too, and who is ignored")
@_JSON
@with_settings()
def list_people(settings: Settings, terminal: Terminal, all_groups: bool, as_json: bool) -> None:
    """List who was found, most photos first, with the number that `name`, `merge` and `ignore` take."""
    with _catalogue(settings) as catalogue:
        least = 1 if all_groups else 3
        found = catalogue.people.persons(least_photos=least, limit=_LISTED)
        if all_groups:
            found += catalogue.people.persons(least_photos=least, ignored=True, limit=_LISTED)
        is_on, counts = catalogue.people.is_on(settings.people), catalogue.people.counts()
    if as_json:
        print_json({"on": is_on, "photos_waiting": counts.photos_waiting, "people": [_json(one) for one in found]})
        return
    for one in found:
        ignored = " (ignored)" if one.ignored else ""
        print_line(f"{one.id:6}  {one.photos:6,} photos  {one.name or '(no name)'}{ignored}")
    waiting = f", {counts.photos_waiting:,} photos to go" if counts.photos_waiting else ""
    terminal.print(f"{counts.faces:,} faces; looking for faces is {'on' if is_on else 'off'}{waiting}")


def _json(person: Person) -> dict[str, Any]:
    return {
        "id": person.id,
        "name": person.name,
        "photos": person.photos,
        "faces": person.faces,
        "ignored": person.ignored,
    }


@people.command()
@click.argument("person", type=_NUMBER)
@click.argument("name")
@_JSON
@with_settings()
def name(settings: Settings, terminal: Terminal, person: int, name: str, as_json: bool) -> None:
    """Give a person of the list a name; two of the same name become one."""
    from indexer.catalogue.people_decisions import LONGEST_NAME, person_name

    if (text := person_name(name)) is None:
        raise SetupError(f"a name has letters, and at most {LONGEST_NAME} characters")
    with _catalogue(settings) as catalogue:
        _finish(catalogue, catalogue.people_decisions.name(person, text), terminal, as_json=as_json)


@people.command()
@click.argument("person", type=_NUMBER)
@click.argument("other", type=_NUMBER)
@_JSON
@with_settings()
def merge(settings: Settings, terminal: Terminal, person: int, other: int, as_json: bool) -> None:
    """Say that two of the list are one person."""
    with _catalogue(settings) as catalogue:
        done = catalogue.people_decisions.merge(person, other)
        _finish(catalogue, person if done else None, terminal, as_json=as_json)


@people.command()
@click.argument("person", type=_NUMBER)
@_JSON
@with_settings()
def faces(settings: Settings, terminal: Terminal, person: int, as_json: bool) -> None:
    """List the faces of a person, and the photos they are in, with the numbers that `not` takes."""
    with _catalogue(settings) as catalogue:
        found = catalogue.people.faces_of_person(person, limit=_LISTED)
        if not found:
            raise _no_such_person()
        photos = {photo.id: photo for photo in catalogue.photos(list({one.photo_id for one in found}), most_files=1)}
    rows = [
        {"id": one.id, "photo": one.photo_id, "by": one.by, "path": str(photos[one.photo_id].files[0].path)}
        for one in found
        if one.photo_id in photos
    ]
    if as_json:
        print_json({"faces": rows})
        return
    for row in rows:
        print_line(f"{row['id']:6}  {row['path']}")
    terminal.print(f"{len(rows):,} face{'' if len(rows) == 1 else 's'}")


@people.command(name="not")
@click.argument("face", metavar="FACE...", nargs=-1, required=True, type=_NUMBER)
@_JSON
@with_settings()
def not_this_person(settings: Settings, terminal: Terminal, face: tuple[int, ...], as_json: bool) -> None:
    """Say that faces are not of the person they were taken for; they never become that person's again by themselves."""
    with _catalogue(settings) as catalogue:
        if not catalogue.people_decisions.not_this_person(face):
            raise SetupError(
                "none of these faces is anybody's", hint="`recollect people faces PERSON` gives the numbers"
            )
    if as_json:
        print_json({"faces": list(face)})
    else:
        terminal.print(f"{len(face):,} face{'' if len(face) == 1 else 's'} taken out")


@people.command()
@click.argument("person", type=_NUMBER)
@click.option("--no", "shown", is_flag=True, help="show the person again")
@_JSON
@with_settings()
def ignore(settings: Settings, terminal: Terminal, person: int, shown: bool, as_json: bool) -> None:
    """Show a person of the list no more."""
    with _catalogue(settings) as catalogue:
        done = catalogue.people_decisions.ignore(person, ignored=not shown)
        _finish(catalogue, person if done else None, terminal, as_json=as_json)


@people.command()
@_JSON
@with_settings()
def undo(settings: Settings, terminal: Terminal, as_json: bool) -> None:
    """Undo the last decision: a name, a merge, a split, who is ignored."""
    with _catalogue(settings) as catalogue:
        undone = catalogue.people_decisions.undo()
    if as_json:
        print_json({"undone": undone and undone.kind.value, "person": undone and undone.person_id})
    else:
        terminal.print(f"undone: {undone.kind.value}" if undone else "there is nothing to undo")


def _no_such_person() -> SetupError:
    return SetupError("there is no such person", hint="`recollect people list` gives the numbers")


def _finish(catalogue: Catalogue, person_id: int | None, terminal: Terminal, *, as_json: bool) -> None:
    """Says who it is now. Raises `SetupError` where the person is unknown."""
    if person_id is None:
        raise _no_such_person()
    person = catalogue.people.person(person_id)
    if as_json:
        print_json(person and _json(person))
    elif person is not None:
        terminal.print(f"{person.id}: {person.name or '(no name)'}, {person.photos:,} photos")


@people.command()
@click.option("--keep-names", is_flag=True, help="keep persons who have a name: photos stay found by it")
@click.option("--yes", is_flag=True, help="do not ask")
@_JSON
@with_settings()
def delete(settings: Settings, terminal: Terminal, keep_names: bool, yes: bool, as_json: bool) -> None:
    """Delete every face, and how it looks, from the data directory, and switch the search for faces off.

    Also while recollect runs. Names that recollect wrote into photo files are taken out again by the recollect that
    runs, or the next that does; those of other programs stay. Backups that were made before hold names, but not
    how faces look.
    """
    from contextlib import closing

    from indexer.people.vectors import FaceVectors, delete_people

    with _catalogue(settings) as catalogue, closing(FaceVectors(settings.faces_path)) as vectors:
        faces = catalogue.people.counts().faces
        if not yes:
            what = "faces" if keep_names else "faces and all names given to them"
            click.confirm(f"Delete {faces:,} {what}?", abort=True, err=True)
        try:
            files = delete_people(catalogue, vectors, keep_names=keep_names)
        except OSError as error:
            raise StorageError(
                f"{error.filename} can't be deleted: {error.strerror}", hint="delete the file, or run it again"
            ) from error
    if as_json:
        print_json({"faces": faces, "files": files, "names_kept": keep_names})
    else:
        terminal.print(f"deleted: {faces:,} faces; faces are no longer looked for")


def examine_faces(storage: Storage, settings: Settings) -> Finding:
    """For `recollect doctor`."""
    from captioner import BundleError, read_face_model
    from indexer.people.vectors import vector_files

    people, kept = storage.catalogue.people, len(vector_files(settings.data_dir))
    if not people.is_on(settings.people):
        stays = "; what was found stays until `recollect people delete`" if kept else ""
        return Finding(FACES, Verdict.FINE, f"not looked for{stays}")
    try:
        model = read_face_model().name
    except BundleError as error:
        return Finding(FACES, Verdict.BROKEN, f"they can't be looked for: {error}", "install recollect again")
    counts, wanting = people.counts(), storage.catalogue.faces.count_wanting(model)
    text = f"{counts.faces:,} by {model}, {counts.persons:,} groups, {counts.named:,} of them with a name"
    if wanting:
        mend = "`recollect serve` or `index` looks at them by itself, after everything else"
        return Finding(FACES, Verdict.WARNING, f"{text}; {wanting:,} photos to go", mend)
    return Finding(FACES, Verdict.FINE, text)
