"""A sound picture that takes more memory than a reader may use is never called damaged, whatever its format."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from indexer.errors import UnreadablePhoto
from indexer.reader.photo_process import PhotoProcesses
from indexer.settings import Settings

SIDE = 4000
LIMIT_MB = 60
SAVED = {
    "WEBP": {"quality": 1, "method": 0},
    "PNG": {"compress_level": 1},
    "TIFF": {},
    "TIFF with LZW": {"compression": "tiff_lzw"},
    "GIF": {},
    "BMP": {},
    "JPEG": {"progressive": True},
    "HEIF": {"quality": 1},
    "AVIF": {"quality": 1, "speed": 10},
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(photos=(tmp_path,), data_dir=tmp_path / "data", reader_memory_mb=LIMIT_MB)


async def reason(settings: Settings, path: Path) -> str:
    async with PhotoProcesses(settings, input_px=0, count=1) as process:
        with pytest.raises(UnreadablePhoto) as raised:
            await process.read(path)
    return str(raised.value)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SAVED)
async def test_a_picture_too_large_for_the_reader_is_not_called_damaged(settings: Settings, kind: str) -> None:
    if kind == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    path = settings.photos[0] / "photo"
    Image.new("RGB", (SIDE, SIDE), (120, 80, 40)).save(path, kind.split()[0], **SAVED[kind])
    why = await reason(settings, path)
    assert f"more memory than the {LIMIT_MB} MB" in why
    assert "setting reader_memory_mb" in why
    assert "damaged" not in why


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["WEBP", "PNG", "TIFF", "AVIF"])
async def test_a_damaged_picture_is_still_called_damaged(settings: Settings, kind: str) -> None:
    path = settings.photos[0] / "photo"
    Image.effect_noise((300, 300), 90).convert("RGB").save(path, kind)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 3])
    why = await reason(settings, path)
    assert "damaged" in why
    assert "memory" not in why
