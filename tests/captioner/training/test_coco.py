"""COCO's files, as they are published, become what training reads."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from captioner.training import coco, data
from captioner.training.coco import CocoError
from tests.captioner.training.coco_made import PHOTOS, captions_table, coco_files, files_table, karpathy_table, zipped
from tests.captioner.training.file_server import serving

FILES = coco_files()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The four files."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def of_split(*splits: str) -> dict[str, list[str]]:
    chosen = sorted((p for p in PHOTOS if p.split in splits), key=lambda p: p.name)
    return {p.name: [" ".join(text.split()) for text in p.captions] for p in chosen}


def test_karpathy_s_splits_are_found_by_id_across_both_parts(directory: Path) -> None:
    assert coco.write_splits(directory) == {"train": 8, "val": 2, "test": 2}
    assert data.read_captions(directory / "train.jsonl") == of_split("train", "restval")
    assert data.read_captions(directory / "val.jsonl") == of_split("val")
    test = data.read_captions(directory / "test.jsonl")
    assert test == of_split("test")
    assert {name.partition("/")[0] for name in test} == {"train2017", "val2017"}


def test_the_names_are_those_that_the_photos_are_read_by(directory: Path) -> None:
    coco.write_splits(directory)
    names = [name for name, _ in data.read_photos(directory)]
    assert names == sorted(p.name for p in PHOTOS)
    listed = [name for split in ("train", "val", "test") for name in data.read_captions(directory / f"{split}.jsonl")]
    assert sorted(listed) == names


def test_unpacked_files_are_read_alike(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    coco.write_splits(directory)
    unpacked = tmp_path_factory.mktemp("unpacked")
    for name in FILES:
        with zipfile.ZipFile(directory / name) as archive:
            archive.extractall(unpacked)
    coco.write_splits(unpacked)
    for name in ("train.jsonl", "val.jsonl", "test.jsonl"):
        assert (unpacked / name).read_bytes() == (directory / name).read_bytes()
    assert list(data.read_photos(unpacked)) == list(data.read_photos(directory))


def test_photos_that_are_not_there_are_left_out_and_said(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    (directory / "train2017.zip").unlink()
    counts = coco.write_splits(directory)
    assert sum(counts.values()) == sum(p.part == "val2017" for p in PHOTOS)
    assert "photos with captions are in no zip and no folder here" in caplog.text
    (directory / "val2017.zip").unlink()
    with pytest.raises(CocoError, match="no photo of train2017 or val2017"):
        coco.write_splits(directory)


def test_photos_of_one_table_only_are_left_out_and_said(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = karpathy_table()
    table["images"][0]["cocoid"] = 7
    (directory / "caption_datasets.zip").write_bytes(zipped({"dataset_coco.json": json.dumps(table).encode()}))
    assert sum(coco.write_splits(directory).values()) == len(PHOTOS) - 1
    assert "1 photos are in no split of Karpathy's" in caplog.text
    assert "1 photos of Karpathy's have no captions in COCO 2017" in caplog.text


def test_what_is_missing_or_damaged_is_named(directory: Path) -> None:
    whole = (directory / "caption_datasets.zip").read_bytes()
    for content, message in (
        (zipped({"other.json": b"{}"}), "caption_datasets.zip holds no dataset_coco.json"),
        (zipped({"dataset_coco.json": b"{"}), "dataset_coco.json in .* is damaged"),
        (zipped({"dataset_coco.json": b'{"images": [{}]}'}), "not as Karpathy has it: KeyError"),
        (
            zipped({"dataset_coco.json": b'{"images": [{"cocoid": 1, "split": "dev"}]}'}),
            "splits that aren't known: dev",
        ),
        (whole[: len(whole) // 2], "damaged"),
    ):
        (directory / "caption_datasets.zip").write_bytes(content)
        with pytest.raises(CocoError, match=message):
            coco.write_splits(directory)
    (directory / "caption_datasets.zip").unlink()
    with pytest.raises(CocoError, match=r"neither dataset_coco\.json nor caption_datasets\.zip is in .* --download"):
        coco.write_splits(directory)


def test_annotations_of_another_kind_are_refused(directory: Path) -> None:
    table = captions_table("train2017")
    del table["annotations"][0]["caption"]
    files = {"annotations/captions_train2017.json": json.dumps(table).encode()}
    (directory / "annotations_trainval2017.zip").write_bytes(zipped(files))
    with pytest.raises(CocoError, match=r"captions_train2017\.json is not as COCO has it"):
        coco.write_splits(directory)


def test_one_command_downloads_and_lays_out(tmp_path: Path) -> None:
    with serving(FILES) as server:
        (tmp_path / "files.json").write_text(files_table(FILES, server.url("")))
        server.cuts = [100]
        command = ["--out", str(tmp_path / "coco"), "--download", "--files", str(tmp_path / "files.json")]
        coco.main(command)
        asked = len(server.asked)
        coco.main(command)
        assert asked == len(server.asked) == len(FILES) + 1
    assert len(data.read_captions(tmp_path / "coco" / "train.jsonl")) == 8


@pytest.mark.parametrize("content", [None, "[", '[{"url": "http://x/y"}]'])
def test_a_list_of_files_that_is_none_is_a_usage_error(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "files.json").write_text(content)
    with pytest.raises(SystemExit) as ended:
        coco.main(["--out", str(tmp_path), "--files", str(tmp_path / "files.json")])
    assert ended.value.code == 2


def test_an_error_ends_the_command_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        coco.main(["--out", str(tmp_path)])
    assert ended.value.code == 1
    assert "--download fetches it" in capsys.readouterr().err


def test_the_published_files_are_pinned() -> None:
    assert [file.name for file in coco.FILES] == [
        "annotations_trainval2017.zip", "caption_datasets.zip", "val2017.zip", "train2017.zip"
    ]  # fmt: skip
    assert all(len(bytes.fromhex(file.sha256)) == 32 for file in coco.FILES)
    assert sum(file.size_bytes for file in coco.FILES) == pytest.approx(20.4e9, rel=0.01)
