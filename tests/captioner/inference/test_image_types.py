"""The list of image types in a bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from captioner import BundleError
from captioner.inference.image_types import IMAGE_TYPES, read_image_types, write_image_types


def test_a_list_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_image_types(tmp_path / "kinds.txt", IMAGE_TYPES)
    assert read_image_types(tmp_path / "kinds.txt") == IMAGE_TYPES


@pytest.mark.parametrize("text", ["", "dog\t\t\n", "photo\t\t\nblank\n", "photo\tA photo.\t\n", "photo\t\t\n\tx\ty\n"])
def test_another_list_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "kinds.txt").write_text(text)
    with pytest.raises(BundleError, match=r"kinds\.txt, line \d"):
        read_image_types(tmp_path / "kinds.txt")


def test_a_list_that_is_missing_is_an_error_of_the_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="can't be read"):
        read_image_types(tmp_path / "kinds.txt")
