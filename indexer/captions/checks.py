"""Which independent proof goes with which format. See `indexer.captions.verify`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from indexer.captions.verify.containers import (
    check_jpeg_edit,
    check_jpeg_removal,
    check_png_edit,
    check_png_removal,
    check_webp_edit,
    check_webp_removal,
)
from indexer.captions.verify.heif import check_heif_edit, check_heif_removal
from indexer.captions.verify.rules import Undo, VerifyError
from indexer.captions.verify.tiff import check_tiff_edit, check_tiff_removal
from indexer.formats.editable import Format, format_of
from indexer.formats.heif_photo import HeifPhoto
from indexer.formats.jpeg_photo import JpegPhoto
from indexer.formats.png_photo import PngPhoto
from indexer.formats.tiff_photo import TiffPhoto
from indexer.formats.webp_photo import WebpPhoto
from indexer.ownership.mark import OwnCaption


class EditCheck(Protocol):
    """Raises `VerifyError` unless `new` is `old` and the caption."""

    def __call__(self, old: bytes, new: bytes, own: OwnCaption, *, undo: Undo) -> None:
        """`undo` takes our caption out of a file."""


_CHECKS: dict[object, tuple[EditCheck, Callable[[bytes, bytes], None]]] = {
    JpegPhoto: (check_jpeg_edit, check_jpeg_removal),
    PngPhoto: (check_png_edit, check_png_removal),
    WebpPhoto: (check_webp_edit, check_webp_removal),
    HeifPhoto: (check_heif_edit, check_heif_removal),
    TiffPhoto: (check_tiff_edit, check_tiff_removal),
}


def check_edit(old: bytes, new: bytes, own: OwnCaption, *, undo: Undo | None = None) -> None:
    """Proves that `new` is `old` and the caption, whatever the format. Raises `VerifyError`.

    `undo` stands in for taking the caption out of `new`, where that has been done already.
    """
    known = _known_format(old)
    proves, _ = _CHECKS[known.open]
    proves(old, new, own, undo=undo or (lambda data: known.open(data).without_caption()))


def check_removal(old: bytes, new: bytes) -> None:
    """Proves that `new` is `old` without our caption, where the undo could not be exact. Raises `VerifyError`."""
    _, proves = _CHECKS[_known_format(old).open]
    proves(old, new)


def _known_format(data: bytes) -> Format:
    known = format_of(data)
    if known is None:
        raise VerifyError("nothing is known of this format")
    return known
