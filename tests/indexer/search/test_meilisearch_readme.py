"""The commands by which search/README.md sets Meilisearch up, as somebody types them."""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.indexing import COLOURS
from tests.meilisearch_server import WHY_NOT, free_port, is_healthy, where_found
from tests.photos_made import write_jpeg

pytestmark = pytest.mark.slow

_PATIENCE_S = 120.0


@contextmanager
def in_background(command: str, environment: dict[str, str], folder: Path) -> Iterator[None]:
    """Ended afterwards with all that it started."""
    process = subprocess.Popen(["bash", "-c", command], cwd=folder, env=environment, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(_PATIENCE_S)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_commands_of_the_readme_change_over_to_meilisearch(repository: Path, tmp_path: Path) -> None:
    found = where_found()
    if found is None or found.program is None:
        pytest.skip(WHY_NOT)
    text = (repository / "indexer/search/README.md").read_text(encoding="utf-8")
    block = re.search(r"To switch over.*?\n\n((?: {4}[^\n]*\n)+)", text, re.DOTALL)
    assert block is not None
    server, doctor, serve = re.sub(r"^ {4}", "", block[1].replace("\\\n", ""), flags=re.MULTILINE).splitlines()
    for name in ("bin", "home", "elsewhere"):
        (tmp_path / name).mkdir()
    write_jpeg(tmp_path / "photos" / "red.jpg", COLOURS["red"], 1)
    program = tmp_path / "bin" / "recollect"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(repository))} exec {sys.executable} -m web.cli "$@"\n')
    program.chmod(0o755)
    url = f"http://127.0.0.1:{free_port()}"
    environment = {
        "PATH": f"{tmp_path / 'bin'}:{found.program.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path / "home"),
        "KEY": secrets.token_hex(16),
        "MEILI_HTTP_ADDR": url.removeprefix("http://"),
        "RECOLLECT_MEILISEARCH_URL": url,
        "RECOLLECT_PHOTOS": str(tmp_path / "photos"),
        "RECOLLECT_CAPTIONS": "off",
        "RECOLLECT_PORT": str(free_port()),
    }
    folder = tmp_path / "elsewhere"

    def recollect(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["recollect", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )

    with in_background(server.removesuffix("&"), environment, folder):
        until(lambda: is_healthy(url))
        subprocess.run(["bash", "-c", doctor], cwd=folder, env=environment, check=True)
        with in_background(serve, environment, folder):
            until(lambda: "red.jpg" in recollect("search", "type:jpeg").stdout)
        findings = {one["subject"]: one for one in json.loads(recollect("doctor", "--json").stdout)}
        assert findings["search index of the server"]["verdict"] == "ok"
        assert findings["searchable photos"]["text"].startswith("1 in search, 1 in the catalogue, 0 waiting")
    assert (tmp_path / "home/.local/share/meilisearch/data.ms").is_dir()
    assert list(folder.iterdir()) == []
