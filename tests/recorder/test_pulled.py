"""Streams that are pulled from real servers: HTTP, HLS, RTMP and SRT; screens and PulseAudio."""

import functools
import http.server
import itertools
import secrets
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

LIVE = (
    *("ffmpeg", "-loglevel", "error", "-nostdin", "-re"),
    *("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25", "-f", "lavfi", "-i", "sine=f=500:r=48000"),
    *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25"),
    *("-pix_fmt", "yuv420p", "-c:a", "aac"),
)

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@pytest.fixture
def sending() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    running: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> subprocess.Popen[bytes]:
        running.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def website(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    folder = tmp_path / "site"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} never came"
        time.sleep(0.05)


async def recorded(made: Any, tools: Any, seconds: float = 3.0, media: Sequence[str] = ()) -> None:
    """Holds a class over the source, and looks at what is in its track."""
    await made.start()
    await made.running("presenter")
    begun = made.status.duration_s
    await made.until(lambda: made.status.duration_s > begun + seconds, "some seconds")
    await made.finish()
    folder = made.recording.track("presenter")
    for kind in media or ("video", "audio"):
        times = sorted(at for at, _ in tools.packets(folder, kind))
        assert times[-1] - times[0] > seconds - 1.0, kind
        assert max(b - a for a, b in itertools.pairwise(times)) < 0.5, kind
    first = min(folder.glob("*.m*"))
    assert len(tools.pictures(first)) > 10 * min(1.0, seconds)
    assert not [m for m in made.recording.markers() if m.kind == "gap"]


async def test_hls(
    hold_class: Callable[..., Any],
    tools: Any,
    website: tuple[Path, str],
    sending: Callable[..., Any],
) -> None:
    folder, address = website
    options = ("-f", "hls", "-hls_time", "1", "-hls_list_size", "5")
    sending(*LIVE, *options, "-hls_flags", "delete_segments", str(folder / "live.m3u8"))
    wait_for(folder / "live2.ts")
    await recorded(hold_class(f"presenter={address}/live.m3u8"), tools, 4.0)


async def test_http(
    hold_class: Callable[..., Any], tools: Any, sending: Callable[..., Any]
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/live.ts"
    sending(*LIVE, "-f", "mpegts", "-listen", "1", url)
    await recorded(hold_class(f"presenter={url}"), tools)


async def test_rtmp(
    hold_class: Callable[..., Any], tools: Any, sending: Callable[..., Any]
) -> None:
    """ffmpeg is the server; it serves one who plays, and ends with it."""
    url = f"rtmp://127.0.0.1:{free_port()}/live/camera"
    sending(*LIVE, "-f", "flv", "-listen", "1", url)
    await recorded(hold_class(f"presenter={url}"), tools)


async def test_rtmp_that_breaks_off_is_taken_up_again(
    hold_class: Callable[..., Any], sending: Callable[..., Any]
) -> None:
    url = f"rtmp://127.0.0.1:{free_port()}/live/camera"
    command = (*LIVE, "-f", "flv", "-listen", "1", url)
    first = sending(*command)
    made = hold_class(f"presenter={url}")
    await made.start()
    await made.running("presenter")
    first.kill()
    await made.until(lambda: made.fact("source_lost", "presenter"), "the loss")
    sending(*command)
    await made.until(lambda: made.fact("source_lost", "presenter") is False, "its return")
    await made.finish()
    assert [m.data["source"] for m in made.recording.markers() if m.kind == "gap"] == ["presenter"]


async def test_srt(hold_class: Callable[..., Any], tools: Any, sending: Callable[..., Any]) -> None:
    protocols = subprocess.run(["ffmpeg", "-protocols"], capture_output=True, text=True, check=True)
    if "srt" not in protocols.stdout.split():
        pytest.skip("SRT is not tested: this ffmpeg has none")
    port = free_port(socket.SOCK_DGRAM)
    sending(*LIVE, "-f", "mpegts", f"srt://127.0.0.1:{port}?mode=listener")
    await recorded(hold_class(f"presenter=srt://127.0.0.1:{port}"), tools)


async def test_srt_that_breaks_off_is_taken_up_again(
    hold_class: Callable[..., Any], tools: Any, sending: Callable[..., Any]
) -> None:
    protocols = subprocess.run(["ffmpeg", "-protocols"], capture_output=True, text=True, check=True)
    if "srt" not in protocols.stdout.split():
        pytest.skip("SRT is not tested: this ffmpeg has none")
    port = free_port(socket.SOCK_DGRAM)
    command = (*LIVE, "-f", "mpegts", f"srt://127.0.0.1:{port}?mode=listener")
    first = sending(*command)
    made = hold_class(f"presenter=srt://127.0.0.1:{port}")
    await made.start()
    await made.running("presenter")
    first.kill()
    await made.until(lambda: made.fact("source_lost", "presenter"), "the loss")
    sending(*command)
    await made.until(lambda: made.fact("source_lost", "presenter") is False, "its return")
    await made.finish()


class Pulse:
    """A PulseAudio daemon of its own, with a card that plays to nobody."""

    name = "desk.monitor"

    def __init__(self, home: Path) -> None:
        self._home = home
        self._daemon: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        (self._home / "native").unlink(missing_ok=True)
        socket_ = f"module-native-protocol-unix socket={self._home}/native auth-anonymous=1"
        self._daemon = subprocess.Popen(
            [
                *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1"),
                *("--disable-shm=yes", "-L", socket_),
                *("-L", "module-null-sink sink_name=desk"),
            ],
            stderr=subprocess.DEVNULL,
        )
        wait_for(self._home / "native")

    def stop(self) -> None:
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.wait()
        (self._home / "pid").unlink(missing_ok=True)


@pytest.fixture
def pulse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pulse]:
    if shutil.which("pulseaudio") is None or shutil.which("parec") is None:
        pytest.skip("PulseAudio is not tested: it is not installed")
    home = tmp_path / "pulse"
    home.mkdir(mode=0o700)
    for name in ("HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("PULSE_SERVER", f"unix:{home}/native")
    made = Pulse(home)
    made.start()
    yield made
    made.stop()


async def test_sound_that_goes_away_comes_back(
    hold_class: Callable[..., Any], pulse: Pulse
) -> None:
    made = hold_class(f"microphone=pulse://{pulse.name}", "audience=test:speech")
    await made.start()
    await made.running("microphone", "audience")
    pulse.stop()
    await made.until(lambda: made.fact("source_lost", "microphone"), "the loss")
    pulse.start()
    await made.say("retry", source="microphone")
    await made.until(lambda: made.fact("source_lost", "microphone") is False, "its return")
    await made.finish()
    gaps = {m.data["source"] for m in made.recording.markers() if m.kind == "gap"}
    assert gaps == {"microphone"}


async def test_pulse(hold_class: Callable[..., Any], tools: Any, pulse: Pulse) -> None:
    made = hold_class(f"microphone=pulse://{pulse.name}")
    await made.start()
    await made.running("microphone")
    t = made.status.duration_s
    await made.until(lambda: made.status.duration_s > t + 2.5, "some sound")
    await made.finish()
    times = [at for at, _ in tools.packets(made.recording.track("microphone"), "audio")]
    assert times[-1] - times[0] > 1.5


async def test_a_transport_stream_as_a_file(
    hold_class: Callable[..., Any], tools: Any, tmp_path: Path
) -> None:
    film = tmp_path / "film.ts"
    command = [part for part in LIVE if part != "-re"]
    subprocess.run([*command, "-t", "4", "-f", "mpegts", str(film)], check=True)
    made = hold_class(f"presenter=file:{film}?pace=fast")
    await made.start()
    await made.ended()
    folder = made.recording.track("presenter")
    assert len(tools.packets(folder)) == 100
    assert len(tools.packets(folder, "audio")) > 180
    assert made.recording.manifest.tracks["presenter"]["streams"][1]["channels"] == 1
