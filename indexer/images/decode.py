"""Bytes of a photo in, its picture out: upright, in sRGB, already scaled down.

Pillow and pillow-heif are used here and nowhere else in the indexer's reading, and every failure of theirs leaves as
`UnreadablePhoto`. The kind of a file is that of its first bytes, whatever its name.

A JPEG that breaks off is shown as far as it goes where at least half of its rows came through, and `OpenedImage.damage`
says so; with less, and in every other format, a file that breaks off is unreadable.
"""

from __future__ import annotations

import ctypes
import errno
import importlib
import mmap
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageChops, ImageFile, UnidentifiedImageError

from indexer.errors import PhotoTooHeavy, UnreadablePhoto
from indexer.formats import RAW_TYPES
from indexer.formats.exif import read_exif
from indexer.formats.jpeg import is_jpeg
from indexer.formats.png_photo import is_png
from indexer.formats.webp_photo import is_webp
from indexer.images.colour import expand, to_srgb
from indexer.images.raw_preview import RawFile, best_preview, read_raw
from indexer.reasons import ReasonCode

# Pillow's own check would come before ours and is about another limit: `open_image` checks `max_pixels_mp`.
Image.MAX_IMAGE_PIXELS = None

# mime type -> (Pillow's name, the module that has to be imported for them)
_PLUGINS = {
    "image/jpeg": ("JPEG", "PIL.JpegImagePlugin"),  # whose factory opens MPO too
    "image/png": ("PNG", "PIL.PngImagePlugin"),
    "image/webp": ("WEBP", "PIL.WebPImagePlugin"),
    "image/gif": ("GIF", "PIL.GifImagePlugin"),
    "image/bmp": ("BMP", "PIL.BmpImagePlugin"),
    "image/tiff": ("TIFF", "PIL.TiffImagePlugin"),
    "image/avif": ("AVIF", "PIL.AvifImagePlugin"),
    "image/heic": ("HEIF", "pillow_heif"),
}
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})

# Formats whose decoder has already turned the picture upright: libheif applies irot and imir (and HEIF lets EXIF's
# orientation count for nothing, ISO/IEC 23008-12), and Pillow's TIFF reader transposes while it loads. Pillow's AVIF
# reader leaves the pixels as they are and puts irot and imir into the EXIF orientation that it reports.
_UPRIGHT = frozenset({"image/heic", "image/tiff"})

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
#: What libaom, dav1d, libheif, libtiff and the dynamic linker say of it.
_MEMORY_MESSAGES = re.compile(r"memory|alloc|failed to map", re.IGNORECASE)
#: A decoder's own planes and the picture that is made of them.
_BYTES_A_PIXEL = 8


@dataclass(slots=True)
class OpenedImage:
    """An opened photo, not yet decoded. `stored_size` is that of the pixels before any orientation is applied."""

    data: bytes = field(repr=False)  # what `image` was opened from: the file, or a RAW file's preview
    image: Image.Image
    stored_size: tuple[int, int]
    mime_type: str
    upright: bool  # whether the decoder itself applies the orientation
    raw: RawFile | None = None
    damage: str | None = None

    def size(self, orientation: int) -> tuple[int, int]:
        """Width and height in pixels once upright; of a RAW file those of the sensor, where it says them."""
        width, height = (self.raw.size if self.raw and self.raw.size else None) or self.stored_size
        turned = orientation >= 5 and not self.upright
        return (height, width) if turned else (width, height)


def mime_type_of(data: bytes) -> str | None:
    """What the first bytes say; None for what is no photo. RAW files: see `raw_preview`."""
    if is_jpeg(data):
        return "image/jpeg"
    if is_png(data):
        return "image/png"
    if is_webp(data):
        return "image/webp"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "image/tiff"
    if data[4:8] == b"ftyp":
        return _iso_media_type(data)
    return "image/bmp" if data[:2] == b"BM" else None


def _iso_media_type(data: bytes) -> str | None:
    """HEIF or AVIF by its brands (ISO/IEC 14496-12, 4.3)."""
    size = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[at : at + 4] for at in (8, *range(16, size, 4))}
    if brands & _AVIF_BRANDS:
        return "image/avif"
    return "image/heic" if brands & _HEIF_BRANDS else None


def open_image(data: bytes, *, suffix: str = "", max_pixels_mp: float, preview_px: int = 1280) -> OpenedImage:
    """Reads headers only; `suffix` merely names the type of a RAW file, and `preview_px` chooses its preview.

    Raises `UnreadablePhoto` for what is empty, no photo, damaged in its headers, or has too many pixels.
    """
    if not data:
        raise UnreadablePhoto(ReasonCode.FILE_EMPTY)
    raw = read_raw(data)
    source, mime_type = data, mime_type_of(data)
    if raw is not None:
        source, mime_type = _raw_source(data, raw, preview_px), "image/jpeg"
    if mime_type is None:
        raise UnreadablePhoto(ReasonCode.UNKNOWN_KIND, bytes=data[:8].hex(" "))
    image = _open(source, mime_type)
    _check_pixels(image, max_pixels_mp)
    shown_type = RAW_TYPES.get(suffix.lower(), "image/x-dcraw") if raw else mime_type
    return OpenedImage(source, image, image.size, shown_type, mime_type in _UPRIGHT, raw)


def _raw_source(data: bytes, raw: RawFile, preview_px: int) -> bytes:
    span = best_preview(raw, preview_px)
    if span is None:
        raise UnreadablePhoto(ReasonCode.RAW_WITHOUT_PREVIEW)
    return data[slice(*span)]


def _open(data: bytes, mime_type: str) -> Image.Image:
    name, module = _PLUGINS[mime_type]
    with _decoder_errors(ReasonCode.FILE_NOT_SHOWABLE):
        plugin = importlib.import_module(module)
        if mime_type == "image/heic":
            # One picture, one thread, and nothing that is not shown.
            plugin.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
        return Image.open(BytesIO(data), formats=(name,))


def _check_pixels(image: Image.Image, max_pixels_mp: float) -> None:
    width, height = image.size
    if width * height > max_pixels_mp * 1e6:
        raise UnreadablePhoto(
            ReasonCode.PICTURE_TOO_LARGE,
            width=width,
            height=height,
            megapixels=f"{width * height / 1e6:.0f}",
            limit=f"{max_pixels_mp:g}",
        )


def decode(opened: OpenedImage, fit_px: int, orientation: int) -> Image.Image:
    """The picture upright, RGB in sRGB, its longest side at most `fit_px`; never enlarged.

    `orientation` is EXIF's (1..8). Decodes once: a JPEG at the DCT scale just above what is asked for (Pillow's
    `draft`), so that most of a large photo is never computed. Raises `UnreadablePhoto`.
    """
    with _decoder_errors(ReasonCode.PICTURE_NOT_SHOWABLE, opened.image.size):
        icc, adobe_rgb = opened.image.info.get("icc_profile"), _is_adobe_rgb(opened)
        image = shrink(expand(_load(opened, _fit(opened.image.size, fit_px))), fit_px)
        image = to_srgb(image, icc, adobe_rgb=adobe_rgb)
        transpose = None if opened.upright else _TRANSPOSE.get(orientation)
        image = image if transpose is None else image.transpose(transpose)
        image.info = {}  # the profile no longer holds, and what else there is would be written into thumbnails
        return image


def shrink(image: Image.Image, fit_px: int, *, reducing_gap: float = 2.0) -> Image.Image:
    """The image with its longest side at most `fit_px`: itself where it is no larger.

    What is larger than `reducing_gap` times that has whole blocks of its pixels averaged first.
    """
    fitted = _fit(image.size, fit_px)
    # Hamming is as sharp as bicubic when shrinking, in two thirds of its time.
    return image if image.size == fitted else image.resize(fitted, Image.Resampling.HAMMING, reducing_gap=reducing_gap)


def _fit(size: tuple[int, int], fit_px: int) -> tuple[int, int]:
    scale = fit_px / max(size)
    return size if scale >= 1 else (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))


def _load(opened: OpenedImage, fitted: tuple[int, int]) -> Image.Image:
    image = opened.image
    is_a_jpeg = is_jpeg(opened.data)
    if is_a_jpeg:
        image.draft(None, fitted)
    try:
        image.load()
    except OSError:
        if not is_a_jpeg:
            raise
        return _load_truncated(opened, fitted)
    return image


def _load_truncated(opened: OpenedImage, fitted: tuple[int, int]) -> Image.Image:
    """What there is of a JPEG that breaks off; raises `UnreadablePhoto` where that is less than half."""
    image = _open(opened.data, "image/jpeg")
    image.draft(None, fitted)
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        image.load()
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    # libjpeg fills what is missing with one flat colour, to the very last pixel.
    fill = Image.new(image.mode, image.size, image.getpixel((image.width - 1, image.height - 1)))
    box = ImageChops.difference(image, fill).getbbox()
    there_percent = 100 * box[3] // image.height if box else 0
    if there_percent < 50:
        raise UnreadablePhoto(ReasonCode.PICTURE_BREAKS_OFF, percent=there_percent)
    opened.damage = f"the file breaks off or is damaged: {there_percent}% of the picture can be read"
    return image


def _is_adobe_rgb(opened: OpenedImage) -> bool:
    """Only cameras' JPEGs name Adobe RGB without carrying its profile."""
    block = opened.image.info.get("exif")
    return is_jpeg(opened.data) and isinstance(block, bytes) and read_exif(block[6:]).is_adobe_rgb


class TooLittleMemory(PhotoTooHeavy):
    """A picture that may be sound, but takes more memory than this process may use; `size` where it is known."""

    def __init__(self, size: tuple[int, int] | None) -> None:
        super().__init__(ReasonCode.MEMORY_OF_READER)
        self.size = size


@contextmanager
def _decoder_errors(code: ReasonCode, size: tuple[int, int] | None = None) -> Iterator[None]:
    """Whatever a decoder raises becomes `UnreadablePhoto`; what it warns of is not worth a line in the log."""
    _clear_errno()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UnreadablePhoto:
        raise
    except Exception as error:  # decoders raise all kinds of errors: OSError, SyntaxError, struct.error, ...
        if _is_out_of_memory(error, size):
            raise TooLittleMemory(size) from error
        raise UnreadablePhoto(code, detail=_detail(error)) from error


def _detail(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):  # its text is the address of an object
        return "no decoder accepts it"
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _clear_errno() -> None:
    """Forgets earlier failures to allocate memory."""
    location = _errno_function()
    if location is not None:
        location().contents.value = 0


def _is_out_of_memory(error: Exception, size: tuple[int, int] | None) -> bool:
    """Whether `error`, raised since `_clear_errno`, came of too little memory; `size` is the picture's, where known.

    Each decoder says that in its own way, and some call the picture damaged. malloc leaves ENOMEM behind (POSIX) in the
    thread that asked. Decoders with threads of their own were short where a picture of that size does not fit in now.
    """
    location = _errno_function()
    if isinstance(error, MemoryError) or (location is not None and location().contents.value == errno.ENOMEM):
        return True
    message = str(error)
    if "security limit" in message.lower():  # libheif's own limit, which no sound file reaches
        return False
    return bool(_MEMORY_MESSAGES.search(message)) or (
        size is not None and not _has_room(size[0] * size[1] * _BYTES_A_PIXEL)
    )


def _has_room(size_bytes: int) -> bool:
    """Whether the address space can grow by so much: nothing of it is used."""
    try:
        mmap.mmap(-1, max(size_bytes, 1)).close()
    except (OSError, ValueError, OverflowError):
        return False
    return True


@lru_cache(maxsize=1)
def _errno_function() -> Callable[[], ctypes._Pointer[ctypes.c_int]] | None:
    """Where the C library keeps the calling thread's errno; None where it has another name."""
    library = ctypes.CDLL(None)
    for name in ("__errno_location", "__error"):  # glibc and musl; macOS and the BSDs
        function = getattr(library, name, None)
        if function is not None:
            function.restype = ctypes.POINTER(ctypes.c_int)
            found: Callable[[], ctypes._Pointer[ctypes.c_int]] = function
            return found
    return None
