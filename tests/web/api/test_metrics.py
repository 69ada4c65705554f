"""What a program that watches is told, and whom it is told."""

from __future__ import annotations

import re
from typing import Any

import pytest

from indexer.errors import SearchError, StorageError
from indexer.progress import Phase, Progress
from tests.web.conftest import Page, StartPage
from tests.web.library_made import many

PASSWORD = "correct horse"
_SAMPLE = re.compile(r'([a-z_]+(?:\{[a-z]+="[^"\\\n]*"\})?) (-?[0-9.e+-]+)')


async def read(page: Page) -> dict[str, float]:
    """Sample -> value; every line is one of the text format's."""
    samples: dict[str, float] = {}
    kinds: dict[str, str] = {}
    for line in (await page.text("/metrics")).splitlines():
        if line.startswith("# TYPE "):
            name, kinds[name] = line.split()[2:]
        elif not line.startswith("# HELP "):
            match = _SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] not in samples
            family = match[1].partition("{")[0]
            assert {family, re.sub("_(bucket|sum|count)$", "", family)} & set(kinds), line
            samples[match[1]] = float(match[2])
    assert set(kinds.values()) == {"gauge", "counter", "histogram"}
    return samples


async def test_the_numbers_are_those_of_the_status_page(start_page: StartPage) -> None:
    progress = Progress(done=7, queued=3, per_second=1.5, phase=Phase.INDEXING, problems=("the disk is away",))
    page = await start_page(list(many(12)), progress=progress)
    async with page.get("/metrics") as response:
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    answer, status = await read(page), (await page.json("/api/status"))["counts"]
    assert answer["recollect_photos"] == answer["recollect_search_photos"] == 12
    for name in ("photos", "files", "set_aside"):
        assert answer[f"recollect_{name}"] == status[name]
    assert answer["recollect_queue"] == status["queued"]
    assert answer["recollect_captioner_photos_total"] == 7
    assert answer["recollect_captioner_photos_per_second"] == 1.5
    assert answer["recollect_problem"] == 1
    assert answer['recollect_phase{phase="captioning"}'] == 1
    assert answer['recollect_phase{phase="up to date"}'] == 0
    assert answer['recollect_search_up{backend="embedded"}'] == 1
    assert answer["recollect_data_bytes"] > 0
    assert answer["recollect_data_free_bytes"] > 0


async def test_searches_are_timed_and_answers_counted(page: Page) -> None:
    for query in ("dog", "cat", "year:nonsense"):
        async with page.get("/api/search", params={"q": query}):
            pass
    answer = await read(page)
    buckets = [value for name, value in answer.items() if name.startswith("recollect_search_seconds_bucket")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == answer["recollect_search_seconds_count"] == 2
    assert answer["recollect_search_seconds_sum"] > 0
    assert answer["recollect_search_failed_total"] == 0
    assert answer['recollect_http_responses_total{status="200"}'] == 2
    assert answer['recollect_http_responses_total{status="400"}'] == 1


class Broken:
    """A store that does not answer."""

    name = "meilisearch"

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def fail(*args: Any, **more: Any) -> None:
            raise self._error

        return fail


async def test_a_search_that_is_down_is_told_and_is_not_our_illness(start_page: StartPage) -> None:
    page = await start_page(list(many(2)), behind={"search": Broken(SearchError("it is away"))})
    await page.json("/api/search?q=dog", status=503)
    answer = await read(page)
    assert answer['recollect_search_up{backend="meilisearch"}'] == 0
    assert "recollect_search_photos" not in answer
    assert answer["recollect_search_failed_total"] == 1
    assert await page.json("/health") == {"status": "ok"}


async def test_a_catalogue_that_can_t_be_read_is(start_page: StartPage) -> None:
    page = await start_page(behind={"catalogue": Broken(StorageError("the disk is gone: /secret"))})
    assert "secret" not in await page.text("/health", status=503)


@pytest.mark.slow
async def test_numbers_are_for_the_household_unless_it_says_otherwise(start_page: StartPage) -> None:
    page = await start_page(list(many(1)), password=PASSWORD)
    assert "recollect_photos" not in await page.text("/metrics", status=401)
    assert await page.json("/health") == {"status": "ok"}
    page = await start_page((), password=PASSWORD, open_metrics=True)
    assert "recollect_photos" in await page.text("/metrics")
    await page.json("/api/status", status=401)


@pytest.mark.parametrize("path", ["/metricsx", "/metrics/", "/health/x", "/healthy"])
async def test_open_is_that_address_alone(start_page: StartPage, path: str) -> None:
    page = await start_page((), password=PASSWORD, open_metrics=True)
    async with page.get(path, allow_redirects=False) as response:
        assert response.status in {303, 401}


async def test_a_file_that_vanishes_between_the_listing_and_the_look_is_no_error(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite takes its -wal away when the last connection of another process closes."""
    gone = page.settings.data_dir / "other.db-wal"
    listed = [*page.settings.data_dir.iterdir(), gone]
    monkeypatch.setattr(type(gone), "iterdir", lambda _: iter(listed))
    monkeypatch.setattr(type(gone), "rglob", lambda *_: iter(listed))
    assert "recollect_data_bytes" in await page.text("/metrics")
    assert await page.text("/status")
