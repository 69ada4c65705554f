"""The photo process with a weakness: it dies, hangs, shouts or lies over files of certain names."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from captioner.ipc.serve import Service, serve
from indexer.errors import PhotoError
from indexer.reader.photo_requests import ReaderOptions
from indexer.reader.photo_worker import open_service


def main() -> None:
    options = ReaderOptions.from_argument(sys.argv[1])

    def open_poisoned() -> Service:
        healthy = open_service(options)

        def handler(header: Mapping[str, Any], payload: bytes) -> tuple[Mapping[str, Any], bytes]:
            fall_for(Path(header["path"]))
            return lies_about(Path(header["path"]), *healthy.handler(header, payload))

        return Service(handler)

    serve(open_poisoned, about_request=(PhotoError,))


def fall_for(path: Path) -> None:
    if path.name.startswith("shouts"):
        os.write(2, b"libnoise: warning\n" * 2000)
        print("a stray print")
    once = path.with_suffix(".once")
    if path.name.startswith("dies once") and not once.exists():
        once.touch()
        os._exit(9)
    if path.name.startswith("dies always"):
        os.abort()
    if path.name.startswith("hangs"):
        time.sleep(600)


def lies_about(path: Path, header: Mapping[str, Any], payload: bytes) -> tuple[Mapping[str, Any], bytes]:
    if path.name.startswith("lies about lengths"):
        return {**header, "thumbnail_bytes": [2**40, -(2**40)]}, payload
    if path.name.startswith("lies"):
        return {name: {"width_px": "wide"} for name in header}, payload
    return header, payload


if __name__ == "__main__":
    main()
