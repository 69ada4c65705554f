"""What people see on standard error: log lines, and under them one line of progress that is rewritten."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TextIO

from indexer.progress import Progress, progress_line

_REDRAW_S = 1.0
_LOG_LINE_S = 60.0
_CLEAR = "\r\x1b[K"  # ECMA-48: to the line's start, erase to its end


def printable(text: object) -> str:
    """`text` as it may stand on a terminal: file names can hold anything, escape sequences and broken UTF-8 too."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "backslashreplace").decode()
        for letter in str(text)
    )


class Terminal(logging.Handler):
    """Log lines and progress on one stream. On a terminal progress is one rewritten line, else a line a minute."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream or sys.stderr
        self._is_terminal = self._stream.isatty()
        self._line = ""
        self._logged_at = -_LOG_LINE_S
        self.setFormatter(logging.Formatter("%(message)s" if self._is_terminal else "%(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """One log record; a traceback keeps its lines."""
        if self._stream.closed:
            return
        try:
            lines = self.format(record).split("\n")
            self._write("\n".join(printable(line) for line in lines))
        except OSError:
            self.handleError(record)

    def print(self, text: str) -> None:
        """A message for people."""
        self._write(text)

    def show(self, progress: Progress) -> None:
        """Rewrites the line on a terminal; in a log, a line a minute at most."""
        line = progress_line(progress)
        if self._is_terminal:
            self._line = line[: shutil.get_terminal_size().columns - 1]
            self._stream.write(_CLEAR + self._line)
            self._stream.flush()
        elif time.monotonic() - self._logged_at >= _LOG_LINE_S:
            self._logged_at = time.monotonic()
            self._write(line)

    def end(self) -> None:
        """Takes the progress line away."""
        if self._line:
            self._stream.write(_CLEAR)
            self._stream.flush()
            self._line = ""

    @asynccontextmanager
    async def following(self, progress: Callable[[], Progress]) -> AsyncIterator[None]:
        """Shows progress for as long as the block runs."""

        async def follow() -> None:
            while True:
                await asyncio.sleep(_REDRAW_S)
                self.show(progress())

        task = asyncio.create_task(follow())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})
            self.end()

    def _write(self, text: str) -> None:
        self._stream.write(f"{_CLEAR if self._line else ''}{text}\n{self._line}")
        self._stream.flush()
