"""Zips as they are sent: as long as was said, readable by others, whatever becomes of the files on the way."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.downloads.downloading import ZipNames, safe_name
from web.downloads.zipping import BLOCK_BYTES, Entry, Note, Zip

TAKEN_S = datetime(2021, 7, 14, 15, 42, 7, tzinfo=UTC).timestamp()
NOTE = Note("Missing.txt", lambda names: "These are missing:\n" + "".join(f"{name}\n" for name in names))


def entry(path: Path, *, name: str = "", size: int | None = None) -> Entry:
    def opened() -> int | None:
        try:
            return os.open(path, os.O_RDONLY)
        except OSError:
            return None

    size = path.stat().st_size if size is None else size
    return Entry(name or path.name, size, TAKEN_S, opened)


def files(folder: Path, *sizes: int) -> list[Entry]:
    found = []
    for number, size in enumerate(sizes):
        path = folder / f"photo {number}.jpg"
        path.write_bytes(bytes([number % 256]) * size)
        found.append(entry(path))
    return found


def opened(data: bytes) -> ZipFile:
    archive = ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    return archive


def whole(made: Zip, meanwhile: Callable[[int], None] = lambda block: None) -> bytes:
    """All of it; `meanwhile` is called after each block."""
    out = bytearray()
    for number, block in enumerate(made.blocks()):
        assert len(block) <= 2 * BLOCK_BYTES
        out += block
        meanwhile(number)
    assert len(out) == made.length
    return bytes(out)


@pytest.mark.parametrize("sizes", [(), (0,), (1,), (5, 0, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES)])
def test_it_holds_the_files_byte_for_byte(tmp_path: Path, sizes: Sequence[int]) -> None:
    entries = files(tmp_path, *sizes)
    archive = opened(whole(Zip(entries, (), NOTE)))
    assert archive.namelist() == [one.name for one in entries]
    for one in archive.infolist():
        assert archive.read(one) == (tmp_path / one.filename).read_bytes()
        assert one.compress_type == zipfile.ZIP_STORED


def test_it_keeps_times_and_names(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a picture")
    data = whole(Zip([entry(tmp_path / "a.jpg", name="été 🏖.jpg")], (), NOTE))
    (info,) = opened(data).infolist()
    assert info.filename == "été 🏖.jpg"
    assert info.flag_bits & 0x800  # the name is UTF-8 (APPNOTE, appendix D)
    assert info.date_time == (*time.localtime(TAKEN_S)[:5], 6)  # two seconds at a time
    assert int.from_bytes(info.extra[5:9], "little") == TAKEN_S


@pytest.mark.parametrize("seconds", [-1e12, -1.0, 0.0, 2.0**31, 2.0**33, 1e18])
def test_any_time_will_do(tmp_path: Path, seconds: float) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a picture")
    made = Zip([Entry("a.jpg", 9, seconds, entry(tmp_path / "a.jpg").open)], (), NOTE)
    assert opened(whole(made)).read("a.jpg") == b"a picture"


def test_what_is_missing_from_the_start_is_told(tmp_path: Path) -> None:
    archive = opened(whole(Zip(files(tmp_path, 10, 20), ["gone.jpg"], NOTE)))
    assert archive.namelist() == ["photo 0.jpg", "photo 1.jpg", "Missing.txt"]
    assert archive.read("Missing.txt") == b"These are missing:\ngone.jpg\n"


def test_what_vanishes_on_the_way_is_told_and_the_zip_is_as_long_as_promised(tmp_path: Path) -> None:
    made = Zip(files(tmp_path, BLOCK_BYTES + 1, 500, BLOCK_BYTES * 2, 400), ["gone.jpg"], NOTE)

    def vanish(block: int) -> None:
        if not block:
            (tmp_path / "photo 1.jpg").unlink()
            (tmp_path / "photo 3.jpg").write_bytes(b"another picture")

    archive = opened(whole(made, vanish))
    assert archive.namelist() == ["photo 0.jpg", "photo 2.jpg", "Missing.txt"]
    assert archive.read("Missing.txt") == b"These are missing:\ngone.jpg\nphoto 1.jpg\nphoto 3.jpg\n"
    assert made.missing == ["gone.jpg", "photo 1.jpg", "photo 3.jpg"]


@pytest.mark.parametrize("left", [0, 1, BLOCK_BYTES, BLOCK_BYTES * 3 - 1])
def test_a_file_that_ends_too_soon_is_no_file(tmp_path: Path, left: int) -> None:
    made = Zip(files(tmp_path, 10, BLOCK_BYTES * 3, 30), (), NOTE)
    torn = tmp_path / "photo 1.jpg"

    def tear(block: int) -> None:
        if block == 1:
            os.truncate(torn, left)

    archive = opened(whole(made, tear))
    assert [name for name in archive.namelist() if name != "Missing.txt"] == ["photo 0.jpg", "photo 2.jpg"]
    assert made.missing == ["photo 1.jpg"]


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 300), st.booleans()), max_size=12), st.lists(st.text(max_size=20), max_size=3))
def test_it_is_always_as_long_as_promised(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[tuple[int, bool]], missing: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("some")
    entries = files(folder, *(size for size, _ in sizes))
    made = Zip(entries, [safe_name(name) for name in missing], NOTE)
    for one, (_, gone) in zip(entries, sizes, strict=True):
        if gone:
            (folder / one.name).unlink()
    kept = [one.name for one, (_, gone) in zip(entries, sizes, strict=True) if not gone]
    assert [name for name in opened(whole(made)).namelist() if name != "Missing.txt"] == kept


@pytest.mark.slow
def test_beyond_two_gigabytes_zip64_is_written(tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    large.touch()
    os.truncate(large, 2**31 + 5)  # a hole on the disk
    made = Zip([entry(large), *files(tmp_path, 1000, 2000)], (), NOTE)
    (tmp_path / "photo 0.jpg").unlink()
    out, nothing = tmp_path / "out.zip", bytes(BLOCK_BYTES)
    with out.open("wb") as file:
        for block in made.blocks():
            file.seek(len(block), os.SEEK_CUR) if block == nothing else file.write(block)
    assert out.stat().st_size == made.length
    with ZipFile(out) as archive:
        assert archive.namelist() == ["large.jpg", "photo 1.jpg", "Missing.txt"]
        assert archive.getinfo("large.jpg").file_size == 2**31 + 5
        assert archive.read("photo 1.jpg") == b"\x01" * 2000


def test_other_programs_read_it(tmp_path: Path) -> None:
    unzip = shutil.which("unzip")
    if unzip is None:
        pytest.skip("there is no unzip here")
    made = Zip(files(tmp_path, 10, 5000, 30), ["gone.jpg"], NOTE)
    (tmp_path / "photo 1.jpg").unlink()
    (tmp_path / "out.zip").write_bytes(whole(made))
    completed = subprocess.run([unzip, "-tq", tmp_path / "out.zip"], capture_output=True, text=True, check=False)
    assert (completed.returncode, completed.stderr) == (0, "")


@pytest.mark.slow
def test_ten_thousand_photos_take_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"\x01" * 2048)
    entries = [entry(path, name=f"photo {number}.jpg", size=2048) for number in range(10_000)]
    tracemalloc.start()
    made = Zip(entries, (), NOTE)
    assert sum(len(block) for block in made.blocks()) == made.length
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 16_000_000


@given(st.lists(st.text(max_size=300)))
def test_names_are_safe_and_different(names: list[str]) -> None:
    given_out = ZipNames()
    taken = [given_out.take(name) for name in names]
    assert len({name.casefold() for name in taken}) == len(taken)
    for name in taken:
        assert name
        assert name not in {".", ".."}
        assert not set(name) & set('<>:"/\\|?*\x00\n\r\t')
        assert len(name.encode()) <= 255
        assert name == name.rstrip(". ")


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("IMG_1.JPG", "IMG_1.JPG"),
        ("../../etc/passwd", "_._etc_passwd"),
        ("..", "photo"),
        ("", "photo"),
        (".hidden.jpg", "hidden.jpg"),
        ("C:\\Windows\\system.ini", "C__Windows_system.ini"),
        ("CON.jpg", "_CON.jpg"),
        ("com1", "_com1"),
        ("console.jpg", "console.jpg"),
        ("name. . ", "name"),
        ("a\u202egpj.exe.jpg", "a_gpj.exe.jpg"),
        ("e\u0301te\u0301.jpg", "été.jpg"),
        (os.fsdecode(b"caf\xe9.jpg"), "caf\ufffd.jpg"),
        ("a\r\nX-Evil: 1.jpg", "a__X-Evil_ 1.jpg"),
        ("é" * 300 + ".jpeg", "é" * 97 + ".jpeg"),
    ],
)
def test_a_name_that_could_do_harm_is_changed(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_equal_names_are_counted() -> None:
    names = ZipNames()
    assert [names.take(name) for name in ("a.jpg", "A.JPG", "a (2).jpg", "a.jpg", "b")] == [
        "a.jpg",
        "A (2).JPG",
        "a (2) (2).jpg",
        "a (3).jpg",
        "b",
    ]
