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

from captioner.inference.preprocess import SPECIAL, Vocabulary
from captioner.training import data
from captioner.training.tags import tag_targets, tag_words
from captioner.training.teacher import Basis, Teacher, crop_target, interval_weights


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
        data.prepare([tmp_path / "empty"], tmp_path / "out", 16, None, None)
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
    assert source.teacher is None
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


def test_tags_are_frequent_content_words() -> None:
    captions = [["a dog and a ball"], ["the dog", "a dog sits"], ["a cat"]]
    vocabulary = Vocabulary((*SPECIAL, "a", "dog", "ball", "cat", "sits", "and", "the"))
    assert tag_words(captions, vocabulary, least=1) == ("dog", "ball", "cat")
    assert tag_words(captions, vocabulary, least=2) == ("dog",)
    assert tag_targets(captions[0], {"dog": 0, "cat": 1, "ball": 2}).tolist() == [1, 0, 1]


@settings(deadline=None)
@given(st.floats(0, 0.9), st.floats(0.1, 1), st.integers(1, 7))
def test_overlap_averages(start: float, width: float, cells: int) -> None:
    weights = interval_weights(start, min(1.0, start + width), cells, 7)
    assert weights.shape == (cells, 7)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)


def test_crop_target_of_the_whole_is_the_map_and_of_a_corner_its_corner() -> None:
    teacher = np.random.default_rng(0).normal(size=(6, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(crop_target(teacher, (0, 0, 1, 1), 6), teacher, atol=1e-5)
    np.testing.assert_allclose(crop_target(teacher, (0.5, 0, 1, 0.5), 3), teacher[:3, 3:], atol=1e-5)


def test_basis_keeps_what_the_teacher_would_say(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cells = (rng.normal(size=(600, 8)) @ rng.normal(size=(8, 1280))).astype(np.float32)
    weights, bias = rng.normal(size=(1280, 5)).astype(np.float32), rng.normal(size=5).astype(np.float32)
    Basis.fit(cells, weights, bias, dim=8).save(tmp_path / "basis.npz")
    basis = Basis.load(tmp_path / "basis.npz")
    found = basis(cells).astype(np.float32) @ basis.head + basis.head_bias
    wanted = cells @ weights + bias
    assert np.abs(found - wanted).max() < 0.02 * np.abs(wanted).max()


def test_the_published_teacher_gives_up_its_inner_maps(shared: Path) -> None:
    path = shared / "data" / "teacher" / "tf2_mobilenet_v2_1.0_224_ptq.tflite"
    labels = (path.parent / "imagenet_labels.txt").read_text().splitlines()
    teacher = Teacher(path)
    _, content = next(data.read_photos(shared / "data" / "flickr8k-dev.tar"))
    image = data.decode_image(content)
    assert image is not None
    features = teacher.features(np.asarray(image.resize((224, 224))))
    assert features.shape == (7, 7, 1280)
    assert 0 <= features.min() <= features.max() <= 6.01
    assert teacher.weights.shape == (1280, len(labels))
