"""A library that a household changes: files come, move, change and go, and what must be there is remembered."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from tests.indexing import COLOURS
from tests.photos_made import picture

FOLDERS = 12
_COLOURS = list(COLOURS.values())
_TEMPORARY = (".captmp", "_exiftool_tmp")


@dataclass(slots=True)
class Kept:
    """What is known of one file: its picture's number, and the SHA-256 that it has without a caption of ours. A file
    that another program has rewritten can't be given back byte for byte: None, and the keywords must still be there."""

    number: int
    original: str | None
    keywords: list[str] = field(default_factory=list)


class ExifTool:
    """One exiftool that takes command after command, as photo managers run it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["exiftool", "-stay_open", "True", "-@", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self, *arguments: str) -> str:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write("\n".join((*arguments, "-execute", "")))
        stdin.flush()
        lines = []
        for line in stdout:
            if line.strip() == "{ready}":
                return "".join(lines)
            lines.append(line)
        raise AssertionError("exiftool has ended")

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.communicate("-stay_open\nFalse\n", timeout=30)


@contextmanager
def exiftool() -> Iterator[ExifTool]:
    tool = ExifTool()
    try:
        yield tool
    finally:
        tool.close()


class Library:
    """The folder `root`, and what was done to it. `files` is what must be there."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.files: dict[Path, Kept] = {}
        self.done: dict[str, int] = {}
        self._chance = random.Random(seed)
        self._next = 1
        for number in range(FOLDERS):
            self._folder(number).mkdir(parents=True)

    @property
    def pictures(self) -> set[int]:
        """The numbers of the different pictures that are there."""
        return {kept.number for kept in self.files.values()}

    def some(self, count: int) -> list[Path]:
        """Files chosen by chance."""
        return self._chance.sample(sorted(self.files), min(count, len(self.files)))

    def add(self, count: int) -> None:
        """As from a camera: one file after the other."""
        for _ in range(count):
            number, path = self._next, self._free("IMG")
            self._next += 1
            data = jpeg(number)
            path.write_bytes(data)
            self._put(path, Kept(number, _sha256(data)), "added")

    def copy(self, count: int) -> None:
        """The same picture once more; with the caption that the file has by now."""
        for source in self.some(count):
            path, kept = self._free("COPY"), self.files[source]
            path.write_bytes(source.read_bytes())
            self._put(path, Kept(kept.number, kept.original, list(kept.keywords)), "copied")

    def move(self, count: int) -> None:
        """To another folder, or under another name in the same one."""
        for source in self.some(count):
            target = self._free("MOVED") if self._chance.random() < 0.7 else source.with_name(f"named-{source.name}")
            if len(target.name) > 100 or target in self.files:
                continue
            source.rename(target)
            self._put(target, self.files.pop(source), "moved")

    def rename_folder(self) -> None:
        """With all that is in it."""
        folder = self._chance.choice(sorted({path.parent for path in self.files}))
        target = folder.with_name(f"{folder.name.partition('-')[0]}-{self._chance.randrange(10**6)}")
        if target.exists() or folder == self.root:
            return
        folder.rename(target)
        for path in [path for path in self.files if path.parent == folder]:
            self.files[target / path.name] = self.files.pop(path)
        folder.mkdir()
        self._count("folders renamed")

    def replace(self, count: int) -> None:
        """Another picture under the same name, as an editor saves it."""
        for path in self.some(count):
            number = self._next
            self._next += 1
            data = jpeg(number)
            fresh = path.with_name(f".{path.name}.saving")
            fresh.write_bytes(data)
            fresh.replace(path)
            self._put(path, Kept(number, _sha256(data)), "replaced")

    def tag(self, tool: ExifTool, count: int) -> None:
        """A keyword, by another program. What was written while it worked may be refused; then nothing has changed."""
        for path in self.some(count):
            keyword = f"keyword{self._chance.randrange(10**6)}"
            said = tool.run("-overwrite_original", "-m", f"-XMP-dc:Subject+={keyword}", os.fspath(path))
            if "1 image files updated" in said:
                kept = self.files[path]
                self._put(path, Kept(kept.number, None, [*kept.keywords, keyword]), "tagged")

    def delete(self, count: int) -> None:
        for path in self.some(count):
            path.unlink()
            del self.files[path]
            self._count("deleted")

    def on_disk(self) -> set[Path]:
        """The files that are really there, our programs' temporary ones too."""
        return {path for path in self.root.rglob("*") if path.is_file()}

    def _put(self, path: Path, kept: Kept, what: str) -> None:
        self.files[path] = kept
        self._count(what)

    def _count(self, what: str) -> None:
        self.done[what] = self.done.get(what, 0) + 1

    def _folder(self, number: int) -> Path:
        return self.root / f"folder{number:02}"

    def _free(self, prefix: str) -> Path:
        folder = self._folder(self._chance.randrange(FOLDERS))
        folder.mkdir(exist_ok=True)  # a folder that was renamed comes anew
        return folder / f"{prefix}_{self._chance.randrange(10**12):012}.jpg"


def jpeg(number: int) -> bytes:
    """A picture of its own for each number."""
    buffer = BytesIO()
    image = picture(_COLOURS[number % 4], number & 0xFFFF, (320, 240))
    image.putpixel((300, 200), (number >> 16 & 255, 0, 0))
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
