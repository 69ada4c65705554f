"""Everyday words for ImageNet's classes: the shipped list, what is said of a wrong one, and the sums over it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captioner import BundleError
from captioner.inference.imagenet_classes import (
    CLASSES,
    IMAGE_TYPES,
    IMAGENET_CLASSES,
    read_classes,
    read_image_types,
    word_probabilities,
    write_image_types,
)
from captioner.inference.preprocess import squash

#: Nodes of WordNet that nobody searches a photo by.
ABSTRACT = {"abstraction", "artifact", "chordate", "device", "entity", "instrumentality", "matter", "mammal", "object",
            "organism", "structure", "substance", "vertebrate", "whole"}  # fmt: skip


@pytest.fixture(scope="module")
def classes() -> tuple[tuple[str, ...], ...]:
    return read_classes(IMAGENET_CLASSES)


def written(tmp_path: Path, lines: list[str]) -> Path:
    path = tmp_path / "classes.txt"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_the_shipped_list_has_everyday_words(classes: tuple[tuple[str, ...], ...]) -> None:
    assert len(classes) == CLASSES
    assert classes[0] == ()
    words = {word for of_class in classes for word in of_class}
    assert not words & ABSTRACT
    assert {"animal", "beach", "bird", "boat", "car", "chair", "computer", "food", "fruit", "phone", "tool"} <= words
    assert all(len(word.split()) <= 2 for word in words)


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("golden retriever", {"golden retriever", "retriever", "dog", "animal"}),
        ("bagel", {"bagel", "bread", "food"}),
        ("laptop", {"laptop", "computer"}),
        ("minivan", {"van", "car", "vehicle"}),
        ("seashore", {"beach", "sea"}),
        ("rocking chair", {"chair", "furniture"}),
        ("tench", {"fish"}),
        ("toilet tissue", {"toilet paper"}),
    ],
)
def test_its_lines_stand_in_the_order_of_the_labels(
    shared: Path, classes: tuple[tuple[str, ...], ...], label: str, words: set[str]
) -> None:
    labels = (shared / "data/teacher/imagenet_labels.txt").read_text(encoding="utf-8").splitlines()
    number = [line.split(",")[0] for line in labels].index(label)
    assert words <= set(classes[number])


@pytest.mark.parametrize(
    ("photo", "words"),
    [
        ("000000281789.jpg", {"zebra", "animal"}),
        ("000000252639.jpg", {"bus", "vehicle"}),
        ("000000538113.jpg", {"baseball", "sport"}),
        ("000000418049.jpg", {"dog", "pet", "animal"}),
    ],
)
def test_a_classifier_tells_what_a_photo_shows(
    shared: Path, classes: tuple[tuple[str, ...], ...], photo: str, words: set[str]
) -> None:
    from ai_edge_litert.interpreter import Interpreter

    with Image.open(shared / "photos/coco" / photo) as image:
        pixels = squash(image.convert("RGB"), 224)
    teacher = Interpreter(str(shared / "data/teacher/tf2_mobilenet_v2_1.0_224_ptq.tflite"), num_threads=1)
    teacher.allocate_tensors()
    teacher.set_tensor(teacher.get_input_details()[0]["index"], pixels[None])
    teacher.invoke()
    output = teacher.get_output_details()[0]
    scale, _ = output["quantization"]
    found = word_probabilities(teacher.get_tensor(output["index"])[0] * np.float32(scale), classes)
    assert words <= {word for word, probability in found.items() if probability >= 0.4}


def test_a_word_has_the_sum_of_its_classes() -> None:
    classes = ((), ("golden retriever", "dog"), ("poodle", "dog"), ("cat",), ())
    found = word_probabilities(np.array([0.1, 0.25, 0.5, 0.125, 0.025], np.float32), classes)
    assert found == {"golden retriever": 0.25, "dog": 0.75, "poodle": 0.5, "cat": 0.125}
    assert word_probabilities(np.array([0, 0.7, 0.7, 0, 0], np.float32), classes)["dog"] == 1


@pytest.mark.parametrize("shape", [(4,), (1, 5), (6,)])
def test_probabilities_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected probabilities of shape"):
        word_probabilities(np.zeros(shape, np.float32), ((), ("a",), ("b",), (), ()))


def test_a_class_may_have_no_words(tmp_path: Path) -> None:
    found = read_classes(written(tmp_path, ["", "", "bagel, bread"] + [""] * (CLASSES - 3)))
    assert found[1:4] == ((), ("bagel", "bread"), ())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("dog,animal", "line 3: expected lower-case words"),
        ("dog, ", "line 3: expected lower-case words"),
        ("Dog, animal", "'Dog'"),
        ("n02099601, dog", "'n02099601'"),
        ("dog, animal, dog", "line 3: a word stands there twice"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = written(tmp_path, ["", "bagel", line] + [""] * (CLASSES - 3))
    with pytest.raises(BundleError, match=said) as raised:
        read_classes(path)
    assert str(path) in str(raised.value)


def test_a_list_of_another_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="has 1000 lines; expected 1001"):
        read_classes(written(tmp_path, [""] * 1000))


def test_the_background_has_no_words(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="line 1: expected an empty line for the background, got 'background'"):
        read_classes(written(tmp_path, ["background"] + [""] * 1000))


def test_a_file_that_is_no_text_or_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="can't be read"):
        read_classes(tmp_path / "classes.txt")
    (tmp_path / "classes.txt").write_bytes(b"\xff\xfe\x00" * 400)
    with pytest.raises(BundleError, match="can't be read"):
        read_classes(tmp_path / "classes.txt")


def test_a_list_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_image_types(tmp_path / "kinds.txt", IMAGE_TYPES)
    assert read_image_types(tmp_path / "kinds.txt") == IMAGE_TYPES


@pytest.mark.parametrize("text", ["", "dog\t\t\n", "photo\t\t\nblank\n", "photo\tA photo.\t\n", "photo\t\t\n\tx\ty\n"])
def test_another_list_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "kinds.txt").write_text(text)
    with pytest.raises(BundleError, match=r"kinds\.txt, line \d"):
        read_image_types(tmp_path / "kinds.txt")


def test_a_list_that_is_missing_is_an_error_of_the_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="can't be read"):
        read_image_types(tmp_path / "kinds.txt")
