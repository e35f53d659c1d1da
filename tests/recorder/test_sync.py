"""Sound and picture of cameras whose clocks run wrong, over real RTSP: in step all the same.

A flash each second and a beep each second, true seconds; the picture's clock is fast by 3,600 ppm
and the sound's slow by as much, so that after fourteen seconds their stamps lie 0.1 s apart.
`python -m benchmarks sync` does the same for five minutes.
"""

import importlib.util
import sys
from pathlib import Path
from typing import Any

SECONDS = 14.0
_BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "sync.py"


def _benchmark() -> Any:
    name = "classroomd_sync_benchmark"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _BENCHMARK)
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


sync = _benchmark()


async def test_clocks_that_run_apart(tmp_path: Path) -> None:
    found = await sync.hold(tmp_path, SECONDS, 3600, -3600)
    assert found["pairs"] > SECONDS * 0.7
    assert abs(found["first_ms"]) < 40 and abs(found["last_ms"]) < 40, found
