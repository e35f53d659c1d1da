"""A sound server for tests that play or hear something."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

needs_pulse = pytest.mark.skipif(
    not all(shutil.which(name) for name in ("pulseaudio", "pactl", "pacat", "parec")),
    reason="PulseAudio is not installed: apt-get install pulseaudio pulseaudio-utils",
)


@asynccontextmanager
async def pulseaudio(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """A PulseAudio of this test's own, without any device."""
    for name in ("XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH", "PULSE_STATE_PATH", "HOME"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv("PULSE_SERVER", f"unix:{folder}/native")
    process = await asyncio.create_subprocess_exec(
        *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"),
        *("--disable-shm=yes", "-L", f"module-native-protocol-unix socket={folder}/native"),
        env=os.environ | {"PULSE_SERVER": ""},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(30):
            while not (folder / "native").exists():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        yield
    finally:
        process.terminate()
        await process.wait()
