"""A program for `test_data_disks`: `python -m tests.indexer.small_data_disks SCENARIO FOLDER`, run as root of a mount
namespace of its own. Each scenario mounts a data directory, fills it, makes its disk read-only or full, and prints what
`recollect search` and `recollect status` say of it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner

from indexer.settings import Settings
from tests.indexer.captions.small_worlds import mounted, remounted_read_only
from tests.indexing import COLOURS, CountingCaptioner, index, settings_for
from tests.photos_made import write_jpeg
from web.cli import main


def filled(folder: Path, options: str) -> Settings:
    """A data directory on a disk of its own, over one photo."""
    mounted(folder / "data", options)
    write_jpeg(folder / "photos/red.jpg", COLOURS["red"], 1)
    settings = settings_for(folder)
    asyncio.run(index(settings, CountingCaptioner(), folder / "photos"))
    return settings


def said(settings: Settings) -> str:
    """Exit codes, what was found, and what the status says."""
    found = CliRunner().invoke(main, ["search", "--data-dir", str(settings.data_dir), "red"])
    status = CliRunner().invoke(main, ["status", "--data-dir", str(settings.data_dir)])
    listed = CliRunner().invoke(main, ["captions", "list", "--data-dir", str(settings.data_dir)])
    lines = [line for line in status.output.splitlines() if line.startswith(("photos", "searchable"))]
    written = [line.strip() for line in status.output.splitlines() if "data directory" in line and "written" in line]
    return (
        f"{found.exit_code} {found.output.splitlines()[:1]} {status.exit_code} {lines} "
        f"captions {listed.exit_code} {listed.output.splitlines()[:1]} {written} "
        f"{status.stderr}{found.stderr}{listed.stderr}"
    )


def read_only(folder: Path) -> str:
    settings = filled(folder, "size=64m")
    remounted_read_only(settings.data_dir)
    return said(settings)


def read_only_with_what_a_killed_process_left(folder: Path) -> str:
    """Its WAL stands beside the database."""
    settings = filled(folder, "size=64m")
    program = (
        "import os, sqlite3, sys\n"
        "for name in ('catalogue.db', 'search.db'):\n"
        "    c = sqlite3.connect(f'{sys.argv[1]}/{name}')\n"
        "    c.execute('CREATE TABLE left_over (x)'); c.commit()\n"
        "    globals()[name] = c\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(settings.data_dir)], check=True)
    assert (settings.data_dir / "catalogue.db-wal").stat().st_size
    remounted_read_only(settings.data_dir)
    return said(settings)


def full(folder: Path) -> str:
    settings = filled(folder, "size=64m")
    try:
        with (settings.data_dir / "fill").open("wb") as file:
            while True:
                file.write(bytes(1 << 16))
                file.flush()
    except OSError:
        return said(settings)


def full_before_the_start(folder: Path) -> str:
    """SQLite calls it an I/O error where what it needs beside the database finds no room."""
    output = full(folder)
    run = CliRunner().invoke(
        main, ["index", "--captions", "off", "--data-dir", str(folder / "data"), str(folder / "photos")]
    )
    assert "free some space" in run.stderr, run.stderr
    return output


SCENARIOS: dict[str, Callable[[Path], str]] = {
    function.__name__: function
    for function in (read_only, read_only_with_what_a_killed_process_left, full, full_before_the_start)
}

if __name__ == "__main__":
    sys.stdout.write(SCENARIOS[sys.argv[1]](Path(sys.argv[2])))
