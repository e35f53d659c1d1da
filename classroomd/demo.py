"""A whole simulated room: real wires, with simulators as separate processes at the other end."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from classroomd.daemon import Daemon, DaemonError, run_daemon, set_up_logging
from classroomd.output import out, show_json
from classroomd.places import private_folder
from controller.config import RoomConfig, load
from controller.state import AccessRole, Actor, DeliveryView, SessionState
from recorder.recording import LECTURE, PRODUCTS, read_manifest

PJLINK_PASSWORD = "JBMIAProjectorLink"  # noqa: S105 - the simulator's factory setting
TIME_SCALE = 4.0
FINISH_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class DemoRoom:
    """A demo room's folder and what was made for it.

    `start_relay` starts the simulated relay, once the daemon's broker runs.
    """

    folder: Path
    pin: str
    technician_pin: str
    config: RoomConfig
    start_relay: Callable[[], object]


class _Simulators:
    """The other ends of the room's wires; each a process of its own, ended with the room."""

    def __init__(self, folder: Path) -> None:
        self._log = (folder / "simulators.log").open("ab")
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, profile: str, *arguments: str, env: dict[str, str] | None = None) -> str:
        """Starts a simulator and returns the address at which it answers."""
        command = [sys.executable, "-m", "devices.simulator", profile, *arguments]
        command += ["--time-scale", str(TIME_SCALE)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **(env or {})},
        )
        self._processes.append(process)
        assert process.stdout is not None
        return _address(profile, process, process.stdout)

    def stop(self) -> None:
        """Ends every simulator by its process id."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout:
                process.stdout.close()
        self._log.close()


def _address(profile: str, process: subprocess.Popen[bytes], stdout: IO[bytes]) -> str:
    line = stdout.readline()
    try:
        said = json.loads(line)
    except ValueError:
        process.kill()
        raise DaemonError(f"the simulator of {profile} did not start; see simulators.log") from None
    return str(said["address"])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _has_mosquitto() -> bool:
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is not None


def _secret(folder: Path, name: str, value: str) -> str:
    """Writes a secret for the owner only and returns the reference to it."""
    path = folder / name
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(value)
    return f"file:{path}"


_ROOM = """\
# The demo room. Made anew at each start of `classroomd demo`.
[room]
id = "demo"
name = "Demo room"
timezone = {timezone}
languages = ["en", "fr", "es", "ar", "ru", "zh"]

[storage]
recordings = {recordings}
state = {state}
reserve_gb = 0.5

[server]
host = "127.0.0.1"
port = {port}

[recording]
width = 1280
height = 720
fps = 25
live = true

[streaming]
visibility = "public"   # the room listens on this computer only

[[devices]]
id = "display"
name = "Interactive display"
profile = "samsung/mdc"
transport = {display}

[[devices]]
id = "projector"
name = "Projector"
profile = "pjlink/class1"
transport = {projector}
options = {{ password = {projector_secret} }}

[[devices]]
id = "camera"
name = "Camera"
profile = "visca/raw"
transport = {camera}
{screen}
[[sources]]
id = "presenter"
role = "presenter"
url = "test:presenter?size=1280x720&fps=25"

[[sources]]
id = "slides"
role = "slides"
url = "test:slides?size=1280x720"

[[sources]]
id = "microphone"
role = "microphone"
url = "test:speech"

[[scenes]]
id = "start"
name = "Start of class"
steps = [
  {{ device = "display", command = "power", value = true }},
  {{ device = "projector", command = "power", value = true }},
  {{ device = "camera", command = "power", value = true }},
{screen_down}]

[[scenes]]
id = "end"
name = "End of class"
steps = [
  {{ device = "display", command = "power", value = false }},
  {{ device = "projector", command = "power", value = false }},
{screen_up}]

[production]
before_delivery = true

[[publish]]
id = "shelf"
target = "folder"
url = {shelf}
auto = true

[auth]
users = [
  {{ name = "instructor", role = "instructor", secret = {pin} }},
  {{ name = "technician", role = "technician", secret = {technician_pin} }},
]
"""

_SCREEN = """
[[devices]]
id = "screen"
name = "Projection screen"
profile = "tasmota/relay"
transport = "mqtt://screen"

[mqtt]
mode = "managed"
port = {broker_port}
accounts = [{{ name = "screen", kind = "device", secret = {secret} }}]
"""


@contextmanager
def demo_room(folder: Path, port: int) -> Iterator[DemoRoom]:
    """Starts the simulators, writes the room's files under `folder`, ends the simulators after."""
    private_folder(folder)
    (folder / "shelf").mkdir(exist_ok=True)
    pin, technician_pin = (f"{secrets.randbelow(10**6):06d}" for _ in range(2))
    with ExitStack() as keep:
        simulators = _Simulators(folder)
        keep.callback(simulators.stop)
        display = simulators.start("samsung/mdc", "--pty", str(folder / "display"))
        projector = simulators.start("pjlink/class1", "--port", "0")
        camera = simulators.start("visca/raw", "--port", "0")
        values: dict[str, Any] = {
            "timezone": "UTC",
            "recordings": str(folder / "recordings"),
            "state": str(folder / "state"),
            "shelf": str(folder / "shelf"),
            "display": f"{display}?baud=9600",
            "projector": projector,
            "camera": camera,
            "projector_secret": _secret(folder, "projector.secret", PJLINK_PASSWORD),
            "pin": _secret(folder, "pin.secret", pin),
            "technician_pin": _secret(folder, "technician-pin.secret", technician_pin),
        }
        text = {"screen": "", "screen_down": "", "screen_up": ""}
        relay: Callable[[], object] = str  # without a broker there is nothing to start
        if _has_mosquitto():
            broker_port, password = _free_port(), secrets.token_urlsafe(24)
            reference = _secret(folder, "screen.secret", password)
            text["screen"] = _SCREEN.format(broker_port=broker_port, secret=json.dumps(reference))
            text["screen_down"] = '  { device = "screen", command = "relay", value = true },\n'
            text["screen_up"] = '  { device = "screen", command = "relay", value = false },\n'
            relay = partial(
                simulators.start,
                "tasmota/relay",
                "--mqtt",
                f"127.0.0.1:{broker_port}",
                "--option",
                "topic=screen",
                env={"CLASSROOMD_MQTT_USERNAME": "screen", "CLASSROOMD_MQTT_PASSWORD": password},
            )
        quoted = {name: json.dumps(value) for name, value in values.items()}
        path = folder / "room.toml"
        path.write_text(_ROOM.format(**quoted, **text, port=port), "utf-8")
        yield DemoRoom(folder, pin, technician_pin, load(path), relay)


def _default_folder() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "classroomd" / "demo"


def open_room(*, port: int, folder: Path | None) -> None:
    """Opens the demo room for people until it is interrupted. Raises DaemonError."""
    with demo_room(folder or _default_folder(), port) as room:

        def tell(daemon: Daemon) -> None:
            room.start_relay()
            out.print(f"\n  The wall panel is at [bold]{daemon.url}[/]")
            out.print(f"  PIN of the instructor: [bold]{room.pin}[/]")
            out.print(f"  The console is at {daemon.url}/console")
            out.print(f"  PIN of the technician: [bold]{room.technician_pin}[/]")
            out.print(f"  Once class is on: live at {daemon.url}/live, share a screen at /share")
            out.print(f"  Recordings: {room.config.storage.recordings}")
            if not any(device.id == "screen" for device in room.config.devices):
                out.print("  Mosquitto is not installed, so the room has no screen relay on MQTT.")
            out.print("  Ctrl-C closes the room.\n")

        run_daemon(room.config, tell)


def hold_class(*, seconds: float, folder: Path | None, as_json: bool) -> None:
    """Holds one class of `seconds` by itself and says what came of it. Raises DaemonError."""
    set_up_logging()
    with demo_room(folder or _default_folder(), 0) as room:
        result = asyncio.run(_class(room, seconds))
    if as_json:
        show_json(result)
    else:
        for name, value in result.items():
            out.print(f"{name}: {json.dumps(value)}")


async def _class(demo: DemoRoom, seconds: float) -> dict[str, Any]:
    actor = Actor(name="demo", role=AccessRole.ADMIN, door="cli")
    clock = asyncio.get_running_loop().time
    async with Daemon(demo.config) as daemon:
        await asyncio.to_thread(demo.start_relay)
        room = daemon.classroom
        async with room.events.subscribe() as changes:
            pressed = clock()
            session = await room.start_class(actor, title="Demo class")
            await asyncio.sleep(max(0.0, seconds - (clock() - pressed)))
            devices = {state.id: {"power": str(state.power)} for state in room.view().devices}
            ended = await room.end_class(actor, undo=False)
            async with asyncio.timeout(FINISH_TIMEOUT_S):
                while not _over(daemon, ended.recording):
                    await anext(changes)
        return await _result(daemon, session.id, ended.recording, devices)


def _over(daemon: Daemon, recording: str | None) -> bool:
    """True when the lecture is finished and every delivery of it has come to an end."""
    view = daemon.classroom.view()
    session = view.session
    if session is None or session.state is not SessionState.ENDED:
        return False
    if session.recording_state == "failed":
        return True
    wanted = {spec.id for spec in daemon.config.publish if spec.auto}
    ended = {d.target for d in _deliveries(daemon, recording) if d.state in {"verified", "failed"}}
    return session.recording_state == "finished" and wanted <= ended


def _deliveries(daemon: Daemon, recording: str | None) -> list[DeliveryView]:
    return [d for d in daemon.classroom.deliveries() if d.recording == recording]


async def _result(
    daemon: Daemon, session: str, recording: str | None, devices: dict[str, Any]
) -> dict[str, Any]:
    view = daemon.classroom.view().session
    assert view is not None
    result: dict[str, Any] = {"session": session, "state": str(view.state)}
    if recording is None:
        return {**result, "error": view.recording_error, "devices": devices}
    folder = daemon.classroom.recording_folder(recording)
    lecture = folder / PRODUCTS / LECTURE
    manifest = read_manifest(folder)
    return {
        **result,
        "recording": str(folder),
        "lecture": str(lecture),
        "duration_s": manifest.duration_s,
        "tracks": len(manifest.tracks),
        "av_offset_ms": await _av_offset(folder),
        "start_to_first_frame_ms": view.start_to_first_frame_ms,
        "devices": devices,
        "deliveries": [
            {"target": d.target, "state": d.state} for d in _deliveries(daemon, recording)
        ],
    }


async def _av_offset(recording: Path) -> float | None:
    """Sound after picture in the finished lecture, in ms, by its flashes and beeps."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "classroomd", "recordings", "measure", str(recording), "--json"),
        stdout=subprocess.PIPE,
    )
    said, _ = await process.communicate()
    if process.returncode:
        return None
    offset = json.loads(said.splitlines()[-1]).get("av_offset_ms")
    return None if offset is None else float(offset)
