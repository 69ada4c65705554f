"""The commands `backup` and `restore`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from indexer.commands.command_line import need_catalogue, print_json, with_settings
from indexer.commands.terminal import Terminal
from indexer.settings import ENVIRONMENT_PREFIX, SETTINGS, Settings
from indexer.settings_loader import config_path

if TYPE_CHECKING:
    from indexer.recovery.restore import Restored


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--thumbnails", is_flag=True, help="thumbnails, too; without them they are made again from the photos")
@click.option("--json", "as_json", is_flag=True, help="one JSON document")
@with_settings()
def backup(settings: Settings, terminal: Terminal, file: Path, thumbnails: bool, as_json: bool) -> None:
    """Copy catalogue, keys and settings into one file, also while recollect runs; no photos are in it."""
    from indexer.recovery.backup import make_backup

    need_catalogue(settings)
    made = make_backup(settings, file, settings_file=_settings_file(), thumbnails=thumbnails)
    if as_json:
        print_json({"file": str(made.path), "bytes": made.size_bytes, "photos": made.photos, "members": made.members})
        return
    terminal.print(
        f"{made.path}: {made.size_bytes / 1e6:,.1f} MB, of {made.photos:,} photos: {', '.join(made.members)}"
    )
    terminal.print("whoever has this file can read your captions and sign in: keep it as you keep your photos")
    if given := [name for name in SETTINGS if ENVIRONMENT_PREFIX + name.upper() in os.environ and name != "data_dir"]:
        terminal.print(f"not in it, as the environment gives them: {', '.join(given)}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--library",
    "moved",
    nargs=2,
    multiple=True,
    metavar="OLD NEW",
    type=click.Path(),
    help="the library that lay in OLD lies in NEW here; may be given several times",
)
@click.option("--replace", is_flag=True, help="set aside what is in the data directory, in a folder in it")
@click.option("--json", "as_json", is_flag=True, help="one JSON document")
@with_settings()
def restore(
    settings: Settings,
    terminal: Terminal,
    file: Path,
    moved: tuple[tuple[str, str], ...],
    replace: bool,
    as_json: bool,
) -> None:
    """Make the data directory of a backup, on this machine or another one; photos are not touched."""
    from indexer.recovery.backup_file import BackupFile
    from indexer.recovery.finishing import KEPT_SETTINGS
    from indexer.recovery.library_moves import LibraryMoves
    from indexer.recovery.restore import check_target
    from indexer.recovery.restore import restore as restore_backup
    from indexer.storage import sole_indexer

    moves = LibraryMoves(tuple((_folder(old), _folder(new)) for old, new in moved))
    with BackupFile(file) as opened:
        check_target(settings.data_dir, replace=replace)
        moves.check(opened.manifest.libraries, settings)
        with sole_indexer(settings.data_dir):
            restored = restore_backup(settings, opened, moves, replace=replace)
    used = _use_settings(settings, restored, KEPT_SETTINGS)
    absent = [str(path) for path in restored.libraries if not path.is_dir()]
    if as_json:
        libraries = [str(path) for path in restored.libraries]
        print_json(
            {"photos": restored.photos, "libraries": libraries, "absent": absent, "settings": used and str(used)}
        )
        return
    terminal.print(f"{settings.data_dir}: {restored.photos:,} photos, as of {restored.made_at}")
    if not restored.thumbnails:
        terminal.print("thumbnails are not in the backup: they are made again from the photos at the next start")
    if used is not None:
        terminal.print(f"the settings are in {used}")
    for path in absent:
        terminal.print(f"library {path} is not there: mount it, or restore with --library {path} NEW --replace")


def _folder(text: str) -> Path:
    return Path(os.path.normpath(Path(text).expanduser().absolute()))


def _settings_file() -> Path:
    """That this run reads."""
    given: Path | None = click.get_current_context().params.get("config")
    return given or config_path(os.environ)


def _use_settings(settings: Settings, restored: Restored, kept: str) -> Path | None:
    """The settings file that holds the backup's settings: the usual one, where there is none yet and no other was
    named; else the one in the data directory, for comparing."""
    if restored.settings is None:
        return None
    from indexer.atomic.replace import write_private

    usual, beside = _settings_file(), settings.data_dir / kept
    if usual.exists():
        return beside
    write_private(usual, restored.settings.encode())
    beside.unlink(missing_ok=True)
    return usual
