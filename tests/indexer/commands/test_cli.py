"""The command line: what goes where, exit codes, messages instead of tracebacks."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from captioner import DEFAULT_BUNDLE, SURE_TAG, Caption, Tag, read_model_name
from captioner.inference.manifest import Manifest
from indexer.cli import command_line
from indexer.commands.command_line import INDEXING, SERVING, with_settings
from indexer.commands.index import report
from indexer.commands.remembered import read_remembered
from indexer.commands.terminal import Terminal, printable
from indexer.errors import SetupError
from indexer.model import JobKind
from indexer.progress import Phase, Progress
from indexer.search.embedded.backend import EmbeddedSearch
from indexer.settings import SECRETS, SETTINGS, Settings
from indexer.storage import InUse, indexing_process, search_path, sole_indexer
from tests.bundles_made import copy_that_takes_all_for_photos
from tests.indexing import COLOURS, CountingCaptioner, index, stored
from tests.photos_made import write_jpeg
from tests.reasons_made import reason_saying
from tests.towers_made import tower_bundle
from web.cli import main

pytestmark = pytest.mark.slow  # each test starts the program


@pytest.fixture
def library(tmp_path: Path, settings: Settings) -> Path:
    """Indexed: a red wall, a blue one, and a file that is no photo."""
    root = tmp_path / "photos"
    write_jpeg(root / "red.jpg", COLOURS["red"], 1)
    write_jpeg(root / "blue.jpg", COLOURS["blue"], 2)
    (root / "broken.jpg").write_bytes(b"no photo at all")
    asyncio.run(index(settings, CountingCaptioner(), root))
    return root


@pytest.fixture
def recollect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the program in this process, on the test's own data directory."""
    monkeypatch.setenv("RECOLLECT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def run(*words: str) -> Result:
        result = CliRunner().invoke(main, list(words))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


def test_the_version_is_told(recollect: Any) -> None:
    told = recollect("--version")
    assert (told.exit_code, told.stdout) == (0, f"recollect {version('recollect')}\n")


def test_search_prints_paths_and_words_on_standard_output(library: Path, recollect: Any) -> None:
    result = recollect("search", "red wall")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == f"{library}/red.jpg: a red wall seen by colours-1"
    assert "found" in result.stderr
    assert "less sure" not in result.stderr


def test_search_as_json_has_the_shape_of_the_api(library: Path, recollect: Any) -> None:
    answer = json.loads(recollect("search", "blue", "--json").stdout)
    assert {"hits", "total", "took_ms"} <= answer.keys()
    (hit,) = answer["hits"]
    assert (hit["caption"], hit["caption_by"]) == ("a blue wall seen by colours-1", "model")
    assert hit["files"][0]["path"] == str(library / "blue.jpg")
    assert {"id", "score", "why", "tags", "taken_at"} <= hit.keys()


def test_search_says_which_words_it_read_as_a_time(
    library: Path, recollect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    result = recollect("search", "wall 12/11/2018")
    assert result.exit_code == 0
    assert result.stdout == "", "neither has a date"
    assert '"12/11/2018" is taken for the time 2018-12-11; words:"12/11/2018" looks for the words' in result.stderr
    assert '"may" may be a time, too: time:"may"' in recollect("search", "may").stderr
    monkeypatch.setenv("RECOLLECT_LANGUAGE", "de")
    monkeypatch.setenv("RECOLLECT_BIRTHDAYS", "Anna 2015-06-03")
    answer = json.loads(recollect("search", "--json", "12/11/2018 annas geburtstag").stdout)
    assert [(one["words"], one["time"]) for one in answer["times"]] == [
        ("12/11/2018", "2018-11-12"),
        ("annas geburtstag", "--06-03"),
    ]
    monkeypatch.setenv("RECOLLECT_BIRTHDAYS", "Anna")
    wrong = recollect("search", "wall")
    assert wrong.exit_code == 2
    assert "birthdays" in wrong.stderr


def test_search_says_why_nothing_is_found_and_what_was_left_out(
    library: Path, settings: Settings, recollect: Any
) -> None:
    asyncio.run(index(settings, CountingCaptioner(), library))
    nothing = recollect("search", "!!!")
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert "There is no letter, digit or emoji in it" in nothing.stderr
    answer = json.loads(recollect("search", "--json", "🦄").stdout)
    assert (answer["total"], answer["why_nothing"]) == (0, "emoji_not_found")
    some = recollect("search", "wall xylophonist €")
    assert "left out: xylophonist" in some.stderr
    assert "not searched for: €" in some.stderr
    assert json.loads(recollect("search", "--json", "wall xylophonist €").stdout)["ignored"] == ["€"]


def test_search_goes_by_meaning_with_a_model_that_understands(
    tmp_path: Path, library: Path, settings: Settings, recollect: Any
) -> None:
    bundle = tower_bundle(tmp_path / "bundle", {"crimson": (1.0, 0.0), "red": (0.9, 0.43), "ocean": (0.0, 1.0)})
    model, _ = read_model_name(bundle)
    newer = CountingCaptioner(model=model, embeddings={"red": (1.0, 0.0), "blue": (0.0, 1.0)})
    with stored(settings) as storage:
        storage.catalogue.queue.enqueue_all(JobKind.CAPTION, model=model)
    asyncio.run(index(settings, newer, library))
    assert json.loads(recollect("search", "crimson", "--json").stdout)["total"] == 0
    result = recollect("search", "crimson", "--bundle", str(bundle))
    assert result.stdout.splitlines() == [f"{library}/red.jpg: a red wall seen by {model}"]
    assert result.stderr.startswith("less sure:\n1 found, 1 by their look, in")
    answer = json.loads(recollect("search", "crimson", "--json", "--bundle", str(bundle)).stdout)
    assert (answer["by_meaning"], answer["sure"], answer["dropped"]) == (1, 0, [])
    assert answer["hits"][0]["sure"] is False
    assert answer["hits"][0]["why"][0]["text"] == "crimson ≈ red"
    assert answer["hits"][0]["unsure"] is False


def test_caption_prints_sentence_confidence_and_tags(
    library: Path, tmp_path: Path, recollect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOLLECT_BUNDLE", str(copy_that_takes_all_for_photos(tmp_path / "bundle")))
    result = recollect("caption", str(library / "red.jpg"), str(library / "broken.jpg"))
    assert result.exit_code == 1
    sentence, sure = result.stdout.splitlines()[:2]
    assert sentence.startswith(f"{library}/red.jpg: ")
    assert re.fullmatch(r"  \d+% sure(, so it may well be wrong)?", sure)
    assert f"{library}/broken.jpg: " in result.stderr
    answer = json.loads(recollect("caption", str(library / "red.jpg"), "--json").stdout)[0]
    assert sentence.endswith(answer["caption"])
    least = Manifest.read(DEFAULT_BUNDLE).evidence.least  # type: ignore[union-attr]
    assert answer["unsure"] == (answer["confidence"] < least)
    assert ("wrong" in sure) == answer["unsure"]
    sure_tags = [tag for tag in answer["tags"] if tag["probability"] >= SURE_TAG]
    tags = ", ".join(f"{tag['word']} {tag['probability']:.0%}" for tag in sure_tags)
    assert result.stdout.splitlines()[2:] == ([f"  tags: {tags}"] if tags else [])


def test_an_index_that_was_begun_anew_is_told(library: Path, settings: Settings, recollect: Any) -> None:
    """As a newer version's `search` leaves it that is run before `index` or `serve`."""
    with closing(EmbeddedSearch(search_path(settings))) as search:
        search.clear()
    found = recollect("search", "dog")
    assert "2 photos are not in the search index as now known" in found.stderr
    assert "searchable      0, 2 wait for it" in recollect("status").stdout
    assert recollect("index", str(library)).exit_code == 0
    assert "not in the search index" not in recollect("search", "dog").stderr


def test_a_wrong_filter_is_said_and_exits_with_2(library: Path, recollect: Any) -> None:
    result = recollect("search", "before:yesteryear")
    assert result.exit_code == 2
    assert "before" in result.stderr
    assert result.stdout == ""


def test_status_says_what_was_set_aside_and_why(library: Path, recollect: Any) -> None:
    text = recollect("status")
    assert text.exit_code == 0
    assert f"{library}/broken.jpg: " in text.stdout
    state = json.loads(recollect("status", "--json").stdout)
    assert (state["counts"]["photos"], state["searchable"], state["running"]) == (2, 2, 0)
    assert state["set_aside"][0]["reason"]
    assert recollect("status", "--retry").exit_code == 0
    assert json.loads(recollect("status", "--json").stdout)["counts"]["queued"] == 1


def test_status_says_which_kinds_are_not_read(library: Path, recollect: Any) -> None:
    assert "does not read" not in recollect("status").stdout
    for name in ("a.jxl", "b.jxl", "c.psd"):
        (library / name).write_bytes(b"no photo")
    recollect("index", str(library))
    assert "3 files of kinds that recollect does not read: 2 .jxl, 1 .psd" in recollect("status").stdout
    (state,) = json.loads(recollect("status", "--json").stdout)["libraries"]
    assert state["passed_over"] == {".jxl": 2, ".psd": 1}


def test_status_says_what_search_refuses_and_why(library: Path, settings: Settings, recollect: Any) -> None:
    assert "refused" not in recollect("status").stdout
    with stored(settings) as storage:
        (photo, *_) = storage.catalogue.photos(storage.catalogue.photo_ids())
        storage.catalogue.outbox.mark_pushed(
            (), refused=[(photo.id, photo.revision, reason_saying("the document is too large"))]
        )
    text = recollect("status").stdout
    assert "refused         1 by search" in text
    assert f"{photo.files[0].path}: the document is too large" in text
    refused = json.loads(recollect("status", "--json").stdout)["refused"]
    assert refused == [
        {"id": photo.id, "path": str(photo.files[0].path), "reason": "the document is too large", "code": "other"}
    ]


def test_status_and_doctor_say_what_another_model_has_described_and_what_to_do(
    library: Path, recollect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = read_model_name()
    text = recollect("status").stdout
    assert f"other models    2 photos not described by {model}: 2 by colours-1" in text
    assert "`recollect reindex --captions`, or by themselves at the hours of the setting recaption_hours" in text
    answer = json.loads(recollect("status", "--json").stdout)["caption_models"]
    assert answer.pop("hint") in text
    assert answer == {"current": model, "own": 0, "others": {"colours-1": 2}, "by_others": 2, "queued": 0}

    monkeypatch.setenv("RECOLLECT_RECAPTION_HOURS", "22-6")
    assert "`recollect serve` describes them again between 22:00 and 6:00" in recollect("status").stdout
    finding = next(one for one in json.loads(recollect("doctor", "--json").stdout) if one["subject"] == "captions")
    assert finding["verdict"] == "warning"
    assert finding["text"] == f"2 of 2 photos were described by another model than {model}: 2 by colours-1"
    assert "between 22:00 and 6:00; at once: `recollect reindex --captions`" in finding["mend"]


def test_nothing_is_said_of_models_where_the_one_in_use_has_described_every_photo(
    library: Path, settings: Settings, recollect: Any
) -> None:
    model, _ = read_model_name()
    with stored(settings) as storage:
        storage.catalogue.queue.enqueue_all(JobKind.CAPTION, model=model)
    asyncio.run(index(settings, CountingCaptioner(model=model), library))
    text = recollect("status").stdout
    assert "other models" not in text
    assert "reindex --captions" not in text
    assert json.loads(recollect("status", "--json").stdout)["caption_models"]["by_others"] == 0
    findings = json.loads(recollect("doctor", "--json").stdout)
    assert {one["subject"]: one["text"] for one in findings}["captions"] == "2 of 2 photos have one"


def test_a_model_that_can_t_be_read_keeps_status_from_nothing(library: Path, tmp_path: Path, recollect: Any) -> None:
    result = recollect("status", "--bundle", str(tmp_path / "no bundle"))
    assert result.exit_code == 0
    assert f"caption model   the caption model {tmp_path / 'no bundle'} can't be used" in result.stdout
    assert "photos          2 in 3 files" in result.stdout


class Doubting(CountingCaptioner):
    """Sees nothing where it is blue, and is sure of nothing else."""

    async def caption(self, pixels: bytes) -> Caption:
        said = await super().caption(pixels)
        if self.asked[-1] == "blue":
            return replace(said, text="", tags=())
        return replace(said, sure=False, words=(Tag("red", 0.3), Tag("wall", 0.45)))


def test_what_is_in_no_file_is_told_with_its_reason(library: Path, settings: Settings, recollect: Any) -> None:
    with stored(settings) as storage:
        storage.catalogue.queue.enqueue_all(JobKind.CAPTION, model="colours-2")
    asyncio.run(index(settings, Doubting(model="colours-2"), library))
    output = recollect("status").stdout
    assert "in no file      1 of their captions" in output
    assert "  1: the model is not sure of it" in output
    assert "there is nothing to see" not in output, "where there are no words, none are missing in the file"
    assert [item["photos"] for item in json.loads(recollect("status", "--json").stdout)["unwritten"]] == [1]
    findings = json.loads(recollect("doctor", "--json").stdout)
    assert [finding["text"] for finding in findings if finding["subject"] == "captions in no file"] == [
        "1: the model is not sure of it",
    ]
    assert recollect("captions", "list").stdout == ""
    assert recollect("captions", "verify").exit_code == 0
    assert f"{library}/blue.jpg: (nothing to describe)" in recollect("search", "type:jpeg").stdout
    hits = json.loads(recollect("search", "--json", "type:jpeg").stdout)["hits"]
    assert {(hit["caption"], hit["unsure"], len(hit["words"])) for hit in hits} == {
        ("", False, 0),
        ("a red wall seen by colours-2", True, 2),
    }


def test_nothing_indexed_yet_is_said_and_nothing_is_made(tmp_path: Path, recollect: Any) -> None:
    for command in (["search", "dog"], ["status"]):
        result = recollect(*command)
        assert result.exit_code == 2
        assert "recollect index" in result.stderr
    assert not (tmp_path / "data").exists()


def test_captions_are_listed_and_undone_byte_for_byte(
    library: Path, tmp_path: Path, recollect: Any, settings: Settings
) -> None:
    listed = json.loads(recollect("captions", "list", "--json").stdout)
    assert {Path(row["path"]).name for row in listed} == {"red.jpg", "blue.jpg"}
    assert recollect("captions", "undo").exit_code == 2
    assert recollect("captions", "undo", "--all").exit_code == 0
    assert read_remembered(settings.data_dir).settings == {"captions": "off"}
    assert json.loads(recollect("captions", "list", "--json").stdout) == []
    for name, number in (("red", 1), ("blue", 2)):
        original = write_jpeg(tmp_path / "made again" / f"{name}.jpg", COLOURS[name], number)
        assert (library / f"{name}.jpg").read_bytes() == original.read_bytes()


def test_undoing_all_finds_what_was_moved_or_copied_since_the_last_scan(
    library: Path, tmp_path: Path, recollect: Any
) -> None:
    """Nobody has looked at the library since: the catalogue knows neither place."""
    (library / "elsewhere").mkdir()
    moved = (library / "red.jpg").rename(library / "elsewhere/red.jpg")
    copied = Path(shutil.copy(library / "blue.jpg", library / "elsewhere"))
    new = write_jpeg(library / "elsewhere/new.jpg", COLOURS["white"], 3)
    result = recollect("captions", "undo", "--all", "--json")
    assert result.exit_code == 0
    rows = {Path(row["path"]): row["state"] for row in json.loads(result.stdout)}
    assert rows == {
        library / "red.jpg": "missing",
        **dict.fromkeys((moved, copied, library / "blue.jpg"), "exact"),
    }
    assert new not in rows
    for name, number, paths in (("red", 1, [moved]), ("blue", 2, [copied, library / "blue.jpg"])):
        original = write_jpeg(tmp_path / "made again" / f"{name}.jpg", COLOURS[name], number).read_bytes()
        assert [path.read_bytes() for path in paths] == [original] * len(paths)


def test_captions_are_verified_and_nothing_is_changed(library: Path, recollect: Any) -> None:
    before = {path: path.read_bytes() for path in library.glob("*.jpg")}
    result = recollect("captions", "verify", "--json")
    rows = json.loads(result.stdout)
    assert result.exit_code == 0
    assert {(Path(row["path"]).name, row["state"]) for row in rows} == {("red.jpg", "exact"), ("blue.jpg", "exact")}
    assert {path: path.read_bytes() for path in library.glob("*.jpg")} == before
    said = recollect("captions", "verify")
    assert said.stdout == ""
    assert "2 files: 2 can be undone byte for byte" in said.stderr


def test_verify_tells_what_stands_in_the_way(library: Path, recollect: Any, settings: Settings) -> None:
    red, blue = library / "red.jpg", library / "blue.jpg"
    red.write_bytes(red.read_bytes().replace(b"\n<rdf:RDF", b"\t<rdf:RDF", 1))
    blue.rename(library.parent / "elsewhere.jpg")
    rows = json.loads(recollect("captions", "verify", "--json").stdout)
    assert {(Path(row["path"]).name, row["state"]) for row in rows} == {("red.jpg", "changed"), ("blue.jpg", "missing")}
    journal = settings.data_dir / "captions.jsonl"
    journal.write_text(re.sub('"original":"[0-9a-f]{64}"', f'"original":"{"0" * 64}"', journal.read_text()))
    result = recollect("captions", "verify", str(library.parent / "elsewhere.jpg"))
    assert result.exit_code == 1
    assert "another original" in result.stderr


def test_the_files_themselves_tell_where_the_data_is_lost(library: Path, tmp_path: Path, recollect: Any) -> None:
    shutil.rmtree(tmp_path / "data")
    assert recollect("captions", "list").stdout == ""
    rows = json.loads(recollect("captions", "list", str(library), "--json").stdout)
    assert {(Path(row["path"]).name, row["caption"]) for row in rows if row["caption"]} == {
        (f"{colour}.jpg", f"a {colour} wall seen by colours-1") for colour in ("red", "blue")
    }
    assert {(row["by"], row["model"]) for row in rows} == {("model", "colours-1"), (None, None)}
    assert recollect("captions", "undo", str(library)).exit_code == 0
    assert "without a caption" in recollect("captions", "verify", str(library)).stderr


def test_an_undone_caption_is_not_written_again(library: Path, recollect: Any, settings: Settings) -> None:
    assert recollect("captions", "undo", str(library)).exit_code == 0
    before = {path: path.read_bytes() for path in library.glob("*.jpg")}
    captioner = CountingCaptioner()
    asyncio.run(index(settings, captioner, library))
    assert captioner.asked == []
    newer = CountingCaptioner(model="colours-2")
    with stored(settings) as storage:
        storage.catalogue.queue.enqueue_all(JobKind.CAPTION, model="colours-2")
    asyncio.run(index(settings, newer, library))
    assert len(newer.asked) == 2
    assert {path: path.read_bytes() for path in library.glob("*.jpg")} == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["index", "/no/such/folder"], "there is no folder /no/such/folder"),
        (["serve", "/no/such/folder"], "there is no folder /no/such/folder"),
        (["serve"], "no photo library is known yet"),
        (["index", "--readers", "many", "."], "readers"),
        (["reindex"], "--search"),
        (["index", "--forget"], "name the libraries"),
    ],
)
def test_a_wrong_set_up_is_said_in_words_and_exits_with_2(recollect: Any, words: list[str], said: str) -> None:
    result = recollect(*words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_bundle_that_is_not_there_exits_with_2(library: Path, tmp_path: Path, recollect: Any) -> None:
    result = recollect("index", str(library), "--bundle", str(tmp_path / "no bundle"))
    assert result.exit_code == 2
    assert "no bundle" in result.stderr


def test_only_one_process_indexes_at_a_time(library: Path, settings: Settings, recollect: Any) -> None:
    with sole_indexer(settings.data_dir):
        assert indexing_process(settings.data_dir) == os.getpid()
        result = recollect("index", str(library))
        assert result.exit_code == 2
        assert str(os.getpid()) in result.stderr
        with pytest.raises(InUse), sole_indexer(settings.data_dir):
            raise AssertionError("it is held")
        assert f"process {os.getpid()}" in recollect("status").stdout
    assert indexing_process(settings.data_dir) == 0


def test_forgetting_beside_a_running_one_says_what_to_do(library: Path, settings: Settings, recollect: Any) -> None:
    assert recollect("index", str(library)).exit_code == 0
    with sole_indexer(settings.data_dir):
        result = recollect("index", "--forget", str(library))
    assert result.exit_code == 2
    assert "stop it, run this again" in result.stderr
    assert "leave the work to it" not in result.stderr


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        (Progress(phase=Phase.IDLE), "nothing was new"),
        (Progress(phase=Phase.STOPPING), "stopped before all was looked at"),
        (Progress(phase=Phase.IDLE, queued=3), "3 are still queued"),
        (Progress(phase=Phase.IDLE, unreadable=1), "1 folder could not be read"),
        (Progress(phase=Phase.IDLE, problems=("the library is not there",)), "the library is not there"),
    ],
)
def test_nothing_was_new_is_said_only_where_everything_was_looked_at(outcome: Progress, line: str) -> None:
    @click.command()
    def ending() -> None:
        report(outcome, Terminal(), as_json=False)

    result = CliRunner().invoke(ending)
    assert line in result.stderr
    assert ("nothing was new" in result.stderr) == (not outcome.unfinished)


def test_asking_who_indexes_keeps_nobody_from_starting(settings: Settings) -> None:
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            indexing_process(settings.data_dir)

    with ThreadPoolExecutor(2) as threads:
        asking = [threads.submit(ask) for _ in range(2)]
        try:
            for _ in range(500):
                with sole_indexer(settings.data_dir):
                    pass
        finally:
            over.set()
        for one in asking:
            one.result()


def test_a_library_can_be_forgotten(library: Path, recollect: Any) -> None:
    assert recollect("index", "--forget", str(library)).exit_code == 0
    state = json.loads(recollect("status", "--json").stdout)
    assert state["counts"]["photos"] == 0
    assert (library / "red.jpg").exists()


def test_doctor_finds_the_missing_model_and_says_how_to_mend_it(library: Path, tmp_path: Path, recollect: Any) -> None:
    result = recollect("doctor", "--json", "--bundle", str(tmp_path / "no bundle"))
    assert result.exit_code == 1
    findings = {finding["subject"]: finding for finding in json.loads(result.stdout)}
    assert findings["caption model"]["verdict"] == "broken"
    assert findings["caption model"]["mend"]
    assert {name for name, finding in findings.items() if finding["verdict"] == "broken"} == {"caption model"}
    assert findings["photos set aside"]["verdict"] == "warning"


def test_doctor_finds_a_damaged_catalogue(library: Path, tmp_path: Path, settings: Settings, recollect: Any) -> None:
    settings.catalogue_path.write_bytes(b"SQLite format 3\x00" + bytes(5000))
    for path in settings.data_dir.glob("catalogue.db-*"):
        path.unlink()
    result = recollect("doctor", "--bundle", str(tmp_path / "no bundle"))
    assert result.exit_code == 1
    assert "catalogue: " in result.stdout
    assert recollect("status").exit_code == 2


def test_every_setting_is_a_flag_of_serve_but_secrets() -> None:
    serve = main.commands["serve"]
    flags = {item.name for item in serve.params if isinstance(item, click.Option)}
    secrets = {"password", "meilisearch_key", "meilisearch_search_key", "meilisearch_master_key"}
    assert set(SETTINGS) - flags == {"photos", *secrets} == {"photos", *SECRETS}
    assert set(INDEXING).isdisjoint(SERVING)


def test_help_brings_nothing_heavy_along() -> None:
    program = "import sys, web.cli\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"sqlite3", "aiohttp", "numpy", "PIL", "jinja2", "watchfiles"} & set(loaded)


def test_a_set_up_error_is_no_traceback(recollect: Any) -> None:
    assert isinstance(InUse(Path("/data"), 7), SetupError)
    result = recollect("status", "--data-dir", "/dev/null/data")
    assert result.exit_code == 2


def test_a_surprise_is_a_message_and_a_traceback_only_where_wanted() -> None:
    @click.command()
    @with_settings()
    def surprise(**_: object) -> None:
        raise ValueError("three \x1b[2J walls")

    program = command_line(surprise)
    quiet = CliRunner().invoke(program, ["surprise"])
    assert (quiet.exit_code, quiet.stdout) == (1, "")
    assert "three \\x1b[2J walls" in quiet.stderr
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in CliRunner().invoke(program, ["surprise", "-v"]).stderr


def test_a_reader_that_has_had_enough_is_no_error(library: Path, settings: Settings) -> None:
    environment = {**os.environ, "RECOLLECT_DATA_DIR": str(settings.data_dir)}
    command = f"{sys.executable} -m web.cli status --json | head -c 1"
    ended = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True, check=True)
    assert ended.stderr == ""


def test_hostile_names_reach_no_terminal(tmp_path: Path) -> None:
    assert printable("a\x1b[2Jb\nc\udcff") == "a\\x1b[2Jb\\nc\\udcff"
    with (tmp_path / "log").open("w") as stream:
        Terminal(stream).print(printable("é \x07"))
    assert (tmp_path / "log").read_text() == "é \\x07\n"
