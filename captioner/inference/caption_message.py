"""A `Caption` as a reply's header and payload: words as JSON, the embedding as little-endian float32."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Any

from captioner import Caption, CaptionError, Tag
from captioner.ipc.framing import Json

_FLOAT_BYTES = 4


def pack_caption(caption: Caption) -> tuple[dict[str, Json], bytes]:
    """Header and payload. Raises `CaptionError` where a number is not finite."""
    probabilities = [tag.probability for tag in (*caption.tags, *caption.words)]
    numbers = (caption.confidence, *probabilities, *(caption.embedding or ()))
    if not all(map(math.isfinite, numbers)):
        raise CaptionError("the model's answer holds a number that is not finite")
    header: dict[str, Json] = {
        "text": caption.text,
        "confidence": float(caption.confidence),
        "tags": [[tag.word, float(tag.probability)] for tag in caption.tags],
        "words": [[tag.word, float(tag.probability)] for tag in caption.words],
        "sure": caption.sure,
        "model": caption.model,
    }
    return header, struct.pack(f"<{len(caption.embedding or ())}f", *(caption.embedding or ()))


def unpack_caption(header: Mapping[str, Any], payload: bytes) -> Caption:
    """The caption again; an empty payload is no embedding. Raises `CaptionError` where something is missing."""
    try:
        return Caption(
            text=str(header["text"]),
            confidence=float(header["confidence"]),
            tags=tuple(Tag(str(word), float(probability)) for word, probability in header["tags"]),
            embedding=struct.unpack(f"<{len(payload) // _FLOAT_BYTES}f", payload) or None,
            model=str(header["model"]),
            words=tuple(Tag(str(word), float(probability)) for word, probability in header["words"]),
            sure=bool(header["sure"]),
        )
    except (KeyError, TypeError, ValueError, struct.error) as error:
        raise CaptionError(f"the captioner's answer is no caption: {error!r}") from error
