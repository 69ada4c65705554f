"""A captioner's child without a model, run by path: the first pixel says what happens."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from captioner import BundleError, Caption, CaptionError, Tag
from captioner.inference.worker import pack_caption
from captioner.ipc.serve import Service, serve

CRASHES, CRASHES_ONCE, HANGS, REFUSED, NOT_FINITE, NO_EMBEDDING, NO_CAPTION = range(200, 207)


def caption(header: Mapping[str, Any], payload: bytes) -> tuple[Mapping[str, Any], bytes]:
    deed = payload[0]
    flag = Path(sys.argv[1]) / "flag"
    if deed == CRASHES or (deed == CRASHES_ONCE and not flag.exists()):
        flag.touch()
        os.abort()
    if deed == HANGS:
        time.sleep(3600)
    if deed == REFUSED:
        raise CaptionError("nothing can be said of this")
    if deed == NO_CAPTION:
        return {"text": "half an answer"}, b""
    confidence = float("nan") if deed == NOT_FINITE else 0.5
    embedding = None if deed == NO_EMBEDDING else (0.6, 0.8)
    said = Caption(f"A photo of {deed}.", confidence, (Tag("photo", 0.75),), embedding, "scripted-1")
    return pack_caption(said)


def open_service() -> Service:
    if (Path(sys.argv[1]) / "damaged").exists():
        raise BundleError("manifest.json: expected sha-256 abc, got def")
    return Service(caption, {"input_px": 4, "model": "scripted-1"})


if __name__ == "__main__":
    serve(open_service, about_request=(CaptionError,))
