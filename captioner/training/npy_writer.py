"""Writes an .npy file row by row, for arrays larger than memory or of unknown length."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray


class NpyWriter:
    """A growing array on disk; a context manager. `np.load` reads what it wrote, also mapped.

    numpy leaves room in the header for the length to grow to 21 digits, so the header is written again at the end
    over the first one (NEP 1, and `numpy.lib.format`).
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._rows: tuple[int, ...] | None = None  # the shape of a row, known from the first
        self._kind: Any = None
        self._header = 0
        self.length = 0

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows (k, ...).

        Raises:
            ValueError: they are of another shape or type than those before.
        """
        if self._rows is None:
            self._rows, self._kind = rows.shape[1:], rows.dtype
            self._write_header()
            self._header = self._file.tell()
        if (rows.shape[1:], rows.dtype) != (self._rows, self._kind):
            raise ValueError(f"rows of {self._rows} {self._kind} expected, got {rows.shape[1:]} {rows.dtype}")
        self._file.write(np.ascontiguousarray(rows).data)
        self.length += len(rows)

    def close(self) -> None:
        """Write the length and close; closing twice is fine.

        Raises:
            ValueError: there was not one row, so nothing is known of the array.
        """
        if self._file.closed:
            return
        with self._file:
            if self._rows is None:
                raise ValueError(f"{self._file.name} has no rows")
            self._file.seek(0)
            self._write_header()
            if self._file.tell() != self._header:
                raise ValueError(f"the header of {self._file.name} has changed its size")

    def _write_header(self) -> None:
        shape = (self.length, *(self._rows or ()))
        header = {"descr": npy.dtype_to_descr(self._kind), "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(self._file, header)

    def __enter__(self) -> NpyWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is None:
            self.close()
        else:
            self._file.close()
