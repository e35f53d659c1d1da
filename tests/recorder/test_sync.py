"""Sound and picture of cameras whose clocks run wrong, over real RTSP: in step all the same.

A flash each second and a beep each second, true seconds; the picture's clock is fast by 3,600 ppm
and the sound's slow by as much, so that after fourteen seconds their stamps lie 0.1 s apart.
`python -m benchmarks sync` does the same for five minutes.
"""

from pathlib import Path

from benchmarks import sync

SECONDS = 14.0


async def test_clocks_that_run_apart(tmp_path: Path) -> None:
    found = await sync.hold(tmp_path, SECONDS, 3600, -3600)
    assert found["pairs"] > SECONDS * 0.7
    assert abs(found["first_ms"]) < 40 and abs(found["last_ms"]) < 40, found
