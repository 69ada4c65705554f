"""Reasons: codes with parameters, as they are stored and said."""

from __future__ import annotations

import pytest

from indexer.errors import CaptionRefused, Obstacle
from indexer.reasons import Reason, ReasonCode, from_stored, stored


def example(code: ReasonCode) -> Reason:
    values = {name: Reason(ReasonCode.DISK_FULL) if name == "reason" else f"<{name}>" for name in code.parameters}
    return Reason.of(code, **values)


@pytest.mark.parametrize("code", ReasonCode)
def test_a_stored_reason_is_read_as_it_was(code: ReasonCode) -> None:
    reason = example(code)
    again = Reason.from_json(reason.to_json())
    assert (again, hash(again), str(again)) == (reason, hash(reason), str(reason))
    assert again.to_json() == reason.to_json()
    assert "%(" not in str(reason)


def test_values_and_sentences_of_codes_differ() -> None:
    assert len({code.value for code in ReasonCode}) == len({code.template for code in ReasonCode}) == len(ReasonCode)


def test_parameters_are_those_of_the_code() -> None:
    with pytest.raises(ValueError, match="path"):
        Reason(ReasonCode.PATH_GONE)
    with pytest.raises(ValueError, match="extra"):
        Reason.of(ReasonCode.DISK_FULL, extra=1)


@pytest.mark.parametrize(
    "text",
    ["", "a sentence", "[]", "7", '{"code": "nothing-known"}', '{"code": "path-gone"}', '{"code": ["x"]}', "[" * 9999],
)
def test_what_is_no_reason_is_told_as_it_stands(text: str) -> None:
    assert Reason.from_json(text) == Reason.of(ReasonCode.OTHER, sentence=text)


def test_names_that_are_no_text_can_be_stored() -> None:
    reason = Reason.of(ReasonCode.PATH_GONE, path="a\udcff.jpg")
    assert stored(None) is None
    assert from_stored(None) is None
    assert str(Reason.from_json(reason.to_json())) == "a\\udcff.jpg is no longer there"


def test_several_are_joined_each_once() -> None:
    full, avif = Reason(ReasonCode.DISK_FULL), Reason(ReasonCode.AVIF)
    assert Reason.joined([]) is None
    assert Reason.joined([full, full]) == full
    assert str(Reason.joined([full, avif, full])) == "the disk is full; AVIF files are not changed"


def test_errors_say_their_reason_in_english() -> None:
    refused = CaptionRefused(ReasonCode.LARGER_THAN, limit=512, obstacle=Obstacle.SPACE)
    assert (str(refused), refused.reason.code) == ("the file is larger than 512 MB", ReasonCode.LARGER_THAN)
    assert str(CaptionRefused(refused.reason)) == str(refused)
