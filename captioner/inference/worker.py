"""The captioner's child process: `python -m captioner.inference.worker --bundle DIR --threads N --beam B`.

Opens the bundle once and captions until stdin closes. Requests come one at a time from `captioner.inference.process`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner import CaptionError
from captioner.inference.caption_message import pack_caption
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
    """Pixels in the payload, a caption in the reply."""
    import numpy as np

    shape = (captioner.input_px, captioner.input_px, 3)

    def caption(header: Mapping[str, Any], payload: bytes) -> tuple[Mapping[str, Json], bytes]:
        try:
            pixels = np.frombuffer(payload, np.uint8).reshape(shape)
        except ValueError as error:
            raise CaptionError(f"expected {shape} pixels, got {len(payload)} bytes") from error
        return pack_caption(captioner.caption(pixels))

    return caption


if __name__ == "__main__":
    main()
