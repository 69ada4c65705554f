"""The service's side of a child process that runs a model: started once, restarted when it dies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from captioner import BundleError
from captioner.ipc.child_run import Reply
from captioner.ipc.supervisor import ChildError, ChildGone, ChildNotStarted, ChildProcess

#: numpy's BLAS would start a thread per core, each with its own memory; the arrays here are far too small for it.
_ONE_BLAS_THREAD = {"OPENBLAS_NUM_THREADS": "1"}

#: A child that does nothing else answers a ping in a millisecond; one that is swapped out may take seconds.
PING_S = 10.0


@dataclass(frozen=True, slots=True)
class ProcessErrors:
    """What is raised where a request fails."""

    refused: type[Exception]  # the model can't be run on this picture
    gone: type[Exception]  # the child died, hung or was stopped over it
    unavailable: type[Exception]  # no child could be had: says nothing of the picture


class ModelProcess:
    """One child process with its model loaded, as an async context manager.

    Args:
        argv: the command that runs the child.
        name: what logs and messages call it, e.g. "the captioner".
        errors: raised where a request fails.
        timeout_s: one request may take this long.
        nice: added to the child's niceness.
        idle_s: without work for so long the model is unloaded, and loaded again for the next request; None: never.
        environment: variables added to the child's.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        name: str,
        errors: ProcessErrors,
        timeout_s: float,
        nice: int,
        idle_s: float | None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._errors = errors
        self._child = ChildProcess(
            argv,
            name=name,
            timeout_s=timeout_s,
            nice=nice,
            idle_s=idle_s,
            environment={**_ONE_BLAS_THREAD, **(environment or {})},
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
        """Stops the child; a request in hand has 5 s to finish. Closing twice is fine."""
        await self._child.close()

    async def unload(self) -> None:
        """Ends the child where it has nothing to do; the next request starts another one."""
        await self._child.unload()

    @property
    def model(self) -> str:
        """The model's name and version, e.g. "recollect-atto-2". Known once the child has started."""
        return str(self._child.hello["model"])

    @property
    def pid(self) -> int | None:
        """The child's process id; None while none runs."""
        return self._child.pid

    async def ping(self) -> None:
        """Returns once the child has answered, behind what it has in hand; at once where none runs, which is no hang.
        A child that does not begin to answer in `PING_S` is killed, and the next one answers.

        Raises the error for a child that is gone.
        """
        if self._child.pid is None:
            return
        try:
            await self._child.request({"ping": True}, timeout_s=PING_S, is_work=False)
        except (ChildError, ChildGone) as error:
            raise self._errors.gone(str(error)) from error

    async def _ask(self, payload: bytes) -> Reply:
        """The child's reply. Raises the errors of this process, and `BundleError` where a bundle can't be opened."""
        try:
            return await self._ask_twice(payload)
        except ChildError as error:
            raise self._errors.refused(error.message) from error
        except ChildNotStarted as error:
            raise (BundleError if error.kind == "BundleError" else self._errors.unavailable)(str(error)) from error
        except ChildGone as error:
            raise (self._errors.gone if error.guilty else self._errors.unavailable)(str(error)) from error

    async def _ask_twice(self, payload: bytes) -> Reply:
        """One retry: the picture before may have damaged the child's memory."""
        try:
            return await self._child.request({}, payload)
        except ChildGone as error:
            if not error.guilty:
                raise
        return await self._child.request({}, payload)
