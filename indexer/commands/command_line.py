"""What every command shares: the settings as flags, errors as messages with exit codes, JSON and signals."""

from __future__ import annotations

import asyncio
import ctypes
import functools
import json
import logging
import os
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from captioner import Tag
from indexer.commands.remembered import read_remembered
from indexer.commands.terminal import Terminal, printable
from indexer.errors import SetupError
from indexer.settings import SECRETS, SETTINGS, Settings
from indexer.settings_loader import load_settings
from indexer.sqlite.file_header import is_there

if TYPE_CHECKING:
    from indexer.model import Photo
    from indexer.search import Answer, Query

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")
_Command = TypeVar("_Command", bound=Callable[..., Any])

SUCCESS, SOMETHING_FAILED, WRONG_SETUP = 0, 1, 2

#: Settings about serving the page; `serve` has them, `index` does not.
SERVING = (
    "host",
    "port",
    "hosts",
    "base_path",
    "user_header",
    "trusted_proxies",
    "open_metrics",
    "rescan_s",
    "recaption_hours",
    "quiet_hours",
    "pause_temperature_c",
    "pause_load_percent",
    "watch",
)
INDEXING = tuple(name for name in SETTINGS if name not in {"photos", "data_dir", *SERVING, *SECRETS})

# Each thread keeps SQLite connections and their page caches: a few threads are part of the memory budget.
_THREADS = 3
#: A number of glibc's malloc.h.
_M_ARENA_MAX = -8


class CommandLine(click.Group):
    """Commands in the order they were added; a `SetupError` becomes a message and exit code 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of a user's first day, not of the alphabet."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Never a traceback for what a person can mend."""
        try:
            return super().invoke(ctx)
        except SetupError as error:
            click.echo(f"recollect: {printable(error.what)}", err=True)
            if error.hint:
                click.echo(f"  {printable(error.hint)}", err=True)
            ctx.exit(WRONG_SETUP)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click's own: usage errors, a reader of our output that has had enough
        except Exception as error:
            log.debug("here it happened", exc_info=True)
            click.echo(f"recollect: unexpected error, please report it: {printable(repr(error))}", err=True)
            click.echo("  the same command with -v says where it happened", err=True)
            ctx.exit(SOMETHING_FAILED)


def with_settings(*names: str) -> Callable[[_Command], _Command]:
    """Gives a command `--config`, `--data-dir` and a flag per named setting, and passes it `settings`.

    A command with an argument `roots` has its directories as the setting `photos`.
    """

    def decorate(command: _Command) -> _Command:
        @functools.wraps(command)
        def run(config: Path | None, verbose: bool, **given: Any) -> Any:
            flags = {name: given.pop(name) for name in ("data_dir", *names)}
            if given.get("roots"):
                flags["photos"] = given["roots"]
            settings = _settings(config, flags)
            given["terminal"] = _start_logging(verbose)
            return command(settings=settings, **given)

        options = [_option(name) for name in ("data_dir", *names)]
        return functools.reduce(lambda wrapped, option: option(wrapped), reversed([*_COMMON, *options]), run)  # type: ignore[return-value]

    return decorate


def _settings(config: Path | None, flags: Mapping[str, Any]) -> Settings:
    """What was remembered in the data directory stands in for defaults, once it is known which directory that is."""
    settings = load_settings(config=config, flags=flags)
    remembered = read_remembered(settings.data_dir).settings
    return load_settings(config=config, flags=flags, defaults=remembered) if remembered else settings


_COMMON = (
    click.option("--config", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="settings file (TOML)"),
    click.option("-v", "--verbose", is_flag=True, help="say more on standard error"),
)


def _option(name: str) -> Callable[[_Command], _Command]:
    setting = SETTINGS[name]
    flag, kind = "--" + name.replace("_", "-"), str(setting.type)
    text = setting.metadata["help"] + (f" [{setting.metadata['unit']}]" if setting.metadata["unit"] else "")
    if kind == "bool":
        return click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=text)
    if setting.metadata["choices"]:
        return click.option(flag, name, type=click.Choice(setting.metadata["choices"]), help=text)
    return click.option(flag, name, metavar=_METAVARS[kind], multiple=kind.startswith("tuple"), help=text)


_METAVARS = {
    "int": "NUMBER",
    "float": "NUMBER",
    "str": "TEXT",
    "Path": "DIR",
    "Path | None": "DIR",
    "tuple[str, ...]": "GLOB",
}


def _start_logging(verbose: bool) -> Terminal:
    terminal = Terminal()
    root = logging.getLogger()
    for handler in [item for item in root.handlers if isinstance(item, Terminal)]:
        root.removeHandler(handler)
    root.addHandler(terminal)
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    for noisy in ("asyncio", "aiohttp.access", "PIL", "watchfiles"):
        logging.getLogger(noisy).setLevel(logging.INFO if verbose else logging.WARNING)
    return terminal


def print_json(value: Any) -> None:
    """One JSON document on standard output; bytes of file names that are no UTF-8 become ``\\udcXX`` escapes."""
    click.echo(json.dumps(value, indent=1, default=str))


def print_line(text: str) -> None:
    """One line on standard output, safe for a terminal."""
    click.echo(printable(text))


def run_until_stopped(main: Callable[[asyncio.Event], Coroutine[Any, Any, _Result]]) -> _Result:
    """Runs `main(stop)` on an event loop; SIGTERM and SIGINT set `stop`, a second one ends it at once."""

    _use_one_heap()

    async def run() -> _Result:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        loop.set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="recollect"))
        task = asyncio.ensure_future(main(stop))

        def on_signal() -> None:
            task.cancel() if stop.is_set() else stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal)
        return await task

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        raise click.Abort from None


def _use_one_heap() -> None:
    """glibc gives up to eight heaps a core to the threads, and what is free in one helps no other (mallopt(3)): with
    one, serving a library that changes took 16 MB less after six minutes, and a keystroke no longer. Other C libraries
    pass this by."""
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt") and "MALLOC_ARENA_MAX" not in os.environ:
        library.mallopt(_M_ARENA_MAX, 1)


Row = dict[str, Any]

#: In the place of a caption where the model's sentence is empty.
NOTHING_TO_DESCRIBE = "(nothing to describe)"


async def print_rows(rows: AsyncGenerator[Row, None], print_row: Callable[[Row], None], *, as_json: bool) -> list[Row]:
    """Prints each row as it comes, so that a long run shows that it is alive, an `error` on standard error; JSON is one
    document, at the end."""
    collected = []
    async with aclosing(rows):
        async for row in rows:
            collected.append(row)
            if as_json:
                continue
            if "error" in row:
                click.echo(f"{printable(row['path'])}: {printable(row['error'])}", err=True)
            else:
                print_row(row)
    if as_json:
        print_json(collected)
    return collected


def words_json(words: Iterable[Tag]) -> list[Row]:
    """Words with their probabilities."""
    return [{"word": one.word, "probability": round(one.probability, 3)} for one in words]


def exit_with(rows: Sequence[Row]) -> None:
    """Ends the command: 1 where a row has an `error`."""
    failed = any("error" in row for row in rows)
    click.get_current_context().exit(SOMETHING_FAILED if failed else SUCCESS)


def left_out_lines(query: Query, answer: Answer) -> list[str]:
    """What of a query did not count, and why one finds nothing that can't."""
    from indexer.search import WHY_NOTHING
    from indexer.search.query import left_out

    lines = [WHY_NOTHING[answer.why_nothing]] if answer.why_nothing else []
    if answer.dropped:
        lines.append(f"no photo has all of these words; left out: {', '.join(answer.dropped)}")
    parts = left_out(query)
    return [*lines, f"not searched for: {' '.join(parts)}"] if parts else lines


def reader_locale(environment: Mapping[str, str]) -> str:
    """Whose order of day and month a terminal's reader is used to (POSIX locale variables)."""
    from indexer.search.time_words import NO_COUNTRY

    names = (environment.get(name, "") for name in ("LC_ALL", "LC_TIME", "LANG"))
    locale = next(filter(None, names), "").partition(".")[0]
    return NO_COUNTRY if locale in {"", "C", "POSIX"} else locale.replace("_", "-")


def given_flags(settings: Settings, names: Iterable[str]) -> dict[str, str]:
    """Those of the named settings that stand on this command line."""
    context = click.get_current_context()
    given = (name for name in names if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE)
    return {name: getattr(settings, name) for name in given}


def need_catalogue(settings: Settings) -> None:
    """Reading commands make no data directory: a typing error in `--data-dir` must not look like an empty library."""
    if not is_there(settings.catalogue_path):
        raise SetupError(
            f"nothing is indexed in {settings.data_dir} yet",
            hint="run `recollect index DIR` or `recollect serve DIR` first, or name another --data-dir",
        )


def first_path(photo: Photo) -> str:
    """The first path that is there; the first that should be where none is just now."""
    paths = [file.path for file in photo.files if not file.missing]
    return str(next((path for path in paths if os.path.lexists(path)), paths[0])) if paths else "(missing)"
