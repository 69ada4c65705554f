"""The photo process: `python -m indexer.reader.photo_worker OPTIONS`, started by `photo_process`.

Answers requests until stdin closes; what it does with them is `photo_reader`.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import sys

from captioner.ipc.serve import Service, serve
from indexer.errors import PhotoError, SetupError
from indexer.reader.photo_requests import ReaderOptions


def open_service(options: ReaderOptions) -> Service:
    """Quietens the C libraries, then imports them."""
    _silence_libraries()
    from indexer.reader.photo_reader import PhotoReader

    return Service(PhotoReader(options).answer)


def _silence_libraries() -> None:
    """libtiff and others write a line per broken tag to fd 2: theirs goes nowhere, Python's keeps its way."""
    ours = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.close(nothing)
    sys.stderr = ours
    faulthandler.enable(ours)
    logging.basicConfig(stream=ours, level=logging.WARNING, format="%(message)s")
    logging.getLogger("indexer").setLevel(logging.DEBUG)  # the parent logs what it reads there at that level


def _describe(error: Exception) -> str:
    """A photo's reason crosses the pipe as its code."""
    return error.reason.to_json() if isinstance(error, PhotoError) else str(error)


def main() -> None:
    """Serves the parent that started this process."""
    options = ReaderOptions.from_argument(sys.argv[1])
    serve(lambda: open_service(options), about_request=(PhotoError, SetupError), describe=_describe)


if __name__ == "__main__":
    main()
