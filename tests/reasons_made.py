"""Reasons as tests make them up."""

from __future__ import annotations

from indexer.reasons import Reason, ReasonCode


def reason_saying(sentence: str) -> Reason:
    """A reason that is nothing but these words."""
    return Reason.of(ReasonCode.OTHER, sentence=sentence)
