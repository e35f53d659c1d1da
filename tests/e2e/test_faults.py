"""Whatever dies in class, the class goes on, and one lecture comes out."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from lectures import probe
from whole_room import WholeRoom, free_port, in_thread, wait_for

from recorder.control import running


def furnish(room: WholeRoom, films: dict[str, Path], extra: str = "", scene: str = "") -> None:
    """A camera by RTSP, generated slides and speech; whatever devices `extra` brings."""
    if "cameras" not in room.processes:
        room.cameras(**films)
    room.write(
        f"""
[[sources]]
id = "front"
role = "presenter"
url = "{room.rtsp("footage")}"
[[sources]]
id = "slides"
role = "slides"
url = "test:slides?size=640x360"
[[sources]]
id = "voice"
role = "microphone"
url = "test:speech"
[[scenes]]
id = "start"
steps = [{scene}]
{extra}"""
    )
    room.open()


def start(room: WholeRoom, seconds: float = 3.0) -> dict[str, Any]:
    """Starts a class and returns it once `seconds` of it are recorded."""
    room.post("/session", {"title": "Faults"})
    all_run(room)
    return recorded(room, seconds)


def all_run(room: WholeRoom) -> None:
    """Returns once every configured source but a hopeless one sends."""
    room.until(
        "/sources",
        lambda them: all(it["state"] == "running" for it in them if it["id"] != "back"),
    )


def recorded(room: WholeRoom, seconds: float) -> dict[str, Any]:
    """The session, once it has `seconds` and is recording."""
    return dict(
        room.until(
            "/session",
            lambda it: it["recording_state"] == "recording" and it["recorded_s"] >= seconds,
        )
    )


def end(room: WholeRoom) -> Path:
    """Ends the class and returns the finished recording's folder."""
    room.post("/session/end", {"undo": False})
    session = room.until("/session", lambda it: it["recording_state"] == "finished")
    assert session["state"] == "ended"
    folders = list(room.recordings.iterdir())
    assert len(folders) == 1, "one class, one recording"
    return folders[0]


def one_lecture(folder: Path) -> dict[str, Any]:
    """Checks the lecture whole against the manifest, and returns the manifest."""
    manifest = dict(json.loads((folder / "recording.json").read_text()))
    found = probe(folder / "products" / "lecture.mp4")
    assert abs(float(found["format"]["duration"]) - manifest["duration_s"]) < 0.5
    assert {stream["codec_type"] for stream in found["streams"]} == {"video", "audio"}
    return manifest


def hole(track: Path) -> float:
    """The longest time (s) between two packets of a track, as ffprobe reads its segments."""
    command = ["ffprobe", "-v", "error", "-show_entries", "packet=pts_time", "-of", "csv=p=0"]
    times: list[float] = []
    for segment in sorted(track.glob("*.m*")):
        said = subprocess.run([*command, str(segment)], capture_output=True, text=True, check=True)
        times += [float(line.rstrip(",")) for line in said.stdout.split() if line[0] != "N"]
    times.sort()
    return max(after - before for before, after in itertools.pairwise(times))


def markers(folder: Path, kind: str) -> list[dict[str, Any]]:
    """The recording's markers of one kind."""
    lines = (folder / "markers.jsonl").read_text().splitlines()
    return [marker for line in lines if (marker := json.loads(line))["kind"] == kind]


async def test_the_daemon_is_killed_and_the_recording_never_stops(
    room: WholeRoom, films: dict[str, Path]
) -> None:
    def story() -> None:
        furnish(room, films)
        before = start(room)
        recorder = room.recorders()[0].pid
        room.end("daemon", signal.SIGKILL)
        assert [it.pid for it in room.recorders()] == [recorder]
        room.open()
        after = recorded(room, before["recorded_s"] + 2)
        maps = Path(f"/proc/{room.processes['daemon'].pid}/maps").read_text()
        assert not [name for name in ("numpy", "libavcodec", "cv2") if name in maps]
        assert after["id"] == before["id"]
        assert after["state"] == "live"
        assert room.recorders()[0].pid == recorder
        room.post("/session/pause")
        room.until("/session", lambda it: it["state"] == "paused")
        room.post("/session/resume")
        recorded(room, after["recorded_s"] + 1)
        folder = end(room)
        one_lecture(folder)
        assert not markers(folder, "gap")
        assert not markers(folder, "restart")

    await in_thread(story)


async def test_the_recorder_is_killed_and_the_same_lecture_goes_on(
    room: WholeRoom, films: dict[str, Path]
) -> None:
    def story() -> None:
        furnish(room, films)
        before = start(room)
        recorder = room.recorders()[0].pid
        os.kill(recorder, signal.SIGKILL)
        wait_for(lambda: [it for it in room.recorders() if it.pid != recorder])
        wait_for(lambda: (room.get("/session") or {}).get("recording_state") == "recording")
        all_run(room)
        after = recorded(room, room.get("/session")["recorded_s"] + 2)
        assert after["recording"] == before["recording"]
        folder = end(room)
        one_lecture(folder)
        assert markers(folder, "restart")
        marked = {gap["data"]["source"] for gap in markers(folder, "gap")}
        for source, usual in (("front", 0.04), ("slides", 1.0), ("voice", 0.022)):
            lost = hole(folder / "tracks" / source) - usual
            assert lost < 5
            assert source in marked or lost < 0.3  # what is longer than 0.2 s is marked
            assert source not in marked or lost > 0.1

    await in_thread(story)


async def test_a_stopped_recorder_is_replaced_and_never_writes_again(
    room: WholeRoom, films: dict[str, Path]
) -> None:
    def story() -> None:
        furnish(room, films)
        before = start(room)
        first = room.recorders()[0].pid
        os.kill(first, signal.SIGSTOP)
        wait_for(lambda: [it for it in room.recorders() if it.pid != first])
        assert not Path(f"/proc/{first}").exists(), "the old one is gone before the new one writes"
        recorded(room, before["recorded_s"] + 3)
        assert len(room.recorders()) == 1
        folder = end(room)
        one_lecture(folder)

    await in_thread(story)


async def test_the_cameras_die_and_come_back(room: WholeRoom, films: dict[str, Path]) -> None:
    def front(room: WholeRoom) -> str:
        return next(it["state"] for it in room.get("/sources") if it["id"] == "front")

    def story() -> None:
        furnish(room, films)
        start(room)
        room.end("cameras", signal.SIGKILL)
        wait_for(lambda: front(room) == "lost")
        assert any(it["subject"] == "front" for it in room.get("/alarms"))
        session = room.get("/session")
        recorded(room, session["recorded_s"] + 2)
        room.again("cameras")
        wait_for(lambda: front(room) == "running")
        room.until("/alarms", lambda them: all(it["subject"] != "front" for it in them))
        recorded(room, room.get("/session")["recorded_s"] + 2)
        folder = end(room)
        manifest = one_lecture(folder)
        gaps = [it for it in markers(folder, "gap") if it["data"]["source"] == "front"]
        assert len(gaps) == 1
        assert not [it for it in markers(folder, "gap") if it["data"]["source"] == "voice"]
        assert manifest["life"] in {"ready", "delivering", "published"}

    await in_thread(story)


async def test_the_broker_dies_and_a_silent_display_does_not_matter(
    room: WholeRoom, films: dict[str, Path]
) -> None:
    def relay(room: WholeRoom) -> dict[str, Any]:
        return dict(next(it for it in room.get("/devices") if it["id"] == "screen"))

    def story() -> None:
        display = room.simulate("display", "pjlink/class1", "--port", "0", "--fault", "silent")
        port = free_port()
        furnish(
            room,
            films,
            f"""
[[devices]]
id = "display"
profile = "pjlink/class1"
transport = "{display}"
[[devices]]
id = "screen"
profile = "tasmota/relay"
transport = "mqtt://screen"
[mqtt]
mode = "managed"
port = {port}
accounts = [{{ name = "screen", secret = {room.secret("screen", "a relay's password")} }}]
""",
            """
  { device = "display", command = "power", value = true },
  { device = "screen", command = "relay", value = true },
""",
        )
        room.simulate(
            *("screen", "tasmota/relay", "--mqtt", f"127.0.0.1:{port}"),
            *("--option", "topic=screen"),
            CLASSROOMD_MQTT_USERNAME="screen",
            CLASSROOMD_MQTT_PASSWORD="a relay's password",
        )
        wait_for(lambda: relay(room)["health"] == "online")
        start(room)
        wait_for(lambda: relay(room)["values"].get("relay") is True)
        room.until("/alarms", lambda them: any(it["subject"] == "display" for it in them))
        broker = next((room.run_dir() / "broker").glob("pid"))
        os.kill(int(broker.read_text()), signal.SIGKILL)
        wait_for(lambda: relay(room)["health"] != "online")
        wait_for(lambda: relay(room)["health"] == "online")
        room.post("/devices/screen/relay", {"value": False})
        wait_for(lambda: relay(room)["values"].get("relay") is False)
        folder = end(room)
        one_lecture(folder)
        assert not markers(folder, "gap")

    await in_thread(story)


async def test_without_room_on_the_disk_nothing_is_lost_but_the_recording(
    room: WholeRoom, films: dict[str, Path]
) -> None:
    def story() -> None:
        room.cameras(**films)
        room.reserve_gb = 10.0**6
        furnish(room, films)
        room.post("/session", {"title": "Full"})
        session = room.until("/session", lambda it: it["recording_error"])
        assert session["state"] in {"preparing", "live"}
        assert "room" in session["recording_error"] or "disk" in session["recording_error"]
        assert any(it["severity"] == "critical" for it in room.get("/alarms"))
        assert not room.recorders()

    await in_thread(story)


@pytest.mark.parametrize("source", ["rtsp://127.0.0.1:9/none", "file:/nowhere.mp4"])
async def test_a_source_that_does_not_open_is_named_and_the_others_record(
    room: WholeRoom, films: dict[str, Path], source: str
) -> None:
    def story() -> None:
        extra = f'[[sources]]\nid = "back"\nrole = "audience"\nurl = "{source}"\n'
        furnish(room, films, extra)
        start(room)
        room.until("/alarms", lambda them: any(it["subject"] == "back" for it in them))
        states = {it["id"]: it["state"] for it in room.get("/sources")}
        assert states["front"] == states["slides"] == states["voice"] == "running"
        assert states["back"] != "running"
        assert not running(room.folder)
        one_lecture(end(room))

    await in_thread(story)
