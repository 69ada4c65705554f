"""Downloads large files of known sha-256: resumed after failures, and checked before they take their name."""

from __future__ import annotations

import errno
import hashlib
import http.client
import logging
import math
import re
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

log = logging.getLogger(__name__)

#: Seconds to wait after each failure in a row; whoever got on meanwhile starts at the first again.
WAITS_S = (1, 2, 4, 8, 16, 32, 60, 60, 60, 60)
#: A server that is silent for so long is taken to be lost.
SILENCE_S = 60
CHUNK_BYTES = 1 << 20
#: Answers that another try may change (RFC 9110): time-out, too many requests, and a server's own troubles.
PASSING = frozenset({408, 429, 500, 502, 503, 504})

#: Called with a file's name, the bytes that are there, and how many there will be.
Report = Callable[[str, int, int], None]


class DownloadError(Exception):
    """A file can't be had; the message says why, and what to do."""


class _ConnectionLost(Exception):
    """The connection ended early; it can be tried again."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A file to download, with its size and checksum."""

    url: str  # http or https: where a server has no https, the sum makes up for it
    size_bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.url.rpartition("/")[2]


class PartialFile:
    """A partly downloaded file and its checksum so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.digest = hashlib.sha256()
        self.length = 0
        if path.is_file():
            with path.open("rb") as file:
                while data := file.read(CHUNK_BYTES):
                    self._count(data)

    def append(self, data: bytes) -> None:
        """Write to the disk.

        Raises:
            DownloadError: it is full.
        """
        try:
            with self.path.open("ab") as file:
                file.write(data)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DownloadError(f"no room for {self.path}: make some and run the same command again") from error
            raise
        self._count(data)

    def restart(self) -> None:
        """Forget everything."""
        self.path.unlink(missing_ok=True)
        self.digest, self.length = hashlib.sha256(), 0

    def _count(self, data: bytes) -> None:
        self.digest.update(data)
        self.length += len(data)


def fetch(remote: Remote, directory: Path, report: Report = lambda *_: None,
          waits_s: Sequence[float] = WAITS_S) -> Path:  # fmt: skip
    """The file `directory`/NAME, downloaded where it isn't there, going on from NAME.part where that is.

    NAME.sha256 beside it, as sha256sum writes it, says that it was checked; a file without it is checked first, and one
    that is too short is taken for the beginning of a download.

    Raises:
        DownloadError: no room, no such file, another file than expected, or the connection was lost too often.
    """
    path = directory / remote.name
    note, noted = path.with_name(path.name + ".sha256"), f"{remote.sha256}  {path.name}\n"
    size = path.stat().st_size if path.exists() else None
    if size == remote.size_bytes and note.exists() and note.read_text() == noted:
        return path
    unfinished = path.with_name(path.name + ".part")
    if size is not None and size < remote.size_bytes:
        path.rename(unfinished)
    elif size is not None and PartialFile(path).digest.hexdigest() != remote.sha256:
        raise DownloadError(f"{path} is another file than the one at {remote.url}: move it out of the way")
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        _download(remote, PartialFile(unfinished), report, waits_s)
        unfinished.rename(path)
    note.write_text(noted)
    return path


def _download(remote: Remote, part: PartialFile, report: Report, waits_s: Sequence[float]) -> None:
    missing, free = remote.size_bytes - part.length, shutil.disk_usage(part.path.parent).free
    if missing > free:
        raise DownloadError(
            f"{remote.name} needs {format_bytes(missing)} more at {part.path.parent}, "
            f"where {format_bytes(free)} are free"
        )
    _download_with_retries(remote, part, report, waits_s)
    found = part.digest.hexdigest()
    if found != remote.sha256:
        part.restart()
        raise DownloadError(
            f"{remote.name} arrived with sha-256 {found} and not {remote.sha256}, so it was removed; run the same "
            f"command again, and if the sum is wrong again, {remote.url} is no longer the file that is known here"
        )


def _download_with_retries(remote: Remote, part: PartialFile, report: Report, waits_s: Sequence[float]) -> None:
    """Request the missing part until the file is complete."""
    failures, best = 0, part.length
    while part.length < remote.size_bytes:
        try:
            _receive(remote, part, report)
        except _ConnectionLost as lost:
            failures = 0 if part.length > best else failures
            best = max(best, part.length)
            if failures == len(waits_s):
                raise DownloadError(
                    f"{remote.url}: {lost}, {failures + 1} times in a row; what has arrived is kept in {part.path}, "
                    "and the same command goes on from there"
                ) from lost
            log.warning("%s: %s; trying again in %g s", remote.name, lost, waits_s[failures])
            time.sleep(waits_s[failures])
            failures += 1


def _receive(remote: Remote, part: PartialFile, report: Report) -> None:
    """One connection."""
    if not remote.url.startswith(("http://", "https://")):
        raise DownloadError(f"{remote.url} is no http or https address")
    request = urllib.request.Request(remote.url, headers={"User-Agent": "recollect"})  # noqa: S310 checked above
    if part.length:
        request.add_header("Range", f"bytes={part.length}-")
    try:
        with urllib.request.urlopen(request, timeout=SILENCE_S) as response:  # noqa: S310 checked above
            _check_range(remote, part, response)
            while data := response.read(CHUNK_BYTES):
                if part.length + len(data) > remote.size_bytes:
                    raise _wrong_file(remote, "more than that")
                part.append(data)
                report(remote.name, part.length, remote.size_bytes)
    except urllib.error.HTTPError as error:
        with error:
            answer = f"the server answered {error.code} {error.reason}"
            if error.code in PASSING:
                raise _ConnectionLost(answer) from error
            raise DownloadError(f"{remote.url}: {answer}") from error
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        raise _ConnectionLost(f"no connection ({getattr(error, 'reason', error)})") from error
    if part.length < remote.size_bytes:
        raise _ConnectionLost(
            f"the connection was lost at {format_bytes(part.length)} of {format_bytes(remote.size_bytes)}"
        )


def _check_range(remote: Remote, part: PartialFile, response: Any) -> None:
    """Check that the response is the requested range."""
    ranged = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if response.status == 206 and ranged and int(ranged[1]) == part.length:
        size = ranged[2]
    else:
        if part.length:
            log.warning("%s: the server can't go on where it was, so it starts anew", remote.name)
            part.restart()
        if response.status != 200:
            raise DownloadError(f"{remote.url}: the server gave another part of the file than it was asked for")
        size = response.headers.get("Content-Length", "*")
    if size not in ("*", str(remote.size_bytes)):
        raise _wrong_file(remote, size)


def _wrong_file(remote: Remote, size: str) -> DownloadError:
    return DownloadError(
        f"{remote.url} is another file than the one that is known here: {remote.size_bytes} bytes expected, got {size}"
    )


def format_bytes(size_bytes: int) -> str:
    """A size in GB or MB."""
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e8 else f"{size_bytes / 1e6:.1f} MB"


class Progress:
    """A `Report`: one line, overwritten, on a terminal; a line a minute elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._between_s = 0.5 if stream.isatty() else 60.0
        self._name = ""
        self._began = (0.0, 0)  # seconds, bytes
        self._last = -math.inf

    def __call__(self, name: str, done: int, total: int) -> None:
        """Report the progress of `name`, if it is due."""
        now = time.monotonic()
        if name != self._name:
            self._name, self._began, self._last = name, (now, done), -math.inf
        if now - self._last < self._between_s and done < total:
            return
        self._last = now
        rate = (done - self._began[1]) / max(now - self._began[0], 1e-3)
        left = f"{(total - done) / rate / 60:.0f} min left" if rate > 0 else ""
        line = f"{name}: {format_bytes(done)} of {format_bytes(total)}, {rate / 1e6:.1f} MB/s, {left}"
        over = self._stream.isatty()
        self._stream.write(f"\r{line:<78}" + ("\n" if done == total else "") if over else line + "\n")
        self._stream.flush()
