"""A real Meilisearch for the tests that need one.

It is found as `RECOLLECT_TEST_MEILISEARCH_URL` (with its master key in `RECOLLECT_TEST_MEILISEARCH_KEY`) or as a
`meilisearch` program on PATH, of which an instance of our own is started. A server named by its URL is somebody's: a
test that would stop, kill or wipe it is skipped.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from indexer.search.meilisearch.administration import make_keys
from indexer.search.meilisearch.keys import Keys
from indexer.settings import Settings

URL_VARIABLE = "RECOLLECT_TEST_MEILISEARCH_URL"
KEY_VARIABLE = "RECOLLECT_TEST_MEILISEARCH_KEY"
WHY_NOT = f"no Meilisearch for the tests: set {URL_VARIABLE} and {KEY_VARIABLE}, or put `meilisearch` on PATH"
_WAIT_S = 60.0
# Of the default, two thirds of the machine's, every task takes hold anew: a second for seven documents.
_INDEXING_MEMORY = "256MiB"
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Found:
    """Where a Meilisearch is: a program to start, or the URL of a server that runs already and its master key."""

    program: Path | None = None
    url: str = ""
    master_key: str = ""


def where_found(environment: Mapping[str, str] | None = None) -> Found | None:
    """The server that the environment names, else the program on its PATH, else None."""
    environment = os.environ if environment is None else environment
    if url := environment.get(URL_VARIABLE):
        return Found(url=url.rstrip("/"), master_key=environment.get(KEY_VARIABLE, ""))
    program = shutil.which("meilisearch", path=environment.get("PATH", ""))
    return Found(program=Path(program)) if program else None


@contextmanager
def found_server() -> Iterator[MeilisearchServer]:
    """A running server, stopped and removed afterwards where it is our own; skips the test where there is none."""
    found = where_found()
    if found is None:
        pytest.skip(WHY_NOT)
    with TemporaryDirectory(prefix="meilisearch-", ignore_cleanup_errors=True) as folder:
        server = MeilisearchServer(found, Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.close()


class MeilisearchServer:
    """One Meilisearch in production mode on a port of this machine; its data, snapshots and log lie in `folder`.

    It keeps its URL and its master key over every stop, kill and wipe. Raises `RuntimeError` where the program doesn't
    come up or a call fails.
    """

    def __init__(self, found: Found, folder: Path) -> None:
        self._program = found.program
        self._folder = folder
        self.url = found.url or f"http://127.0.0.1:{free_port()}"
        self.master_key = found.master_key or ("" if found.url else secrets.token_hex(16))
        self.log = folder / "log"
        self._data = folder / "data.ms"
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def ours(self) -> bool:
        """Whether it may be stopped and wiped: not where it was named by its URL."""
        return self._program is not None

    @property
    def process_id(self) -> int | None:
        """Of our own server, while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Starts it where it does not run; returns when it is healthy."""
        if self.ours and self.process_id is None:
            self._launch()
        self._wait_for_health()

    def stop(self) -> None:
        """Stops it in order (SIGTERM); it has written everything down when this returns."""
        self._check_ours()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_WAIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._reap()

    def kill(self) -> None:
        """Ends it at once (SIGKILL), whatever it is doing."""
        self._check_ours()
        if self._process is not None:
            self._process.kill()
        self._reap()

    def restart(self) -> None:
        """Stops it and starts it again with its data, on the same port."""
        self.stop()
        self.start()

    def wipe(self) -> None:
        """Starts it again on the same port with nothing in it, as after a lost disk."""
        self.kill()
        shutil.rmtree(self._data, ignore_errors=True)
        self.start()

    def snapshot(self) -> Path:
        """Has the server write a snapshot of everything it holds; the file stays as it is."""
        self._check_ours()
        self.wait(self.call("POST", "/snapshots")["taskUid"])
        (written,) = (self._folder / "snapshots").iterdir()
        return written.rename(self._folder / f"{secrets.token_hex(4)}.snapshot")

    def restore(self, snapshot: Path) -> None:
        """Starts it again on the same port with what a `snapshot` held, and nothing newer."""
        self.kill()
        shutil.rmtree(self._data, ignore_errors=True)
        self._launch("--import-snapshot", str(snapshot))
        self._wait_for_health()

    def close(self) -> None:
        """Ends a server of our own; leaves another as it is. Closing twice is fine."""
        if self.ours:
            self.kill()

    def keys(self, index: str, folder: Path) -> Keys:
        """The keys for one index as `recollect doctor --fix` makes them, which keeps them in `folder`."""
        made, _ = make_keys(
            Settings(
                data_dir=folder,
                meilisearch_url=self.url,
                meilisearch_master_key=self.master_key,
                meilisearch_index=index,
            )
        )
        return made

    def default_keys(self) -> tuple[str, str]:
        """The admin key and the search key that the server made from its master key."""
        keys = {key["name"]: key["key"] for key in self.call("GET", "/keys?limit=1000")["results"]}
        return keys["Default Admin API Key"], keys["Default Search API Key"]

    def version(self) -> str:
        """As the server tells it, such as "1.50.0"."""
        return str(self.call("GET", "/version")["pkgVersion"])

    def delete_indexes(self, beginning: str) -> None:
        """Deletes the indexes whose names begin so: those of a test, the server may have others."""
        for index in self.call("GET", "/indexes?limit=1000")["results"]:
            if index["uid"].startswith(beginning):
                self.wait(self.call("DELETE", f"/indexes/{index['uid']}")["taskUid"])

    def forget(self, index: str) -> None:
        """Deletes what a test made on somebody's server: the indexes whose names begin so, and the keys for them."""
        self.delete_indexes(index)
        for key in self.call("GET", "/keys?limit=1000")["results"]:
            if (key["name"] or "").startswith(f"recollect ({index})") or index in key["indexes"]:
                self.call("DELETE", f"/keys/{key['uid']}")

    def wait(self, task: int) -> Any:
        """Follows a task to its end and returns it; `RuntimeError` where it failed."""
        deadline = time.monotonic() + _WAIT_S
        while time.monotonic() < deadline:
            answer = self.call("GET", f"/tasks/{task}")
            if answer["status"] == "succeeded":
                return answer
            if answer["status"] in {"failed", "canceled"}:
                raise RuntimeError(f"Meilisearch's task {task}: {answer['error']}")
            time.sleep(_POLL_S)
        raise RuntimeError(f"Meilisearch's task {task} takes more than {_WAIT_S:.0f} s")

    def call(self, method: str, path: str, body: object = None) -> Any:
        """One request with the master key, past every backend; the JSON that came back."""
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Authorization", f"Bearer {self.master_key}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=_WAIT_S) as response:
                return json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()}") from error

    def _check_ours(self) -> None:
        if not self.ours:
            pytest.skip(f"the server that {URL_VARIABLE} names is not ours to stop, kill or wipe")

    def _launch(self, *options: str) -> None:
        arguments = [str(self._program), "--http-addr", self.url.removeprefix("http://"), "--db-path", str(self._data)]
        arguments += ["--snapshot-dir", str(self._folder / "snapshots"), "--dump-dir", str(self._folder / "dumps")]
        arguments += ["--env", "production", "--master-key", self.master_key, "--no-analytics"]
        arguments += ["--max-indexing-memory", _INDEXING_MEMORY, *options]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                arguments, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        # pytest itself may be killed: the shell then reads the end of the pipe.
        script = 'read _; kill -9 "$1"; rm -rf "$2"'
        guard = ["/bin/sh", "-c", script, "guard", str(self._process.pid), str(self._data)]
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE)

    def _wait_for_health(self) -> None:
        deadline = time.monotonic() + _WAIT_S
        while not is_healthy(self.url):
            if self._process is not None and self._process.poll() is not None:
                raise RuntimeError(f"Meilisearch ended with {self._process.returncode}: {self._log_end()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"Meilisearch does not answer at {self.url} in {_WAIT_S:.0f} s: {self._log_end()}")
            time.sleep(_POLL_S)

    def _reap(self) -> None:
        """The guard goes first, so that it never kills a process that has got the same number since."""
        for process in (self._guard, self._process):
            if process is not None:
                if process.stdin is not None:
                    process.kill()
                    process.stdin.close()
                process.wait()
        self._guard = self._process = None

    def _log_end(self) -> str:
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""


def is_healthy(url: str) -> bool:
    """Whether a Meilisearch answers at `url`."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=_WAIT_S) as response:
            return bool(json.loads(response.read()) == {"status": "available"})
    except OSError:
        return False


def free_port() -> int:
    """Of this machine, that nobody listened on a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
