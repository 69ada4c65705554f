"""The captioner process: with the shipped bundle, and with a child that dies on command."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from captioner import (
    BundleError,
    Caption,
    CaptionerGone,
    CaptionerProcess,
    CaptionError,
    Tag,
    read_model_name,
)
from tests.bundles_made import copy_that_takes_all_for_photos

SCRIPTED = Path(__file__).with_name("scripted_worker.py")
CRASHES, CRASHES_ONCE, HANGS, REFUSED, NOT_FINITE, NO_EMBEDDING, NO_CAPTION = range(200, 207)

Start = Callable[..., CaptionerProcess]


@pytest.fixture
def scripted(tmp_path: Path) -> Start:
    def start(timeout_s: float = 60.0) -> CaptionerProcess:
        return CaptionerProcess(timeout_s=timeout_s, argv=[sys.executable, str(SCRIPTED), str(tmp_path)])

    return start


def pixels(first: int) -> bytes:
    return bytes([first]) + bytes(4 * 4 * 3 - 1)


async def test_a_caption_arrives_whole(scripted: Start) -> None:
    async with scripted() as captioner:
        assert (captioner.input_px, captioner.model) == (4, "scripted-1")
        caption = await captioner.caption(pixels(7))
        assert (await captioner.caption(pixels(NO_EMBEDDING))).embedding is None
    assert caption.embedding == pytest.approx((0.6, 0.8))
    assert caption == Caption("A photo of 7.", 0.5, (Tag("photo", 0.75),), caption.embedding, "scripted-1")


async def test_a_crash_costs_one_retry(scripted: Start) -> None:
    async with scripted() as captioner:
        pid = captioner.pid
        assert (await captioner.caption(pixels(CRASHES_ONCE))).text == f"A photo of {CRASHES_ONCE}."
        assert captioner.pid != pid


@pytest.mark.slow
@pytest.mark.parametrize("deed", [CRASHES, HANGS])
async def test_a_second_crash_costs_the_photo_and_no_other(scripted: Start, deed: int) -> None:
    async with scripted(timeout_s=2.5) as captioner:
        asked = [captioner.caption(pixels(first)) for first in (1, deed, 2, 3)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
    texts = [answer.text if isinstance(answer, Caption) else type(answer) for answer in answers]
    assert texts == ["A photo of 1.", CaptionerGone, "A photo of 2.", "A photo of 3."]


@pytest.mark.parametrize(
    ("deed", "message"),
    [(REFUSED, "nothing can be said"), (NOT_FINITE, "not finite"), (NO_CAPTION, "is no caption")],
)
async def test_an_error_about_one_picture_leaves_the_child_alone(scripted: Start, deed: int, message: str) -> None:
    async with scripted() as captioner:
        pid = captioner.pid
        with pytest.raises(CaptionError, match=message) as caught:
            await captioner.caption(pixels(deed))
        assert type(caught.value) is CaptionError
        assert captioner.pid == pid


async def test_a_damaged_bundle_is_told_at_the_start(scripted: Start, tmp_path: Path) -> None:
    (tmp_path / "damaged").touch()
    with pytest.raises(BundleError, match=r"manifest\.json: expected sha-256 abc, got def"):
        async with scripted():
            pass


async def test_a_bundle_damaged_on_the_way_is_told_too(scripted: Start, tmp_path: Path) -> None:
    async with scripted() as captioner:
        (tmp_path / "damaged").touch()
        with pytest.raises(BundleError, match="expected sha-256"):
            await captioner.caption(pixels(CRASHES))


async def test_a_worker_that_cant_be_started_is_about_the_set_up() -> None:
    with pytest.raises(BundleError, match="no-such-program"):
        async with CaptionerProcess(argv=["/no-such-program"]):
            pass


async def test_a_stopped_captioner_is_gone(scripted: Start) -> None:
    captioner = scripted()
    async with captioner:
        pass
    await captioner.close()
    with pytest.raises(CaptionerGone, match="was stopped"):
        await captioner.caption(pixels(1))


# -- the shipped bundle -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped one, but that it describes plain colours too."""
    return copy_that_takes_all_for_photos(tmp_path_factory.mktemp("bundles") / "bundle")


@pytest.mark.slow
async def test_the_shipped_model_captions(bundle: Path) -> None:
    async with CaptionerProcess(bundle) as captioner:
        grey = bytes([127]) * (captioner.input_px**2 * 3)
        captions = await asyncio.gather(*(captioner.caption(grey) for _ in range(4)))
        assert captioner.pid is not None
        libraries = {Path(mapped.path).name for mapped in psutil.Process(captioner.pid).memory_maps()}
    assert len(set(captions)) == 1, "the same pixels give the same caption"
    caption = captions[0]
    assert caption.text.endswith(".")
    assert 0 <= caption.confidence <= 1
    assert caption.model == captioner.model
    assert [tag.probability for tag in caption.tags] == sorted((tag.probability for tag in caption.tags), reverse=True)
    if caption.embedding is not None:
        assert sum(value * value for value in caption.embedding) == pytest.approx(1, abs=1e-3)
    assert not any("tensorflow_cc" in library or "pywrap_tensorflow" in library for library in libraries)


@pytest.mark.slow
async def test_the_shipped_model_survives_kill_9(bundle: Path) -> None:
    async with CaptionerProcess(bundle) as captioner:
        grey = bytes([127]) * (captioner.input_px**2 * 3)
        asked = [asyncio.create_task(captioner.caption(grey)) for _ in range(6)]
        await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        assert captioner.pid is not None
        os.kill(captioner.pid, signal.SIGKILL)
        assert len({caption.text for caption in await asyncio.gather(*asked)}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("size", [0, 1, 48, -1, +1])
async def test_pixels_of_another_size_are_an_error_about_the_picture(bundle: Path, size: int) -> None:
    async with CaptionerProcess(bundle) as captioner:
        whole = captioner.input_px**2 * 3
        with pytest.raises(CaptionError, match=r"expected .* pixels, got"):
            await captioner.caption(bytes(size if size in (0, 48) else whole + size))


@pytest.mark.slow
async def test_the_manifest_alone_names_the_model(bundle: Path) -> None:
    async with CaptionerProcess(bundle) as captioner:
        assert read_model_name(bundle) == (captioner.model, captioner.input_px)


async def test_a_bundle_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no-such-bundle"):
        read_model_name(tmp_path / "no-such-bundle")
    with pytest.raises(BundleError, match="no-such-bundle"):
        async with CaptionerProcess(tmp_path / "no-such-bundle"):
            pass


@pytest.fixture
def damaged(bundle: Path, tmp_path: Path) -> Path:
    """The shipped bundle, its model a byte too short."""
    copy = shutil.copytree(bundle, tmp_path / "damaged")
    for model in copy.glob("*.tflite"):
        model.write_bytes(model.read_bytes()[:-1])
    return copy


@pytest.mark.slow
async def test_a_damaged_model_file_is_told(damaged: Path) -> None:
    with pytest.raises(BundleError, match="tflite"):
        async with CaptionerProcess(damaged):
            pass
