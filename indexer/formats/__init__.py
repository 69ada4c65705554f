"""One parser for each container and block of metadata: reading and editing share it.

Here: which files are looked at, by their names. What a file really is, `images.decode` tells by its first bytes.
"""

from __future__ import annotations

from types import MappingProxyType

#: RAW files: suffix -> mime type. Their embedded previews are shown.
RAW_TYPES = MappingProxyType(
    {
        ".cr2": "image/x-canon-cr2",
        ".cr3": "image/x-canon-cr3",
        ".nef": "image/x-nikon-nef",
        ".nrw": "image/x-nikon-nrw",
        ".arw": "image/x-sony-arw",
        ".dng": "image/x-adobe-dng",
        ".orf": "image/x-olympus-orf",
        ".rw2": "image/x-panasonic-rw2",
        ".raf": "image/x-fuji-raf",
        ".pef": "image/x-pentax-pef",
        ".srw": "image/x-samsung-srw",
    }
)

#: What the crawler picks up: suffixes in lower case, with their dot. No videos.
EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".heic", ".heif", ".hif", ".avif", ".gif"}
    | {".tif", ".tiff", ".bmp", ".dib"}
    | RAW_TYPES.keys()
)
