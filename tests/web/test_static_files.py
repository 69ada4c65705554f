"""Scripts import one another by names that may be kept for ever."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.web.conftest import Page
from web.static_files import imported_modules, read_static_files


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Three modules in a row, the last of which is loaded when it is needed."""
    (tmp_path / "recollect.js").write_text('import { zoom } from "./zoom.js";\nzoom("from ./zoom.js");\n')
    (tmp_path / "zoom.js").write_text('import "./pan.js";\nconst later = () => import("./late.js");\n')
    (tmp_path / "pan.js").write_text('import { zoom } from "./zoom.js";\n')
    (tmp_path / "late.js").write_text("export {};\n")
    (tmp_path / "notes.txt").write_text("not served")
    return tmp_path


def test_an_import_names_the_version(directory: Path) -> None:
    files = read_static_files(directory)
    version = files["zoom.js"].version
    body = files["recollect.js"].body.decode()
    assert body == f'import {{ zoom }} from "./zoom.js?v={version}";\nzoom("from ./zoom.js");\n'
    assert f'import("./late.js?v={version}")'.encode() in files["zoom.js"].body
    assert "notes.txt" not in files


def test_a_change_in_one_module_renames_all(directory: Path) -> None:
    before = read_static_files(directory)["recollect.js"].version
    (directory / "pan.js").write_text("export {};\n")
    assert read_static_files(directory)["recollect.js"].version != before


def test_what_is_imported_at_once_is_told(directory: Path) -> None:
    assert imported_modules(read_static_files(directory)) == ("zoom.js", "pan.js")


async def test_every_import_is_served_and_preloaded(page: Page) -> None:
    html = await page.text("/")
    preloaded = re.findall(r'<link rel="modulepreload" href="/static/([^"]+)">', html)
    for name in [*preloaded, re.findall(r'<script type="module" src="/static/([^"]+)">', html)[0]]:
        script = await page.text(f"/static/{name}")
        assert set(re.findall(r'^import .*"\./([^"]+)"', script, re.MULTILINE)) <= set(preloaded)
