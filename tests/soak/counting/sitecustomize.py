"""Loaded by every Python whose PYTHONPATH names this folder: the caption model's process then appends a line to the
file `SOAK_CAPTION_LOG` for each caption that it made: when, and the SHA-256 of the pixels."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from typing import Any


def _count_captions(log: str) -> None:
    from captioner.inference.litert import LiteRTCaptioner

    make = LiteRTCaptioner.caption

    def caption(self: LiteRTCaptioner, pixels: Any) -> Any:
        made = make(self, pixels)
        line = f"{time.time():.3f} {hashlib.sha256(pixels.tobytes()).hexdigest()}\n".encode()
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, line)
        os.close(descriptor)
        return made

    LiteRTCaptioner.caption = caption  # type: ignore[method-assign]


if "captioner.inference.worker" in sys.orig_argv and "SOAK_CAPTION_LOG" in os.environ:
    _count_captions(os.environ["SOAK_CAPTION_LOG"])
