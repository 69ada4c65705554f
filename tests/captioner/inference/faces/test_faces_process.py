"""The face finder's real child process with the shipped bundle: hostile pictures, a damaged bundle, a killed child."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import struct
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from captioner import (
    DEFAULT_FACE_BUNDLE,
    FACE_VECTOR_LENGTH,
    BundleError,
    Face,
    FaceError,
    FaceFinderGone,
    FaceFinderUnavailable,
    FaceProcess,
    read_face_model,
)
from captioner.inference.faces.worker import pack_faces, unpack_faces
from tests.faces_made import encode, picture_with_faces

pytestmark = pytest.mark.slow
GREY = encode(Image.new("RGB", (640, 480), (127, 127, 127)))


def vector(face: Face) -> np.ndarray:
    return np.frombuffer(face.vector, "<f2").astype(np.float64)


async def test_faces_are_found_with_boxes_and_vectors() -> None:
    picture = picture_with_faces([(50, 50, 200), (800, 500, 120)])
    async with FaceProcess() as finder:
        faces = await finder.find_faces(encode(picture))
        again = await finder.find_faces(encode(picture))
        as_webp = await finder.find_faces(encode(picture, "WEBP"))
        (dark,) = await finder.find_faces(encode(picture_with_faces([(50, 50, 200)], skin="dark")))
        assert finder.model == read_face_model().name == "recollect-faces-1"
        assert finder.pid is not None
        libraries = {Path(mapped.path).name for mapped in psutil.Process(finder.pid).memory_maps()}
    assert faces == again, "the same picture gives the same faces"
    assert len(faces) == len(as_webp) == 2
    assert [face.score for face in faces] == sorted((face.score for face in faces), reverse=True)
    large, small = sorted(faces, key=lambda face: -face.size_px)
    assert (large.left + large.width / 2) * 1280 == pytest.approx(153, abs=8)
    assert (large.top + large.height / 2) * 960 == pytest.approx(155, abs=10)
    assert (small.left + small.width / 2) * 1280 == pytest.approx(861, abs=8)
    assert large.size_px == pytest.approx(min(large.width * 1280, large.height * 960), abs=0.01)
    for face in faces:
        assert len(face.vector) == 2 * FACE_VECTOR_LENGTH
        assert np.linalg.norm(vector(face)) == pytest.approx(1, abs=2e-3)
    assert vector(large) @ vector(small) > 0.98 > vector(large) @ vector(dark)
    assert not any("tensorflow_cc" in library or "pywrap_tensorflow" in library for library in libraries)


def huge_header() -> bytes:
    """A JPEG whose frame says 60,000 x 60,000 pixels."""
    at = GREY.index(b"\xff\xc0") + 5
    return GREY[:at] + struct.pack(">HH", 60_000, 60_000) + GREY[at + 4 :]


async def test_a_picture_that_is_none_is_an_error_about_it_alone() -> None:
    png = encode(Image.new("RGB", (64, 64)), "PNG")
    bad = {
        "empty": b"",
        "not a picture": b"no picture at all" * 99,
        "cut in the header": GREY[:30],
        "cut in the data": encode(picture_with_faces([(50, 50, 200)]))[:9000],
        "a huge header": huge_header(),
        "large": encode(Image.new("RGB", (4000, 3000))),
        "another format": png,
        "a cut WebP": encode(picture_with_faces([(50, 50, 200)]), "WEBP")[:500],
    }
    async with FaceProcess() as finder:
        pid = finder.pid
        for what, content in bad.items():
            with pytest.raises(FaceError) as caught:
                await finder.find_faces(content)
            assert type(caught.value) is FaceError, what
        assert finder.pid == pid, "the child goes on"
        assert await finder.find_faces(GREY) == ()


@pytest.mark.parametrize("mode", ["L", "CMYK"])
async def test_grey_and_cmyk_are_looked_at_like_others(mode: str) -> None:
    async with FaceProcess() as finder:
        assert len(await finder.find_faces(encode(picture_with_faces([(50, 50, 200)]).convert(mode)))) == 1


@pytest.mark.parametrize("size", [(1, 1), (1, 1000), (1000, 1), (31, 33)])
async def test_tiny_pictures_have_no_faces(size: tuple[int, int]) -> None:
    async with FaceProcess() as finder:
        assert await finder.find_faces(encode(Image.new("RGB", size, (200, 150, 120)))) == ()


async def test_a_killed_child_costs_nothing() -> None:
    async with FaceProcess() as finder:
        picture = encode(picture_with_faces([(50, 50, 200)]))
        asked = [asyncio.create_task(finder.find_faces(picture)) for _ in range(6)]
        await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        assert finder.pid is not None
        os.kill(finder.pid, signal.SIGKILL)
        answers = await asyncio.gather(*asked)
        assert len(set(answers)) == 1
        assert len(answers[0]) == 1


async def test_it_is_unloaded_when_nothing_is_asked_and_loaded_again() -> None:
    async with FaceProcess(idle_s=0.2) as finder:
        await finder.find_faces(GREY)
        for _ in range(200):
            if finder.pid is None:
                break
            await asyncio.sleep(0.05)
        assert finder.pid is None
        assert await finder.find_faces(GREY) == ()


@pytest.mark.parametrize(
    "name", ["detector_stem.tflite", "detector_body.tflite", "detector_heads.npy", "recogniser.tflite"]
)
async def test_a_damaged_bundle_is_told_by_the_file_s_name(tmp_path: Path, name: str) -> None:
    bundle = shutil.copytree(DEFAULT_FACE_BUNDLE, tmp_path / "bundle")
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"{name} is damaged"):
        async with FaceProcess(bundle):
            pass


async def test_a_captioner_s_bundle_is_none_of_faces(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"format": 1}')
    with pytest.raises(BundleError, match="format 1; this recollect reads format faces-2"):
        read_face_model(tmp_path)
    with pytest.raises(BundleError, match="no-such-bundle"):
        async with FaceProcess(tmp_path / "no-such-bundle"):
            pass


async def test_a_child_that_dies_each_time_is_to_blame_on_the_picture(tmp_path: Path) -> None:
    program = tmp_path / "dies.py"
    program.write_text(
        "import os\nfrom captioner.ipc.serve import Service, serve\n"
        "serve(lambda: Service(lambda header, payload: os.abort(), {'model': 'scripted-1'}))\n"
    )
    async with FaceProcess(argv=[sys.executable, str(program)]) as finder:
        with pytest.raises(FaceFinderGone) as caught:
            await finder.find_faces(GREY)
        assert not isinstance(caught.value, FaceFinderUnavailable)


def test_what_goes_between_the_processes_comes_out_the_same() -> None:
    faces = tuple(Face(0.1, 0.2, 0.3, 0.4, 0.9, 44.0, bytes([n]) * 256) for n in range(3))
    header, payload = pack_faces(faces)
    assert unpack_faces(header, payload) == faces
    for broken in (payload[:-1], payload + b"x", b""):
        with pytest.raises(FaceError, match="holds no faces"):
            unpack_faces(header, broken)
    with pytest.raises(FaceError, match="holds no faces"):
        unpack_faces({}, payload)
    with pytest.raises(FaceError, match="not finite"):
        pack_faces([Face(0.1, 0.2, 0.3, float("nan"), 0.9, 44.0, bytes(256))])
