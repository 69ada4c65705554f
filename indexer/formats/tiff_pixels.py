"""Whether a TIFF's image data is all there: where it is not, readers go on into whatever is appended to the file.

libtiff guesses the length of a strip by the size of the file where none is told; for pictures that are not compressed
many readers go by height and width alone.
"""

from __future__ import annotations

from indexer.formats.tiff import Directory, Entry, TiffError, numbers

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 0x0100, 0x0101, 0x0102, 0x0103, 0x0106
_STRIPS, _SAMPLES, _ROWS, _STRIP_BYTES, _PLANAR = 0x0111, 0x0115, 0x0116, 0x0117, 0x011C
_TILE_WIDTH, _TILES, _TILE_BYTES = 0x0142, 0x0144, 0x0145
_YCBCR = 6  # may have fewer samples of colour than of light
_SEPARATE = 2


def check_pixels(block: bytes, order: str, directory: Directory) -> None:
    """Raises `TiffError` where a reader would find image data behind the end of the block, were there any."""
    entries = {entry.tag: entry for entry in directory.entries}
    for offsets, sizes in ((_STRIPS, _STRIP_BYTES), (_TILES, _TILE_BYTES)):
        if offsets in entries and not _have_lengths(block, order, entries[offsets], entries.get(sizes)):
            raise TiffError("the Exif block does not say how long its image data is")
    if _STRIPS in entries and _TILE_WIDTH not in entries:  # some keep tiles where strips belong
        _check_strips(block, order, entries)


def _have_lengths(block: bytes, order: str, offsets: Entry, sizes: Entry | None) -> bool:
    """Whether every piece has a length; pieces that a sparse file leaves out have neither place nor length."""
    if sizes is None or sizes.count < offsets.count:
        return False
    pairs = zip(numbers(block, order, offsets), numbers(block, order, sizes), strict=False)
    return all(size or not offset for offset, size in pairs)


def _check_strips(block: bytes, order: str, entries: dict[int, Entry]) -> None:
    def value(tag: int, default: int) -> int:
        entry = entries.get(tag)
        return next(numbers(block, order, entry), default) if entry and entry.kind in (3, 4) else default

    width, height = value(_WIDTH, 0), value(_HEIGHT, 0)
    if value(_COMPRESSION, 1) != 1 or value(_PHOTOMETRIC, 0) == _YCBCR or not width or not height:
        return
    samples = 1 if value(_PLANAR, 1) == _SEPARATE else value(_SAMPLES, 1)
    row_bytes = (width * value(_BITS, 1) * samples + 7) // 8
    rows = min(value(_ROWS, height), height) or height
    strips = -(-height // rows)
    for number, offset in enumerate(numbers(block, order, entries[_STRIPS])):
        its_rows = min(rows, height - number % strips * rows)
        if offset and offset + its_rows * row_bytes > len(block):
            raise TiffError("the image data of the Exif block is cut short")
