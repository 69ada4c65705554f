"""The real photo process on real files: one look gives everything, and a bad photo costs only itself."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from captioner import Caption, Tag
from indexer.errors import Obstacle, PhotoVanished, ReaderDied, SetupError, UnreadablePhoto
from indexer.images.measures import PictureMeasures
from indexer.metadata.content_key import content_key
from indexer.model import CaptionPlace, FileStamp, ThumbnailSize
from indexer.reader.photo_process import PhotoProcesses
from tests.indexing import settings_for
from tests.photos_made import cornered, detailed, encoded, exif_bytes, with_segments, with_xmp, xmp_packet

INPUT_PX = 64
WORDS = Caption("a dog runs on the beach", 0.7, (Tag("dog", 0.9),), None, "recollect-atto-1")


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def stamp(path: Path) -> FileStamp:
    status = path.stat()
    return FileStamp(status.st_mtime_ns, status.st_size, status.st_ino)


async def test_one_look_gives_everything(tmp_path: Path) -> None:
    data = with_segments(encoded(detailed((2000, 1500)), "JPEG"), (0xE1, exif_bytes({0x010F: b"Canon", 0x0112: 6})))
    path = write(tmp_path / "IMG_1.JPG", data)
    async with PhotoProcesses(settings_for(tmp_path), input_px=INPUT_PX, count=1) as photos:
        reading = await photos.read(path)
        assert reading.content_key == content_key(data)
        assert reading.stamp == stamp(path)
        assert (reading.metadata.camera, reading.metadata.width_px, reading.metadata.height_px) == ("Canon", 1500, 2000)
        sizes = {size: Image.open(BytesIO(picture)) for size, picture in reading.thumbnails.items()}
        assert {size: picture.format for size, picture in sizes.items()} == {
            ThumbnailSize.GRID: "WEBP",
            ThumbnailSize.SCREEN: "JPEG",
        }
        assert sizes[ThumbnailSize.SCREEN].size == (960, 1280)
        assert sizes[ThumbnailSize.GRID].size == (240, 320)
        assert not sizes[ThumbnailSize.SCREEN].info.get("exif")  # nobody's place or name is served with a thumbnail
        assert len(reading.pixels) == INPUT_PX * INPUT_PX * 3
        assert await photos.read_metadata(path) == (reading.content_key, reading.metadata, reading.stamp)


@pytest.mark.slow
async def test_a_cached_thumbnail_gives_the_model_the_same_picture(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jpg", encoded(detailed((1600, 1200)), "JPEG", quality=95))
    async with PhotoProcesses(settings_for(tmp_path), input_px=INPUT_PX, count=1) as photos:
        reading = await photos.read(path)
        screen = reading.thumbnails[ThumbnailSize.SCREEN]
        old = encoded(Image.open(BytesIO(screen)), "WEBP", quality=75, method=0)  # as it was stored once
        for stored in (screen, old):
            again = await photos.pixels_of(stored)
            assert sum(abs(a - b) for a, b in zip(reading.pixels, again, strict=True)) / len(again) < 3.0
            assert PictureMeasures.from_bytes(await photos.measure(stored)) is not None
        with pytest.raises(UnreadablePhoto):
            await photos.pixels_of(b"no picture")


@pytest.mark.slow
async def test_file_names_of_any_bytes(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9 \xff'\"\n.jpg")
    path = write(tmp_path / name, encoded(cornered(), "JPEG"))
    async with PhotoProcesses(settings_for(tmp_path), input_px=0, count=1) as photos:
        assert (await photos.read(path)).pixels == b""


@pytest.mark.slow
async def test_what_is_not_there_or_no_file_is_said_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    async with PhotoProcesses(settings_for(tmp_path), input_px=INPUT_PX, count=1) as photos:
        for gone in ("missing.jpg", "loop.jpg", "pipe.jpg/x.jpg", "nul\0.jpg"):
            with pytest.raises(PhotoVanished):
                await photos.read(tmp_path / gone)
        for name in ("pipe.jpg", "folder.jpg"):
            with pytest.raises(UnreadablePhoto, match=r"regular file|directory"):
                await photos.read(tmp_path / name)


@pytest.mark.slow
async def test_files_over_the_limits_are_set_aside(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", encoded(detailed((1200, 900)), "PNG"))
    for limits, reason in (({"max_file_mb": 0.1}, "setting max_file_mb"), ({"max_pixels_mp": 1.0}, "max_pixels_mp")):
        async with PhotoProcesses(settings_for(tmp_path, **limits), input_px=INPUT_PX, count=1) as photos:
            with pytest.raises(UnreadablePhoto, match=reason):
                await photos.read(path)
            with pytest.raises(UnreadablePhoto, match=reason):
                await photos.read_metadata(path)


@pytest.mark.slow
async def test_a_photo_that_needs_too_much_memory_costs_only_itself(tmp_path: Path) -> None:
    big = write(tmp_path / "big.png", encoded(Image.new("RGBA", (9000, 9000)), "PNG"))  # 324 MB decoded
    small = write(tmp_path / "small.jpg", encoded(cornered(), "JPEG"))
    async with PhotoProcesses(settings_for(tmp_path, reader_memory_mb=150), input_px=INPUT_PX, count=1) as photos:
        before = photos.pids
        with pytest.raises(UnreadablePhoto, match="memory"):
            await photos.read(big)
        assert (await photos.read(small)).pixels
        assert photos.pids == before


@pytest.mark.slow
async def test_sidecars_are_read_wherever_they_lie(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jpg", with_xmp(encoded(cornered(), "JPEG"), "<xmp:Rating>1</xmp:Rating>"))
    tree = tmp_path / "tree"
    async with PhotoProcesses(settings_for(tmp_path, sidecar_dir=tree), input_px=INPUT_PX, count=1) as photos:

        async def rating() -> int | None:
            return (await photos.read_metadata(path))[1].rating

        assert await rating() == 1
        below = tree / path.parent.relative_to("/")
        below.mkdir(parents=True)
        write(below / "a.jpg.xmp", xmp_packet("<xmp:Rating>2</xmp:Rating>"))
        assert await rating() == 2
        write(tmp_path / "a.xmp", xmp_packet("<xmp:Rating>3</xmp:Rating>"))
        assert await rating() == 3
        write(tmp_path / "a.jpg.xmp", xmp_packet("<xmp:Rating>4</xmp:Rating>"))
        assert await rating() == 4
        write(tmp_path / "a.jpg.xmp", b"<not xml")
        assert await rating() == 3


@pytest.mark.slow
async def test_a_written_caption_is_read_back_and_undone(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jpg", encoded(cornered(), "JPEG"))
    original = path.read_bytes()
    async with PhotoProcesses(settings_for(tmp_path), input_px=INPUT_PX, count=1) as photos:
        before = await photos.read(path)
        written = await photos.write_caption(path, WORDS, before.stamp)
        assert written.place is CaptionPlace.EXIF
        assert written.stamp == stamp(path) != before.stamp
        key, metadata, _ = await photos.read_metadata(path)
        assert key == before.content_key
        assert metadata.machine_caption is not None
        assert metadata.machine_caption.text == WORDS.text
        assert metadata.person_caption is None
        undone = await photos.undo_caption(path)
        assert undone.restored
        assert path.read_bytes() == original


@pytest.mark.slow
@pytest.mark.parametrize("captions", ["embed", "sidecar"])
async def test_a_format_that_is_not_changed_gets_a_sidecar(tmp_path: Path, captions: str) -> None:
    path = write(tmp_path / "a.gif", encoded(cornered(), "GIF"))
    original = path.read_bytes()
    async with PhotoProcesses(settings_for(tmp_path, captions=captions), input_px=INPUT_PX, count=1) as photos:
        written = await photos.write_caption(path, WORDS, stamp(path))
        assert written.place is CaptionPlace.SIDECAR
        machine = (await photos.read_metadata(path))[1].machine_caption
        assert machine is not None
        assert machine.text == WORDS.text
        assert path.read_bytes() == original


def poisoned(tmp_path: Path, **more: object) -> PhotoProcesses:
    return PhotoProcesses(settings_for(tmp_path, **more), input_px=INPUT_PX, worker="tests.poisoned_worker", count=1)


@pytest.mark.slow
async def test_a_photo_that_kills_its_reader_is_tried_once_more(tmp_path: Path) -> None:
    path = write(tmp_path / "dies once.jpg", encoded(cornered(), "JPEG"))
    async with poisoned(tmp_path) as photos:
        before = photos.pids
        assert (await photos.read(path)).metadata.width_px == 96
        assert photos.pids != before


@pytest.mark.slow
async def test_a_photo_that_kills_its_reader_twice_is_set_aside(tmp_path: Path) -> None:
    poison = write(tmp_path / "dies always.jpg", encoded(cornered(), "JPEG"))
    good = write(tmp_path / "good.jpg", encoded(cornered(), "JPEG"))
    async with poisoned(tmp_path) as photos:
        bad, *others = await asyncio.gather(
            photos.read(poison), *(photos.read(good) for _ in range(3)), return_exceptions=True
        )
        assert isinstance(bad, UnreadablePhoto)
        assert "died or hung twice" in str(bad)
        assert not [other for other in others if isinstance(other, BaseException)]
        caption = await photos.write_caption(poison, WORDS, stamp(poison))
        assert caption.place is CaptionPlace.INDEX
        assert "died or hung twice" in str(caption.reason)


@pytest.mark.slow
async def test_a_photo_that_hangs_is_set_aside_after_its_time(tmp_path: Path) -> None:
    poison = write(tmp_path / "hangs.jpg", encoded(cornered(), "JPEG"))
    good = write(tmp_path / "good.jpg", encoded(cornered(), "JPEG"))
    async with poisoned(tmp_path, reader_timeout_s=1.0) as photos:
        with pytest.raises(UnreadablePhoto, match="died or hung twice"):
            await photos.read(poison)
        with pytest.raises(PhotoVanished):
            await photos.read(good.with_name("gone.jpg"))


@pytest.mark.slow
async def test_a_reply_that_makes_no_sense_costs_that_photo_alone(tmp_path: Path) -> None:
    poison = write(tmp_path / "lies.jpg", encoded(cornered(), "JPEG"))
    lengths = write(tmp_path / "lies about lengths.jpg", encoded(cornered(), "JPEG"))
    good = write(tmp_path / "good.jpg", encoded(cornered(), "JPEG"))
    async with poisoned(tmp_path) as photos:
        for asked in (photos.read(poison), photos.read(lengths), photos.read_metadata(poison)):
            with pytest.raises(ReaderDied, match="makes no sense"):
                await asked
        written = await photos.write_caption(poison, WORDS, stamp(poison))
        assert (written.place, written.obstacle) == (CaptionPlace.INDEX, Obstacle.READER)
        with pytest.raises(ReaderDied, match="makes no sense"):
            await photos.undo_caption(poison)
        assert (await photos.read(good)).metadata.width_px == 96


@pytest.mark.slow
async def test_what_libraries_print_reaches_neither_the_wire_nor_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "shouts.jpg", encoded(cornered(), "JPEG"))
    with caplog.at_level(logging.DEBUG):
        async with poisoned(tmp_path) as photos:
            assert (await photos.read(path)).metadata.width_px == 96
    assert "libnoise" not in caplog.text


@pytest.mark.slow
async def test_exif_that_can_t_be_read_has_a_line_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(
        tmp_path / "broken exif.jpg", with_segments(encoded(cornered(), "JPEG"), (0xE1, b"Exif\0\0no TIFF block"))
    )
    with caplog.at_level(logging.DEBUG):
        async with PhotoProcesses(settings_for(tmp_path), input_px=INPUT_PX, count=1) as photos:
            assert (await photos.read(path)).metadata.width_px == 96
        assert "can't read an Exif block of" in caplog.text


async def test_a_worker_that_can_t_start_is_about_the_set_up(tmp_path: Path) -> None:
    photos = PhotoProcesses(settings_for(tmp_path), input_px=INPUT_PX, worker="tests.no_such_worker", count=1)
    with pytest.raises(SetupError, match="can't be run"):
        await photos.__aenter__()
    await photos.__aexit__(None, None, None)


@pytest.mark.slow
async def test_several_processes_share_the_photos(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{n}.jpg", encoded(detailed((400 + n, 300)), "JPEG")) for n in range(12)]
    async with PhotoProcesses(settings_for(tmp_path, readers=2), input_px=INPUT_PX) as photos:
        assert len(set(photos.pids)) == 2
        readings = await asyncio.gather(*(photos.read(path) for path in paths))
        assert [reading.metadata.width_px for reading in readings] == [400 + n for n in range(12)]
        assert len(await photos.pixels_of(readings[0].thumbnails[ThumbnailSize.SCREEN])) == INPUT_PX**2 * 3
    assert photos.pids == []


@pytest.mark.slow
async def test_a_cancelled_read_gives_its_process_back(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jpg", encoded(detailed((2000, 1500)), "JPEG"))
    async with PhotoProcesses(settings_for(tmp_path, readers=1), input_px=INPUT_PX) as photos:
        waiting = [asyncio.create_task(photos.read(path)) for _ in range(3)]
        await asyncio.sleep(0.01)
        for task in waiting[:2]:
            task.cancel()
        assert (await waiting[2]).metadata.width_px == 2000


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told what to keep")
async def test_what_a_large_picture_took_goes_back(tmp_path: Path) -> None:
    jpeg = write(tmp_path / "a.jpg", encoded(detailed((4000, 3000)), "JPEG"))
    heic = write(tmp_path / "a.heic", encoded(Image.new("RGB", (4000, 3000), "red"), "HEIF"))
    async with PhotoProcesses(settings_for(tmp_path), input_px=INPUT_PX, count=1) as photos:
        await photos.read(jpeg)
        kept_mb = resident_mb(photos.pids[0])
        await photos.read(heic)
        assert resident_mb(photos.pids[0]) < kept_mb + 5


def resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))
