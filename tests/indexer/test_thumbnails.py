"""Thumbnails stay where they were put."""

from __future__ import annotations

from pathlib import Path

from indexer.model import ThumbnailSize
from indexer.sqlite.derived import DerivedDatabase
from indexer.thumbnails import THUMBNAIL_MIGRATIONS, ThumbnailStore

GRID, SCREEN = ThumbnailSize.GRID, ThumbnailSize.SCREEN


def test_what_was_put_is_there_after_a_restart(tmp_path: Path) -> None:
    big = bytes(range(256)) * 1000
    with DerivedDatabase(tmp_path / "thumbnails.db", THUMBNAIL_MIGRATIONS) as database:
        store = ThumbnailStore(database)
        store.put("a" * 32, GRID, b"small")
        store.put_all("b" * 32, [(GRID, b"other"), (SCREEN, big)])
    with DerivedDatabase(tmp_path / "thumbnails.db", THUMBNAIL_MIGRATIONS) as database:
        store = ThumbnailStore(database)
        assert store.get("a" * 32, GRID) == b"small"
        assert store.get("b" * 32, SCREEN) == big
        assert store.get("a" * 32, SCREEN) is None
        assert store.get("c" * 32, GRID) is None
        assert list(store.keys()) == ["a" * 32, "b" * 32]
        assert store.sizes() == {GRID: 2, SCREEN: 1}


def test_putting_again_replaces(tmp_path: Path) -> None:
    with DerivedDatabase(tmp_path / "thumbnails.db", THUMBNAIL_MIGRATIONS) as database:
        store = ThumbnailStore(database)
        store.put("a" * 32, GRID, b"old")
        store.put("a" * 32, GRID, b"new")
        assert store.get("a" * 32, GRID) == b"new"
        assert store.sizes()[GRID] == 1


def test_deleting_forgets_every_size_and_only_those_photos(tmp_path: Path) -> None:
    with DerivedDatabase(tmp_path / "thumbnails.db", THUMBNAIL_MIGRATIONS) as database:
        store = ThumbnailStore(database)
        for number in range(1200):
            store.put_all(f"{number:032x}", [(GRID, b"g"), (SCREEN, b"s")])
        store.delete(f"{number:032x}" for number in range(1, 1200))
        store.delete(["no such photo"])
        assert list(store.keys()) == ["0" * 32]
        assert store.sizes() == {GRID: 1, SCREEN: 1}
