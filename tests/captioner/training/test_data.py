"""Reading photos and captions, preparing them, and what is held back."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from captioner.inference.preprocess import SPECIAL
from captioner.training import data
from captioner.training.data import NpyWriter


def png(colour: str) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (20, 10), colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_tar_zip_and_directory_read_alike(tmp_path: Path) -> None:
    photos = {"b/two.png": png("blue"), "a.JPG": png("red"), "notes.txt": b"no photo"}
    with tarfile.open(tmp_path / "photos.tar", "w") as tar, zipfile.ZipFile(tmp_path / "photos.zip", "w") as zipped:
        for name, content in photos.items():
            file = tmp_path / "photos" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            tar.add(file, name)
            zipped.write(file, name)
    from_directory = list(data.read_photos(tmp_path / "photos"))
    assert from_directory == list(data.read_photos(tmp_path / "photos.tar"))
    assert from_directory == list(data.read_photos(tmp_path / "photos.zip"))
    assert [name for name, _ in from_directory] == ["a.JPG", "b/two.png"]


def test_zip_files_in_a_directory_read_as_if_unpacked(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "c.png").write_bytes(png("green"))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.png").write_bytes(png("blue"))
    for archive, name in (("a.zip", "a/1.png"), ("more/d.ZIP", "1.png"), ("b.zip", "b/2.png")):
        with zipfile.ZipFile(tmp_path / archive, "w") as zipped:
            zipped.writestr(name, png("red"))
    found = dict(data.read_photos(tmp_path))
    assert list(found) == ["a/1.png", "b/2.png", "c.png", "more/1.png"]
    assert found["b/2.png"] == png("blue")  # what was unpacked comes first


def test_only_photos_that_are_wanted_are_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as zipped:
        zipped.writestr("1.png", png("red"))
        zipped.writestr("2.png", png("blue"))
    damaged = (tmp_path / "photos.zip").read_bytes().replace(png("red")[8:], bytes(len(png("red")) - 8))
    (tmp_path / "photos.zip").write_bytes(damaged)
    assert [name for name, _ in data.read_photos(tmp_path / "photos.zip", {"2.png", "3.png"})] == ["2.png"]
    with pytest.raises(zipfile.BadZipFile):
        list(data.read_photos(tmp_path / "photos.zip"))


def test_a_source_without_photos_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="has no rows"):
        data.prepare([tmp_path / "empty"], tmp_path / "out", 16)
    assert not (tmp_path / "out").exists()


def test_a_broken_photo_is_left_out_and_the_rest_prepared(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "1.png").write_bytes(png("red"))
    (photos / "2.png").write_bytes(png("red")[:40])
    (photos / "3.png").write_bytes(png("blue"))
    data.main([f"made={photos}", "--out", str(tmp_path / "prepared"), "--px", "16"])
    source = data.Source.open(tmp_path / "prepared" / "made")
    assert source.names == ("1.png", "3.png")
    assert source.photos.shape == (2, 16, 16, 3)
    assert source.photos[1, 8, 8].tolist() == [0, 0, 255]


def test_captions_and_text_are_read(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text('{"image": "1.png", "captions": ["A dog .", "Dog"]}\n')
    (tmp_path / "t.txt.gz").write_bytes(gzip.compress(b"A cat .\n\nA bird .\n"))
    assert data.read_captions(tmp_path / "c.jsonl") == {"1.png": ["A dog .", "Dog"]}
    assert data.read_text(tmp_path / "t.txt.gz") == ["A cat .", "A bird ."]


def test_the_words_of_photos_come_first() -> None:
    vocabulary = data.build_vocabulary(["a dog"], ["a cat", "a cat"], len(SPECIAL) + 2)
    assert vocabulary.words == (*SPECIAL, "a", "dog")


@settings(deadline=None)
@given(st.text(min_size=1))
def test_what_is_held_back_depends_on_the_name_alone(name: str) -> None:
    assert data.is_held_out(name) == data.is_held_out(name)
    assert not data.is_held_out(name, 0)
    assert data.is_held_out(name, 1)


def test_about_a_quarter_is_held_back() -> None:
    share = np.mean([data.is_held_out(f"photo{i}.jpg") for i in range(4000)])
    assert share == pytest.approx(0.25, abs=0.03)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 200), min_size=1, max_size=5), st.sampled_from([np.uint8, np.float16, np.int64]))
def test_what_was_appended_is_what_numpy_reads(tmp_path_factory: pytest.TempPathFactory, counts: list[int],
                                               kind: type) -> None:  # fmt: skip
    path = tmp_path_factory.mktemp("rows") / "array.npy"
    parts = [np.full((count, 2, 3), i).astype(kind) for i, count in enumerate(counts)]
    with NpyWriter(path) as file:
        for part in parts:
            file.append(part)
    found = np.load(path, mmap_mode="r", allow_pickle=False)
    assert found.dtype == kind
    np.testing.assert_array_equal(found, np.concatenate(parts))


def test_rows_that_are_not_contiguous_are_written_as_they_look(tmp_path: Path) -> None:
    rows = np.arange(24, dtype=np.int32).reshape(4, 6)[:, ::-2]
    with NpyWriter(tmp_path / "a.npy") as file:
        file.append(rows)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), rows)


def test_rows_of_another_shape_or_kind_are_refused(tmp_path: Path) -> None:
    with NpyWriter(tmp_path / "a.npy") as file:
        file.append(np.zeros((1, 2), np.float32))
        for rows in (np.zeros((1, 3), np.float32), np.zeros((1, 2), np.float64)):
            with pytest.raises(ValueError, match="expected, got"):
                file.append(rows)


def test_no_rows_at_all_are_an_error(tmp_path: Path) -> None:
    file = NpyWriter(tmp_path / "a.npy")
    with pytest.raises(ValueError, match="has no rows"):
        file.close()
    file.close()
