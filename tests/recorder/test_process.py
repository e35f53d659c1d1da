"""The recorder process as a whole, with real sources and the real children."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av
import pytest

from recorder.control import RecorderError, kill_and_confirm, launch, running
from recorder.lock import writer
from recorder.recording import Life, lecture_spans

PRESENTER = "presenter=test:presenter?size=320x180&fps=25"
SLIDES = "slides=test:slides?size=320x180&fps=10"
SPEECH = "microphone=test:speech"


async def test_a_class_becomes_a_lecture(hold_class: Callable[..., Any]) -> None:
    made = hold_class(PRESENTER, SLIDES, SPEECH)
    await made.start(program=True)
    await made.running("presenter", "slides", "microphone")
    await made.until(lambda: made.status.program == "running", "the program")
    await made.until(lambda: (made.recording.live / "presenter.jpg").exists(), "a picture")
    await made.until(lambda: any(e.kind == "levels" for e in made.events), "levels")
    await made.say("layout", layout="side-by-side")
    await made.say("mark", kind="bookmark", data={"label": "Important"})
    await made.until(lambda: made.status.duration_s > 5, "five seconds")
    await made.until(lambda: (made.status.encoder.fps or 0) > 0, "the encoder's rate")
    encoder = made.status.encoder
    assert encoder.name and encoder.part == 1 and encoder.frames > 0 == encoder.hand_overs
    await made.say("hold")
    held = made.status.duration_s
    await made.finish()
    assert made.status.state == "finished" and made.status.lecture == "products/lecture.mp4"
    manifest = made.recording.manifest
    assert manifest.life is Life.READY and manifest.error is None
    assert manifest.duration_s == pytest.approx(held, abs=0.2)
    assert set(manifest.tracks) == {"presenter", "slides", "microphone"}
    kinds = [marker.kind for marker in made.recording.markers()]
    assert kinds == ["start", "layout", "bookmark", "hold", "end"]
    ended = [e.data["code"] for e in made.events if e.kind == "fact" and e.data["active"]]
    assert not {"source_lost", "source_failed", "no_source"} & set(ended)  # it was told to end
    states = [e.data["sources"].values() for e in made.events if e.kind == "status"]
    assert not [one for told in states for one in told if one["state"] in ("lost", "failed")]
    with av.open(str(made.recording.lecture)) as lecture:
        pictures = sum(1 for _ in lecture.decode(video=0))
        assert pictures > 0 and lecture.duration is not None
        assert lecture.duration / 1e6 == pytest.approx(held, abs=0.5)
    with av.open(str(made.recording.lecture)) as lecture:
        assert sum(frame.samples for frame in lecture.decode(audio=0)) / 48000 == pytest.approx(
            held, abs=0.5
        )
    assert not running(made.run_dir)


async def test_killed_and_started_again_it_is_the_same_lecture(
    hold_class: Callable[..., Any], tools: Any
) -> None:
    made = hold_class(PRESENTER, SPEECH)
    await made.start()
    await made.running("presenter", "microphone")
    await made.until(lambda: made.status.duration_s > 3, "three seconds")
    await made.kill()
    killed_at = made.status.duration_s
    await made.ended()
    for source, kind in (("presenter", "video"), ("microphone", "audio")):
        last = max(at for at, _ in tools.packets(made.recording.track(source), kind))
        assert last > killed_at - 1.0, source
    await made.start()
    await made.running("presenter", "microphone")
    await made.finish()
    markers = made.recording.markers()
    assert [m.kind for m in markers].count("restart") == 1
    gaps = {m.data["source"]: m.data for m in markers if m.kind == "gap"}
    assert set(gaps) == {"presenter", "microphone"}
    for gap in gaps.values():
        assert killed_at - 1.0 < gap["from"] < gap["to"] < made.status.duration_s
    times = [at for at, _ in tools.packets(made.recording.track("presenter"))]
    assert times == sorted(times)
    assert len(list(made.recording.track("presenter").glob("*.mp4"))) >= 2
    assert made.recording.manifest.life is Life.READY


async def test_a_stopped_process_never_writes_beside_its_successor(
    hold_class: Callable[..., Any],
) -> None:
    made = hold_class(SPEECH)
    first = await made.start()
    await made.running("microphone")
    os.kill(first, signal.SIGSTOP)
    with pytest.raises(RecorderError, match=f"process {first}"):
        await launch(made.folder, made.run_dir)
    second = subprocess.run(
        [sys.executable, "-m", "recorder.process", str(made.folder), "--run-dir", made.run_dir],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 3 and f"process {first}" in second.stderr
    assert [process.pid for process in running(made.run_dir)] == [first]
    await kill_and_confirm(first)
    assert running(made.run_dir) == []
    await made.start()
    with pytest.raises(ProcessLookupError):  # there is nothing left to continue
        os.kill(first, signal.SIGCONT)
    await made.running("microphone")
    await made.finish()
    assert made.recording.manifest.life is Life.READY


async def test_a_process_that_is_no_recorder_is_left_alone() -> None:
    other = subprocess.Popen(["sleep", "60"])
    try:
        await kill_and_confirm(other.pid)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


async def test_after_a_reboot_the_class_goes_on_by_the_wall(hold_class: Callable[..., Any]) -> None:
    made = hold_class(SPEECH)
    started = datetime.now(UTC) - timedelta(seconds=600)
    made.recording.mark("start", 0.0)
    made.recording.update(boot_id="the-boot-before", boottime=17.0, started=started)
    await made.start()
    await made.running("microphone")
    begun = (datetime.now(UTC) - started).total_seconds()
    assert 600 < made.status.duration_s < begun + 1.0
    await made.finish()
    assert 600 < made.recording.manifest.tracks["microphone"]["from_s"] < begun


async def test_nothing_is_written_in_a_pause(hold_class: Callable[..., Any], tools: Any) -> None:
    made = hold_class(PRESENTER, SPEECH)
    await made.start(program=True)
    await made.running("presenter", "microphone")
    await made.until(lambda: made.status.duration_s > 2, "two seconds")
    status = await made.say("pause")
    assert status.state == "paused"
    before = made.status.sources["microphone"].bytes
    tracks = made.folder / "tracks"
    sizes = {p: p.stat().st_size for p in tracks.rglob("*") if p.is_file()}
    await made.until(lambda: not list(made.recording.live.glob("*.jpg")), "no picture")
    paused_at = made.status.duration_s
    await made.until(lambda: made.status.duration_s > paused_at + 2, "two seconds of pause")
    assert {p: p.stat().st_size for p in tracks.rglob("*") if p.is_file()} == sizes
    await made.say("resume")
    await made.until(lambda: made.status.sources["microphone"].bytes > before + 5000, "sound")
    await made.until(
        lambda: len(list(made.recording.track("presenter").glob("*.mp4"))) == 2, "a new segment"
    )
    await made.until(lambda: made.status.duration_s > paused_at + 4, "some more")
    await made.finish()
    markers = {m.kind: m.t for m in made.recording.markers()}
    for source, kind in (("presenter", "video"), ("microphone", "audio")):
        times = [at for at, _ in tools.packets(made.recording.track(source), kind)]
        assert not [t for t in times if markers["pause"] + 0.05 < t < markers["resume"] - 0.05]
    assert "gap" not in markers
    manifest = made.recording.manifest
    spans = lecture_spans(made.recording.markers(), markers["end"])
    assert manifest.duration_s == pytest.approx(sum(b - a for a, b in spans), abs=0.01)
    with av.open(str(made.recording.lecture)) as lecture:
        assert lecture.duration is not None
        assert lecture.duration / 1e6 == pytest.approx(manifest.duration_s, abs=0.5)


async def test_restarted_in_a_pause_and_ended_there_it_is_ready_at_once(
    hold_class: Callable[..., Any],
) -> None:
    made = hold_class(SPEECH)
    await made.start(program=True)
    await made.running("microphone")
    await made.until(lambda: made.status.program == "running", "the program")
    await made.until(lambda: made.status.duration_s > 2, "two seconds")
    await made.say("pause")
    await made.kill()
    await made.ended()
    await made.start(program=True)
    assert made.status.state == "paused"
    await made.until(lambda: made.status.program == "running", "the program")
    await made.finish()
    assert made.recording.manifest.life is Life.READY and made.recording.lecture.exists()
    assert not re.search("is ended|Fatal|BrokenPipe|recorder/program", made.log), made.log


async def test_an_end_that_is_taken_back_keeps_everything(hold_class: Callable[..., Any]) -> None:
    made = hold_class(SPEECH)
    await made.start()
    await made.running("microphone")
    assert (await made.say("hold")).held
    held_at = made.status.duration_s
    await made.until(lambda: made.status.duration_s > held_at + 1, "a second")
    assert not (await made.say("release")).held
    await made.until(lambda: made.status.duration_s > held_at + 2, "another")
    await made.finish()
    assert made.recording.manifest.tracks["microphone"]["to_s"] > held_at + 1.5


async def test_a_hold_survives_a_restart(hold_class: Callable[..., Any]) -> None:
    made = hold_class(SPEECH)
    await made.start()
    await made.running("microphone")
    await made.until(lambda: made.status.duration_s > 2, "two seconds")
    await made.say("hold")
    held_at = made.recording.markers()[-1].t
    await made.kill()
    await made.ended()
    await made.start()
    assert made.status.held
    await made.running("microphone")
    await made.finish()
    assert made.recording.manifest.duration_s == pytest.approx(held_at, abs=0.01)
    assert made.recording.manifest.tracks["microphone"]["to_s"] < held_at + 0.3


async def test_killed_while_it_finishes_it_finishes_afterwards(
    hold_class: Callable[..., Any],
) -> None:
    made = hold_class(SPEECH)
    await made.start()
    await made.running("microphone")
    made.recording.mark("end", made.status.duration_s)
    await made.kill()
    await made.ended()
    await launch(made.folder, made.run_dir, program=False)  # it may be done before one connects
    async with asyncio.timeout(30):
        while running(made.run_dir) or made.recording.manifest.life is not Life.READY:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_told_to_leave_it_leaves_the_class_to_a_successor(
    hold_class: Callable[..., Any],
) -> None:
    made = hold_class(SPEECH)
    pid = await made.start()
    await made.running("microphone")
    os.kill(pid, signal.SIGTERM)
    await made.ended()
    assert made.recording.manifest.life is Life.RECORDING
    await made.start()
    await made.running("microphone")
    await made.finish()
    assert made.recording.manifest.life is Life.READY


async def test_without_any_source_it_says_so_and_tries_again(
    hold_class: Callable[..., Any], camera: Callable[..., Any]
) -> None:
    gone = camera("--sound", "none")
    gone.kill()
    made = hold_class(f"presenter={gone.url}", "slides=test:nothing")
    await made.start()
    await made.until(lambda: made.fact("no_source"), "no_source")
    assert made.fact("source_failed", "presenter") and made.fact("source_failed", "slides")
    assert made.status.state == "recording"
    assert "refused" in made.status.sources["presenter"].detail
    gone.start()
    await made.say("retry", source="presenter")
    await made.running("presenter")
    await made.until(lambda: made.fact("no_source") is False, "a source")
    with pytest.raises(RecorderError, match="no source 'x'"):
        await made.say("retry", source="x")
    await made.finish()
    assert made.recording.manifest.life is Life.READY


async def test_a_recording_of_nothing_fails_with_a_reason(hold_class: Callable[..., Any]) -> None:
    made = hold_class("presenter=rtsp://127.0.0.1:9/none")
    await made.start(program=True)
    await made.until(lambda: made.fact("source_failed", "presenter"), "the failure")
    await made.finish()
    manifest = made.recording.manifest
    assert made.status.state == "failed" and manifest.life is Life.FAILED
    assert manifest.error and "nothing was recorded" in manifest.error
    assert not re.search("is ended|Fatal|BrokenPipe|recorder/program", made.log), made.log


async def test_the_program_may_die(hold_class: Callable[..., Any]) -> None:
    made = hold_class(PRESENTER, SPEECH)
    pid = await made.start(program=True)
    await made.until(lambda: made.status.program == "running", "the program")
    await made.running("presenter", "microphone")
    children = Path(f"/proc/{pid}/task/{pid}/children")
    assert children.exists() or shutil.which("ps")
    program = next(p for p in descendants(pid) if "recorder.program" in command(p))
    os.kill(program, signal.SIGKILL)
    await made.until(lambda: made.fact("program_lost"), "program_lost")
    await made.until(lambda: made.fact("program_lost") is False, "a new part")
    parts = made.recording.products / "parts"
    await made.until(lambda: (parts / "lecture-002.mp4").exists(), "a second part")
    before = made.status.duration_s
    await made.until(lambda: made.status.duration_s > before + 2, "two seconds more")
    await made.finish()
    assert made.recording.manifest.error is None
    assert "gap" not in [m.kind for m in made.recording.markers()]
    with av.open(str(made.recording.lecture)) as lecture:
        assert lecture.duration is not None
        assert lecture.duration / 1e6 == pytest.approx(made.recording.manifest.duration_s, abs=0.5)


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def descendants(pid: int) -> list[int]:
    """The children of a process, whichever thread started them."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
            if int(parent) == pid:
                found.append(int(entry.name))
    return found


async def test_files_are_recorded_as_fast_as_they_are_read(
    hold_class: Callable[..., Any], clip: Path, tools: Any
) -> None:
    made = hold_class(f"presenter=file:{clip}?pace=fast")
    await made.start()
    await made.ended()
    manifest = made.recording.manifest
    assert manifest.life is Life.READY and manifest.error is None
    assert manifest.duration_s == pytest.approx(4.0, abs=0.2)
    assert len(tools.packets(made.recording.track("presenter"))) == 100


async def test_two_folders_two_recorders_do_not_meet(hold_class: Callable[..., Any]) -> None:
    one, two = hold_class(SPEECH), hold_class(SPEECH)
    await asyncio.gather(one.start(), two.start())
    assert {p.recording for p in running(one.run_dir)} == {one.recording.id, two.recording.id}
    await one.running("microphone")
    await asyncio.gather(one.finish(), two.finish())


async def test_a_finished_recording_is_not_touched_again(hold_class: Callable[..., Any]) -> None:
    made = hold_class(SPEECH)
    await made.start()
    await made.running("microphone")
    await made.finish()
    await made.until(lambda: writer(made.folder) is None, "the lock")
    again = subprocess.run(
        [sys.executable, "-m", "recorder.process", str(made.folder), "--run-dir", made.run_dir],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert again.returncode == 2 and "ready" in again.stderr
