"""A short run of the fuzzer, from the documented exchanges on; `make fuzz` runs it for as long as
one likes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_a_short_run_finds_nothing(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris isn't installed (no wheel for this machine)")
    ran = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "fuzz" / "wire.py"), "-runs=6000", "-seed=7"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=280,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    assert "Done 6000 runs" in ran.stderr
