"""Each process of a class is killed or stopped at random moments, before moving and resting
pictures: what was on the disk stays, only its own track has a gap, and one lecture comes out."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

from recorder.control import RecorderError, kill_and_confirm, launch, running
from recorder.recording import Life
from recorder.salvage import verify
from recorder.spare import Spare

SOURCES = (
    "presenter=test:presenter?size=320x180&fps=25",
    "audience=test:static?size=320x180",
    "microphone=test:speech",
)
TRACKS = ("presenter", "audience", "microphone")
# A word of each child's command line, and the track that it delivers.
CHILDREN = {
    "test:presenter": "presenter",
    "test:static": "audience",
    "test:speech": "microphone",
    "recorder.watch": "",
    "recorder.program": "",
}


def child(parent: int, word: str) -> int | None:
    """The process id of the parent's child with this word on its command line."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) != parent:
                continue
            told = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            # One that waited bears the name of its source.
            name = f"source {CHILDREN[word]}"[:15]
            if word in told or (entry / "comm").read_text().strip() == name:
                return int(entry.name)
        except OSError:
            continue
    return None


async def finish_whole(made: Any) -> None:
    """Ends the class: ready, and every picture and sound of it decodes."""
    await made.finish()
    manifest = made.recording.manifest
    assert manifest.life is Life.READY and manifest.error is None, made.log
    report = verify(made.folder, decode=True)
    assert report.sound, report.problems


def gaps(made: Any) -> list[str]:
    return [m.data["source"] for m in made.recording.markers() if m.kind == "gap"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["kill", "stop"])
async def test_the_recorder(
    hold_class: Callable[..., Any],
    moment: Callable[..., Any],
    strikes: Callable[..., Any],
    repeat: int,
    number: signal.Signals,
) -> None:
    """Its successor is one that waited, as the daemon keeps it."""
    made = hold_class(*SOURCES)
    struck = strikes(made, *TRACKS)
    spare = Spare(made.run_dir, ["test"])
    await made.start()
    await made.running(*TRACKS)
    for _ in range(repeat):
        await spare.start()
        await made.until(lambda: spare.ready, "the spare recorder")
        await struck.settled()
        await moment()
        struck.now(f"recorder {number.name}")
        os.kill(made.pids[-1], number)
        await kill_and_confirm(made.pids[-1])
        await made.ended()
        waited = spare.pid
        assert await made.start(spare=spare) == waited
        await struck.over()
    await spare.stop()
    await finish_whole(made)
    struck.judge()
    assert [m.kind for m in made.recording.markers()].count("restart") == repeat


async def test_its_children_are_killed(
    hold_class: Callable[..., Any],
    moment: Callable[..., Any],
    strikes: Callable[..., Any],
    repeat: int,
) -> None:
    made = hold_class(*SOURCES)
    struck = strikes(made, *TRACKS)
    pid = await made.start(program=True)
    await made.running(*TRACKS)
    await made.until(lambda: made.status.program == "running", "the program")
    for word in [word for word in CHILDREN for _ in range(repeat)]:
        victim = await made.until(lambda word=word: child(pid, word), word)
        await struck.settled()
        await moment()
        struck.now(f"{word} SIGKILL", hit=CHILDREN[word])
        os.kill(victim, signal.SIGKILL)
        await made.until(
            lambda word=word, gone=victim: child(pid, word) not in (None, gone), f"a new {word}"
        )
        await struck.over()
    await finish_whole(made)
    struck.judge()
    with av.open(str(made.recording.lecture)) as lecture:
        length = (lecture.duration or 0) / 1e6
    assert length == pytest.approx(made.recording.manifest.duration_s, abs=0.5)


async def test_its_children_stand_still(
    hold_class: Callable[..., Any],
    moment: Callable[..., Any],
    strikes: Callable[..., Any],
    repeat: int,
) -> None:
    """All of them at once: each is noticed and replaced by itself."""
    made = hold_class(*SOURCES)
    struck = strikes(made, *TRACKS)
    pid = await made.start(program=True)
    await made.running(*TRACKS)
    for _ in range(repeat):
        await made.until(lambda: made.status.program == "running", "the program")
        victims = {
            word: await made.until(lambda word=word: child(pid, word), word)
            for word in ("test:presenter", "recorder.watch", "recorder.program")
        }
        await struck.settled()
        await moment()
        struck.now("children SIGSTOP", hit="presenter")
        for victim in victims.values():
            os.kill(victim, signal.SIGSTOP)
        for word, victim in victims.items():
            await made.until(
                lambda word=word, gone=victim: child(pid, word) not in (None, gone), f"a new {word}"
            )
        await struck.over()
    await finish_whole(made)
    struck.judge()
    assert made.recording.lecture.exists()


async def test_of_two_supervisors_one_records(hold_class: Callable[..., Any], repeat: int) -> None:
    made = hold_class(SOURCES[2])
    for _ in range(repeat):
        answers = await asyncio.gather(
            *(launch(made.folder, made.run_dir, program=False) for _ in range(2)),
            return_exceptions=True,
        )
        made.pids += [answer for answer in answers if isinstance(answer, int)]
        assert all(isinstance(answer, int | RecorderError) for answer in answers)
        await made.connect()
        await made.running("microphone")
        [alone] = await made.until(
            lambda: len(running(made.run_dir)) == 1 and running(made.run_dir)
        )
        assert alone.pid in made.pids
        with pytest.raises(RecorderError):
            await launch(made.folder, made.run_dir)
        if repeat > 1:
            os.kill(alone.pid, signal.SIGKILL)
            await kill_and_confirm(alone.pid)
            await made.ended()
    if repeat > 1:
        await made.start()
    await finish_whole(made)
    assert verify(made.folder, decode=True).sound
