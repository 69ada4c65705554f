"""What a bundle says of photos, kept for the next run where nothing has changed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captioner import DEFAULT_BUNDLE, Caption, Tag
from captioner.inference.litert import LiteRTCaptioner
from captioner.inference.manifest import Manifest
from captioner.training.captioned_photos import CaptionedPhotos, caption_photos, caption_pictures


class Echo:
    """A captioner that counts: it says how many photos it has seen."""

    def __init__(self, embedding: tuple[float, ...] | None, words: tuple[Tag, ...] = (), sure: bool = True) -> None:
        self.manifest, self.words, self.sure = Manifest.read(DEFAULT_BUNDLE), words, sure
        self.input_px, self.seen, self.embedding = 8, 0, embedding

    def caption(self, pixels: np.ndarray) -> Caption:
        self.seen += 1
        return Caption(f"Photo {self.seen}.", 0.25, (Tag("dog", 0.5),), self.embedding, "echo-1", self.words, self.sure)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name, colour in (("b.png", "red"), ("a.png", "blue"), ("unnamed.png", "green")):
        Image.new("RGB", (9, 7), colour).save(tmp_path / name)
    lines = [json.dumps({"image": name, "captions": [f"A {name} .", "a dog"]}) for name in ("a.png", "b.png")]
    (tmp_path / "captions.jsonl").write_text("\n".join(lines))
    return tmp_path


@pytest.mark.parametrize("embedding", [None, (0.6, 0.8)])
def test_photos_are_captioned_once(photos: Path, embedding: tuple[float, ...] | None) -> None:
    captioner, cache = Echo(embedding), photos / "kept"
    first = caption_photos(captioner, photos, photos / "captions.jsonl", cache=cache)  # type: ignore[arg-type]
    again = caption_photos(captioner, photos, photos / "captions.jsonl", cache=cache)  # type: ignore[arg-type]
    assert captioner.seen == 2
    assert again.names == first.names == ("a.png", "b.png")
    assert again.captions[1].text == "Photo 2."
    assert again.captions[1].tags == (Tag("dog", 0.5),)
    assert again.captions[0].embedding == (None if embedding is None else pytest.approx(embedding))
    assert again.queries == (["A a.png .", "a dog", "A b.png .", "a dog"], [0, 0, 1, 1])


def test_the_words_of_a_caption_and_whether_it_is_sure_are_kept(photos: Path) -> None:
    captioner, cache = Echo(None, words=(Tag("dog", 0.75),), sure=False), photos / "kept"
    first = caption_photos(captioner, photos, photos / "captions.jsonl", cache=cache)  # type: ignore[arg-type]
    again = caption_photos(captioner, photos, photos / "captions.jsonl", cache=cache)  # type: ignore[arg-type]
    assert captioner.seen == 2
    assert again.captions == first.captions
    assert again.captions[0].words == (Tag("dog", 0.75),)


def test_pictures_need_no_captions(photos: Path) -> None:
    captioner, cache = Echo(None), photos / "kept"
    first = caption_pictures(captioner, photos, cache=cache)  # type: ignore[arg-type]
    assert list(first) == ["a.png", "b.png", "unnamed.png"]
    assert first["unnamed.png"].text == "Photo 3."
    assert caption_pictures(captioner, photos, cache=cache) == first  # type: ignore[arg-type]
    assert captioner.seen == 3
    assert list(caption_pictures(captioner, photos, limit=1)) == ["a.png"]  # type: ignore[arg-type]
    (photos / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no picture"):
        caption_pictures(captioner, photos / "empty")  # type: ignore[arg-type]


def test_photos_are_chosen_by_their_caption() -> None:
    def caption(text: str, sure: bool) -> Caption:
        return Caption(text, 0.5, (), None, "m-1", sure=sure)

    dog, nothing, cat = caption("A dog.", True), caption("", False), caption("A cat.", False)
    run = CaptionedPhotos(("a", "b", "c"), (dog, nothing, cat), (("a dog",), ("a wall",), ("a cat", "a kitten")))
    assert run.with_text == CaptionedPhotos(("a", "c"), (dog, cat), (("a dog",), ("a cat", "a kitten")))
    assert run.with_text.sure.names == ("a",)


def test_another_bundle_other_photos_or_no_cache_at_all_are_captioned_anew(photos: Path) -> None:
    captioner, cache = Echo(None), photos / "kept"

    def seen() -> int:
        caption_photos(captioner, photos, photos / "captions.jsonl", cache=cache)  # type: ignore[arg-type]
        return captioner.seen

    assert seen() == 2
    captioner.manifest = dataclasses.replace(captioner.manifest, scores={"more": 1})
    assert seen() == 2, "scores change nothing of what is said"
    captioner.manifest = dataclasses.replace(captioner.manifest, version=9)
    assert seen() == 4
    Image.new("RGB", (9, 7), "pink").save(photos / "a.png")
    assert seen() == 6
    cache.write_bytes(b"something else")
    assert seen() == 8
    assert seen() == 8


def test_the_real_captioner_is_taken(photos: Path) -> None:
    run = caption_photos(LiteRTCaptioner(DEFAULT_BUNDLE), photos, photos / "captions.jsonl", limit=1)
    assert len(run.captions) == 1
    assert run.agreed.shape == run.confidence.shape == (1,)
