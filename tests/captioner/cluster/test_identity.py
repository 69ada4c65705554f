"""Which workers caption as this machine does."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from captioner import DEFAULT_BUNDLE, BundleError
from captioner.cluster.identity import CaptionerIdentity
from tests.bundles_made import copy_that_takes_all_for_photos

HERE = CaptionerIdentity.of(DEFAULT_BUNDLE)


def test_the_same_set_up_is_the_same() -> None:
    assert HERE.difference(CaptionerIdentity.of(DEFAULT_BUNDLE)) == ""
    assert "unknown" not in HERE.packages.values()


def test_another_bundle_of_the_same_name_is_another(tmp_path: Path) -> None:
    other = CaptionerIdentity.of(copy_that_takes_all_for_photos(tmp_path / "bundle"))
    assert other.model == HERE.model
    assert f"both are called {HERE.model}" in HERE.difference(other)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (replace(HERE, model="other-1", bundle="0" * 64), "caption model other-1 (000000000000)"),
        (replace(HERE, code="0" * 64), "another version of recollect"),
        (replace(HERE, packages={**HERE.packages, "numpy": "1.0"}), "numpy 1.0"),
        (replace(HERE, packages={}), "ai-edge-litert None"),
    ],
)
def test_what_differs_is_named(other: CaptionerIdentity, words: str) -> None:
    assert words in HERE.difference(other)


def test_it_survives_the_way() -> None:
    assert CaptionerIdentity.from_json(asdict(HERE)) == HERE
    with pytest.raises(KeyError):
        CaptionerIdentity.from_json({"model": "x"})


def test_a_missing_bundle_is_a_bundle_error(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        CaptionerIdentity.of(tmp_path)
