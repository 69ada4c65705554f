"""Feeds search from a catalogue for a model of its own, a line for each batch, until a test kills it."""

from __future__ import annotations

import sys
from pathlib import Path

from indexer.catalogue import Catalogue
from indexer.jobs.search_feed import FeedSteps
from indexer.search.meaning import Meaning
from indexer.search.meilisearch import MeilisearchSearch
from indexer.search.meilisearch.keys import keys_of
from indexer.settings import Settings
from tests.towers_made import made_tower


def main(data_dir: str, url: str, index: str, batch: str) -> None:
    settings = Settings(data_dir=Path(data_dir), meilisearch_url=url, meilisearch_index=index)
    search = MeilisearchSearch(url, keys=keys_of(settings), index=index, meaning=Meaning(lambda: made_tower("made-2")))
    search.batch = int(batch)
    feed = FeedSteps(Catalogue(settings.catalogue_path), search)
    while pushed := feed.step():
        sys.stdout.write(f"{pushed}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
