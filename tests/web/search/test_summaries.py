"""Summaries that are kept are those that the catalogue gives."""

from __future__ import annotations

from tests.web.conftest import Page
from tests.web.library_made import add_photos, many
from web.search.summaries import SummaryCache


async def test_they_are_read_once_until_something_is_written(page: Page) -> None:
    catalogue = page.storage.catalogue
    add_photos(page.storage, page.settings, many(5))
    wanted = [*catalogue.photo_ids(), "f" * 32]
    cache = SummaryCache(catalogue)
    assert cache.read(wanted) == catalogue.summaries(wanted) == cache.read(wanted)
    read = []
    catalogue.summaries = lambda ids: read.append(ids) or []  # type: ignore[method-assign, func-returns-value]
    assert [one.id for one in cache.read(wanted[1::-1])] == wanted[1::-1]
    cache.read(wanted)
    assert read == [["f" * 32]]
    del catalogue.summaries
    catalogue.corrections.correct(wanted[0], "an elk")
    assert cache.read(wanted) == catalogue.summaries(wanted)
    assert cache.read(wanted)[0].caption == "an elk"


async def test_no_more_are_kept_than_there_is_room_for(page: Page) -> None:
    catalogue = page.storage.catalogue
    add_photos(page.storage, page.settings, many(9))
    wanted = catalogue.photo_ids()
    cache = SummaryCache(catalogue, kept=3)
    for _ in range(2):
        assert cache.read(wanted) == catalogue.summaries(wanted)
