"""Include, exclude and the folders of other programs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.errors import SettingsError
from indexer.scanning.crawl_rules import CrawlRules
from tests.libraries import EXTENSIONS, names, write

SEGMENTS = st.sampled_from(["a", "b", "Screenshots", ".hidden", "@eaDir", "x y", "ü", "#recycle", "2019"])
PATHS = st.lists(st.tuples(st.lists(SEGMENTS, max_size=3), st.sampled_from(["1.jpg", "2.png", "3.txt"])), max_size=6)
PATTERNS = st.lists(st.sampled_from(["a/", "*.png", "/b", "Screenshots", "**/2019/**", "x y/*.jpg", "ü"]), max_size=2)


def test_a_pattern_that_is_none_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match=r"exclude.*\n.*gitignore"):
        CrawlRules(exclude=("!",))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(paths=PATHS, include=PATTERNS, exclude=PATTERNS)
def test_the_walk_and_the_watcher_s_questions_agree(
    paths: list[tuple[list[str], str]], include: list[str], exclude: list[str]
) -> None:
    """`reaches`, `is_photo_name` and `takes` say of one path what walking the tree finds."""
    rules = CrawlRules(include=include, exclude=exclude, extensions=EXTENSIONS)
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        for folders, name in paths:
            write(root.joinpath(*folders, name))
        walked = set(names(root, include=tuple(include), exclude=tuple(exclude)))
        asked = {str(Path(*folders, name)) for folders, name in paths if would_find(rules, folders, name)}
    assert walked == asked


def would_find(rules: CrawlRules, folders: list[str], name: str) -> bool:
    folder = os.fsencode("/".join(folders))
    relative = os.fsencode(Path(*folders, name))
    return rules.reaches(folder) and rules.is_photo_name(os.fsencode(name)) and rules.takes(relative)


@given(st.binary(min_size=1, max_size=30))
def test_no_name_breaks_the_rules(name: bytes) -> None:
    rules = CrawlRules(include=("*.jpg",), exclude=("a/",), extensions=EXTENSIONS)
    rules.is_photo_name(name)
    rules.takes(name)
    rules.enters(name)
    rules.reaches(name)
