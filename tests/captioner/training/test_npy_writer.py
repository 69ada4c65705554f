"""Arrays that are written row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.training.npy_writer import NpyWriter


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 200), min_size=1, max_size=5), st.sampled_from([np.uint8, np.float16, np.int64]))
def test_what_was_appended_is_what_numpy_reads(tmp_path_factory: pytest.TempPathFactory, counts: list[int],
                                               kind: type) -> None:  # fmt: skip
    path = tmp_path_factory.mktemp("rows") / "array.npy"
    parts = [np.full((count, 2, 3), i).astype(kind) for i, count in enumerate(counts)]
    with NpyWriter(path) as file:
        for part in parts:
            file.append(part)
    found = np.load(path, mmap_mode="r", allow_pickle=False)
    assert found.dtype == kind
    np.testing.assert_array_equal(found, np.concatenate(parts))


def test_rows_that_are_not_contiguous_are_written_as_they_look(tmp_path: Path) -> None:
    rows = np.arange(24, dtype=np.int32).reshape(4, 6)[:, ::-2]
    with NpyWriter(tmp_path / "a.npy") as file:
        file.append(rows)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), rows)


def test_rows_of_another_shape_or_kind_are_refused(tmp_path: Path) -> None:
    with NpyWriter(tmp_path / "a.npy") as file:
        file.append(np.zeros((1, 2), np.float32))
        for rows in (np.zeros((1, 3), np.float32), np.zeros((1, 2), np.float64)):
            with pytest.raises(ValueError, match="expected, got"):
                file.append(rows)


def test_no_rows_at_all_are_an_error(tmp_path: Path) -> None:
    file = NpyWriter(tmp_path / "a.npy")
    with pytest.raises(ValueError, match="has no rows"):
        file.close()
    file.close()
