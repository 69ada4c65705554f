"""Downloads: resumed, checked, and clear about what is wrong; from a server that has real ones' faults."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from captioner.training.download import DownloadError, Progress, Remote, fetch
from tests.captioner.training.file_server import FileServer, serving

CONTENT = np.random.default_rng(0).bytes(3_000_000)
AT_ONCE = (0, 0, 0)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving({"train.zip": CONTENT}) as server:
        yield server


def remote(server: FileServer, content: bytes = CONTENT, name: str = "train.zip") -> Remote:
    return Remote(server.url(name), len(content), hashlib.sha256(content).hexdigest())


def test_a_file_comes_whole_with_a_note_of_its_sum(server: FileServer, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    path = fetch(remote(server), tmp_path / "new", lambda *report: seen.append(report))
    assert path.read_bytes() == CONTENT
    assert (tmp_path / "new" / "train.zip.sha256").read_text() == f"{hashlib.sha256(CONTENT).hexdigest()}  train.zip\n"
    assert sorted(file.name for file in path.parent.iterdir()) == ["train.zip", "train.zip.sha256"]
    assert seen[-1] == ("train.zip", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_what_was_checked_is_not_asked_for_again(server: FileServer, tmp_path: Path) -> None:
    fetch(remote(server), tmp_path)
    fetch(remote(server), tmp_path)
    assert len(server.asked) == 1


def test_a_lost_connection_is_taken_up_where_it_was(server: FileServer, tmp_path: Path) -> None:
    server.cuts = [1_000_000, 500_000]
    assert fetch(remote(server), tmp_path, waits_s=AT_ONCE).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == [None, "bytes=1000000-", "bytes=1500000-"]


def test_another_run_goes_on_from_the_part(server: FileServer, tmp_path: Path) -> None:
    server.cuts = [1_000_000] + [0] * 9
    with pytest.raises(DownloadError, match=r"4 times in a row; what has arrived is kept in .*train\.zip\.part"):
        fetch(remote(server), tmp_path, waits_s=AT_ONCE)
    server.cuts, server.asked = [], []
    assert fetch(remote(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == [("train.zip", "bytes=1000000-")]


def test_patience_counts_from_the_last_byte_that_came(server: FileServer, tmp_path: Path) -> None:
    server.cuts = [100_000] * 8
    assert fetch(remote(server), tmp_path, waits_s=(0,)).read_bytes() == CONTENT


def test_a_server_without_ranges_starts_anew(server: FileServer, tmp_path: Path) -> None:
    server.ranges, server.cuts = False, [2_000_000]
    assert fetch(remote(server), tmp_path, waits_s=AT_ONCE).read_bytes() == CONTENT


def test_a_server_without_ranges_that_always_breaks_off_is_given_up(server: FileServer, tmp_path: Path) -> None:
    server.ranges, server.cuts = False, [2_000_000] * 50
    with pytest.raises(DownloadError, match="in a row"):
        fetch(remote(server), tmp_path, waits_s=AT_ONCE)


def test_a_busy_server_is_asked_again_and_a_missing_file_is_not(server: FileServer, tmp_path: Path) -> None:
    server.answers = [503, 429]
    assert fetch(remote(server), tmp_path, waits_s=AT_ONCE).read_bytes() == CONTENT
    server.asked.clear()
    with pytest.raises(DownloadError, match="404 Not Found"):
        fetch(remote(server, name="test.zip"), tmp_path, waits_s=AT_ONCE)
    assert len(server.asked) == 1


def test_nobody_there_is_said(tmp_path: Path) -> None:
    with serving({}) as server:
        url = server.url("train.zip")
    with pytest.raises(DownloadError, match=r"no connection .* 4 times in a row"):
        fetch(Remote(url, 10, "0"), tmp_path, waits_s=AT_ONCE)


def test_a_wrong_sum_is_never_kept(server: FileServer, tmp_path: Path) -> None:
    server.files["train.zip"] = CONTENT[:-1] + b"!"
    with pytest.raises(DownloadError, match=r"arrived with sha-256 [0-9a-f]{64} and not [0-9a-f]{64}"):
        fetch(remote(server), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", [0, 1_000])
def test_a_file_of_another_size_is_refused(server: FileServer, tmp_path: Path, there: int) -> None:
    server.files["train.zip"] = CONTENT + b"more"
    (tmp_path / "train.zip.part").write_bytes(CONTENT[:there])
    with pytest.raises(DownloadError, match="3000000 bytes expected, got 3000004"):
        fetch(remote(server), tmp_path, waits_s=AT_ONCE)


def test_no_room_is_said_before_anything_is_asked_for(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"train.zip needs 1000000000\.0 GB more at .*, where .* are free"):
        fetch(Remote(server.url("train.zip"), 10**18, "0"), tmp_path)
    assert server.asked == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_up_meanwhile_is_said(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "train.zip.part").symlink_to("/dev/full")
    with pytest.raises(DownloadError, match=r"no room for .*\.part: make some"):
        fetch(remote(server), tmp_path)


def test_a_file_brought_along_is_checked_and_taken(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "train.zip").write_bytes(CONTENT)
    fetch(remote(server), tmp_path)
    assert server.asked == []
    assert (tmp_path / "train.zip.sha256").exists()


def test_the_beginning_of_a_file_brought_along_is_gone_on_from(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "train.zip").write_bytes(CONTENT[:2_500_000])
    assert fetch(remote(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == [("train.zip", "bytes=2500000-")]


def test_another_file_of_that_name_is_left_alone(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "train.zip").write_bytes(bytes(len(CONTENT)))
    with pytest.raises(DownloadError, match="move it out of the way"):
        fetch(remote(server), tmp_path)
    assert (tmp_path / "train.zip").read_bytes() == bytes(len(CONTENT))


def test_a_part_that_is_whole_is_only_checked(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "train.zip.part").write_bytes(CONTENT)
    assert fetch(remote(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == []


def test_other_kinds_of_address_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="no http or https address"):
        fetch(Remote("file:///etc/passwd", 10, "0"), tmp_path)


def test_progress_in_a_log_is_a_line_a_minute_and_the_end() -> None:
    stream = io.StringIO()
    progress = Progress(stream)
    for done in (10**8, 2 * 10**8, 3 * 10**8, 4 * 10**8):
        progress("train.zip", done, 4 * 10**8)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("train.zip: 0.1 GB of 0.4 GB")
    assert lines[1].startswith("train.zip: 0.4 GB of 0.4 GB")


def test_progress_on_a_terminal_writes_over_its_line() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    progress = Progress(stream)
    for done in (10**6, 2 * 10**6):
        progress("val.zip", done, 2 * 10**6)
    assert stream.getvalue().count("\r") == 2
    assert stream.getvalue().endswith("\n")
