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
# `h264_own` runs in our child, `h264_ffmpeg` in ffmpeg, as VAAPI does; both are x264 really.
FAILING = """
import importlib.abc, importlib.machinery, os, signal, sys, time

class Hook(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        change = CHANGES.get(name)
        if change is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        run = spec.loader.exec_module
        def exec_module(module):
            run(module)
            change(module)
        spec.loader.exec_module = exec_module
        return spec

class Failing:
    def __init__(self, context):
        self._context, self.extradata = context, context.extradata
        self._left = int(os.environ["FAILS_AFTER"])
    def encode(self, frame):
        self._left -= 1
        if self._left < 0:
            match os.environ["FAILS_BY"]:
                case "error":
                    raise OSError("the encoder has died")
                case "crash":
                    os.kill(os.getpid(), signal.SIGSEGV)
                case "hang":
                    time.sleep(600)
        return self._context.encode(frame)

def change_encoders(module):
    import dataclasses
    opened, name = module.open_video, os.environ["HARDWARE"]
    module.choose = lambda wanted="auto": name if wanted == "auto" else "libx264"
    def open_video(settings):
        if settings.encoder != "h264_own":
            return opened(settings)
        if os.environ["FAILS_BY"] == "refuse":
            raise OSError("no session is free")
        options = {"preset": "ultrafast", "tune": "zerolatency", "forced-idr": "1"}
        changed = dataclasses.replace(settings, encoder="libx264", options=options)
        return Failing(opened(changed))
    module.open_video = open_video

def change_hardware(module):
    codec = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency"]
    codec += ["-forced-idr", "1"]
    if os.environ["FAILS_BY"] == "refuse":
        codec += ["-preset", "none-such"]
    else:
        codec += ["-frames:v", os.environ["FAILS_AFTER"]]
    line = module.encoders.Line((), "", tuple(codec))
    module.encoders.BY_FFMPEG["h264_ffmpeg"] = line

CHANGES = {"recorder.encoders": change_encoders, "recorder.engines.hardware": change_hardware}
sys.meta_path.insert(0, Hook())
"""


SOURCES = ("presenter=test:presenter?size=320x180&fps=25", "microphone=test:speech")


@pytest.mark.parametrize(
    ("hardware", "fault", "live"),
    [
        ("h264_own", "refuse", False),
        ("h264_own", "error", False),
        ("h264_own", "crash", True),
        ("h264_own", "hang", False),
        ("h264_ffmpeg", "end", False),
    ],
)
async def test_an_encoder_that_fails(
    hold_class: Callable[..., Any],
    tmp_path: Path,
    ledger: Any,
    chance: Any,
    repeat: int,
    hardware: str,
    fault: str,
    live: bool,
) -> None:
    """Refused, or after some pictures: the lecture goes on within a second, in the same part."""
    (tmp_path / "sitecustomize.py").write_text(FAILING)
    path = os.pathsep.join(filter(None, [str(tmp_path), str(Path.cwd())]))
    told = {"PYTHONPATH": path, "FAILS_BY": fault, "HARDWARE": hardware}
    for number in range(repeat):
        folder = tmp_path / str(number)
        folder.mkdir()
        made = hold_class(*SOURCES, folder=folder)
        spec = ProgramSpec(width=320, height=180, fps=25, encoder="auto", live=live)
        made.recording.update(program=spec)
        lost = await _hold(made, told | {"FAILS_AFTER": str(chance.randrange(30, 60))})
        ledger.note(f"{hardware} {fault}", "lecture", lost, lost)
        assert lost < 1.0


async def _hold(made: Any, told: dict[str, str]) -> float:
    """Holds the class and looks at its lecture: the longest time without a picture about then."""
    await made.start(program=True, env=told)
    await made.running("presenter", "microphone")
    await made.until(
        lambda: [m for m in made.recording.markers() if m.kind == "encoder"], "the hand-over"
    )
    t = made.status.duration_s
    await made.until(lambda: made.status.duration_s > t + 1.5, "some seconds more")
    encoder = made.status.encoder
    assert (encoder.name, encoder.hand_overs) == ("libx264", 1)
    await made.finish()
    manifest = made.recording.manifest
    assert manifest.life is Life.READY and manifest.error is None, made.log
    markers = made.recording.markers()
    assert not [m for m in markers if m.kind == "gap"]
    assert made.fact("program_lost") is not True
    with av.open(str(made.recording.lecture)) as lecture:
        assert (lecture.duration or 0) / 1e6 == pytest.approx(
            manifest.duration_s, abs=1.0 if manifest.program.live else 0.5
        )
        shown = [float(frame.time or 0.0) for frame in lecture.decode(video=0)]
    parts = made.recording.products / "parts"
    (facts,) = [json.loads(found.read_text()) for found in parts.glob("lecture-0*.json")]
    assert (facts["encoder"], facts["handed_over"]["from"]) == ("libx264", told["HARDWARE"])
    (mark,) = [m for m in markers if m.kind == "encoder"]
    assert mark.data["encoder"] == "libx264" and told["HARDWARE"] in mark.data["why"]
    assert shown[-1] > mark.t
    gaps = list(itertools.pairwise([0.0, *shown, manifest.duration_s]))
    assert max(b - a for a, b in gaps) < 1.5
    # Until the camera's first picture one is written once a second.
    begun = next(a for a, b in itertools.pairwise(shown) if b - a < 0.1)
    return max(b - a for a, b in gaps[:-1] if b > mark.t - 2 and begun <= a < mark.t + 2)
