"""The memory budget: parent and children together, while photos of a camera's size are indexed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from indexer.settings import Settings
from tests.memory import PeakMemory, sample

pytestmark = pytest.mark.slow  # each test indexes large photos

BUDGET_MB = 250


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="PSS is Linux's account")
def test_indexing_12_megapixel_photos_stays_within_the_budget(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    root.mkdir()
    for number in range(5):
        grain = Image.effect_noise((4000, 3000), 20 + number).convert("RGB")
        grain.save(root / f"{number}.jpg", quality=85)
    environment = {**os.environ, "RECOLLECT_DATA_DIR": str(tmp_path / "data"), "XDG_CONFIG_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "web.cli", "index", str(root)]
    with (
        subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process,
        PeakMemory(process.pid) as memory,
    ):
        assert process.wait(timeout=240) == 0
    assert len(memory.peak.each_pss_mb) == Settings().reader_count + 2
    assert 0 < memory.peak.pss_mb < BUDGET_MB, memory.peak


def test_a_process_that_is_gone_takes_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert sample(process.pid).pss_mb == 0
