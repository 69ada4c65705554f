"""The service's side of the face finder: an encoded picture goes to a child process, faces come back.

A child of its own beside the captioner's: it is started when people are to be found, and stopped when that is done, so
that a library without faces pays nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from captioner import DEFAULT_FACE_BUNDLE, Face, FaceError, FaceFinderGone, FaceFinderUnavailable, FaceModel
from captioner.inference.faces.manifest import FaceManifest
from captioner.inference.faces.worker import unpack_faces
from captioner.inference.model_process import ModelProcess, ProcessErrors
from captioner.ipc.supervisor import python_module

#: What glibc's allocator gives back to the system at once: 12 MB of 80, for 8% more time.
_GIVE_MEMORY_BACK = {"MALLOC_MMAP_THRESHOLD_": "1000000", "MALLOC_TRIM_THRESHOLD_": "1000000"}


def read_face_model(bundle: Path = DEFAULT_FACE_BUNDLE) -> FaceModel:
    """The name of a face bundle and how its vectors compare, from its manifest alone. Raises `BundleError`."""
    manifest = FaceManifest.read(bundle)
    grouping = manifest.grouping
    return FaceModel(manifest.model, grouping.same_distance, grouping.least_seed_px, grouping.least_px)


class FaceProcess(ModelProcess):
    """The shipped `FaceFinder`, as an async context manager: one child process, its models loaded once.

    Args:
        bundle: the models' directory.
        threads: of the models' arithmetic.
        timeout_s: one picture may take this long.
        nice: added to the child's niceness.
        idle_s: without work for so long the models are unloaded, and loaded again for the next picture; None: never.
        argv: another worker, for tests.
    """

    def __init__(
        self,
        bundle: Path = DEFAULT_FACE_BUNDLE,
        *,
        threads: int = 1,
        timeout_s: float = 60.0,
        nice: int = 10,
        idle_s: float | None = None,
        argv: Sequence[str] | None = None,
    ) -> None:
        options = ("--bundle", str(bundle), "--threads", str(threads))
        super().__init__(
            argv or python_module("captioner.inference.faces.worker", *options),
            name="the face finder",
            errors=ProcessErrors(refused=FaceError, gone=FaceFinderGone, unavailable=FaceFinderUnavailable),
            timeout_s=timeout_s,
            nice=nice,
            idle_s=idle_s,
            environment=_GIVE_MEMORY_BACK,
        )

    async def find_faces(self, picture: bytes) -> tuple[Face, ...]:
        """The faces of an encoded JPEG or WebP picture that is upright, by falling score.

        Raises:
            FaceFinderGone: the child died or hung over this picture twice.
            FaceFinderUnavailable: no child could be started.
            BundleError: the child died, and the bundle can no longer be opened.
            FaceError: no faces can be looked for in this picture.
        """
        reply = await self._ask(picture)
        return unpack_faces(reply.header, reply.payload)
