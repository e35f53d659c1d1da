"""Cameras that encode, and the program as a camera: v4l2loopback passes on what it is given."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from recorder import encoders
from recorder.engines.writer import PartWriter
from recorder.salvage import verify
from streaming import conference
from streaming.fragments import Init
from streaming.samples import follow

SHOWN, MJPEG, H264 = "/dev/video10", "/dev/video11", "/dev/video12"
FPS, SIZE = 5, (320, 180)

pytestmark = pytest.mark.skipif(
    not Path(SHOWN).exists(), reason="v4l2loopback was not built: see the beginning of the run"
)


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[Callable[[str, str], None]]:
    """`camera(device, codec)`: from now on the device sends pictures, encoded so.

    Two seconds of them, over and over, because an emulated CPU has enough to do.
    """
    running: list[subprocess.Popen[bytes]] = []
    encoded = {
        "mjpeg": ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-q:v", "5", "-f", "nut"],
        "h264": ["-c:v", "libx264", "-preset", "ultrafast", "-g", str(FPS), "-f", "mpegts"],
    }

    def send(device: str, codec: str) -> None:
        film, picture = str(tmp_path / codec), f"testsrc2=size={SIZE[0]}x{SIZE[1]}:rate={FPS}:d=2"
        making = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", picture, *encoded[codec], film]
        subprocess.run(making, check=True, stdin=subprocess.DEVNULL)
        playing = ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", film, "-c", "copy"]
        running.append(subprocess.Popen([*playing, "-f", "v4l2", device], stdin=subprocess.DEVNULL))

    yield send
    for process in running:
        process.kill()
        process.wait()


@pytest.mark.parametrize(("device", "codec"), [(MJPEG, "mjpeg"), (H264, "h264")])
async def test_a_camera_that_encodes_is_recorded(
    hold_class: Callable[..., Any],
    camera: Callable[[str, str], None],
    tools: Any,
    device: str,
    codec: str,
) -> None:
    """Motion JPEG is encoded anew, H.264 is passed through as it comes."""
    camera(device, codec)
    made = hold_class(f"presenter=v4l2://{device}?size=320x180&fps={FPS}&format={codec}")
    await made.start()
    await made.running("presenter")
    began = made.status.duration_s
    await made.until(lambda: made.status.duration_s > began + 4, "four seconds")
    await made.finish()
    folder = made.recording.track("presenter")
    times = [at for at, _ in tools.packets(folder)]
    assert len(times) >= 10 and times == sorted(times)
    assert verify(made.folder, decode=True).sound
    [path] = folder.glob("*.mp4")
    pictures = tools.pictures(path)
    assert {(one.width, one.height) for one in pictures} == {SIZE}
    assert pictures[-1].to_ndarray(format="rgb24").std() > 40  # colours, not a grey field


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Path]:
    """A recording whose live program is being written: a bright bar on a dark ground."""
    (tmp_path / "live").mkdir()
    over = threading.Event()

    def write() -> None:
        settings = encoders.lecture_settings(*SIZE, FPS, live=True)
        writer = PartWriter(tmp_path / "part.mp4", settings, tmp_path / "live" / "program.mp4")
        began, count = time.monotonic(), 0
        while not over.wait(max(0.0, began + count / FPS - time.monotonic())):
            planes = np.full((SIZE[1] * 3 // 2, SIZE[0]), 128, np.uint8)
            planes[: SIZE[1]] = 40
            planes[: SIZE[1], 100:200] = 220
            picture = av.VideoFrame.from_ndarray(planes, "yuv420p")
            writer.picture(picture, count * 1_000_000 // FPS, key=count % FPS == 0)
            quiet = np.zeros((2, encoders.SAMPLE_RATE // FPS), np.float32)
            writer.sound(quiet)
            count += 1
        writer.close([])

    thread = threading.Thread(target=write)
    thread.start()
    yield tmp_path
    over.set()
    thread.join()


def show(program: Path, device: str, over: threading.Event) -> None:
    """What the child of a push does: the program on the virtual camera."""
    shown = None
    for piece in follow(program / "live" / "program.mp4"):
        if over.is_set():
            break
        if isinstance(piece, Init):
            shown = conference.Conference(f"conference://{device}", piece)
        elif shown is not None and piece is not None:
            shown.write(piece)
    if shown is not None:
        shown.close()


def seen(device: str) -> Any:
    """The brightness of the first picture that a conference would take from the camera."""
    deadline = time.monotonic() + 120
    while True:
        try:
            with av.open(device, format="v4l2", timeout=(5.0, 20.0)) as camera:
                return next(camera.decode(video=0)).to_ndarray(format="gray")
        except OSError:  # it is a camera only while something is shown
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def test_the_program_is_a_camera_of_this_computer(program: Path) -> None:
    over = threading.Event()
    showing = threading.Thread(target=show, args=(program, SHOWN, over))
    showing.start()
    try:
        picture = seen(SHOWN)
    finally:
        over.set()
        showing.join()
    assert picture.shape == (SIZE[1], SIZE[0])
    assert picture[:, 120:180].mean() > 180 and picture[:, 220:].mean() < 80
