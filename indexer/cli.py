"""The command line but for `serve`, which `web.cli` adds. Only the command modules print and exit."""

from __future__ import annotations

import click

from indexer.commands.backup import backup, restore
from indexer.commands.caption import caption
from indexer.commands.captions import captions
from indexer.commands.cluster import scheduler, worker
from indexer.commands.command_line import CommandLine
from indexer.commands.index import index, reindex
from indexer.commands.people import people
from indexer.commands.search import search
from indexer.commands.status import doctor, status

HELP = """Finds a family's photos by what is in them.

Results go to standard output, messages to standard error. Exit codes: 0 done (photos that were set aside do not
count against it; `recollect status` lists them), 1 something failed, 2 the set-up or the command line is wrong.
"""

#: Every command of the indexer, in the order they are shown.
COMMANDS: tuple[click.Command, ...] = (
    *(index, reindex, search, caption, captions, people, status, doctor, backup, restore),
    *(worker, scheduler),
)


def command_line(*commands: click.Command) -> CommandLine:
    """The program `recollect` with these commands."""
    group = CommandLine(name="recollect", help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
    group = click.version_option(package_name="recollect", message="%(package)s %(version)s")(group)
    for command in commands:
        group.add_command(command)
    return group


main = command_line(*COMMANDS)
