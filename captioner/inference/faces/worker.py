"""The face finder's child process: `python -m captioner.inference.faces.worker --bundle DIR --threads N`.

Opens the bundle once and looks for faces until stdin closes. A request's payload is an encoded picture; the reply's
header holds a row of numbers for each face, its payload the vectors of all of them, one after the other.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner import FACE_VECTOR_LENGTH, Face, FaceError
from captioner.ipc.framing import Json
from captioner.ipc.serve import Handler, Service, serve

if TYPE_CHECKING:
    from captioner.inference.faces.finder import LiteRTFaceFinder

_VECTOR_BYTES = 2 * FACE_VECTOR_LENGTH


def main() -> None:
    """Serves the bundle that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    serve(lambda: open_service(args.bundle, args.threads), about_request=(FaceError,))


def open_service(bundle: Path, threads: int) -> Service:
    """The models behind a request handler. Raises `BundleError`."""
    from captioner.inference.faces.finder import LiteRTFaceFinder

    finder = LiteRTFaceFinder(bundle, threads=threads)
    return Service(make_handler(finder), {"model": finder.model})


def make_handler(finder: LiteRTFaceFinder) -> Handler:
    """A picture in the payload, its faces in the reply; a ping has neither."""

    def find(header: Mapping[str, Any], payload: bytes) -> tuple[Mapping[str, Json], bytes]:
        return ({}, b"") if header.get("ping") else pack_faces(finder.find_faces(payload))

    return find


def pack_faces(faces: Sequence[Face]) -> tuple[dict[str, Json], bytes]:
    """Header and payload. Raises `FaceError` where a number is not finite."""
    rows = [[face.left, face.top, face.width, face.height, face.score, face.size_px] for face in faces]
    if not all(math.isfinite(number) for row in rows for number in row):
        raise FaceError("the models' answer holds a number that is not finite")
    return {"faces": rows}, b"".join(face.vector for face in faces)


def unpack_faces(header: Mapping[str, Any], payload: bytes) -> tuple[Face, ...]:
    """The faces again. Raises `FaceError` where something is missing or too much."""
    try:
        rows = [[float(number) for number in row] for row in header["faces"]]
        if len(payload) != len(rows) * _VECTOR_BYTES:
            raise ValueError(f"{len(payload)} bytes of vectors for {len(rows)} faces")
        vectors = (payload[start : start + _VECTOR_BYTES] for start in range(0, len(payload), _VECTOR_BYTES))
        return tuple(
            Face(left, top, width, height, score, size_px, vector)
            for (left, top, width, height, score, size_px), vector in zip(rows, vectors, strict=True)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FaceError(f"the face finder's answer holds no faces: {error!r}") from error


if __name__ == "__main__":
    main()
