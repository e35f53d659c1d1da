"""A power cut takes at most what was not synced; the class goes on afterwards as one lecture."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recorder.recording import Life, Recording, boot_id, find
from recorder.salvage import salvage, verify
from recorder.segments import segment_files, span

MOVING = "presenter=test:presenter?size=320x180&fps=25"
STATIC = "audience=test:static?size=320x180"
SPEECH = "microphone=test:speech"
TRACKS = ("presenter", "audience", "microphone")
AT_MOST = 1.5


def end_of(folder: Path) -> float:
    spans = [found for _, path in segment_files(folder) if (found := span(path))]
    return max((stop for _, stop in spans), default=0.0)


async def test_what_a_power_cut_leaves(
    hold_class: Callable[..., Any],
    forgetful: Any,
    moment: Callable[..., Any],
    ledger: Any,
    chance: Any,
    repeat: int,
    tmp_path: Path,
) -> None:
    made = hold_class(MOVING, STATIC, SPEECH, folder=forgetful.folder)
    made.run_dir = tmp_path / "run"
    await made.start()
    await made.running(*TRACKS)
    await moment(1.2, 1.5)
    for number in range(repeat * 8):
        await moment(0.1, 1.1)
        seed = None if number % 2 else chance.randrange(1 << 30)
        left, seen = forgetful.cut(seed)
        folder = left / "recordings" / made.folder.name
        salvage(folder)
        report = verify(folder, decode=seed is None)
        assert report.sound, report.problems
        assert Recording.open(folder).manifest.life is Life.RECORDING
        for track in TRACKS:
            written = end_of(seen / "recordings" / made.folder.name / "tracks" / track)
            kept = end_of(folder / "tracks" / track)
            ledger.note("power cut", track, max(0.0, written - kept), max(0.0, written - kept))
            assert kept > 0 and written - kept <= AT_MOST, (track, seed)
        for done in (left, seen):
            shutil.rmtree(done)
    await made.finish()


async def test_after_a_power_cut_the_class_goes_on(
    hold_class: Callable[..., Any], forgetful: Any, moment: Callable[..., Any], tmp_path: Path
) -> None:
    made = hold_class(MOVING, SPEECH, folder=forgetful.folder)
    made.run_dir = tmp_path / "run"
    await made.start(program=True)
    await made.running("presenter", "microphone")
    await made.until(lambda: made.status.program == "running", "the program")
    await made.until(lambda: made.status.duration_s > 4, "four seconds")
    await moment()
    left, _ = forgetful.cut()
    await made.kill()
    await made.ended()
    recording = find(left / "recordings", made.recording.id)
    assert recording is not None
    recording.update(boot_id="the-boot-before")
    made.recording = recording
    await made.start(program=True)
    await made.running("presenter", "microphone")
    await made.finish()
    manifest = recording.manifest
    assert manifest.life is Life.READY and manifest.error is None and manifest.boot_id != boot_id()
    kinds = [marker.kind for marker in recording.markers()]
    assert kinds.count("restart") == 1 and kinds[0] == "start" and kinds[-1] == "end"
    assert {m.data["source"] for m in recording.markers() if m.kind == "gap"} == {
        "presenter",
        "microphone",
    }
    assert verify(recording.folder).sound and recording.lecture.exists()
