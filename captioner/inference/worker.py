"""The captioner's child process: `python -m captioner.inference.worker --bundle DIR --threads N --beam B`.

Opens the bundle once and captions until stdin closes. Requests come one at a time from `captioner.inference.process`.
A caption is a reply's header and payload: words as JSON, the embedding as little-endian float32.
"""

from __future__ import annotations

import argparse
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner import Caption, CaptionError, Tag
from captioner.ipc.framing import Json
from captioner.ipc.serve import Handler, Service, serve

if TYPE_CHECKING:
    from captioner.inference.litert import LiteRTCaptioner


def main() -> None:
    """Serves the bundle that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--beam", type=int, default=3)
    args = parser.parse_args()
    serve(lambda: open_service(args.bundle, args.threads, args.beam), about_request=(CaptionError,))


def open_service(bundle: Path, threads: int, beam: int) -> Service:
    """The model behind a request handler. Raises `BundleError`."""
    from captioner.inference.litert import LiteRTCaptioner

    captioner = LiteRTCaptioner(bundle, threads=threads, beam=beam)
    return Service(make_handler(captioner), {"input_px": captioner.input_px, "model": captioner.model})


def make_handler(captioner: LiteRTCaptioner) -> Handler:
    """Pixels in the payload, a caption in the reply; a ping has neither."""
    import numpy as np

    shape = (captioner.input_px, captioner.input_px, 3)

    def caption(header: Mapping[str, Any], payload: bytes) -> tuple[Mapping[str, Json], bytes]:
        if header.get("ping"):
            return {}, b""
        try:
            pixels = np.frombuffer(payload, np.uint8).reshape(shape)
        except ValueError as error:
            raise CaptionError(f"expected {shape} pixels, got {len(payload)} bytes") from error
        return pack_caption(captioner.caption(pixels))

    return caption


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


if __name__ == "__main__":
    main()
