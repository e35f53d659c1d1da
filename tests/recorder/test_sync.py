"""Sound and picture of cameras whose clocks run wrong, over real RTSP: in step all the same.

A flash each second and a beep each second, true seconds; the picture's clock is fast by 3,600 ppm
and the sound's slow by as much, so that after twenty seconds their stamps lie 0.14 s apart.
`python -m benchmarks sync` does the same for five minutes.
"""

from pathlib import Path

from benchmarks import sync

SECONDS = 20.0
APART_MS = 40


async def test_clocks_that_run_apart(tmp_path: Path) -> None:
    found = await sync.hold(tmp_path, SECONDS, 3600, -3600)
    # As they came, the stamps run apart by 7.2 ms a second: what was seen tells that from step.
    assert found["span_s"] * 7.2 > APART_MS, found
    assert abs(found["first_ms"]) < APART_MS and abs(found["last_ms"]) < APART_MS, found
