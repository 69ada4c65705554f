"""The benchmark of the backends: that it measures what it says, of whichever backend there is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from indexer.search.query import parse
from tests.bench import bench_backends, bench_retrieval
from tests.bench.latency import alternated
from tests.bench.made_photos import keystrokes, made_queries, sentences
from tests.meilisearch_server import WHY_NOT, where_found

KINDS = {"a keystroke", "a finished query", "all facets of it"}
needs_server = pytest.mark.skipif(where_found() is None, reason=WHY_NOT)


def run_bench(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, dict[str, dict[str, float]]]:
    bench_backends.main(["--photos", "300", "--queries", "4", "--captions", "none", "--json", *options])
    found: dict[str, dict[str, dict[str, float]]] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.slow
def test_the_embedded_backend_is_measured_without_a_server(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = run_bench(capsys, "--backend", "embedded", "--vectors", "0", "--keep", str(tmp_path))
    assert found["indexed"]["embedded"]["photos"] == 300
    assert found["indexed"]["embedded"]["batch"] == 256
    assert found["asked"].keys() == {"by words"}
    assert found["asked"]["by words"].keys() == KINDS
    kept = run_bench(capsys, "--backend", "embedded", "--vectors", "0", "--keep", str(tmp_path))
    assert kept["indexed"] == found["indexed"], "what was kept is not made again"


@needs_server
def test_both_backends_are_asked_the_same(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = run_bench(capsys, "--vectors", "16", "--batch", "100")
    assert found["indexed"].keys() == found["served"].keys() == {"embedded", "meilisearch"}
    assert found["asked"].keys() == {"by words", "by meaning"}
    for kinds in found["asked"].values():
        assert kinds.keys() == KINDS
        assert all(times.keys() == {"embedded", "meilisearch"} for times in kinds.values())  # type: ignore[attr-defined]


@needs_server
def test_recall_of_both_backends_is_told_side_by_side() -> None:
    run = bench_retrieval.made_set(60)
    kinds = bench_retrieval.kinds_of_queries(run, every=10)
    meaning = bench_retrieval.Meaning(bench_retrieval.MadeTower)
    found = bench_retrieval.tables(bench_retrieval.measured(run, meaning, kinds, bench_retrieval.BACKENDS))
    for ways in found.values():
        for by in ways.values():
            assert by["embedded"].keys() - {"median rank"} == by["meilisearch"].keys()


def test_a_missing_server_is_said_plainly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("RECOLLECT_TEST_MEILISEARCH_URL", raising=False)
    with pytest.raises(SystemExit, match="--backend embedded needs none"):
        bench_backends.main(["--photos", "10", "--captions", "none"])


def test_every_keystroke_is_a_query() -> None:
    typed = keystrokes(made_queries(8, sentences(None)))
    assert len(typed) > 50
    for text in typed:
        parse(text)


def test_sides_take_turns() -> None:
    order: list[str] = []
    sides = [[lambda name=name: order.append(name) for _ in range(3)] for name in ("one", "other")]
    assert [len(times) for times in alternated(sides)] == [4, 4]
    assert order == ["one", "other"] * 3
