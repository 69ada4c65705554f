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
from types import TracebackType
from typing import Self

from captioner import DEFAULT_BUNDLE, BundleError, Caption, CaptionerGone, CaptionError, CaptionerUnavailable
from captioner.inference.manifest import Manifest
from captioner.inference.worker import unpack_caption
from captioner.ipc.child_run import Reply
from captioner.ipc.supervisor import ChildError, ChildGone, ChildNotStarted, ChildProcess, python_module

#: numpy's BLAS would start a thread per core, each with its own memory; the decoder's arrays are far too small for it.
_ONE_BLAS_THREAD = {"OPENBLAS_NUM_THREADS": "1"}

#: A child that does nothing else answers a ping in a millisecond; one that is swapped out may take seconds.
PING_S = 10.0


def read_model_name(bundle: Path = DEFAULT_BUNDLE) -> tuple[str, int]:
    """The model's name and version, and `input_px`, from the manifest alone. Raises `BundleError`."""
    manifest = Manifest.read(bundle)
    return manifest.model, manifest.preprocessing.input_px


class CaptionerProcess:
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
        self._child = ChildProcess(
            argv or python_module("captioner.inference.worker", *options),
            name="the captioner",
            timeout_s=timeout_s,
            nice=nice,
            idle_s=idle_s,
            environment=_ONE_BLAS_THREAD,
        )

    async def __aenter__(self) -> Self:
        """Starts the child and loads the model. Raises `BundleError` where that can't be done."""
        try:
            await self._child.__aenter__()
        except ChildNotStarted as error:
            raise BundleError(str(error)) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stops the child; a caption in hand has 5 s to finish. Closing twice is fine."""
        await self._child.close()

    @property
    def input_px(self) -> int:
        """Width and height of the model's input. Known once the child has started."""
        return int(self._child.hello["input_px"])

    @property
    def model(self) -> str:
        """The model's name and version, e.g. "recollect-atto-2". Known once the child has started."""
        return str(self._child.hello["model"])

    @property
    def pid(self) -> int | None:
        """The child's process id; None while none runs."""
        return self._child.pid

    async def caption(self, pixels: bytes) -> Caption:
        """The caption of RGB uint8 pixels of shape (input_px, input_px, 3) in C order.

        Raises:
            CaptionerGone: the child died or hung over these pixels twice.
            CaptionerUnavailable: no child could be started.
            BundleError: the child died, and the bundle can no longer be opened.
            CaptionError: the model can't caption these pixels.
        """
        try:
            reply = await self._ask(pixels)
        except ChildError as error:
            raise CaptionError(error.message) from error
        except ChildNotStarted as error:
            raise (BundleError if error.kind == "BundleError" else CaptionerUnavailable)(str(error)) from error
        except ChildGone as error:
            raise (CaptionerGone if error.guilty else CaptionerUnavailable)(str(error)) from error
        return unpack_caption(reply.header, reply.payload)

    async def ping(self) -> None:
        """Returns once the child has answered, behind what it has in hand; at once where none runs, which is no hang.
        A child that does not begin to answer in `PING_S` is killed, and the next one answers.

        Raises `CaptionerGone`.
        """
        if self._child.pid is None:
            return
        try:
            await self._child.request({"ping": True}, timeout_s=PING_S, is_work=False)
        except (ChildError, ChildGone) as error:
            raise CaptionerGone(str(error)) from error

    async def _ask(self, pixels: bytes) -> Reply:
        """One retry: the photo before may have damaged the child's memory."""
        try:
            return await self._child.request({}, pixels)
        except ChildGone as error:
            if not error.guilty:
                raise
        return await self._child.request({}, pixels)
