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
from captioner.training.captioned_photos import (
    CaptionedPhotos,
    caption_photos,
    caption_pictures,
    confidence_scores,
    evidence_scores,
    hallucinates,
    hallucination_scores,
    sentence_scores,
)


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


def caption(text: str, confidence: float, sure: bool = True, **words: float) -> Caption:
    tags = tuple(Tag(word, probability) for word, probability in words.items())
    return Caption(text, confidence, (), None, "made-1", tags, sure)


def captioned_photos(*rows: tuple[Caption, list[str]]) -> CaptionedPhotos:
    names = tuple(f"{place}.jpg" for place in range(len(rows)))
    return CaptionedPhotos(names, tuple(said for said, _ in rows), tuple(tuple(texts) for _, texts in rows))


#: Used are 2 of 2, 2 of 3, 1 of 2, and 0 of 2 content words.
RUN = captioned_photos(
    (caption("A brown dog.", 0.8, brown=0.9, dog=0.9), ["a dog", "something brown"]),
    (caption("A dog and a dog on a sofa.", 0.9, dog=0.8, sofa=0.8), ["a dog outside"]),
    (caption("A red boat.", 0.4, sure=False, red=0.6, boat=0.4), ["a boat", "the lake"]),
    (caption("", 0.1, sure=False), ["a page of text"]),
    (caption("A man with a kite.", 0.2, sure=False, man=0.1, kite=0.3), ["mountains"]),
)


def test_confidence_is_compared_with_agreement_where_there_is_a_sentence() -> None:
    found = confidence_scores(RUN)
    assert found["confidence"] == [
        {"confidence": 0.2, "agreed": 0.0, "photos": 1},
        {"confidence": 0.4, "agreed": 0.5, "photos": 1},
        {"confidence": 0.8, "agreed": 1.0, "photos": 1},
        {"confidence": 0.9, "agreed": pytest.approx(2 / 3, abs=1e-3), "photos": 1},
    ]
    assert found["calibration error"] == pytest.approx((0.2 + 0.1 + 0.2 + 0.9 - 0.667) / 4, abs=1e-4)
    # One sentence is right: it is surer than two of the three others. Two sentences have two thirds, and are surer.
    assert found["confidence AUC"] == {"right": pytest.approx(2 / 3, abs=1e-4), "two thirds agreed": 1.0}


def test_sentences_are_counted_over_all_and_over_the_sure() -> None:
    assert sentence_scores(RUN) == {
        "sentences": 4,
        "empty": 1,
        "with a word twice": 1,
        "right": 0.25,
        "words nobody used": pytest.approx(4 / 9, abs=1e-4),
        "sure": {"share": 0.5, "right": 0.5, "words nobody used": 0.2},
    }


def test_a_sentence_without_content_words_is_not_right() -> None:
    found = sentence_scores(captioned_photos((caption("This is it.", 0.5), ["this is it"])))
    assert (found["right"], found["words nobody used"]) == (0, None)


def test_the_words_may_be_of_different_people_but_of_this_photo() -> None:
    found = sentence_scores(captioned_photos((caption("A dog.", 0.5), ["a cat"]), (caption("A cat.", 0.5), ["a dog"])))
    assert (found["right"], found["words nobody used"]) == (0, 1)


def test_shares_of_nothing_are_none() -> None:
    found = sentence_scores(captioned_photos((caption("", 0.1), ["a wall"])))
    nothing = {"right": None, "words nobody used": None}
    assert found == {"sentences": 0, "empty": 1, "with a word twice": 0, **nothing, "sure": {"share": None, **nothing}}
    assert confidence_scores(captioned_photos((caption("", 0.1), ["a wall"])))["confidence AUC"]["right"] is None


def test_the_evidence_for_words_is_compared_with_their_use() -> None:
    found = evidence_scores(RUN)
    # Used: 0.9, 0.9, 0.8 and boat 0.4. Unused: sofa 0.8, red 0.6, man 0.1, kite 0.3.
    # Of the 16 pairs 0.9 and 0.9 win four each, 0.8 wins three and ties one, and 0.4 wins two.
    # Each word is a group: errors 0.1, 0.1, 0.2 and 0.6 of the used, and what the others' probabilities are.
    errors = 0.1 + 0.1 + 0.2 + 0.6 + 0.8 + 0.6 + 0.1 + 0.3
    assert found == {
        "words": 8,
        "used": 0.5,
        "AUC": pytest.approx(13.5 / 16, abs=1e-4),
        "calibration error": pytest.approx(errors / 8, abs=1e-4),
    }


def test_a_bundle_without_evidence_has_no_scores_of_it() -> None:
    assert evidence_scores(captioned_photos((caption("A dog.", 0.5), ["a dog"]))) is None


@pytest.mark.parametrize(
    ("text", "invented"),
    [
        ("", False),
        ("A page of text.", False),
        ("A close up of a black-and-white picture.", False),
        ("A blurred photo of something dark.", False),
        ("A screenshot of a chart with blue bars.", False),
        ("A dog.", True),
        ("A white wall.", True),
        ("A black-and-dog picture.", True),
        ("A man is standing in front of a page of text.", True),
    ],
)
def test_whatever_a_picture_of_nothing_cannot_show_is_invented(text: str, invented: bool) -> None:
    assert hallucinates(text) is invented


def short_caption(text: str, sure: bool) -> Caption:
    return Caption(text, 0.12345, (), None, "made-1", sure=sure)


def test_shares_are_of_the_pictures_and_of_the_invented() -> None:
    found = hallucination_scores({
        "a.png": short_caption("A dog.", True),
        "b.png": short_caption("", False),
        "c.png": short_caption("A page of text.", False),
        "d.png": short_caption("A cat on a page.", False),
        "e.png": short_caption("A boat.", False),
    })  # fmt: skip
    assert found == {
        "pictures": 5,
        "invented": 0.6,
        "unsure of the invented": pytest.approx(2 / 3, abs=1e-4),
        "empty": 0.2,
        "sentences": [
            {"picture": "a.png", "text": "A dog.", "confidence": 0.123, "sure": True},
            {"picture": "d.png", "text": "A cat on a page.", "confidence": 0.123, "sure": False},
            {"picture": "e.png", "text": "A boat.", "confidence": 0.123, "sure": False},
        ],
    }


def test_where_nothing_is_invented_nothing_of_it_is_unsure() -> None:
    found = hallucination_scores({"a.png": short_caption("", False)})
    assert (found["invented"], found["unsure of the invented"], found["empty"]) == (0, None, 1)
