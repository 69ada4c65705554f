"""Which files and folders of a library are scanned; one set of rules for the crawler and the watcher.

Passed over, always: hidden names, folders that hold a `.nomedia` file (Android's convention; the root itself is
excepted, for it was asked for by name), and what other programs keep beside photos: thumbnails, previews, bins.
`include` and `exclude` are patterns as in a .gitignore file (https://git-scm.com/docs/gitignore), relative to the root.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from pathspec import GitIgnoreSpec

from indexer.errors import SettingsError

#: Folder names, in lower case, that never hold a person's photos.
EXCLUDED_FOLDERS = frozenset(
    {
        b"@eadir",  # Synology: thumbnails
        b"#recycle",  # Synology: bin
        b"#snapshot",  # Synology, NetApp: the same photos again
        b"@recycle",  # QNAP: bin (its thumbnails, .@__thumb, are hidden)
        b"@recently-snapshot",  # QNAP
        b"$recycle.bin",  # Windows
        b"system volume information",  # Windows
        b"lost+found",  # ext4
        b"__macosx",  # what zip files from a Mac carry along
    }
)

_EXCLUDED_ENDINGS = (
    b".lrdata",  # Lightroom: previews
    b".lrcat-data",
    b".cocatalogdb",  # Capture One
    b".fcpbundle",
)

#: Apple's photo libraries are folders; only these in them hold the originals, the rest is derived.
_BUNDLE_ENDINGS = (b".photoslibrary", b".photolibrary", b".aplibrary", b".migratedphotolibrary")
_BUNDLE_ORIGINALS = frozenset({b"originals", b"masters"})

NOMEDIA = b".nomedia"

#: Pictures and videos that are not read: they are passed over, and counted.
UNSUPPORTED_SUFFIXES = frozenset(
    {
        *(b".jxl", b".jp2", b".j2k", b".jpx", b".jpf", b".jxr", b".wdp", b".hdp", b".psd", b".psb", b".xcf", b".kra"),
        *(b".svg", b".eps", b".ai", b".tga", b".exr", b".hdr", b".pcx", b".ppm", b".pgm", b".pnm", b".pcd", b".djvu"),
        *(b".crw", b".mrw", b".x3f", b".rwl", b".kdc", b".dcr", b".erf", b".3fr", b".fff", b".iiq", b".mef", b".mos"),
        *(b".sr2", b".srf", b".raw", b".gpr", b".cap", b".ptx", b".rwz", b".bay", b".dcs", b".k25", b".insp", b".lfp"),
        *(b".mov", b".mp4", b".m4v", b".avi", b".mkv", b".webm", b".3gp", b".3g2", b".mts", b".m2ts", b".wmv", b".mpg"),
        *(b".mpeg", b".mpe", b".vob", b".flv", b".insv", b".360", b".lrv", b".asf", b".ogv", b".dv", b".mod", b".tod"),
    }
)


class CrawlRules:
    """Decides by name alone. Raises `SettingsError` for a pattern that is not one."""

    def __init__(
        self, *, include: Sequence[str] = (), exclude: Sequence[str] = (), extensions: Collection[str] = ()
    ) -> None:
        self._include = _spec("include", include)
        self._exclude = _spec("exclude", exclude)
        self._extensions = frozenset(os.fsencode(extension.lower()) for extension in extensions)

    def is_photo_name(self, name: bytes) -> bool:
        """Whether a file of this name may be a photo: by its extension, and not hidden.

        Copies that are just being written (`temporary.is_temporary`) are hidden and have no photo's extension.
        """
        dot = name.rfind(b".")
        return dot > 0 and name[dot:].lower() in self._extensions and name[0] != 46  # "."

    @staticmethod
    def unsupported_suffix(name: bytes) -> bytes | None:
        """The suffix in lower case of a picture or a video that is not read; None for every other name."""
        dot = name.rfind(b".")
        kind = name[dot:].lower() if dot > 0 and name[0] != 46 else b""  # "."
        return kind if kind in UNSUPPORTED_SUFFIXES else None

    def takes(self, relative: bytes) -> bool:
        """Whether the patterns let a photo through; `relative` is its path below the root."""
        if self._include is None and self._exclude is None:
            return True
        text = _text(relative)
        if self._exclude is not None and self._exclude.match_file(text):
            return False
        return self._include is None or self._include.match_file(text)

    def enters(self, relative: bytes) -> bool:
        """Whether a folder is scanned, given that the folder above it is."""
        parent, name = os.path.split(relative.lower())
        if name.startswith(b".") or name in EXCLUDED_FOLDERS or name.endswith(_EXCLUDED_ENDINGS):
            return False
        if parent.endswith(_BUNDLE_ENDINGS) and name not in _BUNDLE_ORIGINALS:
            return False
        return self._exclude is None or not self._exclude.match_file(_text(relative) + "/")

    def reaches(self, folder: bytes) -> bool:
        """Whether a scan from the root would come to a folder below it, by the names on the way."""
        parts = folder.split(b"/") if folder else []
        return all(self.enters(b"/".join(parts[: depth + 1])) for depth in range(len(parts)))


def _spec(setting: str, patterns: Sequence[str]) -> GitIgnoreSpec | None:
    if not patterns:
        return None
    try:
        return GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise SettingsError(
            f"setting '{setting}': {error}",
            hint="patterns are written as in a .gitignore file, e.g. Screenshots/ or *.png",
        ) from error


def _text(relative: bytes) -> str:
    """A path as patterns see it; a line break in a name is matched as a space, for patterns know no second line."""
    return os.fsdecode(relative).replace("\n", " ").replace("\r", " ")
