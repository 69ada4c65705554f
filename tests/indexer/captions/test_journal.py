"""The journal of what was written into photos."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from indexer.captions.journal import Journal, JournalEntry
from indexer.errors import StorageError


def entry(number: int) -> JournalEntry:
    return JournalEntry("write", f"/photos/{number}.jpg", "0" * 64, "1" * 64, "m", "2026-01-01T00:00:00+00:00")


def test_entries_come_back_in_order(tmp_path: Path) -> None:
    journal = Journal.in_dir(tmp_path / "data")
    assert list(journal.entries()) == []
    for number in range(3):
        journal.record(entry(number))
    assert list(journal.entries()) == [entry(number) for number in range(3)]


def test_a_line_cut_off_by_a_crash_costs_only_itself(tmp_path: Path) -> None:
    journal = Journal.in_dir(tmp_path)
    journal.record(entry(1))
    with journal.path.open("ab") as file:
        file.write(b'{"action":"wri')
    journal.record(entry(2))
    assert list(journal.entries()) == [entry(1), entry(2)]


def test_lines_of_another_sort_are_passed_over(tmp_path: Path) -> None:
    journal = Journal.in_dir(tmp_path)
    journal.path.write_bytes(b"\n[]\n{}\n\xff\xfe\nnull\n")
    journal.record(entry(1))
    assert list(journal.entries()) == [entry(1)]


def write_many(path: str, first: str) -> None:
    journal = Journal(Path(path))
    for number in range(int(first), int(first) + 40):
        journal.record(entry(number))


@pytest.mark.slow
def test_two_processes_write_whole_lines(tmp_path: Path) -> None:
    journal = Journal.in_dir(tmp_path)
    # Not by multiprocessing, which would start pytest itself once more where its script does not forbid that.
    program = f"import sys; from {__name__} import write_many; write_many(*sys.argv[1:])"
    commands = [[sys.executable, "-c", program, str(journal.path), first] for first in ("0", "1000")]
    for writer in [subprocess.Popen(command) for command in commands]:
        assert writer.wait(timeout=120) == 0
    found = sorted(journal.entries(), key=lambda item: int(item.path.split("/")[-1].removesuffix(".jpg")))
    assert found == [entry(number) for number in [*range(40), *range(1000, 1040)]]


def test_a_journal_that_can_t_be_written_stops_everything(tmp_path: Path) -> None:
    (tmp_path / "captions.jsonl").mkdir()
    with pytest.raises(StorageError, match="journal"):
        Journal.in_dir(tmp_path).record(entry(1))
    with pytest.raises(StorageError, match="journal"):
        list(Journal.in_dir(tmp_path).entries())
