"""What a catalogue of a million photos is not to be asked for each time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from indexer.catalogue import Catalogue, Counts
from indexer.model import JobKind


class Slow(Catalogue):
    """Its rows take a tenth of a second to count."""

    asked = 0
    takes_s = 0.1

    def counts(self) -> Counts:
        self.asked += 1
        until = time.thread_time() + self.takes_s
        while time.thread_time() < until:
            pass
        return super().counts()


@pytest.mark.parametrize(("takes_s", "asked"), [(0.1, 1), (0.0, 5)])
def test_a_probe_counts_a_large_catalogue_only_now_and_then(tmp_path: Path, takes_s: float, asked: int) -> None:
    with Slow(tmp_path / "catalogue.db") as catalogue:
        catalogue.takes_s = takes_s
        for _ in range(5):
            catalogue.probe()
        assert catalogue.asked == asked


def test_a_start_looks_for_photos_to_complete_by_their_index(tmp_path: Path) -> None:
    """With every file looked at instead, a million photos made each start a second longer."""
    statements: list[str] = []
    with Catalogue(tmp_path / "catalogue.db") as catalogue:
        with catalogue._database.transaction() as writer:
            writer.set_trace_callback(statements.append)
        assert catalogue.queue.enqueue_all(JobKind.COMPLETE) == 0
        (statement,) = (one for one in statements if "INSERT INTO job" in one)
        plan = [row[3] for row in catalogue._database.reader.execute(f"EXPLAIN QUERY PLAN {statement}")]
    assert "SCAN photo USING INDEX photo_incomplete" in plan
    assert "SCAN file" not in plan
