"""A hardware encoder that fails in class is replaced by software in the same lecture."""

import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

from recorder.recording import Life, ProgramSpec

# Loaded by every Python that the recorder starts: an encoder that is found, and fails in time.
FAILING = """
import dataclasses, importlib.abc, importlib.machinery, os, sys

class Hook(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "recorder.engines.writer":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        run = spec.loader.exec_module
        def exec_module(module):
            run(module)
            change(module)
        spec.loader.exec_module = exec_module
        return spec

def change(module):
    import av
    from recorder import encoders
    encoders.choose = lambda wanted="auto": "h264_failing" if wanted == "auto" else "libx264"
    writer = module.PartWriter
    opened, picture = writer.__init__, writer.picture
    def __init__(self, path, settings, *more, **others):
        self._left = None
        if settings.encoder == "h264_failing":
            self._left = int(os.environ["FAILS_AFTER"])
            if self._left == 0:
                raise av.error.ExternalError(542398533, "no session is free")
            soft = encoders.lecture_settings(settings.width, settings.height, settings.fps)
            settings = soft
        opened(self, path, settings, *more, **others)
    def failing(self, *arguments, **named):
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise av.error.ExternalError(542398533, "the encoder has died")
        return picture(self, *arguments, **named)
    writer.__init__, writer.picture = __init__, failing

sys.meta_path.insert(0, Hook())
"""


@pytest.mark.parametrize("frames", [0, 40])
async def test_an_encoder_that_fails(
    hold_class: Callable[..., Any], tmp_path: Path, frames: int
) -> None:
    """`frames` 0: its session is refused. Otherwise it dies after so many pictures."""
    inject = tmp_path / "inject"
    inject.mkdir()
    (inject / "sitecustomize.py").write_text(FAILING)
    path = os.pathsep.join(filter(None, [str(inject), str(Path.cwd())]))
    made = hold_class("presenter=test:presenter?size=320x180&fps=25", "microphone=test:speech")
    made.recording.update(program=ProgramSpec(width=320, height=180, fps=25, encoder="auto"))
    await made.start(program=True, env={"PYTHONPATH": path, "FAILS_AFTER": str(frames)})
    await made.running("presenter", "microphone")
    if frames:
        await made.until(lambda: made.fact("program_lost"), "the failure")
        await made.until(lambda: made.fact("program_lost") is False, "software")
    else:
        await made.until(lambda: made.status.program == "running", "software at once")
    t = made.status.duration_s
    await made.until(lambda: made.status.duration_s > t + 2, "two seconds more")
    await made.finish()
    manifest = made.recording.manifest
    assert manifest.life is Life.READY and manifest.error is None, made.log
    assert not [m for m in made.recording.markers() if m.kind == "gap"]
    with av.open(str(made.recording.lecture)) as lecture:
        assert (lecture.duration or 0) / 1e6 == pytest.approx(manifest.duration_s, abs=0.5)
        shown = [float(frame.time or 0.0) for frame in lecture.decode(video=0)]
    assert max(b - a for a, b in itertools.pairwise(shown)) < 1.5
    parts = made.recording.products / "parts"
    told = [json.loads(path.read_text())["encoder"] for path in sorted(parts.glob("*.json"))
            if path.name.startswith("lecture-")]  # fmt: skip
    assert "libx264" in told
