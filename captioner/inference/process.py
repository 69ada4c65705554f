"""The service's side of the captioner: pixels go to a child process, captions come back.

The model runs in `captioner.inference.worker`, so that its memory and its crashes are not the service's.

One image at a time: batches were measured on the atto model at 160 px, processor time per image, batches of
four against one: the encoder 10.6 against 10.7 ms, a decoder step 1.4 against 1.9 ms. As the four would go on until the
longest sentence ends, some 5% of a caption would be saved, and only while four images wait. It is not worth a second
set of static signatures and their packed weights in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from captioner import DEFAULT_BUNDLE, Caption, CaptionerGone, CaptionError, CaptionerUnavailable
from captioner.inference.manifest import Manifest
from captioner.inference.model_process import ModelProcess, ProcessErrors
from captioner.inference.worker import unpack_caption
from captioner.ipc.supervisor import python_module


def read_model_name(bundle: Path = DEFAULT_BUNDLE) -> tuple[str, int]:
    """The model's name and version, and `input_px`, from the manifest alone. Raises `BundleError`."""
    manifest = Manifest.read(bundle)
    return manifest.model, manifest.preprocessing.input_px


class CaptionerProcess(ModelProcess):
    """The shipped `Captioner`, as an async context manager: one child process, its model loaded once.

    Args:
        bundle: the model's directory.
        threads: of the model's arithmetic.
        beam: width of the beam search; 1 is greedy.
        timeout_s: one caption may take this long.
        nice: added to the child's niceness.
        idle_s: without work for so long the model is unloaded, and loaded again for the next caption; None: never.
        argv: another worker, for tests.
    """

    def __init__(
        self,
        bundle: Path = DEFAULT_BUNDLE,
        *,
        threads: int = 1,
        beam: int = 3,
        timeout_s: float = 60.0,
        nice: int = 10,
        idle_s: float | None = None,
        argv: Sequence[str] | None = None,
    ) -> None:
        options = ("--bundle", str(bundle), "--threads", str(threads), "--beam", str(beam))
        super().__init__(
            argv or python_module("captioner.inference.worker", *options),
            name="the captioner",
            errors=ProcessErrors(refused=CaptionError, gone=CaptionerGone, unavailable=CaptionerUnavailable),
            timeout_s=timeout_s,
            nice=nice,
            idle_s=idle_s,
        )

    @property
    def input_px(self) -> int:
        """Width and height of the model's input. Known once the child has started."""
        return int(self._child.hello["input_px"])

    async def caption(self, pixels: bytes) -> Caption:
        """The caption of RGB uint8 pixels of shape (input_px, input_px, 3) in C order.

        Raises:
            CaptionerGone: the child died or hung over these pixels twice.
            CaptionerUnavailable: no child could be started.
            BundleError: the child died, and the bundle can no longer be opened.
            CaptionError: the model can't caption these pixels.
        """
        reply = await self._ask(pixels)
        return unpack_caption(reply.header, reply.payload)
