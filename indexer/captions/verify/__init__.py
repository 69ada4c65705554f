"""Independent proof that an edited photo is the old one and our caption, and nothing else: what all formats share.

Nothing here shares a line with what made the edit: files are split, IFDs compared and packets cut in another way, so
that one mistake can't hide in both.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Callable, Iterable, Sequence

from PIL import Image, UnidentifiedImageError

from indexer.errors import CaptionRefused
from indexer.reasons import ReasonCode

#: First byte and one past the last.
Span = tuple[int, int]
#: Gives a file without our caption, in pieces.
Undo = Callable[[bytes], Sequence[bytes | memoryview]]


class VerifyError(CaptionRefused):
    """An edited file is not what it should be; the old one must stay. `finding` says what is wrong, in English."""

    def __init__(self, finding: str) -> None:
        super().__init__(ReasonCode.NOT_PROVED, finding=finding)


def require(condition: bool, what: str) -> None:
    """Raises `VerifyError` unless the condition holds."""
    if not condition:
        raise VerifyError(f"verification: {what}")


def check_undo(old: bytes, new: bytes, undo: Undo) -> None:
    """Raises `VerifyError` unless taking our caption out of `new` gives `old`. Nothing is put together or copied: a
    picture may be large."""
    at = 0
    for piece in undo(new):
        require(old.startswith(piece, at), "taking the caption out again does not give the old file")
        at += len(piece)
    require(at == len(old), "taking the caption out again does not give the old file")


def same_but(old: bytes, new: bytes, length: int, spans: Iterable[Span]) -> bool:
    """Whether both begin with the same `length` bytes, those in the spans aside."""
    view, at = memoryview(old)[:length], 0
    for start, end in [*sorted(spans), (length, length)]:
        # startswith compares in place: a large file is not copied.
        if at < min(start, length) and not new.startswith(view[at:start], at):
            return False
        at = max(at, end)
    return len(view) == length <= len(new)


def check_opens_alike(old: bytes, new: bytes) -> None:
    """Raises `VerifyError` unless Pillow opens both, at the same size and mode and with as many pages."""
    before, after = _inspect(old), _inspect(new)
    require(before[:3] == after[:3], "the picture no longer opens at the same size and mode")
    require(before[3] == after[3], "the number of pages has changed")


def _inspect(data: bytes) -> tuple[str | None, tuple[int, int], str, int | None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                return image.format, image.size, image.mode, _pages(image)
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        OSError,
        ValueError,
        SyntaxError,
        struct.error,
    ) as error:
        raise VerifyError("the picture can't be opened") from error


def _pages(image: Image.Image) -> int | None:
    """As Pillow counts them; None where it can't."""
    try:
        return int(getattr(image, "n_frames", 1))
    except (OSError, ValueError, SyntaxError, struct.error, KeyError, TypeError):
        return None
