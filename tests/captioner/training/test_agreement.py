"""How far captions agree with people: sentences and probabilities whose scores can be told by hand."""

from __future__ import annotations

import pytest

from captioner import Caption, Tag
from captioner.training.agreement import confidence_scores, evidence_scores, sentence_scores
from captioner.training.captioned_photos import CaptionedPhotos


def caption(text: str, confidence: float, sure: bool = True, **words: float) -> Caption:
    told = tuple(Tag(word, probability) for word, probability in words.items())
    return Caption(text, confidence, (), None, "made-1", told, sure)


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
