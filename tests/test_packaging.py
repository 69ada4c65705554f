"""The lock files, resolved for every machine and Python that is promised; the wheel, in an environment of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.indexing import COLOURS
from tests.photos_made import write_jpeg

pytestmark = pytest.mark.slow  # packages are asked for and installed

UV = os.environ.get("UV") or shutil.which("uv")
#: The C library of Debian 11 and newer; Raspberry Pi OS (bookworm) has 2.36.
PLATFORMS = ("aarch64-manylinux_2_31", "x86_64-manylinux_2_31")
PYTHONS = ("3.11", "3.12", "3.13")
_OFFLINE = ("dns error", "Connection refused", "tcp connect error", "timed out", "No route to host")


def uv(*words: object) -> str:
    if UV is None:
        pytest.skip("uv is not installed (or named by the variable UV)")
    command = [UV, *map(str, words), "--no-config"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    if ended.returncode and any(word in ended.stderr for word in _OFFLINE):
        pytest.skip("the package index can't be reached")
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-cluster.txt", "requirements-build.txt"])
def test_every_locked_package_has_a_wheel(
    repository: Path, tmp_path: Path, lock: str, platform: str, python: str
) -> None:
    """By version and SHA-256; nothing is downloaded or built."""
    where = ("--python-platform", platform, "--python-version", python, "--target", tmp_path / "nothing")
    path = repository / "deploy" / lock
    said = uv(
        "pip", "install", "--dry-run", "--require-hashes", "--only-binary", ":all:", *where, "--requirement", path
    )
    assert "Would install" in said
    assert not (tmp_path / "nothing").exists() or not list((tmp_path / "nothing").glob("*.dist-info"))


@pytest.mark.timeout(900)
def test_the_wheel_works_in_an_empty_environment(repository: Path, tmp_path: Path) -> None:
    """`pip install recollect`, `recollect index`, `recollect search`, far from any checkout."""
    wheels = tmp_path / "wheels"
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", wheels, repository], check=True, timeout=280)
    (wheel,) = wheels.glob("recollect-*.whl")
    environment = tmp_path / "environment"
    uv("venv", "--python", sys.executable, environment)
    into = ("pip", "install", "--python", environment / "bin/python")
    uv(*into, "--require-hashes", "--only-binary", ":all:", "--requirement", repository / "deploy/requirements.txt")
    uv(*into, "--no-deps", wheel)

    for number, colour in enumerate(("red", "blue")):
        write_jpeg(tmp_path / "photos" / f"{colour}.jpg", COLOURS[colour], number)
    own = {"RECOLLECT_DATA_DIR": str(tmp_path / "data"), "XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)}

    def recollect(*words: str) -> str:
        command = [str(environment / "bin/recollect"), *words]
        ended = subprocess.run(
            command, env={"PATH": "/usr/bin:/bin", **own}, cwd="/", capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    outcome = json.loads(recollect("index", str(tmp_path / "photos"), "--json"))
    assert (outcome["done"], outcome["set_aside"], outcome["problem"]) == (2, 0, None)
    assert json.loads(recollect("search", "red.jpg", "--json"))["total"] >= 1
    assert "broken" not in recollect("doctor")
    page = "from web.static_files import read_static_files; from web.i18n.language import read_languages; "
    page += "assert read_static_files() and 'de' in read_languages()"
    subprocess.run([environment / "bin/python", "-P", "-c", page], cwd="/", check=True)
